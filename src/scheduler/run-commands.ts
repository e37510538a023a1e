/** What is done to a run as a whole: pause, resume, cancel, finish, budget; and its end by idleness. */

import type { ProblemCode } from "../errors/codes.ts";
import { runIdleMs } from "../limits.ts";
import { usdOf } from "../prices/price.ts";
import { sentenceOf } from "../rules/print.ts";
import { resumeForBudget, settleBudget, spentTokens, unpricedText } from "./budget.ts";
import { cancelAll } from "./end-task.ts";
import { settle } from "./ending.ts";
import { quotaRefusal } from "./quotas.ts";
import { isRunEnded, type RunState } from "./state.ts";
import type { Step } from "./step.ts";

export type Refusal = { readonly code: ProblemCode; readonly detail?: string; readonly retryAfterS?: number };

/**
 * No new leases; running tasks go on to their next turn. Pausing a run that was paused by hand changes nothing; one that waits
 * for tokens stays paused when it has them, until it is resumed by hand.
 */
export function pauseRun(step: Step): Refusal | undefined {
  const { header } = step.state;
  if (isRunEnded(step.state)) return { code: "run_ended" };
  if (header.reason !== "asked") step.emit({ type: "run_paused", reason: "asked" });
  return undefined;
}

export function resumeRun(step: Step): Refusal | undefined {
  const { header } = step.state;
  if (isRunEnded(step.state)) return { code: "run_ended" };
  if (header.status !== "paused") return { code: "run_not_paused" };
  const refusal = quotaRefusal(step.state, step.now);
  if (refusal) return refusal;
  step.emit({ type: "run_resumed" });
  settleBudget(step);
  return undefined;
}

/** Cancels every live task, then ends the run. Cancelling an ended run changes nothing. */
export function cancelRun(step: Step, reason: string): Refusal | undefined {
  if (isRunEnded(step.state)) return undefined;
  cancelAll(step, "cancelled", reason);
  settle(step, "run");
  if (!isRunEnded(step.state)) step.emit({ type: "run_ended", status: "cancelled", reason });
  return undefined;
}

/** Ends a run: `failed` when a task failed and nobody saw it, else `succeeded`. Finishing an ended run changes nothing. */
export function finishRun(step: Step, cancel: boolean): Refusal | undefined {
  if (isRunEnded(step.state)) return undefined;
  const live = step.state.liveCount();
  if (live > 0 && !cancel)
    return { code: "tasks_live", detail: live === 1 ? "1 task is live." : `${live} tasks are live.` };
  if (live > 0) {
    cancelAll(step, "run_ended", "The run was finished.");
    settle(step, "run");
  }
  if (!isRunEnded(step.state)) endByTasks(step, "finished");
  return undefined;
}

function endByTasks(step: Step, reason: string): void {
  const { unhandled } = step.state.header;
  if (unhandled > 0) step.emit({ type: "run_ended", status: "failed", reason: "unhandled_failure" });
  else step.emit({ type: "run_ended", status: "succeeded", reason });
}

/**
 * Sets the run's totals of tokens and nanodollars, those that are given; resumes a run that paused for its budget. Money is
 * refused where some of what is spent has no known price: nobody could say what is left.
 */
export function changeBudget(step: Step, budget: { tokens?: number; nanos?: number }): Refusal | undefined {
  if (isRunEnded(step.state)) return { code: "run_ended" };
  const { header } = step.state;
  const { tokens = header.limits.tokens, nanos } = budget;
  const spent = spentTokens(step.state);
  if (budget.tokens !== undefined && tokens < spent)
    return { code: "below_spent", detail: `${spent} tokens are spent.` };
  if (nanos !== undefined) {
    const paid = header.nanos ?? 0;
    if (nanos < paid) return { code: "below_spent", detail: `$${usdOf(paid)} is spent.` };
    const unpriced = unpricedText(header);
    if (unpriced) return { code: "no_price", detail: unpriced };
  }
  const bound = boundByRule(step.state, budget);
  if (bound) return bound;
  step.emit({ type: "limits_changed", tokens, ...(nanos !== undefined && { nanos }) });
  resumeForBudget(step);
  return undefined;
}

/** How long the run is kept after its end, be it over already or not. The same again changes nothing. */
export function retainRun(step: Step, days: number): undefined {
  if (step.state.header.retentionDays !== days) step.emit({ type: "run_retained", days });
  return undefined;
}

/** A total that a rule keeps from having an effect would be a surprise. */
function boundByRule(
  { header }: RunState,
  { tokens = 0, nanos = 0 }: { tokens?: number; nanos?: number },
): Refusal | undefined {
  for (const { from, line, rule } of header.rules?.rules ?? []) {
    const isLess = rule.kind === "tokens" ? rule.max < tokens : rule.kind === "money" && rule.nanos < nanos;
    if (isLess) return { code: "bound_by_rules", detail: `Line ${line} of the ${from}'s rules: ${sentenceOf(rule)}.` };
  }
  return undefined;
}

/** When an idle run without a root ends by itself; undefined while it can't. */
export function idleEndAt(state: RunState): number | undefined {
  const { header } = state;
  if (header.root > 0 || isRunEnded(state) || state.liveCount() > 0) return undefined;
  return header.changedAt + runIdleMs;
}

export function endIdleRun(step: Step): void {
  const at = idleEndAt(step.state);
  if (at !== undefined && at <= step.now) endByTasks(step, "idle");
}
