/** Every run route against the real objects: what a client sends, what it gets, what is refused. */

import { env } from "cloudflare:workers";
import { beforeAll, expect, test } from "vitest";
import type * as z from "zod";
import * as responses from "../../../src/contract/responses.ts";
import { rulesCheckView, rulesTrialView } from "../../../src/contract/rules-requests.ts";
import * as workerResponses from "../../../src/contract/worker-responses.ts";
import { createApp } from "../../../src/http/app.ts";
import type { HttpEnv } from "../../../src/http/env.ts";
import { jsonValuesMax } from "../../../src/limits.ts";
import { eventually } from "../../objects/lib/eventually.ts";

const bindings = env as unknown as HttpEnv;
const app = createApp({
  localKeys: {
    keys: [
      { key: "hdl_a", tenant: "ten_a", scopes: ["runs", "workers"] },
      { key: "hdl_b", tenant: "ten_b", scopes: ["runs", "workers"] },
      { key: "hdl_pages", tenant: "ten_pages", scopes: ["runs"] },
      { key: "hdl_found", tenant: "ten_found", scopes: ["runs"] },
    ],
    operatorSecret: "operate",
  },
});

interface Sent {
  key?: string | null;
  json?: unknown;
  text?: string;
  headers?: Record<string, string>;
}

async function send(
  method: string,
  path: string,
  { key = "hdl_a", json, text, headers }: Sent = {},
): Promise<Response> {
  const body = text ?? (json === undefined ? undefined : JSON.stringify(json));
  return app.request(
    `http://heddle.test${path}`,
    {
      method,
      ...(body !== undefined && { body }),
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
    },
    bindings,
  );
}

/** The answer, which must have `status` and match `schema`. */
async function get<Schema extends z.ZodType>(
  schema: Schema,
  status: number,
  method: string,
  path: string,
  sent?: Sent,
): Promise<z.output<Schema>> {
  const response = await send(method, path, sent);
  const body = await response.json();
  expect({ status: response.status, body }).toMatchObject({ status });
  return schema.parse(body);
}

const refused = async (method: string, path: string, sent?: Sent) =>
  get(responses.problemView, expect.any(Number) as unknown as number, method, path, sent);

const newRun = (json: unknown = {}, headers: Record<string, string> = {}) =>
  get(responses.runView, 201, "POST", "/v1/runs", { json, headers });

let shared: string;
beforeAll(async () => {
  shared = (await newRun({ name: "shared" })).id;
});

test("a run is created, read, paused, resumed, finished and deleted", async () => {
  const run = await newRun({ name: "weave", limits: { workers: 2, tokens: 1000 } });
  expect(run).toMatchObject({ name: "weave", status: "active", idle: true, format: "anthropic", root: null });
  expect(run.limits).toMatchObject({ workers: 2, tokens: 1000, tasks: 10_000, depth: 5, children: 100 });
  const at = `/v1/runs/${run.id}`;
  expect(await get(responses.runView, 200, "GET", at)).toMatchObject({ id: run.id, snapshot: run.snapshot });
  expect(await get(responses.runView, 200, "POST", `${at}/pause`)).toMatchObject({ status: "paused" });
  expect(await get(responses.runView, 200, "POST", `${at}/resume`)).toMatchObject({ status: "active" });
  expect(await refused("POST", `${at}/resume`)).toMatchObject({ code: "run_not_paused" });
  expect(await get(responses.runView, 200, "POST", `${at}/budget`, { json: { tokens: 5000 } })).toMatchObject({
    limits: { tokens: 5000 },
  });
  expect(await get(responses.runView, 200, "POST", `${at}/finish`, { json: {} })).toMatchObject({
    status: "succeeded",
  });
  expect(await refused("POST", `${at}/tasks`, { json: { tasks: [{ instructions: "x" }] } })).toMatchObject({
    code: "run_ended",
  });
  expect((await send("DELETE", at)).status).toBe(204);
  expect(await refused("GET", at)).toMatchObject({ code: "not_found" });
  expect(await refused("DELETE", at)).toMatchObject({ code: "not_found" });
});

test("a run's file makes a run of the tenant that sends it, with the same ids of tasks; a deleted run's leases are lost", async () => {
  const run = await newRun({ name: "filed", limits: { pools: ["box"] } });
  const at = `/v1/runs/${run.id}`;
  await send("POST", `${at}/tasks`, { json: { tasks: [{ key: "a", pool: "box", instructions: "a" }] } });
  const leased = await send("POST", "/v1/pools/box/leases", { json: { worker: "w" } });
  const { leases } = (await leased.json()) as { leases: { id: string; task: { id: string } }[] };
  const lease = `/v1/leases/${leases[0]!.id}`;
  const text = await (await send("GET", `${at}/export`)).text();
  const sent = { key: "hdl_b", text, headers: { "content-type": "application/x-ndjson" } };
  const { id } = await get(responses.importedView, 201, "POST", "/v1/runs/import", sent);
  expect(await refused("GET", `/v1/runs/${id}`)).toMatchObject({ code: "not_found" });
  const task = `/v1/runs/${id}/tasks/${leases[0]!.task.id}`;
  expect(await get(responses.taskView, 200, "GET", task, { key: "hdl_b" })).toMatchObject({ key: "a", state: "ready" });
  expect((await send("DELETE", at)).status).toBe(204);
  for (const [path, json] of [
    ["renew", {}],
    ["turn", { messages: [{ role: "assistant", content: "x" }] }],
    ["tools/inspect", { arguments: {} }],
    ["complete", { result: 1 }],
    ["fail", { error: { code: "x", message: "y" } }],
  ] as const)
    expect(await refused("POST", `${lease}/${path}`, { json })).toMatchObject({ status: 409, code: "lease_lost" });
  expect(await get(responses.runView, 200, "GET", `/v1/runs/${id}`, { key: "hdl_b" })).toMatchObject({
    status: "paused",
  });
});

test("a file's first line is counted before it is parsed, and of a name in it that is no field's a piece is told", async () => {
  const told = async (text: string) => {
    const { code, detail } = await refused("POST", "/v1/runs/import", {
      text,
      headers: { "content-type": "application/x-ndjson" },
    });
    expect(code).toBe("import_invalid");
    return detail;
  };
  expect(await told(`[${"{},".repeat(jsonValuesMax / 2)}{}]`)).toBe(`line 1: has more than ${jsonValuesMax} values`);
  const run = await newRun();
  const [header, ...rest] = (await (await send("GET", `/v1/runs/${run.id}/export`)).text()).split("\n");
  const long = `${header!.slice(0, -1)},"${"k".repeat(1_000_000)}":1}`;
  expect(await told([long, ...rest].join("\n"))).toBe(`line 1: ["${"k".repeat(64)}"]: unknown field`);
});

test("an imported run is as old in the list as it says itself: it did not end before it began", async () => {
  const run = await newRun({ name: "old" });
  await get(responses.runView, 200, "POST", `/v1/runs/${run.id}/finish`, { json: {} });
  const text = await (await send("GET", `/v1/runs/${run.id}/export`)).text();
  await new Promise((done) => setTimeout(done, 20));
  const sent = { key: "hdl_b", text, headers: { "content-type": "application/x-ndjson" } };
  const { id } = await get(responses.importedView, 201, "POST", "/v1/runs/import", sent);
  const { created_at, ended_at } = await get(responses.runView, 200, "GET", `/v1/runs/${id}`, { key: "hdl_b" });
  const { runs } = await get(responses.runsPage, 200, "GET", "/v1/runs?name=old", { key: "hdl_b" });
  expect(created_at).toBeLessThanOrEqual(ended_at!);
  expect(runs).toMatchObject([{ id, created_at, ended_at }]);
});

test("another tenant finds nothing", async () => {
  for (const [method, path] of [
    ["GET", ""],
    ["DELETE", ""],
    ["POST", "/pause"],
    ["GET", "/tasks"],
    ["GET", "/events"],
    ["GET", "/tasks/T1-000000"],
  ] as const) {
    expect(await refused(method, `/v1/runs/${shared}${path}`, { key: "hdl_b" })).toMatchObject({ code: "not_found" });
  }
  expect(await get(responses.runView, 200, "GET", `/v1/runs/${shared}`)).toMatchObject({ status: "active" });
});

test("runs are listed by tenant, in pages, oldest first", async () => {
  const made: string[] = [];
  for (let i = 0; i < 3; i++) {
    made.push(
      (await get(responses.runView, 201, "POST", "/v1/runs", { key: "hdl_pages", json: { name: `n${i}` } })).id,
    );
  }
  const listed: string[] = [];
  let cursor: string | null = null;
  do {
    const query: string = cursor === null ? "limit=2" : `limit=2&cursor=${cursor}`;
    const page: z.output<typeof responses.runsPage> = await get(responses.runsPage, 200, "GET", `/v1/runs?${query}`, {
      key: "hdl_pages",
    });
    listed.push(...page.runs.map(({ id }) => id));
    cursor = page.next_cursor;
  } while (cursor !== null);
  expect(listed.length).toBe(3);
  expect([...listed].sort()).toEqual([...made].sort());
});

test("runs are listed newest first where asked, in pages, and by status and name", async () => {
  const made: string[] = [];
  for (const name of ["daily", "other", "daily"]) {
    made.push((await get(responses.runView, 201, "POST", "/v1/runs", { key: "hdl_found", json: { name } })).id);
    // Two of one millisecond have no order between them but their ids'.
    await new Promise((done) => setTimeout(done, 2));
  }
  const list = async (query: string) => {
    const page = await get(responses.runsPage, 200, "GET", `/v1/runs?${query}`, { key: "hdl_found" });
    return { ids: page.runs.map(({ id }) => id), next: page.next_cursor };
  };
  const first = await list("order=desc&limit=2");
  expect(first.ids).toEqual([made[2], made[1]]);
  expect(await list(`order=desc&limit=2&cursor=${first.next}`)).toEqual({ ids: [made[0]], next: null });
  expect((await list("name=daily")).ids).toEqual([made[0], made[2]]);
  expect((await list("name=daily&order=desc&limit=1")).ids).toEqual([made[2]]);
  await get(responses.runView, 200, "POST", `/v1/runs/${made[1]}/cancel`, { key: "hdl_found", json: {} });
  await eventually(async () => expect((await list("status=cancelled")).ids).toEqual([made[1]]));
  expect((await list("status=active&order=desc")).ids).toEqual([made[2], made[0]]);
  const { next } = await list("status=active&limit=1");
  expect((await list(`status=active&limit=1&cursor=${next}`)).ids).toEqual([made[2]]);
  const all = await get(responses.runsPage, 200, "GET", "/v1/runs", { key: "hdl_found" });
  const second = all.runs[1]!.created_at;
  expect((await list(`from=${second}`)).ids).toEqual([made[1], made[2]]);
  expect((await list(`to=${second}&order=desc`)).ids).toEqual([made[0]]);
  expect((await list(`from=${new Date(second).toISOString()}&name=other&to=${second + 1}`)).ids).toEqual([made[1]]);
  expect((await list("to=2026-11-01")).ids).toEqual([]);
  for (const query of ["order=newest", "status=done", "name=", "from=yesterday", "to=-1"])
    expect(await refused("GET", `/v1/runs?${query}`, { key: "hdl_found" })).toMatchObject({
      code: "validation_failed",
    });
});

test("a cursor is one of its list and its filters: elsewhere it is refused, with what to do; one of the version before is a place", async () => {
  const json = { tasks: [1, 2, 3].map((n) => ({ key: `k${n}`, instructions: "x", pool: "box" })) };
  const runs = await Promise.all([0, 1].map(() => newRun({ limits: { pools: ["box"] } })));
  const [a, b] = runs.map(({ id }) => `/v1/runs/${id}`);
  for (const at of [a, b]) await get(responses.createdTasks, 201, "POST", `${at}/tasks`, { json });
  const list = async (query: string) => {
    const { tasks, next_cursor } = await get(responses.tasksPage, 200, "GET", `${a}/tasks?${query}`);
    return { keys: tasks.map(({ key }) => key), next: next_cursor };
  };
  const { next } = await list("limit=1");
  expect(await list(`cursor=${next}`)).toEqual({ keys: ["k2", "k3"], next: null });
  const elsewhere = [
    `${b}/tasks?cursor=${next}`,
    `${a}/tasks?pool=box&cursor=${next}`,
    `${a}/variables?cursor=${next}`,
    `${a}/actors?cursor=${next}`,
    `${a}/findings?cursor=${next}`,
    `/v1/runs?cursor=${next}`,
  ];
  for (const path of elsewhere) {
    const problem = await refused("GET", path);
    expect([path, problem]).toEqual([path, expect.objectContaining({ status: 422, code: "validation_failed" })]);
    expect(JSON.stringify(problem)).toContain("with the path, order and filters that it came with, or begin without");
  }
  const newest = await get(responses.runsPage, 200, "GET", "/v1/runs?order=desc&limit=1");
  const otherWay = await refused("GET", `/v1/runs?cursor=${newest.next_cursor}`);
  expect(otherWay).toMatchObject({ status: 422, code: "validation_failed" });
  const bare = next!.slice(0, next!.indexOf("~"));
  expect((await list(`cursor=${bare}`)).keys).toEqual(["k2", "k3"]);
});

test("tasks are listed by key, label, pool and parent, in pages; what is none of these is refused by name", async () => {
  const { id } = await newRun({ limits: { pools: ["box"] } });
  const tasks = ["red", "blue", "red"].map((team, i) => ({
    ...{ key: `k${i}`, instructions: "x", pool: "box", labels: { team } },
  }));
  await get(responses.createdTasks, 201, "POST", `/v1/runs/${id}/tasks`, { json: { tasks } });
  const list = async (query: string) => {
    const page = await get(responses.tasksPage, 200, "GET", `/v1/runs/${id}/tasks?${query}`);
    return { keys: page.tasks.map(({ key }) => key), next: page.next_cursor };
  };
  expect((await list("key=k1")).keys).toEqual(["k1"]);
  expect((await list("label=team")).keys).toEqual(["k0", "k1", "k2"]);
  const first = await list("label=team%3Dred&limit=1");
  expect(first.keys).toEqual(["k0"]);
  expect(await list(`label=team=red&limit=1&cursor=${first.next}`)).toEqual({ keys: ["k2"], next: null });
  expect((await list("pool=hosted")).keys).toEqual([]);
  expect((await list("parent=k0&state=ready")).keys).toEqual([]);
  const bad = [
    "key=A%20b",
    "key=",
    "label=",
    `label=${"x".repeat(500)}`,
    "pool=Box",
    "parent=",
    "labels=team",
    "label=a&label=b",
  ];
  for (const query of bad)
    expect(await refused("GET", `/v1/runs/${id}/tasks?${query}`)).toMatchObject({
      ...{ status: 422, code: "validation_failed" },
      errors: [{ path: query.slice(0, query.indexOf("=")) }],
    });
  expect(await refused("GET", `/v1/runs/${id}/tasks?parent=nobody`)).toMatchObject({
    ...{ status: 404, code: "not_found", errors: [{ path: "parent" }] },
  });
});

test("a repeated Idempotency-Key is one run; with another body it is refused and nothing changes", async () => {
  const [a, b] = await Promise.all([1, 2].map(() => newRun({ name: "once" }, { "idempotency-key": "r-1" })));
  expect(a!.id).toBe(b!.id);
  const other = { json: { name: "other" }, headers: { "idempotency-key": "r-1" } };
  expect(await refused("POST", "/v1/runs", other)).toMatchObject({ code: "idempotency_mismatch" });
  expect(await get(responses.runView, 200, "GET", `/v1/runs/${a!.id}`)).toMatchObject({ name: "once" });

  const batch = { json: { tasks: [{ instructions: "x", pool: "nobody" }] }, headers: { "idempotency-key": "t-1" } };
  const first = await get(responses.createdTasks, 201, "POST", `/v1/runs/${a!.id}/tasks`, batch);
  expect(await get(responses.createdTasks, 201, "POST", `/v1/runs/${a!.id}/tasks`, batch)).toEqual(first);
  expect((await get(responses.tasksPage, 200, "GET", `/v1/runs/${a!.id}/tasks`)).tasks.length).toBe(1);
});

test("an Idempotency-Key has no effect where nothing is kept: each request gets what is true for it", async () => {
  const { id } = await newRun();
  const tasks = [{ key: "slow", instructions: "x", pool: "nobody" }];
  await get(responses.createdTasks, 201, "POST", `/v1/runs/${id}/tasks`, { json: { tasks } });
  const sent = (json: object) => ({ json, headers: { "idempotency-key": "same" } });
  const wait = (body: object) =>
    get(responses.waitView, 200, "POST", `/v1/runs/${id}/wait`, sent({ timeout_ms: 0, ...body }));
  expect(await wait({})).toHaveProperty("counts");
  expect(await wait({ tasks: ["slow"] })).toMatchObject({ done: false, tasks: [{ key: "slow" }] });
  await send("POST", `/v1/runs/${id}/tasks/slow/cancel`);
  expect(await wait({ tasks: ["slow"] })).toMatchObject({ done: true, tasks: [{ state: "cancelled" }] });
  for (const workers of [3, 4]) {
    const rule = `at most ${workers} workers`;
    const check = await get(rulesCheckView, 200, "POST", "/v1/rules/check", sent({ rules: `- ${rule}` }));
    expect(check).toMatchObject({ rules: [{ rule }] });
    const trial = await get(rulesTrialView, 200, "POST", `/v1/runs/${id}/rules/try`, sent({ rules: `- ${rule}` }));
    expect(trial).toMatchObject({ rules: [{ rule }] });
  }
});

test("messages come back byte for byte, in both formats", async () => {
  const message = '{"role" : "user","content":[{"type":"text","text":"\\u00e9 — 1.0"} ], "n": 1.0}';
  for (const format of ["anthropic", "openai"]) {
    const text = `{"context":{"messages":[${message}],"format":"${format}","system":"a\\u0062","params":{"x":1.50}}}`;
    const run = await get(responses.runView, 201, "POST", "/v1/runs", { text });
    const at = `/v1/runs/${run.id}/snapshots/${run.snapshot}`;
    const snapshot = await (await send("GET", at)).text();
    for (const part of [message, '"a\\u0062"', '{"x":1.50}']) expect(snapshot).toContain(part);
    expect(responses.snapshotView.parse(JSON.parse(snapshot))).toMatchObject({ snapshot: run.snapshot, format });

    const grown = '{"content":"b\\/c",  "role":"user"}';
    const append = { text: `{"after":"${run.snapshot}","messages":[ ${grown} ]}` };
    const { snapshot: head } = await get(responses.appended, 200, "POST", `/v1/runs/${run.id}/context`, append);
    const since = await (await send("GET", `/v1/runs/${run.id}/snapshots/${head}?after=${run.snapshot}`)).text();
    expect(since).toContain(grown);
    expect(since).not.toContain(message);
    expect((await get(responses.runView, 200, "GET", `/v1/runs/${run.id}`)).snapshot).toBe(head);
  }
  expect(await refused("GET", `/v1/runs/${shared}/snapshots/${"0".repeat(32)}`)).toMatchObject({ code: "not_found" });
  expect(
    await refused("POST", `/v1/runs/${shared}/context`, {
      json: { after: "0".repeat(32), messages: [{ role: "user" }] },
    }),
  ).toMatchObject({ code: "unknown_snapshot" });
});

test("bad batches change nothing", async () => {
  const { id } = await newRun();
  const post = (tasks: unknown[]) => refused("POST", `/v1/runs/${id}/tasks`, { json: { tasks } });
  const task = (key: string, more: object = {}) => ({ key, instructions: "x", pool: "nobody", ...more });
  expect(await post([task("a", { after: ["b"] }), task("b", { after: ["a"] })])).toMatchObject({
    code: "dependency_cycle",
  });
  expect(await post([task("a"), task("b", { after: ["nothing"] })])).toMatchObject({ code: "unknown_task" });
  expect(await post([task("a"), task("a")])).toMatchObject({ code: "duplicate_key" });
  expect(await post([task("a"), { ...task("b"), fork: { snapshot: "0".repeat(32) } }])).toMatchObject({
    code: "unknown_snapshot",
  });
  expect(await get(responses.tasksPage, 200, "GET", `/v1/runs/${id}/tasks`)).toEqual({ tasks: [], next_cursor: null });
});

test("a pool shows its workers with their load, to keys that run or work", async () => {
  const leases = (json: object) => ({ json: { worker: "w1", ...json } });
  await get(
    workerResponses.leasesView,
    200,
    "POST",
    "/v1/pools/spun/leases",
    leases({ load: { cpu: 0.25, memory: 0.5 } }),
  );
  await get(workerResponses.leasesView, 200, "POST", "/v1/pools/spun/leases", leases({ max: 0, load: { cpu: 1 } }));
  const { workers, waiting } = await get(workerResponses.poolView, 200, "GET", "/v1/pools/spun");
  expect(workers).toMatchObject([{ worker: "w1", load: { cpu: 1 } }]);
  expect(waiting).toBe(0);
  const elsewhere = await get(workerResponses.poolView, 200, "GET", "/v1/pools/spun", { key: "hdl_b" });
  expect(elsewhere).toEqual({ pool: "spun", workers: [], waiting: 0, next_cursor: null });

  for (const load of [{ cpu: 1.5 }, { cpu: -0.1 }, { memory: 0.5 }, { cpu: 0, disk: 1 }, 0.5, { cpu: "1" }]) {
    expect(await refused("POST", "/v1/pools/spun/leases", leases({ load }))).toMatchObject({
      status: 422,
      code: "validation_failed",
    });
  }
  expect(await refused("GET", "/v1/pools/hosted")).toMatchObject({ status: 422, code: "pool_not_allowed" });
  expect(await refused("GET", "/v1/pools/Spun")).toMatchObject({ status: 422, code: "validation_failed" });
  expect(await refused("GET", "/v1/pools/spun?cursor=x")).toMatchObject({ status: 422, code: "validation_failed" });
});

test("a pull worker: lease, renew, log a turn, complete with the next, fail", async () => {
  const { id } = await newRun();
  const tasks = ["a", "b"].map((key) => ({ key, instructions: `do ${key}`, pool: "loom", retries: { limit: 0 } }));
  await get(responses.createdTasks, 201, "POST", `/v1/runs/${id}/tasks`, { json: { tasks } });

  const asking = { json: { worker: "w1", max: 1, wait_ms: 20_000 } };
  const { leases } = await get(workerResponses.leasesView, 200, "POST", "/v1/pools/loom/leases", asking);
  expect(leases).toMatchObject([
    { run: id, task: { key: "a", state: "running", instructions: "do a", attempt: 1, generation: 1 } },
  ]);
  const lease = leases[0]!;
  if (!("context" in lease)) throw new Error("the lease is a task's");
  expect(lease.context!.messages.length).toBeGreaterThan(0);
  const at = `/v1/leases/${lease.id}`;

  const call = (action: string, json: unknown = {}) => ({ path: `${at}/${action}`, sent: { json, key: null } });
  const done = async <Schema extends z.ZodType>(schema: Schema, { path, sent }: ReturnType<typeof call>) =>
    get(schema, 200, "POST", path, sent);
  expect((await done(workerResponses.renewed, call("renew"))).expires_at).toBeGreaterThan(Date.now());
  const turn = await done(responses.appended, call("turn", { messages: [{ role: "assistant", content: "thinking" }] }));
  expect(turn.snapshot).not.toBe(lease.snapshot);
  const looked = await done(responses.toolOutcome, call("tools/inspect", { arguments: {} }));
  expect(looked).toMatchObject({ result: expect.anything() });
  expect(await done(responses.toolOutcome, call("tools/await_tasks", { arguments: { tasks: 7 } }))).toMatchObject({
    error: { code: "bad_arguments", message: expect.stringContaining("tasks") },
  });

  const completed = await done(
    workerResponses.completed,
    call("complete", { result: { ok: true }, next: true, worker: "w1" }),
  );
  expect(completed.lease).toMatchObject({ task: { key: "b" } });
  for (const action of ["renew", "complete", "fail", "turn", "tools/inspect", "tools/nothing"]) {
    expect(await refused("POST", `${at}/${action}`, { json: {}, key: null })).toMatchObject({
      status: 409,
      code: "lease_lost",
    });
  }

  const failing = { json: { error: { code: "broke", message: "m" } }, key: null };
  const outcome = await get(workerResponses.failed, 200, "POST", `/v1/leases/${completed.lease!.id}/fail`, failing);
  expect(outcome).toMatchObject({ state: "failed", error: { code: "broke" } });

  const waited = await get(responses.waitView, 200, "POST", `/v1/runs/${id}/wait`, {
    json: { tasks: ["b", "a"], mode: "settled" },
  });
  expect(waited).toMatchObject({
    done: true,
    tasks: [
      { key: "b", state: "failed" },
      { key: "a", result: { ok: true } },
    ],
  });
  const all = await get(responses.waitView, 200, "POST", `/v1/runs/${id}/wait`, { json: { timeout_ms: 0 } });
  expect(all).toMatchObject({ done: true, counts: { succeeded: 1, failed: 1 }, failed: [expect.any(String)] });

  const [a] = (await get(responses.tasksPage, 200, "GET", `/v1/runs/${id}/tasks?state=succeeded`)).tasks;
  expect(await get(responses.taskView, 200, "GET", `/v1/runs/${id}/tasks/${a!.id}`)).toEqual(a);
  expect(await get(responses.contextView, 200, "GET", `/v1/runs/${id}/tasks/${a!.id}/context`)).toMatchObject({
    format: "anthropic",
  });
  expect(
    await get(responses.taskView, 200, "POST", `/v1/runs/${id}/tasks/${waited.tasks![0]!.id}/retry`),
  ).toMatchObject({ generation: 2 });
  expect(
    await get(responses.taskView, 200, "POST", `/v1/runs/${id}/tasks/${waited.tasks![0]!.id}/cancel`, {
      json: { reason: "enough" },
    }),
  ).toMatchObject({
    state: "cancelled",
  });
});

test("tools of an agent outside: bad arguments are told to the agent, a bad envelope to the caller", async () => {
  const { id } = await newRun();
  const call = (tool: string, json: unknown) =>
    get(responses.toolOutcome, 200, "POST", `/v1/runs/${id}/tools/${tool}`, { json });
  expect(await call("create_task", { arguments: { instructions: "x", pool: "nobody", key: "a" } })).toMatchObject({
    result: { tasks: [{ key: "a", id: expect.any(String) }] },
  });
  expect(await call("inspect", { arguments: '{"task":"a"}' })).toMatchObject({ result: expect.anything() });
  expect(await call("create_task", { arguments: { nothing: 1 } })).toMatchObject({ error: { code: "bad_arguments" } });
  expect(await call("create_task", { arguments: "{" })).toMatchObject({ error: { code: "bad_arguments" } });
  expect(await call("finish", { arguments: { result: 1 } })).toMatchObject({ error: { code: "not_a_task" } });
  expect(await call("await_tasks", { arguments: { tasks: ["a"] }, call_id: "c1", wait_ms: 0 })).toEqual({
    pending: true,
    call_id: "c1",
  });
  expect(await refused("POST", `/v1/runs/${id}/tools/create_task`, { json: { argument: {} } })).toMatchObject({
    code: "validation_failed",
  });
});

test("the log: in pages, and live until the run ends", async () => {
  const { id } = await newRun();
  const at = `/v1/runs/${id}`;
  await get(responses.createdTasks, 201, "POST", `${at}/tasks`, {
    json: { tasks: [{ instructions: "x", pool: "nobody" }] },
  });
  const first = await get(responses.eventsPage, 200, "GET", `${at}/events?limit=1`);
  expect(first).toMatchObject({ events: [{ seq: 1 }], next_cursor: "1" });
  const rest = await get(responses.eventsPage, 200, "GET", `${at}/events?after=1`);
  expect(rest.events[0]).toMatchObject({ seq: 2 });
  expect(rest.next_cursor).toBeNull();
  // As of every list; a reader that began at `after` goes on from there.
  expect(await get(responses.eventsPage, 200, "GET", `${at}/events?cursor=1`)).toEqual(rest);
  expect(await get(responses.eventsPage, 200, "GET", `${at}/events?after=0&cursor=1`)).toEqual(rest);

  const live = await send("GET", `${at}/events`, { headers: { accept: "text/event-stream", "last-event-id": "1" } });
  expect(live.headers.get("content-type")).toContain("text/event-stream");
  const reader = live.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  const until = async (mark: string) => {
    while (!text.includes(mark)) {
      const { value, done } = await reader.read();
      if (done) return;
      text += value;
    }
  };
  await until(`id: ${rest.events.at(-1)!.seq}\n`);
  expect(text).not.toContain("id: 1\n");
  expect((await send("POST", `${at}/cancel`, { json: { reason: "seen enough" } })).status).toBe(200);
  await until("event: end\n");
  const seqs = Array.from(text.matchAll(/^id: (\d+)$/gm), ([, seq]) => Number(seq));
  expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, i) => i + 2));
  expect(
    await refused("GET", `${at}/events`, { headers: { accept: "text/event-stream", "last-event-id": "x" } }),
  ).toMatchObject({
    code: "validation_failed",
    errors: [{ path: "Last-Event-ID", message: "expected a whole number" }],
  });
  expect((await refused("POST", "/v1/pools/Big/leases", { json: { worker: "w" } })).errors?.[0]?.path).toBe("pool");
});

test("many large results: a wait tells them all, in its order, and lists end early, where one call of the object could not hold them", async () => {
  const count = 24;
  const { id } = await newRun({ limits: { workers: count } });
  const keys = Array.from({ length: count }, (_, i) => `k${i}`);
  const tasks = keys.map((key) => ({ key, title: "→".repeat(200), instructions: "much", pool: "many" }));
  await get(responses.createdTasks, 201, "POST", `/v1/runs/${id}/tasks`, { json: { tasks } });
  // Two bytes a character in a call, which takes 32 MiB: all of them would be 36.
  const result = `é${"a".repeat(780_000)}`;
  const asking = { json: { worker: "w", max: count } };
  const { leases } = await get(workerResponses.leasesView, 200, "POST", "/v1/pools/many/leases", asking);
  for (const lease of leases)
    await get(workerResponses.completed, 200, "POST", `/v1/leases/${lease.id}/complete`, { json: { result } });
  const reversed = keys.toReversed();
  const waiting = { json: { tasks: [...reversed, "k3"], mode: "settled", timeout_ms: 1000 } };
  const waited = await get(responses.waitView, 200, "POST", `/v1/runs/${id}/wait`, waiting);
  expect(waited.done).toBe(true);
  expect(waited.tasks?.map(({ key }) => key)).toEqual([...reversed, "k3"]);
  expect(waited.tasks?.every((task) => task.result === result)).toBe(true);
  const listed: (string | null)[] = [];
  for (let at = ""; ; ) {
    const page = await get(responses.tasksPage, 200, "GET", `/v1/runs/${id}/tasks?limit=1000${at}`);
    expect(page.tasks.length).toBeLessThan(count);
    listed.push(...page.tasks.map(({ key }) => key));
    if (page.next_cursor === null) break;
    at = `&cursor=${page.next_cursor}`;
  }
  expect(listed).toEqual(keys);
});

test("a page of tasks counts all that it shows of them: errors of many failed tasks, and their labels", async () => {
  const { id } = await newRun({ limits: { tasks: 2000 } });
  const labels = Object.fromEntries(Array.from({ length: 16 }, (_, i) => [`l${i}`, "→".repeat(60)]));
  const tasks = Array.from({ length: 700 }, () => ({
    instructions: "x",
    pool: "failing",
    labels,
    retries: { limit: 0 },
  }));
  await get(responses.createdTasks, 201, "POST", `/v1/runs/${id}/tasks`, { json: { tasks } });
  const error = { code: "boom", message: "é→".repeat(8000) };
  for (;;) {
    const asking = { json: { worker: "w", max: 64 } };
    const { leases } = await get(workerResponses.leasesView, 200, "POST", "/v1/pools/failing/leases", asking);
    if (leases.length === 0) break;
    const fail = (lease: string) =>
      get(workerResponses.failed, 200, "POST", `/v1/leases/${lease}/fail`, { json: { error } });
    await Promise.all(leases.map(({ id: lease }) => fail(lease)));
  }
  const page = await get(responses.tasksPage, 200, "GET", `/v1/runs/${id}/tasks?limit=1000`);
  expect(page.tasks.length).toBeLessThan(600);
  const rest = await get(responses.tasksPage, 200, "GET", `/v1/runs/${id}/tasks?limit=1000&cursor=${page.next_cursor}`);
  expect(rest.tasks[0]!.id).toMatch(new RegExp(`^T${page.tasks.length + 1}-`));
});

test("a turn of a task that has used up its tokens is refused by that name, and so is its repeat; whatever else comes has lost the lease", async () => {
  const { id } = await newRun();
  const pool = `spent-${id.slice(4, 12)}`;
  const tasks = [{ instructions: "x", pool, max_tokens: 10 }];
  await get(responses.createdTasks, 201, "POST", `/v1/runs/${id}/tasks`, { json: { tasks } });
  const { leases } = await get(workerResponses.leasesView, 200, "POST", `/v1/pools/${pool}/leases`, {
    json: { worker: "w" },
  });
  expect(leases).toMatchObject([{ tokens_left: 10 }]);
  const turnOf = `/v1/leases/${leases[0]!.id}/turn`;
  const turn = (key: string) => ({
    json: { messages: [{ role: "assistant", content: "on" }], usage: { input_tokens: 10, output_tokens: 1 } },
    headers: { "idempotency-key": key },
  });
  expect(await get(workerResponses.turnLogged, 200, "POST", turnOf, turn("first"))).toMatchObject({ tokens_left: 0 });
  for (const [key, code] of [
    ["second", "max_tokens"],
    ["second", "max_tokens"],
    ["third", "lease_lost"],
  ] as const)
    expect(await refused("POST", turnOf, turn(key))).toMatchObject({ status: 409, code });
});

test("a worker's result is held to the task's output_schema: what does not match is refused, and the lease stays", async () => {
  const { id } = await newRun();
  const at = `/v1/runs/${id}`;
  const output_schema = { type: "object", required: ["n"], properties: { n: { type: "integer" } } };
  const specs = ["json", "text", "agent"].map((key) => ({
    key,
    instructions: "x",
    pool: `held-${id.slice(4, 12)}`,
    output_schema,
  }));
  await get(responses.createdTasks, 201, "POST", `${at}/tasks`, { json: { tasks: specs } });
  const pool = `/v1/pools/held-${id.slice(4, 12)}/leases`;
  const { leases } = await get(workerResponses.leasesView, 200, "POST", pool, { json: { worker: "w", max: 3 } });
  const [json, text, agent] = leases.map((lease) => lease.id) as [string, string, string];
  const asked = (result: unknown, key: string) => ({ json: { result }, headers: { "idempotency-key": key } });
  const completeOf = (lease: string) => `/v1/leases/${lease}/complete`;
  for (const result of ["no", { n: "1" }, null]) {
    const { code, errors } = await refused("POST", completeOf(json), asked(result, "again"));
    expect([code, errors?.[0]?.path]).toEqual(["validation_failed", "result"]);
    expect(errors?.[0]?.message).toContain("output_schema");
  }
  expect((await get(responses.taskView, 200, "GET", `${at}/tasks/json`)).state).toBe("running");
  // A repeat gets the first answer, though the lease is over.
  for (const _ of [1, 2]) await get(workerResponses.completed, 200, "POST", completeOf(json), asked({ n: 1 }, "again"));
  expect((await refused("POST", completeOf(json), asked({ n: 1 }, "other"))).code).toBe("lease_lost");
  // What a program printed is a text: JSON in it is what the schema is about.
  await get(workerResponses.completed, 200, "POST", completeOf(text), asked(' {"n": 2}', "text"));
  // An agent is told of its result in the call's answer.
  const finish = (args: object) =>
    get(responses.toolOutcome, 200, "POST", `/v1/leases/${agent}/tools/finish`, { json: { arguments: args } });
  const told = {
    error: { code: "bad_arguments", message: expect.stringContaining("does not match the output schema") },
  };
  expect(await finish({ result: "no" })).toMatchObject(told);
  expect(await finish({ result: { n: 3 } })).toEqual({ result: { state: "succeeded" } });
  const results = ["json", "text", "agent"].map((key) => get(responses.taskView, 200, "GET", `${at}/tasks/${key}`));
  expect((await Promise.all(results)).map(({ result }) => result)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }]);
});

test("a pattern that takes a regular expression for ever keeps nobody waiting: neither at its result nor anybody else", async () => {
  const { id } = await newRun();
  const pool = `slow-${id.slice(4, 12)}`;
  const output_schema = { type: "string", pattern: "^(a+)+$" };
  const tasks = [{ key: "slow", instructions: "x", pool, output_schema }];
  await get(responses.createdTasks, 201, "POST", `/v1/runs/${id}/tasks`, { json: { tasks } });
  const { leases } = await get(workerResponses.leasesView, 200, "POST", `/v1/pools/${pool}/leases`, {
    json: { worker: "w" },
  });
  const at = `/v1/leases/${leases[0]!.id}/complete`;
  const { errors } = await refused("POST", at, { json: { result: `${"a".repeat(60)}!` } });
  expect(errors?.[0]?.message).toContain("String does not match pattern");
  await get(workerResponses.completed, 200, "POST", at, { json: { result: "aaa" } });
});

test("a remote tool: declared, called by a pull worker's task, leased, reported on, answered; its key", async () => {
  const input_schema = { type: "object", properties: { path: { type: "string" } } };
  const tools = [{ name: "read", description: "Reads.", input_schema, pool: "hands" }];
  const run = await get(responses.runView, 201, "POST", "/v1/runs", { json: { tools } });
  expect(run.tools).toEqual([{ ...tools[0], timeout_ms: 300_000, retries: { limit: 2 } }]);
  const { id } = run;
  const posted = { json: { tasks: [{ key: "p", title: "Pull", pool: "desk", instructions: "x" }] } };
  await get(responses.createdTasks, 201, "POST", `/v1/runs/${id}/tasks`, posted);
  const asked = { json: { worker: "w", wait_ms: 20_000 } };
  const [task] = (await get(workerResponses.leasesView, 200, "POST", "/v1/pools/desk/leases", asked)).leases;
  // Its own names are in the context that travels with the lease.
  if (!task || !("context" in task)) throw new Error("the lease is a task's");
  expect(JSON.stringify(task.context!.tools)).toContain('"read"');

  const told = { message: "Bash: ls", fraction: 0.5, turns: 3, usage: { input_tokens: 70, cost_usd: 0.01 } };
  await get(workerResponses.renewed, 200, "POST", `/v1/leases/${task.id}/renew`, {
    json: { progress: told },
    key: null,
  });
  expect(await get(responses.taskView, 200, "GET", `/v1/runs/${id}/tasks/p`)).toMatchObject({ progress: told });
  const call = { json: { call_id: "c", arguments: { path: "a" }, wait_ms: 0 }, key: null };
  const calling = () => get(responses.toolOutcome, 200, "POST", `/v1/leases/${task.id}/tools/read`, call);
  expect(await calling()).toEqual({ pending: true, call_id: "c" });
  const wanted = { json: { worker: "w", kinds: ["tool_call"], tools: ["read"], wait_ms: 20_000 } };
  const [lease] = (await get(workerResponses.leasesView, 200, "POST", "/v1/pools/hands/leases", wanted)).leases;
  if (!lease || !("tool_call" in lease)) throw new Error("the lease is a tool call's");
  expect(Object.keys(lease).sort()).toEqual(["expires_at", "id", "tool_call"]);
  expect(lease.tool_call).toMatchObject({ tool: "read", arguments: { path: "a" }, task: { key: "p", title: "Pull" } });
  const progress = { json: { progress: { message: "half" } }, key: null };
  await get(workerResponses.renewed, 200, "POST", `/v1/leases/${lease.id}/renew`, progress);
  const ofTask = { json: { progress: { turns: 1 } }, key: null };
  expect(await refused("POST", `/v1/leases/${lease.id}/renew`, ofTask)).toMatchObject({
    status: 422,
    errors: [{ path: "progress.turns" }],
  });
  const seen = await get(responses.taskView, 200, "GET", `/v1/runs/${id}/tasks/p`);
  expect(seen.waiting_on).toMatchObject({ tools: [{ tool: "read", call: "c", progress: { message: "half" } }] });
  const done = { json: { result: ["x"], next: true, worker: "w" }, key: null };
  expect(await get(workerResponses.completed, 200, "POST", `/v1/leases/${lease.id}/complete`, done)).toEqual({});
  expect(await calling()).toEqual({ result: ["x"] });

  for (const action of ["renew", "complete", "fail", "turn", "tools/inspect"]) {
    const late = await refused("POST", `/v1/leases/${lease.id}/${action}`, { json: {}, key: null });
    expect(late).toMatchObject({ status: 409, code: "lease_lost" });
  }
  const unknown = { json: { arguments: {} }, key: null };
  expect(await refused("POST", `/v1/leases/${task.id}/tools/write`, unknown)).toMatchObject({ code: "not_found" });
  expect(await refused("POST", `/v1/runs/${id}/tools/write`, { json: {} })).toMatchObject({
    code: "not_found",
    detail: expect.stringMatching(/^There is no tool "write" here; there are create_task, .*, read\.$/),
  });
  const { secret } = await get(responses.signingSecret, 200, "GET", "/v1/tools/signing-secret");
  const other = await get(responses.signingSecret, 200, "GET", "/v1/tools/signing-secret", { key: "hdl_b" });
  expect(other.secret).not.toBe(secret);
});
