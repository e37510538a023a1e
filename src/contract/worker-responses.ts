/** What pull workers and those who look at pools are answered; as responses.ts. */

import * as z from "zod";
import { appended, contextView, errorView, taskState, taskView } from "./responses.ts";
import type * as shapes from "./shapes.ts";
import { type AllTrue, at, cursor, type Twins } from "./view-parts.ts";

const tokensLeft = z
  .int()
  .min(0)
  .describe(
    "Tokens, input and output together, that the task may still use before its next turn is refused with max_tokens: the least that max_tokens, its own or an ancestor's, and a rule's budget of each task leave. At 0 the next one is refused. Absent where nothing bounds them.",
  )
  .exactOptional();

const leaseView = z
  .strictObject({
    id: z.string().describe("The capability for this attempt: its calls need no key."),
    expires_at: at,
    run: z.string(),
    snapshot: z.string(),
    task: taskView.extend({
      instructions: z.string(),
      attempt: z.int(),
      output_schema: z.record(z.string(), z.unknown()).exactOptional(),
    }),
    messages: z
      .array(z.looseObject({}))
      .describe("Messages to the task: they follow the context, after the results of open calls.")
      .exactOptional(),
    tokens_left: tokensLeft,
    context: contextView.nullable().describe("null: too large to travel along; fetch `snapshot` of `run`."),
  })
  .meta({ id: "Lease" });

const toolCallView = z.strictObject({
  id: z.string(),
  tool: z.string(),
  arguments: z.record(z.string(), z.unknown()),
  idempotency_key: z.string().describe("The same for every attempt of the call."),
  attempt: z.int(),
  timeout_at: at,
  run: z.string(),
  task: z.strictObject({ id: z.string(), key: z.string().nullable(), title: z.string().nullable() }),
});

const toolCallLease = z
  .strictObject({
    id: z.string().describe("The capability for this attempt: its calls need no key."),
    expires_at: at,
    tool_call: toolCallView,
  })
  .meta({ id: "ToolCallLease" });

const anyLease = z.union([leaseView, toolCallLease]);

export const leasesView = z.strictObject({ leases: z.array(anyLease) });
export const renewed = z.strictObject({
  expires_at: at,
  messages: z.int().describe("Messages to the task that the answer to the next turn brings.").exactOptional(),
});
export const turnLogged = appended.extend({
  messages: z
    .array(z.looseObject({}))
    .describe(
      "Messages to the task, new to the worker: they go into its conversation, after the results of open calls.",
    )
    .exactOptional(),
  tokens_left: tokensLeft,
});
export const completed = z.strictObject({ lease: anyLease.exactOptional() });
export const failed = z.strictObject({
  state: taskState.describe("A tool call's: waiting (to be tried again) or failed."),
  error: errorView,
});
const loadView = z.strictObject({ cpu: z.number(), memory: z.number().exactOptional() });
const poolWorkerView = z.strictObject({
  worker: z.string(),
  load: loadView.nullable().describe("As the worker reported it last, shares from 0 to 1; null when it did not."),
  seen_at: at,
});
export const poolView = z
  .strictObject({
    pool: z.string(),
    workers: z.array(poolWorkerView),
    waiting: z.int().describe("Requests of workers that wait for work at this moment."),
    next_cursor: cursor,
  })
  .meta({ id: "Pool" });

// Compiles only while each schema and its shape accept each other.
true satisfies AllTrue<
  [
    Twins<z.infer<typeof poolWorkerView>, shapes.PoolWorkerView>,
    Twins<z.infer<typeof leaseView>["task"], shapes.LeaseGrant["task"]>,
    Twins<z.infer<typeof toolCallView>, shapes.ToolCallView>,
  ]
>;
