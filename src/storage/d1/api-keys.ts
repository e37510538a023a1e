/**
 * API keys in D1, found by their SHA-256. One that was revoked or has expired is kept, so that lists show when it ended.
 *
 * A key is looked up by the hash of what was sent, in an index: how long that takes tells something about hashes, and nothing
 * about keys, since nobody can choose a key by its hash.
 */

import type { Quotas, Scope } from "../../contract/admin-requests.ts";
import { keyUsedEveryMs } from "../../limits.ts";
import { countOf } from "./sums.ts";
import { isLive } from "./tenants.ts";

export interface KeyRow {
  readonly id: string;
  readonly name: string | null;
  readonly scopes: Scope[];
  readonly created_at: number;
  readonly expires_at: number | null;
  /** To the minute. */
  readonly last_used_at: number | null;
  readonly revoked_at: number | null;
  /** The key that it was rotated to. */
  readonly replaced_by: string | null;
}

type Stored = Omit<KeyRow, "scopes"> & { readonly scopes: string };

const columns = "id, name, scopes, created_at, expires_at, last_used_at, revoked_at, replaced_by";

const rowOf = <Row extends { readonly scopes: string }>(row: Row): Omit<Row, "scopes"> & { scopes: Scope[] } => ({
  ...row,
  scopes: JSON.parse(row.scopes) as Scope[],
});

export type FoundKey = Pick<KeyRow, "id" | "scopes" | "expires_at" | "last_used_at"> & {
  readonly tenant: string;
  readonly quotas: Quotas;
  /** Of the tenant. */
  readonly stored_bytes: number;
};

/** Whom a key belongs to and what it may do; undefined when it is unknown or revoked. Whether it has expired is not looked at. */
export async function findKey(db: D1Database, hash: string): Promise<FoundKey | undefined> {
  const row = await db
    .prepare(
      `SELECT api_keys.id, tenant, scopes, expires_at, last_used_at, quotas, stored_bytes
       FROM api_keys JOIN tenants ON tenants.id = tenant WHERE hash = ? AND revoked_at IS NULL`,
    )
    .bind(hash)
    .first<Omit<FoundKey, "scopes" | "quotas"> & { scopes: string; quotas: string | null }>();
  return row ? { ...rowOf(row), quotas: JSON.parse(row.quotas ?? "{}") as Quotas } : undefined;
}

/** Notes that the key was used, once a minute whoever asks how often. */
export async function noteKeyUse(db: D1Database, id: string, now: number): Promise<void> {
  await db
    .prepare("UPDATE api_keys SET last_used_at = ?1 WHERE id = ?2 AND COALESCE(last_used_at, 0) <= ?1 - ?3")
    .bind(now, id, keyUsedEveryMs)
    .run();
}

export const insertKey = (
  db: D1Database,
  tenant: string,
  hash: string,
  key: Pick<KeyRow, "id" | "name" | "scopes" | "created_at" | "expires_at">,
): D1PreparedStatement =>
  db
    .prepare(
      `INSERT INTO api_keys (hash, id, tenant, name, scopes, created_at, expires_at)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE ${isLive("?3")}`,
    )
    .bind(hash, key.id, tenant, key.name, JSON.stringify(key.scopes), key.created_at, key.expires_at);

/**
 * Makes `key` the successor of a live key that has none, which then lasts until `until` at most: to be batched in this
 * order. Of two who do that at once one inserts nothing.
 */
export const replaceKey = (
  db: D1Database,
  tenant: string,
  old: { readonly id: string; readonly until: number },
  hash: string,
  key: Pick<KeyRow, "id" | "name" | "scopes" | "created_at" | "expires_at">,
): D1PreparedStatement[] => [
  db
    .prepare(
      `UPDATE api_keys SET replaced_by = ?1, expires_at = MIN(COALESCE(expires_at, ?2), ?2)
       WHERE tenant = ?3 AND id = ?4 AND replaced_by IS NULL AND revoked_at IS NULL`,
    )
    .bind(key.id, old.until, tenant, old.id),
  db
    .prepare(
      `INSERT INTO api_keys (hash, id, tenant, name, scopes, created_at, expires_at)
       SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM api_keys WHERE id = ?8 AND replaced_by = ?2)`,
    )
    .bind(hash, key.id, tenant, key.name, JSON.stringify(key.scopes), key.created_at, key.expires_at, old.id),
];

/** One key of the tenant, whatever has become of it. */
export async function keyOf(db: D1Database, tenant: string, id: string): Promise<KeyRow | undefined> {
  const row = await db
    .prepare(`SELECT ${columns} FROM api_keys WHERE tenant = ? AND id = ?`)
    .bind(tenant, id)
    .first<Stored>();
  return row ? rowOf(row) : undefined;
}

/** Keys of a tenant that work now. */
export const countLiveKeys = (db: D1Database, tenant: string, now: number): Promise<number> =>
  countOf(
    db
      .prepare(
        `SELECT COUNT(*) AS n FROM api_keys
         WHERE tenant = ? AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?)`,
      )
      .bind(tenant, now),
  );

/** Keys of a tenant, oldest first, that follow `after`; those that ended included. */
export async function listKeys(
  db: D1Database,
  tenant: string,
  limit: number,
  after?: { readonly createdAt: number; readonly id: string },
): Promise<KeyRow[]> {
  const { results } = await db
    .prepare(
      `SELECT ${columns} FROM api_keys
       WHERE tenant = ? AND (created_at, id) > (?, ?) ORDER BY created_at, id LIMIT ?`,
    )
    .bind(tenant, after?.createdAt ?? -1, after?.id ?? "", limit)
    .all<Stored>();
  return results.map(rowOf);
}

/** Revokes a key as of now, if it is not: the first time counts. */
export const revokeKey = (db: D1Database, tenant: string, id: string, now: number): D1PreparedStatement =>
  db
    .prepare("UPDATE api_keys SET revoked_at = ? WHERE tenant = ? AND id = ? AND revoked_at IS NULL")
    .bind(now, tenant, id);
