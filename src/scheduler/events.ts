/**
 * The log's vocabulary. Every change of a run is one of these; `apply` folds them into state, and the trace, usage and
 * findings are other folds of the same list. Fields are added, never changed: an old log must replay.
 *
 * Task numbers stand for ids (the wire shows ids). Texts (instructions, results, outcomes) travel beside an event as its
 * body and are never part of the state.
 */

import type { Trouble } from "../availability/observation.ts";
import type { RunStatus, WaitMode } from "../contract/shapes.ts";
import type { PlacedRule } from "../rules/rule.ts";
import type { LockMode } from "../variables/ops.ts";
import type { WebhookChoice } from "../webhooks/types.ts";
import type { QuotaPause } from "./quotas.ts";
import type { NamedLimit, RulesFrom } from "./rules/run-rules.ts";
import type { ShareFrom } from "./seat-shares.ts";
import type { EndState, StandInWhy } from "./task.ts";
import type { TurnPoint } from "./turns.ts";
import type { BrokenWhy } from "./wait-outcome.ts";
import type { Want } from "./want.ts";

export interface Limits {
  readonly workers: number;
  readonly tasks: number;
  readonly depth: number;
  readonly children: number;
  /** 0: none. */
  readonly tokens: number;
  readonly timeoutMs: number;
  /** 0: none. */
  readonly holdMs: number;
  readonly stallMs: number;
  /** Nanodollars; absent: none. */
  readonly nanos?: number;
  /** How long siblings of a cold prefix are held at most; 0: not at all. Absent: the default. */
  readonly warmMs?: number;
  readonly pools: readonly string[];
}

export interface UsageDelta {
  readonly in: number;
  readonly out: number;
  readonly read: number;
  readonly write: number;
  /** Which model used them; absent where nobody said. */
  readonly model?: string;
  /** What they cost, at the prices of the day on which it was logged, in nanodollars; absent: nobody knows. */
  readonly nanos?: number;
  /** It was the simulated model. */
  readonly simulated?: true;
}

/** A prefix that tasks share, and what its cache is worth, as the creating command has it from the price list. */
export interface LineageTerms {
  readonly snapshot: string;
  readonly model: string;
  /** Of the whole prefix, as estimated. */
  readonly tokens: number;
  /** What its creator's own calls had not cached when it began. */
  readonly cold: number;
  /** Picodollars a token between writing the cache, or reading without, and reading from it. */
  readonly gain: number;
  /** The vendor caches by itself and may not tell of writes. */
  readonly automatic?: true;
}

export interface ErrorData {
  readonly code: string;
  readonly message: string;
  /** The task whose end caused this one. */
  readonly because?: number;
}

/** A credential by its name, with the model where neither task nor context names one. */
export interface RunCredential {
  readonly name: string;
  readonly model: string;
}

/** One op on a variable that holds data, as the log tells of it: where, and between which versions; never a value. */
export interface VariableUse {
  /** Absent: from outside; below zero a session. */
  readonly task?: number;
  /** The task's turn that called it; absent before its first. */
  readonly turn?: number;
  readonly name: string;
  readonly op: string;
  /** The key of a map, long ones cut; the index of a list. */
  readonly key?: string | number;
  /** Of a range: its keys' beginning, its first place, and the place after its last, where it does not reach to the end. */
  readonly prefix?: string;
  readonly from?: string | number;
  readonly to?: string | number;
  /** The version that it found; 0: nothing. */
  readonly saw?: number;
  /** The version that it made; 0: it removed what was there. Absent: it changed nothing. */
  readonly made?: number;
  /** A write that was carried out, or refused, by the version that it named. */
  readonly checked?: true;
  /** So many times one after another, where it is more than one. */
  readonly times?: number;
  /** How long its answers took, together; absent: less than a millisecond. */
  readonly ms?: number;
}

/** What can be had of a model, or of the platform's seats, as it was told last. */
export interface AvailabilityTold {
  readonly of: "model" | "seats";
  /** The model that tasks name; absent: the one that they get without. */
  readonly model?: string;
  /** Calls, or seats, at once; absent: as many as the run's own limits allow. */
  readonly limit?: number;
  /** How many were under way when it was refused last; absent: nobody knows any more. */
  readonly ceiling?: number;
  readonly in_flight: number;
  /** Ever, of this run. */
  readonly calls: number;
  readonly refused: number;
  /** Of the last refusal. */
  readonly why: Trouble;
  readonly retry_after_ms?: number;
  /** Nothing begins before. */
  readonly until?: number;
  /** Between two beginnings, at a limit of 1. */
  readonly gap_ms?: number;
}

export interface RuleChange {
  /** Its place among the run's rules. */
  readonly rule: number;
  readonly from: RulesFrom;
  readonly line: number;
  /** The whole rule. */
  readonly text: string;
  /** What was read, in the rule's unit; absent: there was nothing to tell it from. */
  readonly value?: number;
  /** How often workers are halved, or doubled, by it now; absent: not at all. */
  readonly level?: number;
}

/** How a task's stand-in (`on_failure`) is created, should it be needed: the fields of its `task_created`. */
export interface StandInTerms {
  readonly title?: string;
  readonly pool: string;
  readonly timeout_ms: number;
  readonly retry_limit: number;
  readonly backoff_ms: number;
  readonly max_turns: number;
  readonly max_tokens?: number;
  readonly model?: string;
  readonly snapshot: string;
  readonly call?: string;
  readonly fork: string;
  readonly labels?: Readonly<Record<string, string>>;
}

export type SchedulerEvent =
  | {
      readonly type: "run_created";
      /** Without any rule. */
      readonly limits: Limits;
      /** Those that were asked for; absent: all have their defaults, or (in old logs) nobody knows. */
      readonly named?: readonly NamedLimit[];
      readonly snapshot: string;
      readonly name?: string;
      /** The run whose context it began with. */
      readonly from?: string;
      /** The tenant's credential that hosted tasks use; absent: the deployment's own. */
      readonly credential?: RunCredential;
      /** How long it is kept after its end; absent: as the deployment has it. */
      readonly retention_days?: number;
      /** What tells about the run shows none of its texts (redaction.ts). */
      readonly redact?: true;
      /** The first failure that nobody answers for ends the run. */
      readonly fail_fast?: true;
      /** All fences are above this: no lease of an earlier run of the same id, which was deleted, is one of this run. Absent in old logs: 0. */
      readonly fences_above?: number;
    }
  /** It goes on here from a file: clocks begin anew. */
  | { readonly type: "run_imported" }
  | { readonly type: "context_appended"; readonly snapshot: string }
  | {
      readonly type: "task_created";
      readonly task: number;
      readonly key?: string;
      readonly title?: string;
      readonly parent: number;
      readonly root?: true;
      readonly depth: number;
      readonly pool: string;
      readonly priority: number;
      readonly after?: readonly number[];
      readonly run_on_failure?: true;
      readonly detached?: true;
      readonly timeout_ms: number;
      readonly retry_limit: number;
      readonly backoff_ms: number;
      readonly max_turns: number;
      readonly max_tokens?: number;
      /** The model that it names, of a hosted task. */
      readonly model?: string;
      readonly snapshot: string;
      readonly call?: string;
      readonly fork: string;
      /** Why `fork: "auto"` took it. */
      readonly fork_why?: string;
      /** The lineage that it belongs to, by its number. */
      readonly lineage?: number;
      readonly labels?: Readonly<Record<string, string>>;
      readonly on_failure?: StandInTerms;
      /** It stands in for its parent, of which event `seq` has the outcome; its texts are in the parent's body. */
      readonly stands_in?: { readonly why: StandInWhy; readonly seq: number };
    }
  /** Tasks of this batch, by their numbers, are a group, which its first member stands for. */
  | {
      readonly type: "group_created";
      readonly name: string;
      readonly members: readonly number[];
      readonly require: number;
      readonly fail_fast?: true;
      readonly drop_rest?: true;
      /** Tasks that come after the group. */
      readonly followers?: readonly number[];
    }
  /** As many as it requires have succeeded, or can't any more. */
  | {
      readonly type: "group_decided";
      /** Its first member. */
      readonly task: number;
      readonly name: string;
      readonly verdict: "met" | "failed";
      readonly succeeded: number;
      readonly ended: number;
      readonly size: number;
    }
  | {
      readonly type: "task_ready";
      readonly task: number;
      readonly why: "dependencies" | "backoff" | "wake" | "given_back" | "budget";
    }
  /** It starts over, and a dependency was retried since its last attempt began: it waits for the new result. */
  | { readonly type: "task_held"; readonly task: number }
  | {
      readonly type: "task_started";
      readonly task: number;
      readonly fence: number;
      readonly attempt: number;
      readonly worker: string;
      readonly hosted?: true;
      readonly boot?: string;
    }
  /** The next model call may use up to `tokens`, which may cost up to `nanos`. */
  | {
      readonly type: "tokens_reserved";
      readonly task: number;
      readonly fence: number;
      readonly tokens: number;
      readonly nanos?: number;
    }
  | {
      readonly type: "turn";
      readonly task: number;
      readonly fence: number;
      readonly turn: number;
      readonly snapshot: string;
      readonly usage: UsageDelta;
      /** From the request to the end of the reply, and to its first token, as the seat measured it. */
      readonly model_ms?: number;
      readonly first_ms?: number;
      /** The messages from outside that its messages hold, by the `seq` of their arrival. */
      readonly messages?: readonly number[];
      /** Steps after this one carry out what is left of the reply. */
      readonly calls_left?: true;
    }
  /** The context no longer fitted the model's window: the task goes on from `to`, which lacks `dropped` messages. */
  | {
      readonly type: "context_compacted";
      readonly task: number;
      readonly fence: number;
      readonly from: string;
      readonly to: string;
      /** Turns that were kept at most. */
      readonly last: number;
      /** Where the task's own messages begin in `to`. */
      readonly own: number;
      readonly dropped: number;
      /** Of them, replies of the task's own. */
      readonly replies: number;
      /** Of a reply that the window cut off. */
      readonly usage?: UsageDelta;
    }
  /** From outside, to a task; the message is its body. */
  | { readonly type: "message_received"; readonly task: number; readonly bytes: number }
  /** A hosted task is told that little is left; the message is its body. */
  | {
      readonly type: "budget_noted";
      readonly task: number;
      readonly notes: readonly BudgetNote[];
      readonly bytes: number;
    }
  | {
      readonly type: "call_waiting";
      readonly task: number;
      readonly call: string;
      readonly targets: readonly number[];
      readonly mode: WaitMode;
      readonly until?: number;
      /** In place of targets. The body of a push has its messages. */
      readonly want?: Want;
      /** What the task wants to be told, in its own words, where it waits for somebody outside. */
      readonly ask?: string;
      /** In place of targets: a tool that is carried out elsewhere, in a pool or, for "", by its url. The body has its arguments. */
      readonly remote?: { readonly tool: string; readonly pool: string; readonly retries: number };
      readonly print?: string;
    }
  | {
      readonly type: "tool_call_started";
      readonly task: number;
      readonly call: string;
      readonly fence: number;
      readonly attempt: number;
      readonly worker: string;
      readonly boot?: string;
    }
  | {
      readonly type: "tool_call_attempt_ended";
      readonly task: number;
      readonly call: string;
      readonly fence: number;
      readonly why: "lost" | "restart" | "transient";
      readonly error?: ErrorData;
      readonly until?: number;
    }
  | { readonly type: "tool_call_ready"; readonly task: number; readonly call: string; readonly why: "backoff" }
  /** How far it is, as its body says. */
  | { readonly type: "tool_call_progress"; readonly task: number; readonly call: string; readonly fence: number }
  | {
      readonly type: "call_done";
      readonly task: number;
      readonly call: string;
      readonly tool: string;
      /** `deadlock`: what it still waited for waits for this task. */
      readonly why: "answered" | "settled" | "timed_out" | "deadlock";
      /** Of `await_tasks` that was over at once, and not by any one of them: whom it named. */
      readonly targets?: readonly number[];
      /** Of a call whose id a worker gave it: which call that is (context/call-fingerprint.ts). Where it waited, that has it. */
      readonly print?: string;
    }
  /** It failed, and its fallback, which is created next, decides how it ends. */
  | {
      readonly type: "task_fell_back";
      readonly task: number;
      readonly error: ErrorData;
      readonly usage?: UsageDelta;
      readonly unread?: readonly number[];
    }
  | { readonly type: "call_blocked"; readonly task: number; readonly fence: number; readonly blocked: boolean }
  | { readonly type: "task_parked"; readonly task: number; readonly fence: number; readonly on: "calls" }
  | {
      readonly type: "task_parked";
      readonly task: number;
      readonly fence: number;
      readonly on: "budget";
      readonly need: number;
      readonly nanos?: number;
    }
  | {
      readonly type: "task_parked";
      readonly task: number;
      readonly fence: number;
      readonly on: "children";
      readonly usage?: UsageDelta;
      readonly unread?: readonly number[];
    }
  | {
      readonly type: "attempt_ended";
      readonly task: number;
      readonly fence: number;
      /**
       * `restart`: nobody was lost; the runtime was another one, or the worker was stopped and gave it back (`error`).
       * `held_back`: a dependency was retried before its first reply.
       */
      readonly why: "lost" | "restart" | "transient" | "held_back";
      readonly error?: ErrorData;
      readonly until?: number;
      readonly usage?: UsageDelta;
      /** It was refused out of a crowd of calls: none of its `retries.limit` is used up. */
      readonly uncounted?: true;
    }
  | {
      readonly type: "task_ended";
      readonly task: number;
      readonly state: EndState;
      readonly error?: ErrorData;
      /** The result is the body of this earlier event (a task that waited for its children). */
      readonly result_seq?: number;
      readonly usage?: UsageDelta;
      /** Messages that no turn of it has shown. */
      readonly unread?: readonly number[];
    }
  | { readonly type: "task_observed"; readonly task: number }
  | {
      readonly type: "task_retried";
      readonly task: number;
      readonly generation: number;
      readonly why: "asked" | "dependency_retried" | "parent_retried" | "group_retried";
      /** Absent: from its start. */
      readonly from?: TurnPoint;
    }
  /** Tasks of a snapshot and a model that come from now on share a prefix of `tokens`. */
  | ({ readonly type: "lineage_begun"; readonly lineage: number } & LineageTerms)
  /** This attempt reads the prefix first; ready siblings are held until `until` at the latest. */
  | {
      readonly type: "cache_warming";
      readonly task: number;
      readonly fence: number;
      readonly lineage: number;
      readonly until: number;
    }
  | {
      readonly type: "cache_released";
      readonly lineage: number;
      readonly why: "first_token" | "turn" | "gone" | "bound";
    }
  /** `quota`: what it waits for, where that is the reason. */
  | { readonly type: "run_paused"; readonly reason: string; readonly quota?: QuotaPause }
  | { readonly type: "run_resumed" }
  /** Hosted tasks that may work at once by the run's share of the seats; absent: no share binds it any more. */
  | { readonly type: "seat_target"; readonly seats?: number; readonly why?: ShareFrom }
  /** With the first task that it takes. Its name stands for the worker of its tasks. */
  | { readonly type: "seat_opened"; readonly seat: string }
  /** Told with what the log has next: `ago_ms` before. A seat that was lost with a lease is gone without. */
  | {
      readonly type: "seat_closed";
      readonly seat: string;
      /** Nothing was ready; its time was over, and it goes on as another; the run has no seat for it; the run is paused, or has ended. */
      readonly why: "idle" | "served" | "target" | "paused" | "ended";
      readonly ago_ms?: number;
    }
  | { readonly type: "limits_changed"; readonly tokens: number; readonly nanos?: number }
  | { readonly type: "run_retained"; readonly days: number }
  /** In place of those that came from there before. The Markdown is its body. */
  | { readonly type: "rules_set"; readonly from: RulesFrom; readonly rules: readonly PlacedRule[] }
  | ({ readonly type: "rule_fired" } & RuleChange)
  | ({ readonly type: "rule_cleared" } & RuleChange)
  /** A pull worker has asked for tasks, and said how busy its machine is; logged only where a rule looks at it. */
  | { readonly type: "worker_load"; readonly pool: string; readonly worker: string; readonly percent: number }
  | ({ readonly type: "availability_changed" } & AvailabilityTold)
  /** The run's webhook tells of these from now on. Where it sends them is no part of the log. */
  | { readonly type: "webhook_set"; readonly events: readonly WebhookChoice[] }
  /** It sends nothing more: it was taken away; its endpoint said that it is gone, or has taken nothing for too long. */
  | { readonly type: "webhook_off"; readonly why: "asked" | "gone" | "given_up" }
  | {
      readonly type: "run_ended";
      readonly status: Extract<RunStatus, "succeeded" | "failed" | "cancelled">;
      readonly reason?: string;
    }
  | { readonly type: "run_reopened" }
  /** Its policy is to fail fast, and `task` has failed: it ends when what undoes its work has. */
  | { readonly type: "run_failing"; readonly task: number }
  | {
      readonly type: "finding";
      readonly kind: string;
      readonly severity: "info" | "warning" | "error";
      readonly subjects: readonly number[];
      readonly message: string;
      /** Of a deadlock: the same text for the same cycle. */
      readonly cycle?: string;
    }
  /** Somebody outside asked for more time before a wait of the stall is ended: it counts from now. */
  | { readonly type: "stall_extended" }
  | {
      readonly type: "lock_granted";
      readonly task: number;
      readonly name: string;
      readonly token: number;
      readonly mode: LockMode;
      readonly waited_ms?: number;
      /** When `limits.hold_ms` takes it back. */
      readonly until?: number;
    }
  | {
      readonly type: "lock_released";
      readonly task: number;
      readonly name: string;
      readonly token: number;
      readonly why: "released" | "ended" | "victim" | "expired";
    }
  | { readonly type: "semaphore_created"; readonly name: string; readonly permits: number }
  | {
      readonly type: "permits_granted";
      readonly task: number;
      readonly name: string;
      readonly permits: number;
      readonly waited_ms?: number;
    }
  | {
      readonly type: "permits_released";
      readonly task: number;
      readonly name: string;
      readonly permits: number;
      readonly why: "released" | "ended" | "victim";
    }
  | {
      readonly type: "barrier_tripped";
      readonly name: string;
      readonly generation: number;
      /** In the order of their arrival. */
      readonly tasks: readonly number[];
      /** Of all of them together. */
      readonly waited_ms: number;
    }
  | {
      readonly type: "barrier_broken";
      readonly name: string;
      readonly generation: number;
      /** The task that left, or never came. */
      readonly by: number;
      readonly why: BrokenWhy;
    }
  | { readonly type: "queue_created"; readonly name: string; readonly capacity: number }
  | {
      readonly type: "messages_pushed";
      readonly name: string;
      /** Absent: from outside. */
      readonly task?: number;
      readonly sizes: readonly number[];
      /** The messages are the body of this earlier event (a push that waited); else of this one. */
      readonly from?: number;
      readonly waited_ms?: number;
    }
  | {
      readonly type: "messages_popped";
      readonly name: string;
      readonly task?: number;
      readonly count: number;
      readonly waited_ms?: number;
    }
  | { readonly type: "queue_closed"; readonly name: string; readonly task?: number }
  /** The value, or the error, is its body. */
  | {
      readonly type: "future_settled";
      readonly name: string;
      readonly task?: number;
      readonly state: "resolved" | "rejected";
    }
  | { readonly type: "actor_opened"; readonly actor: number; readonly name: string; readonly ttl_ms: number }
  | { readonly type: "actor_ended"; readonly actor: number; readonly why: "closed" | "expired" | "run_ended" }
  /** Its first use; the values of data are its object's. */
  | { readonly type: "variable_created"; readonly name: string; readonly kind: string }
  /** Ops that variables with data have answered since the last such event, in the order of their answers. */
  | {
      readonly type: "variables_used";
      readonly uses: readonly VariableUse[];
      /** Some before these may be missing: the run's object was loaded anew. */
      readonly gap?: true;
    }
  | { readonly type: "late_refused"; readonly task: number; readonly fence: number; readonly op: string };

export type EventOf<Type extends SchedulerEvent["type"]> = Extract<SchedulerEvent, { readonly type: Type }>;

/** An event as it is decided: with its causes (sequence numbers) and its body, which goes into the row and not into the state. */
export interface Decided {
  readonly seq: number;
  readonly event: SchedulerEvent;
  readonly causes: readonly number[];
  readonly body: unknown;
}

/** What there is a bound of: the run's tokens and money, a subtree's tokens, a task's by rule, its turns and its time. */
export type BudgetOf = "tokens" | "usd" | "max_tokens" | "task_tokens" | "turns" | "time";

export interface BudgetNote {
  readonly of: BudgetOf;
  /** How much of it was used at least. */
  readonly percent: number;
  /** In tokens, nanodollars, turns or milliseconds. */
  readonly limit: number;
}
