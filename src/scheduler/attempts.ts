/**
 * Attempts: a lease from its grant to its end. A lease is named by (task, fence); whoever comes with another fence is late.
 */

import { backoffMsMax, longBackoffMs, poisonedLosses, retryAfterMsMax } from "../limits.ts";
import { endTask, holdBack } from "./ending.ts";
import type { ErrorData, UsageDelta } from "./events.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { hostedPool, type Running, type Task } from "./task.ts";
import { beginWarming } from "./warming.ts";

/** The task that starts next in a pool; undefined when none may: paused, no seat left, nothing ready. */
export function nextReady(state: RunState, pool: string, now: number): Task | undefined {
  if (state.header.status !== "active" || state.working >= state.header.limits.workers) return undefined;
  const n = state.ready.get(pool)?.peek(now);
  return n === undefined ? undefined : state.task(n);
}

/** As `nextReady`, for a lease that is opened now: what was made ready in this very step may have to wait again (R4). */
export function nextToStart(step: Step, pool: string): Task | undefined {
  for (;;) {
    const task = nextReady(step.state, pool, step.now);
    if (!task) return undefined;
    holdBack(step, task);
    if (task.phase.state === "ready") return task;
  }
}

/** Opens a lease; answers its fence, higher than every earlier one of the run. */
export function openLease(step: Step, task: Task, worker: string, boot: string): number {
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
  beginWarming(step, task as Task & { phase: Running });
  return fence;
}

/** The task and its open lease, when the fence is the newest one and the lease has not ended. */
export function leased(state: RunState, n: number, fence: number): (Task & { phase: Running }) | undefined {
  const task = state.live(n);
  return task?.phase.state === "running" && task.phase.fence === fence
    ? (task as Task & { phase: Running })
    : undefined;
}

/** A worker that is gone: the task goes on from its last logged turn, unless workers keep dying of it. */
export function loseLease(step: Step, task: Task & { phase: Running }, why: "lost" | "restart"): void {
  if (why === "lost" && task.losses + 1 >= poisonedLosses) {
    endTask(step, task, {
      state: "failed",
      error: { code: "poisoned", message: `${poisonedLosses} workers in a row were lost while running it.` },
    });
    return;
  }
  step.emit({ type: "attempt_ended", task: task.n, fence: task.phase.fence, why });
}

export interface Failure {
  readonly error: ErrorData;
  /** Trying again may help. */
  readonly transient: boolean;
  readonly retryAfterMs?: number;
  readonly usage?: UsageDelta;
}

/** A failed attempt: retried with backoff while the cause is transient and `retries.limit` allows, else the task fails. */
export function failAttempt(step: Step, task: Task & { phase: Running }, failure: Failure): void {
  const { error, usage } = failure;
  if (!failure.transient || task.failures >= task.retryLimit) {
    endTask(step, task, { state: "failed", error, ...(usage && { usage }) });
    return;
  }
  const { n: seed, failures } = task;
  const wait = Math.max(
    backoffMs({ seed, failures, backoffMs: task.backoffMs }),
    Math.min(failure.retryAfterMs ?? 0, retryAfterMsMax),
  );
  if (wait > longBackoffMs) warnOfHolds(step, task, wait);
  step.emit({
    type: "attempt_ended",
    task: task.n,
    fence: task.phase.fence,
    why: "transient",
    error,
    until: step.now + wait,
    ...(usage && { usage }),
  });
}

/** Others may wait for what a task keeps through its backoff. */
function warnOfHolds(step: Step, task: Task, waitMs: number): void {
  const names = [...task.holds, ...task.permits].map((hold) => hold.name);
  if (names.length === 0) return;
  const message = `It holds ${names.join(", ")} and is tried again only after ${Math.round(waitMs / 1000)} s.`;
  step.emit({ type: "finding", kind: "holder_backing_off", severity: "warning", subjects: [task.n], message });
}

/** Doubles per failure; spread by ±20 % (a hash, not chance: the core replays) so that a burst does not come back as one. */
export function backoffMs(of: {
  readonly seed: number;
  readonly failures: number;
  readonly backoffMs: number;
}): number {
  const doubled = Math.min(of.backoffMs * 2 ** of.failures, backoffMsMax);
  const spread = (Math.imul(of.seed * 31 + of.failures, 2654435761) >>> 0) / 2 ** 32;
  return Math.round(doubled * (0.8 + 0.4 * spread));
}
