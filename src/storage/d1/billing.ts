/**
 * What tenants are billed for, from usage to a provider's events.
 *
 * E1. An hour's events add up to its usage: a new one is the difference between the two, made in the transaction that reads both.
 *     What is metered late becomes a part of its own; nothing that was made is changed.
 * E2. An hour is looked at again after each addition to its usage: the mark is written with it (usage.ts) and goes with the look.
 * E3. An identifier is made once, with its event. Who sends an event twice sends the same.
 * E4. Those that wait go in the order in which they became due: a new one with the moment at which it is made, one that was put off when
 *     that is over. So what comes after an event is due never stands before it, however much there is of it.
 * E5. Events of hours before a bound that only moves on are dropped, and of such hours, and the one after, none are made: what was told of
 *     them is forgotten, and would be told again, also by a pass that began before another has dropped it.
 */

import { type Meter, meters } from "../../contract/billing.ts";
import type { EventState } from "../../contract/billing-shapes.ts";
import { auditEntry } from "./audit.ts";
import { countOf, sumOf } from "./sums.ts";
import { isLive } from "./tenants.ts";

export interface CustomerRow {
  readonly customer: string;
  readonly since: number;
}

export interface EventRow {
  readonly id: number;
  readonly identifier: string;
  readonly tenant: string;
  readonly hour: number;
  readonly meter: string;
  readonly model: string;
  readonly value: number;
  readonly customer: string;
  readonly state: EventState;
  readonly round: number;
  readonly tries: number;
  readonly doubtful_since: number | null;
  readonly sent_at: number | null;
  readonly error: string | null;
}

const columns =
  "id, identifier, tenant, hour, meter, model, value, customer, state, round, tries, doubtful_since, sent_at, error";

export const customerOf = (db: D1Database, tenant: string): Promise<CustomerRow | null> =>
  db.prepare("SELECT customer, since FROM billing_customers WHERE tenant = ?").bind(tenant).first<CustomerRow>();

/** Of a tenant. Reads all of them. */
export async function countEvents(db: D1Database, tenant: string): Promise<Record<EventState, number>> {
  const { results } = await db
    .prepare("SELECT state, COUNT(*) AS count FROM billing_events WHERE tenant = ? GROUP BY state")
    .bind(tenant)
    .all<{ state: EventState; count: number }>();
  return { waiting: 0, sent: 0, refused: 0, ...Object.fromEntries(results.map(({ state, count }) => [state, count])) };
}

/** Those that wait, of all tenants, found by an index of them alone. */
export const countWaiting = (db: D1Database): Promise<number> =>
  countOf(
    db.prepare("SELECT COUNT(*) AS n FROM billing_events INDEXED BY billing_events_waiting WHERE state = 'waiting'"),
  );

/** What the tenant has used from `since` on is billed to `customer`; what was made before keeps the customer that it was made for. */
export async function setCustomer(
  db: D1Database,
  tenant: string,
  { customer, since }: CustomerRow,
  actor: string,
  now: number,
): Promise<void> {
  const detail = { customer, since };
  const act = { created_at: now, tenant, actor, act: "billing_set", target: tenant, detail } as const;
  await db.batch([
    db
      .prepare(
        `INSERT INTO billing_customers (tenant, customer, since) SELECT ?1, ?2, ?3 WHERE ${isLive("?1")}
         ON CONFLICT DO UPDATE SET customer = excluded.customer, since = excluded.since`,
      )
      .bind(tenant, customer, since),
    // Hours that go on, too: they are made events of when they are over.
    db
      .prepare(
        `INSERT INTO billing_hours (tenant, hour) SELECT DISTINCT tenant, hour FROM usage
         WHERE tenant = ?1 AND hour >= ?2 AND ${isLive("?1")} ON CONFLICT DO NOTHING`,
      )
      .bind(tenant, since),
    auditEntry(db, act),
  ]);
}

/** Nothing more is billed; events that were made stay, and are sent. */
export async function removeCustomer(db: D1Database, tenant: string, actor: string, now: number): Promise<void> {
  const act = { created_at: now, tenant, actor, act: "billing_removed", target: tenant, detail: {} } as const;
  const exists = "SELECT 1 FROM billing_customers WHERE tenant = ?";
  await db.batch([
    auditEntry(db, act, { exists, values: [tenant] }),
    db.prepare("DELETE FROM billing_customers WHERE tenant = ?").bind(tenant),
    db.prepare("DELETE FROM billing_hours WHERE tenant = ?").bind(tenant),
  ]);
}

/** For the transaction that adds usage of these hours. */
export const markHours = (db: D1Database, tenant: string, hours: Iterable<number>): D1PreparedStatement[] =>
  [...new Set(hours)].map((hour) =>
    db
      .prepare(
        `INSERT INTO billing_hours (tenant, hour)
         SELECT tenant, ?2 FROM billing_customers WHERE tenant = ?1 AND since <= ?2 ON CONFLICT DO NOTHING`,
      )
      .bind(tenant, hour),
  );

/** Hours that began before `before` and may have more than their events say, oldest first. */
export async function hoursToBill(
  db: D1Database,
  before: number,
  limit: number,
): Promise<{ tenant: string; hour: number }[]> {
  const { results } = await db
    .prepare("SELECT tenant, hour FROM billing_hours WHERE hour < ? ORDER BY hour, tenant LIMIT ?")
    .bind(before, limit)
    .all<{ tenant: string; hour: number }>();
  return results;
}

/** Those of hours before `before` that are among the `limit` oldest (E5). Events are made after their hours, so the oldest are always dropped in the end. */
export async function dropEvents(db: D1Database, before: number, limit: number): Promise<void> {
  await db
    .prepare("DELETE FROM billing_events WHERE hour < ? AND id IN (SELECT id FROM billing_events ORDER BY id LIMIT ?)")
    .bind(before, limit)
    .run();
}

/** Makes events, due at once, of what an hour's usage is above those that there are; how many. */
export async function makeEvents(
  db: D1Database,
  { tenant, hour }: { readonly tenant: string; readonly hour: number },
  chosen: readonly Meter[],
  now: number,
): Promise<number> {
  const made = await db.batch([
    ...chosen.map((meter) => newEvents(db, tenant, hour, meter, now)),
    db.prepare("DELETE FROM billing_hours WHERE tenant = ? AND hour = ?").bind(tenant, hour),
  ]);
  return made.slice(0, -1).reduce((sum, { meta }) => sum + meta.changes, 0);
}

function newEvents(db: D1Database, tenant: string, hour: number, meter: Meter, now: number): D1PreparedStatement {
  const { amount, byModel } = meters[meter];
  // Of task_ms whole seconds: the sum is divided, so a rest is no more than one a tenant and hour.
  const [column, divisor] = amount.split(" / ");
  const total = `${sumOf(column!)}${divisor ? ` / ${divisor}` : ""}`;
  return db
    .prepare(
      `INSERT INTO billing_events (identifier, tenant, hour, meter, model, part, value, total, customer, state, next_at)
       SELECT 'hdl-' || lower(hex(randomblob(16))), ?1, ?2, ?3, used.model, coalesce(told.part, 0) + 1,
              used.total - coalesce(told.total, 0), used.total, customers.customer, 'waiting', ?4
       FROM (SELECT ${byModel ? "model" : "''"} AS model, ${total} AS total
             FROM usage WHERE tenant = ?1 AND hour = ?2 GROUP BY 1) AS used
       JOIN billing_customers AS customers ON customers.tenant = ?1 AND customers.since <= ?2
       LEFT JOIN (SELECT model, MAX(part) AS part, MAX(total) AS total
                  FROM billing_events WHERE tenant = ?1 AND hour = ?2 AND meter = ?3 GROUP BY model) AS told
         ON told.model = used.model
       WHERE used.total > coalesce(told.total, 0)`,
    )
    .bind(tenant, hour, meter, now);
}

/** Takes events that are due, the longest due first (E4), so that nobody else sends them until `until`. From now on each is in doubt, until it is settled. */
export async function claimEvents(
  db: D1Database,
  { now, until, limit }: { readonly now: number; readonly until: number; readonly limit: number },
): Promise<EventRow[]> {
  const { results } = await db
    .prepare(
      `UPDATE billing_events SET next_at = ?1, tries = tries + 1, doubtful_since = coalesce(doubtful_since, ?2)
       WHERE id IN (SELECT id FROM billing_events WHERE state = 'waiting' AND next_at <= ?2 ORDER BY next_at, id LIMIT ?3)
       RETURNING ${columns}`,
    )
    .bind(until, now, limit)
    .all<EventRow>();
  return results.sort((a, b) => a.id - b.id);
}

/** What became of an event that was taken to be sent. */
export type Fate =
  | { readonly kind: "sent" }
  | { readonly kind: "refused"; readonly error: string }
  /** `isDoubtful`: it may have been taken. */
  | { readonly kind: "later"; readonly at: number; readonly error: string; readonly isDoubtful: boolean };

export async function settleEvents(
  db: D1Database,
  fates: readonly (readonly [EventRow, Fate])[],
  now: number,
): Promise<void> {
  if (fates.length === 0) return;
  await db.batch(fates.map(([event, fate]) => settle(db, event, fate, now)));
}

/** Whoever was slow changes nothing of what another has settled. */
function settle(db: D1Database, { id }: EventRow, fate: Fate, now: number): D1PreparedStatement {
  switch (fate.kind) {
    case "sent":
      return db
        .prepare("UPDATE billing_events SET state = 'sent', sent_at = ?, error = NULL WHERE id = ? AND state <> 'sent'")
        .bind(now, id);
    case "refused":
      return db
        .prepare("UPDATE billing_events SET state = 'refused', error = ? WHERE id = ? AND state = 'waiting'")
        .bind(fate.error, id);
    case "later":
      return db
        .prepare(
          `UPDATE billing_events SET next_at = ?1, error = ?2, doubtful_since = CASE WHEN ?3 THEN doubtful_since END
           WHERE id = ?4 AND state = 'waiting'`,
        )
        .bind(fate.at, fate.error, fate.isDoubtful ? 1 : 0, id);
  }
}

/** Those that were refused are to be sent again, for the customer that the tenant has now. How many. */
export async function retryEvents(db: D1Database, tenant: string | undefined, now: number): Promise<number> {
  const whose = tenant === undefined ? "" : "AND tenant = ?2";
  const { meta } = await db
    .prepare(
      `UPDATE billing_events SET state = 'waiting', round = round + 1, next_at = ?1, tries = 0, doubtful_since = NULL, error = NULL,
         customer = coalesce((SELECT customer FROM billing_customers AS c WHERE c.tenant = billing_events.tenant), customer)
       WHERE state = 'refused' ${whose}`,
    )
    .bind(now, ...(tenant === undefined ? [] : [tenant]))
    .run();
  return meta.changes;
}

/** Events in the order in which they were made, that follow `after`. */
export async function listEvents(
  db: D1Database,
  { tenant, state, after, limit }: { tenant?: string; state?: EventState; after: number; limit: number },
): Promise<EventRow[]> {
  const { results } = await db
    .prepare(
      `SELECT ${columns} FROM billing_events
       WHERE id > ? ${tenant === undefined ? "" : "AND tenant = ?"} ${state === undefined ? "" : "AND state = ?"}
       ORDER BY id LIMIT ?`,
    )
    .bind(after, ...(tenant === undefined ? [] : [tenant]), ...(state === undefined ? [] : [state]), limit)
    .all<EventRow>();
  return results;
}
