/**
 * What tenants have used, by the hour. A run's amounts and the position up to which its log has been metered change in one
 * transaction that names the position it goes on from: what is delivered twice, or by two at once, counts once. A deleted run's position
 * stays, in its next life: what was on its way when the run went would else find none, and count from the beginning.
 */

import { clockSkewMs, dayMs } from "../../limits.ts";
import type { Amounts, OpenLeases, UsageRow } from "../../metering/meter.ts";
import { markHours } from "./billing.ts";
import type { RunName } from "./run-index.ts";
import { countOf, sumOf } from "./sums.ts";
import { isThere } from "./tenants.ts";

/** Up to where a run's log has been metered. */
export interface MeteredTo {
  readonly upto: number;
  readonly open: OpenLeases;
  /** Runs that had this id before, by the same Idempotency-Key, and are deleted. */
  readonly life: number;
}

const columns = [
  ["input_tokens", "inputTokens"],
  ["output_tokens", "outputTokens"],
  ["cache_read_tokens", "cacheReadTokens"],
  ["cache_write_tokens", "cacheWriteTokens"],
  ["nanos", "nanos"],
  ["unpriced_tokens", "unpricedTokens"],
  ["simulated_tokens", "simulatedTokens"],
  ["model_calls", "modelCalls"],
  ["task_ms", "taskMs"],
  ["tasks", "tasks"],
  ["events", "events"],
] as const satisfies readonly (readonly [string, keyof Amounts])[];

const names = columns.map(([name]) => name);

interface PositionRow {
  readonly upto: number;
  readonly open: string;
  readonly life: number;
}

/** Up to where a stretch of it comes, and the time of its last event: no later one is older. 0: nobody knows. */
export interface Stretch extends Omit<MeteredTo, "life"> {
  readonly at: number;
}

/** Nothing of a run is: none has had its id before. */
export const unmetered: MeteredTo = { upto: 0, open: {}, life: 0 };

export async function meteredTo(db: D1Database, name: RunName): Promise<MeteredTo> {
  return positionOf(await selectPosition(db, name).first<PositionRow>());
}

const selectPosition = (db: D1Database, { tenant, id }: RunName): D1PreparedStatement =>
  db.prepare("SELECT upto, open, life FROM usage_positions WHERE tenant = ? AND run = ?").bind(tenant, id);

const positionOf = (row: PositionRow | undefined | null): MeteredTo =>
  row ? { upto: row.upto, open: JSON.parse(row.open) as OpenLeases, life: row.life } : unmetered;

/**
 * Adds the amounts of the events after `from.upto` up to `to.upto`, unless somebody else has gone on from there. Returns up to where the
 * log is metered now, which is not `to` when somebody else has: whoever went on from `to` then would add nothing, and not notice.
 */
export async function addUsage(
  db: D1Database,
  { tenant, id, key }: RunName & { readonly key: string },
  { from, to, rows }: { readonly from: MeteredTo; readonly to: Stretch; readonly rows: readonly UsageRow[] },
): Promise<MeteredTo> {
  const begin = db
    .prepare(
      `INSERT INTO usage_positions (tenant, run, upto, open) SELECT ?1, ?2, 0, '{}' WHERE ${isThere("?1")} ON CONFLICT DO NOTHING`,
    )
    .bind(tenant, id);
  const add = db.prepare(
    `INSERT INTO usage (tenant, hour, run, model, pool, labels, key, ${names.join(", ")})
     SELECT ?, ?, ?, ?, ?, ?, ?, ${names.map(() => "?").join(", ")}
     WHERE EXISTS (SELECT 1 FROM usage_positions WHERE tenant = ? AND run = ? AND upto = ? AND life = ?)
     ON CONFLICT DO UPDATE SET ${names.map((name) => `${name} = ${name} + excluded.${name}`).join(", ")}`,
  );
  const move = db
    .prepare(
      "UPDATE usage_positions SET upto = ?, upto_at = ?, open = ? WHERE tenant = ? AND run = ? AND upto = ? AND life = ?",
    )
    .bind(to.upto, to.at, JSON.stringify(to.open), tenant, id, from.upto, from.life);
  const results = await db.batch<PositionRow>([
    begin,
    ...rows.map((row) =>
      add.bind(
        ...[tenant, row.hour, id, row.model, row.pool, row.labels, key],
        ...columns.map(([, field]) => row[field]),
        ...[tenant, id, from.upto, from.life],
      ),
    ),
    ...markHours(
      db,
      tenant,
      rows.map(({ hour }) => hour),
    ),
    move,
    selectPosition(db, { tenant, id }),
  ]);
  return positionOf(results.at(-1)?.results[0]);
}

/** Whose runs, and of what time: default all tenants', up to now. */
export interface MeterScope {
  readonly tenant?: string;
  /** Only those that may have events of before then (epoch ms) which are not metered. */
  readonly before?: number;
}

/** Runs that may have events which are not metered, in a fixed order from the `skip`th on. */
export async function unmeteredRuns(
  db: D1Database,
  limit: number,
  scope: MeterScope = {},
  skip = 0,
): Promise<UnmeteredRun[]> {
  const { sql, values } = unmeteredOf(scope);
  const { results } = await db
    .prepare(`SELECT tenant, id, writes FROM ${sql} ORDER BY tenant, id LIMIT ? OFFSET ?`)
    .bind(...values, limit, skip)
    .all<UnmeteredRun>();
  return results;
}

export function countUnmetered(db: D1Database, scope: MeterScope = {}): Promise<number> {
  const { sql, values } = unmeteredOf(scope);
  return countOf(db.prepare(`SELECT COUNT(*) AS n FROM ${sql}`).bind(...values));
}

/** Found by an index of them alone. What a run logged before the time of its last metered event is metered, and before it was there it logged nothing. */
function unmeteredOf({ tenant, before }: MeterScope): { sql: string; values: (string | number)[] } {
  const ofTenant = tenant === undefined ? "" : "AND tenant = ?";
  const ofTime = `AND created_at < ? AND NOT EXISTS (SELECT 1 FROM usage_positions
    WHERE usage_positions.tenant = runs.tenant AND usage_positions.run = runs.id AND upto_at >= ?)`;
  return {
    sql: `runs INDEXED BY runs_to_meter WHERE metered = 0 ${ofTenant} ${before === undefined ? "" : ofTime}`,
    values: [
      ...(tenant === undefined ? [] : [tenant]),
      ...(before === undefined ? [] : [before + clockSkewMs, before]),
    ],
  };
}

export interface UnmeteredRun extends RunName {
  /** How many words of a status the index had of it. */
  readonly writes: number;
}

/** One that need not be asked until it says more: it has ended, or is quiet. */
export interface WhollyMetered extends UnmeteredRun {
  readonly isEnded: boolean;
  /** Its newest event. */
  readonly upto: number;
}

/**
 * All of their logs is metered, and they have ended, or have been quiet for a while. A word of theirs (a status that changes, an event
 * after the silence) takes that back, also one that has come since `writes`: what is noted may be late.
 */
export async function noteMetered(db: D1Database, runs: readonly WhollyMetered[]): Promise<void> {
  await db
    .prepare(
      `UPDATE runs SET metered = 1, metered_at = one.upto
       FROM (SELECT json_extract(value, '$.tenant') AS tenant, json_extract(value, '$.id') AS id, json_extract(value, '$.writes') AS word,
                    json_extract(value, '$.isEnded') AS ended, json_extract(value, '$.upto') AS upto
             FROM json_each(?)) AS one
       WHERE runs.tenant = one.tenant AND runs.id = one.id AND (ended_at IS NOT NULL) = one.ended AND writes = one.word`,
    )
    .bind(JSON.stringify(runs))
    .run();
}

export const usageDimensions = ["tenant", "hour", "day", "run", "key", "model", "pool"] as const;
export type UsageDimension = (typeof usageDimensions)[number] | { readonly label: string };

export type UsageSums = Record<(typeof names)[number], number> & { readonly value: string | number };

/**
 * Each tenant that has used anything, found by a seek in the primary key: so that the hours of each are found by it too. An index of the
 * hours would do as well, and cost a write for each row of usage, for a question that the operator asks now and then.
 */
const everyTenant = `WITH RECURSIVE known(one) AS (
  SELECT MIN(tenant) FROM usage
  UNION ALL SELECT (SELECT MIN(tenant) FROM usage WHERE tenant > one) FROM known WHERE one IS NOT NULL
)`;

/** Sums of a tenant's usage, or of all tenants', from `from` up to `to` (epoch ms, whole hours), by a dimension, in its order after `after`. */
export async function sumUsage(
  db: D1Database,
  tenant: string | undefined,
  {
    from,
    to,
    by,
    after,
    limit,
  }: {
    readonly from: number;
    readonly to: number;
    readonly by: UsageDimension;
    readonly after?: string | number;
    readonly limit: number;
  },
): Promise<UsageSums[]> {
  const isLabel = typeof by === "object";
  // A label that a task lacks is the empty text.
  const value = isLabel
    ? "coalesce(CASE WHEN labels = '' THEN NULL ELSE json_extract(labels, ?) END, '')"
    : by === "day"
      ? `hour / ${dayMs} * ${dayMs}`
      : by;
  const path = isLabel ? [`$."${by.label}"`] : [];
  const sums = names.map((name) => `${sumOf(name)} AS ${name}`).join(", ");
  const source = tenant === undefined ? "known CROSS JOIN usage ON tenant = one" : "usage";
  const { results } = await db
    .prepare(
      `${tenant === undefined ? everyTenant : ""} SELECT * FROM (
         SELECT ${value} AS value, ${sums} FROM ${source} WHERE ${tenant === undefined ? "" : "tenant = ? AND"} hour >= ? AND hour < ? GROUP BY 1
       ) WHERE ? IS NULL OR value > ? ORDER BY value LIMIT ?`,
    )
    .bind(...path, ...(tenant === undefined ? [] : [tenant]), from, to, after ?? null, after ?? null, limit)
    .all<UsageSums>();
  return results;
}
