/**
 * Rules with conditions: when they fire, when they no longer hold, and what that does.
 *
 * F4. A rule fires when its condition holds and it does not, and holds until it is cleared. It is cleared when what it looks at
 *     is on the other side of the bound by a tenth of it, or can't be told.
 * F5. Between two changes of a rule lies at least its time (`over …`, else a minute): whatever hovers at a bound changes
 *     nothing more often.
 * F6. Halving and doubling goes on by one step each time while the condition holds, and back by one when it does not.
 * F8. Every change is an event with what was read; the state has nothing of a rule that its log does not say.
 */

import type { ProblemCode } from "../../errors/codes.ts";
import { ruleLoadStep, ruleWindowMsDefault } from "../../limits.ts";
import { usdOf } from "../../prices/price.ts";
import { sentenceOf } from "../../rules/print.ts";
import type { Op, PlacedRule, Rule, When } from "../../rules/rule.ts";
import { resumeForBudget, spentTokens, unpricedText } from "../budget.ts";
import { isRunEnded, type RunState } from "../state.ts";
import type { Step } from "../step.ts";
import { read } from "./metrics.ts";
import { baseOf, type RulesFrom, steppedWorkers } from "./run-rules.ts";

/** Call at the end of a command: fires and clears what is to be. Costs nothing where there are no rules. */
export function evaluateRules(step: Step): void {
  const { state } = step;
  const { book } = state;
  if (!book) return;
  book.dueAt = Number.POSITIVE_INFINITY;
  if (isRunEnded(state)) return;
  for (const [place, rule] of book.whens) book.dueAt = Math.min(book.dueAt, evaluate(step, place, rule));
}

/** When rules are to be looked at although nothing happens; undefined: never. */
export function rulesDueAt({ book }: RunState): number | undefined {
  return book && book.dueAt < Number.POSITIVE_INFINITY ? book.dueAt : undefined;
}

/** Answers when to look again. */
function evaluate(step: Step, place: number, rule: When): number {
  const { state, now } = step;
  const { value, changesAt } = read(state, rule, now);
  const firing = state.header.rules!.firings[place];
  const wish = wishOf(state, place, rule, value);
  if (!wish) return changesAt;
  const opensAt = firing ? firing.at + windowOf(rule) : now;
  if (opensAt > now) return Math.min(changesAt, opensAt);
  change(step, place, rule, { wish, value });
  // One more step, or one back, may follow.
  return isStepped(rule) ? Math.min(changesAt, now + windowOf(rule)) : changesAt;
}

type Wish = "fire" | "clear";

const windowOf = ({ windowMs }: When): number => windowMs ?? ruleWindowMsDefault;
const isStepped = ({ action }: When): boolean => action.kind === "halve" || action.kind === "double";

function wishOf(state: RunState, place: number, rule: When, value: number | undefined): Wish | undefined {
  const { on = false, level = 0 } = state.header.rules!.firings[place] ?? {};
  const holds = value !== undefined && compare(value, rule.op, rule.value);
  if (!on) return holds ? "fire" : level > 0 ? "clear" : undefined;
  if (value === undefined || isBeyond(value, rule)) return "clear";
  return holds && isStepped(rule) && nextLevel(state, place, rule) > level ? "fire" : undefined;
}

/** One more, unless it would change nothing. */
function nextLevel({ header }: RunState, place: number, { action }: When): number {
  const { rules, firings } = header.rules!;
  const { level = 0 } = firings[place] ?? {};
  if (action.kind !== "halve" && action.kind !== "double") return 0;
  const base = baseOf(header, rules[place]!.from);
  const further = steppedWorkers(base, { action, level: level + 1 });
  return further === steppedWorkers(base, { action, level }) ? level : level + 1;
}

const compare = (value: number, op: Op, bound: number): boolean =>
  op === ">" ? value > bound : op === ">=" ? value >= bound : op === "<" ? value < bound : value <= bound;

/** On the other side of the bound, and a tenth of it away (F4). A part can't be more than all: there it is half of what is left. */
function isBeyond(value: number, { op, value: bound, unit }: When): boolean {
  const tenth = bound / 10;
  const above = unit === "percent" ? Math.min(tenth, (100 - bound) / 2) : tenth;
  switch (op) {
    case ">":
      return value <= bound - tenth;
    case ">=":
      return value < bound - tenth;
    case "<":
      return value >= bound + above;
    case "<=":
      return value > bound + above;
  }
}

function change(
  step: Step,
  place: number,
  rule: When,
  { wish, value }: { readonly wish: Wish; readonly value: number | undefined },
): void {
  const { header } = step.state;
  const { rules, firings } = header.rules!;
  const { from, line } = rules[place]!;
  const { level: before = 0 } = firings[place] ?? {};
  const level = wish === "fire" ? nextLevel(step.state, place, rule) : Math.max(0, before - 1);
  step.emit({
    type: wish === "fire" ? "rule_fired" : "rule_cleared",
    rule: place,
    from,
    line,
    text: sentenceOf(rule),
    ...(value !== undefined && { value: rounded(value) }),
    ...(level > 0 && { level }),
  });
  if (wish !== "fire" || rule.action.kind !== "pause") return;
  // Other pauses end by hand anyway, as this one does.
  const mayPause = header.status === "active" || (header.status === "paused" && endsByItself.has(header.reason));
  if (mayPause) step.emit({ type: "run_paused", reason: "rule" });
}

/** Pauses that end with more tokens: the run would go on as if the rule had not fired. */
const endsByItself: ReadonlySet<string> = new Set(["budget", "quota"]);

const rounded = (value: number): number => Math.round(value * 100) / 100;

/** A pull worker's load, in percent: an event only where a rule looks at it, and it is news. */
export function reportLoad(
  step: Step,
  { pool, worker, percent }: { pool: string; worker: string; percent: number },
): void {
  const { header, book } = step.state;
  const about = book?.loadRules(pool) ?? [];
  if (about.length === 0) return;
  const known = header.rules!.loads[`${pool}/${worker}`];
  const window = Math.min(...about.map(windowOf));
  const side = (load: number) => about.map(({ op, value }) => compare(load, op, value)).join();
  const isNews =
    !known ||
    step.now - known.at >= window / 2 ||
    Math.abs(known.percent - percent) >= ruleLoadStep ||
    side(known.percent) !== side(percent);
  if (isNews) step.emit({ type: "worker_load", pool, worker, percent });
}

/** Refused: nothing has changed. */
export interface RulesRefusal {
  readonly code: ProblemCode;
  readonly detail?: string;
}

function isBelowSpent(state: RunState, rule: Rule): boolean {
  if (rule.kind === "money") return rule.nanos < (state.header.nanos ?? 0);
  return rule.kind === "tokens" && rule.max < spentTokens(state);
}

/** Takes `placed` for all rules that come from there, in place of those that did. A run that paused for its budget looks again. */
export function replaceRules(
  step: Step,
  from: RulesFrom,
  placed: readonly PlacedRule[],
  text?: string,
): RulesRefusal | undefined {
  const { state } = step;
  const { header } = state;
  if (isRunEnded(state)) return { code: "run_ended" };
  const money = placed.find(({ rule }) => rule.kind === "money");
  const unpriced = money && unpricedText(header);
  if (unpriced) return { code: "no_price", detail: `line ${money.line}: ${unpriced}` };
  // As with POST …/budget; a deployment's rules hold whatever was spent before.
  const less = from === "run" ? placed.find(({ rule }) => isBelowSpent(state, rule)) : undefined;
  if (less) {
    const spent = less.rule.kind === "money" ? `$${usdOf(header.nanos ?? 0)} is` : `${spentTokens(state)} tokens are`;
    return { code: "below_spent", detail: `line ${less.line}: ${spent} spent.` };
  }
  const before = header.rules?.rules.filter((rule) => rule.from === from).length ?? 0;
  if (before + placed.length === 0) return undefined;
  step.emit({ type: "rules_set", from, rules: placed }, text === undefined ? undefined : { text });
  resumeForBudget(step);
  return undefined;
}
