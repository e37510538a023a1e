/** Texts of any size in rows of limited size (2 MB in production, unlimited locally: so we cut ourselves). */

import { rowBytesMax } from "../../limits.ts";

/** UTF-16 units that surely fit a row: each takes at most three bytes of UTF-8. */
const unitsMax = Math.floor(rowBytesMax / 3);

/** True when the text may need several rows; cheap, never too small. */
export const needsChunks = (text: string): boolean => text.length > unitsMax;

/** Pieces that join to the text; a surrogate pair is never parted, since half of one is no UTF-8. */
export function chunksOf(text: string): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; ) {
    let end = Math.min(at + unitsMax, text.length);
    const last = text.charCodeAt(end - 1);
    if (end < text.length && last >= 0xd800 && last <= 0xdbff) end--;
    pieces.push(text.slice(at, end));
    at = end;
  }
  return pieces;
}
