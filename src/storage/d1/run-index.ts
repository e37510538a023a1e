/**
 * The index of runs in D1: what lists show and what the cron sweep visits.
 *
 * A row is inserted before its run's object is created and removed after the object is deleted, so that every object that
 * exists has a row; a row without an object is found by the sweep (the object answers `not_found`) and deleted.
 */

import type { RunStatus } from "../../contract/shapes.ts";

export interface RunRow {
  readonly id: string;
  readonly name: string | null;
  readonly status: RunStatus;
  readonly created_at: number;
  readonly ended_at: number | null;
  /** From when on it is deleted; null while it goes on, where runs are kept, and until the sweep has set it. */
  readonly expires_at: number | null;
}

export interface RunName {
  readonly tenant: string;
  readonly id: string;
}

/** Inserts an active run; false when there already is a row of that id, which is left as it is. */
export async function insertRun(
  db: D1Database,
  run: RunName & { readonly name: string | null; readonly createdAt: number },
): Promise<boolean> {
  const { meta } = await db
    .prepare(
      "INSERT INTO runs (tenant, id, name, status, created_at) VALUES (?, ?, ?, 'active', ?) ON CONFLICT DO NOTHING",
    )
    .bind(run.tenant, run.id, run.name, run.createdAt)
    .run();
  return meta.changes > 0;
}

/** Sets status and end, and when it is to be deleted; both are null for a run that lives, and for one that was reopened. Idempotent. */
export async function setRunStatus(
  db: D1Database,
  run: RunName,
  status: RunStatus,
  endedAt: number | null,
  expiresAt: number | null = null,
): Promise<void> {
  await db
    .prepare("UPDATE runs SET status = ?, ended_at = ?, expires_at = ? WHERE tenant = ? AND id = ?")
    .bind(status, endedAt, expiresAt, run.tenant, run.id)
    .run();
}

/** Sets the name, of a run whose row had to be there before it was known. Idempotent. */
export async function setRunName(db: D1Database, run: RunName, name: string | null): Promise<void> {
  await db.prepare("UPDATE runs SET name = ? WHERE tenant = ? AND id = ?").bind(name, run.tenant, run.id).run();
}

/** Runs of a tenant, oldest first, that follow `after`. */
export async function listRuns(
  db: D1Database,
  tenant: string,
  limit: number,
  after?: { readonly createdAt: number; readonly id: string },
): Promise<RunRow[]> {
  const { results } = await db
    .prepare(
      `SELECT id, name, status, created_at, ended_at, expires_at FROM runs
       WHERE tenant = ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?`,
    )
    .bind(tenant, after?.createdAt ?? -1, after?.id ?? "", limit)
    .all<RunRow>();
  return results;
}

/** Runs of all tenants that have not ended, paused ones included, in a fixed order after `after`; for the cron sweep. */
export async function activeRuns(
  db: D1Database,
  limit: number,
  after?: RunName,
): Promise<(RunName & { status: RunStatus })[]> {
  const { results } = await db
    .prepare(
      "SELECT tenant, id, status FROM runs WHERE ended_at IS NULL AND (tenant, id) > (?, ?) ORDER BY tenant, id LIMIT ?",
    )
    .bind(after?.tenant ?? "", after?.id ?? "", limit)
    .all<RunName & { status: RunStatus }>();
  return results;
}

/** Runs of all tenants that are to be deleted by now, the longest due first. */
export async function expiredRuns(db: D1Database, now: number, limit: number): Promise<RunName[]> {
  const { results } = await db
    .prepare("SELECT tenant, id FROM runs WHERE expires_at <= ? ORDER BY expires_at LIMIT ?")
    .bind(now, limit)
    .all<RunName>();
  return results;
}

/** Looks at the run again at that time: it could not be deleted. */
export async function expireAgain(db: D1Database, run: RunName, at: number): Promise<void> {
  await db.prepare("UPDATE runs SET expires_at = ? WHERE tenant = ? AND id = ?").bind(at, run.tenant, run.id).run();
}

/** Gives ended runs that have none a time to be deleted at: `ms` after their end, and not before `earliest`. */
export async function setExpiries(
  db: D1Database,
  { ms, earliest, limit }: { ms: number; earliest: number; limit: number },
): Promise<void> {
  await db
    .prepare(
      `UPDATE runs SET expires_at = max(ended_at + ?, ?) WHERE (tenant, id) IN
       (SELECT tenant, id FROM runs WHERE ended_at IS NOT NULL AND expires_at IS NULL LIMIT ?)`,
    )
    .bind(ms, earliest, limit)
    .run();
}

/**
 * Removes the row; false when there was none. With `createdBefore` only an older one: a young row may be of a run whose
 * object is about to be created.
 */
export async function deleteRun(
  db: D1Database,
  run: RunName,
  createdBefore = Number.MAX_SAFE_INTEGER,
): Promise<boolean> {
  const { meta } = await db
    .prepare("DELETE FROM runs WHERE tenant = ? AND id = ? AND created_at < ?")
    .bind(run.tenant, run.id, createdBefore)
    .run();
  return meta.changes > 0;
}
