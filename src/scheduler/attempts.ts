/**
 * Attempts: a lease from its grant to its end. A lease is named by (task, fence); whoever comes with another fence is late.
 */

import { type AttemptFault, type FaultClass, faults } from "../errors/faults.ts";
import { longBackoffMs, refusalsUncountedMax } from "../limits.ts";
import { retryWaitMs } from "./backoff.ts";
import { isSpent } from "./budget.ts";
import { failUsedUp } from "./budget-end.ts";
import { noteBudgets } from "./budget-notes.ts";
import { endOf, endTask } from "./end-task.ts";
import { holdBack } from "./ending.ts";
import type { ErrorData, UsageDelta } from "./events.ts";
import { mayUseTokens } from "./quotas.ts";
import { evaluateRules } from "./rules/evaluate.ts";
import { roomInShare } from "./seat-shares.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { hostedPool, isRunning, namesHeld, type RunningTask, type Task } from "./task.ts";
import { beginWarming } from "./warming.ts";

/** The task that starts next in a pool; undefined when none may: paused, no seat left, nothing ready. */
export function nextReady(state: RunState, pool: string, now: number): Task | undefined {
  if (state.header.status !== "active" || state.working >= state.workers) return undefined;
  if (state.roomIn(pool) <= 0) return undefined;
  if (pool === hostedPool && roomInShare(state) === 0) return undefined;
  if (!mayUseTokens(state)) return undefined;
  if (pool !== hostedPool && isSpent(state)) return undefined;
  const n = state.ready.get(pool)?.peek(now, state.roomAt(now));
  return n === undefined ? undefined : state.task(n);
}

/** How many tasks of a pool could start now, if there were workers for all; not 0 while one can. */
export function startableIn(state: RunState, pool: string, now: number): number {
  const queue = state.ready.get(pool);
  if (!queue || state.header.status !== "active" || !mayUseTokens(state)) return 0;
  if (pool !== hostedPool && isSpent(state)) return 0;
  const ready = Math.min(queue.startable(state.roomAt(now)), state.roomIn(pool));
  const room = Math.max(0, Math.min(ready, state.workers - state.working));
  return pool === hostedPool ? Math.min(room, roomInShare(state)) : room;
}

/**
 * As `nextReady`, for a lease that is opened now: what was made ready in this very step may have to wait again (R4), and what
 * happened in it may have made a rule fire. A pull worker's task that has no tokens left fails on the way (B9).
 */
export function nextToStart(step: Step, pool: string): Task | undefined {
  evaluateRules(step);
  for (;;) {
    const task = nextReady(step.state, pool, step.now);
    if (!task) return undefined;
    holdBack(step, task);
    if (task.phase.state !== "ready") continue;
    if (pool === hostedPool || !failUsedUp(step, task)) return task;
  }
}

/** Opens a lease; answers its fence, higher than every earlier one of the run. */
export function openLease(step: Step, task: Task, worker: string, boot: string): number {
  noteBudgets(step, task);
  const fence = step.state.header.lastFence + 1;
  const readySeq = task.phase.state === "ready" ? [task.phase.seq] : [];
  step.emit(
    {
      type: "task_started",
      task: task.n,
      fence,
      attempt: task.attempts + 1,
      worker,
      ...(task.pool === hostedPool && { hosted: true }),
      ...(boot && { boot }),
    },
    undefined,
    readySeq,
  );
  if (task.pool === hostedPool) step.state.availability.begin(task, step.now);
  beginWarming(step, task as RunningTask);
  return fence;
}

/** The task and its open lease, when the fence is the newest one and the lease has not ended. */
export function leased(state: RunState, n: number, fence: number): RunningTask | undefined {
  const task = state.live(n);
  return task && isRunning(task) && task.phase.fence === fence ? task : undefined;
}

/** A worker that is gone: the task goes on from its last logged turn, unless workers keep dying of it. */
export function loseLease(
  step: Step,
  task: RunningTask,
  why: "lost" | "restart",
  said: Pick<Failure, "usage"> & { readonly error?: ErrorData } = {},
): void {
  if (why === "lost" && task.phase.hosted) step.state.availability.seatLost(step.now);
  if (why === "lost" && task.losses + 1 >= faults.worker_lost.retry.inARow) {
    endTask(step, task, endOf("poisoned", faults.poisoned.what));
    return;
  }
  step.emit({ type: "attempt_ended", task: task.n, fence: task.phase.fence, why, ...said });
}

/** A worker that is stopped gives back what it has, and says so: no failure of the task's, which another one takes at once. */
export const isGivenBack = ({ error, retryable }: Pick<Failure, "error" | "retryable">): boolean =>
  retryable === true && error.code === givenBackCode;

const givenBackCode: FaultClass = "worker_stopped";

export interface Failure<Fault extends FaultClass = AttemptFault> {
  readonly fault: Fault;
  readonly error: ErrorData;
  /** Whoever failed says that trying again may help; counts where the fault's rule asks for it. */
  readonly retryable?: boolean;
  /** What the other side asks for. */
  readonly retryAfterMs?: number;
  readonly usage?: UsageDelta;
  /** The provider refused it because others of this run were under way, too. */
  readonly crowded?: boolean;
}

/** A failed attempt: retried with backoff while its fault's rule and `retries.limit` allow, else the task ends by it. */
export function failAttempt(step: Step, task: RunningTask, failure: Failure): void {
  const { fault, error, usage } = failure;
  const { retryLimit, backoffMs, failures } = task;
  const uncounted = failure.crowded === true && retryLimit > 0 && task.refusals < refusalsUncountedMax;
  const wait = retryWaitMs(failure, { retryLimit, backoffMs, failures: uncounted ? 0 : failures, seed: task.n });
  if (wait === undefined) {
    endTask(step, task, { state: faults[fault].ends, error, ...(usage && { usage }) });
    return;
  }
  if (wait > longBackoffMs) warnOfHolds(step, task, wait);
  step.emit({
    type: "attempt_ended",
    task: task.n,
    fence: task.phase.fence,
    why: "transient",
    error,
    until: step.now + wait,
    ...(usage && { usage }),
    ...(uncounted && { uncounted }),
  });
}

/** Others may wait for what a task keeps through its backoff. */
function warnOfHolds(step: Step, task: Task, waitMs: number): void {
  const names = namesHeld(task);
  if (names.length === 0) return;
  const message = `It holds ${names.join(", ")} and is tried again only after ${Math.round(waitMs / 1000)} s.`;
  step.emit({ type: "finding", kind: "holder_backing_off", severity: "warning", subjects: [task.n], message });
}
