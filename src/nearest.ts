/** The word that a slip of the fingers may have been meant for. */

import { typoLettersMax } from "./limits.ts";

/** Of `words` the one that `typed` may be a slip of: few letters off, the first of those that are as near. */
export function nearest(typed: string, words: Iterable<string>): string | undefined {
  let best: string | undefined;
  let least = (typed.length <= 4 ? 1 : typoLettersMax) + 1;
  for (const word of words) {
    if (Math.abs(word.length - typed.length) >= least) continue;
    const far = distance(typed, word);
    if (far < least) [least, best] = [far, word];
  }
  return best;
}

/** Letters to change, add, leave out, or swap with their neighbour (optimal string alignment). */
export function distance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let cost = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, before[j - 2]! + 1);
      row.push(cost);
    }
    [before, last] = [last, row];
  }
  return last[b.length]!;
}
