/**
 * Token budgets (DESIGN §6): reserved before a model call, settled after it.
 *
 * B1. spent + reserved never passes `limits.tokens`, nor a task's `max_tokens` over it and its descendants.
 * B2. A call that can't reserve waits for settlements; when none is outstanding the run pauses and nothing fails.
 * B3. Parked tasks reserve nothing.
 */

import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import type { Running, Task } from "./task.ts";

export type Reservation =
  | { readonly kind: "reserved"; readonly outputTokens: number }
  /** The task was parked until tokens are settled or the budget is raised. */
  | { readonly kind: "parked" }
  /** Its own max_tokens, or an ancestor's, leaves nothing to answer with. */
  | { readonly kind: "exhausted" };

export const spentTokens = (state: RunState): number => state.header.inputTokens + state.header.outputTokens;

/** Tokens that nobody has spent or reserved; undefined without a budget. */
export function freeTokens(state: RunState): number | undefined {
  const { tokens } = state.header.limits;
  return tokens === 0 ? undefined : tokens - spentTokens(state) - state.header.reservedTokens;
}

/** Whether model calls of this task must reserve at all; without budgets the seat saves the round trip. */
export function needsReservation(state: RunState, task: Task): boolean {
  if (state.header.limits.tokens > 0) return true;
  for (let one: Task | undefined = task; one; one = state.find(one.parent)) if (one.maxTokens > 0) return true;
  return false;
}

/** Reserves the next model call of a running task. `inputTokens` is an estimate, `outputTokens` the call's own maximum. */
export function reserveTokens(
  step: Step,
  task: Task & { phase: Running },
  want: { inputTokens: number; outputTokens: number },
): Reservation {
  const { state } = step;
  const { fence } = task.phase;
  let output = want.outputTokens;
  let outstanding = false;
  for (let one: Task | undefined = task; one; one = state.find(one.parent)) {
    if (one.maxTokens === 0) continue;
    output = Math.min(output, one.maxTokens - one.treeTokens - one.treeReserved - want.inputTokens);
    outstanding ||= one.treeReserved > 0;
  }
  const need = want.inputTokens + Math.max(output, 1);
  if (output < 1 && !outstanding) return { kind: "exhausted" };
  const free = freeTokens(state) ?? Number.POSITIVE_INFINITY;
  if (output < 1 || need > free) {
    step.emit({ type: "task_parked", task: task.n, fence, on: "budget", need });
    settleBudget(step);
    return { kind: "parked" };
  }
  step.emit({ type: "tokens_reserved", task: task.n, fence, tokens: need });
  return { kind: "reserved", outputTokens: output };
}

/** After a settlement or a raised budget: wakes what fits now, oldest first; pauses when nothing can ever fit (B2). */
export function settleBudget(step: Step): void {
  const { state } = step;
  const { header } = state;
  if (state.budgetQueue.size === 0 || header.status !== "active") return;
  let free = freeTokens(state) ?? Number.POSITIVE_INFINITY;
  for (const n of [...state.budgetQueue]) {
    const { phase } = state.task(n);
    if (phase.state !== "parked" || phase.on !== "budget") continue;
    if (phase.need > free) {
      if (header.reservedTokens === 0 && free === freeTokens(state))
        step.emit({ type: "run_paused", reason: "budget" });
      return;
    }
    // Tasks that already wait for a lease will reserve when they get it: they are not counted twice here.
    free -= phase.need;
    step.emit({ type: "task_ready", task: n, why: "budget" });
  }
}
