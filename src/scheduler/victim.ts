/** Whose wait is ended when one must be, and what its end does. */

import { breakBarrier } from "./barriers.ts";
import { closeCall, wake } from "./calls.ts";
import { releaseAll } from "./hand-over.ts";
import type { Step } from "./step.ts";
import { namesHeld, type Task, type WaitingCall } from "./task.ts";

/** Lowest priority, then fewest tokens spent, then the youngest. */
export const isRather = (a: Task, b: Task): boolean => {
  const tokens = (task: Task) => task.inputTokens + task.outputTokens;
  return (a.priority - b.priority || tokens(a) - tokens(b) || b.n - a.n) < 0;
};

/** Fails these waits of the victim, and lets go of what it holds. */
export function endWaits(
  step: Step,
  task: Task,
  calls: readonly WaitingCall[],
  { cycle, order, stall }: { cycle: readonly number[]; order: readonly string[]; stall?: true },
  found: number,
): void {
  const outcome = {
    kind: "deadlock_victim",
    cycle,
    released: namesHeld(task),
    order,
    ...(stall && { stall }),
  } as const;
  let cause = found;
  for (const call of calls) {
    cause = closeCall(step, task, call.id, "deadlock", outcome, [found]);
    if (call.want?.kind === "barrier") breakBarrier(step, call.want.names[0], task.n, "deadlock", [cause]);
  }
  releaseAll(step, task, "victim", [cause]);
  wake(step, task, cause);
}
