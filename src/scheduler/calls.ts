/** Tool calls that wait: how one begins on a variable, how it ends, and when its task goes on. */

import type { EventOf } from "./events.ts";
import type { Step } from "./step.ts";
import { hasWaits, type Task, waitingCall } from "./task.ts";
import type { Begun, WaitOutcome } from "./wait-outcome.ts";
import { toolOf, type Waiter, type Want } from "./want.ts";

/** What a call that was made before has come to: a repeat changes nothing. */
export function knownCall(task: Task, id: string): Extract<Begun, { kind: "waiting" | "done" }> | undefined {
  const known = task.calls.find((one) => one.id === id);
  if (!known) return undefined;
  return known.state === "done" ? { kind: "done", seq: known.seq } : { kind: "waiting" };
}

interface WaitMore {
  /** What the wait brings along. */
  readonly body?: unknown;
  readonly ask?: string | undefined;
}

/** Records that a running task waits. */
export function beginWait(
  step: Step,
  task: Task,
  call: string,
  want: Want,
  until: number,
  { body, ask }: WaitMore = {},
): Begun {
  const time = until > 0 && { until };
  const asks = ask !== undefined && { ask };
  step.emit({ type: "call_waiting", task: task.n, call, targets: [], mode: "all", ...time, want, ...asks }, body);
  return { kind: "waiting" };
}

/** Ends a waiting call; `wake` must follow when nothing comes between. Answers the event's number. */
export function closeCall(
  step: Step,
  task: Task,
  call: string,
  why: EventOf<"call_done">["why"],
  outcome: WaitOutcome,
  causes: readonly number[] = [],
): number {
  const tool = toolOf(waitingCall(task, call)?.want);
  return step.emit({ type: "call_done", task: task.n, call, tool, why }, { wait: outcome }, causes);
}

/** The wait of one who stands in a line has come to its end, and its task goes on when that was its last. */
export function settleWait(step: Step, { task: n, call }: Waiter, outcome: WaitOutcome, cause: number): void {
  const task = step.state.task(n);
  wake(step, task, closeCall(step, task, call, "settled", outcome, [cause]));
}

/** How long a wait took, as the events of grants and messages tell it. */
export const waitedMs = (step: Step, { since }: Waiter): { waited_ms?: number } =>
  step.now > since ? { waited_ms: step.now - since } : {};

/** The task goes on when none of its calls waits any more (W2). */
export function wake(step: Step, task: Task, cause: number): void {
  if (hasWaits(task)) return;
  if (task.phase.state === "parked" && task.phase.on === "calls") {
    step.emit({ type: "task_ready", task: task.n, why: "wake" }, undefined, [cause]);
  } else if (task.phase.state === "running" && task.phase.blocked) {
    step.emit({ type: "call_blocked", task: task.n, fence: task.phase.fence, blocked: false });
  }
}
