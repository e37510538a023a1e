/**
 * An agent is told when little is left, so that it can wrap up: a message that it finds after the results of its newest turn.
 *
 * Owns: when somebody is told, and the words. Does not own: how it comes into the transcript, and that it does so once; it waits in the
 * task's inbox (inbox.ts) like a message from outside, and is in the log before any request shows it.
 *
 * BN1. Of each budget and limit, a task is told once for each of `budgetNotePercents` in a generation; a larger budget is another one.
 * BN2. A note is no message: it keeps nobody from ending, and is not named as unread.
 * BN3. The first of them comes early where less is left than `budgetNoteCalls` calls as large as the newest: a few large calls would use
 *      a budget up before any threshold is passed. The newest call is mostly the largest, since contexts grow; where one was cut it is
 *      the better guess.
 * Only hosted tasks are told: what pull workers use is known when they report it, and held to the budgets of the run alone (B8).
 */

import { budgetNoteCalls, budgetNotePercents } from "../limits.ts";
import { countText, moneyText } from "../rules/values.ts";
import { capping } from "./apply-usage.ts";
import { spentTokens } from "./budget.ts";
import type { BudgetNote, BudgetOf, UsageDelta } from "./events.ts";
import { isRunEnded, type RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { hostedPool, isWorking, type Task } from "./task.ts";

interface Budget {
  readonly of: BudgetOf;
  readonly used: number;
  readonly limit: number;
  /** Of `used`, what its newest call took; 0 where that is not known. */
  readonly newest: number;
}

/** Tells the task what it has not been told. Call before an attempt begins, and in the step whose turn does not end it, behind that. */
export function noteBudgets(step: Step, task: Task): void {
  const { state, now } = step;
  if (task.pool !== hostedPool || !isWorking(task) || isRunEnded(state)) return;
  const due = budgetsOf(state, task, now, step.calls.get(task.n)).flatMap((budget) => {
    const percent = passed(budget);
    return percent === undefined || isTold(task, budget, percent) ? [] : [{ budget, percent }];
  });
  if (due.length === 0) return;
  const text = textOf(
    due.map(({ budget }) => budget),
    Math.max(...due.map(({ percent }) => percent)),
    state.book?.failsUnfunded === true,
  );
  const content = JSON.stringify(text);
  const notes: BudgetNote[] = due.map(({ budget: { of, limit }, percent }) => ({ of, percent, limit }));
  const message = `{"role":"user","content":${content}}`;
  step.emit({ type: "budget_noted", task: task.n, notes, bytes: Buffer.byteLength(content) }, { message });
}

const isTold = ({ noted }: Task, { of, limit }: Budget, percent: number): boolean =>
  noted.some((one) => one.of === of && one.limit === limit && one.percent >= percent);

/** The highest threshold that is passed, or the first where the next two calls could pass the end. */
const passed = ({ used, limit, newest }: Budget): number | undefined =>
  budgetNotePercents.findLast((percent) => used * 100 >= percent * limit) ??
  (newest > 0 && limit - used < budgetNoteCalls * newest ? budgetNotePercents[0] : undefined);

/** `call`: what the turn that this step has logged took. */
function budgetsOf(state: RunState, task: Task, now: number, call: UsageDelta | undefined): Budget[] {
  const { header, book } = state;
  const limits = header.limits;
  const tokens = call ? call.in + call.out : 0;
  const all: Budget[] = [
    { of: "tokens", used: spentTokens(state), limit: limits.tokens, newest: tokens },
    { of: "usd", used: header.nanos ?? 0, limit: limits.nanos ?? 0, newest: call?.nanos ?? 0 },
    {
      ...{ of: "task_tokens", used: task.inputTokens + task.outputTokens, limit: book?.taskTokens ?? 0 },
      newest: tokens,
    },
    { of: "turns", used: task.turns, limit: task.maxTurns, newest: call ? 1 : 0 },
    { of: "time", used: task.clockAt > 0 ? now - task.clockAt : 0, limit: task.timeoutMs, newest: 0 },
  ];
  // Of those above it with the same limit the one that has the least left is the one to tell of: a note knows them by the limit.
  const shared = new Map<number, number>();
  for (const { maxTokens, treeTokens } of capping(state, task))
    shared.set(maxTokens, Math.max(shared.get(maxTokens) ?? 0, treeTokens));
  for (const [limit, used] of shared) all.push({ of: "max_tokens", used, limit, newest: tokens });
  return all.filter(({ limit }) => limit > 0);
}

/** What the model reads. */
function textOf(budgets: readonly Budget[], percent: number, fails: boolean): string {
  const left = budgets.map((budget) => `${leftText(budget)}${endText(budget, fails)}`).join(" ");
  const advice =
    percent >= budgetNotePercents.at(-1)!
      ? "Finish now: hand in what you have, and say what is missing."
      : "Wrap up: do what matters most, begin nothing large, and keep enough to hand in your result.";
  return `[Heddle] ${left} ${advice}`;
}

function leftText({ of, used, limit }: Budget): string {
  const left = Math.max(0, limit - used);
  const share = `${Math.floor((100 * left) / limit)} %`;
  switch (of) {
    case "tokens":
      return `${countText(left)} of the run's ${countText(limit)} tokens are left (${share}), for all of its tasks.`;
    case "usd":
      return `${moneyText(left)} of the run's ${moneyText(limit)} are left (${share}), for all of its tasks.`;
    case "task_tokens":
      return `${countText(left)} of your ${countText(limit)} tokens are left (${share}).`;
    case "max_tokens":
      return `${countText(left)} of ${countText(limit)} tokens are left (${share}) for you and the tasks that share them with you.`;
    case "turns":
      return `${left} of your ${limit} turns are left.`;
    case "time":
      return `${Math.ceil(left / 1000)} of your ${Math.ceil(limit / 1000)} seconds are left.`;
  }
}

function endText({ of }: Budget, fails: boolean): string {
  if (of === "tokens" || of === "usd")
    return fails ? " Whoever needs more then fails." : " Then the run pauses until somebody raises its budget.";
  return " Then you fail, and your result is lost.";
}
