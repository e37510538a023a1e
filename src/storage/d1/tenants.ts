/** Tenants in D1, and what D1 itself does when one is deleted. */

import type { Quotas } from "../../contract/admin-requests.ts";
import { auditEntry } from "./audit.ts";

export interface TenantRow {
  readonly id: string;
  /** Empty once it is deleted. */
  readonly name: string;
  readonly created_at: number;
  readonly deleting_at: number | null;
  readonly deleted_at: number | null;
  /** JSON of Quotas; null: none. */
  readonly quotas: string | null;
}

const columns = "id, name, created_at, deleting_at, deleted_at, quotas";

export const insertTenant = (
  db: D1Database,
  tenant: Pick<TenantRow, "id" | "name" | "created_at">,
): D1PreparedStatement =>
  db
    .prepare("INSERT INTO tenants (id, name, created_at) VALUES (?, ?, ?)")
    .bind(tenant.id, tenant.name, tenant.created_at);

export const findTenant = (db: D1Database, id: string): Promise<TenantRow | null> =>
  db.prepare(`SELECT ${columns} FROM tenants WHERE id = ?`).bind(id).first<TenantRow>();

export const setQuotas = (db: D1Database, tenant: string, quotas: Quotas): D1PreparedStatement =>
  db.prepare("UPDATE tenants SET quotas = ? WHERE id = ?").bind(JSON.stringify(quotas), tenant);

/** Those of a tenant; of one that is not there, none. */
export async function quotasOf(db: D1Database, tenant: string): Promise<Quotas> {
  const row = await db
    .prepare("SELECT quotas FROM tenants WHERE id = ?")
    .bind(tenant)
    .first<{ quotas: string | null }>();
  return JSON.parse(row?.quotas ?? "{}") as Quotas;
}

/** JSON of its own prices, as its runs take it along; null: it has none. */
export async function pricesOf(db: D1Database, tenant: string): Promise<string | null> {
  const row = await db
    .prepare("SELECT prices FROM tenants WHERE id = ?")
    .bind(tenant)
    .first<{ prices: string | null }>();
  return row?.prices ?? null;
}

export const setPrices = (db: D1Database, tenant: string, prices: string | null): D1PreparedStatement =>
  db.prepare("UPDATE tenants SET prices = ? WHERE id = ?").bind(prices, tenant);

/** What its runs have stored. */
export async function setStoredBytes(db: D1Database, tenant: string, bytes: number): Promise<void> {
  await db.prepare("UPDATE tenants SET stored_bytes = ? WHERE id = ?").bind(bytes, tenant).run();
}

/** Tenants that are not deleted yet, oldest first, that follow `after`. */
export async function listTenants(
  db: D1Database,
  limit: number,
  after?: { readonly createdAt: number; readonly id: string },
): Promise<TenantRow[]> {
  const { results } = await db
    .prepare(
      `SELECT ${columns} FROM tenants
       WHERE deleted_at IS NULL AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?`,
    )
    .bind(after?.createdAt ?? -1, after?.id ?? "", limit)
    .all<TenantRow>();
  return results;
}

/** For a statement's WHERE, with the tenant as parameter `?n`: nothing is inserted for one that is being deleted. */
export const isLive = (parameter: string): string =>
  `NOT EXISTS (SELECT 1 FROM tenants WHERE id = ${parameter} AND deleting_at IS NOT NULL)`;

/**
 * As `isLive`, and true until a deletion is done: for what is delivered in its course, and is dropped at its end. What comes later still,
 * of work that was under way, would stay for ever.
 */
export const isThere = (parameter: string): string =>
  `NOT EXISTS (SELECT 1 FROM tenants WHERE id = ${parameter} AND deleted_at IS NOT NULL)`;

/** Tables whose rows of a tenant go with it, by their column `tenant`. Runs go by their objects, the audit log last. */
export const tablesOfTenants = [
  "api_keys",
  "billing_customers",
  "billing_events",
  "billing_hours",
  "credentials",
  "idempotency",
  "sweep_failures",
  "tenant_rules",
  "usage",
  "usage_positions",
] as const;

const dropRows = (db: D1Database, tenant: string): D1PreparedStatement[] =>
  tablesOfTenants.map((table) => db.prepare(`DELETE FROM ${table} WHERE tenant = ?`).bind(tenant));

/** The tenant is gone for all who have its keys, from now on; the first time counts. */
export async function beginTenantDeletion(db: D1Database, tenant: string, actor: string, now: number): Promise<void> {
  const act = { created_at: now, tenant, actor, act: "tenant_deleted", target: tenant, detail: {} } as const;
  await db.batch([
    auditEntry(db, act),
    db.prepare("UPDATE tenants SET deleting_at = ? WHERE id = ? AND deleting_at IS NULL").bind(now, tenant),
    ...dropRows(db, tenant),
  ]);
}

/** Nothing of it is left but the row that says so, and its last entry in the audit log. */
export async function endTenantDeletion(db: D1Database, tenant: string, now: number): Promise<void> {
  await db.batch([
    ...dropRows(db, tenant),
    db.prepare("DELETE FROM audit WHERE tenant = ? AND act <> 'tenant_deleted'").bind(tenant),
    db
      .prepare(
        "UPDATE tenants SET deleted_at = ?, name = '', quotas = NULL, prices = NULL WHERE id = ? AND deleted_at IS NULL",
      )
      .bind(now, tenant),
  ]);
}

/** Tenants whose deletion has begun and is not done. */
export async function tenantsToDelete(db: D1Database, limit: number): Promise<string[]> {
  const { results } = await db
    .prepare("SELECT id FROM tenants WHERE deleting_at IS NOT NULL AND deleted_at IS NULL ORDER BY id LIMIT ?")
    .bind(limit)
    .all<{ id: string }>();
  return results.map(({ id }) => id);
}
