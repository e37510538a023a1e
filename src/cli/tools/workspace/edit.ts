/** Replacing a piece of a text that must stand in it exactly once. */

import { Refusal } from "./refusal.ts";

/** @throws Refusal when `old` is not there, or there more than once */
export function edited(text: string, old: string, replacement: string, shown: string): string {
  if (old === "") throw new Refusal("bad_arguments", "old: is empty; write_file writes a whole file");
  if (old === replacement) throw new Refusal("bad_arguments", "new: is the same as old");
  const at = text.indexOf(old);
  if (at < 0) {
    const ends = text.includes("\r\n") && !old.includes("\r\n") && old.includes("\n");
    const why = ends ? "; its lines end in \\r\\n" : "";
    throw new Refusal("edit_no_match", `old does not stand in ${shown}${why}`);
  }
  let count = 1;
  for (let next = text.indexOf(old, at + 1); next >= 0; next = text.indexOf(old, next + 1)) count++;
  if (count > 1) throw new Refusal("edit_not_unique", `old stands in ${shown} ${count} times`);
  return text.slice(0, at) + replacement + text.slice(at + old.length);
}
