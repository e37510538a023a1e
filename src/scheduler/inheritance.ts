/**
 * Priority inheritance (DESIGN §6): a task's effective priority is the least level that is at least its own priority and
 * that of any live task that waits for it, through a dependency, an await or a join with its children. Kept as tasks
 * come to wait and cease to.
 */

import type { Line } from "./lines.ts";
import type { RunState } from "./state.ts";
import { isAtChildren, isHeldBack, joinsParent, namesHeld, type Task } from "./task.ts";

/** Raises a task, and what it waits for itself, to at least `level`. Cost: the tasks that change. */
export function raiseEffective(state: RunState, task: Task, level: number): void {
  // In the order of the children of a parent, which is that of the ready queue.
  const found = [task];
  for (const one of found) {
    if (one.effective >= level) continue;
    one.effective = level;
    state.blocking.raiseTops(one);
    state.reorder(one);
    for (const provider of providersOf(state, one)) found.push(provider);
  }
}

/**
 * Takes back what a waiter that is gone had lent to live tasks. Waits of mode `any` may stand in a circle, so a level
 * must not be kept alive by itself: every task that may have it only from here is set back first and then raised anew.
 * Cost beside the tasks that change: each line that one of them holds up is gone through once, however many hold it up together.
 */
export function lowerEffective(state: RunState, tasks: readonly Task[]): void {
  const suspects = new Set<Task>();
  const found = [...tasks];
  for (const one of found) {
    if (one.effective === one.priority || suspects.has(one) || hasLender(state, one)) continue;
    suspects.add(one);
    for (const provider of providersOf(state, one)) if (provider.effective === one.effective) found.push(provider);
  }
  for (const one of suspects) one.effective = one.priority;
  // A waiter that is raised later raises its holders then: what was seen before may be too low, and never too high.
  const lent = new LineTops(state);
  for (const one of suspects) raiseEffective(state, one, lentLevel(state, one, lent));
  for (const one of suspects) state.reorder(one);
}

/** The highest level among those who wait in a line, but for one of them: each line is gone through once. */
class LineTops {
  readonly #state: RunState;
  readonly #known = new Map<Line, { readonly task: number; readonly level: number; readonly others: number }>();

  constructor(state: RunState) {
    this.#state = state;
  }

  of(line: Line, except: number): number {
    const known = this.#known.get(line) ?? this.#look(line);
    return known.task === except ? known.others : known.level;
  }

  #look(line: Line) {
    let top = { task: 0, level: 0, others: 0 };
    for (const waiter of line.waiters) {
      const level = this.#state.task(waiter.task).effective;
      if (level > top.level) {
        top = { task: waiter.task, level, others: waiter.task === top.task ? top.others : top.level };
      } else if (waiter.task !== top.task && level > top.others) top = { ...top, others: level };
    }
    this.#known.set(line, top);
    return top;
  }
}

/** Sets the level of a task that has just come back to life, and lends it on. */
export function inherit(state: RunState, task: Task): void {
  task.effective = Math.max(task.priority, lentLevel(state, task));
  state.blocking.raiseTops(task);
  state.reorder(task);
  for (const provider of providersOf(state, task)) raiseEffective(state, provider, task.effective);
}

/** The highest level that a waiter has, or one that is no higher than the task's own priority. */
function lentLevel(state: RunState, task: Task, lent?: LineTops): number {
  let level = task.priority;
  for (const waiter of directWaitersOf(state, task)) level = Math.max(level, waiter.effective);
  for (const line of linesOf(state, task)) {
    if (level >= line.top) continue;
    // Somebody who is so urgent himself, and that is not the task.
    if (line.hasPriority(line.top)) level = line.top;
    else level = Math.max(level, lent ? lent.of(line, task.n) : levelIn(state, line, task));
  }
  return level;
}

/**
 * The highest level among those who wait in a line, but for the task. A long line of equals is not gone through for each of them that is
 * served: when one of a higher level has left it, it is for the first.
 */
function levelIn(state: RunState, line: Line, task: Task): number {
  let level = 0;
  let top = 0;
  for (const { task: n } of line.waiters) {
    const { effective } = state.task(n);
    top = Math.max(top, effective);
    if (n !== task.n) level = Math.max(level, effective);
    if (level >= line.top) return level;
  }
  line.top = top;
  return level;
}

/**
 * Whether a waiter's own priority alone justifies the task's level: which is above the task's own, so its own waits don't. Mostly one at
 * either end of a list does, since they leave in its order or against it.
 */
function hasLender(state: RunState, task: Task): boolean {
  for (const line of linesOf(state, task)) if (line.hasPriority(task.effective)) return true;
  for (const waiter of directWaitersOf(state, task, fromBothEnds)) if (waiter.priority >= task.effective) return true;
  return false;
}

function* fromBothEnds(list: readonly number[]): Generator<number> {
  for (let first = 0, last = list.length - 1; first <= last; first++, last--) {
    yield list[first]!;
    if (first < last) yield list[last]!;
  }
}

/** The lines for what the task holds. */
function* linesOf(state: RunState, task: Task): Generator<Line> {
  for (const name of namesHeld(task)) {
    const line = state.blocking.lineOf(name);
    if (line) yield line;
  }
}

/** Those that wait for the task itself, and not for what it holds; `order`: in which each list is gone through. */
export function* directWaitersOf(
  state: RunState,
  task: Task,
  order: (list: readonly number[]) => Iterable<number> = (list) => list,
): Generator<Task> {
  for (const n of order(task.dependents)) {
    const dependent = state.live(n);
    if (dependent && isHeldBack(dependent)) yield dependent;
  }
  for (const n of order(task.awaiters)) {
    const waiter = state.live(n);
    if (waiter) yield waiter;
  }
  if (joinsParent(task)) {
    const parent = state.live(task.parent);
    if (isAtChildren(parent)) yield parent;
  }
}

/** The live tasks that this one waits for at present. */
export function* providersOf(state: RunState, task: Task): Generator<Task> {
  if (isHeldBack(task)) {
    for (const n of task.after) {
      const dependency = state.live(n);
      if (dependency) yield dependency;
    }
  }
  for (const call of task.calls) {
    if (call.state !== "waiting") continue;
    for (const n of call.targets) {
      const target = state.live(n);
      if (target) yield target;
    }
    for (const name of call.want?.names ?? []) {
      for (const n of state.blocking.holdersOf(name)) if (n !== task.n) yield state.task(n);
    }
  }
  if (isAtChildren(task)) yield* joinedChildren(state, task);
}

/** The live children that the task ends after, whether it waits for them yet or not. */
export function* joinedChildren(state: RunState, task: Task): Generator<Task> {
  for (const n of task.children) {
    const child = state.live(n);
    if (child && joinsParent(child)) yield child;
  }
}
