/** The part of `apply` that is about tokens and money: what is spent and what is reserved, of a task and of its ancestors. */

import { unpricedModelsMax } from "../limits.ts";
import type { UsageDelta } from "./events.ts";
import type { RunState } from "./state.ts";
import type { Task } from "./task.ts";

/** Changes what a task holds reserved to exactly `tokens` and `nanos`; its ancestors count tokens only. */
export function reserve(state: RunState, task: Task, tokens: number, nanos = 0): void {
  const { header } = state;
  if (nanos !== task.reservedNanos) {
    header.reservedNanos = (header.reservedNanos ?? 0) + nanos - task.reservedNanos;
    task.reservedNanos = nanos;
    state.dirty.add(task.n);
  }
  const delta = tokens - task.reserved;
  if (delta === 0) return;
  task.reserved = tokens;
  header.reservedTokens += delta;
  forAncestry(state, task, (one) => {
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
  pay(state, task, usage);
  forAncestry(state, task, (one) => {
    one.treeTokens += usage.in + usage.out;
  });
}

function pay({ header }: RunState, task: Task, { in: input, out, model, nanos, simulated }: UsageDelta): void {
  if (simulated) {
    header.simulated = true;
    task.simulated = true;
  }
  if (nanos !== undefined) {
    header.nanos = (header.nanos ?? 0) + nanos;
    task.nanos += nanos;
    return;
  }
  if (input + out === 0) return;
  header.unpricedTokens = (header.unpricedTokens ?? 0) + input + out;
  task.unpricedTokens += input + out;
  const { unpricedModels = [] } = header;
  if (model !== undefined && !unpricedModels.includes(model) && unpricedModels.length < unpricedModelsMax)
    header.unpricedModels = [...unpricedModels, model];
}

function forAncestry(state: RunState, task: Task, change: (one: Task) => void): void {
  for (const one of capping(state, task)) {
    change(one);
    state.dirty.add(one.n);
  }
}

/** The task and those above it whose `max_tokens` bind it: what stands in for a task begins with what is its own (Z4). */
export function* capping(state: RunState, task: Task): Generator<Task> {
  for (let one: Task | undefined = task; one; ) {
    yield one;
    const parent: Task | undefined = one.parent > 0 ? state.find(one.parent) : undefined;
    one = parent && one.scope?.standsIn ? state.find(parent.parent) : parent;
  }
}
