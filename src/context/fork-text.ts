/**
 * The text by which a fork learns who it is and what to do, and its exact inverse.
 *
 *   you are task ID, forked; do: what stands below the line "--- instructions of ID ---". …
 *   results of dependencies, then context
 *   --- instructions of ID ---
 *   the instructions
 *   --- output schema of ID ---          (only if the first line says so)
 *   the schema
 *
 * Invariants
 * - F1 The first line names the marker line, and the marker occurs nowhere between the two: where results or context hold
 *   a look-alike, the marker has more dashes than any of them. So the *first* marker line after the header is the one.
 * - F2 The first line says whether a schema follows. If so, the *last* schema line is the one: no JSON text has such a line.
 * - F3 Results, context and instructions stand as they are; nothing is escaped. `findForkText(forkText(x))` gives x's
 *   instructions back whatever any of them hold.
 */

import { assert } from "../errors/assert.ts";

export interface ForkTextInput {
  readonly taskId: string;
  /** The fork answers a tool call, whose caller goes on as the parent; otherwise it is a message of its own. */
  readonly viaCall: boolean;
  /** Marked result blocks, joined; may be empty. */
  readonly results: string;
  readonly context?: string;
  readonly instructions: string;
  /** JSON text of the output schema. */
  readonly schema?: string;
}

/** The marker of F1, with more dashes than any look-alike in `before`. Linear: each run of dashes is counted once. */
function markerLine(taskId: string, before: string): string {
  const core = ` instructions of ${taskId} `;
  let dashes = 3;
  for (let at = before.indexOf(`-${core}-`); at >= 0; at = before.indexOf(`-${core}-`, at + 1)) {
    let first = at;
    while (before[first - 1] === "-") first--;
    dashes = Math.max(dashes, at - first + 2);
  }
  const run = "-".repeat(dashes);
  return `${run}${core}${run}`;
}

const schemaLine = (taskId: string): string => `--- output schema of ${taskId} ---`;
const schemaNotice = " The schema that your result must match follows them.";

const taskIdPattern = /^[A-Za-z0-9_-]+$/;
const headerPattern =
  /^you are task ([A-Za-z0-9_-]+), forked; do: what stands below the line "(-{3,} instructions of \1 -{3,})"\.([^\n]*)\n/;

/** The fork text (DESIGN §5): it names the task; results and context come before the instructions, which start a line. */
export function forkText(input: ForkTextInput): string {
  const { taskId, context, schema } = input;
  assert(taskIdPattern.test(taskId), "a task id is one word");
  const before = [input.results, context ?? ""].filter((part) => part !== "").join("\n\n");
  const marker = markerLine(taskId, before);
  const origin = input.viaCall
    ? " The reply above was copied: its calls belong to the parent, which goes on by itself; you do this task only."
    : " Whatever stands above is the context that you start from; you do this task only.";
  const header = `you are task ${taskId}, forked; do: what stands below the line "${marker}".${origin}${schema === undefined ? "" : schemaNotice}`;
  const lines = [header, ...(before === "" ? [] : ["", before, ""]), marker, input.instructions];
  if (schema !== undefined)
    lines.push(
      schemaLine(taskId),
      "Your result, as your final text or through finish, must be nothing but JSON that matches this JSON Schema:",
      schema,
    );
  return lines.join("\n");
}

/** The task and instructions of a fork text; undefined when `text` is none. */
export function findForkText(text: string): { taskId: string; instructions: string } | undefined {
  const header = headerPattern.exec(text);
  if (!header) return undefined;
  const [head, taskId, marker, rest] = header as unknown as [string, string, string, string];
  const line = `\n${marker}\n`;
  const at = text.indexOf(line, head.length - 1);
  if (at < 0) return undefined;
  const start = at + line.length;
  if (!rest.endsWith(schemaNotice)) return { taskId, instructions: text.slice(start) };
  const end = text.lastIndexOf(`\n${schemaLine(taskId)}\n`);
  return end < start ? undefined : { taskId, instructions: text.slice(start, end) };
}
