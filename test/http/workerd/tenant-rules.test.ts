/** Rules that a tenant holds all of its runs to: who may set them, which runs they come to, and who never sees them. */

import { expect, test } from "vitest";
import type { Env } from "../../../src/objects/env.ts";
import { sweepRuns } from "../../../src/objects/sweep/sweep.ts";
import { insertRun } from "../../../src/storage/d1/run-index.ts";
import { bindings, db, newKey, newTenant, send } from "./lib.ts";

const objects = bindings as unknown as Env;

async function someTenant() {
  const tenant = await newTenant("ruled");
  const [user, admin] = [await newKey(tenant), await newKey(tenant, { scopes: ["tenant_admin"] })];
  const put = (rules: string, key = admin.key) => send("PUT", "/v1/rules", { json: { rules }, key });
  const create = async (json: object = {}) => (await send("POST", "/v1/runs", { json, key: user.key })).body;
  const run = async (id: string) => (await send("GET", `/v1/runs/${id}`, { key: user.key })).body;
  return { tenant, user: user.key, admin: admin.key, adminId: admin.id, put, create, run };
}

test("they hold for new runs and live ones at once, the strictest wins, and the run says whose rule binds", async () => {
  const { put, create, run } = await someTenant();
  const before = await create({ rules: "- at most 6 workers\n- budget 5M tokens" });
  expect(before.rules.limits).toEqual([
    { limit: "tokens", max: 5_000_000, by: { from: "run", line: 2, rule: "budget 5,000,000 tokens" } },
  ]);
  const { status, body } = await put("# Ours\n- at most 4 workers\n- budget 1M tokens, 500 tokens per task");
  expect([status, body.version, body.runs_behind]).toEqual([200, 1, 0]);
  expect(body.rules).toContainEqual({ line: 3, rule: "budget 500 tokens per task" });

  const ours = { from: "tenant", line: 2, rule: "at most 4 workers" };
  const held = await run(before.id);
  expect(held.limits).toMatchObject({ workers: 4, tokens: 1_000_000 });
  expect(held.rules.workers).toEqual({ max: 4, by: ours });
  expect(held.rules.limits).toEqual([
    { limit: "tokens", max: 1_000_000, by: { from: "tenant", line: 3, rule: "budget 1,000,000 tokens" } },
    { limit: "tokens_per_task", max: 500, by: { from: "tenant", line: 3, rule: "budget 500 tokens per task" } },
  ]);
  expect((await create()).rules.workers).toEqual({ max: 4, by: ours });
  const stricter = await create({ rules: "- at most 2 workers", limits: { tokens: 10 } });
  expect(stricter.rules.workers).toEqual({ max: 2, by: { from: "run", line: 1, rule: "at most 2 workers" } });
  expect(stricter.rules.limits.map(({ limit }: { limit: string }) => limit)).toEqual(["tokens_per_task"]);
  // Its own rules can't lift them.
  expect((await create({ rules: "- at most 100 workers" })).limits.workers).toBe(4);
});

test("taken away they hold nobody, and the same text again is no change", async () => {
  const { put, admin, create, run, tenant, adminId } = await someTenant();
  const { id } = await create({ rules: "- at most 9 workers" });
  await put("- at most 1 worker");
  const { last_seq } = await run(id);
  expect((await put("- at most 1 worker")).body.version).toBe(1);
  expect((await run(id)).last_seq).toBe(last_seq);
  expect((await send("DELETE", "/v1/rules", { key: admin })).status).toBe(204);
  expect((await send("DELETE", "/v1/rules", { key: admin })).status).toBe(204);
  expect((await run(id)).limits.workers).toBe(9);
  expect((await send("GET", "/v1/rules", { key: admin })).body).toMatchObject({ text: "", rules: [], version: 2 });
  const { results } = await db
    .prepare("SELECT actor, act, detail FROM audit WHERE tenant = ? AND act LIKE 'rules%'")
    .bind(tenant)
    .all();
  expect(results).toEqual([
    { actor: adminId, act: "rules_set", detail: '{"rules":1}' },
    { actor: adminId, act: "rules_deleted", detail: "{}" },
  ]);
});

test("what is no rule is refused with its line and what was meant, and nothing changes", async () => {
  const { put, admin } = await someTenant();
  const { status, body } = await put("# Ours\n- at most 4 wrkers\n- be nice");
  expect([status, body.code]).toEqual([422, "rules_invalid"]);
  expect(body.errors).toMatchObject([{ line: 2, suggestion: "at most 4 workers" }, { line: 3 }]);
  expect((await send("GET", "/v1/rules", { key: admin })).body.version).toBe(0);
});

test("a key without tenant_admin reads them and sets none; another tenant neither, and is not bound", async () => {
  const [one, other] = [await someTenant(), await someTenant()];
  await one.put("- at most 3 workers");
  expect((await one.put("- at most 30 workers", one.user)).body.code).toBe("forbidden");
  expect((await send("DELETE", "/v1/rules", { key: one.user })).status).toBe(403);
  expect((await send("GET", "/v1/rules", { key: one.user })).body.text).toBe("- at most 3 workers");
  expect((await send("GET", "/v1/rules", { key: other.admin })).body.text).toBe("");
  expect((await send("GET", `/admin/tenants/${one.tenant}/rules`, { key: other.admin })).status).toBe(401);
  expect((await other.create()).rules).toBeNull();
});

test("the operator reads, sets and takes away, and is named in the log; a deleted tenant has none", async () => {
  const { tenant, create, run } = await someTenant();
  const path = `/admin/tenants/${tenant}/rules`;
  const { id } = await create();
  expect((await send("PUT", path, { json: { rules: "- at most 5 workers" } })).body.runs_behind).toBe(0);
  expect((await run(id)).limits.workers).toBe(5);
  expect((await send("GET", path)).body.text).toBe("- at most 5 workers");
  expect((await send("PUT", path, { json: { rules: "- x" } })).body.code).toBe("rules_invalid");
  expect((await send("DELETE", path)).status).toBe(204);
  expect((await send("GET", "/admin/tenants/ten_nobody/rules")).status).toBe(404);
  const { results } = await db
    .prepare("SELECT actor, act FROM audit WHERE tenant = ? AND act LIKE 'rules%'")
    .bind(tenant)
    .all();
  expect(results).toEqual([
    { actor: "operator", act: "rules_set" },
    { actor: "operator", act: "rules_deleted" },
  ]);
  await send("DELETE", `/admin/tenants/${tenant}`);
  expect((await send("PUT", path, { json: { rules: "- at most 5 workers" } })).body.code).toBe("tenant_deleted");
  expect((await db.prepare("SELECT * FROM tenant_rules WHERE tenant = ?").bind(tenant).all()).results).toEqual([]);
});

test("a run that was not come to is behind until the sweep has been there, and never goes back", async () => {
  const { tenant, put, create, run, admin } = await someTenant();
  const { id } = await create();
  await put("- at most 3 workers");
  // As if the visit had been lost.
  await db.prepare("UPDATE runs SET rules_version = 0 WHERE tenant = ?").bind(tenant).run();
  expect((await send("GET", "/v1/rules", { key: admin })).body.runs_behind).toBe(1);
  const object = objects.RUNS.getByName(`${tenant}/${id}`) as unknown as {
    holdToTenant(rules: unknown): Promise<unknown>;
  };
  await object.holdToTenant({ version: 0, rules: [] });
  expect((await run(id)).limits.workers).toBe(3);
  // A row whose run is about to be created stays behind, and is in nobody's way.
  await insertRun(db, { tenant, id: "run_0123456789abcdefghjk", name: null, createdAt: Date.now() });
  await sweepRuns(objects);
  expect((await send("GET", "/v1/rules", { key: admin })).body.runs_behind).toBe(1);
});

test("a run that ended meanwhile is left as it is; once it is reopened it is held to them", async () => {
  const { put, create, run, user, tenant } = await someTenant();
  const { id } = await create();
  const made = await send("POST", `/v1/runs/${id}/tasks`, {
    json: { tasks: [{ instructions: "x", pool: "box" }] },
    key: user,
  });
  await send("POST", `/v1/runs/${id}/finish`, { json: { cancel: true }, key: user });
  await put("- at most 2 workers");
  expect((await run(id)).rules).toBeNull();
  await send("POST", `/v1/runs/${id}/tasks/${made.body.tasks[0].id}/retry`, { json: {}, key: user });
  await expect
    .poll(async () =>
      db.prepare("SELECT 1 FROM runs WHERE tenant = ? AND id = ? AND ended_at IS NULL").bind(tenant, id).first(),
    )
    .not.toBeNull();
  await sweepRuns(objects);
  expect((await run(id)).rules.workers).toMatchObject({ max: 2, by: { from: "tenant" } });
});
