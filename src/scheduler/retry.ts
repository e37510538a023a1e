/**
 * Explicit retry (DESIGN §6): a new generation from the start or after a turn, and with it the tasks that were skipped
 * because of it, and children that it keeps and that ended with it.
 *
 * Y1. What the task created, after the turn where there is one, is void: its tasks are cancelled, their keys are free, their
 *     failures count for nothing.
 * Y2. A task skipped because of a retried one waits again, and so on along the chain of causes. One that is skipped again at once, for
 *     another dependency, takes none with it: they would end again as they have. So who tries each task of a failed chain anew pays for
 *     each by itself, and not for all behind it.
 * Y3. A retry that would make tasks wait for each other in a circle is refused; nothing is changed then.
 * Y5. A member of a group that failed takes with it those that were cancelled because of it, and those that were compensated:
 *     what the failure undid is done again. What stood in for a task is void with the task's retry, and is not retried alone.
 * Y4. A child that is kept, and was cancelled because its parent ended, goes on from its last turn, with all that it created.
 */

import { settleBudget } from "./budget.ts";
import { cancelTask } from "./end-task.ts";
import { meetEndedDependencies, settle } from "./ending.ts";
import { standInOf } from "./fallbacks.ts";
import { groupOf } from "./groups.ts";
import { findStuck } from "./liveness.ts";
import type { Refusal } from "./run-commands.ts";
import { isRunEnded, type RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { followsGroupOf, isEnded, isLive, isStandIn, joinsParent, type Task } from "./task.ts";
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
export function retryTask(step: Step, task: Task, { point, pointsOf }: RetryFrom = fromStart): Refusal | undefined {
  const { state } = step;
  if (!isEnded(task)) return { code: "task_not_ended", detail: `It is ${task.phase.state}.` };
  if (isStandIn(task)) return { code: "stands_in" };
  const { again, kept, members } = withOthers(state, task, point);
  const revived = Array.from(again, (n) => state.task(n)).filter((one) => kept.has(one.n));
  const points = new Map(revived.length > 0 ? pointsOf(revived) : []);
  if (point) points.set(task.n, point);
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

interface Again {
  readonly again: Set<number>;
  /** Children of tasks that keep them. */
  readonly kept: Set<number>;
  /** Of the failed groups. */
  readonly members: Set<number>;
}

/** The task, those that were skipped because of it (Y2), children that it keeps (Y4), and its group's (Y5), each after its cause. */
function withOthers(state: RunState, task: Task, point: TurnPoint | undefined): Again {
  const before = point?.before ?? 0;
  const again = new Set([task.n]);
  const kept = new Set<number>();
  const members = new Set<number>();
  /** Those that are skipped again, as far as is known: of their dependencies others may come yet. */
  const doomed = new Set<number>();
  const isDoomed = (one: Task) => !(point && one === task) && !kept.has(one.n) && isSkippedAgain(state, one, again);
  const addSkipped = (one: Task) => {
    for (const n of one.dependents) {
      const dependent = state.task(n);
      const { phase } = dependent;
      if (phase.state !== "skipped" || phase.because !== one.n || isVoidedBy(state, task, before, n)) continue;
      // The group that it follows may be decided otherwise.
      if (!doomed.has(one.n) || followsGroupOf(dependent, one)) again.add(n);
    }
  };
  for (const n of again) {
    const one = state.task(n);
    const keepsAll = kept.has(n);
    for (const child of one.children) {
      const { phase, createdSeq } = state.task(child);
      if (isStandIn(state.task(child)) || (!keepsAll && (one !== task || createdSeq >= before))) continue;
      kept.add(child);
      if (phase.state === "cancelled" && phase.because === n && joinsParent(state.task(child))) again.add(child);
    }
    for (const member of undoneWith(state, one)) {
      members.add(member);
      again.add(member);
    }
    if (isDoomed(one)) doomed.add(n);
    addSkipped(one);
    if (doomed.size === 0) continue;
    for (const dependent of one.dependents) {
      if (!doomed.has(dependent) || isDoomed(state.task(dependent))) continue;
      doomed.delete(dependent);
      addSkipped(state.task(dependent));
    }
  }
  return { again, kept, members };
}

/** Whether a task that starts over meets a dependency that has ended otherwise, and is not tried again with it. */
function isSkippedAgain(state: RunState, task: Task, again: ReadonlySet<number>): boolean {
  if (task.runOnFailure) return false;
  return task.after.some((n) => {
    const dependency = state.task(n);
    if (again.has(n) || !isEnded(dependency) || dependency.phase.state === "succeeded") return false;
    return !followsGroupOf(task, dependency);
  });
}

/** Y5 */
function undoneWith(state: RunState, task: Task): number[] {
  const group = groupOf(state, task);
  if (group?.told !== "failed" || task.keyFreed) return [];
  return group.members.filter((n) => {
    const { phase } = state.task(n);
    if (phase.state === "cancelled") return phase.because === task.n;
    return phase.state === "succeeded" && standInOf(state, state.task(n))?.scope?.standsIn?.why === "compensation";
  });
}

/** Whether the retry of `task` makes task `n` void, as one that it created (a task skipped in this generation created none). */
function isVoidedBy(state: RunState, task: Task, before: number, n: number): boolean {
  let one = state.task(n);
  while (joinsParent(one) && one.parent !== task.n) one = state.task(one.parent);
  return one.parent === task.n && !one.keyFreed && one.createdSeq >= before;
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
    stack.push(...one.children.filter((child) => !step.state.task(child).detached));
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
