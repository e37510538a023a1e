/** What the cron sweep remembers in D1: where its passes go on, and which runs it could not visit. */

import { sweepFailureKeptMs, sweepFailuresMax } from "../../limits.ts";
import type { RunName } from "./run-index.ts";
import { countOf } from "./sums.ts";
import { isThere } from "./tenants.ts";

export interface PassRow {
  readonly name: string;
  readonly began_at: number;
  /** Null while it goes on, and of one that broke off. */
  readonly ended_at: number | null;
  readonly visited: number;
  readonly failed: number;
}

export interface FailureRow extends RunName {
  /** In a row. */
  readonly passes: number;
  readonly since: number;
  readonly last_at: number;
  readonly error: string;
}

/** A run whose visit failed. */
export interface Failed extends RunName {
  readonly error: string;
}

/** The run after which the pass goes on; undefined: from the first one. */
export async function passCursor(db: D1Database, name: string): Promise<RunName | undefined> {
  const { results } = await db
    .prepare("SELECT after_tenant AS tenant, after_id AS id FROM sweep_passes WHERE name = ? AND after_id IS NOT NULL")
    .bind(name)
    .all<RunName>();
  return results[0];
}

export async function savePass(db: D1Database, pass: PassRow, after: RunName | undefined): Promise<void> {
  await db
    .prepare(
      `INSERT OR REPLACE INTO sweep_passes (name, after_tenant, after_id, began_at, ended_at, visited, failed)
       VALUES (?, ?, ?, ?, ?, ?, ?)`,
    )
    .bind(pass.name, after?.tenant ?? null, after?.id ?? null, pass.began_at, pass.ended_at, pass.visited, pass.failed)
    .run();
}

export async function listPasses(db: D1Database): Promise<PassRow[]> {
  const { results } = await db
    .prepare("SELECT name, began_at, ended_at, visited, failed FROM sweep_passes ORDER BY name LIMIT ?")
    .bind(100)
    .all<PassRow>();
  return results;
}

/** Runs whose last visits failed, at least `passes` of them; those that failed longest first. */
export async function listFailures(db: D1Database, passes: number, limit: number): Promise<FailureRow[]> {
  const { results } = await db
    .prepare("SELECT * FROM sweep_failures WHERE passes >= ? ORDER BY since, tenant, id LIMIT ?")
    .bind(passes, limit)
    .all<FailureRow>();
  return results;
}

/** All that are remembered; those that nobody tried to visit for long, because they are gone, are forgotten. */
export async function allFailures(db: D1Database, now: number): Promise<FailureRow[]> {
  const rows = await listFailures(db, 1, sweepFailuresMax);
  const before = now - sweepFailureKeptMs;
  if (!rows.some(({ last_at }) => last_at < before)) return rows;
  await db.prepare("DELETE FROM sweep_failures WHERE last_at < ?").bind(before).run();
  return rows.filter(({ last_at }) => last_at >= before);
}

export const countFailures = (db: D1Database, passes: number): Promise<number> =>
  countOf(db.prepare("SELECT COUNT(*) AS n FROM sweep_failures WHERE passes >= ?").bind(passes));

/** One more visit of each failed. */
export async function addFailures(db: D1Database, rows: readonly Failed[], now: number): Promise<void> {
  await db
    .prepare(
      `INSERT INTO sweep_failures (tenant, id, passes, since, last_at, error)
       SELECT tenant, id, 1, ?2, ?2, error
       FROM (SELECT json_extract(value, '$.tenant') AS tenant, json_extract(value, '$.id') AS id,
                    json_extract(value, '$.error') AS error FROM json_each(?1)) AS one
       WHERE ${isThere("one.tenant")}
       ON CONFLICT DO UPDATE SET passes = passes + 1, last_at = excluded.last_at, error = excluded.error`,
    )
    .bind(JSON.stringify(rows), now)
    .run();
}

/** They were visited. */
export async function removeFailures(db: D1Database, rows: readonly RunName[]): Promise<void> {
  await db
    .prepare(
      `DELETE FROM sweep_failures WHERE (tenant, id) IN
       (SELECT json_extract(value, '$.tenant'), json_extract(value, '$.id') FROM json_each(?))`,
    )
    .bind(JSON.stringify(rows))
    .run();
}
