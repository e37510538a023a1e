/** Tool calls that wait: how one begins on a variable, how it ends, and when its task goes on. */

import type { SchedulerEvent } from "./events.ts";
import type { Step } from "./step.ts";
import type { Task } from "./task.ts";
import type { Begun, WaitOutcome } from "./wait-outcome.ts";
import { toolOf, type Want } from "./want.ts";

type CallDone = Extract<SchedulerEvent, { type: "call_done" }>;

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
  why: CallDone["why"],
  outcome: WaitOutcome,
  causes: readonly number[] = [],
): number {
  const waiting = task.calls.find((one) => one.id === call);
  const tool = toolOf(waiting?.state === "waiting" ? waiting.want : undefined);
  return step.emit({ type: "call_done", task: task.n, call, tool, why }, { wait: outcome }, causes);
}

/** The task goes on when none of its calls waits any more (W2). */
export function wake(step: Step, task: Task, cause: number): void {
  if (task.calls.some((one) => one.state === "waiting")) return;
  if (task.phase.state === "parked" && task.phase.on === "calls") {
    step.emit({ type: "task_ready", task: task.n, why: "wake" }, undefined, [cause]);
  } else if (task.phase.state === "running" && task.phase.blocked) {
    step.emit({ type: "call_blocked", task: task.n, fence: task.phase.fence, blocked: false });
  }
}
