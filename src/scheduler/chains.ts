/**
 * How long the chain of dependents behind a task is (O2), counted up to `chainLengthMax`.
 *
 * O2.1. It is lengthened at once by what brings a task back, and for tasks that are created when the last of them is there: one behind the
 *     other each of a thousand would lengthen all before it anew, and a batch in which each depends on all before it takes seconds.
 * O2.2. Nothing but creations comes in between, and nobody looks at the order: a log that is replayed gives the same chains.
 */

import { chainLengthMax } from "../limits.ts";
import type { RunState } from "./state.ts";
import type { Task } from "./task.ts";

/** The task has a chain of `chain` at least, itself included, and those that it depends on have theirs. */
export function lengthen(state: RunState, task: Task, chain: number): void {
  const stack: Task[] = [];
  const raise = (one: Task, to: number) => {
    const most = Math.min(to, chainLengthMax);
    if (one.chain >= most) return;
    one.chain = most;
    state.reorder(one);
    stack.push(one);
  };
  raise(task, chain);
  for (let next = stack.pop(); next; next = stack.pop()) {
    for (const n of next.after) {
      const dependency = state.live(n);
      if (dependency) raise(dependency, next.chain + 1);
    }
  }
}

/** Those that were created since have their place in the chains. Costs a look at each of their dependencies. */
export function settleChains(state: RunState): void {
  const { unchained } = state;
  if (unchained.size === 0) return;
  // The last one first: whoever was created with it and stands before it comes later, and hands on what it has by then.
  for (const task of [...unchained].reverse()) {
    unchained.delete(task);
    const chain = Math.min(task.chain + 1, chainLengthMax);
    for (const n of task.after) {
      const dependency = state.live(n);
      if (!dependency || dependency.chain >= chain) continue;
      if (unchained.has(dependency)) {
        dependency.chain = chain;
        state.reorder(dependency);
      } else lengthen(state, dependency, chain);
    }
  }
}
