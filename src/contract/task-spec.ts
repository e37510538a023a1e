/** TaskSpec (contract, DESIGN §4): what a caller says about one task, after validation. */

import * as z from "zod";
import type { MessageText } from "../context/types.ts";
import { isSnapshotHash, keyPattern } from "../ids.ts";
import * as limits from "../limits.ts";
import { withProblem } from "./field-errors.ts";
import { messagesSchema } from "./message.ts";
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
    'Which part of the context the task gets: "full" (default), {"snapshot"}, {"last": n} turns, "none", or "auto": one of these by size, price and task, with the reason in `notes`.',
  );

const labelsSchema = z
  .record(z.string().min(1).max(limits.labelCharsMax), z.string().max(limits.labelCharsMax))
  .refine((labels) => Object.keys(labels).length <= limits.labelsMax, `at most ${limits.labelsMax} labels`)
  .describe("Names with values, inherited by the task's own tasks.");

export const taskSpecSchema = z.strictObject({
  key: z
    .string()
    .regex(keyPattern, "a key is [a-z][a-z0-9_-]{0,63}")
    .describe("A name of your choice, unique among the tasks that you create; other tasks refer to it.")
    .optional(),
  title: z.string().min(1).max(limits.nameCharsMax).describe("A few words for people who watch the run.").optional(),
  instructions: z
    .string()
    .min(1)
    .refine(
      (text) => fitsUtf8(text, limits.instructionsBytesMax),
      withProblem("instructions_too_large", `at most ${limits.instructionsBytesMax} bytes`),
    )
    .describe(
      "What this task is to do and what its result is to look like. {{key}} or {{key.path}} stands for another task's result.",
    ),
  context: z
    .union([z.string(), messagesSchema], "expected text or an array of messages")
    .describe("What this task needs beyond the forked context: text, or messages in the conversation's own format.")
    .optional(),
  fork: forkSchema.optional(),
  after: z
    .array(reference)
    .max(limits.afterMax)
    .describe("Tasks, by key or id, that must end first; their results are shown to this one, in this order.")
    .optional(),
  on_dependency_failure: z
    .enum(["skip", "run"])
    .describe("When one of them fails: skip this task (default), or run it and show it the error.")
    .optional(),
  priority: z.int().min(0).max(9).describe("0–9; 9 starts first, 5 is the default.").optional(),
  pool: pool.describe("Where it runs; leave out for your own pool.").optional(),
  model: z
    .string()
    .min(1)
    .max(limits.nameCharsMax)
    .describe("Another model; the prompt cache is then cold.")
    .optional(),
  max_turns: z.int().min(1).max(limits.maxTurnsMax).describe("Model requests that the task may make.").optional(),
  max_tokens: z.int().min(1).describe("Tokens that the task and all tasks under it may spend.").optional(),
  on_context_too_long: z
    .union(
      [z.enum(["fail"]), z.strictObject({ last: z.int().min(1).max(limits.lastTurnsMax) })],
      'expected "fail" or {"last": n}',
    )
    .describe(
      'When its conversation no longer fits the model: "fail" (default), or {"last": n}: go on with its instructions and the newest n turns.',
    )
    .optional(),
  timeout_ms: z
    .int()
    .min(1)
    .max(limits.runTimeoutMsMax)
    .describe("From its first start to its end, waiting included.")
    .optional(),
  retries: z
    .strictObject({
      limit: z.int().min(0).max(limits.retriesMax).optional(),
      backoff_ms: z.int().min(0).max(limits.backoffMsMax).optional(),
    })
    .describe("Repeats after transient failures; 2 by default.")
    .optional(),
  output_schema: z
    .record(z.string(), z.unknown())
    .describe("JSON Schema that the result must match; the result is then JSON, and {{key.path}} can pick from it.")
    .optional(),
  detached: z.boolean().describe("true: the task may outlive the one that created it.").optional(),
  labels: labelsSchema.optional(),
});

type Parsed = z.infer<typeof taskSpecSchema>;

/** A validated TaskSpec; `context` messages are the texts received (the HTTP and tool doors slice them out). */
export type TaskSpec = Omit<Parsed, "context"> & { context?: string | { messages: MessageText[] } };

export const poolName = pool;
export const taskReference = reference;
