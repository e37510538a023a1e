/** What happens although nobody calls: leases, backoffs, waits and tasks time out; an idle run ends. */

import { leaseMs } from "../limits.ts";
import { endActor } from "./actors.ts";
import { loseLease } from "./attempts.ts";
import { availabilityDueAt } from "./availability.ts";
import { breakBarrier } from "./barriers.ts";
import { settleBudget } from "./budget.ts";
import { closeCall, wake } from "./calls.ts";
import { stallEndAt } from "./deadlock.ts";
import { endOf, endTask } from "./end-task.ts";
import { settle } from "./ending.ts";
import { expireHolds } from "./locks.ts";
import { isOpenCall } from "./open-calls.ts";
import { exhaustionAt } from "./pool-exhaustion.ts";
import { type Leased, loseCall, ringCall, timeOutCall } from "./remote-calls.ts";
import { rulesDueAt } from "./rules/evaluate.ts";
import { endIdleRun, idleEndAt } from "./run-commands.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { isActor, isRunning, type Running, type Task, type WaitingCall } from "./task.ts";
import { endWait } from "./waits.ts";
import { holdEndAt } from "./warming.ts";

/** The next time at which `runClock` has something to do; undefined: never. */
export function nextClock(state: RunState): number | undefined {
  const clocks = [
    state.nextDue()?.at,
    idleEndAt(state),
    stallEndAt(state),
    exhaustionAt(state),
    holdEndAt(state),
    rulesDueAt(state),
    availabilityDueAt(state),
  ];
  const times = clocks.filter((time) => time !== undefined);
  return times.length > 0 ? Math.min(...times) : undefined;
}

/** Does everything that is due. Each round ends or moves at least one clock, so it ends. */
export function runClock(step: Step): void {
  for (let due = step.state.nextDue(); due && due.at <= step.now; due = step.state.nextDue()) {
    ring(step, step.state.task(due.n));
    settle(step);
  }
  settleBudget(step);
  endIdleRun(step);
}

function ring(step: Step, task: Task): void {
  const { now } = step;
  const { phase } = task;
  if (isActor(task) && phase.state === "running" && phase.expiresAt <= now) {
    endActor(step, task, "expired");
  } else if (task.clockAt > 0 && task.clockAt + task.timeoutMs <= now) {
    endTask(step, task, endOf("timeout", `It had not ended ${task.timeoutMs} ms after its start.`));
  } else if (isRunning(task) && task.phase.expiresAt <= now) {
    loseLease(step, task, "lost");
  } else if (phase.state === "waiting" && phase.until > 0 && phase.until <= now) {
    step.emit({ type: "task_ready", task: task.n, why: "backoff" });
  } else {
    expireHolds(step, task);
    for (const call of task.calls) {
      if (call.state === "waiting" && call.until > 0 && call.until <= now) timeOut(step, task, call);
      else if (isOpenCall(call)) ringCall(step, { task, call });
    }
  }
}

function timeOut(step: Step, task: Task, call: WaitingCall): void {
  const { id, want } = call;
  if (isOpenCall(call)) {
    timeOutCall(step, { task, call });
    return;
  }
  if (!want) {
    endWait(step, task, call, "timed_out");
    return;
  }
  const cause = closeCall(step, task, id, "timed_out", { kind: "timed_out", names: want.names });
  if (want.kind === "barrier") breakBarrier(step, want.names[0], task.n, "timed_out", [cause]);
  wake(step, task, cause);
}

/**
 * Leases of a state that was just loaded last over `restarts`, the times at which new runtimes began, in order: nobody could renew while
 * there was none, and leases that a restart let expire must not count as lost. The first two after a lease's last renewal give it a
 * whole term again, since a worker may not have found the way back between them, and each one more half of the term before: where restarts go on and on, who is gone
 * would else be waited for as long as they do.
 */
export function extendOverRestarts(state: RunState, restarts: readonly number[]): void {
  const extended = (expiresAt: number): number => {
    const since = restarts.filter((at) => at > expiresAt - leaseMs);
    const last = since.at(-1);
    return last === undefined ? expiresAt : Math.max(expiresAt, last + leaseMs / 2 ** Math.max(0, since.length - 2));
  };
  for (const task of state.tasks.values()) {
    const { phase } = task;
    if (phase.state === "running") phase.expiresAt = extended(phase.expiresAt);
    for (const call of task.calls) {
      const lease = isOpenCall(call) ? call.remote.phase : undefined;
      if (lease?.state === "running") lease.expiresAt = extended(lease.expiresAt);
    }
  }
}

/** Hosted attempts of a runtime that is gone are over at once: nobody can renew them. Does not count as a lost lease. */
export const endAttemptsOfOtherBoots = (step: Step, boot: string): void =>
  endAttempts(step, "restart", (lease) => lease.boot !== "" && lease.boot !== boot);

/**
 * What a seat has that broke, or that has not heard of it, has no worker: it goes on at once. Not what had lost a worker just before: if
 * that is what breaks them, the rest of its lease is its backoff.
 */
export const endAttemptsOfSeat = (step: Step, seat: string): void =>
  endAttempts(step, "lost", ({ worker }, losses) => worker === seat && losses === 0);

function endAttempts(
  step: Step,
  why: "lost" | "restart",
  isOver: (lease: Pick<Running, "worker" | "boot">, losses: number) => boolean,
): void {
  for (const task of [...step.state.tasks.values()]) {
    for (const call of task.calls) {
      if (!isOpenCall(call)) continue;
      const { phase: lease, losses } = call.remote;
      if (lease.state === "running" && isOver(lease, losses)) loseCall(step, { task, call } as Leased, why);
    }
    if (isRunning(task) && isOver(task.phase, task.losses)) loseLease(step, task, why);
  }
  settleBudget(step);
}
