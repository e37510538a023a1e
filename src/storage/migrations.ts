/**
 * The schema of a Durable Object's SQLite, in versions: a list of steps, of which the object takes those that it lacks when
 * it is opened.
 *
 * S1. All steps that are missing and the new version are one transaction: a step that fails leaves the version before.
 * S2. An object that is up to date is read once and not written to.
 * S3. One that newer code has written is refused before anything is written: after a rollback it waits for that code.
 */

import { Newer } from "../errors/newer.ts";

export interface Schema {
  /** What it is of, for people. */
  readonly name: string;
  /** `steps[i]` leads from version i to i + 1. A step that was ever deployed never changes. */
  readonly steps: readonly string[];
  /** A table that stands since version 1: where there is no version yet, it tells an object of version 1 from a new one. */
  readonly since1: string;
}

export type Transaction = (work: () => void) => void;

/** For callers that are in one already. */
export const callersTransaction: Transaction = (work) => work();

const newerSchema = ({ name, steps }: Schema, found: number) =>
  new Newer(`The storage of this ${name} is of version ${found}, this deployment reads up to ${steps.length}.`);

/** The version of what is stored; 0: nothing is. */
export function storedVersion(sql: SqlStorage, { since1 }: Pick<Schema, "since1">): number {
  const tables = sql
    .exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('meta', ?)", since1)
    .toArray()
    .map(({ name }) => name);
  if (tables.includes("meta")) {
    const row = sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'schema'").toArray()[0];
    if (row) return Number(row.value);
  }
  return tables.includes(since1) ? 1 : 0;
}

/** Takes the steps that are missing. @throws Newer */
export function migrate(sql: SqlStorage, transaction: Transaction, schema: Schema): void {
  const stored = storedVersion(sql, schema);
  const { steps } = schema;
  if (stored > steps.length) throw newerSchema(schema, stored);
  if (stored === steps.length) return;
  transaction(() => {
    for (const step of steps.slice(stored)) sql.exec(step);
    sql.exec("INSERT OR REPLACE INTO meta(name, value) VALUES('schema', ?)", String(steps.length));
  });
}
