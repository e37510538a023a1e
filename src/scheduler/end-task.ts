/**
 * The end of one task. What follows from it is `settle` (ending.ts), which must come before the step is over.
 */

import { type FaultWith, faults } from "../errors/faults.ts";
import { leaveBarriers } from "./barriers.ts";
import type { ErrorData, UsageDelta } from "./events.ts";
import { fallBack, mayFallBack } from "./fallbacks.ts";
import { releaseAll } from "./hand-over.ts";
import type { Step } from "./step.ts";
import { type EndState, isActor, isLive, type Task } from "./task.ts";

export interface End {
  readonly state: EndState;
  readonly error?: ErrorData;
  readonly result?: unknown;
  /** The event that already carries the result. */
  readonly resultSeq?: number;
  readonly usage?: UsageDelta;
  /** How many of the messages to it its worker has seen, though no turn shows them. */
  readonly seen?: number;
  /** The events that this end follows from. */
  readonly causes?: readonly number[];
}

/** The end that a fault's rule gives its task, with the class as the error's code. */
export const endOf = (fault: EndingFault, message: string, because?: number) => ({
  state: faults[fault].ends,
  error: { code: fault, message, ...(because !== undefined && { because }) },
});

type EndingFault = FaultWith<{ readonly ends: Exclude<EndState, "succeeded"> }>;

/** Ends a live task, or, where it failed and has a fallback, its work; `settle` must follow before the step is over. */
export function endTask(step: Step, task: Task, end: End): void {
  const { state, error, result, resultSeq, usage, causes, seen } = end;
  letGo(step, task, causes);
  const more = { ...(usage && { usage }), ...unread(task, seen) };
  if (state === "failed" && error && mayFallBack(step.state, task)) {
    fallBack(step, task, { error, ...more }, causes);
    return;
  }
  step.emit(
    {
      type: "task_ended",
      task: task.n,
      state,
      ...(error && { error }),
      ...(resultSeq !== undefined && { result_seq: resultSeq }),
      ...more,
    },
    result === undefined ? undefined : { result },
    causes,
  );
}

/** The task's own work is done: it ends, or waits for its live children with the result recorded. */
export function completeTask(
  step: Step,
  task: Task,
  fence: number,
  result: unknown,
  usage?: UsageDelta,
  seen = 0,
): void {
  if (task.liveChildren > 0) {
    letGo(step, task);
    const more = { ...(usage && { usage }), ...unread(task, seen) };
    step.emit({ type: "task_parked", task: task.n, fence, on: "children", ...more }, { result });
  } else {
    endTask(step, task, { state: "succeeded", result, seen, ...(usage && { usage }) });
  }
}

/** Messages that come to an end with the task's work, so that the log tells what became of each. */
function unread({ inbox }: Task, seen = 0): { unread?: number[] } {
  const left = inbox.slice(seen).flatMap(({ seq, note }) => (note ? [] : [seq]));
  return left.length === 0 ? {} : { unread: left };
}

/** A task whose work is done holds nothing and arrives nowhere. */
export function letGo(step: Step, task: Task, causes?: readonly number[]): void {
  leaveBarriers(step, task);
  releaseAll(step, task, "ended", causes);
}

/** Cancels a live task and, through `settle`, all that ends with it. */
export function cancelTask(step: Step, task: Task, message: string): void {
  endTask(step, task, endOf("cancelled", message));
}

/** Cancels every live task of the run at once, so that none of them is skipped or started on the way. */
export function cancelAll(
  step: Step,
  code: "cancelled" | "run_ended",
  message: string,
  which?: (task: Task) => boolean,
  /** The task whose end it follows from. */
  because?: Task,
): void {
  const causes = because && step.endSeqs(because.n);
  const end = { ...endOf(code, message, because?.n), ...(causes && { causes }) };
  for (const task of [...step.state.tasks.values()]) {
    if (isLive(task) && !isActor(task) && (!which || which(task))) endTask(step, task, end);
  }
}
