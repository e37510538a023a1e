/** The part of `apply` that is about tokens: what is spent and what is reserved, of a task and of its ancestors. */

import type { UsageDelta } from "./events.ts";
import type { RunState } from "./state.ts";
import type { Task } from "./task.ts";

/** Changes what a task and its ancestors hold reserved to exactly `tokens`. */
export function reserve(state: RunState, task: Task, tokens: number): void {
  const delta = tokens - task.reserved;
  if (delta === 0) return;
  task.reserved = tokens;
  state.header.reservedTokens += delta;
  forLineage(state, task, (one) => {
    one.treeReserved += delta;
  });
}

export function spend(state: RunState, task: Task, usage: UsageDelta | undefined): void {
  if (!usage) return;
  const { header } = state;
  header.inputTokens += usage.in;
  header.outputTokens += usage.out;
  header.cacheReadTokens += usage.read;
  header.cacheWriteTokens += usage.write;
  task.inputTokens += usage.in;
  task.outputTokens += usage.out;
  task.cacheReadTokens += usage.read;
  task.cacheWriteTokens += usage.write;
  forLineage(state, task, (one) => {
    one.treeTokens += usage.in + usage.out;
  });
}

function forLineage(state: RunState, task: Task, change: (one: Task) => void): void {
  for (let one: Task | undefined = task; one; one = one.parent > 0 ? state.find(one.parent) : undefined) {
    change(one);
    state.dirty.add(one.n);
  }
}
