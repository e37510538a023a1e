/**
 * `{{t.c.path}}` → the result of call c (from 0) of turn t (from 1), as a script's strings name it (contract, DESIGN §10).
 *
 * 1. A string that is nothing but one template becomes the value, with its JSON type; inside other text, strings stand as
 *    they are and other values as JSON.
 * 2. What names nothing (a turn not yet played, no such call, no result, a missing path) stays as it is written.
 * 3. A ```sim block nested in a string belongs to another task and stays as it is. What was put in is not searched again.
 */

import { simBlocks } from "../../context/sim-blocks.ts";
import type { Said } from "./conversation.ts";

/** The result of a call already made, parsed if it is JSON; undefined when there is none. */
type Lookup = (turn: number, call: number) => { readonly value: unknown } | undefined;

const template = /\{\{([1-9]\d{0,5})\.(\d{1,5})((?:\.[^{}.]+)*)\}\}/g;
const wholeTemplate = new RegExp(`^${template.source}$`);

/** `replies` are the messages after the block's, but for the first `gone` turns; calls and results are matched by id. */
export function lookupIn(replies: readonly Said[], gone = 0): Lookup {
  const turns = replies.filter(({ role }) => role === "assistant");
  const results = new Map(replies.flatMap((message) => message.results.map(({ id, text }) => [id, text] as const)));
  return (turn, call) => {
    const text = results.get(turns[turn - 1 - gone]?.calls[call] ?? "");
    return text === undefined ? undefined : { value: parsed(text) };
  };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A deep copy of `value` with the templates in its strings filled; keys are not touched. */
export function fillValue(value: unknown, lookup: Lookup): unknown {
  if (typeof value === "string") {
    const whole = wholeTemplate.exec(value);
    if (!whole) return fillText(value, lookup);
    const found = resolve(whole, lookup);
    return found ? found.value : value;
  }
  if (Array.isArray(value)) return value.map((element) => fillValue(element, lookup));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, fillValue(member, lookup)]));
}

export function fillText(text: string, lookup: Lookup): string {
  return outsideSimBlocks(text, (part) =>
    part.replace(template, (...match: string[]) => {
      const found = resolve(match, lookup);
      if (!found) return match[0]!;
      return typeof found.value === "string" ? found.value : JSON.stringify(found.value);
    }),
  );
}

/** `change` applied to everything outside the blocks; the blocks stay as they are. */
function outsideSimBlocks(text: string, change: (part: string) => string): string {
  let out = "";
  let at = 0;
  for (const { start, end } of simBlocks(text)) {
    out += change(text.slice(at, start)) + text.slice(start, end);
    at = end;
  }
  return out + change(text.slice(at));
}

function resolve(match: readonly string[], lookup: Lookup): { readonly value: unknown } | undefined {
  const found = lookup(Number(match[1]), Number(match[2]));
  let value = found?.value;
  if (!found) return undefined;
  for (const step of match[3]!.split(".").slice(1)) {
    if (typeof value !== "object" || value === null) return undefined;
    if (!Object.hasOwn(value, step) || (Array.isArray(value) && step === "length")) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return { value };
}
