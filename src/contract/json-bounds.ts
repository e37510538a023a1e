/**
 * What JSON may not have where it enters. Nesting is bounded, since later code prints and walks values recursively and must not
 * run out of stack. A number that no double holds would be printed as null: it is refused, and not changed in silence.
 */

import { jsonDepthMax } from "../limits.ts";

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
