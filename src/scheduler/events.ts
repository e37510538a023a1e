/**
 * The log's vocabulary. Every change of a run is one of these; `apply` folds them into state, and the trace, usage and
 * findings are other folds of the same list. Fields are added, never changed: an old log must replay.
 *
 * Task numbers stand for ids (the wire shows ids). Texts (instructions, results, outcomes) travel beside an event as its
 * body and are never part of the state.
 */

import type { RunStatus, WaitMode } from "../contract/shapes.ts";
import type { LockMode } from "../variables/ops.ts";
import type { EndState } from "./task.ts";
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
  readonly pools: readonly string[];
}

export interface UsageDelta {
  readonly in: number;
  readonly out: number;
  readonly read: number;
  readonly write: number;
}

export interface ErrorData {
  readonly code: string;
  readonly message: string;
  /** The task whose end caused this one. */
  readonly because?: number;
}

export type SchedulerEvent =
  | { readonly type: "run_created"; readonly limits: Limits; readonly snapshot: string; readonly name?: string }
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
      readonly snapshot: string;
      readonly call?: string;
      readonly fork: string;
      readonly labels?: Readonly<Record<string, string>>;
    }
  | {
      readonly type: "task_ready";
      readonly task: number;
      readonly why: "dependencies" | "backoff" | "wake" | "given_back" | "budget";
    }
  | {
      readonly type: "task_started";
      readonly task: number;
      readonly fence: number;
      readonly attempt: number;
      readonly worker: string;
      readonly hosted?: true;
      readonly boot?: string;
    }
  /** The next model call may use up to `tokens`. */
  | { readonly type: "tokens_reserved"; readonly task: number; readonly fence: number; readonly tokens: number }
  | {
      readonly type: "turn";
      readonly task: number;
      readonly fence: number;
      readonly turn: number;
      readonly snapshot: string;
      readonly usage: UsageDelta;
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
      /** The locks of a `want`, as logs from before the other kinds have it. */
      readonly lock?: { readonly names: readonly string[]; readonly mode: LockMode };
    }
  | {
      readonly type: "call_done";
      readonly task: number;
      readonly call: string;
      readonly tool: string;
      /** `deadlock`: what it still waited for waits for this task. */
      readonly why: "answered" | "settled" | "timed_out" | "deadlock";
    }
  | { readonly type: "call_blocked"; readonly task: number; readonly fence: number; readonly blocked: boolean }
  | { readonly type: "task_parked"; readonly task: number; readonly fence: number; readonly on: "calls" }
  | {
      readonly type: "task_parked";
      readonly task: number;
      readonly fence: number;
      readonly on: "budget";
      readonly need: number;
    }
  | {
      readonly type: "task_parked";
      readonly task: number;
      readonly fence: number;
      readonly on: "children";
      readonly usage?: UsageDelta;
    }
  | {
      readonly type: "attempt_ended";
      readonly task: number;
      readonly fence: number;
      readonly why: "lost" | "restart" | "transient";
      readonly error?: ErrorData;
      readonly until?: number;
      readonly usage?: UsageDelta;
    }
  | {
      readonly type: "task_ended";
      readonly task: number;
      readonly state: EndState;
      readonly error?: ErrorData;
      /** The result is the body of this earlier event (a task that waited for its children). */
      readonly result_seq?: number;
      readonly usage?: UsageDelta;
    }
  | { readonly type: "task_observed"; readonly task: number }
  | {
      readonly type: "task_retried";
      readonly task: number;
      readonly generation: number;
      readonly why: "asked" | "dependency_retried";
    }
  | { readonly type: "run_paused"; readonly reason: string }
  | { readonly type: "run_resumed" }
  | { readonly type: "limits_changed"; readonly tokens: number }
  | {
      readonly type: "run_ended";
      readonly status: Extract<RunStatus, "succeeded" | "failed" | "cancelled">;
      readonly reason?: string;
    }
  | { readonly type: "run_reopened" }
  | {
      readonly type: "finding";
      readonly kind: string;
      readonly severity: "info" | "warning" | "error";
      readonly subjects: readonly number[];
      readonly message: string;
      /** Of a deadlock: the same text for the same cycle. */
      readonly cycle?: string;
    }
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
  | { readonly type: "late_refused"; readonly task: number; readonly fence: number; readonly op: string };

/** An event as it is decided: with its causes (sequence numbers) and its body, which goes into the row and not into the state. */
export interface Decided {
  readonly seq: number;
  readonly event: SchedulerEvent;
  readonly causes: readonly number[];
  readonly body: unknown;
}
