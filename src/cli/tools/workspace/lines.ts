/** A part of a text by its lines, small enough for a model to be shown whole. */

import { workspaceReadBytesMax } from "../../../limits.ts";
import { Refusal } from "./refusal.ts";

interface Part {
  readonly text: string;
  readonly from_line: number;
  readonly to_line: number;
  /** Of the whole text. */
  readonly lines: number;
  /** There is more, from `next_line` on. */
  readonly truncated?: true;
  readonly next_line?: number;
}

/** Lines `from` to `to`, as many as fit; a line that alone is too long is cut. @throws Refusal past the last line */
export function partOf(text: string, from = 1, to = Number.POSITIVE_INFINITY): Part {
  const lines = text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  if (lines.length === 0 && from === 1) return { text: "", from_line: 1, to_line: 0, lines: 0 };
  if (from > lines.length)
    throw new Refusal("bad_arguments", `from_line: ${from} is past the end; there are ${lines.length} lines`);
  if (to < from) throw new Refusal("bad_arguments", "to_line: is before from_line");
  let shown = "";
  let bytes = 0;
  let at = from;
  for (; at <= Math.min(to, lines.length); at++) {
    const line = lines[at - 1]!;
    // As it is counted where it will be cut: as JSON.
    const size = Buffer.byteLength(JSON.stringify(line)) - 2;
    if (bytes + size > workspaceReadBytesMax) {
      if (at > from) break;
      shown = `${line.slice(0, workspaceReadBytesMax / 4)}… (cut: the line has ${line.length} characters)\n`;
      at++;
      break;
    }
    shown += line;
    bytes += size;
  }
  const isCut = at <= Math.min(to, lines.length);
  const whole = { text: shown, from_line: from, to_line: at - 1, lines: lines.length };
  return isCut ? { ...whole, truncated: true, next_line: at } : whole;
}
