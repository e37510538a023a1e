/** Who comes with a lease that is over is refused, and the log says so: it is harmless, unless frequent. */

import { isRunEnded } from "./state.ts";
import type { Step } from "./step.ts";

/**
 * Not in the log of a run that has ended: its followers were told that this was all, and it is metered for good. Seats of tasks that
 * ended with it come late as a rule.
 */
export function noteLate(step: Step, { taskNumber, fence }: { taskNumber: number; fence: number }, op: string): void {
  if (isRunEnded(step.state) || !step.state.find(taskNumber)) return;
  step.emit({ type: "late_refused", task: taskNumber, fence, op });
}
