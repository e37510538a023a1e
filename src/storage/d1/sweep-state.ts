/** What the cron sweep remembers in D1: where its passes go on, and which runs it could not visit. */

import { sweepFailureKeptMs, sweepFailuresMax } from "../../limits.ts";
import type { RunName } from "./run-index.ts";
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

export async function countFailures(db: D1Database, passes: number): Promise<number> {
  const { results } = await db
    .prepare("SELECT count(*) AS n FROM sweep_failures WHERE passes >= ?")
    .bind(passes)
    .all<{ n: number }>();
  return results[0]?.n ?? 0;
}

/** One more visit of it failed. */
export async function addFailure(db: D1Database, { tenant, id }: RunName, error: string, now: number): Promise<void> {
  await db
    .prepare(
      `INSERT INTO sweep_failures (tenant, id, passes, since, last_at, error) SELECT ?1, ?2, 1, ?3, ?3, ?4 WHERE ${isThere("?1")}
       ON CONFLICT DO UPDATE SET passes = passes + 1, last_at = excluded.last_at, error = excluded.error`,
    )
    .bind(tenant, id, now, error)
    .run();
}

/** It was visited. */
export async function removeFailure(db: D1Database, { tenant, id }: RunName): Promise<void> {
  await db.prepare("DELETE FROM sweep_failures WHERE tenant = ? AND id = ?").bind(tenant, id).run();
}
