/**
 * One section of a Markdown run file as a task: its heading is key and title, a first bullet list or yaml block its settings,
 * the rest its instructions, to the letter.
 */

import type { TaskSpec } from "../../client/requests.ts";
import { distance } from "../../nearest.ts";
import { bodyOf, type Line, type Section, textOf } from "./markdown-sections.ts";
import { atLine } from "./places.ts";
import { parseYaml } from "./yaml-text.ts";

/** What a task may set beside its text (the contract's TaskSpec). */
const taskFields = [
  ...["after", "context", "detached", "fork", "group", "labels", "max_tokens", "max_turns", "model"],
  ...[
    "on_context_too_long",
    "on_dependency_failure",
    "on_failure",
    "output_schema",
    "pool",
    "priority",
    "retries",
    "timeout_ms",
  ],
] as const;

const keyText = /^[a-z][a-z0-9_-]{0,63}$/;
const bullet = /^[-*+][ \t]+([A-Za-z_]+)[ \t]*:(?:[ \t]+(.*))?$/;
const yamlFence = /^ {0,3}(`{3,}|~{3,})[ \t]*ya?ml[ \t]*$/;

/** `number`: which section it is, from 1. @throws UsageError */
export async function taskOf(section: Section, number: number, from: string): Promise<TaskSpec & { key: string }> {
  const { settings, rest } = await settingsOf(section, from);
  const instructions = bodyOf(rest);
  const name = nameOf(section, number, from);
  if (instructions === "")
    throw atLine(from, section.line, `the task "${name.key}" has no instructions; write them below its heading.`);
  return { ...name, ...settings, instructions };
}

function nameOf({ heading, line }: Section, number: number, from: string): { key: string; title?: string } {
  if (heading === "") throw atLine(from, line, "this section has no heading; write one: ## key: Title");
  const [, key, title] = /^([^\s:]+):[ \t]+(\S.*)$/.exec(heading) ?? [];
  if (key !== undefined && keyText.test(key)) return { key, title: title! };
  if (keyText.test(heading)) return { key: heading };
  const derived = heading
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, "-")
    .replace(/^[^a-z]+|-+$/g, "")
    .slice(0, 64);
  return { key: derived === "" ? `task-${number}` : derived, title: heading };
}

async function settingsOf(
  { body }: Section,
  from: string,
): Promise<{ settings: Partial<TaskSpec>; rest: readonly Line[] }> {
  const first = body.findIndex(({ text }) => text.trim() !== "");
  if (first < 0) return { settings: {}, rest: [] };
  const fence = yamlFence.exec(body[first]!.text)?.[1];
  if (fence !== undefined) {
    const end = body.findIndex(
      ({ text }, i) => i > first && text.trim().startsWith(fence) && /^[`~]+$/.test(text.trim()),
    );
    const lines = body.slice(first + 1, end);
    return { settings: await fieldsOf(lines, from, (lines[0] ?? body[first]!).number), rest: body.slice(end + 1) };
  }
  const naked = /^([a-z_]+):(?=\s|$)/.exec(body[first]!.text)?.[1];
  if (naked !== undefined && (taskFields as readonly string[]).includes(naked))
    throw atLine(
      from,
      body[first]!.number,
      `settings are a list, "- ${naked}: …". If it belongs to the instructions, put a line of text above it.`,
    );
  const name = bullet.exec(body[first]!.text)?.[1];
  if (name === undefined || !isSetting(name, body[first]!, from)) return { settings: {}, rest: body };
  let end = first;
  // A bullet, and what is indented below it.
  while (end < body.length && /^([-*+][ \t]|[ \t]+\S)/.test(body[end]!.text)) end++;
  const lines = body.slice(first, end).map((line): Line => {
    const [, field, value = ""] = bullet.exec(line.text) ?? [];
    if (field !== undefined) return { number: line.number, text: `${field}: ${value}` };
    if (/^[-*+]/.test(line.text)) throw atLine(from, line.number, 'expected a setting, as in "- after: other-task".');
    return line;
  });
  return { settings: await fieldsOf(lines, from, lines[0]!.number), rest: body.slice(end) };
}

/** A list that begins with anything else than a setting belongs to the instructions; one that nearly is one is a slip. */
function isSetting(name: string, line: Line, from: string): boolean {
  if ((taskFields as readonly string[]).includes(name) || inHeading.has(name)) return true;
  const meant = name.length < 4 ? undefined : taskFields.find((field) => distance(field, name) <= 1);
  if (meant === undefined) return false;
  throw atLine(
    from,
    line.number,
    `there is no setting "${name}"; did you mean "${meant}"? If it belongs to the instructions, put a line of text above it.`,
  );
}

const inHeading = new Map([
  ["key", "a task's key stands in its heading: ## key: Title"],
  ["title", "a task's title stands in its heading: ## key: Title"],
  ["instructions", "a task's instructions are the text of its section"],
]);

async function fieldsOf(lines: readonly Line[], from: string, firstLine: number): Promise<Partial<TaskSpec>> {
  const { value, lineOf } = await parseYaml(textOf(lines), from, firstLine);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw atLine(from, firstLine, 'expected settings, one a line, as in "after: [other-task]".');
  const fields = value as Record<string, unknown>;
  for (const field of Object.keys(fields)) {
    if ((taskFields as readonly string[]).includes(field)) continue;
    const why = inHeading.get(field) ?? `unknown setting "${field}"; a task has ${taskFields.join(", ")}`;
    throw atLine(from, lineOf([field]) ?? firstLine, `${why}.`);
  }
  // As people write lists in a line.
  if (typeof fields.after === "string") fields.after = fields.after.split(/[,\s]+/).filter(Boolean);
  return fields as Partial<TaskSpec>;
}
