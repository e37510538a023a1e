/**
 * Rows in columns that fit a terminal.
 *
 * B1  No line is wider than `width`, whatever the cells hold: control characters are gone, wide characters counted as two.
 * B2  What does not fit is cut in the columns that may be cut, the widest first and none below its `least`; only when
 *     that is not enough, lines are cut at their end.
 * B3  Columns without a single value are left out.
 */

import { oneLine } from "../plain-text.ts";
import { type Colour, type Paint, unpainted } from "./colours.ts";
import { cutText, padText, textWidth } from "./text-width.ts";

export interface Column<Row> {
  readonly title: string;
  readonly of: (row: Row) => string | number | null | undefined;
  readonly align?: "right";
  /** It may be cut down to this width. */
  readonly least?: number;
  readonly colour?: (row: Row) => Colour | undefined;
}

const gap = "  ";

export function tableLines<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { width = Number.POSITIVE_INFINITY, paint = unpainted }: { width?: number; paint?: Paint } = {},
): string[] {
  const texts = columns.map(({ of }) => rows.map((row) => oneLine(String(of(row) ?? ""))));
  const shown = columns.map((column, i) => ({ column, texts: texts[i]! })).filter((one) => one.texts.some(Boolean));
  const widths = fitted(
    shown.map((one) => ({
      // Not as the arguments of one call, of which there can't be as many as a run may have tasks.
      natural: one.texts.reduce((most, text) => Math.max(most, textWidth(text)), textWidth(one.column.title)),
      least: one.column.least,
    })),
    width - gap.length * (shown.length - 1),
  );
  const line = (cells: readonly { text: string; colour: Colour | undefined }[]): string => {
    let left = width;
    let out = "";
    for (const [i, { text, colour }] of cells.entries()) {
      const last = i === cells.length - 1;
      const cut = cutText(text, Math.min(widths[i]!, left));
      const right = shown[i]!.column.align === "right";
      const cell = last && !right ? cut : padText(cut, Math.min(widths[i]!, left), right ? "right" : "left");
      // Padding stays outside the colour: a painted line is cut nowhere.
      out += cell.replace(cut, () => paint(cut, colour));
      left -= textWidth(cell) + gap.length;
      if (last || left <= 0) break;
      out += gap;
    }
    return out.trimEnd();
  };
  const head = shown.map(({ column }) => ({ text: column.title, colour: "dim" as const }));
  const body = rows.map((row, r) => shown.map((one) => ({ text: one.texts[r]!, colour: one.column.colour?.(row) })));
  return shown.length === 0 ? [] : [head, ...body].map(line);
}

function fitted(columns: readonly { natural: number; least: number | undefined }[], room: number): number[] {
  const widths = columns.map(({ natural }) => natural);
  let over = widths.reduce((sum, width) => sum + width, 0) - room;
  while (over > 0) {
    const spare = columns.map(({ least }, i) => (least === undefined ? 0 : widths[i]! - least));
    const widest = spare.reduce((best, one, i) => (one > 0 && (best < 0 || widths[i]! > widths[best]!) ? i : best), -1);
    if (widest < 0) break;
    widths[widest]!--;
    over--;
  }
  return widths;
}
