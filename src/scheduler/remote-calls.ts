/**
 * Calls of remote tools: work that a task's reply gives to workers of a pool, or to a url, while the task is parked.
 *
 * Owns: the life of such a call from its beginning to its one result: lease, renewal, loss, retry, timeout.
 * Does not own: what wakes the caller (calls.ts), who speaks HTTP (objects/, agent/).
 *
 * M1. A call is one of its caller's calls that wait (task.ts), with the state of its attempts in it: what drops the caller's
 *     calls (its end, its next turn, a retry) drops it, with its lease, and no task has to be made or counted for it.
 * M2. A lease is named by (call, fence); fences are the run's, so whoever comes late is told apart as any other.
 * M3. It always times out, so nobody who waits for its caller waits for ever (V3 of liveness.ts).
 * M4. It uses none of the run's workers.
 */

import { type FaultWith, faults } from "../errors/faults.ts";
import { toolProgressEveryMs, urlCallsAtOnce } from "../limits.ts";
import type { Failure } from "./attempts.ts";
import { retryWaitMs } from "./backoff.ts";
import { knownCall, wake } from "./calls.ts";
import type { ErrorData } from "./events.ts";
import { isOpenCall, type OpenCall } from "./open-calls.ts";
import type { ReadyKey } from "./ready-queue.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import type { RemoteRunning, Task } from "./task.ts";
import type { Begun } from "./wait-outcome.ts";

/** In place of a pool: Heddle's own seats call the tool's url. */
export const urlPool = "";

/** The first backoff of a call; a tool has no `backoff_ms` of its own. */
const firstBackoffMs = 1000;

/** What a call came to; the body of the event that ends it. */
export type ToolEnd =
  | { readonly kind: "result"; readonly result: unknown; readonly isError: boolean }
  | { readonly kind: "failed"; readonly error: ErrorData; readonly attempts: number }
  | { readonly kind: "timed_out"; readonly afterMs: number; readonly attempts: number };

/** An open call with its caller. */
export interface Found {
  readonly task: Task;
  readonly call: OpenCall;
}

export type Leased = Found & { readonly call: { readonly remote: { readonly phase: RemoteRunning } } };

/** Begins a call, with its arguments as the event's body. Idempotent by the call's id. */
export function beginRemoteCall(
  step: Step,
  task: Task,
  call: { id: string; tool: string; pool: string; timeoutMs: number; retryLimit: number; arguments: string },
): Begun {
  const known = knownCall(task, call.id);
  if (known) return known;
  step.emit(
    {
      type: "call_waiting",
      task: task.n,
      call: call.id,
      targets: [],
      mode: "all",
      until: step.now + call.timeoutMs,
      remote: { tool: call.tool, pool: call.pool, retries: call.retryLimit },
    },
    { arguments: call.arguments },
  );
  return { kind: "waiting" };
}

export function findCall(state: RunState, seq: number): Found | undefined {
  const place = state.openCalls.find(seq);
  const task = place && state.live(place.task);
  const call = task?.calls.find((one) => one.id === place?.id);
  return task && call && isOpenCall(call) ? { task, call } : undefined;
}

/** The call whose open lease this is. */
export function leasedCall(state: RunState, seq: number, fence: number): Leased | undefined {
  const found = findCall(state, seq);
  const phase = found?.call.remote.phase;
  return phase?.state === "running" && phase.fence === fence ? (found as Leased) : undefined;
}

/** A run that waits for tokens lets its calls go on: they spend none. One that was paused by hand does not. */
export const mayStartCalls = ({ header }: RunState): boolean =>
  header.status === "active" || (header.status === "paused" && header.reason === "budget");

/** The call that starts next in a pool, and its place in the order; undefined when none may. */
export function nextCall(
  state: RunState,
  pool: string,
  now: number,
  tools?: readonly string[],
): (Found & { readonly key: ReadyKey }) | undefined {
  if (!mayStartCalls(state)) return undefined;
  if (pool === urlPool && state.openCalls.urlsRunning >= urlCallsAtOnce) return undefined;
  const first = state.openCalls.first(pool, now, tools);
  const found = first && findCall(state, first.seq);
  return found && { ...found, key: first.key };
}

/** Opens a lease; answers its fence, higher than every earlier one of the run. */
export function startCall(step: Step, { task, call }: Found, worker: string, boot: string): number {
  const fence = step.state.header.lastFence + 1;
  const { phase, attempts } = call.remote;
  step.emit(
    {
      type: "tool_call_started",
      task: task.n,
      call: call.id,
      fence,
      attempt: attempts + 1,
      worker,
      ...(boot && { boot }),
    },
    undefined,
    phase.state === "ready" ? [phase.seq] : [],
  );
  return fence;
}

/** The call has its result; its caller goes on when that was the last. */
export function endCall(step: Step, { task, call }: Found, end: ToolEnd, causes: readonly number[] = []): void {
  const { tool } = call.remote;
  const why = end.kind === "timed_out" ? "timed_out" : "answered";
  wake(step, task, step.emit({ type: "call_done", task: task.n, call: call.id, tool, why }, { tool: end }, causes));
}

export function timeOutCall(step: Step, found: Found): void {
  const { since, until, remote } = found.call;
  endCall(step, found, { kind: "timed_out", afterMs: until - since, attempts: remote.attempts });
}

/** What an attempt of a call can end with: of an endpoint, or as a worker says. */
export type CallFault = FaultWith<{ readonly at: "tool"; readonly ownCode: true }> | "worker_failed";

/** A failed attempt: tried again with backoff while its fault's rule allows and there is time, else the call ends with the failure. */
export function failCall(step: Step, found: Leased, failure: Failure<CallFault>): void {
  const { task, call } = found;
  const { failures, attempts, retryLimit, phase } = call.remote;
  const { error } = failure;
  const wait = retryWaitMs(failure, { seed: call.seq, backoffMs: firstBackoffMs, failures, retryLimit });
  const until = wait === undefined ? Number.POSITIVE_INFINITY : step.now + wait;
  if (until >= call.until) {
    endCall(step, found, { kind: "failed", error, attempts });
    return;
  }
  const { fence } = phase;
  step.emit({ type: "tool_call_attempt_ended", task: task.n, call: call.id, fence, why: "transient", error, until });
}

/** A worker that is gone: another carries the call out, unless workers keep dying of it. */
export function loseCall(step: Step, found: Leased, why: "lost" | "restart", error?: ErrorData): void {
  const { task, call } = found;
  const { losses, attempts, phase } = call.remote;
  const { inARow } = faults.tool_worker_lost.retry;
  if (why === "lost" && losses + 1 >= inARow) {
    const message = `${inARow} workers in a row were lost while carrying it out.`;
    endCall(step, found, { kind: "failed", error: { code: "worker_lost", message }, attempts });
    return;
  }
  const { fence } = phase;
  step.emit({ type: "tool_call_attempt_ended", task: task.n, call: call.id, fence, why, ...(error && { error }) });
}

/** Tells how far a call is, at most once in `toolProgressEveryMs`. */
export function reportProgress(step: Step, { task, call }: Leased, progress: object): void {
  const { progressAt, phase } = call.remote;
  if (progressAt > 0 && step.now < progressAt + toolProgressEveryMs) return;
  step.emit({ type: "tool_call_progress", task: task.n, call: call.id, fence: phase.fence }, { progress });
}

/** What is due of a call although nobody calls; its own timeout is its caller's clock's. */
export function ringCall(step: Step, found: Found): void {
  const { task, call } = found;
  const { phase } = call.remote;
  if (phase.state === "running" && phase.expiresAt <= step.now) loseCall(step, found as Leased, "lost");
  else if (phase.state === "waiting" && phase.until <= step.now)
    step.emit({ type: "tool_call_ready", task: task.n, call: call.id, why: "backoff" });
}
