/** What a tenant may use at most, and what it is told when that is used up. */

import { expect, test } from "vitest";
import { db, newKey, newTenant, send } from "./lib.ts";

async function bounded(quotas: object) {
  const tenant = await newTenant("bounded");
  const { status, body } = await send("PUT", `/admin/tenants/${tenant}/quotas`, { json: quotas });
  expect([status, body.quotas]).toEqual([200, quotas]);
  return { tenant, ...(await newKey(tenant)) };
}

const create = (key: string, json: object = {}, idem?: string) =>
  send("POST", "/v1/runs", { json, key, ...(idem !== undefined && { idem }) });

test("live runs: the one too many is refused with the quota's name and a time, until another has ended", async () => {
  const { key } = await bounded({ runs: 2 });
  const made = await Promise.all(Array.from({ length: 5 }, () => create(key)));
  expect(made.map(({ status }) => status).sort()).toEqual([201, 201, 429, 429, 429]);
  const refused = made.find(({ status }) => status === 429)!;
  expect(refused.body).toMatchObject({ code: "quota_exceeded", detail: "runs: 2 live ones", retryable: true });
  expect(refused.headers.get("retry-after")).toBe("60");

  const [first] = made.filter(({ status }) => status === 201);
  await send("POST", `/v1/runs/${first!.body.id}/finish`, { json: {}, key });
  await expect.poll(async () => (await create(key, {}, "again")).status).toBe(201);
  // A repeat is no other run, and the refused one left nothing.
  expect((await create(key, {}, "again")).status).toBe(201);
  expect((await send("GET", "/v1/runs", { key })).body.runs.length).toBe(3);
});

test("seats and tasks: limits of a run are not above them, and a note says where more was asked for", async () => {
  const { key } = await bounded({ seats: 4, tasks: 50 });
  const silent = (await create(key)).body;
  expect([silent.limits.workers, silent.limits.tasks, silent.notes]).toEqual([4, 50, undefined]);
  const asked = (await create(key, { limits: { workers: 8, tasks: 10 } })).body;
  expect([asked.limits.workers, asked.limits.tasks]).toEqual([4, 10]);
  expect(asked.notes).toEqual(["limits.workers is 4, and not 8: the tenant's quota of seats."]);
  const refused = await send("POST", `/v1/runs/${silent.id}/tasks`, {
    json: { tasks: Array.from({ length: 51 }, () => ({ instructions: "x", pool: "shell" })) },
    key,
  });
  expect(refused.status).toBe(422);
});

test("requests per second: beyond it is refused for a moment, for that tenant alone", async () => {
  const { key } = await bounded({ requests_per_second: 1 });
  const other = await bounded({});
  const answers = await Promise.all(Array.from({ length: 30 }, () => send("GET", "/v1/runs", { key })));
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThan(0);
  expect(refused[0]!.body).toMatchObject({ code: "quota_exceeded", detail: "requests_per_second: 1" });
  expect(refused[0]!.headers.get("retry-after")).toBe("1");
  expect((await send("GET", "/v1/runs", { key: other.key })).status).toBe(200);
});

test("they are set whole, by the operator alone, and each time is in the log", async () => {
  const { tenant, key } = await bounded({ runs: 1, seats: 2 });
  expect((await send("PUT", `/admin/tenants/${tenant}/quotas`, { json: { runs: 5 }, key })).status).toBe(401);
  expect((await send("PUT", `/admin/tenants/${tenant}/quotas`, { json: { hamsters: 5 } })).status).toBe(422);
  await send("PUT", `/admin/tenants/${tenant}/quotas`, { json: {} });
  expect((await send("GET", `/admin/tenants/${tenant}`)).body.quotas).toEqual({});
  for (let i = 0; i < 3; i++) expect((await create(key)).status).toBe(201);
  const { results } = await db
    .prepare("SELECT detail FROM audit WHERE tenant = ? AND act = 'quotas_set'")
    .bind(tenant)
    .all();
  expect(results.map(({ detail }) => detail)).toEqual(['{"runs":1,"seats":2}', "{}"]);
});
