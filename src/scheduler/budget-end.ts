/**
 * Tasks that fail for want of tokens: at the end of a run's budget by rule (`budget … then fail`), where the run would else pause, and
 * pull workers' at the end of their own.
 *
 * B7. A task fails with `budget_exhausted` when its call needs more than the run has left and nothing is reserved any more: not
 *     before, since a settlement may give something back. One after the other, oldest first: what an end lets go on, or leaves, may fit.
 *     Where all of it is used up, tasks that are ready for pull workers fail too, which reserve nothing (B8).
 * B9. A pull worker's task whose `max_tokens`, an ancestor's, or a rule's budget of each task is used up takes no further turn, and no
 *     worker gets it: it fails with `max_tokens`, as a hosted one does whose next call finds nothing left. The calls and the result of the
 *     turn that used it up still count, since they are paid for. What is left is told with the lease and each turn's answer (budget.ts, `tokensLeft`).
 *
 * B7 is asked at the end of a command (finish-step.ts), and not where tokens are settled: who ends takes its children along, and one of
 * these may be in the middle of its turn.
 */

import { usdOf } from "../prices/price.ts";
import {
  freeNanos,
  freeTokens,
  isSpent,
  oldestUnfunded,
  readyForWorkers,
  settleBudget,
  subtreeTokens,
} from "./budget.ts";
import { endOf, endTask } from "./end-task.ts";
import { settle } from "./ending.ts";
import type { UsageDelta } from "./events.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import type { Task } from "./task.ts";

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

/** Fails a pull worker's task whose own tokens are used up (B9), and says whether it did; `usage`: of the turn that came too late. */
export function failUsedUp(step: Step, task: Task, usage?: UsageDelta): boolean {
  if (subtreeTokens(step.state, task).left > 0) return false;
  endTask(step, task, { ...endOf("max_tokens", ownUsedUp), ...(usage && { usage }) });
  settle(step);
  settleBudget(step);
  return true;
}

const ownUsedUp = "What it used has reached max_tokens, its own or an ancestor's, or a rule's budget of each task.";

const usedUp = "The run's budget is used up. By a rule it fails here, and the run does not pause.";

function messageOf(state: RunState, { need, nanos }: { need: number; nanos: number }): string {
  const left = freeTokens(state);
  const what =
    left !== undefined && need > left
      ? `leaves ${left} tokens, and its next model call may need ${need}`
      : `leaves $${usdOf(freeNanos(state) ?? 0)}, and its next model call may cost $${usdOf(nanos)}`;
  return `The run's budget ${what}. By a rule it fails here, and the run does not pause.`;
}
