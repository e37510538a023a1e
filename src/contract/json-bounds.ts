/**
 * What JSON may not have where it enters. Nesting is bounded, since later code prints and walks values recursively and must not
 * run out of stack. A number that no double holds would be printed as null: it is refused, and not changed in silence. And values are
 * counted before any is made: of 16 MiB of `{},{},…` parsing alone makes five million objects, in an isolate that has 128 MB for all tenants.
 */

import { jsonDepthMax, jsonMembersMax, jsonValuesMax } from "../limits.ts";

/** What the least of a member takes: `"":1,`. Shorter texts have neither too many members nor too many values. */
const memberCharsLeast = 5;

/**
 * Why a JSON text is not to be parsed at all; undefined: it may be. Looks at what stands outside of strings alone, and at no more than it takes
 * to know; of what is no JSON it may say either. A container counts twice, as the value that it is and as the place for others.
 *
 * @param times as many as a body may have
 */
export function overfullJson(text: string, times = 1): string | undefined {
  const [membersMax, valuesMax] = [times * jsonMembersMax, times * jsonValuesMax];
  if (text.length <= membersMax * memberCharsLeast) return undefined;
  let values = 0;
  let members = 0;
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case quote:
        i = stringEnd(text, i);
        break;
      case colon:
        if (++members > membersMax) return `has more than ${membersMax} named values`;
        break;
      case comma:
      case bracket:
      case brace:
        if (++values > valuesMax) return `has more than ${valuesMax} values`;
    }
  }
  return undefined;
}

const [quote, colon, comma, bracket, brace, backslash] = [...'":,[{\\'].map((one) => one.charCodeAt(0));

/** The place of the mark that ends the string which begins at `start`; the text's length where nothing does. */
function stringEnd(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end >= 0; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === backslash) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}

/** Why a parsed JSON value is refused; undefined: it is not. Itself not recursive; cost is linear in the value's nodes. */
export function unfitJson(value: unknown, levels = jsonDepthMax): string | undefined {
  if (isBeyond(value)) return beyond;
  let level: object[] = isContainer(value) ? [value] : [];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > levels) return `nests deeper than ${levels} levels`;
    const next: object[] = [];
    for (const container of level) {
      for (const child of Object.values(container)) {
        if (isContainer(child)) next.push(child);
        else if (isBeyond(child)) return beyond;
      }
    }
    level = next;
  }
  return undefined;
}

const beyond = "has a number beyond ±1.8e308";
const isBeyond = (value: unknown): boolean => typeof value === "number" && !Number.isFinite(value);
const isContainer = (value: unknown): value is object => typeof value === "object" && value !== null;
