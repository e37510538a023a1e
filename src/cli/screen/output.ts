/** What commands print: text for people, one JSON document a line for programs. */

import type { Values } from "../usage.ts";
import { hasColours, type Paint, painted, unpainted } from "./colours.ts";
import { type Column, tableLines } from "./table.ts";
import { columnsOf } from "./text-width.ts";

export const say = (text: string): void => void process.stdout.write(`${text}\n`);

export const sayJson = (value: unknown): void => say(JSON.stringify(value));

/** Of a command that goes on: one JSON object a line, with when it was said. */
export const sayEvent = (event: string, fields: object): void => sayJson({ at: Date.now(), event, ...fields });

/** Beside the output proper, so that it stays what a program can read. */
export const note = (text: string): void => void process.stderr.write(`${text}\n`);

/** Where stdout is no terminal nothing is cut: it is read by programs, or later. */
export const screenWidth = (): number => (process.stdout.isTTY ? columnsOf(process.stdout) : Number.POSITIVE_INFINITY);

export const paintOf = (): Paint => (hasColours(process.stdout) ? painted : unpainted);

export function sayTable<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): void {
  for (const line of tableLines(columns, rows, { width: screenWidth(), paint: paintOf() })) say(line);
}

/** A list: a table, or what `none` says; with --json one row a line. */
export function sayRows<Row>(
  { json }: Values,
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  none: string,
): void {
  if (json === true) for (const row of rows) sayJson(row);
  else if (rows.length === 0) note(none);
  else sayTable(columns, rows);
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
