/** Requests about a run as a whole, and about its context. */

import * as z from "zod";
import * as limits from "../limits.ts";
import { likenesses } from "./field-errors.ts";
import { runToolsSchema } from "./mcp-servers.ts";
import { messagesSchema } from "./message.ts";
import { moment } from "./moments.ts";
import { pageQuery, queryInt } from "./paging.ts";
import { credentialName } from "./provider-requests.ts";
import { rulesText } from "./rules-requests.ts";
import { runStatuses } from "./run-statuses.ts";
import { poolName, snapshotHash, taskReference, taskSpecSchema } from "./task-spec.ts";
import { thinkingFits } from "./thinking.ts";
import { unavailable } from "./unavailable.ts";
import { webhookBody } from "./webhook-requests.ts";

export const runsQuery = pageQuery.extend({
  order: z.enum(["asc", "desc"]).default("asc").describe("`desc`: the newest first."),
  status: z.enum(runStatuses).exactOptional(),
  name: z.string().min(1).max(limits.nameCharsMax).describe("Only runs of exactly this name.").exactOptional(),
  from: moment
    .describe("Only runs created from then on: a day (2026-11-26), a time in UTC (2026-11-26T10:00:00Z) or epoch ms.")
    .exactOptional(),
  to: moment.describe("Only runs created before then.").exactOptional(),
});

const vendorObject = z.record(z.string(), z.unknown());

/** TaskSpec under the name that /openapi.json gives it; the tools use the nameless one, since models get no references. */
export const namedTaskSpec = taskSpecSchema.meta({ id: "TaskSpec" });

export const contextSchema = z
  .strictObject({
    format: z.enum(["anthropic", "openai"]).default("anthropic"),
    model: z.string().min(1).max(limits.nameCharsMax).exactOptional(),
    system: z.union([z.string(), z.array(vendorObject)], "expected text or an array of blocks").exactOptional(),
    messages: messagesSchema.default([]),
    tools: z
      .array(vendorObject)
      .describe("The vendor's tool array; without it Heddle's own tools are used.")
      .exactOptional(),
    params: vendorObject.describe("Vendor-native parameters, passed on as they are.").exactOptional(),
  })
  .meta({ id: "Context" });
likenesses.add(contextSchema, { example: '{"messages": [{"role": "user", "content": "…"}]}' });

const usd = z.number().min(0.000001).max(limits.runUsdMax);

const limitsSchema = z
  .strictObject({
    workers: z.int().min(1).max(limits.runWorkersMax).exactOptional(),
    tasks: z.int().min(1).max(limits.runTasksMax).exactOptional(),
    depth: z.int().min(1).max(limits.runDepthMax).exactOptional(),
    children: z.int().min(0).max(limits.runTasksMax).exactOptional(),
    tokens: z.int().min(1).exactOptional(),
    usd: usd
      .describe("US dollars that hosted tasks may cost; each must run on a model with a known price.")
      .exactOptional(),
    timeout_ms: z.int().min(1).max(limits.runTimeoutMsMax).exactOptional(),
    hold_ms: z.int().min(1).max(limits.runTimeoutMsMax).exactOptional(),
    stall_ms: z.int().min(0).max(limits.runTimeoutMsMax).exactOptional(),
    warm_ms: z
      .int()
      .min(0)
      .max(limits.runWarmMsMax)
      .describe("How long siblings of a cold prefix are held at most while one of them reads it; 0: never.")
      .exactOptional(),
    pools: z.array(poolName).max(limits.poolsPerRunMax).exactOptional(),
  })
  .meta({ id: "Limits" });

const retentionDays = z.int().min(1).max(limits.retentionDaysMax);

const forkSource = z
  .strictObject({
    run: z.string().min(1).max(limits.nameCharsMax).describe("The run, live or ended, of the same tenant."),
    snapshot: snapshotHash.describe("One of its snapshots; default: its head.").exactOptional(),
    task: taskReference.describe("A task of it: its newest snapshot.").exactOptional(),
    turn: z
      .int()
      .min(1)
      .max(limits.turnsNamedMax)
      .describe("Of `task`: with the results of its calls, as the next turn's request had them.")
      .exactOptional(),
  })
  .refine(({ snapshot, task }) => snapshot === undefined || task === undefined, {
    error: "not together with `task`",
    path: ["snapshot"],
    when: ({ issues }) => issues.length === 0,
  })
  .refine(({ task, turn }) => turn === undefined || task !== undefined, {
    error: "only together with `task`",
    path: ["turn"],
    when: ({ issues }) => issues.length === 0,
  })
  .meta({ id: "ForkSource" });

export const createRunBody = z
  .strictObject({
    name: z.string().min(1).max(limits.nameCharsMax).exactOptional(),
    context: contextSchema.exactOptional(),
    from: forkSource
      .describe("In place of `context`: that of another run. Its tools come along unless `tools` says otherwise.")
      .exactOptional(),
    credential: z
      .union([credentialName, z.null()], "expected a credential's name, or null for the deployment's own")
      .describe(
        "Which of the tenant's credentials (/v1/providers) hosted tasks use; null: the deployment's own. Default: with `from` that run's, else the tenant's default for the context's format, else the deployment's own.",
      )
      .exactOptional(),
    limits: limitsSchema.exactOptional(),
    retention_days: retentionDays
      .describe("How long the run is kept after its end; default: as the deployment has it (30 days).")
      .exactOptional(),
    root: namedTaskSpec
      .describe("The main agent, if Heddle is to host it; the run then ends as it does.")
      .exactOptional(),
    rules: rulesText.exactOptional(),
    policy: z
      .strictObject({ on_failure: z.enum(["continue", "cancel"]) })
      .describe(
        'When a posted task fails and nothing answers for it: go on (default), or "cancel" the rest and end as failed.',
      )
      .exactOptional(),
    oversight: unavailable,
    tools: runToolsSchema
      .describe("Tools that agents of the run may call, and that workers, endpoints or MCP servers of yours carry out.")
      .exactOptional(),
    redact: z
      .boolean()
      .describe(
        "Events, traces, findings, partial texts and `inspect` from outside show `[redacted]` in place of titles, labels, errors and results. What does the work sees all. Default: false, or as the run of `from`.",
      )
      .exactOptional(),
    webhook: webhookBody.describe("Where the run's events are told as they happen.").exactOptional(),
  })
  .refine(({ context, from }) => context === undefined || from === undefined, {
    error: "not together with `context`",
    path: ["from"],
    when: ({ issues }) => issues.length === 0,
  })
  .refine(({ context }) => context === undefined || thinkingFits(context), {
    error: "expected less than `params.max_tokens`, which thinking is a part of: raise that, or lower this",
    path: ["context", "params", "thinking", "budget_tokens"],
    when: ({ issues }) => issues.length === 0,
  });

export const cancelBody = z.strictObject({ reason: z.string().max(limits.reasonCharsMax).exactOptional() });
export const finishRunBody = z.strictObject({
  cancel: z.boolean().describe("Cancel what is live instead of refusing.").default(false),
});
export const budgetBody = z
  .strictObject({
    tokens: z.int().min(1).describe("The new total, not an addition.").exactOptional(),
    usd: usd.describe("US dollars: the new total, not an addition.").exactOptional(),
  })
  .refine((body) => body.tokens !== undefined || body.usd !== undefined, {
    error: "required, unless `usd` is given",
    path: ["tokens"],
    when: ({ issues }) => issues.length === 0,
  });

export const retainBody = z.strictObject({
  days: retentionDays.describe(
    "How long the run is kept after its end, counted from there; replaces what was said before.",
  ),
});

/** Where nothing can be said: the body is absent or an empty object. */
export const emptyBody = z.strictObject({});

export const appendContextBody = z.strictObject({
  after: snapshotHash.describe("The snapshot that the messages follow."),
  messages: messagesSchema.min(1),
});

export const snapshotQuery = z.strictObject({
  after: snapshotHash.describe("An ancestor: only the messages that follow it are sent.").exactOptional(),
});

const seq = queryInt(0, Number.MAX_SAFE_INTEGER);

export const eventsQuery = z.strictObject({
  after: seq.default(0).describe("Only events with a greater seq."),
  cursor: seq.describe("`next_cursor` of the page before: as `after`, of which the greater one holds.").exactOptional(),
  limit: queryInt(1, limits.pageRowsMax).default(limits.pageRowsDefault).describe("Events of the page."),
  partial: z
    .stringbool({ truthy: ["true"], falsy: ["false"] })
    .default(false)
    .describe("Of a stream or a socket: texts that models are still writing, too, as events `partial` without an id."),
});

export const ticketBody = z.strictObject({
  ttl_ms: z
    .int()
    .min(limits.ticketMsMin)
    .max(limits.ticketMsMax)
    .describe("How long it can be used to connect; a socket that it has opened stays open.")
    .default(limits.ticketMsDefault),
});
