/** Patterns of the table against tokens: whether they match, or how far they do and what they would have gone on with. */

import { alternates, type Form } from "./table.ts";
import type { Token } from "./tokens.ts";
import { countText, moneyText, type Read, type Slot, type Slots, slots } from "./values.ts";

type Part = { readonly word: string } | { readonly slot: Slot };

export interface Pattern<Made> {
  readonly form: Form<Made>;
  readonly parts: readonly Part[];
}

/** Each form's patterns, one for each way to leave out what may be. */
export const patternsOf = <Made>(forms: readonly Form<Made>[]): Pattern<Made>[] =>
  forms.flatMap((form) =>
    [form.pattern.replace(/ \[.*\]/u, ""), form.pattern.replace(/[[\]]/gu, "")]
      .filter((text, i, all) => all.indexOf(text) === i)
      .map((text) => ({ form, parts: text.split(" ").map(partOf) })),
  );

function partOf(text: string): Part {
  const slot = /^\{(.*)\}$/u.exec(text)?.[1];
  return slot === undefined ? { word: text } : { slot: slot as Slot };
}

export const wordsOf = <Made>(patterns: readonly Pattern<Made>[]): string[] =>
  patterns.flatMap(({ parts }) => parts.flatMap((part) => ("word" in part ? [part.word] : [])));

export interface Miss {
  /** The first token that does not fit. */
  readonly at: number;
  /** What would have fitted there. */
  readonly expected: string;
  /** What stands there is of the right kind, and wrong. */
  readonly error?: string;
}

export type Matched<Made> =
  | { readonly ok: true; readonly made: Made }
  | { readonly ok: false; readonly misses: readonly Miss[] };

/** The one pattern that all tokens match, or what those that came furthest missed. */
export function match<Made>(patterns: readonly Pattern<Made>[], tokens: readonly Token[]): Matched<Made> {
  let furthest: Miss[] = [];
  for (const pattern of patterns) {
    const result = matchOne(pattern, tokens);
    if (!("at" in result)) return { ok: true, made: result.made };
    const best = furthest[0]?.at ?? -1;
    if (result.at > best) furthest = [result];
    else if (result.at === best) furthest.push(result);
  }
  return { ok: false, misses: furthest };
}

function matchOne<Made>({ form, parts }: Pattern<Made>, tokens: readonly Token[]): { made: Made } | Miss {
  const values: Partial<Record<Slot, Slots[Slot]>> = {};
  let outside: string | undefined;
  let at = 0;
  for (const [i, part] of parts.entries()) {
    if ("word" in part) {
      if (!says(tokens[at], part.word)) return { at, expected: `"${phraseAt(parts, i)}"` };
      at++;
      continue;
    }
    const read: Read<Slots[Slot]> = slots[part.slot].read(tokens, at);
    const { what } = slots[part.slot];
    // What is wrong is nearer to what was meant than what is missing behind it.
    if (!read.ok)
      return read.error === undefined ? { at, expected: what } : { at: at + 1.5, expected: what, error: read.error };
    outside ??= outOfBounds(form, part.slot, read.value);
    values[part.slot] = read.value;
    at = read.next;
  }
  if (at < tokens.length) return { at, expected: "the end" };
  outside ??= form.refuses?.(values as Slots);
  return outside === undefined
    ? { made: form.make(values as Slots) }
    : { at: at + 1, expected: "the end", error: outside };
}

const says = (token: Token | undefined, word: string): boolean =>
  token !== undefined &&
  token.kind !== "name" &&
  (token.text === word || alternates[word]?.includes(token.text) === true);

/** The words from there to the next value. */
function phraseAt(parts: readonly Part[], from: number): string {
  const words: string[] = [];
  for (const part of parts.slice(from)) {
    if (!("word" in part)) break;
    words.push(part.word);
  }
  return words.join(" ");
}

function outOfBounds<Made>(
  { pattern, from = 1, upTo }: Form<Made>,
  slot: Slot,
  value: Slots[Slot],
): string | undefined {
  if (upTo === undefined || typeof value !== "number" || (slot !== "count" && slot !== "money")) return undefined;
  const text = slot === "money" ? moneyText : countText;
  if (value >= from && value <= upTo) return undefined;
  const least = slot === "money" && from === 1 ? "more than nothing" : `${text(from)} at least`;
  return `"${pattern.replace(/\{\w+\}/gu, "…").replace(/[[\]]/gu, "")}" takes ${least}, ${text(upTo)} at most, and not ${text(value)}`;
}
