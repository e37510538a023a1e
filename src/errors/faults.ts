/**
 * The closed table of faults: whatever can go wrong with a task, a call or the platform under them is one of these classes,
 * and each class has one rule. The code reads its rules here, and docs/faults.md is generated from here.
 *
 * Owns: whether and how a class is retried, what its task ends as, and by which names agents and operators are told.
 * Does not own: problems of requests and hints for models (codes.ts), the numbers (limits.ts), how an error of the world is
 * recognised as a class (agent/models/faults.ts, agent/url-call.ts, platform.ts).
 *
 * 1. A class is the code of its task's error, unless whoever failed gave a code of its own (`ownCode`).
 * 2. Dependents see the end and not the class: a task that is retried, or goes on, has not ended, and they wait.
 * 3. Classes are added, never changed or taken away: they stand in logs.
 */

import {
  effectRetryMs,
  leaseMs,
  objectRetryMs,
  objectTries,
  outputRepairsMax,
  poisonedLosses,
  seatOpenMs,
  seatRetriesMax,
} from "../limits.ts";
import type { ProblemCode, ToolErrorCode } from "./codes.ts";

export type Retry =
  /** Another try changes nothing. */
  | { readonly kind: "never" }
  /**
   * By a new attempt after a backoff, which uses up one of `retries.limit`. `retryAfter`: at the earliest when the other side
   * says; `patience`: the backoff is so many times longer where it does not say.
   */
  | { readonly kind: "attempt"; readonly retryAfter: boolean; readonly patience: number }
  /** As `attempt`, if whoever failed says that it may help; a command says so by its exit `status`. */
  | { readonly kind: "if_said"; readonly status?: number }
  /** By a new attempt at once, from the last logged turn; uses up none of `retries.limit`, but `inARow` of them end it. */
  | { readonly kind: "resume"; readonly inARow?: number }
  /** By the model itself: it is told, and goes on with its next turn; `times` at most. */
  | { readonly kind: "turn"; readonly times?: number }
  /** With a shorter context, if the task has `on_context_too_long`. */
  | { readonly kind: "shorten" }
  /** When there is budget again; nothing is used up. */
  | { readonly kind: "budget" }
  /** The same call again, on a fresh stub, where a repeat is harmless; `waitMs` longer each time. */
  | { readonly kind: "call"; readonly tries: number; readonly waitMs: number }
  /** By whoever wanted it, after this time. */
  | { readonly kind: "later"; readonly afterMs: number };

/** Where it comes from: the sections of docs/faults.md. */
export type FaultPlace = "provider" | "reply" | "task" | "worker" | "tool" | "wait" | "platform";

interface FaultRule {
  readonly at: FaultPlace;
  /** Says what happened: the error's message where nobody knows more. */
  readonly what: string;
  /** By what it is known. */
  readonly known: string;
  readonly retry: Retry;
  /** What its task ends as, when it is not retried (any more); absent: no task ends by it. */
  readonly ends?: "failed" | "cancelled" | "skipped";
  /** The code of its error is what a worker, an agent or an endpoint says. */
  readonly ownCode?: true;
  /** The tool error that the agent gets, whose hint says what to do. */
  readonly tool?: ToolErrorCode;
  /** The problem that a caller of the API gets. */
  readonly problem?: ProblemCode;
  /** The event that the run's log has of it. */
  readonly event?: string;
  readonly finding?: string;
  /** What its operator can do, since nobody else can; told by the finding. */
  readonly mend?: string;
  /** The reason of the pause. */
  readonly pauses?: string;
  /** Begins the line in the deployment's log. */
  readonly log?: string;
}

const again = { kind: "attempt", retryAfter: true, patience: 1 } as const;
/** Who is busy needs longer than who stumbled. */
const againLater = { kind: "attempt", retryAfter: true, patience: 4 } as const;
const never = { kind: "never" } as const;
const attempt = { ends: "failed", event: "attempt_ended" } as const;
const failed = { ends: "failed", event: "task_ended" } as const;

const needsOperator = { finding: "needs_operator" } as const;

export const faults = {
  // ---- the model's provider ------------------------------------------------------------------------------------------
  provider_rate_limited: {
    at: "provider",
    what: "The provider's rate limit was met.",
    known: "Status 429, or a rate limit's error inside a stream.",
    retry: againLater,
    ...attempt,
  },
  provider_overloaded: {
    at: "provider",
    what: "The provider is overloaded.",
    known: "Status 503 or 529, or `overloaded_error` inside a stream.",
    retry: againLater,
    ...attempt,
  },
  provider_unavailable: {
    at: "provider",
    what: "The provider failed.",
    known: "Another 5xx, 409, or an error inside a stream that is none of the request's.",
    retry: again,
    ...attempt,
  },
  provider_timeout: {
    at: "provider",
    what: "The provider did not answer in time.",
    known:
      "Status 408 or 504, or not a byte for `HEDDLE_MODEL_IDLE_MS` (five minutes). On a deployment, a reply too that is not whole when its seat has to go, after 13 to 14 minutes.",
    retry: again,
    ...attempt,
  },
  network: {
    at: "provider",
    what: "The provider could not be reached, or its reply broke off.",
    known:
      "No connection, one that was reset, a stream that ends in the middle or breaks its own format (a call whose input is no JSON in Anthropic's).",
    retry: again,
    ...attempt,
  },
  provider_quota: {
    at: "provider",
    what: "The account at the provider has nothing left.",
    known:
      "Status 402; 429 with `insufficient_quota`, a billing error or a spend limit: it looks like a rate limit and does not pass.",
    retry: never,
    ...failed,
    ...needsOperator,
    mend: "Add credit, or raise the account's limit, and retry the tasks.",
  },
  provider_auth: {
    at: "provider",
    what: "The provider refused the key, or what it may do; or the run's own credential can't be used.",
    known: "Status 401 or 403; a credential of the tenant's that is deleted, or that the deployment can't open.",
    retry: never,
    ...failed,
    ...needsOperator,
    mend: "Set a key that may use the model (the tenant's with PUT /v1/providers/:name, the deployment's as ANTHROPIC_API_KEY or OPENAI_API_KEY), and retry the tasks.",
  },
  provider_rejected: {
    at: "provider",
    what: "The provider refused the request.",
    known: "Any other 3xx or 4xx, and what can't be sent at all.",
    retry: never,
    ...failed,
  },
  context_too_long: {
    at: "provider",
    what: "The context does not fit the model's window.",
    known:
      "Status 413, a refusal that speaks of the context's length, a reply that the window ended, or one that no context has room for.",
    retry: { kind: "shorten" },
    ends: "failed",
    event: "context_compacted",
  },
  no_provider: {
    at: "provider",
    what: "No provider is configured for the task's format.",
    known: "The deployment has no key for the format.",
    retry: never,
    ...failed,
    ...needsOperator,
    mend: "Set ANTHROPIC_API_KEY or OPENAI_API_KEY, and retry the tasks.",
  },

  // ---- what the model replied ----------------------------------------------------------------------------------------
  refusal: {
    at: "reply",
    what: "The model refused.",
    known: "`stop_reason` is `refusal`, a `refusal` field, or `finish_reason` is `content_filter`.",
    retry: never,
    ...failed,
  },
  malformed_call: {
    at: "reply",
    what: "A tool was called with arguments that are not JSON, or not what it takes.",
    known: "The arguments fail to parse, or don't match the tool's schema.",
    retry: { kind: "turn" },
    tool: "bad_arguments",
    event: "call_done",
  },
  unknown_tool: {
    at: "reply",
    what: "A tool was called that nobody has.",
    known: "The name is neither one of Heddle's tools nor declared by the run.",
    retry: { kind: "turn" },
    tool: "unknown_tool",
    event: "turn",
  },
  output_invalid: {
    at: "reply",
    what: "The output does not match output_schema.",
    known:
      "The final text, or the result given to `finish`, is checked against the schema. A pull worker's result is refused where it is handed in.",
    retry: { kind: "turn", times: outputRepairsMax },
    ...failed,
    tool: "bad_arguments",
  },
  output_truncated: {
    at: "reply",
    what: "The model's output limit cut its reply off.",
    known: "`stop_reason` is `max_tokens`, or `finish_reason` is `length`.",
    retry: never,
    ...failed,
  },
  agent_failed: {
    at: "reply",
    what: "The agent ended the task with an error.",
    known: "`finish` was called with `error`; with `retryable: true` it says that another attempt may do better.",
    retry: { kind: "if_said" },
    ...failed,
    ownCode: true,
  },

  // ---- the task ------------------------------------------------------------------------------------------------------
  timeout: {
    at: "task",
    what: "The task's timeout_ms passed.",
    known: "The time since its first start, waiting included.",
    retry: never,
    ...failed,
  },
  max_turns: {
    at: "task",
    what: "The task used all of its turns.",
    known: "`max_turns` replies without an end.",
    retry: never,
    ...failed,
  },
  max_tokens: {
    at: "task",
    what: "The task used all of its tokens.",
    known:
      "`max_tokens`, its own or an ancestor's, leaves nothing to answer with; or a rule's `budget … tokens per task` does.",
    retry: never,
    ...failed,
    problem: "max_tokens",
  },
  no_price: {
    at: "task",
    what: "The run has a budget in money, and nobody knows what the task's model costs.",
    known: "The price list lacks the model when a call is to be reserved.",
    retry: never,
    ...failed,
    problem: "no_price",
  },
  budget_exhausted: {
    at: "task",
    what: "The run's budget leaves nothing for the next model call.",
    known:
      "`limits.tokens` or `limits.usd` minus what is spent and reserved. Only where a rule says so (`budget … then fail`) does the task fail.",
    retry: { kind: "budget" },
    ends: "failed",
    event: "run_paused",
    pauses: "budget",
  },
  reference_unresolved: {
    at: "task",
    what: "A {{key.path}} names a path that the result does not have.",
    known: "When the task starts, the dependency's result has no such path.",
    retry: never,
    ...failed,
  },
  dependency_failed: {
    at: "task",
    what: "A task that it depends on did not succeed.",
    known: "A task in `after` ended otherwise, and `on_dependency_failure` is `skip`.",
    retry: never,
    ends: "skipped",
    event: "task_ended",
  },
  parent_ended: {
    at: "task",
    what: "The parent failed or was cancelled, and its children end with it.",
    known: "The parent's end, unless the task is `detached`.",
    retry: never,
    ends: "cancelled",
    event: "task_ended",
  },
  group_failed: {
    at: "task",
    what: "The task's group can't have the successes that it requires any more.",
    known: "Members ended otherwise than `succeeded`, and the group's `on_failure` is `cancel`.",
    retry: never,
    ends: "cancelled",
    event: "task_ended",
  },
  group_met: {
    at: "task",
    what: "The task's group has the successes that it requires.",
    known: "Enough members succeeded, and the group's `when_met` is `cancel`.",
    retry: never,
    ends: "cancelled",
    event: "task_ended",
  },
  cancelled: {
    at: "task",
    what: "The task was cancelled.",
    known: "`POST …/cancel` of the task or of its run, `cancel_task`, or a retry of its parent.",
    retry: never,
    ends: "cancelled",
    event: "task_ended",
  },
  run_ended: {
    at: "task",
    what: "The run ended.",
    known: "`finish` with `cancel`, the run's root ended, or a task failed in a run that fails fast.",
    retry: never,
    ends: "cancelled",
    event: "task_ended",
    problem: "run_ended",
  },

  // ---- whoever runs it -----------------------------------------------------------------------------------------------
  worker_lost: {
    at: "worker",
    what: "The worker stopped renewing its lease.",
    known: `A lease of ${leaseMs / 1000} s that was not renewed: a process that died, a machine that is gone, a seat that broke.`,
    retry: { kind: "resume", inARow: poisonedLosses },
    event: "attempt_ended",
  },
  runtime_gone: {
    at: "worker",
    what: "The runtime that ran it was replaced.",
    known: "A local server started again: seats of an older start can't go on. No loss of the task's.",
    retry: { kind: "resume" },
    event: "attempt_ended",
  },
  worker_stopped: {
    at: "worker",
    what: "The worker was stopped, and gave the task back.",
    known:
      "`POST …/fail` with this code and `retryable`, as `heddle work` (its second signal) and `heddle.work` (its `signal`) send it. So a call of a remote tool is given back, too.",
    retry: { kind: "resume" },
    event: "attempt_ended",
  },
  poisoned: {
    at: "worker",
    what: `${poisonedLosses} workers in a row were lost while running the task.`,
    known: "`worker_lost` again and again, without a new turn between.",
    retry: never,
    ...failed,
    ...needsOperator,
    mend: "See what the workers logged last: most likely the task kills them (memory, a crash, a machine that sleeps).",
  },
  lease_lost: {
    at: "worker",
    what: "Somebody came with a lease that is over.",
    known: "The fence of the call is not that of the open lease.",
    retry: never,
    problem: "lease_lost",
    event: "late_refused",
  },
  worker_failed: {
    at: "worker",
    what: "The worker says that its work failed.",
    known:
      "`POST …/fail`; of `heddle work` a command's exit status. `retryable`, or status 75 (EX_TEMPFAIL), says that another attempt may help.",
    retry: { kind: "if_said", status: 75 },
    ...failed,
    ownCode: true,
  },

  // ---- remote tools --------------------------------------------------------------------------------------------------
  endpoint_unreachable: {
    at: "tool",
    what: "The tool's endpoint could not be reached, or did not answer in time.",
    known: "No connection, or a broken one.",
    retry: again,
    ownCode: true,
    tool: "tool_failed",
    event: "tool_call_attempt_ended",
  },
  endpoint_busy: {
    at: "tool",
    what: "The tool's endpoint could not serve the call now.",
    known: "Status 408, 425, 429 or 5xx.",
    retry: again,
    ownCode: true,
    tool: "tool_failed",
    event: "tool_call_attempt_ended",
  },
  endpoint_refused: {
    at: "tool",
    what: "The tool's endpoint refused the call, or its answer can't be used.",
    known: "Any other status, an answer of another form or too large, an address that may not be called.",
    retry: never,
    ownCode: true,
    tool: "tool_failed",
    event: "call_done",
  },
  tool_worker_lost: {
    at: "tool",
    what: "The worker that carried the call out stopped renewing its lease.",
    known: `As \`worker_lost\`; after ${poisonedLosses} in a row the call fails, and not its task.`,
    retry: { kind: "resume", inARow: poisonedLosses },
    tool: "tool_failed",
    event: "tool_call_attempt_ended",
  },
  tool_timed_out: {
    at: "tool",
    what: "Nobody carried the call out in time.",
    known: "The tool's `timeout_ms`, waiting for a worker included.",
    retry: { kind: "turn" },
    tool: "tool_timed_out",
    event: "call_done",
  },

  // ---- waits ---------------------------------------------------------------------------------------------------------
  wait_timed_out: {
    at: "wait",
    what: "What a call waited for did not happen in time.",
    known: "The wait's own `timeout_ms`.",
    retry: { kind: "turn" },
    tool: "timed_out",
    event: "call_done",
  },
  deadlock_victim: {
    at: "wait",
    what: "The wait could never have ended, and it was this one that was ended.",
    known: "A circle of waits, found when it closes; or nobody is left who could act.",
    retry: { kind: "turn" },
    tool: "deadlock_victim",
    event: "call_done",
    finding: "deadlock",
  },

  // ---- the platform --------------------------------------------------------------------------------------------------
  object_unavailable: {
    at: "platform",
    what: "A Durable Object was restarted, or could not be reached.",
    known: "Errors with `retryable` or `durableObjectReset`, and not `overloaded`.",
    retry: { kind: "call", tries: objectTries, waitMs: objectRetryMs },
    problem: "overloaded",
  },
  object_overloaded: {
    at: "platform",
    what: "A Durable Object has more calls than it can serve.",
    known: "Errors with `overloaded`: one more call would make it worse.",
    retry: never,
    problem: "overloaded",
  },
  call_too_large: {
    at: "platform",
    what: "A call inside Heddle would be over 32 MiB.",
    known: "The platform's error; texts with characters beyond Latin-1 take two bytes for each.",
    retry: never,
    problem: "call_too_large",
  },
  database_unavailable: {
    at: "platform",
    what: "D1 could not be reached, was restarted, or is overloaded.",
    known: "D1's errors of these kinds. Reads are repeated by the platform, a run's row of the index by the run.",
    retry: { kind: "later", afterMs: effectRetryMs },
    problem: "overloaded",
  },
  queue_refused: {
    at: "platform",
    what: "A queue did not take the tickets of seats.",
    known: "`sendBatch` failed; the same goes for a message that is lost. It is sent again through another queue.",
    retry: { kind: "later", afterMs: seatOpenMs },
    log: "seats were not opened",
  },
  seat_broke: {
    at: "platform",
    what: "A seat ended with an error of its own.",
    known:
      "Mostly its run's object was away: then it tells the run, and others have its task at once, unless that has lost a worker just before. Its message is acknowledged all the same: the run opens what it still needs.",
    retry: { kind: "later", afterMs: leaseMs },
    log: "seat broke",
  },
  seat_undelivered: {
    at: "platform",
    what: "A queue gave up on a seat's message.",
    known: `It was delivered ${seatRetriesMax + 1} times, and no consumer lived to acknowledge it: memory, CPU time, or a version that fails as it starts. It came to the queue of dead letters.`,
    retry: { kind: "later", afterMs: seatOpenMs },
    finding: "dead_letter",
    log: "dead letters",
  },
  storage_newer: {
    at: "platform",
    what: "A newer version of Heddle wrote what is stored, and this one can't read it.",
    known:
      "The version of an object's tables or of an event is above those that this deployment knows, or an event is of a type that it does not know: after a rollback. Nothing is changed; deploy the newer version again.",
    retry: never,
    problem: "storage_newer",
  },
  internal: {
    at: "platform",
    what: "A fault of Heddle.",
    known: "An error that is none of these.",
    retry: never,
    problem: "internal",
  },
} as const satisfies Record<string, FaultRule>;

export type FaultClass = keyof typeof faults;

/** The classes whose rules have this. */
export type FaultWith<Part extends Partial<FaultRule>> = {
  [Class in FaultClass]: (typeof faults)[Class] extends Part ? Class : never;
}[FaultClass];

/** Faults that only an operator can mend. */
export type MendedFault = FaultWith<{ readonly mend: string }>;

/** What an attempt of a task can end with. */
export type AttemptFault = Extract<
  FaultWith<{ readonly ends: "failed" }>,
  FaultWith<{ readonly at: "provider" | "reply" | "task" | "worker" }>
>;

export const ruleOf = (fault: FaultClass): FaultRule => faults[fault];

/** What a code of a task's error says, where it is a class's. */
export const whatHappened = (code: string): string =>
  Object.hasOwn(faults, code) ? ruleOf(code as FaultClass).what : "";
