/** The operator's door: tenants and their keys. */

import { createKeyBody, createTenantBody } from "../contract/admin-requests.ts";
import { pageQuery } from "../contract/paging.ts";
import { createdKey, keysPage, tenantsPage, tenantView } from "../contract/responses.ts";
import { Fault } from "../errors/fault.ts";
import { base32 } from "../ids.ts";
import { keysPerTenantMax } from "../limits.ts";
import type { Idem } from "../objects/rpc.ts";
import { deriveKey, hmac } from "../signing.ts";
import { countLiveKeys, insertKey, type KeyRow, listKeys, revokeKey } from "../storage/d1/api-keys.ts";
import { applyOnce, recall } from "../storage/d1/idempotency.ts";
import { findTenant, insertTenant, listTenants, type TenantRow } from "../storage/d1/tenants.ts";
import { pageOf, positionOf } from "./cursor.ts";
import type { HttpEnv } from "./env.ts";
import { operatorRoute } from "./route.ts";
import { deploymentSecret, hex, sha256 } from "./secrets.ts";

const idOf = (prefix: string): string => `${prefix}_${base32(crypto.getRandomValues(new Uint8Array(16)), 16)}`;

export const adminRoutes = [
  operatorRoute(
    {
      method: "POST",
      path: "/admin/tenants",
      summary: "Create a tenant",
      body: createTenantBody,
      answer: { status: 201, schema: tenantView },
    },
    ({ env, body, idem }) => {
      const tenant: TenantRow = { id: idOf("ten"), name: body.name, created_at: Date.now() };
      return once(env.DB, idem, tenant, insertTenant(env.DB, tenant));
    },
  ),

  operatorRoute(
    {
      method: "GET",
      path: "/admin/tenants",
      summary: "List tenants, oldest first",
      query: pageQuery,
      answer: { status: 200, schema: tenantsPage },
    },
    async ({ env, query }) => {
      const after = query.cursor === undefined ? undefined : positionOf(query.cursor);
      const { rows, next_cursor } = pageOf(await listTenants(env.DB, query.limit + 1, after), query.limit);
      return { tenants: rows, next_cursor };
    },
  ),

  operatorRoute(
    { method: "GET", path: "/admin/tenants/:tenant", summary: "A tenant", answer: { status: 200, schema: tenantView } },
    ({ env, params }) => requireTenant(env, params.tenant),
  ),

  operatorRoute(
    {
      method: "POST",
      path: "/admin/tenants/:tenant/keys",
      summary: "Create a key; it is shown once",
      body: createKeyBody,
      answer: { status: 201, schema: createdKey },
    },
    async ({ env, params, body, idem }) => {
      await requireTenant(env, params.tenant);
      const row: KeyRow = {
        id: idOf("key"),
        name: body.name ?? null,
        scopes: body.scopes,
        created_at: Date.now(),
        revoked_at: null,
      };
      const key = await newKey(env, row.id, idem);
      const hash = hex(await sha256(key));
      const kept = await once(env.DB, idem, row, insertKey(env.DB, params.tenant, hash, row), () =>
        requireRoomForKey(env, params.tenant),
      );
      return { ...kept, key: kept.id === row.id ? key : await newKey(env, kept.id, idem) };
    },
  ),

  operatorRoute(
    {
      method: "GET",
      path: "/admin/tenants/:tenant/keys",
      summary: "List a tenant's keys, oldest first, revoked ones included",
      query: pageQuery,
      answer: { status: 200, schema: keysPage },
    },
    async ({ env, params, query }) => {
      await requireTenant(env, params.tenant);
      const after = query.cursor === undefined ? undefined : positionOf(query.cursor);
      const { rows, next_cursor } = pageOf(await listKeys(env.DB, params.tenant, query.limit + 1, after), query.limit);
      return { keys: rows, next_cursor };
    },
  ),

  operatorRoute(
    {
      method: "DELETE",
      path: "/admin/tenants/:tenant/keys/:key",
      summary: "Revoke a key, at once",
      answer: { status: 204 },
    },
    async ({ env, params }) => {
      if (await revokeKey(env.DB, params.tenant, params.key, Date.now())) return null;
      throw new Fault("not_found", "the tenant has no such key");
    },
  ),
];

async function requireTenant(env: HttpEnv, id: string): Promise<TenantRow> {
  const tenant = await findTenant(env.DB, id);
  if (!tenant) throw new Fault("not_found", "there is no such tenant");
  return tenant;
}

async function requireRoomForKey(env: HttpEnv, tenant: string): Promise<void> {
  if ((await countLiveKeys(env.DB, tenant)) < keysPerTenantMax) return;
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

/** Applies `effect` and answers `row`; a repeated Idempotency-Key gets the first row and has no effect. */
async function once<Row>(
  db: D1Database,
  idem: Idem | undefined,
  row: Row,
  effect: D1PreparedStatement,
  check: () => Promise<void> = async () => {},
): Promise<Row> {
  if (!idem) {
    await check();
    await effect.run();
    return row;
  }
  const keyHash = hex(await sha256(`admin\n${idem.key}`));
  const now = Date.now();
  const first = async (): Promise<Row | undefined> => {
    const known = await recall(db, keyHash, now);
    if (known && known.fingerprint !== idem.fingerprint) throw new Fault("idempotency_mismatch");
    return known ? (JSON.parse(known.answer) as Row) : undefined;
  };
  const known = await first();
  if (known) return known;
  await check();
  const remembered = { fingerprint: idem.fingerprint, answer: JSON.stringify(row) };
  if (await applyOnce(db, keyHash, remembered, now, effect)) return row;
  return (await first()) ?? row;
}
