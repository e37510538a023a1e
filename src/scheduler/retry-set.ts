/**
 * Who is tried again together with a task (Y2, Y4, Y5 of retry.ts), and where each goes on. Reads the state, and changes nothing.
 */

import { standInOf } from "./fallbacks.ts";
import { groupOf, verdictOf } from "./groups.ts";
import { IndexedHeap } from "./indexed-heap.ts";
import type { RetryFrom } from "./retry.ts";
import type { RunState } from "./state.ts";
import { followsGroupOf, type Group, isEnded, isStandIn, joinsParent, type Task } from "./task.ts";
import type { TurnPoint } from "./turns.ts";

export interface Again {
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
export function withOthers(state: RunState, task: Task, { point, pointsOf }: RetryFrom): Again {
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
