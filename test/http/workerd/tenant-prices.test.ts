/** Prices of a tenant's own: who sets them, which runs are counted at them, and that they follow no run elsewhere. */

import { expect, test } from "vitest";
import { ask, db, newKey, newTenant, send } from "./lib.ts";

const mine = { input: 4, output: 20, cache_read: 0.4 };
const scopes = ["runs", "workers", "tenant_admin"];

async function someTenant() {
  const tenant = await newTenant("priced");
  const { key } = await newKey(tenant, { scopes });
  const path = `/admin/tenants/${tenant}/prices`;
  const create = async (json: object = {}) =>
    (await send("POST", "/v1/runs", { json: { context: { model: "claude-sonnet-4-5", messages: [] }, ...json }, key }))
      .body;
  const run = async (id: string) => (await send("GET", `/v1/runs/${id}`, { key })).body;
  /** Has a worker report a million tokens of input, half of them cached, and a hundred thousand of output. */
  const work = async (id: string) => {
    await send("POST", `/v1/runs/${id}/tasks`, { json: { tasks: [{ instructions: "x", pool: "box" }] }, key });
    const [lease] = (await send("POST", "/v1/pools/box/leases", { json: { worker: "w", wait_ms: 20_000 }, key })).body
      .leases;
    const usage = { input_tokens: 1_000_000, cache_read_tokens: 500_000, output_tokens: 100_000 };
    await send("POST", `/v1/leases/${lease.id}/complete`, { json: { result: "done", usage }, key });
    return (await run(id)).cost;
  };
  return { tenant, key, path, create, run, work };
}

test("runs that are created from then on are counted at them, those before as before", async () => {
  const { path, create, work, key } = await someTenant();
  const before = await create();
  const { status, body } = await send("PUT", path, { json: { prices: { "claude-sonnet-4-5": mine } } });
  expect([status, body.prices["claude-sonnet-4-5"]]).toEqual([
    200,
    { ...mine, as_of: "undated", source: "the operator" },
  ]);
  expect(await work(before.id)).toBe(1.5 + 0.15 + 1.5);
  const after = await create();
  expect(await work(after.id)).toBe(2 + 0.2 + 2);
  // A run from another one is a run of now.
  expect(await work((await create({ from: { run: before.id }, context: undefined })).id)).toBe(4.2);
  const known = (await send("GET", "/v1/prices", { key })).body.prices;
  expect(known["claude-sonnet-4-5"]).toMatchObject({ ...mine, from: "tenant" });
  expect(known["claude-haiku-4-5"]).toMatchObject({ input: 1, from: "list" });
  expect((await send("DELETE", path)).status).toBe(204);
  expect(await work((await create()).id)).toBe(3.15);
  expect((await send("GET", path)).body).toEqual({ prices: {} });
});

test("a model that the list lacks has that price, in projections too", async () => {
  const { path, create, key } = await someTenant();
  await send("PUT", path, { json: { prices: { "our-own": { input: 0, output: 2 } } } });
  const { id } = await create({ context: { model: "our-own", messages: [] } });
  const { body } = await send("POST", `/v1/runs/${id}/tasks`, { json: { tasks: [{ instructions: "x" }] }, key });
  expect(body.projection).toMatchObject({ output_tokens: 500, cost: 0.001 });
});

test("a run that is taken in from a file costs what runs cost here", async () => {
  const [one, other] = [await someTenant(), await someTenant()];
  await send("PUT", one.path, { json: { prices: { "claude-sonnet-4-5": { input: 0, output: 0 } } } });
  await send("PUT", other.path, { json: { prices: { "claude-sonnet-4-5": mine } } });
  const { id } = await one.create();
  const { file, taken } = await copied(one.key, id, other.key);
  expect(file).not.toContain("prices");
  await send("POST", `/v1/runs/${taken}/resume`, { key: other.key });
  expect(await other.work(taken)).toBe(4.2);
});

async function copied(from: string, run: string, to: string) {
  const { text: file } = await ask("GET", `/v1/runs/${run}/export`, { key: from });
  const { text } = await ask("POST", "/v1/runs/import", { key: to, body: file, type: "application/x-ndjson" });
  return { file, taken: (JSON.parse(text) as { id: string }).id };
}

test("the operator alone sets them, what is no price is refused whole, each change is in the audit log", async () => {
  const { tenant, path, key } = await someTenant();
  expect((await send("PUT", path, { json: { prices: {} }, key })).status).toBe(401);
  expect((await send("PUT", "/v1/prices", { json: { prices: {} }, key })).status).toBe(405);
  for (const prices of [
    { m: { input: -1, output: 1 } },
    { m: { input: 1 } },
    { m: { input: 1, output: 1, x: 1 } },
    { "": mine },
  ]) {
    const { status, body } = await send("PUT", path, { json: { prices } });
    expect([status, body.code]).toEqual([422, "validation_failed"]);
  }
  const many = Object.fromEntries(Array.from({ length: 101 }, (_, i) => [`m${i}`, mine]));
  expect((await send("PUT", path, { json: { prices: many } })).body.detail).toContain("at most 100 models");
  await send("PUT", path, { json: { prices: { m: mine } } });
  await send("DELETE", path);
  const { results } = await db
    .prepare("SELECT actor, act, detail FROM audit WHERE tenant = ? AND act LIKE 'prices%'")
    .bind(tenant)
    .all();
  expect(results).toEqual([
    { actor: "operator", act: "prices_set", detail: '{"models":["m"]}' },
    { actor: "operator", act: "prices_deleted", detail: '{"models":[]}' },
  ]);
  await send("PUT", path, { json: { prices: { m: mine } } });
  await send("DELETE", `/admin/tenants/${tenant}`);
  const row = await db.prepare("SELECT prices FROM tenants WHERE id = ?").bind(tenant).first();
  expect(row).toEqual({ prices: null });
  expect((await send("PUT", path, { json: { prices: { m: mine } } })).body.code).toBe("tenant_deleted");
});
