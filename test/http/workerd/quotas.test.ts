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
  expect(refused.body).toMatchObject({
    code: "quota_exceeded",
    detail: "runs: 2 may live at once, and as many do",
    retryable: true,
  });
  expect(refused.headers.get("retry-after")).toBe("60");

  const [first] = made.filter(({ status }) => status === 201);
  await send("POST", `/v1/runs/${first!.body.id}/finish`, { json: {}, key });
  await expect.poll(async () => (await create(key, {}, "again")).status).toBe(201);
  // A repeat is no other run, and the refused one left nothing.
  expect((await create(key, {}, "again")).status).toBe(201);
  expect((await send("GET", "/v1/runs", { key })).body.runs.length).toBe(3);
});

test("live runs: a retry that would reopen one that has ended is one too many as well, and several at once are", async () => {
  const { key } = await bounded({ runs: 2 });
  const json = { tasks: [{ key: "a", instructions: "x", pool: "shell" }] };
  const cancelled = async () => {
    const { id } = (await create(key, { limits: { pools: ["shell"] } })).body;
    await send("POST", `/v1/runs/${id}/tasks`, { json, key });
    await send("POST", `/v1/runs/${id}/cancel`, { json: {}, key });
    await expect.poll(async () => await live()).not.toContain(id);
    return id as string;
  };
  const live = async () =>
    (await send("GET", "/v1/runs?status=active", { key })).body.runs.map(({ id }: { id: string }) => id);
  const ended = [await cancelled(), await cancelled(), await cancelled()];
  const retry = (id: string, task = "a", idem?: string) =>
    send("POST", `/v1/runs/${id}/tasks/${task}/retry`, { json: {}, key, ...(idem !== undefined && { idem }) });

  // What is refused, or is a repeat, takes no place.
  expect((await retry(ended[0]!, "nothing")).body.code).toBe("not_found");
  expect(await live()).toEqual([]);
  const answers = await Promise.all(ended.map((id) => retry(id, "a", "again")));
  expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 429]);
  expect(answers.find(({ status }) => status === 429)!.body).toMatchObject({
    code: "quota_exceeded",
    detail: "runs: 2 may live at once, and as many do",
  });
  const [one, another] = ended.filter((_, i) => answers[i]!.status === 200);
  expect((await live()).sort()).toEqual([one, another].sort());
  expect((await create(key)).status).toBe(429);
  // In one that lives already there is nothing to be asked.
  await send("POST", `/v1/runs/${one}/tasks/a/cancel`, { json: {}, key });
  expect((await retry(one!)).status).toBe(200);

  await send("POST", `/v1/runs/${one}/cancel`, { json: {}, key });
  await expect.poll(async () => await live()).toEqual([another]);
  expect((await retry(one!, "a", "again")).status).toBe(200);
  expect(await live()).toEqual([another]);
  expect((await create(key)).status).toBe(201);
  // Where there is no place, what would take none is answered as ever.
  expect((await retry(one!, "a", "again")).body).toEqual(answers[ended.indexOf(one!)]!.body);
  expect((await retry(one!, "nothing")).body.code).toBe("not_found");
  expect((await retry(one!)).body).toMatchObject({ code: "quota_exceeded", retryable: true });
  expect(await live()).not.toContain(one);
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

test("tokens a day: the run pauses when they are used up, says until when, and goes on by itself when there are more", async () => {
  const { tenant, key } = await bounded({ tokens_per_day: 5000 });
  const { id } = (await create(key, { limits: { pools: ["shell"] } })).body;
  const tasks = [1, 2, 3].map(() => ({ instructions: "x", pool: "shell" }));
  await send("POST", `/v1/runs/${id}/tasks`, { json: { tasks }, key });
  const view = async () => (await send("GET", `/v1/runs/${id}`, { key })).body;
  const lease = async (waitMs = 20_000) =>
    (await send("POST", "/v1/pools/shell/leases", { json: { worker: "w", wait_ms: waitMs }, key })).body.leases[0];
  const used = async () => (await send("GET", "/v1/quotas", { key })).body;
  // A gate that was never asked knows of no quota yet.
  await expect.poll(async () => (await used()).used.tokens_today, { timeout: 10_000 }).toBe(0);
  const usage = { input_tokens: 5900, output_tokens: 100 };
  await send("POST", `/v1/leases/${(await lease()).id}/complete`, { json: { result: 1, usage }, key: "none" });
  await expect.poll(async () => (await view()).reason, { timeout: 10_000 }).toBe("quota");
  const until = new Date().setUTCHours(24, 0, 0, 0);
  expect((await view()).quota).toEqual({ name: "tokens_per_day", limit: 5000, until });
  expect(await lease(500)).toBeUndefined();
  const refused = await send("POST", `/v1/runs/${id}/resume`, { json: {}, key });
  expect(refused.body).toMatchObject({
    code: "quota_exceeded",
    detail: expect.stringContaining("tokens_per_day: 5000"),
  });
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(await used()).toMatchObject({ quotas: { tokens_per_day: 5000 }, used: { runs: 1, tokens_today: 6000 } });

  await send("PUT", `/admin/tenants/${tenant}/quotas`, { json: { tokens_per_day: 9000 } });
  await send("POST", `/v1/runs/${id}/resume`, { json: {}, key });
  await expect.poll(async () => (await view()).status, { timeout: 10_000 }).toBe("active");
  expect(await lease()).toBeDefined();
});

test("storage: new runs, contexts and tasks are refused with the quota's name, until something is deleted", async () => {
  const { key } = await bounded({ storage_bytes: 100_000 });
  const { id, snapshot } = (await create(key)).body;
  const messages = [{ role: "user", content: "x".repeat(300_000) }];
  const named = (idem?: string) => ({ key, ...(idem !== undefined && { idem }) });
  const append = (idem?: string) =>
    send("POST", `/v1/runs/${id}/context`, { json: { after: snapshot, messages }, ...named(idem) });
  const appended = await append("a");
  expect(appended.status).toBe(200);
  const tasks = [{ instructions: "x", pool: "hosted" }];
  const post = (idem?: string) => send("POST", `/v1/runs/${id}/tasks`, { json: { tasks }, ...named(idem) });
  const made = await create(key, {}, "c");
  // It says how much it has with its first task.
  const posted = await post("p");
  expect([made.status, posted.status]).toEqual([201, 201]);
  await expect.poll(async () => (await create(key)).status, { timeout: 10_000 }).toBe(429);
  for (const refused of [await create(key), await append(), await post()]) {
    expect(refused.body).toMatchObject({
      code: "quota_exceeded",
      detail: expect.stringContaining("storage_bytes: 100000"),
    });
    expect(refused.headers.get("retry-after")).toBeNull();
  }
  // Who has not heard what was stored before is told; other requests have no name of theirs to come in by.
  const firsts = [appended, posted, made].map(({ status, body }) => [status, body]);
  const again = [await append("a"), await post("p"), await create(key, {}, "c")];
  expect(again.map(({ status, body }) => [status, body])).toEqual(firsts);
  for (const other of [
    await append("a2"),
    await post("a"),
    await create(key, { name: "other" }, "c"),
    await create(key, {}, "c2"),
  ])
    expect(other.body.code).toBe("quota_exceeded");
  expect((await send("GET", "/v1/quotas", { key })).body.used.stored_bytes).toBeGreaterThan(300_000);
  // An agent is told so, too, as it is told of anything.
  const call = { arguments: { instructions: "x" } };
  const told = await send("POST", `/v1/runs/${id}/tools/create_task`, { json: call, key });
  expect(told).toMatchObject({ status: 200, body: { error: { code: "quota_exceeded" } } });
  await send("DELETE", `/v1/runs/${id}`, { key });
  await expect.poll(async () => (await create(key)).status, { timeout: 10_000 }).toBe(201);
});

test("storage: what variables hold in objects of their own counts too, and goes with the run", async () => {
  const { key } = await bounded({ storage_bytes: 10_000_000 });
  const { id } = (await create(key)).body;
  const stored = async () => (await send("GET", "/v1/quotas", { key })).body.used.stored_bytes as number;
  const use = (tool: string, args: object) =>
    send("POST", `/v1/runs/${id}/tools/${tool}`, { json: { arguments: args }, key });
  const text = "x".repeat(200_000);
  for (const name of ["one", "two"]) {
    const wrote = await use("shared_memory", { op: "write", name, text });
    expect(wrote.body).toHaveProperty("result");
  }
  // It says how much they have with its first task.
  await send("POST", `/v1/runs/${id}/tasks`, { json: { tasks: [{ instructions: "x", pool: "hosted" }] }, key });
  await expect.poll(stored, { timeout: 10_000 }).toBeGreaterThan(2 * text.length);
  await send("DELETE", `/v1/runs/${id}`, { key });
  await expect.poll(stored, { timeout: 10_000 }).toBe(0);
});
