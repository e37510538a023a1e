/** Tenants' credentials at model providers, in D1: what anybody may see of them, and the sealed key. */

import type { Format } from "../../context/types.ts";
import { countOf } from "./sums.ts";
import { isLive } from "./tenants.ts";

/** `mcp`: for an MCP server, and no model's. */
type CredentialFormat = Format | "mcp";

export interface CredentialRow {
  readonly name: string;
  readonly format: CredentialFormat;
  readonly base_url: string | null;
  readonly model: string | null;
  readonly default: boolean;
  readonly last4: string;
  readonly created_at: number;
  readonly updated_at: number;
}

interface SealedKey {
  readonly sealed: string;
  readonly sealed_by: string;
}

export type SealedCredential = Pick<CredentialRow, "name" | "format" | "base_url"> & SealedKey;

/** What the key is sealed for: whoever could write to the table still could not have it sent elsewhere. */
export const boundTo = (
  tenant: string,
  { name, format, base_url }: Pick<CredentialRow, "name" | "format" | "base_url">,
): readonly string[] => [tenant, name, format, base_url ?? ""];

const columns = "name, format, base_url, model, is_default, last4, created_at, updated_at";
type Stored = Omit<CredentialRow, "default"> & { readonly is_default: number };
const rowOf = ({ is_default, ...row }: Stored): CredentialRow => ({ ...row, default: is_default === 1 });

/**
 * Sets a credential: its key, and all else. `isDefault` undefined: as it was, and a new one is its format's default when there
 * is none. To be batched in this order.
 */
export const putCredential = (
  db: D1Database,
  tenant: string,
  row: Omit<CredentialRow, "default" | "created_at"> & SealedKey,
  isDefault: boolean | undefined,
): D1PreparedStatement[] => {
  const { name, format, base_url, model, last4, sealed, sealed_by, updated_at } = row;
  const put = db
    .prepare(
      `INSERT INTO credentials (tenant, name, format, base_url, model, is_default, last4, sealed, sealed_by, created_at, updated_at)
       SELECT ?1, ?2, ?3, ?4, ?5, COALESCE(?6,
         (SELECT is_default FROM credentials WHERE tenant = ?1 AND name = ?2 AND format = ?3),
         NOT EXISTS (SELECT 1 FROM credentials WHERE tenant = ?1 AND format = ?3 AND name <> ?2 AND is_default = 1)
       ), ?7, ?8, ?9, ?10, ?10 WHERE ${isLive("?1")}
       ON CONFLICT (tenant, name) DO UPDATE SET format = excluded.format, base_url = excluded.base_url,
         model = excluded.model, is_default = excluded.is_default, last4 = excluded.last4, sealed = excluded.sealed,
         sealed_by = excluded.sealed_by, updated_at = excluded.updated_at`,
    )
    .bind(
      ...[tenant, name, format, base_url, model],
      ...[isDefault === undefined ? null : Number(isDefault), last4, sealed, sealed_by, updated_at],
    );
  if (!isDefault) return [put];
  const others =
    "UPDATE credentials SET is_default = 0 WHERE tenant = ? AND format = ? AND name <> ? AND is_default = 1";
  return [db.prepare(others).bind(tenant, format, name), put];
};

/** Credentials of a tenant by name, those that follow `after`. */
export async function listCredentials(
  db: D1Database,
  tenant: string,
  limit: number,
  after = "",
): Promise<CredentialRow[]> {
  const { results } = await db
    .prepare(`SELECT ${columns} FROM credentials WHERE tenant = ? AND name > ? ORDER BY name LIMIT ?`)
    .bind(tenant, after, limit)
    .all<Stored>();
  return results.map(rowOf);
}

export async function findCredential(db: D1Database, tenant: string, name: string): Promise<CredentialRow | undefined> {
  const row = await db
    .prepare(`SELECT ${columns} FROM credentials WHERE tenant = ? AND name = ?`)
    .bind(tenant, name)
    .first<Stored>();
  return row ? rowOf(row) : undefined;
}

/** The tenant's default for each format that has one. */
export async function defaultCredentials(db: D1Database, tenant: string): Promise<CredentialRow[]> {
  const { results } = await db
    .prepare(`SELECT ${columns} FROM credentials WHERE tenant = ? AND is_default = 1`)
    .bind(tenant)
    .all<Stored>();
  return results.map(rowOf);
}

export const countCredentials = (db: D1Database, tenant: string): Promise<number> =>
  countOf(db.prepare("SELECT COUNT(*) AS n FROM credentials WHERE tenant = ?").bind(tenant));

export const deleteCredential = (db: D1Database, tenant: string, name: string): D1PreparedStatement =>
  db.prepare("DELETE FROM credentials WHERE tenant = ? AND name = ?").bind(tenant, name);

/** The sealed key with what it is bound to: for a seat. */
export const sealedCredential = (db: D1Database, tenant: string, name: string): Promise<SealedCredential | null> =>
  db
    .prepare("SELECT name, format, base_url, sealed, sealed_by FROM credentials WHERE tenant = ? AND name = ?")
    .bind(tenant, name)
    .first<SealedCredential>();

/** Credentials of all tenants that another secret than this one sealed, in a fixed order after `after`. */
export async function sealedByOthers(
  db: D1Database,
  secretId: string,
  limit: number,
  after?: { readonly tenant: string; readonly name: string },
): Promise<(SealedCredential & { readonly tenant: string })[]> {
  const { results } = await db
    .prepare(
      `SELECT tenant, name, format, base_url, sealed, sealed_by FROM credentials
       WHERE (tenant, name) > (?, ?) AND sealed_by <> ? ORDER BY tenant, name LIMIT ?`,
    )
    .bind(after?.tenant ?? "", after?.name ?? "", secretId, limit)
    .all<SealedCredential & { tenant: string }>();
  return results;
}

/** Replaces a sealed key by the same one sealed anew; false when it was set to another meanwhile. */
export async function resealCredential(
  db: D1Database,
  old: { readonly tenant: string; readonly name: string; readonly sealed: string },
  { sealed, sealed_by }: SealedKey,
): Promise<boolean> {
  const { meta } = await db
    .prepare("UPDATE credentials SET sealed = ?, sealed_by = ? WHERE tenant = ? AND name = ? AND sealed = ?")
    .bind(sealed, sealed_by, old.tenant, old.name, old.sealed)
    .run();
  return meta.changes > 0;
}
