/**
 * Futures: values that are given once.
 *
 * F1. The first `resolve` or `reject` settles it; later ones are refused and change nothing.
 * F2. A wait for several is over as one for tasks is (W1): *all* when all resolved or one was rejected, *any* at the first
 *     resolved or when all are settled, *settled* when all are.
 */

import type { WaitMode } from "../contract/shapes.ts";
import { beginWait, knownCall, settleWait } from "./calls.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import type { Task } from "./task.ts";
import type { Begun, Refusal } from "./wait-outcome.ts";

const stateOf = (state: RunState, name: string) => state.blocking.factsOf(name, "future")?.state;

export function settleFuture(
  step: Step,
  name: string,
  {
    task,
    state,
    value,
    causes,
  }: { task: Task | undefined; state: "resolved" | "rejected"; value: unknown; causes?: readonly number[] },
): Refusal | undefined {
  const earlier = stateOf(step.state, name);
  if (earlier) return { kind: "already_settled", name, state: earlier };
  step.emit({ type: "future_settled", name, ...(task && { task: task.n }), state }, { value }, causes);
  return undefined;
}

export interface FutureAwait {
  readonly call: string;
  readonly names: readonly string[];
  readonly mode: WaitMode;
  readonly one: boolean;
  readonly until: number;
  readonly external: boolean;
  readonly ask?: string;
}

/** Undefined: it would have to wait, and can't, being from outside without a session. */
export function awaitFutures(step: Step, task: Task | undefined, wait: FutureAwait): Begun | undefined {
  const { call, names, mode, one, until, external, ask } = wait;
  const known = task && knownCall(task, call);
  if (known) return known;
  if (isOver(step.state, names, mode)) return { kind: "futures", names, one };
  return task && beginWait(step, task, call, { kind: "future", names, mode, one, external }, until, { ask });
}

function isOver(state: RunState, names: readonly string[], mode: WaitMode): boolean {
  let isOpen = false;
  for (const name of names) {
    const settled = stateOf(state, name);
    if (settled === undefined) isOpen = true;
    else if (settled === (mode === "all" ? "rejected" : "resolved") && mode !== "settled") return true;
  }
  return !isOpen;
}

/** Wakes those whose wait this future ended. */
export function handOverFuture(step: Step, name: string): void {
  const { state } = step;
  const facts = state.blocking.factsOf(name, "future");
  if (!facts) return;
  for (const waiter of [...state.blocking.line(name, "future").waiters]) {
    const { names, mode, one } = waiter.want;
    if (isOver(state, names, mode)) settleWait(step, waiter, { kind: "futures", names, one }, facts.seq);
  }
}
