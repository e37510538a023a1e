/**
 * The end of a run's budget by rule (`budget … then fail`): tasks fail where the run would else pause.
 *
 * B7. A task fails with `budget_exhausted` when its call needs more than the run has left and nothing is reserved any more: not
 *     before, since a settlement may give something back. One after the other, oldest first: what an end lets go on, or leaves, may fit.
 *     Where all of it is used up, tasks that are ready for pull workers fail too, which reserve nothing (B8).
 *
 * Asked at the end of a command (finish-step.ts), and not where tokens are settled: who ends takes its children along, and one of
 * these may be in the middle of its turn.
 */

import { usdOf } from "../prices/price.ts";
import { freeNanos, freeTokens, isSpent, oldestUnfunded, readyForWorkers, settleBudget } from "./budget.ts";
import { endOf, endTask } from "./end-task.ts";
import { settle } from "./ending.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";

export function failUnfunded(step: Step): void {
  const { state } = step;
  if (!state.book?.failsUnfunded) return;
  while (state.budgetQueue.size > 0) {
    settleBudget(step);
    const parked = oldestUnfunded(state);
    if (!parked) break;
    endTask(step, state.task(parked.n), endOf("budget_exhausted", messageOf(state, parked)));
    settle(step);
  }
  while (state.header.status === "active" && isSpent(state)) {
    const task = readyForWorkers(state, step.now);
    if (!task) return;
    endTask(step, task, endOf("budget_exhausted", usedUp));
    settle(step);
  }
}

const usedUp = "The run's budget is used up. By a rule it fails here, and the run does not pause.";

function messageOf(state: RunState, { need, nanos }: { need: number; nanos: number }): string {
  const left = freeTokens(state);
  const what =
    left !== undefined && need > left
      ? `leaves ${left} tokens, and its next model call may need ${need}`
      : `leaves $${usdOf(freeNanos(state) ?? 0)}, and its next model call may cost $${usdOf(nanos)}`;
  return `The run's budget ${what}. By a rule it fails here, and the run does not pause.`;
}
