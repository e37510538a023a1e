/**
 * Priority inheritance (DESIGN §6): a task's effective priority is at least that of any live task that waits for it,
 * through a dependency, an await or a join with its children. Kept as tasks come to wait and cease to.
 */

import type { RunState } from "./state.ts";
import type { Task } from "./task.ts";

/** Raises a task, and what it waits for itself, to at least `level`. Cost: the tasks that change. */
export function raiseEffective(state: RunState, task: Task, level: number): void {
  const stack = [task];
  for (let one = stack.pop(); one; one = stack.pop()) {
    if (one.effective >= level) continue;
    one.effective = level;
    state.reorder(one);
    stack.push(...providersOf(state, one));
  }
}

/** Takes back what a waiter that is gone had lent; walks on only where that changes something. */
export function lowerEffective(state: RunState, task: Task): void {
  const stack = [task];
  for (let one = stack.pop(); one; one = stack.pop()) {
    let level = one.priority;
    for (const waiter of waitersOf(state, one)) level = Math.max(level, waiter.effective);
    if (level >= one.effective) continue;
    one.effective = level;
    state.reorder(one);
    stack.push(...providersOf(state, one));
  }
}

function* waitersOf(state: RunState, task: Task): Generator<Task> {
  for (const n of task.dependents) {
    const dependent = state.live(n);
    if (dependent?.phase.state === "waiting") yield dependent;
  }
  for (const n of task.awaiters) {
    const waiter = state.live(n);
    if (waiter) yield waiter;
  }
  if (task.parent > 0 && !task.detached) {
    const parent = state.live(task.parent);
    if (parent?.phase.state === "parked" && parent.phase.on === "children") yield parent;
  }
}

/** The live tasks that this one waits for at present. */
export function* providersOf(state: RunState, task: Task): Generator<Task> {
  if (task.phase.state === "waiting") {
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
  }
  if (task.phase.state === "parked" && task.phase.on === "children") {
    for (const n of task.children) {
      const child = state.live(n);
      if (child && !child.detached) yield child;
    }
  }
}
