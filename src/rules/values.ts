/** What stands for a value in a rule, read and printed: numbers, parts of a hundred, money, times, names, comparisons. */

import { keyPattern } from "../ids.ts";
import { labelCharsMax, nameCharsMax, ruleRunMsMax, ruleWindowMsMax, ruleWindowMsMin } from "../limits.ts";
import { nanosOf, nanosPerUsd } from "../prices/price.ts";
import { type FindingKind, isFindingKind } from "./finding-kinds.ts";
import type { Op } from "./rule.ts";
import type { Token } from "./tokens.ts";

/** By the name of the slot in a pattern. */
export interface Slots {
  count: number;
  percent: number;
  money: number;
  time: number;
  duration: number;
  window: number;
  priority: number;
  model: string;
  label: string;
  pool: string;
  op: Op;
  finding: FindingKind;
}
export type Slot = keyof Slots;

export type Read<Value> =
  | { readonly ok: true; readonly value: Value; readonly next: number }
  /** Nothing of the kind stands there; or something of it that is wrong. */
  | { readonly ok: false; readonly error?: string };

type Reader<Value> = (tokens: readonly Token[], at: number) => Read<Value>;

const nothing = { ok: false } as const;
const wrong = (error: string): Read<never> => ({ ok: false, error });

const groups = /^\d{1,3}(?:[,_'’]\d{3})+$/u;
const plain = /^\d+$/u;

/** The number that `raw` is; undefined for none. A comma parts thousands, and a full stop begins a fraction. */
function numberIn(raw: string): number | undefined {
  const [whole = "", fraction, ...more] = raw.split(".");
  if (more.length > 0 || !(plain.test(whole) || groups.test(whole))) return undefined;
  if (fraction !== undefined && !plain.test(fraction)) return undefined;
  return Number(`${whole.replace(/\D/gu, "")}${fraction === undefined ? "" : `.${fraction}`}`);
}

const times: Readonly<Record<string, number>> = { k: 1000, thousand: 1000, m: 1_000_000, million: 1_000_000 };

/** A number, and what it is multiplied by. */
const number: Reader<number> = (tokens, at) => {
  const token = tokens[at];
  if (token?.kind !== "number") return nothing;
  const value = numberIn(token.text);
  if (value === undefined || value > Number.MAX_SAFE_INTEGER)
    return wrong(`"${token.raw}" is no number: write 2,000,000 or 1.5`);
  return { ok: true, value, next: at + 1 };
};

const count: Reader<number> = (tokens, at) => {
  const read = number(tokens, at);
  if (!read.ok) return read;
  const factor = tokens[read.next]?.kind === "word" ? times[tokens[read.next]!.text] : undefined;
  const { raw } = tokens[at]!;
  // Whoever writes so means sixty thousand where a full stop parts thousands, and would be held to sixty.
  if (factor === undefined && /\.000$/u.test(raw))
    return wrong(`${raw} is no whole number: a comma parts thousands, as in ${raw.replace(".", ",")}`);
  // 2.3 million is a whole number, and 2.3 * 1e6 nearly one.
  const value = factor === undefined ? read.value : Number((read.value * factor).toFixed(3));
  if (!Number.isSafeInteger(value)) return wrong(`${tokens[at]!.raw} is no whole number`);
  return { ok: true, value, next: read.next + (factor === undefined ? 0 : 1) };
};

const percent: Reader<number> = (tokens, at) => {
  const read = number(tokens, at);
  if (!read.ok) return read;
  const unit = tokens[read.next];
  if (unit?.text !== "%" && unit?.text !== "percent") return nothing;
  if (read.value > 100) return wrong(`${tokens[at]!.raw}% is more than everything: a part is at most 100%`);
  if (/\.\d{3}/u.test(tokens[at]!.text)) return wrong(`${tokens[at]!.raw}% has more than two digits after the point`);
  return { ok: true, value: read.value, next: read.next + 1 };
};

const currencies = ["$", "dollar", "dollars", "usd"];
const others = ["€", "£", "¥", "euro", "euros", "eur", "cent", "cents", "pound", "pounds", "yen"];

/** In nanodollars. */
const money: Reader<number> = (tokens, at) => {
  const ahead = tokens[at]?.text === "$" ? 1 : 0;
  const read = number(tokens, at + ahead);
  if (!read.ok) return others.includes(tokens[at]?.text ?? "") ? wrong(`money is in dollars`) : read;
  const unit = tokens[read.next]?.text ?? "";
  if (others.includes(unit)) return wrong(`"${tokens[read.next]!.raw}": money is in dollars`);
  const behind = currencies.includes(unit) ? 1 : 0;
  if (ahead + behind === 0) return nothing;
  return { ok: true, value: nanosOf(read.value), next: read.next + behind };
};

const unitMs: Readonly<Record<string, number>> = {
  ms: 1,
  millisecond: 1,
  milliseconds: 1,
  s: 1000,
  sec: 1000,
  secs: 1000,
  second: 1000,
  seconds: 1000,
  min: 60_000,
  mins: 60_000,
  minute: 60_000,
  minutes: 60_000,
  h: 3_600_000,
  hour: 3_600_000,
  hours: 3_600_000,
  day: 86_400_000,
  days: 86_400_000,
};
export const timeWords = Object.keys(unitMs);

/** In milliseconds. */
const timeUpTo =
  (max: number): Reader<number> =>
  (tokens, at) => {
    const read = number(tokens, at);
    if (!read.ok) return read;
    const unit = tokens[read.next];
    const ms = unit?.kind === "word" ? unitMs[unit.text] : undefined;
    if (ms === undefined) return nothing;
    const value = Math.round(read.value * ms);
    if (value < 1 || value > max)
      return wrong(`a time is between 1 ms and ${timeText(max)}, and not ${tokens[at]!.raw} ${unit!.raw}`);
    return { ok: true, value, next: read.next + 1 };
  };

const time = timeUpTo(ruleWindowMsMax);

const window: Reader<number> = (tokens, at) => {
  const read = time(tokens, at);
  if (read.ok && read.value < ruleWindowMsMin) return wrong(`a condition is looked at over 1 s at least`);
  return read;
};

const priority: Reader<number> = (tokens, at) => {
  const read = count(tokens, at);
  return read.ok && read.value > 9 ? wrong(`priorities are 0 to 9, and not ${tokens[at]!.raw}`) : read;
};

const name =
  (what: string, isOne: (text: string) => string | undefined): Reader<string> =>
  (tokens, at) => {
    const token = tokens[at];
    if (token?.kind === "word") return wrong(`the ${what} stands in quotes: "${token.raw}"`);
    if (token?.kind !== "name") return nothing;
    const error = isOne(token.text);
    return error === undefined ? { ok: true, value: token.text, next: at + 1 } : wrong(error);
  };

/** `retry_storm` or `retry storm`. */
const finding: Reader<FindingKind> = (tokens, at) => {
  const words = [tokens[at], tokens[at + 1]].flatMap((token) => (token?.kind === "word" ? [token.text] : []));
  const two = words.join("_");
  if (words.length === 2 && isFindingKind(two)) return { ok: true, value: two, next: at + 2 };
  const [one] = words;
  if (one === undefined) return nothing;
  if (isFindingKind(one)) return { ok: true, value: one, next: at + 1 };
  return wrong(`"${tokens[at]!.raw}" is no finding that a rule can be about (docs/findings.md)`);
};

const within = (text: string, max: number): string | undefined =>
  text.length > 0 && text.length <= max ? undefined : `a name has 1 to ${max} characters`;

const operators: readonly (readonly [words: readonly string[], op: Op])[] = [
  [[">="], ">="],
  [["=>"], ">="],
  [["≥"], ">="],
  [["at", "least"], ">="],
  [["<="], "<="],
  [["=<"], "<="],
  [["≤"], "<="],
  [["at", "most"], "<="],
  [[">"], ">"],
  [["above"], ">"],
  [["more", "than"], ">"],
  [["<"], "<"],
  [["below"], "<"],
  [["less", "than"], "<"],
];

const op: Reader<Op> = (tokens, at) => {
  for (const [words, value] of operators) {
    if (words.every((word, i) => tokens[at + i]?.text === word && tokens[at + i]?.kind !== "name"))
      return { ok: true, value, next: at + words.length };
  }
  return nothing;
};
export const operatorWords = operators.flatMap(([words]) => words).filter((word) => /^\p{L}/u.test(word));

/** How each is read, and what it is called where it is missing. */
export const slots: { readonly [Name in Slot]: { readonly read: Reader<Slots[Name]>; readonly what: string } } = {
  count: { read: count, what: "a whole number" },
  percent: { read: percent, what: "a part, as 80%" },
  money: { read: money, what: "an amount, as 5 dollars" },
  time: { read: time, what: "a time, as 30 s" },
  duration: { read: timeUpTo(ruleRunMsMax), what: "a time, as 2 hours" },
  window: { read: window, what: "a time, as 1 minute" },
  priority: { read: priority, what: "a priority from 0 to 9" },
  model: {
    read: name("model", (text) => within(text, nameCharsMax)),
    what: 'a model in quotes, as "claude-haiku-4-5"',
  },
  label: {
    read: name("label", (text) => within(text, 2 * labelCharsMax + 1)),
    what: 'a label in quotes, as "browser"',
  },
  pool: {
    read: name("pool", (text) => (keyPattern.test(text) ? undefined : `a pool's name is [a-z][a-z0-9_-]{0,63}`)),
    what: 'a pool in quotes, as "laptop"',
  },
  op: { read: op, what: ">, >=, < or <=" },
  finding: { read: finding, what: "a kind of finding, as starvation" },
};

export const countText = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/gu, ",");

export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${countText(count)} ${count === 1 ? one : many}`;

export function timeText(ms: number): string {
  if (ms % 86_400_000 === 0) return counted(ms / 86_400_000, "day");
  if (ms % 3_600_000 === 0) return counted(ms / 3_600_000, "hour");
  if (ms % 60_000 === 0) return counted(ms / 60_000, "minute");
  return ms % 1000 === 0 ? `${ms / 1000} s` : `${ms} ms`;
}

/** In whole nanodollars: nine digits after the point at most, and no `e`. */
export function moneyText(nanos: number): string {
  const rest = String(nanos % nanosPerUsd)
    .padStart(9, "0")
    .replace(/0+$/u, "");
  const text = `${countText(Math.floor(nanos / nanosPerUsd))}${rest === "" ? "" : `.${rest}`}`;
  return `${text} ${text === "1" ? "dollar" : "dollars"}`;
}
