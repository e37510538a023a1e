/** What commands print: text for people, one JSON document a line for programs. */

import { hasColours, type Paint, painted, unpainted } from "./colours.ts";
import { type Column, tableLines } from "./table.ts";

export const say = (text: string): void => void process.stdout.write(`${text}\n`);

export const sayJson = (value: unknown): void => say(JSON.stringify(value));

/** Beside the output proper, so that it stays what a program can read. */
export const note = (text: string): void => void process.stderr.write(`${text}\n`);

/** Where stdout is no terminal nothing is cut: it is read by programs, or later. */
const screenWidth = (): number =>
  process.stdout.isTTY ? Math.max(20, process.stdout.columns || 80) : Number.POSITIVE_INFINITY;

export const paintOf = (): Paint => (hasColours(process.stdout) ? painted : unpainted);

export function sayTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): void {
  for (const line of tableLines(columns, rows, { width: screenWidth(), paint: paintOf() })) say(line);
}

/** `  name      value`, for each that has one; values may be of several lines. */
export function sayFields(fields: Readonly<Record<string, string | number | null | undefined>>): void {
  const given = Object.entries(fields).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const width = Math.max(...given.map(([name]) => name.length)) + 2;
  const paint = paintOf();
  for (const [name, value] of given) {
    const text = String(value).replaceAll("\n", `\n${" ".repeat(width + 2)}`);
    say(`  ${paint(name, "dim")}${" ".repeat(width - name.length)}${text}`);
  }
}
