/**
 * The index of runs in D1: what lists show and what the cron sweep visits.
 *
 * A row is inserted before its run's object is created and removed after the object is deleted, so that every object that
 * exists has a row; a row without an object is found by the sweep (the object answers `not_found`) and deleted.
 *
 * X1. Each word of a status is counted. A word that a run has ended is compared with the run's object once, by the sweep, after it
 *     was written: a live run whose newest word was overtaken by an older one would be visited by nobody else.
 * X2. A run's object says its word again whenever it is loaded, which a deployment's is with each visit: that is no new one. Else each
 *     visit of a run that has ended would ask for the next, for as long as the run is kept.
 */

import type { RunStatus } from "../../contract/shapes.ts";
import { Fault } from "../../errors/fault.ts";
import { runsQuotaRetryS } from "../../limits.ts";
import { countOf } from "./sums.ts";
import { isLive } from "./tenants.ts";

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

/** By the index of live ones, which is not what the database takes by itself: it would read all runs that the tenant ever had. */
const countLive = (tenant: string): string =>
  `SELECT COUNT(*) AS n FROM runs INDEXED BY runs_live WHERE tenant = ${tenant} AND ended_at IS NULL`;

/**
 * Inserts an active run; false when there already is a row of that id, which is left as it is.
 * `rulesVersion`: of the tenant's rules that it will be created with. `quota`: how many live ones the tenant may have, this one included.
 * @throws Fault quota_exceeded; unauthorized when the tenant is being deleted
 */
export async function insertRun(
  db: D1Database,
  run: RunName & { readonly name: string | null; readonly createdAt: number; readonly rulesVersion?: number },
  quota = Number.MAX_SAFE_INTEGER,
): Promise<boolean> {
  const { meta } = await db
    .prepare(
      `INSERT INTO runs (tenant, id, name, status, created_at, rules_version)
       SELECT ?1, ?2, ?3, 'active', ?4, ?6 WHERE ${isLive("?1")}
       AND (?5 = ${Number.MAX_SAFE_INTEGER} OR ?5 > (${countLive("?1")}))
       ON CONFLICT DO NOTHING`,
    )
    .bind(run.tenant, run.id, run.name, run.createdAt, quota, run.rulesVersion ?? 0)
    .run();
  if (meta.changes > 0) return true;
  const there = await db.prepare("SELECT 1 FROM runs WHERE tenant = ? AND id = ?").bind(run.tenant, run.id).first();
  if (there) return false;
  const gone = await db
    .prepare("SELECT 1 FROM tenants WHERE id = ? AND deleting_at IS NOT NULL")
    .bind(run.tenant)
    .first();
  if (gone) throw new Fault("unauthorized", "the key's tenant is being deleted");
  throw tooManyLive(quota);
}

const tooManyLive = (quota: number): Fault =>
  Fault.of({
    code: "quota_exceeded",
    detail: `runs: ${quota} may live at once, and as many do`,
    retryAfterS: runsQuotaRetryS,
  });

/**
 * A run that may be about to be reopened counts as a live one from now on, in the statement that looks whether there is room, so that
 * of two at once one is refused. `reserved`: that made a difference, and the caller has to say what became of it (`setRunStatus`);
 * `needless`: it counts already, or there is no such run; the fault: it has ended, and there is no room.
 */
export async function reserveLive(
  db: D1Database,
  { tenant, id }: RunName,
  quota: number,
): Promise<"reserved" | "needless" | Fault> {
  const { meta } = await db
    .prepare(
      `UPDATE runs SET status = 'active', ended_at = NULL, expires_at = NULL, metered = 0, writes = writes + 1
       WHERE tenant = ?1 AND id = ?2 AND ended_at IS NOT NULL AND ?3 > (${countLive("?1")})`,
    )
    .bind(tenant, id, quota)
    .run();
  if (meta.changes > 0) return "reserved";
  const ended = await db
    .prepare("SELECT 1 FROM runs WHERE tenant = ? AND id = ? AND ended_at IS NOT NULL")
    .bind(tenant, id)
    .first();
  return ended ? tooManyLive(quota) : "needless";
}

/**
 * Sets status and end, and when it is to be deleted; both are null for a run that lives, and for one that was reopened. Idempotent.
 * A word that says nothing new (X2) writes nothing, unless the run's log goes on to `seq` and is not metered up to there.
 */
export async function setRunStatus(
  db: D1Database,
  run: RunName,
  status: RunStatus,
  endedAt: number | null,
  expiresAt: number | null = null,
  seq = 0,
): Promise<void> {
  await db
    .prepare(
      `UPDATE runs SET status = ?1, ended_at = ?2, expires_at = ?3, metered = 0, writes = writes + 1
       WHERE tenant = ?4 AND id = ?5 AND (status IS NOT ?1 OR ended_at IS NOT ?2 OR expires_at IS NOT ?3 OR metered = 1 AND ?6 >
         coalesce((SELECT upto FROM usage_positions WHERE usage_positions.tenant = ?4 AND usage_positions.run = ?5), 0))`,
    )
    .bind(status, endedAt, expiresAt, run.tenant, run.id, seq)
    .run();
}

/**
 * A live run has logged something after it may have been noted to be quiet (usage.ts, `noteMetered`): the meter asks it again. Always a word
 * that is counted, so that a note of before which comes later does not hold.
 */
export async function setRunAwake(db: D1Database, { tenant, id }: RunName): Promise<void> {
  await db
    .prepare("UPDATE runs SET metered = 0, writes = writes + 1 WHERE tenant = ? AND id = ? AND ended_at IS NULL")
    .bind(tenant, id)
    .run();
}

/**
 * Sets name and age of an imported run, whose row had to be there before they were known: as the run itself tells them, or it would have
 * ended before it began. Where the import took so long that the sweep has taken its row for an orphan, it is there again. Idempotent.
 */
export async function setImportedRow(
  db: D1Database,
  { tenant, id }: RunName,
  { name, created_at: createdAt, status, ended_at: endedAt, expires_at: expiresAt }: Omit<RunRow, "id">,
): Promise<void> {
  await db
    .prepare(
      `INSERT INTO runs (tenant, id, name, created_at, status, ended_at, expires_at)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE ${isLive("?1")}
       ON CONFLICT DO UPDATE SET name = excluded.name, created_at = excluded.created_at`,
    )
    .bind(tenant, id, name, createdAt, status, endedAt, expiresAt)
    .run();
}

/** The same for the sweep, where the import's door did not come to it: a row that is gone by now, since the run was deleted, stays so. */
export async function setNameAndAge(
  db: D1Database,
  { tenant, id }: RunName,
  { name, created_at: createdAt }: Pick<RunRow, "name" | "created_at">,
): Promise<void> {
  await db
    .prepare("UPDATE runs SET name = ?, created_at = ? WHERE tenant = ? AND id = ?")
    .bind(name, createdAt, tenant, id)
    .run();
}

/** Every status that there is, which the compiler sees to: a list of all merges what there is of each. */
const statuses = Object.keys({
  active: true,
  paused: true,
  succeeded: true,
  failed: true,
  cancelled: true,
} satisfies Record<RunStatus, true>) as RunStatus[];

/** Which runs a list has. */
export interface RunsListed {
  readonly status?: RunStatus;
  readonly name?: string;
  /** Created from then on, and before then; epoch milliseconds. */
  readonly from?: number;
  readonly to?: number;
  readonly newestFirst?: boolean;
}

/**
 * Runs of a tenant, oldest first, or newest first, that follow `after` in that order. Reads about as many rows as it answers, and one for
 * each status: both indexes have the status before the age, so a list of any status merges those of each. (D1 merges five at most.)
 */
export async function listRuns(
  db: D1Database,
  tenant: string,
  limit: number,
  after?: { readonly createdAt: number; readonly id: string },
  { status, name, from, to, newestFirst = false }: RunsListed = {},
): Promise<RunRow[]> {
  const way = newestFirst ? "DESC" : "ASC";
  // One bound for each side, or the index would be read along what the other leaves out.
  const isWithin = !after || (newestFirst ? to === undefined || after.createdAt < to : after.createdAt >= (from ?? 0));
  const [place, since, until] =
    !after || !isWithin ? [undefined, from, to] : newestFirst ? [after, from] : [after, undefined, to];
  const ofStatus = (one: RunStatus): string =>
    `SELECT id, name, status, created_at, ended_at, expires_at FROM runs INDEXED BY ${name === undefined ? "runs_by_age" : "runs_by_name"}
     WHERE tenant = ?1 AND status = '${one}' ${name === undefined ? "" : "AND name = ?2"}
     ${place ? `AND (created_at, id) ${newestFirst ? "<" : ">"} (?3, ?4)` : ""}
     ${since === undefined ? "" : "AND created_at >= ?5"} ${until === undefined ? "" : "AND created_at < ?6"}`;
  const { results } = await db
    .prepare(
      `${(status === undefined ? statuses : [status]).map(ofStatus).join(" UNION ALL ")}
       ORDER BY created_at ${way}, id ${way} LIMIT ?7`,
    )
    .bind(tenant, name ?? null, place?.createdAt ?? null, place?.id ?? null, since ?? null, until ?? null, limit)
    .all<RunRow>();
  return results;
}

/** Those that its quota of runs counts. */
export const countLiveRuns = (db: D1Database, tenant: string): Promise<number> =>
  countOf(db.prepare(countLive("?1")).bind(tenant));

/** Of one tenant, whatever their status. */
export const countRuns = (db: D1Database, tenant: string): Promise<number> =>
  countOf(db.prepare("SELECT COUNT(*) AS n FROM runs WHERE tenant = ?").bind(tenant));

/** A row as the sweep visits it. */
export interface SweptRow extends RunName {
  readonly name: string | null;
  readonly created_at: number;
  readonly status: RunStatus;
  readonly ended_at: number | null;
  /** Of its status, so far. */
  readonly writes: number;
  /** Of a live one that the meter passes over: it was quiet, and metered up to this event. */
  readonly quiet_at: number | null;
}

/** Runs of all tenants that have not ended, paused ones included, in a fixed order after `after`; for the cron sweep. */
export const activeRuns = (db: D1Database, limit: number, after?: RunName): Promise<SweptRow[]> =>
  sweptRows(db, "ended_at IS NULL", limit, after);

/** Runs of all tenants that have ended, as was written since somebody compared it (X1); in the same order. */
export const uncheckedRuns = (db: D1Database, limit: number, after?: RunName): Promise<SweptRow[]> =>
  sweptRows(db, "ended_at IS NOT NULL AND checked < writes", limit, after);

async function sweptRows(db: D1Database, which: string, limit: number, after: RunName | undefined) {
  const { results } = await db
    .prepare(
      `SELECT tenant, id, name, created_at, status, ended_at, writes, CASE WHEN metered = 1 AND ended_at IS NULL THEN metered_at END AS quiet_at FROM runs
       WHERE ${which} AND (tenant, id) > (?, ?) ORDER BY tenant, id LIMIT ?`,
    )
    .bind(after?.tenant ?? "", after?.id ?? "", limit)
    .all<SweptRow>();
  return results;
}

/** The words that these rows have are their runs' own (X1); what was written since is not meant. */
export async function markChecked(db: D1Database, rows: readonly SweptRow[]): Promise<void> {
  await db
    .prepare(
      `UPDATE runs SET checked = one.word
       FROM (SELECT json_extract(value, '$.tenant') AS tenant, json_extract(value, '$.id') AS id,
                    json_extract(value, '$.writes') AS word FROM json_each(?)) AS one
       WHERE runs.tenant = one.tenant AND runs.id = one.id AND checked < one.word`,
    )
    .bind(JSON.stringify(rows))
    .run();
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
  const [row] = await db.batch([
    db
      .prepare("DELETE FROM runs WHERE tenant = ? AND id = ? AND created_at < ?")
      .bind(run.tenant, run.id, createdBefore),
    // Another run may get the id, by the same Idempotency-Key: its log begins anew. What was used stays.
    db
      .prepare(
        `UPDATE usage_positions SET upto = 0, upto_at = 0, open = '{}', life = life + 1 WHERE tenant = ? AND run = ? AND upto > 0
         AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.tenant = usage_positions.tenant AND runs.id = usage_positions.run)`,
      )
      .bind(run.tenant, run.id),
  ]);
  return row!.meta.changes > 0;
}
