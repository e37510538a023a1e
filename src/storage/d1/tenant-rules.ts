/**
 * Rules of tenants in D1, and which of their live runs are not held to them yet.
 *
 * Every change is a version more, taking them away too. A run's row has the version that the run was created with, or was given
 * since: whatever breaks off, one that is behind stays known, and a visit more is harmless.
 */

import type { RunName } from "./run-index.ts";
import { countOf } from "./sums.ts";
import { isLive } from "./tenants.ts";

export interface TenantRulesRow {
  /** 0: there never were any. */
  readonly version: number;
  /** Markdown; null: none. */
  readonly rules: string | null;
  readonly updated_at: number | null;
}

const none: TenantRulesRow = { version: 0, rules: null, updated_at: null };

export async function findTenantRules(db: D1Database, tenant: string): Promise<TenantRulesRow> {
  const row = await db
    .prepare("SELECT version, rules, updated_at FROM tenant_rules WHERE tenant = ?")
    .bind(tenant)
    .first<TenantRulesRow>();
  return row ?? none;
}

/** Sets them, or with null takes them away. */
export const putTenantRules = (
  db: D1Database,
  tenant: string,
  rules: string | null,
  now: number,
): D1PreparedStatement =>
  db
    .prepare(
      `INSERT INTO tenant_rules (tenant, version, rules, updated_at) SELECT ?1, 1, ?2, ?3 WHERE ${isLive("?1")}
       ON CONFLICT (tenant) DO UPDATE SET version = version + 1, rules = ?2, updated_at = ?3`,
    )
    .bind(tenant, rules, now);

/** A live run, and the version that its tenant's rules have. */
export interface BehindRow extends RunName {
  readonly version: number;
}

/** Live runs that are behind, of all tenants, in the order of (tenant, id) after `after`. */
export async function runsBehind(db: D1Database, limit: number, after?: RunName): Promise<BehindRow[]> {
  const { results } = await db
    .prepare(
      `SELECT runs.tenant, runs.id, tenant_rules.version FROM tenant_rules
       JOIN runs ON runs.tenant = tenant_rules.tenant
       WHERE ended_at IS NULL AND rules_version < tenant_rules.version AND (runs.tenant, runs.id) > (?, ?)
       ORDER BY runs.tenant, runs.id LIMIT ?`,
    )
    .bind(after?.tenant ?? "", after?.id ?? "", limit)
    .all<BehindRow>();
  return results;
}

/** Those of one tenant. */
export async function runsBehindOf(db: D1Database, tenant: string, version: number, limit: number): Promise<RunName[]> {
  const { results } = await db
    .prepare(
      `SELECT tenant, id FROM runs WHERE tenant = ? AND ended_at IS NULL AND rules_version < ? ORDER BY rules_version, id LIMIT ?`,
    )
    .bind(tenant, version, limit)
    .all<RunName>();
  return results;
}

export const countRunsBehind = (db: D1Database, tenant: string, version: number): Promise<number> =>
  countOf(
    db
      .prepare("SELECT COUNT(*) AS n FROM runs WHERE tenant = ? AND ended_at IS NULL AND rules_version < ?")
      .bind(tenant, version),
  );

/** The runs are held to those versions, or later ones. */
export async function markHeld(db: D1Database, rows: readonly BehindRow[]): Promise<void> {
  await db
    .prepare(
      `UPDATE runs SET rules_version = one.version
       FROM (SELECT json_extract(value, '$.tenant') AS tenant, json_extract(value, '$.id') AS id,
                    json_extract(value, '$.version') AS version FROM json_each(?)) AS one
       WHERE runs.tenant = one.tenant AND runs.id = one.id AND rules_version < one.version`,
    )
    .bind(JSON.stringify(rows))
    .run();
}
