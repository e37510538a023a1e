/** The operator's door, keys, the run index and readiness, against a real D1. */

import { env } from "cloudflare:workers";
import { beforeAll, expect, test } from "vitest";
import { createApp } from "../../../src/http/app.ts";
import type { HttpEnv } from "../../../src/http/env.ts";
import { activeRuns, deleteRun, insertRun, listRuns, setRunStatus } from "../../../src/storage/d1/run-index.ts";

const db = (env as { DB: D1Database }).DB;
const operator = "operators-own-secret";
const bindings = {
  DB: db,
  HEDDLE_SECRET: "a secret of thirty-two characters",
  HEDDLE_ADMIN_SECRET: operator,
} as unknown as HttpEnv;
const app = createApp();

async function send(
  method: string,
  path: string,
  { json, key = operator, idem }: { json?: unknown; key?: string; idem?: string } = {},
) {
  const response = await app.request(
    `http://heddle.test${path}`,
    {
      method,
      ...(json !== undefined && { body: JSON.stringify(json) }),
      headers: {
        authorization: `Bearer ${key}`,
        ...(json !== undefined && { "content-type": "application/json" }),
        ...(idem !== undefined && { "idempotency-key": idem }),
      },
    },
    bindings,
  );
  const text = await response.text();
  // biome-ignore lint/suspicious/noExplicitAny: answers are looked at field by field
  return { status: response.status, body: (text === "" ? null : JSON.parse(text)) as any };
}

let tenant: string;
beforeAll(async () => {
  const created = await send("POST", "/admin/tenants", { json: { name: "Weavers" } });
  expect(created).toMatchObject({ status: 201, body: { id: expect.stringMatching(/^ten_\w{16}$/), name: "Weavers" } });
  tenant = created.body.id;
});

test("a key is shown once, works at once, and is refused by the request after its revocation", async () => {
  const { status, body } = await send("POST", `/admin/tenants/${tenant}/keys`, {
    json: { name: "ci", scopes: ["runs"] },
  });
  expect([status, body.scopes, body.key]).toEqual([201, ["runs"], expect.stringMatching(/^hdl_\w{32}$/)]);

  const listed = await send("GET", `/admin/tenants/${tenant}/keys`);
  expect(listed.body.keys).toContainEqual({
    id: body.id,
    name: "ci",
    scopes: ["runs"],
    created_at: body.created_at,
    expires_at: null,
    last_used_at: null,
    revoked_at: null,
    replaced_by: null,
  });
  const { results } = await db.prepare("SELECT * FROM api_keys").all();
  expect(JSON.stringify(results)).not.toContain(body.key);

  expect(await send("GET", "/v1/runs", { key: body.key })).toEqual({
    status: 200,
    body: { runs: [], next_cursor: null },
  });
  expect((await send("POST", "/v1/pools/p/leases", { key: body.key, json: { worker: "w" } })).body.code).toBe(
    "forbidden",
  );
  expect((await send("DELETE", `/admin/tenants/${tenant}/keys/${body.id}`)).status).toBe(204);
  expect((await send("GET", "/v1/runs", { key: body.key })).status).toBe(401);
  expect((await send("DELETE", `/admin/tenants/${tenant}/keys/${body.id}`)).status).toBe(204);
});

test("an Idempotency-Key creates one tenant, and one key whose text it shows again", async () => {
  const [a, b] = await Promise.all(
    [1, 2].map(() => send("POST", "/admin/tenants", { json: { name: "once" }, idem: "t-1" })),
  );
  expect(a).toEqual(b);
  const { body } = await send("GET", "/admin/tenants?limit=1000");
  expect(body.tenants.filter(({ name }: { name: string }) => name === "once").length).toBe(1);

  const make = () => send("POST", `/admin/tenants/${tenant}/keys`, { json: {}, idem: "k-1" });
  const first = await make();
  expect(await make()).toEqual(first);
  expect((await send("GET", "/v1/runs", { key: first.body.key })).status).toBe(200);
  const { results } = await db.prepare("SELECT * FROM idempotency").all();
  expect(JSON.stringify(results)).not.toContain(first.body.key);

  const other = await send("POST", `/admin/tenants/${tenant}/keys`, { json: { name: "other" }, idem: "k-1" });
  expect(other).toMatchObject({ status: 422, body: { code: "idempotency_mismatch" } });
});

test("lists are paged, oldest first, without gaps or repeats", async () => {
  for (let i = 0; i < 5; i++) await send("POST", "/admin/tenants", { json: { name: `page ${i}` } });
  const whole = (await send("GET", "/admin/tenants?limit=1000")).body;
  expect(whole.next_cursor).toBeNull();
  const paged: unknown[] = [];
  let query = "limit=2";
  for (;;) {
    const { body } = await send("GET", `/admin/tenants?${query}`);
    expect(body.tenants.length).toBeLessThanOrEqual(2);
    paged.push(...body.tenants);
    if (body.next_cursor === null) break;
    query = `limit=2&cursor=${body.next_cursor}`;
  }
  expect(paged).toEqual(whole.tenants);
});

test("what is not there, and what is wrong", async () => {
  expect((await send("GET", "/admin/tenants/ten_nobody")).body.code).toBe("not_found");
  expect((await send("POST", "/admin/tenants/ten_nobody/keys", { json: {} })).body.code).toBe("not_found");
  expect((await send("DELETE", `/admin/tenants/${tenant}/keys/key_none`)).body.code).toBe("not_found");
  expect((await send("POST", `/admin/tenants/${tenant}/keys`, { json: { scopes: ["all"] } })).body.errors[0].path).toBe(
    "scopes[0]",
  );
  expect((await send("POST", `/admin/tenants/${tenant}/keys`, { json: { scopes: ["runs", "runs"] } })).status).toBe(
    422,
  );
  expect((await send("GET", "/admin/tenants", { key: "operators-own-secreT" })).status).toBe(401);
});

test("ready with schema and secrets, and not without", async () => {
  expect(await send("GET", "/health")).toEqual({ status: 200, body: { status: "ready" } });
  const bare = await app.request("/health", {}, { DB: db } as unknown as HttpEnv);
  expect(await bare.json()).toMatchObject({ code: "not_ready", detail: expect.stringContaining("HEDDLE_SECRET") });
  const priceless = await app.request("/health", {}, { ...bindings, HEDDLE_PRICES: '{"m": {"input": 1}}' });
  expect(priceless.status).toBe(503);
  expect(await priceless.json()).toMatchObject({
    code: "not_ready",
    detail: expect.stringContaining("m.output: required"),
  });
  const timeless = await app.request("/health", {}, { ...bindings, HEDDLE_RETENTION_DAYS: "a month" });
  expect(await timeless.json()).toMatchObject({ code: "not_ready", detail: expect.stringContaining('or "keep"') });
  const dead = await app.request("/health", {}, { ...bindings, DB: {} as D1Database });
  expect(await dead.json()).toMatchObject({ code: "not_ready", detail: "missing: an answer from the database" });
});

test("the run index: inserted once, listed by tenant and age, swept until ended", async () => {
  const row = (id: string, createdAt: number) => ({ tenant: "ten_x", id, name: null, createdAt });
  expect(await insertRun(db, row("run_b", 10))).toBe(true);
  expect(await insertRun(db, row("run_b", 99))).toBe(false);
  await insertRun(db, row("run_a", 10));
  await insertRun(db, row("run_c", 5));
  await insertRun(db, { ...row("run_z", 1), tenant: "ten_y" });
  const ids = (rows: { id: string }[]) => rows.map(({ id }) => id);
  expect(ids(await listRuns(db, "ten_x", 10))).toEqual(["run_c", "run_a", "run_b"]);
  expect(ids(await listRuns(db, "ten_x", 10, { createdAt: 10, id: "run_a" }))).toEqual(["run_b"]);

  await setRunStatus(db, { tenant: "ten_x", id: "run_a" }, "failed", 50);
  expect(await listRuns(db, "ten_x", 1, { createdAt: 5, id: "run_c" })).toEqual([
    { id: "run_a", name: null, status: "failed", created_at: 10, ended_at: 50, expires_at: null },
  ]);
  expect(ids(await activeRuns(db, 2))).toEqual(["run_b", "run_c"]);
  expect(await activeRuns(db, 2, { tenant: "ten_x", id: "run_c" })).toEqual([
    {
      ...{ tenant: "ten_y", id: "run_z", name: null, created_at: 1 },
      ...{ status: "active", ended_at: null, writes: 0, quiet_at: null },
    },
  ]);
  expect(await deleteRun(db, { tenant: "ten_x", id: "run_c" }, 5)).toBe(false);
  expect(await deleteRun(db, { tenant: "ten_x", id: "run_c" }, 6)).toBe(true);
  expect(await deleteRun(db, { tenant: "ten_x", id: "run_c" })).toBe(false);
});
