/** Lists as commands want them: whole, in as few requests as may be. */

import { everyRow } from "../client/every-row.ts";
import { pageRowsMax } from "../limits.ts";

interface Page {
  readonly next_cursor: string | null;
}
type Read<One extends Page> = (query: { limit: number; cursor?: string }) => Promise<One>;

/** The rows of a list, as its pages come. */
export const eachRow = <One extends Page, Row>(read: Read<One>, rowsOf: (page: One) => readonly Row[]) =>
  everyRow((at) => read({ limit: pageRowsMax, ...at }), rowsOf);

/** The first `count` rows of a list, whose pages may be short, or empty, and go on. */
export async function firstRows<Row>(all: AsyncIterable<Row>, count: number): Promise<Row[]> {
  const rows: Row[] = [];
  if (count <= 0) return rows;
  for await (const row of all) if (rows.push(row) >= count) break;
  return rows;
}

/** All rows of a list. */
export async function allRows<One extends Page, Row>(
  read: Read<One>,
  rowsOf: (page: One) => readonly Row[],
): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of eachRow(read, rowsOf)) rows.push(row);
  return rows;
}
