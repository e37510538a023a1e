/** The pull protocol's requests. */

import * as z from "zod";
import * as limits from "../limits.ts";
import { messagesSchema } from "./message.ts";
import { remoteToolName } from "./remote-tools.ts";
import { resultValue } from "./result-value.ts";

const count = z.int().min(0).max(limits.reportedTokensMax).exactOptional();
const usage = z
  .strictObject({
    ...{ input_tokens: count, output_tokens: count, cache_read_tokens: count, cache_write_tokens: count },
    cost_usd: z
      .number()
      .min(0)
      .max(limits.reportedUsdMax)
      .describe("Where the worker knows it: it counts in place of the price list's.")
      .exactOptional(),
  })
  .exactOptional();

const worker = z.string().min(1).max(limits.nameCharsMax).describe("The worker's own name; shown in the log.");

const share = z.number().min(0).max(1);
const load = z
  .strictObject({ cpu: share, memory: share.exactOptional() })
  .describe("How busy the worker's machine is: shares in use. Shown by GET /v1/pools/:pool.")
  .exactOptional();

export const leasesBody = z
  .strictObject({
    worker,
    max: z
      .int()
      .min(0)
      .max(limits.leasesPerCallMax)
      .describe("0: lease nothing and answer at once; the worker only says that it is there, and its load.")
      .default(1),
    wait_ms: z.int().min(0).max(limits.leaseWaitMsMax).default(0),
    supersedes: z
      .string()
      .min(1)
      .max(limits.idempotencyKeyCharsMax)
      .describe(
        "The Idempotency-Key of a lease request that nobody waits for any more: it is given nothing from now on. Whose connection ends is known so, too, but a proxy may keep it.",
      )
      .exactOptional(),
    load,
    kinds: z
      .array(z.enum(["task", "tool_call"]))
      .min(1)
      .max(2)
      .describe("What the worker takes: tasks (default), calls of the run's own tools, or both.")
      .default(["task"]),
    tools: z
      .array(remoteToolName)
      .min(1)
      .max(limits.remoteToolsMax)
      .describe("Only calls of these tools; default: of any that the pool has.")
      .exactOptional(),
  })
  .refine(({ kinds, tools }) => tools === undefined || kinds.includes("tool_call"), {
    error: 'only with kinds that name "tool_call"',
    path: ["tools"],
    when: ({ issues }) => issues.length === 0,
  });

export const progressSchema = z.strictObject({
  message: z.string().max(limits.toolProgressCharsMax).exactOptional(),
  fraction: z.number().min(0).max(1).exactOptional(),
});

export const taskProgressSchema = progressSchema.extend({
  turns: z.int().min(0).describe("Of a task: turns so far, also those that are not logged.").exactOptional(),
  usage: usage.describe("Of a task: what the attempt used so far. It is shown, and counted when the attempt ends."),
});

export const renewBody = z.strictObject({
  progress: taskProgressSchema
    .describe("How far it is: of a tool call logged, at most once a second; of a task shown in its `progress`.")
    .exactOptional(),
});

export const turnBody = z.strictObject({ messages: messagesSchema.min(1), usage });

export const completeBody = z.strictObject({
  result: resultValue.describe("Text or any JSON; null is a result."),
  usage,
  is_error: z
    .boolean()
    .describe("Of a tool call: the tool was carried out, and the result is an error that it found.")
    .exactOptional(),
  next: z
    .boolean()
    .describe("Lease the next task of the same pool, or the next call of the same tool, in the same call.")
    .default(false),
  worker: worker.exactOptional(),
});

export const failBody = z.strictObject({
  error: z.strictObject({
    code: z.string().regex(/^[a-z][a-z0-9_]{0,63}$/, "a code is [a-z][a-z0-9_]{0,63}"),
    message: z.string().max(limits.errorCharsMax),
  }),
  retryable: z.boolean().default(false),
  usage: usage.describe("Of a task: what the attempt used nevertheless."),
});
