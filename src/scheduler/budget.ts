/**
 * Budgets in tokens and in money (DESIGN §6): reserved before a model call, settled after it.
 *
 * B1. spent + reserved never passes `limits.tokens`, nor a task's `max_tokens` over it and its descendants.
 * B4. Nor `limits.usd`: a call reserves the most that it can cost.
 * B2. A call that can't reserve waits for settlements; when none is outstanding the run pauses and nothing fails.
 * B3. Parked tasks reserve nothing.
 * B8. Pull workers reserve nothing either: what they use is known when they report it. So none of them is given a task once nothing
 *     is left, and what passes a budget is at most what was under way then. Their own `max_tokens` is held at their turns (B9).
 *
 * What a rule has come of the end instead of a pause, and B9: budget-end.ts.
 */

import { faults } from "../errors/faults.ts";
import { type Price, worstCost } from "../prices/price.ts";
import { capping } from "./apply-usage.ts";
import type { RunHeader, RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { hostedPool, type RunningTask, type Task } from "./task.ts";

export type Reservation =
  | { readonly kind: "reserved"; readonly outputTokens: number }
  /** The task was parked until tokens are settled or the budget is raised. */
  | { readonly kind: "parked" }
  /** Its own max_tokens, or an ancestor's, leaves nothing to answer with. */
  | { readonly kind: "exhausted" }
  /** There is a budget in money, and nobody knows what the call's model costs. */
  | { readonly kind: "unpriced" };

export const spentTokens = (state: RunState): number => state.header.inputTokens + state.header.outputTokens;

/** Tokens that nobody has spent or reserved; undefined without a budget. */
export function freeTokens(state: RunState): number | undefined {
  const { tokens } = state.header.limits;
  return tokens === 0 ? undefined : tokens - spentTokens(state) - state.header.reservedTokens;
}

/** Nanodollars that nobody has spent or reserved; undefined without a budget in money. */
export function freeNanos({ header }: RunState): number | undefined {
  const { nanos = 0 } = header.limits;
  return nanos === 0 ? undefined : nanos - (header.nanos ?? 0) - (header.reservedNanos ?? 0);
}

/** Whether the run's budget is used up, whatever is reserved besides: nothing that is settled can give any of it back. */
export function isSpent(state: RunState): boolean {
  const { header } = state;
  const { tokens, nanos = 0 } = header.limits;
  return (tokens > 0 && spentTokens(state) >= tokens) || (nanos > 0 && (header.nanos ?? 0) >= nanos);
}

/** The task that a pull worker would be given next; undefined when none is ready. */
export function readyForWorkers(state: RunState, now: number): Task | undefined {
  for (const [pool, queue] of state.ready) {
    const n = pool === hostedPool ? undefined : queue.peek(now);
    if (n !== undefined) return state.task(n);
  }
  return undefined;
}

/** Pauses a run whose budget is used up where a pull worker would be given a task (B8). Call at the end of a command. */
export function pauseSpent(step: Step): void {
  const { state } = step;
  if (state.header.status !== "active" || state.book?.failsUnfunded) return;
  if (isSpent(state) && readyForWorkers(state, step.now))
    step.emit({ type: "run_paused", reason: faults.budget_exhausted.pauses });
}

/** Whether model calls of this task must reserve at all; without budgets the seat saves the round trip. */
export function needsReservation(state: RunState, task: Task): boolean {
  const { tokens, nanos = 0 } = state.header.limits;
  if (tokens > 0 || nanos > 0 || state.book?.taskTokens) return true;
  for (const one of capping(state, task)) if (one.maxTokens > 0) return true;
  return false;
}

/**
 * Reserves the next model call of a running task. `inputTokens` is an estimate, `outputTokens` the call's own maximum;
 * `price` is needed only where the run has a budget in money.
 */
export function reserveTokens(
  step: Step,
  task: RunningTask,
  want: { inputTokens: number; outputTokens: number },
  price?: Price,
): Reservation {
  const { state } = step;
  const { fence } = task.phase;
  const money = freeNanos(state);
  if (money !== undefined && !price) return { kind: "unpriced" };
  const { left, unreserved } = subtreeTokens(state, task);
  if (left <= want.inputTokens) return { kind: "exhausted" };
  const output = Math.min(want.outputTokens, unreserved - want.inputTokens);
  const need = want.inputTokens + Math.max(output, 1);
  // A repeated call replaces its own reservation.
  const free = (freeTokens(state) ?? Number.POSITIVE_INFINITY) + task.reserved;
  const nanos = money === undefined ? 0 : worstCost(price!, want.inputTokens, Math.max(output, 1));
  const cost = nanos > 0 && { nanos };
  if (output < 1 || need > free || nanos > (money ?? 0) + task.reservedNanos) {
    step.emit({ type: "task_parked", task: task.n, fence, on: "budget", need, ...cost });
    settleBudget(step);
    return { kind: "parked" };
  }
  step.emit({ type: "tokens_reserved", task: task.n, fence, tokens: need, ...cost });
  return { kind: "reserved", outputTokens: output };
}

/** What the tightest `max_tokens` of the task and its ancestors leaves: unspent, and not reserved by other tasks either. */
export function subtreeTokens(state: RunState, task: Task): { left: number; unreserved: number } {
  // By a rule each task has a budget of its own besides, which nobody else reserves of.
  const own = state.book?.taskTokens || Number.POSITIVE_INFINITY;
  let left = own - task.inputTokens - task.outputTokens;
  let unreserved = left;
  for (const one of capping(state, task)) {
    if (one.maxTokens === 0) continue;
    left = Math.min(left, one.maxTokens - one.treeTokens);
    unreserved = Math.min(unreserved, one.maxTokens - one.treeTokens - one.treeReserved + task.reserved);
  }
  return { left, unreserved };
}

/** Tokens that a pull worker's task may still use before it takes no further turn (B9), 0 at least; undefined where nothing bounds them. */
export function tokensLeft(state: RunState, task: Task): number | undefined {
  const { left } = subtreeTokens(state, task);
  return left === Number.POSITIVE_INFINITY ? undefined : Math.max(0, left);
}

/** After a settlement or a raised budget: wakes what fits now, oldest first; pauses when nothing can ever fit (B2). */
export function settleBudget(step: Step): void {
  const { state } = step;
  const { header } = state;
  if (state.budgetQueue.size === 0 || header.status !== "active") return;
  const { tokens: whole, nanos: wholeMoney } = unreservedOf(state);
  let free = whole;
  let money = wholeMoney;
  for (const { n, need, nanos, unreserved } of parkedForTokens(state)) {
    if (unreserved < need) continue;
    if (need > free || nanos > money) {
      const nothingElse = header.reservedTokens === 0 && free === whole && money === wholeMoney;
      if (nothingElse && !state.book?.failsUnfunded)
        step.emit({ type: "run_paused", reason: faults.budget_exhausted.pauses });
      return;
    }
    // Tasks that already wait for a lease will reserve when they get it: they are not counted twice here.
    free -= need;
    money -= nanos;
    step.emit({ type: "task_ready", task: n, why: "budget" });
  }
}

/** The run's budget is another: where it waited for one it goes on. */
export function resumeForBudget(step: Step): void {
  const { header } = step.state;
  if (header.status === "paused" && header.reason === "budget") step.emit({ type: "run_resumed" });
  settleBudget(step);
}

/** What is spent of unknown cost, so that no budget in money can hold; undefined: nothing is. */
export function unpricedText({ unpricedTokens, unpricedModels = [] }: RunHeader): string | undefined {
  const models = unpricedModels.join(", ") || "models that nobody named";
  return unpricedTokens ? `${unpricedTokens} tokens of ${models} are spent.` : undefined;
}

/** The first of those that wait for the run's budget, where it can never have what its call needs; none while anything is reserved. */
export function oldestUnfunded(state: RunState): Parked | undefined {
  const { header } = state;
  if (header.status !== "active" || header.reservedTokens > 0) return undefined;
  const { tokens, nanos } = unreservedOf(state);
  for (const parked of parkedForTokens(state)) if (parked.need > tokens || parked.nanos > nanos) return parked;
  return undefined;
}

/** What may still be reserved. Where a bill was above its reservation it is nothing, and no less: who needs nothing is woken all the same. */
const unreservedOf = (state: RunState): { tokens: number; nanos: number } => ({
  tokens: Math.max(0, freeTokens(state) ?? Number.POSITIVE_INFINITY),
  nanos: Math.max(0, freeNanos(state) ?? Number.POSITIVE_INFINITY),
});

interface Parked {
  readonly n: number;
  readonly need: number;
  readonly nanos: number;
}

/**
 * Whoever parked first, with what each asked for. Where its subtree can never have that much any more it is to be woken, to ask for less or to
 * fail: it needs what is left there then, at a cost that nobody knows yet.
 */
function* parkedForTokens(state: RunState): Generator<Parked & { readonly unreserved: number }> {
  for (const n of state.budgetQueue) {
    const { phase } = state.task(n);
    if (phase.state !== "parked" || phase.on !== "budget") continue;
    const { left, unreserved } = subtreeTokens(state, state.task(n));
    const least = Math.max(0, left);
    if (left >= phase.need) yield { n, need: phase.need, nanos: phase.nanos ?? 0, unreserved };
    else yield { n, need: least, nanos: 0, unreserved: least };
  }
}
