/** API keys in D1, found by their SHA-256. A revoked key is kept, so that lists show when it ended, and is never found. */

import type { Scope } from "../../contract/admin-requests.ts";

export interface KeyRow {
  readonly id: string;
  readonly name: string | null;
  readonly scopes: Scope[];
  readonly created_at: number;
  readonly revoked_at: number | null;
}

type Stored = Omit<KeyRow, "scopes"> & { readonly scopes: string };

/** Whom a key belongs to and what it may do; undefined when it is unknown or revoked. */
export async function findKey(db: D1Database, hash: string): Promise<{ tenant: string; scopes: Scope[] } | undefined> {
  const row = await db
    .prepare("SELECT tenant, scopes FROM api_keys WHERE hash = ? AND revoked_at IS NULL")
    .bind(hash)
    .first<{ tenant: string; scopes: string }>();
  return row ? { tenant: row.tenant, scopes: JSON.parse(row.scopes) as Scope[] } : undefined;
}

export const insertKey = (db: D1Database, tenant: string, hash: string, key: KeyRow): D1PreparedStatement =>
  db
    .prepare("INSERT INTO api_keys (hash, id, tenant, name, scopes, created_at) VALUES (?, ?, ?, ?, ?, ?)")
    .bind(hash, key.id, tenant, key.name, JSON.stringify(key.scopes), key.created_at);

/** Keys of a tenant that are not revoked. */
export async function countLiveKeys(db: D1Database, tenant: string): Promise<number> {
  const row = await db
    .prepare("SELECT COUNT(*) AS n FROM api_keys WHERE tenant = ? AND revoked_at IS NULL")
    .bind(tenant)
    .first<{ n: number }>();
  return row?.n ?? 0;
}

/** Keys of a tenant, oldest first, that follow `after`; revoked ones included. */
export async function listKeys(
  db: D1Database,
  tenant: string,
  limit: number,
  after?: { readonly createdAt: number; readonly id: string },
): Promise<KeyRow[]> {
  const { results } = await db
    .prepare(
      `SELECT id, name, scopes, created_at, revoked_at FROM api_keys
       WHERE tenant = ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?`,
    )
    .bind(tenant, after?.createdAt ?? -1, after?.id ?? "", limit)
    .all<Stored>();
  return results.map((row) => ({ ...row, scopes: JSON.parse(row.scopes) as Scope[] }));
}

/** Revokes a key as of now; the first time counts. False when the tenant has no such key. */
export async function revokeKey(db: D1Database, tenant: string, id: string, now: number): Promise<boolean> {
  const { meta } = await db
    .prepare("UPDATE api_keys SET revoked_at = COALESCE(revoked_at, ?) WHERE tenant = ? AND id = ?")
    .bind(now, tenant, id)
    .run();
  return meta.changes > 0;
}
