/** A tenant is deleted with everything it has, however often that breaks off. */

import { runInDurableObject } from "cloudflare:test";
import { expect, test } from "vitest";
import { noAmounts } from "../../../src/metering/meter.ts";
import type { Env } from "../../../src/objects/env.ts";
import { sweepTenants } from "../../../src/objects/sweep-tenants.ts";
import { applyOnce } from "../../../src/storage/d1/idempotency.ts";
import { insertRun } from "../../../src/storage/d1/run-index.ts";
import { addFailures } from "../../../src/storage/d1/sweep-state.ts";
import { tablesOfTenants } from "../../../src/storage/d1/tenants.ts";
import { addUsage, unmetered } from "../../../src/storage/d1/usage.ts";
import { bindings, db, newKey, newTenant, send } from "./lib.ts";

const objects = bindings as unknown as Env;

async function furnished() {
  const tenant = await newTenant("to be deleted");
  const { key } = await newKey(tenant, { scopes: ["runs", "workers", "tenant_admin"] });
  const runs: string[] = [];
  for (let i = 0; i < 3; i++) {
    const json = { name: `run ${i}`, limits: { pools: ["shell"] } };
    const { id } = (await send("POST", "/v1/runs", { json, key })).body;
    runs.push(id);
    const tasks = [{ instructions: "x", pool: "shell" }];
    await send("POST", `/v1/runs/${id}/tasks`, { json: { tasks }, key });
    await send("POST", `/v1/runs/${id}/tools/atomic`, { json: { arguments: { op: "set", name: "n", value: 1 } }, key });
  }
  await send("PUT", "/v1/providers/main", { json: { format: "openai", key: "sk-to-be-deleted" }, key });
  await send("POST", `/admin/tenants/${tenant}/keys`, { json: { name: "twice" }, idem: `idem-${tenant}` });
  return { tenant, key, runs };
}

async function dump(): Promise<string> {
  const { results } = await db
    .prepare(
      "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%'",
    )
    .all<{ name: string }>();
  const tables = await Promise.all(
    results.map(({ name }) => db.prepare(`SELECT '${name}' AS of_table, * FROM ${name}`).all()),
  );
  return tables.map((table) => table.results.map((row) => JSON.stringify(row)).join("\n")).join("\n");
}

const remains = async (tenant: string) =>
  (await dump())
    .split("\n")
    .filter((row) => row.includes(tenant))
    .map((row) => JSON.parse(row) as Record<string, unknown>);

const tablesIn = (namespace: DurableObjectNamespace, name: string) =>
  runInDurableObject(namespace.getByName(name), (_, { storage }) =>
    storage.sql
      .exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_cf%' ESCAPE '\\'")
      .toArray()
      .map(({ name: table }) => table),
  );

test("nothing is left but the row that says so, and the deletion's own entry in the log", async () => {
  const { tenant, key, runs } = await furnished();
  expect((await remains(tenant)).length).toBeGreaterThan(8);
  expect(await tablesIn(objects.GATES, tenant)).not.toEqual([]);
  expect(await tablesIn(objects.VARIABLES, `${tenant}/${runs[0]}/n`)).not.toEqual([]);

  const { status, body } = await send("DELETE", `/admin/tenants/${tenant}`);
  expect([status, body]).toEqual([202, expect.objectContaining({ status: "deleted", name: "", runs_left: 0 })]);
  expect((await send("GET", "/v1/runs", { key })).status).toBe(401);
  expect((await remains(tenant)).map(({ of_table, act }) => [of_table, act])).toEqual([
    ["tenants", undefined],
    ["audit", "tenant_deleted"],
  ]);
  expect(await tablesIn(objects.GATES, tenant)).toEqual([]);
  for (const run of runs) expect(await tablesIn(objects.RUNS, `${tenant}/${run}`)).toEqual([]);
  // The row by which a variable refuses what comes late; it goes in a quarter of an hour.
  expect(await tablesIn(objects.VARIABLES, `${tenant}/${runs[0]}/n`)).toEqual(["deleted"]);

  // It stays as it is, and out of the list; nobody can be given a key to it.
  expect((await send("DELETE", `/admin/tenants/${tenant}`)).body.status).toBe("deleted");
  expect(
    (await send("GET", "/admin/tenants?limit=1000")).body.tenants.map(({ id }: { id: string }) => id),
  ).not.toContain(tenant);
  expect((await send("POST", `/admin/tenants/${tenant}/keys`, { json: {} })).body.code).toBe("tenant_deleted");
  expect((await send("DELETE", "/admin/tenants/ten_nobody")).status).toBe(404);
});

test("keys end at once, and what was not deleted is shown, until the sweep has done it", async () => {
  const { tenant, key } = await furnished();
  // A creation that is under way: its object may still come to be.
  await insertRun(db, { tenant, id: "run_0123456789abcdefghjk", name: null, createdAt: Date.now() });
  const { body } = await send("DELETE", `/admin/tenants/${tenant}`);
  expect(body).toMatchObject({ status: "deleting", runs_left: 1, name: "to be deleted" });
  expect((await send("GET", "/v1/runs", { key })).status).toBe(401);
  await expect(insertRun(db, { tenant, id: "run_late", name: null, createdAt: Date.now() })).rejects.toMatchObject({
    data: { code: "unauthorized" },
  });

  await sweepTenants(objects);
  expect((await send("GET", `/admin/tenants/${tenant}`)).body).toMatchObject({ status: "deleting", runs_left: 1 });
  await db.prepare("UPDATE runs SET created_at = 1 WHERE tenant = ?").bind(tenant).run();
  await sweepTenants(objects);
  expect((await send("GET", `/admin/tenants/${tenant}`)).body).toMatchObject({ status: "deleted", runs_left: 0 });
  expect((await remains(tenant)).length).toBe(2);
});

test("what was under way when the deletion ended leaves nothing either", async () => {
  const { tenant, runs } = await furnished();
  await send("DELETE", `/admin/tenants/${tenant}`);
  const name = { tenant, id: runs[0]! };
  const row = { ...noAmounts(), hour: 3_600_000, model: "m", pool: "p", labels: "", inputTokens: 1 };
  // A metering that had read its position, a visit of the sweep, and a request of the operator.
  await addUsage(db, { ...name, key: "k" }, { from: unmetered, to: { upto: 1, at: 0, open: {} }, rows: [row] });
  await addFailures(db, [{ ...name, error: "it was gone" }], Date.now());
  await applyOnce(db, `hash of ${tenant}`, { fingerprint: "f", answer: "{}" }, Date.now(), [], tenant);
  expect((await remains(tenant)).map(({ of_table }) => of_table)).toEqual(["tenants", "audit"]);
});

test("another tenant keeps all it has", async () => {
  const [gone, stays] = [await furnished(), await furnished()];
  const before = await remains(stays.tenant);
  await send("DELETE", `/admin/tenants/${gone.tenant}`);
  const uses = ({ of_table }: Record<string, unknown>) => of_table !== "api_keys";
  expect((await remains(stays.tenant)).filter(uses)).toEqual(before.filter(uses));
  expect((await send("GET", `/v1/runs/${stays.runs[0]}`, { key: stays.key })).status).toBe(200);
});

test("every table with a tenant's rows is known to the deletion", async () => {
  const { results } = await db
    .prepare("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
    .all<{ name: string; sql: string }>();
  const withTenant = results.filter(({ sql }) => /\btenant TEXT\b/.test(sql)).map(({ name }) => name);
  expect(withTenant.sort()).toEqual([...tablesOfTenants, "runs", "audit"].sort());
});
