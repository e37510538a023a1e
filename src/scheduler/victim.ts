/** Whose wait is ended when one must be, and what its end does. */

import { breakBarrier } from "./barriers.ts";
import { closeCall, wake } from "./calls.ts";
import type { Step } from "./step.ts";
import type { Call, Task } from "./task.ts";

export type Waiting = Extract<Call, { state: "waiting" }>;

/** Lowest priority, then fewest tokens spent, then the youngest. */
export const isRather = (a: Task, b: Task): boolean => {
  const tokens = (task: Task) => task.inputTokens + task.outputTokens;
  return (a.priority - b.priority || tokens(a) - tokens(b) || b.n - a.n) < 0;
};

/** Fails these waits of the victim, and lets go of what it holds. */
export function endWaits(
  step: Step,
  task: Task,
  calls: readonly Waiting[],
  { cycle, order, stall }: { cycle: readonly number[]; order: readonly string[]; stall?: true },
  found: number,
): void {
  const released = [...task.holds, ...task.permits].map((hold) => hold.name);
  const outcome = { kind: "deadlock_victim", cycle, released, order, ...(stall && { stall }) } as const;
  let cause = found;
  for (const call of calls) {
    cause = closeCall(step, task, call.id, "deadlock", outcome, [found]);
    if (call.want?.kind === "barrier") breakBarrier(step, call.want.names[0], task.n, "deadlock", [cause]);
  }
  for (const { name, token } of task.holds) {
    step.emit({ type: "lock_released", task: task.n, name, token, why: "victim" }, undefined, [cause]);
  }
  for (const { name, permits } of task.permits) {
    step.emit({ type: "permits_released", task: task.n, name, permits, why: "victim" }, undefined, [cause]);
  }
  wake(step, task, cause);
}
