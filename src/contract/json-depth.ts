/** Nesting is bounded where JSON enters: later code prints and walks values recursively, and must not run out of stack. */

import { jsonDepthMax } from "../limits.ts";

/** Whether a parsed JSON value nests deeper than `levels`. Itself not recursive; cost is linear in the value's nodes. */
export function isTooDeep(value: unknown, levels = jsonDepthMax): boolean {
  let level: object[] = isContainer(value) ? [value] : [];
  for (let depth = 1; level.length > 0; depth++) {
    if (depth > levels) return true;
    const next: object[] = [];
    for (const container of level)
      for (const child of Object.values(container)) if (isContainer(child)) next.push(child);
    level = next;
  }
  return false;
}

const isContainer = (value: unknown): value is object => typeof value === "object" && value !== null;
