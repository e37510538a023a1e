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
 * Y5. A member of a group that failed takes with it those that were cancelled because of it, and those that were compensated:
 *     what the failure undid is done again. What stood in for a task is void with the task's retry, and is not retried alone.
 *     Tasks after the group wait again, whichever member decided it.
 * Y4. A child that is kept, and was cancelled because its parent ended, goes on from its last turn, with all that it created
 *     until then.
 */

import { settleBudget } from "./budget.ts";
import { cancelTask } from "./end-task.ts";
import { meetEndedDependencies, settle } from "./ending.ts";
import { standInOf } from "./fallbacks.ts";
import { groupOf, verdictOf } from "./groups.ts";
import { IndexedHeap } from "./indexed-heap.ts";
import { findStuck } from "./liveness.ts";
import type { Refusal } from "./run-commands.ts";
import { isRunEnded, type RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { followsGroupOf, type Group, isEnded, isLive, isStandIn, joinsParent, type Task } from "./task.ts";
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

interface Again {
  /** Each after its cause. */
  readonly again: Set<number>;
  /** Where those go on that do not begin at their start. */
  readonly points: Map<number, TurnPoint>;
  /** Children of tasks that keep them. */
  readonly kept: Set<number>;
  /** Of the failed groups. */
  readonly members: Set<number>;
}

/**
 * The task, those that were skipped because of it (Y2), children that it keeps (Y4), and its group's (Y5). Cost: what these depend on and what
 * depends on them.
 */
function withOthers(state: RunState, task: Task, { point, pointsOf }: RetryFrom): Again {
  const again = new Set([task.n]);
  const points = new Map(point && [[task.n, point]]);
  const kept = new Set<number>();
  const members = new Set<number>();
  // Creators come before what they created: when it is a task's turn it is known whether its creator keeps it.
  const found = new IndexedHeap((a, b) => a < b);
  const add = (n: number) => {
    if (again.has(n)) return;
    again.add(n);
    found.touch(n);
  };
  const sure = new Set<number>();
  const hopes = new Hopes(state);
  const isKept = (parent: Task, child: Task) =>
    !isStandIn(child) && !child.keyFreed && child.createdSeq < (points.get(parent.n)?.before ?? 0);
  const isVoid = (n: number) => {
    let one = state.task(n);
    if (one.keyFreed) return true;
    while (one.parent > 0 && !one.keyFreed) {
      const creator = state.task(one.parent);
      if (sure.has(creator.n) && !isKept(creator, one)) return true;
      if (one.detached) return false;
      one = creator;
    }
    return false;
  };
  const addKept = (one: Task) => {
    const revived: Task[] = [];
    for (const n of one.children) {
      const child = state.task(n);
      if (!isKept(one, child)) continue;
      kept.add(n);
      const { phase } = child;
      if (phase.state !== "cancelled" || phase.because !== one.n || !joinsParent(child)) continue;
      revived.push(child);
      add(n);
    }
    if (revived.length > 0) for (const [n, at] of pointsOf(revived)) points.set(n, at);
  };
  const looked = new Map<number, Undone>();
  /** What comes with one that is not skipped again at once. */
  const takeAlong = (one: Task) => {
    const group = one.keyFreed ? undefined : groupOf(state, one);
    if (group?.told === "failed") {
      const lead = group.members[0]!;
      const undone = looked.get(lead) ?? undoneIn(state, group);
      looked.set(lead, { ...undone, compensated: [] });
      for (const n of [...undone.compensated, ...(undone.cancelled.get(one.n) ?? [])]) {
        if (!again.has(n)) members.add(n);
        add(n);
      }
    }
    for (const n of one.dependents) if (isSkippedFor(state, state.task(n), one)) add(n);
  };
  found.touch(task.n);
  for (let n = found.peek(); n !== undefined; n = found.peek()) {
    found.remove(n);
    const one = state.task(n);
    if (one !== task && isVoid(n)) continue;
    sure.add(n);
    addKept(one);
    for (const hopeful of hopes.add(one, points.has(n))) takeAlong(hopeful);
  }
  for (const n of again) if (!sure.has(n)) again.delete(n);
  return { again, points, kept, members };
}

/** Which of those that are tried again are not skipped again at once (Y2), as far as is known: of their dependencies others may come yet. */
class Hopes {
  readonly #state: RunState;
  readonly #hopeful = new Set<number>();
  /** The others, and the place of the first dependency for which each is skipped: those before it are none by now, and stay so. */
  readonly #doomed = new Map<number, number>();
  /** By groups' first members: how many members may yet succeed that had not. */
  readonly #regained = new Map<number, number>();

  constructor(state: RunState) {
    this.#state = state;
  }

  /** Takes in one more; answers those that have hope now. */
  *add(task: Task, isResumed: boolean): Generator<Task> {
    if (!isResumed && !task.runOnFailure && this.#isDoomed(task, 0)) return;
    const stack = [task];
    for (let one = stack.pop(); one; one = stack.pop()) {
      this.#hopeful.add(one.n);
      const { group } = one.scope ?? {};
      if (group !== undefined && isEnded(one) && one.phase.state !== "succeeded")
        this.#regained.set(group, (this.#regained.get(group) ?? 0) + 1);
      yield one;
      for (const n of one.dependents) {
        const place = this.#doomed.get(n);
        if (place === undefined || this.#isDoomed(this.#state.task(n), place)) continue;
        stack.push(this.#state.task(n));
      }
    }
  }

  #isDoomed(task: Task, from: number): boolean {
    for (let place = from; place < task.after.length; place++) {
      if (!this.#dooms(this.#state.task(task.after[place]!), task)) continue;
      this.#doomed.set(task.n, place);
      return true;
    }
    this.#doomed.delete(task.n);
    return false;
  }

  #dooms(dependency: Task, task: Task): boolean {
    if (!isEnded(dependency) || dependency.phase.state === "succeeded" || this.#hopeful.has(dependency.n)) return false;
    if (!followsGroupOf(task, dependency)) return true;
    const group = groupOf(this.#state, dependency)!;
    const ended = group.ended - (this.#regained.get(group.members[0]!) ?? 0);
    return verdictOf({ ...group, ended }) === "failed";
  }
}

/** Whether it was skipped because of `one`, or of a group that it follows and `one` is in: the group may be decided otherwise. */
function isSkippedFor(state: RunState, { phase, scope }: Task, one: Task): boolean {
  if (phase.state !== "skipped") return false;
  if (phase.because === one.n) return true;
  const cause = state.find(phase.because);
  return (
    cause !== undefined &&
    followsGroupOf({ runOnFailure: false, scope }, one) &&
    cause.scope?.group === one.scope?.group
  );
}

/** Members of a group that failed whose work is to be done again (Y5). */
interface Undone {
  readonly compensated: readonly number[];
  /** By the member whose end cancelled them. */
  readonly cancelled: ReadonlyMap<number, readonly number[]>;
}

function undoneIn(state: RunState, { members }: Group): Undone {
  const cancelled = new Map<number, number[]>();
  const compensated: number[] = [];
  for (const n of members) {
    const member = state.task(n);
    const { phase } = member;
    if (phase.state === "cancelled") {
      const others = cancelled.get(phase.because);
      if (others) others.push(n);
      else cancelled.set(phase.because, [n]);
    } else if (phase.state === "succeeded" && standInOf(state, member)?.scope?.standsIn?.why === "compensation")
      compensated.push(n);
  }
  return { compensated, cancelled };
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
