/**
 * The lines of a run's export (docs/sharing-runs.md). One object a line, of one of these forms; a line that would be long is
 * cut into `piece` lines, whose texts joined are the line.
 *
 * Order: header, snapshots (a parent before its children), log rows by seq, tasks, variables with their parts, end.
 */

import * as z from "zod";
import { isObject } from "../context/is-object.ts";
import { isRunId } from "../ids.ts";
import * as limits from "../limits.ts";
import { firstMismatch } from "./field-errors.ts";
import { snapshotHash } from "./task-spec.ts";

export const exportVersion = 1;

const name = z.string().min(1).max(limits.nameCharsMax);
const seq = z.int().min(1);
const count = z.int().min(0);
const json = z.unknown();

/** Of the run as it is exported; what an import relies on is checked against the log. */
const header = z.strictObject({
  heddle_export: z.literal(exportVersion, `this server reads format ${exportVersion}`),
  run: z.string().refine(isRunId, "no run's id"),
  name: name.nullable(),
  status: z.string().max(limits.nameCharsMax),
  /** The log as far as it is in here. */
  seq,
  created_at: count,
  exported_at: count,
});

const head = z.strictObject({
  format: z.enum(["anthropic", "openai"]),
  model: name.exactOptional(),
  system: z.string().exactOptional(),
  tools: z.string().exactOptional(),
  params: z.string().exactOptional(),
});

const snapshotRoot = z.strictObject({ snapshot: snapshotHash, head });
/** Messages as texts, so that no reader or writer of JSON changes a byte of them. */
const snapshot = z.strictObject({
  snapshot: snapshotHash,
  parent: snapshotHash,
  messages: z.array(z.string()).min(1).max(limits.messagesMax),
});

/** A row of the log: events from `seq` on, and where one has a text beside it, the texts of all (0: none). */
const row = z.strictObject({
  seq,
  at: count,
  events: z.array(z.record(z.string(), json)).min(1),
  bodies: z.array(json).exactOptional(),
});

/** As GET …/tasks/:task; for readers. An import computes it anew. */
const task = z.strictObject({ task: z.looseObject({ id: z.string() }) });

/** As GET …/variables/:name. `head`: what of a variable with data is no entry and no text. */
const variable = z.strictObject({ variable: z.looseObject({ name, kind: z.string() }), head: json.optional() });
const entries = z.strictObject({
  of: name,
  entries: z.array(z.tuple([z.string().max(limits.mapKeyCharsMax), json, seq])).min(1),
});
const memory = z.strictObject({ of: name, text: z.string() });
/** The newest token seen of each lock that guards it. */
const fences = z.strictObject({ of: name, fences: z.array(z.tuple([name, count])).min(1) });
/** What calls of tasks were answered, for their repeats. */
const answers = z.strictObject({
  of: name,
  answers: z
    .array(
      z.strictObject({
        owner: z.string().regex(/^task [1-9]\d{0,8}\.[1-9]\d{0,8}$/),
        slot: count.max(limits.messagesMax),
        turn: count,
        call: z.string(),
        /** Of a call that a worker named: its attempt's fence, and which call it was. */
        fingerprint: z.string().regex(/^(?:[1-9]\d{0,15} [0-9a-f]{12})?$/),
        answer: z.union([
          z.strictObject({ result: json }),
          z.strictObject({ error: z.looseObject({ code: z.string(), message: z.string() }) }),
        ]),
      }),
    )
    .min(1),
});

const end = z.strictObject({
  end: z.literal(true),
  /** Before this one. */
  lines: seq,
  snapshots: count,
  events: count,
  tasks: count,
  variables: count,
  /** SHA-256 of the digest before and the line, from line to line (context/line-digest.ts). */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
});

const piece = z.strictObject({ piece: z.string(), more: z.literal(true).exactOptional() });

export type ExportEnd = z.output<typeof end>;

/** Kinds of lines in the order of their places in a file, each found by a field that no other kind has. */
const kinds = {
  header: { mark: "heddle_export", schema: header },
  snapshot: { mark: "snapshot", schema: z.union([snapshotRoot, snapshot]) },
  row: { mark: "seq", schema: row },
  task: { mark: "task", schema: task },
  variable: { mark: "variable", schema: variable },
  entries: { mark: "entries", schema: entries },
  memory: { mark: "text", schema: memory },
  fences: { mark: "fences", schema: fences },
  answers: { mark: "answers", schema: answers },
  end: { mark: "end", schema: end },
  piece: { mark: "piece", schema: piece },
} as const;

type Kinds = typeof kinds;
export type LineKind = keyof Kinds;
export type Line = {
  [Kind in LineKind]: { readonly kind: Kind; readonly value: z.output<Kinds[Kind]["schema"]> };
}[LineKind];

/** The line's kind and its value as it was given, or what is wrong with it. */
export function lineOf(value: unknown): Line | { readonly kind: "wrong"; readonly why: string } {
  if (!isObject(value)) return { kind: "wrong", why: "no object" };
  const found = (Object.keys(kinds) as LineKind[]).find((kind) => Object.hasOwn(value, kinds[kind].mark));
  if (!found) return { kind: "wrong", why: "no line of an export" };
  const parsed = kinds[found].schema.safeParse(value);
  // As it was given: what is parsed has its keys in another order, and the log is kept as it was written.
  if (parsed.success) return { kind: found, value } as Line;
  return { kind: "wrong", why: firstMismatch(parsed.error, found) };
}
