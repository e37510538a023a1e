/**
 * How tasks and runs end, and what follows: children, dependents, awaiters, the parent, the run (DESIGN §6).
 *
 * E1. A task ends once in a generation; whoever comes later is refused by the fence.
 * E2. Children that are not detached never outlive a task: its work being done, it waits for them; failing, it cancels them.
 * E3. What follows from an end is a worklist, not a recursion: a chain of 10,000 skips needs no stack.
 */

import type { ErrorData, UsageDelta } from "./events.ts";
import type { Step } from "./step.ts";
import { type EndState, isEnded, isLive, type Task } from "./task.ts";
import { settleCalls } from "./waits.ts";

export interface End {
  readonly state: EndState;
  readonly error?: ErrorData;
  readonly result?: unknown;
  /** The event that already carries the result. */
  readonly resultSeq?: number;
  readonly usage?: UsageDelta;
}

/** Ends a live task; `settle` must follow before the step is over. */
export function endTask(step: Step, task: Task, end: End): void {
  const { state, error, result, resultSeq, usage } = end;
  step.emit(
    {
      type: "task_ended",
      task: task.n,
      state,
      ...(error && { error }),
      ...(resultSeq !== undefined && { result_seq: resultSeq }),
      ...(usage && { usage }),
    },
    result === undefined ? undefined : { result },
  );
}

/** The task's own work is done: it ends, or waits for its live children with the result recorded. */
export function completeTask(step: Step, task: Task, fence: number, result: unknown, usage?: UsageDelta): void {
  if (task.liveChildren > 0) {
    step.emit({ type: "task_parked", task: task.n, fence, on: "children", ...(usage && { usage }) }, { result });
  } else {
    endTask(step, task, { state: "succeeded", result, ...(usage && { usage }) });
  }
}

/** Cancels a live task and, through `settle`, all that ends with it. */
export function cancelTask(step: Step, task: Task, message: string): void {
  endTask(step, task, { state: "cancelled", error: { code: "cancelled", message } });
}

/** Cancels every live task of the run at once, so that none of them is skipped or started on the way. */
export function cancelAll(
  step: Step,
  code: "cancelled" | "run_ended",
  message: string,
  which?: (task: Task) => boolean,
): void {
  for (const task of [...step.state.tasks.values()]) {
    if (isLive(task) && (!which || which(task))) endTask(step, task, { state: "cancelled", error: { code, message } });
  }
}

/** Draws every consequence of the ends of this step (E3), and ends the run when that is one. */
export function settle(step: Step): void {
  for (let i = 0; i < step.ended.length; i++) {
    const task = step.state.task(step.ended[i]!);
    if (!isEnded(task)) continue;
    endChildren(step, task);
    releaseDependents(step, task);
    settleCalls(step, task);
    joinParent(step, task);
    if (task.n === step.state.header.root) endSiblings(step);
  }
  endRunWithRoot(step);
}

function endChildren(step: Step, task: Task): void {
  if (task.phase.state === "succeeded") return;
  for (const n of task.children) {
    const child = step.state.live(n);
    if (!child || child.detached) continue;
    const error = { code: "parent_ended", message: `Its parent ${task.phase.state}.`, because: task.n };
    endTask(step, child, { state: "cancelled", error });
  }
}

function releaseDependents(step: Step, task: Task): void {
  if (!isEnded(task)) return;
  const cause = step.state.header.seq;
  for (const n of task.dependents) {
    const dependent = step.state.live(n);
    if (dependent?.phase.state !== "waiting" || dependent.phase.until > 0) continue;
    if (task.phase.state !== "succeeded" && !dependent.runOnFailure) {
      const error = {
        code: "dependency_failed",
        message: `A task that it depends on ${task.phase.state}.`,
        because: task.n,
      };
      endTask(step, dependent, { state: "skipped", error });
      continue;
    }
    if (task.phase.state === "failed" && !task.observed) step.emit({ type: "task_observed", task: task.n });
    if (dependent.phase.pending === 0)
      step.emit({ type: "task_ready", task: n, why: "dependencies" }, undefined, [cause]);
  }
}

function joinParent(step: Step, task: Task): void {
  if (task.parent === 0 || task.detached) return;
  const parent = step.state.live(task.parent);
  if (parent?.phase.state !== "parked" || parent.phase.on !== "children" || parent.liveChildren > 0) return;
  if (parent.childrenFailed > 0) {
    step.emit({
      type: "finding",
      kind: "unobserved_failure",
      severity: "warning",
      subjects: parent.children.filter((n) => {
        const child = step.state.task(n);
        return child.phase.state === "failed" && !child.observed;
      }),
      message: `${parent.childrenFailed} failed children that nobody awaited; their parent succeeded all the same.`,
    });
  }
  endTask(step, parent, { state: "succeeded", resultSeq: parent.phase.seq });
}

/** Tasks posted to a run with a root are the root's siblings: they end with it unless detached. */
function endSiblings(step: Step): void {
  cancelAll(step, "run_ended", "The run's root ended.", (task) => task.parent === 0 && !task.detached);
}

function endRunWithRoot(step: Step): void {
  const { header } = step.state;
  if (header.root === 0 || step.state.liveCount() > 0 || (header.status !== "active" && header.status !== "paused"))
    return;
  const root = step.state.task(header.root);
  if (root.phase.state === "succeeded" || root.phase.state === "cancelled") {
    step.emit({ type: "run_ended", status: root.phase.state });
  } else {
    step.emit({ type: "run_ended", status: "failed", reason: "root_failed" });
  }
}
