/** A tenant's keys, by its operator: created, listed, rotated, revoked. */

import { createKeyBody, rotateKeyBody } from "../contract/admin-requests.ts";
import { pageQuery } from "../contract/paging.ts";
import { createdKey, keysPage, rotatedKey } from "../contract/tenant-responses.ts";
import { Fault, fieldFault } from "../errors/fault.ts";
import { base32 } from "../ids.ts";
import { keysPerTenantMax } from "../limits.ts";
import type { Idem } from "../objects/rpc.ts";
import { deriveKey, hmac } from "../signing.ts";
import {
  countLiveKeys,
  insertKey,
  type KeyRow,
  keyOf,
  listKeys,
  replaceKey,
  revokeKey,
} from "../storage/d1/api-keys.ts";
import { type AuditEntry, auditEntry } from "../storage/d1/audit.ts";
import { operator } from "./access.ts";
import { adminId, requireTenant } from "./admin.ts";
import { afterRow, pageOf, positionOf } from "./cursor.ts";
import type { HttpEnv } from "./env.ts";
import { once } from "./once.ts";
import { operatorRoute } from "./route.ts";
import { deploymentSecret, hex, sha256 } from "./secrets.ts";

export const adminKeyRoutes = [
  operatorRoute(
    {
      method: "POST",
      path: "/admin/tenants/:tenant/keys",
      summary: "Create a key; it is shown once",
      body: createKeyBody,
      answer: { status: 201, schema: createdKey },
    },
    async ({ env, params: { tenant }, body, idem }) => {
      await requireTenant(env, tenant);
      const now = Date.now();
      const row = newRow(now, { name: body.name ?? null, scopes: body.scopes, expires_at: body.expires_at ?? null });
      const key = await newKey(env, row.id, idem);
      const { name, scopes, expires_at } = row;
      const kept = await once(env.DB, idem, {
        row,
        effects: [
          insertKey(env.DB, tenant, hex(await sha256(key)), row),
          auditEntry(env.DB, acted(now, tenant, "key_created", row.id, { name, scopes, expires_at })),
        ],
        tenant,
        check: async () => {
          requireFuture(expires_at, now);
          await requireRoomForKey(env, tenant, now);
        },
      });
      return { ...kept, key: kept.id === row.id ? key : await newKey(env, kept.id, idem) };
    },
  ),

  operatorRoute(
    {
      method: "GET",
      path: "/admin/tenants/:tenant/keys",
      summary: "List a tenant's keys, oldest first, those that ended included",
      query: pageQuery,
      answer: { status: 200, schema: keysPage },
    },
    async ({ env, params, query }) => {
      await requireTenant(env, params.tenant);
      const after = positionOf(query.cursor);
      const { rows, next_cursor } = pageOf(
        await listKeys(env.DB, params.tenant, query.limit + 1, after),
        query.limit,
        afterRow,
      );
      return { keys: rows, next_cursor };
    },
  ),

  operatorRoute(
    {
      method: "POST",
      path: "/admin/tenants/:tenant/keys/:key/rotate",
      summary: "Replace a key by a new one, which is shown once; the old one works a while longer",
      body: rotateKeyBody,
      answer: { status: 201, schema: rotatedKey },
      problems: ["key_ended"],
    },
    async ({ env, params: { tenant, key: oldId }, body, idem }) => {
      const old = await requireKey(env, tenant, oldId);
      const now = Date.now();
      const until = Math.min(old.expires_at ?? Number.MAX_SAFE_INTEGER, now + body.overlap_ms);
      const expires_at = body.expires_at === undefined ? old.expires_at : body.expires_at;
      const row = newRow(now, { name: old.name, scopes: old.scopes, expires_at });
      const key = await newKey(env, row.id, idem);
      const detail = { replaced_by: row.id, until, expires_at };
      const kept = await once(env.DB, idem, {
        row: { ...row, replaces: { id: oldId, expires_at: until } },
        effects: [
          ...replaceKey(env.DB, tenant, { id: oldId, until }, hex(await sha256(key)), row),
          auditEntry(env.DB, acted(now, tenant, "key_rotated", oldId, detail), {
            exists: "SELECT 1 FROM api_keys WHERE id = ?",
            values: [row.id],
          }),
        ],
        tenant,
        check: async () => {
          requireLive(old, now);
          requireFuture(expires_at, now);
          await requireRoomForKey(env, tenant, now);
        },
      });
      // Of two who rotate it at once, one made nothing.
      if (!(await keyOf(env.DB, tenant, kept.id))) requireLive(await requireKey(env, tenant, oldId), now);
      return { ...kept, key: kept.id === row.id ? key : await newKey(env, kept.id, idem) };
    },
  ),

  operatorRoute(
    {
      method: "DELETE",
      path: "/admin/tenants/:tenant/keys/:key",
      summary: "Revoke a key, at once",
      answer: { status: 204 },
    },
    async ({ env, params: { tenant, key } }) => {
      const { name } = await requireKey(env, tenant, key);
      const now = Date.now();
      await env.DB.batch([
        // Before the revocation, since a repeat is no act.
        auditEntry(env.DB, acted(now, tenant, "key_revoked", key, { name }), {
          exists: "SELECT 1 FROM api_keys WHERE tenant = ? AND id = ? AND revoked_at IS NULL",
          values: [tenant, key],
        }),
        revokeKey(env.DB, tenant, key, now),
      ]);
      return null;
    },
  ),
];

const acted = (
  created_at: number,
  tenant: string,
  act: AuditEntry["act"],
  target: string,
  detail: AuditEntry["detail"],
): AuditEntry => ({ created_at, tenant, actor: operator, act, target, detail });

const newRow = (now: number, given: Pick<KeyRow, "name" | "scopes" | "expires_at">): KeyRow => ({
  id: adminId("key"),
  name: given.name,
  scopes: given.scopes,
  created_at: now,
  expires_at: given.expires_at,
  last_used_at: null,
  revoked_at: null,
  replaced_by: null,
});

async function requireKey(env: HttpEnv, tenant: string, id: string): Promise<KeyRow> {
  const key = await keyOf(env.DB, tenant, id);
  if (!key) throw new Fault("not_found", "the tenant has no such key");
  return key;
}

function requireLive(key: KeyRow, now: number): void {
  if (key.revoked_at !== null) throw new Fault("key_ended", "it is revoked");
  if (key.replaced_by !== null) throw new Fault("key_ended", `it was rotated to ${key.replaced_by}`);
  if (key.expires_at !== null && key.expires_at <= now) throw new Fault("key_ended", "it has expired");
}

function requireFuture(expiresAt: number | null, now: number): void {
  if (expiresAt === null || expiresAt > now) return;
  throw Fault.of(fieldFault("expires_at", "it has passed; expected a time to come, in milliseconds since 1970"));
}

async function requireRoomForKey(env: HttpEnv, tenant: string, now: number): Promise<void> {
  if ((await countLiveKeys(env.DB, tenant, now)) < keysPerTenantMax) return;
  throw new Fault("validation_failed", `the tenant has ${keysPerTenantMax} keys; revoke one first`);
}

/**
 * A key's text. With an Idempotency-Key it is derived from that, the key's id and the deployment's secret, so that a
 * repeated request can show it again although it is stored nowhere.
 */
async function newKey(env: HttpEnv, id: string, idem: Idem | undefined): Promise<string> {
  const bytes = idem
    ? await hmac(await deriveKey(deploymentSecret(env), "heddle api key 1"), `${id}\n${idem.key}`)
    : crypto.getRandomValues(new Uint8Array(32));
  return `hdl_${base32(bytes, 32)}`;
}
