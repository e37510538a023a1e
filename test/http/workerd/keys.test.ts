/** Keys that end by themselves, that say when they were used, and that are replaced; and the log of it all. */

import { expect, test } from "vitest";
import { auditMs, keyUsedEveryMs } from "../../../src/limits.ts";
import type { Env } from "../../../src/objects/env.ts";
import { sweepTenants } from "../../../src/objects/sweep-tenants.ts";
import { auditEntry } from "../../../src/storage/d1/audit.ts";
import { bindings, db, newKey, newTenant, send } from "./lib.ts";

const tenant = await newTenant();
const keys = `/admin/tenants/${tenant}/keys`;
const listed = async (id: string) =>
  (await send("GET", `${keys}?limit=1000`)).body.keys.find((key: { id: string }) => key.id === id);
const statusWith = async (key: string) => (await send("GET", "/v1/runs", { key })).status;
const inAnHour = () => Date.now() + 3_600_000;

test("a key works until it expires, and its last word says why", async () => {
  const { id, key } = await newKey(tenant, { expires_at: inAnHour() });
  expect(await statusWith(key)).toBe(200);
  await db.prepare("UPDATE api_keys SET expires_at = ? WHERE id = ?").bind(Date.now(), id).run();
  const late = await send("GET", "/v1/runs", { key });
  expect(late).toMatchObject({ status: 401, body: { code: "unauthorized" } });
  expect(late.body.detail).toContain("expired at");

  const past = await send("POST", keys, { json: { expires_at: 1 } });
  expect(past).toMatchObject({ status: 422, body: { errors: [{ path: "expires_at" }] } });
});

test("its last use is written once a minute, however often it is used", async () => {
  const { id, key } = await newKey(tenant);
  expect((await listed(id)).last_used_at).toBeNull();
  await Promise.all(Array.from({ length: 5 }, () => statusWith(key)));
  const first = (await listed(id)).last_used_at;
  expect(first).toBeGreaterThan(Date.now() - 60_000);

  const set = (at: number) => db.prepare("UPDATE api_keys SET last_used_at = ? WHERE id = ?").bind(at, id).run();
  const young = first - keyUsedEveryMs + 30_000;
  await set(young);
  await statusWith(key);
  expect((await listed(id)).last_used_at).toBe(young);
  await set(first - keyUsedEveryMs);
  await statusWith(key);
  expect((await listed(id)).last_used_at).toBeGreaterThanOrEqual(first);
});

test("a rotated key works until the overlap ends; the new one has its name and scopes", async () => {
  const old = await newKey(tenant, { name: "ci", scopes: ["runs"] });
  const rotated = await send("POST", `${keys}/${old.id}/rotate`, { json: { overlap_ms: 60_000 } });
  expect(rotated).toMatchObject({
    status: 201,
    body: { name: "ci", scopes: ["runs"], expires_at: null, replaces: { id: old.id } },
  });
  expect(await Promise.all([old.key, rotated.body.key].map(statusWith))).toEqual([200, 200]);
  expect(await listed(old.id)).toMatchObject({
    replaced_by: rotated.body.id,
    expires_at: rotated.body.replaces.expires_at,
  });
  expect(await send("POST", `${keys}/${old.id}/rotate`, { json: {} })).toMatchObject({
    status: 409,
    body: { code: "key_ended", detail: expect.stringContaining(rotated.body.id) },
  });

  const at = await send("POST", `${keys}/${rotated.body.id}/rotate`, { json: { overlap_ms: 0 } });
  expect(await Promise.all([rotated.body.key, at.body.key].map(statusWith))).toEqual([401, 200]);
});

test("an overlap never makes a key last longer, and a new key ends when the old one would have", async () => {
  const soon = inAnHour();
  const old = await newKey(tenant, { expires_at: soon });
  const { body } = await send("POST", `${keys}/${old.id}/rotate`, { json: {} });
  expect([body.expires_at, body.replaces.expires_at]).toEqual([soon, soon]);
  const again = await send("POST", `${keys}/${body.id}/rotate`, { json: { expires_at: null } });
  expect(again.body.expires_at).toBeNull();
});

test("of two who rotate a key at once one gets a key; a repeat gets the same one", async () => {
  const one = await newKey(tenant);
  const both = await Promise.all([1, 2].map(() => send("POST", `${keys}/${one.id}/rotate`, { json: {} })));
  expect(both.map(({ status }) => status).sort()).toEqual([201, 409]);

  const two = await newKey(tenant);
  const once = () => send("POST", `${keys}/${two.id}/rotate`, { json: {}, idem: "rotate-1" });
  const first = await once();
  expect((await once()).body).toEqual(first.body);
  expect(await statusWith(first.body.key)).toBe(200);
});

test("acts are in the log with who, what and on what, and with nothing that opens a door", async () => {
  const fresh = await newTenant("audited");
  const key = await newKey(fresh, { name: "first", scopes: ["tenant_admin"] });
  const rotated = await send("POST", `/admin/tenants/${fresh}/keys/${key.id}/rotate`, { json: { overlap_ms: 60_000 } });
  for (let i = 0; i < 2; i++) await send("DELETE", `/admin/tenants/${fresh}/keys/${key.id}`);
  await send("POST", `/admin/tenants/${fresh}/keys`, { json: { expires_at: 1 } });

  const { body } = await send("GET", `/admin/audit?tenant=${fresh}`);
  expect(body.entries.map(({ act, target, actor }: Record<string, string>) => [act, target, actor])).toEqual([
    ["tenant_created", fresh, "operator"],
    ["key_created", key.id, "operator"],
    ["key_rotated", key.id, "operator"],
    ["key_revoked", key.id, "operator"],
  ]);
  expect(JSON.stringify(body)).not.toMatch(/hdl_/);

  const own = await send("GET", "/v1/audit?limit=2", { key: rotated.body.key });
  expect(own.body.entries).toEqual(body.entries.slice(0, 2));
  const rest = await send("GET", `/v1/audit?cursor=${own.body.next_cursor}`, { key: rotated.body.key });
  expect(rest.body.entries).toEqual(body.entries.slice(2));
  expect((await send("GET", "/v1/audit?cursor=x", { key: rotated.body.key })).body.errors[0].path).toBe("cursor");
  const plain = await newKey(fresh);
  expect((await send("GET", "/v1/audit", { key: plain.key })).body.code).toBe("forbidden");
});

test("an entry goes when it is old", async () => {
  const entry = { tenant: "ten_old", actor: "operator", act: "tenant_created", target: "x", detail: {} } as const;
  await auditEntry(db, { ...entry, created_at: Date.now() - auditMs - 1000 }).run();
  await auditEntry(db, { ...entry, created_at: Date.now() - auditMs + 60_000 }).run();
  await sweepTenants(bindings as unknown as Env);
  expect((await send("GET", "/admin/audit?tenant=ten_old")).body.entries.length).toBe(1);
});
