/**
 * Stand-ins (`on_failure: {task}`): what runs when a task fails, and what undoes a task whose group failed.
 *
 * Z1. A task that would end `failed` falls back instead, once in a generation: what it held is released and its children are
 *     cancelled, as at an end, and it waits, parked, for its fallback, which is created as its child.
 * Z2. It ends as its fallback does: with that one's result, or as it had failed. Whoever waits for the task notices nothing else.
 * Z3. A member that succeeded is compensated when its group has failed and all members have ended (groups.ts). Its
 *     compensation is a detached child, which ends with nobody.
 * Z4. A stand-in is given what the task was given, and the task's outcome. It has the task's priority, and a clock and
 *     `max_tokens` of its own.
 * Z5. A task with `on_failure` counts as two of `limits.tasks` from its creation on, so that its stand-in always has room.
 */

import { settleChains } from "./chains.ts";
import type { ErrorData, UsageDelta } from "./events.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { type Ended, hasFallenBack, isStandIn, type StandInWhy, type Task } from "./task.ts";

/** What stands in for the task in its present generation. */
export function standInOf(state: RunState, task: Task): Task | undefined {
  if (!task.scope?.onFailure) return undefined;
  const n = task.children.find((child) => isStandIn(state.task(child)));
  return n === undefined ? undefined : state.task(n);
}

/** Z1. What has begun cancelling, or never began, is no failure of the task's own. */
export const mayFallBack = (state: RunState, task: Task): boolean =>
  task.scope?.onFailure !== undefined && !hasFallenBack(task) && standInOf(state, task) === undefined;

export interface Failing {
  readonly error: ErrorData;
  readonly usage?: UsageDelta;
  readonly unread?: readonly number[];
}

/** Z1; what the task held must have been let go. */
export function fallBack(step: Step, task: Task, failing: Failing, causes?: readonly number[]): void {
  const seq = step.emit({ type: "task_fell_back", task: task.n, ...failing }, undefined, causes);
  createStandIn(step, task, { why: "fallback", seq }, [seq]);
}

/** Z3 */
export function compensate(step: Step, task: Task & { phase: Ended }, causes: readonly number[]): void {
  if (!task.scope?.onFailure || standInOf(step.state, task)) return;
  createStandIn(step, task, { why: "compensation", seq: task.phase.seq }, causes);
}

/** Nobody waits for a compensation: what it leaves behind is told. */
export function reportNotUndone(step: Step, task: Task): void {
  if (!isStandIn(task) || task.scope?.standsIn?.why !== "compensation" || task.phase.state === "succeeded") return;
  const subjects = [task.parent, task.n];
  const message = `What the first of them did was to be undone when its group failed, and the second, which was to undo it, ${task.phase.state}: look at what it left, and retry the first or undo it by hand.`;
  step.emit(
    { type: "finding", kind: "not_undone", severity: "error", subjects, message },
    undefined,
    step.endSeqs(task.n),
  );
}

function createStandIn(
  step: Step,
  task: Task,
  standsIn: { readonly why: StandInWhy; readonly seq: number },
  causes: readonly number[],
): void {
  const terms = task.scope!.onFailure!;
  step.emit(
    {
      type: "task_created",
      task: step.state.header.taskCount + 1,
      parent: task.n,
      depth: task.depth + 1,
      priority: task.priority,
      ...(task.after.length > 0 && { after: task.after }),
      // The task accepted how they ended: so does what stands in for it.
      run_on_failure: true,
      ...(standsIn.why === "compensation" && { detached: true }),
      ...terms,
      stands_in: standsIn,
    },
    undefined,
    causes,
  );
  settleChains(step.state);
}
