/** TaskSpec (contract, DESIGN §4): what a caller says about one task, after validation. */

import * as z from "zod";
import type { MessageText } from "../context/types.ts";
import { isSnapshotHash, keyPattern } from "../ids.ts";
import * as limits from "../limits.ts";
import { likenesses, withProblem } from "./field-errors.ts";
import { messagesSchema } from "./message.ts";
import { namedBy } from "./named.ts";
import { unusableIn } from "./output-schema.ts";
import { fitsUtf8 } from "./utf8.ts";

const reference = z.string().min(1).max(64).describe("A task's id, or its key.");
const pool = z.string().regex(/^[a-z][a-z0-9_-]{0,63}$/, "a pool's name is [a-z][a-z0-9_-]{0,63}");

export const snapshotHash = z.string().refine(isSnapshotHash, "a snapshot is 32 hex characters");

const forkSchema = z
  .union(
    [
      z.enum(["full", "auto", "none"]),
      z.strictObject({ snapshot: snapshotHash }),
      z.strictObject({ last: z.int().min(1).max(limits.lastTurnsMax) }),
    ],
    'expected "full", "auto", "none", {"snapshot": hash} or {"last": n}',
  )
  .describe(
    'Which part of the context it gets: "full" (default), {"snapshot"}, {"last": n} turns, "none", or "auto": one of these by size and price.',
  );

export const taskKey = z.string().regex(keyPattern, "a key is [a-z][a-z0-9_-]{0,63}");

const labelsSchema = namedBy(z.string().min(1).max(limits.labelCharsMax), z.string().max(limits.labelCharsMax), {
  most: limits.labelsMax,
  what: "labels",
}).describe("Names with values, inherited by its own tasks.");

const title = z.string().min(1).max(limits.nameCharsMax).describe("For people who watch the run.");

const instructions = z
  .string()
  .min(1)
  .refine(
    (text) => fitsUtf8(text, limits.instructionsBytesMax),
    withProblem("instructions_too_large", `at most ${limits.instructionsBytesMax} bytes`),
  )
  .describe("What it is to do, and what its result is to look like.");

const model = z.string().min(1).max(limits.nameCharsMax).describe("Another model; the cache is then cold.");
const maxTurns = z.int().min(1).max(limits.maxTurnsMax).describe("Model requests that it may make.");
const maxTokens = z.int().min(1).describe("Tokens that it and all tasks under it may spend.");

const timeoutMs = z
  .int()
  .min(1)
  .max(limits.runTimeoutMsMax)
  .describe("From its first start to its end, waiting included.");

const retries = z
  .strictObject({
    limit: z.int().min(0).max(limits.retriesMax).optional(),
    backoff_ms: z.int().min(0).max(limits.backoffMsMax).optional(),
  })
  .describe("{limit, backoff_ms}: repeats after transient failures; limit 2 by default.");
likenesses.add(retries, { example: '{"limit": 3}' });

const outputSchema = z
  .record(z.string(), z.unknown())
  .superRefine((schema, context) => {
    const flaw = unusableIn(schema);
    if (flaw) context.addIssue({ code: "custom", path: [...flaw.path], message: flaw.message });
  })
  .describe("JSON Schema of the result, which is then JSON.");

/** What runs in place of a task that failed, or undoes it; what is left out is as the task has it. */
const standInSchema = z.strictObject({
  title: title.optional(),
  instructions,
  context: z.string().describe("What it needs beyond the forked context.").optional(),
  fork: forkSchema.optional(),
  pool: pool.describe("Where it runs.").optional(),
  model: model.optional(),
  max_turns: maxTurns.optional(),
  max_tokens: maxTokens.optional(),
  timeout_ms: timeoutMs.optional(),
  retries: retries.optional(),
  output_schema: outputSchema.optional(),
});

export type StandInSpec = z.infer<typeof standInSchema>;

/** How many members of a group must succeed, and what that means for the others. */
const groupTermsSchema = z.strictObject({
  require: z.int().min(1).max(limits.batchTasksMax).describe("How many must succeed; all by default.").optional(),
  on_failure: z
    .enum(["cancel", "continue"])
    .describe("When that can't be any more: cancel the others (default), or let them go on.")
    .optional(),
  when_met: z
    .enum(["continue", "cancel"])
    .describe("When so many have succeeded: let the others go on (default), or cancel them.")
    .optional(),
});

const groupName = z.string().regex(keyPattern, "a group's name is [a-z][a-z0-9_-]{0,63}");

export const groupsSchema = namedBy(groupName, groupTermsSchema, {
  most: limits.batchGroupsMax,
  what: "groups",
}).describe(
  '{"reviews": {"require": 2, "on_failure": "cancel" | "continue", "when_met": "continue" | "cancel"}}: how many of a group must succeed (all by default), and what becomes of the others when that can\'t be any more, or is so.',
);

export type Groups = z.infer<typeof groupsSchema>;

export const taskSpecSchema = z.strictObject({
  key: taskKey.describe("A name of your choice, by which others refer to it; unique among your tasks.").optional(),
  title: title.optional(),
  instructions,
  context: z
    .union([z.string(), messagesSchema], "expected text or an array of messages")
    .describe("What it needs beyond the forked context: text, or messages in the conversation's own format.")
    .optional(),
  fork: forkSchema.optional(),
  after: z
    .array(reference)
    .max(limits.afterMax)
    .describe(
      "Keys or ids of tasks that must end first, whose results it is shown in this order; or a group, which must not fail.",
    )
    .optional(),
  on_dependency_failure: z
    .enum(["skip", "run"])
    .describe("When one of them fails: skip it (default), or run it and show it the error.")
    .optional(),
  group: groupName
    .describe("Tasks of a group must all succeed, else the others are cancelled; `groups` can say otherwise.")
    .optional(),
  on_failure: z
    .strictObject({ task: standInSchema })
    .describe(
      "{task: {instructions, and model, pool, max_turns… where they differ}}: a fallback. It runs if this task fails, sees why, and its result counts instead; if this task succeeds but its group fails, it runs to undo the work.",
    )
    .optional(),
  priority: z.int().min(0).max(9).describe("0–9; 9 starts first, 5 is the default.").optional(),
  pool: pool.describe("Where it runs; leave out for your own pool.").optional(),
  model: model.optional(),
  max_turns: maxTurns.optional(),
  max_tokens: maxTokens.optional(),
  on_context_too_long: z
    .union(
      [z.enum(["fail"]), z.strictObject({ last: z.int().min(1).max(limits.lastTurnsMax) })],
      'expected "fail" or {"last": n}',
    )
    .describe(
      'When its conversation no longer fits the model: "fail" (default), or {"last": n}: go on with its instructions and the newest n turns.',
    )
    .optional(),
  timeout_ms: timeoutMs.optional(),
  retries: retries.optional(),
  output_schema: outputSchema.optional(),
  detached: z.boolean().describe("true: it may outlive its creator.").optional(),
  labels: labelsSchema.optional(),
});

likenesses.add(taskSpecSchema, { example: '{"instructions": "…"}' });

type Parsed = z.infer<typeof taskSpecSchema>;

/** A validated TaskSpec; `context` messages are the texts received (the HTTP and tool doors slice them out). */
export type TaskSpec = Omit<Parsed, "context"> & { context?: string | { messages: MessageText[] } };

export const poolName = pool;
export const taskReference = reference;
