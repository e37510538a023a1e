/**
 * Explicit retry (DESIGN §6): a new generation from the start or after a turn, and with it the tasks that were skipped
 * because of it, and children that it keeps and that ended with it.
 *
 * Y1. What the task created, after the turn where there is one, is void: its tasks are cancelled, their keys are free, their
 *     failures count for nothing.
 * Y2. A task skipped because of a retried one waits again, and so on along the chain of causes. One that is skipped again at once, for
 *     another dependency, takes none with it, and nobody of its group: they would end again as they have. So who tries each task of a
 *     failed chain anew pays for each by itself, and not for all behind it.
 * Y3. A retry that would make tasks wait for each other in a circle is refused; nothing is changed then.
 * Y4. A child that is kept, and was cancelled because its parent ended, goes on from its last turn, with all that it created
 *     until then.
 * Y5. A member of a group that failed takes with it those that were cancelled because of it, and those that were compensated:
 *     what the failure undid is done again. What stood in for a task is void with the task's retry, and is not retried alone.
 *     Tasks after the group wait again, whichever member decided it.
 */

import { settleBudget } from "./budget.ts";
import { cancelTask } from "./end-task.ts";
import { meetEndedDependencies, settle } from "./ending.ts";
import { standInOf } from "./fallbacks.ts";
import { findStuck } from "./liveness.ts";
import { withOthers } from "./retry-set.ts";
import type { Refusal } from "./run-commands.ts";
import { isRunEnded, type RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { isEnded, isLive, isStandIn, type Task } from "./task.ts";
import type { TurnPoint } from "./turns.ts";
import { observe } from "./waits.ts";

export interface RetryFrom {
  /** Where the task goes on; undefined: from its start. */
  readonly point: TurnPoint | undefined;
  /** Where children go on that ended with it; those that are left out begin at their start. */
  readonly pointsOf: (tasks: readonly Task[]) => ReadonlyMap<number, TurnPoint>;
}

const fromStart: RetryFrom = { point: undefined, pointsOf: () => new Map() };

/** Begins a new generation of an ended task; its usage stays counted. */
export function retryTask(step: Step, task: Task, from: RetryFrom = fromStart): Refusal | undefined {
  const { state } = step;
  if (!isEnded(task)) return { code: "task_not_ended", detail: `It is ${task.phase.state}.` };
  if (isStandIn(task)) return { code: "stands_in" };
  const { again, points, kept, members } = withOthers(state, task, from);
  const supposed = { revived: again, resumed: new Set(points.keys()), kept };
  if (findStuck(state, again, supposed).ending.size > 0) {
    return { code: "dependency_cycle", detail: "It would wait for a task that by now waits for it." };
  }
  const roomless = standInsDontFit(state, again);
  if (roomless) return roomless;
  if (isRunEnded(state) || state.header.failing) step.emit({ type: "run_reopened" });
  for (const n of again) {
    const one = state.task(n);
    const from = points.get(n);
    voidChildren(step, one, from?.before ?? 0);
    const why =
      one === task ? "asked" : kept.has(n) ? "parent_retried" : members.has(n) ? "group_retried" : "dependency_retried";
    step.emit({ type: "task_retried", task: n, generation: one.generation + 1, why, ...(from && { from }) });
    for (const dependent of one.dependents) takeBack(step, dependent);
  }
  for (const n of again) release(step, state.task(n));
  settle(step);
  settleBudget(step);
  return undefined;
}

/** Z5: what may stand in for them again has room. */
function standInsDontFit(state: RunState, again: ReadonlySet<number>): Refusal | undefined {
  const { taskCount, standIns = 0, limits } = state.header;
  const more = Array.from(again, (n) => standInOf(state, state.task(n))).filter((one) => one !== undefined).length;
  if (taskCount + standIns + more <= limits.tasks || more === 0) return undefined;
  return {
    code: "limit_tasks",
    detail: `Retried tasks may need ${more} fallbacks more, and the run has ${taskCount} of ${limits.tasks} tasks.`,
  };
}

/** Y1, down the tree; a detached task of a cancelled child goes on, as its declaration says. */
function voidChildren(step: Step, task: Task, before: number): void {
  const stack = task.children.filter((child) => {
    const one = step.state.task(child);
    return one.createdSeq >= before || isStandIn(one);
  });
  for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
    const one = step.state.task(n);
    if (isLive(one)) cancelTask(step, one, "Its parent is retried.");
    else observe(step, one);
    for (const child of one.children) if (!step.state.task(child).detached) stack.push(child);
  }
}

/** R4: a hosted dependent whose first reply is not logged has done nothing yet: it starts over with the new result. */
function takeBack(step: Step, n: number): void {
  const dependent = step.state.live(n);
  if (dependent?.phase.state !== "running" || !dependent.phase.hosted || dependent.head !== undefined) return;
  step.emit({ type: "attempt_ended", task: n, fence: dependent.phase.fence, why: "held_back" });
}

/** Starts a retried task, or skips it again when another dependency of it is still failed. */
function release(step: Step, task: Task): void {
  if (task.phase.state !== "waiting") return;
  meetEndedDependencies(step, task);
  if (isLive(task) && task.phase.state === "waiting" && task.phase.pending === 0) {
    step.emit({ type: "task_ready", task: task.n, why: "dependencies" });
  }
}
