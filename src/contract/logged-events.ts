/**
 * Events of a log as an imported file may have them: every field by name and bound, so that nothing else gets into a run.
 * The scheduler's own vocabulary is src/scheduler/events.ts; a test holds the two together.
 */

import * as z from "zod";
import { troubles } from "../availability/observation.ts";
import { keyPattern } from "../ids.ts";
import * as limits from "../limits.ts";
import { type FindingKind, findingKinds } from "../rules/finding-kinds.ts";
import { metricsOverTime } from "../rules/metrics-over-time.ts";
import { progressSchema } from "./lease-requests.ts";
import { credentialName } from "./provider-requests.ts";
import { remoteToolName } from "./remote-tools.ts";
import { poolName, snapshotHash } from "./task-spec.ts";
import { webhookChoice } from "./webhook-requests.ts";

const count = z.int().min(0);
const time = z.int().min(0);
const task = z.int().min(1).max(limits.runTasksMax);
/** A task, or a session under its negative number. */
const party = z
  .int()
  .min(-999_999_999)
  .max(limits.runTasksMax)
  .refine((n) => n !== 0);
const seq = z.int().min(1);
const ms = z.int().min(0).max(limits.runTimeoutMsMax);
const text = (chars: number) => z.string().max(chars);
const name = z.string().min(1).max(limits.nameCharsMax);
const callId = text(limits.errorCharsMax);
const worker = text(limits.errorCharsMax);
const usage = z.strictObject({
  in: count,
  out: count,
  read: count,
  write: count,
  model: text(limits.nameCharsMax).exactOptional(),
  nanos: count.exactOptional(),
  simulated: z.literal(true).exactOptional(),
});
const error = z.strictObject({ code: text(limits.nameCharsMax), message: z.string(), because: task.exactOptional() });
const parties = z.array(party).max(limits.runTasksMax);
const lockMode = z.enum(["exclusive", "shared"]);
const waitMode = z.enum(["all", "any", "settled"]);
const one = z.tuple([name]);
const sizes = z.array(count).max(limits.messagesPerCallMax);
const permits = z.int().min(1).max(limits.permitsMax);
const capacity = z.int().min(1).max(limits.queueCapacityMax);
/** Messages to a task by the `seq` of their arrival. */
const inboxSeqs = z.array(seq).max(limits.inboxMessagesMax);
const turnPoint = z.strictObject({
  turn: seq,
  snapshot: snapshotHash,
  before: seq,
  generation: seq.exactOptional(),
  window: z
    .strictObject({ last: z.int().min(0).max(limits.lastTurnsMax), own: count, dropped: count, replies: count })
    .exactOptional(),
  calls: z
    .array(z.strictObject({ id: callId, seq }))
    .max(limits.openToolCallsMax)
    .exactOptional(),
});
const priority = z.int().min(0).max(limits.priorityRootDefault);

const retentionDays = z.int().min(1).max(limits.retentionDaysMax);
const runLimits = z.strictObject({
  workers: z.int().min(1).max(limits.runWorkersMax),
  tasks: z.int().min(1).max(limits.runTasksMax),
  depth: z.int().min(1).max(limits.runDepthMax),
  children: z.int().min(0).max(limits.runTasksMax),
  tokens: count,
  timeoutMs: z.int().min(1).max(limits.runTimeoutMsMax),
  holdMs: ms,
  stallMs: ms,
  nanos: count.exactOptional(),
  warmMs: z.int().min(0).max(limits.runWarmMsMax).exactOptional(),
  pools: z.array(poolName).max(limits.poolsPerRunMax),
});

const want = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("lock"), names: z.array(name).min(1).max(limits.lockNamesMax), mode: lockMode }),
  z.strictObject({ kind: z.literal("semaphore"), names: one, permits }),
  z.strictObject({
    kind: z.literal("barrier"),
    names: one,
    parties: z.int().min(1).max(limits.partiesMax),
    members: z.array(task).max(limits.membersMax),
  }),
  z.strictObject({ kind: z.literal("push"), names: one, sizes }),
  z.strictObject({
    kind: z.literal("pop"),
    names: one,
    max: z.int().min(1).max(limits.messagesPerCallMax),
    external: z.boolean(),
  }),
  z.strictObject({
    kind: z.literal("future"),
    names: z.array(name).min(1).max(limits.futureNamesMax),
    mode: waitMode,
    one: z.boolean(),
    external: z.boolean(),
  }),
]);

const place = z.union([text(limits.mapKeyCharsMax), count]);
const variableUse = z.strictObject({
  task: party.exactOptional(),
  turn: seq.exactOptional(),
  name,
  op: text(limits.nameCharsMax),
  key: z.union([text(limits.mapKeyCharsMax), z.int()]).exactOptional(),
  prefix: text(limits.mapKeyCharsMax).exactOptional(),
  from: place.exactOptional(),
  to: place.exactOptional(),
  saw: count.exactOptional(),
  made: count.exactOptional(),
  checked: z.literal(true).exactOptional(),
  times: seq.exactOptional(),
  ms: seq.exactOptional(),
});

const ruleLine = z.int().min(1).max(limits.rulesCharsMax);
const ruleWorkers = z.strictObject({
  kind: z.literal("workers"),
  max: z.int().min(1).max(limits.runWorkersMax),
  label: text(2 * limits.labelCharsMax + 1).exactOptional(),
  pool: poolName.exactOptional(),
});
const findingKind = z.enum(Object.keys(findingKinds) as [FindingKind, ...FindingKind[]]);
const ruleMax = (kind: "tasks" | "depth" | "children" | "tokens" | "task_tokens", most: number) =>
  z.strictObject({
    kind: z.literal(kind),
    max: z
      .int()
      .min(kind === "children" ? 0 : 1)
      .max(most),
  });
const findingRule = z
  .strictObject({
    kind: z.literal("finding"),
    finding: findingKind,
    off: z.literal(true).exactOptional(),
    knob: z.enum(["after", "above", "from"]).exactOptional(),
    value: z.number().min(0).max(1_000_000_000).exactOptional(),
  })
  .refine(
    ({ finding, off, knob, value }) =>
      off ? (knob ?? value) === undefined : value !== undefined && knob !== undefined && knob in findingKinds[finding],
    "off, or a number of what the finding has",
  );
const ruleSchema = z.discriminatedUnion("kind", [
  ruleWorkers,
  ruleMax("tasks", limits.runTasksMax),
  ruleMax("depth", limits.runDepthMax),
  ruleMax("children", limits.runTasksMax),
  ruleMax("tokens", Number.MAX_SAFE_INTEGER),
  ruleMax("task_tokens", Number.MAX_SAFE_INTEGER),
  findingRule,
  z.strictObject({ kind: z.literal("money"), nanos: seq }),
  z.strictObject({ kind: z.literal("budget_end"), by: z.literal("fail") }),
  z.strictObject({
    kind: z.literal("model"),
    model: name,
    side: z.enum(["below", "above"]),
    priority: z.int().min(0).max(limits.priorityRootDefault),
  }),
  z
    .strictObject({
      kind: z.literal("when"),
      metric: z.enum([
        "tokens_used",
        "money_used",
        "model_calls",
        "run_time",
        "provider_errors",
        "queue_wait_p95",
        "worker_load",
      ]),
      op: z.enum([">", ">=", "<", "<="]),
      value: z.number().min(0).max(Number.MAX_SAFE_INTEGER),
      unit: z.enum(["percent", "tokens", "nanos", "calls", "ms"]),
      windowMs: z.int().min(limits.ruleWindowMsMin).max(limits.ruleWindowMsMax).exactOptional(),
      action: z.discriminatedUnion("kind", [
        ruleWorkers,
        z.strictObject({ kind: z.literal("halve") }),
        z.strictObject({ kind: z.literal("double"), max: z.int().min(1).max(limits.runWorkersMax).exactOptional() }),
        z.strictObject({ kind: z.literal("pause") }),
      ]),
    })
    .refine(
      ({ metric, windowMs }) => (windowMs !== undefined) === metricsOverTime.has(metric),
      "a time where the metric has one",
    ),
]);
const rulesFrom = z.enum(["deployment", "tenant", "run"]);
const ruleChange = {
  rule: z
    .int()
    .min(0)
    .max(2 * limits.rulesMax),
  from: rulesFrom,
  line: ruleLine,
  text: text(2 * limits.ruleCharsMax),
  value: z.number().exactOptional(),
  level: z.int().min(1).max(limits.ruleLevelsMax).exactOptional(),
};
const labels = z.record(text(limits.labelCharsMax), text(limits.labelCharsMax));
const callPrint = z.string().regex(/^[0-9a-f]{12}$/);
const groupName = z.string().regex(keyPattern);

/** What bounds a task's work, and its fork. */
const workTerms = {
  pool: poolName,
  timeout_ms: z.int().min(1).max(limits.runTimeoutMsMax),
  retry_limit: z.int().min(0).max(limits.retriesMax),
  backoff_ms: z.int().min(0).max(limits.backoffMsMax),
  max_turns: z.int().min(1).max(limits.maxTurnsMax),
  max_tokens: z.int().min(1).exactOptional(),
  model: text(limits.nameCharsMax).exactOptional(),
  snapshot: snapshotHash,
  call: callId.exactOptional(),
  fork: text(limits.nameCharsMax),
} as const;

const standInTerms = z.strictObject({
  title: text(limits.nameCharsMax).exactOptional(),
  ...workTerms,
  labels: labels.exactOptional(),
});

/** The fields of each type of event, `type` and `causes` apart. */
const fields = {
  run_created: {
    limits: runLimits,
    named: z
      .array(z.enum(["workers", "tasks", "depth", "children"]))
      .max(4)
      .exactOptional(),
    snapshot: snapshotHash,
    name: text(limits.nameCharsMax).exactOptional(),
    from: text(limits.nameCharsMax).exactOptional(),
    credential: z.strictObject({ name: credentialName, model: text(limits.nameCharsMax) }).exactOptional(),
    retention_days: retentionDays.exactOptional(),
    redact: z.literal(true).exactOptional(),
    fail_fast: z.literal(true).exactOptional(),
    fences_above: count.exactOptional(),
  },
  run_retained: { days: retentionDays },
  run_imported: {},
  context_appended: { snapshot: snapshotHash },
  task_created: {
    task,
    key: z.string().regex(keyPattern).exactOptional(),
    title: text(limits.nameCharsMax).exactOptional(),
    parent: z.int().min(0).max(limits.runTasksMax),
    root: z.literal(true).exactOptional(),
    depth: z.int().min(1).max(limits.runDepthMax),
    ...workTerms,
    priority,
    after: z.array(task).max(limits.afterMax).exactOptional(),
    run_on_failure: z.literal(true).exactOptional(),
    detached: z.literal(true).exactOptional(),
    fork_why: text(limits.reasonCharsMax).exactOptional(),
    lineage: seq.exactOptional(),
    labels: labels.exactOptional(),
    on_failure: standInTerms.exactOptional(),
    stands_in: z.strictObject({ why: z.enum(["fallback", "compensation"]), seq }).exactOptional(),
  },
  group_created: {
    name: groupName,
    members: z.array(task).min(1).max(limits.batchTasksMax),
    require: z.int().min(1).max(limits.batchTasksMax),
    fail_fast: z.literal(true).exactOptional(),
    drop_rest: z.literal(true).exactOptional(),
    followers: z.array(task).max(limits.batchTasksMax).exactOptional(),
  },
  group_decided: {
    task,
    name: groupName,
    verdict: z.enum(["met", "failed"]),
    succeeded: count,
    ended: count,
    size: count,
  },
  task_fell_back: { task, error, usage: usage.exactOptional(), unread: inboxSeqs.exactOptional() },
  run_failing: { task },
  task_ready: { task, why: z.enum(["dependencies", "backoff", "wake", "given_back", "budget"]) },
  task_held: { task },
  task_started: {
    task,
    fence: seq,
    attempt: seq,
    worker,
    hosted: z.literal(true).exactOptional(),
    boot: text(limits.nameCharsMax).exactOptional(),
  },
  tokens_reserved: { task, fence: count, tokens: count, nanos: count.exactOptional() },
  turn: {
    task,
    fence: count,
    turn: seq,
    snapshot: snapshotHash,
    usage,
    model_ms: count.exactOptional(),
    first_ms: count.exactOptional(),
    messages: inboxSeqs.exactOptional(),
    calls_left: z.literal(true).exactOptional(),
  },
  context_compacted: {
    task,
    fence: count,
    from: snapshotHash,
    to: snapshotHash,
    last: z.int().min(0).max(limits.lastTurnsMax),
    own: count,
    dropped: count,
    replies: count,
    usage: usage.exactOptional(),
  },
  message_received: { task, bytes: z.int().min(1).max(limits.messageBytesMax) },
  budget_noted: {
    task,
    notes: z
      .array(
        z.strictObject({
          of: z.enum(["tokens", "usd", "max_tokens", "task_tokens", "turns", "time"]),
          percent: z.int().min(1).max(100),
          limit: z.int().min(1),
        }),
      )
      .min(1)
      .max(limits.budgetsNotedMax),
    bytes: z.int().min(1).max(limits.messageBytesMax),
  },
  call_waiting: {
    task: party,
    call: callId,
    targets: z.array(task).max(limits.waitTasksMax),
    mode: waitMode,
    until: time.exactOptional(),
    want: want.exactOptional(),
    ask: text(limits.askCharsMax).exactOptional(),
    remote: z
      .strictObject({
        tool: remoteToolName,
        pool: z.union([z.literal(""), poolName]),
        retries: z.int().min(0).max(limits.retriesMax),
      })
      .exactOptional(),
    print: callPrint.exactOptional(),
  },
  tool_call_started: {
    task: party,
    call: callId,
    fence: seq,
    attempt: seq,
    worker,
    boot: text(limits.nameCharsMax).exactOptional(),
  },
  tool_call_attempt_ended: {
    task: party,
    call: callId,
    fence: seq,
    why: z.enum(["lost", "restart", "transient"]),
    error: error.exactOptional(),
    until: time.exactOptional(),
  },
  tool_call_ready: { task: party, call: callId, why: z.literal("backoff") },
  tool_call_progress: { task: party, call: callId, fence: seq },
  call_done: {
    task: party,
    call: callId,
    tool: text(limits.nameCharsMax),
    why: z.enum(["answered", "settled", "timed_out", "deadlock"]),
    targets: z.array(task).max(limits.waitTasksMax).exactOptional(),
    print: callPrint.exactOptional(),
  },
  call_blocked: { task: party, fence: count, blocked: z.boolean() },
  task_parked: {
    task,
    fence: count,
    on: z.enum(["calls", "budget", "children"]),
    need: count.exactOptional(),
    nanos: count.exactOptional(),
    usage: usage.exactOptional(),
    unread: inboxSeqs.exactOptional(),
  },
  attempt_ended: {
    task,
    fence: count,
    why: z.enum(["lost", "restart", "transient", "held_back"]),
    error: error.exactOptional(),
    until: time.exactOptional(),
    usage: usage.exactOptional(),
    uncounted: z.literal(true).exactOptional(),
  },
  task_ended: {
    task,
    state: z.enum(["succeeded", "failed", "cancelled", "skipped"]),
    error: error.exactOptional(),
    result_seq: seq.exactOptional(),
    usage: usage.exactOptional(),
    unread: inboxSeqs.exactOptional(),
  },
  task_observed: { task },
  task_retried: {
    task,
    generation: seq,
    why: z.enum(["asked", "dependency_retried", "parent_retried", "group_retried"]),
    from: turnPoint.exactOptional(),
  },
  lineage_begun: {
    lineage: seq,
    snapshot: snapshotHash,
    model: text(limits.nameCharsMax),
    tokens: count,
    cold: count,
    gain: z.number().min(0).max(Number.MAX_SAFE_INTEGER),
    automatic: z.literal(true).exactOptional(),
  },
  cache_warming: { task, fence: count, lineage: seq, until: time },
  cache_released: { lineage: seq, why: z.enum(["first_token", "turn", "gone", "bound"]) },
  run_paused: {
    reason: text(limits.reasonCharsMax),
    quota: z.strictObject({ name: z.literal("tokens_per_day"), limit: count, until: time }).exactOptional(),
  },
  run_resumed: {},
  seat_target: { seats: count.exactOptional(), why: z.enum(["tenant", "deployment"]).exactOptional() },
  seat_opened: { seat: worker },
  seat_closed: {
    seat: worker,
    why: z.enum(["idle", "served", "target", "paused", "ended"]),
    ago_ms: count.exactOptional(),
  },
  limits_changed: { tokens: count, nanos: count.exactOptional() },
  rules_set: {
    from: rulesFrom,
    rules: z.array(z.strictObject({ line: ruleLine, rule: ruleSchema })).max(limits.rulesMax),
  },
  rule_fired: ruleChange,
  rule_cleared: ruleChange,
  availability_changed: {
    of: z.enum(["model", "seats"]),
    model: text(limits.nameCharsMax).exactOptional(),
    limit: count.exactOptional(),
    ceiling: count.exactOptional(),
    in_flight: count,
    calls: count,
    refused: count,
    why: z.enum(troubles),
    retry_after_ms: count.exactOptional(),
    until: time.exactOptional(),
    gap_ms: count.exactOptional(),
  },
  webhook_set: { events: z.array(webhookChoice).max(limits.webhookChoicesMax) },
  webhook_off: { why: z.enum(["asked", "gone", "given_up"]) },
  worker_load: { pool: poolName, worker, percent: z.int().min(0).max(100) },
  run_ended: {
    status: z.enum(["succeeded", "failed", "cancelled"]),
    reason: text(limits.reasonCharsMax).exactOptional(),
  },
  run_reopened: {},
  finding: {
    kind: text(limits.nameCharsMax),
    severity: z.enum(["info", "warning", "error"]),
    subjects: parties,
    message: z.string(),
    cycle: z.string().exactOptional(),
  },
  stall_extended: {},
  lock_granted: {
    task: party,
    name,
    token: seq,
    mode: lockMode,
    waited_ms: count.exactOptional(),
    until: time.exactOptional(),
  },
  lock_released: { task: party, name, token: seq, why: z.enum(["released", "ended", "victim", "expired"]) },
  semaphore_created: { name, permits },
  permits_granted: { task: party, name, permits, waited_ms: count.exactOptional() },
  permits_released: { task: party, name, permits, why: z.enum(["released", "ended", "victim"]) },
  barrier_tripped: { name, generation: count, tasks: parties, waited_ms: count },
  barrier_broken: { name, generation: count, by: party, why: z.enum(["ended", "timed_out", "deadlock"]) },
  queue_created: { name, capacity },
  messages_pushed: {
    name,
    task: party.exactOptional(),
    sizes,
    from: seq.exactOptional(),
    waited_ms: count.exactOptional(),
  },
  messages_popped: { name, task: party.exactOptional(), count, waited_ms: count.exactOptional() },
  queue_closed: { name, task: party.exactOptional() },
  future_settled: { name, task: party.exactOptional(), state: z.enum(["resolved", "rejected"]) },
  actor_opened: {
    actor: z.int().min(-999_999_999).max(-1),
    name: text(limits.nameCharsMax),
    ttl_ms: z.int().min(limits.actorTtlMsMin).max(limits.actorTtlMsMax),
  },
  actor_ended: { actor: z.int().min(-999_999_999).max(-1), why: z.enum(["closed", "expired", "run_ended"]) },
  variable_created: {
    name,
    kind: z.enum([
      "lock",
      "semaphore",
      "atomic",
      "barrier",
      "message_queue",
      "future",
      "shared_map",
      "shared_list",
      "shared_memory",
    ]),
  },
  variables_used: {
    uses: z.array(variableUse).min(1).max(limits.usesPerEventMax),
    gap: z.literal(true).exactOptional(),
  },
  late_refused: { task, fence: count, op: text(limits.nameCharsMax) },
} as const;

export type LoggedType = keyof typeof fields;

const causes = z.array(seq).max(limits.runTasksMax).exactOptional();

type Schemas = { readonly [Type in LoggedType]: z.ZodObject<(typeof fields)[Type], z.core.$strict> };

export const loggedEvents: Schemas = Object.fromEntries(
  Object.entries(fields).map(([type, own]) => [type, z.strictObject({ type: z.literal(type), ...own, causes })]),
) as unknown as Schemas;

const messages = z.array(z.unknown()).max(limits.messagesPerCallMax);
const outcome = z.looseObject({ kind: z.string() });
const standInBody = z.strictObject({
  instructions: z.string(),
  context: z.string().exactOptional(),
  output_schema: z.record(z.string(), z.unknown()).exactOptional(),
  model: text(limits.nameCharsMax).exactOptional(),
});
/** What stands in for a task has its texts in that one's body. */
const created = z.strictObject({
  instructions: z.string(),
  on_failure: standInBody.exactOptional(),
  context: z.union([z.string(), z.strictObject({ messages: z.array(z.string()) })]).exactOptional(),
  output_schema: z.record(z.string(), z.unknown()).exactOptional(),
  model: text(limits.nameCharsMax).exactOptional(),
  on_context_too_long: z.strictObject({ last: z.int().min(1).max(limits.lastTurnsMax) }).exactOptional(),
});

/** What a call of a remote tool came to. */
const toolEnd = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("result"), result: z.unknown(), isError: z.boolean() }),
  z.strictObject({ kind: z.literal("failed"), error, attempts: count }),
  z.strictObject({ kind: z.literal("timed_out"), afterMs: count, attempts: count }),
]);

/** The body that an event of this type must have, or may have; others have none. */
export const loggedBodies: { readonly [Type in LoggedType]?: z.ZodType } = {
  // What the tools are is looked at where schemas can be read (import-lines.ts).
  run_created: z.strictObject({ tools: z.array(z.looseObject({ input_schema: z.string() })) }).optional(),
  task_created: created.optional(),
  message_received: z.strictObject({ message: z.string() }),
  budget_noted: z.strictObject({ message: z.string() }),
  rules_set: z.strictObject({ text: text(limits.rulesCharsMax) }).optional(),
  call_waiting: z.union([z.strictObject({ messages }), z.strictObject({ arguments: z.string() })]).optional(),
  tool_call_progress: z.strictObject({ progress: progressSchema }),
  call_done: z.union([
    z.strictObject({ text: z.string(), isError: z.boolean() }),
    z.strictObject({ targets: z.array(task).max(limits.waitTasksMax) }),
    z.strictObject({ tool: toolEnd }),
    z.strictObject({ wait: outcome }),
    z.strictObject({ lock: outcome }),
  ]),
  task_parked: z.strictObject({ result: z.unknown() }).optional(),
  task_ended: z.strictObject({ result: z.unknown() }).optional(),
  messages_pushed: z.strictObject({ messages }).optional(),
  future_settled: z.strictObject({ value: z.unknown() }),
};
