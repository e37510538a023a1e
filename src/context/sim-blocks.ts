/**
 * Finds the fenced ```sim blocks of a text: where references are literal, and where the simulated model looks for its turns.
 *
 * A block opens at a line of at most three spaces, three or more backticks and the word `sim`; it closes at a line of at
 * least as many backticks, or with the text. Other fences are not tracked: one that is never closed must not hide a block.
 * Lines may end in CRLF.
 */

export interface SimBlock {
  /** From the opening line's first character to after the closing line (its line break not included). */
  readonly start: number;
  readonly end: number;
  readonly body: string;
}

// Lines end at \n alone: with the m flag, U+2028 inside a string would count as a line break.
const opening = /(?<=^|\n) {0,3}(`{3,})sim[ \t]*\r?(?=\n|$)/g;
const closing = /(?<=^|\n) {0,3}(`{3,})[ \t]*\r?(?=\n|$)/g;

/** The blocks in order. Linear in the text. */
export function simBlocks(text: string): SimBlock[] {
  const blocks: SimBlock[] = [];
  opening.lastIndex = 0;
  for (let open = opening.exec(text); open; open = opening.exec(text)) {
    const bodyStart = Math.min(opening.lastIndex + 1, text.length);
    closing.lastIndex = bodyStart;
    let close = closing.exec(text);
    while (close && close[1]!.length < open[1]!.length) close = closing.exec(text);
    const end = close ? closing.lastIndex : text.length;
    blocks.push({ start: open.index, end, body: text.slice(bodyStart, close?.index ?? text.length) });
    opening.lastIndex = end;
  }
  return blocks;
}
