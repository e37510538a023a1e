/**
 * SQL's sum of a column of whole numbers, that never fails: SQLite's own SUM refuses those beyond 64 bits, and with them the statement,
 * in which other tenants' sums may stand. Exact as long as JavaScript is.
 */
export const sumOf = (column: string): string => `CAST(TOTAL(${column}) AS INTEGER)`;

/** What a statement counts as `n`. */
export async function countOf(statement: D1PreparedStatement): Promise<number> {
  return (await statement.first<{ n: number }>())?.n ?? 0;
}
