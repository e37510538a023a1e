/**
 * compileRules(text): a file of rules as data, or what is wrong with it, line by line.
 *
 * P1. It never throws, always ends, and is bounded: the file, its bullets, rules, errors and notes (limits.ts).
 * P2. Every bullet is a rule, or several of one kind in a row ("at most 500 tasks, depth 4"); one that is not is an error.
 * P3. All errors of a file are told at once. With one, there are no rules: half a file of rules is none.
 * P4. To compile what `sentenceOf` prints gives the same rules.
 */

import { ruleCharsMax, rulesCharsMax, rulesErrorsMax, rulesMax, ruleWindowMsDefault } from "../limits.ts";
import { type Line, scan } from "./bullets.ts";
import { metricsOverTime } from "./metrics-over-time.ts";
import { type Miss, match, type Pattern, patternsOf } from "./pattern.ts";
import { sentenceOf } from "./print.ts";
import type { Condition, PlacedRule, Rule } from "./rule.ts";
import { meantBy } from "./suggest.ts";
import { actionForms, conditionForms, limitForms } from "./table.ts";
import { type Token, tokensOf } from "./tokens.ts";
import { countText } from "./values.ts";

export interface RuleNote {
  /** From 1. */
  readonly line: number;
  readonly message: string;
}

export interface RuleError extends RuleNote {
  /** The bullet's text as it would be a rule. */
  readonly suggestion?: string;
}

export type Compiled =
  | { readonly ok: true; readonly rules: readonly PlacedRule[]; readonly notes: readonly RuleNote[] }
  | { readonly ok: false; readonly errors: readonly RuleError[] };

const limits = patternsOf(limitForms);
const conditions = patternsOf(conditionForms);
const actions = patternsOf(actionForms);

export function compileRules(text: string): Compiled {
  if (text.length > rulesCharsMax) {
    const message = `the rules have ${countText(text.length)} characters, and ${countText(rulesCharsMax)} at most`;
    return { ok: false, errors: [{ line: 1, message }] };
  }
  const { bullets, comments, open } = scan(text);
  const rules: PlacedRule[] = [];
  const errors: RuleError[] = [];
  if (open) {
    const what =
      open.text === "<!--"
        ? "this comment is never closed: end it with -->"
        : `this code is never closed: end it with ${open.text}`;
    errors.push({ line: open.line, message: what });
  }
  for (const bullet of bullets) {
    const read = readBullet(bullet.text);
    if (!read.ok) errors.push({ line: bullet.line, ...read.error });
    else for (const rule of read.rules) rules.push({ line: bullet.line, rule });
    if (errors.length > rulesErrorsMax) break;
    if (rules.length > rulesMax) {
      errors.push({ line: bullet.line, message: `this is one rule more than the ${rulesMax} that there may be` });
      break;
    }
  }
  errors.sort((a, b) => a.line - b.line);
  if (errors.length > rulesErrorsMax) {
    const { line } = errors[rulesErrorsMax - 1]!;
    return {
      ok: false,
      errors: [
        ...errors.slice(0, rulesErrorsMax - 1),
        { line, message: "and more from here on; correct the others first" },
      ],
    };
  }
  if (errors.length > 0) return { ok: false, errors };
  return { ok: true, rules, notes: notesOn(rules, comments) };
}

type ReadBullet =
  | { readonly ok: true; readonly rules: readonly Rule[] }
  | { readonly ok: false; readonly error: Omit<RuleError, "line"> };

const refused = (message: string): ReadBullet => ({ ok: false, error: { message } });

function readBullet(text: string): ReadBullet {
  if (text === "") return refused("this bullet is empty: say a rule, or take it away");
  if (text.length > ruleCharsMax)
    return refused(
      `this bullet has ${countText(text.length)} characters, and ${ruleCharsMax} at most; prose is no bullet`,
    );
  const read = readTokens(tokensOf(text));
  if (read.ok) return read;
  for (const candidate of meantBy(text)) {
    const meant = readTokens(tokensOf(candidate));
    if (!meant.ok) continue;
    const suggestion = meant.rules.map(sentenceOf).join(", ");
    return { ok: false, error: { message: `${read.error.message}. Did you mean: ${suggestion}`, suggestion } };
  }
  return read;
}

function readTokens(tokens: readonly Token[]): ReadBullet {
  if (tokens.length === 0) return refused("this bullet says nothing");
  return tokens[0]!.text === "when" && tokens[0]!.kind === "word" ? readWhen(tokens) : readList(tokens);
}

/** `when CONDITION: ACTION` */
function readWhen(tokens: readonly Token[]): ReadBullet {
  const end = tokens.findIndex(
    ({ kind, text }) => (kind === "sign" && text === ":") || (kind === "word" && text === "then"),
  );
  const condition = readPart(conditions, tokens.slice(1, end < 0 ? undefined : end), "when");
  if (!condition.ok && (end >= 0 || condition.inside)) return refused(condition.message);
  if (end < 0)
    return refused(`after the condition comes ":" and what is done, as in "when tokens used > 80%: at most 2 workers"`);
  const rest = tokens.slice(end + 1);
  const action = readPart(actions, rest, ":");
  if (!action.ok) {
    const joint = rest.findIndex(isJoint);
    if (joint > 0 && readPart(actions, rest.slice(0, joint), "").ok)
      return refused("a condition has one action: write a bullet with the condition for each");
    return refused(action.message);
  }
  return {
    ok: true,
    rules: [{ kind: "when", ...(condition as { made: Condition }).made, ...windowOf(condition), action: action.made }],
  };
}

/** Metrics that are taken over a time have one. */
function windowOf(condition: Part<Condition>): Partial<Condition> {
  if (!condition.ok) return {};
  const { metric, windowMs } = condition.made;
  if (!metricsOverTime.has(metric)) return {};
  return { windowMs: windowMs ?? ruleWindowMsDefault };
}

const isJoint = ({ kind, text }: Token): boolean =>
  (kind === "sign" && (text === "," || text === ";")) || (kind === "word" && text === "and");

const heads: readonly (readonly string[])[] = [
  ["at", "most"],
  ["budget"],
  ["use", "model"],
  ["finding"],
  ["no", "finding"],
  ["when"],
];
const headOf = (tokens: readonly Token[]): readonly string[] | undefined =>
  heads.find((words) => words.every((word, i) => tokens[i]?.kind === "word" && tokens[i]?.text === word));

/** Rules with commas between them; the second and those after it need not say again how the first began. */
function readList(tokens: readonly Token[]): ReadBullet {
  const rules: Rule[] = [];
  let head: readonly Token[] = [];
  for (const [i, part] of partsOf(tokens).entries()) {
    const own = headOf(part);
    if (i > 0 && own?.[0] === "when") return refused("a condition is a bullet of its own");
    const given = own === undefined && i > 0 ? [...head, ...part] : part;
    if (own) head = part.slice(0, own.length);
    const read = readPart(limits, given, "");
    if (!read.ok) return refused(read.message);
    rules.push(read.made);
  }
  const kinds = new Set(rules.map(({ kind }) => kind));
  if (kinds.has("budget_end") && kinds.has("task_tokens") && !kinds.has("tokens") && !kinds.has("money"))
    return refused('a task that has used its own budget fails anyway, with max_tokens: leave ", then fail" out');
  return { ok: true, rules };
}

function partsOf(tokens: readonly Token[]): Token[][] {
  const parts: Token[][] = [[]];
  for (const token of tokens) {
    // ", and" is one joint.
    if (isJoint(token)) {
      if (parts.at(-1)!.length > 0) parts.push([]);
    } else if (token.kind === "word" && token.text === "then" && parts.at(-1)!.length > 1) parts.push([token]);
    else parts.at(-1)!.push(token);
  }
  return parts.at(-1)!.length > 0 || parts.length === 1 ? parts : parts.slice(0, -1);
}

type Part<Made> =
  | { readonly ok: true; readonly made: Made }
  /** `inside`: some of it was understood, and then came what was not; else it only ended too early or began with nothing known. */
  | { readonly ok: false; readonly message: string; readonly inside: boolean };

/** @param before what stands before the tokens */
function readPart<Made>(patterns: readonly Pattern<Made>[], tokens: readonly Token[], before: string): Part<Made> {
  const matched = match(patterns, tokens);
  if (matched.ok) return matched;
  const { misses } = matched;
  const { at } = misses[0]!;
  const wrong = misses.find(({ error }) => error !== undefined);
  if (wrong) return { ok: false, message: wrong.error!, inside: true };
  const found = tokens[at];
  const read = [before, ...tokens.slice(0, at).map(({ raw }) => raw)].filter((text) => text !== "").join(" ");
  const expected = either(misses);
  const not = found ? `, and not "${found.raw}"` : ", and it ends";
  const after = read === "" ? 'a rule begins with "when",' : `after "${read}" comes`;
  return { ok: false, message: `${after} ${expected}${not}`, inside: found !== undefined };
}

function either(misses: readonly Miss[]): string {
  const each = [...new Set(misses.map(({ expected }) => expected))];
  // "workers" says what "workers for label" begins with.
  const all = each.filter((one) => !each.some((other) => one.startsWith(`${other.slice(0, -1)} `)));
  return all.length === 1 ? all[0]! : `${all.slice(0, -1).join(", ")} or ${all.at(-1)}`;
}

/** What is no error, and perhaps not meant: the same limit twice, a part of a budget that no rule sets, rules without a bullet. */
function notesOn(rules: readonly PlacedRule[], comments: readonly Line[]): RuleNote[] {
  const notes: RuleNote[] = [];
  const first = new Map<string, number>();
  for (const { line, rule } of rules) {
    if (rule.kind === "when") {
      const budget = rule.metric === "tokens_used" ? "tokens" : rule.metric === "money_used" ? "money" : undefined;
      if (rule.unit !== "percent" || !budget || rules.some((other) => other.rule.kind === budget)) continue;
      const what = budget === "tokens" ? "tokens" : "dollars";
      notes.push({
        line,
        message: `no rule here gives a budget in ${what}: without one in the run's limits this is never true`,
      });
      continue;
    }
    const about = subjectOf(rule);
    const other = first.get(about);
    if (other === undefined) first.set(about, line);
    else
      notes.push({
        line,
        message: `line ${other} is about the same: ${rule.kind === "finding" ? "this line" : "the stricter"} holds`,
      });
  }
  for (const { line, text } of comments) {
    if (notes.length >= rulesErrorsMax) break;
    if (text.length <= ruleCharsMax && readTokens(tokensOf(text)).ok)
      notes.push({ line, message: `this is a comment, since it has no bullet: write "- ${text}" if it is a rule` });
  }
  return notes.sort((a, b) => a.line - b.line).slice(0, rulesErrorsMax);
}

function subjectOf(rule: Exclude<Rule, { kind: "when" }>): string {
  if (rule.kind === "workers") return `workers ${rule.label ?? ""}\n${rule.pool ?? ""}`;
  if (rule.kind === "finding") return `finding ${rule.finding} ${"knob" in rule ? rule.knob : ""}`;
  return rule.kind === "model" ? `model ${rule.side} ${rule.priority}` : rule.kind;
}
