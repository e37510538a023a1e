/** Whatever is malformed, oversized, unknown, foreign or forged gets a problem with its code, and changes nothing. */

import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { batchTasksMax, bodyBytesMax, instructionsBytesMax, resultBytesMax } from "../../src/limits.ts";
import { LocalServer } from "./lib/server.ts";

/** Its own: what it counts would be changed by other files. */
let server: LocalServer;

interface Bad {
  does: string;
  method?: string;
  /** Under the run, unless it begins with `/v1`. */
  path: string;
  body?: string | object;
  status: number;
  code: string;
  /** Of the field that `errors` names. */
  at?: string;
}

const tasks = (...specs: object[]) => ({ tasks: specs });
const ok = { instructions: "do it" };

const bad: Bad[] = [
  // JSON
  { does: "JSON that ends early", path: "/tasks", body: '{"tasks": [', status: 400, code: "malformed_json" },
  { does: "JSON with a comma too many", path: "/tasks", body: '{"tasks": [],}', status: 400, code: "malformed_json" },
  { does: "a body that is no object", path: "/tasks", body: "[]", status: 422, code: "validation_failed" },
  {
    does: "JSON a thousand levels deep",
    path: "/tasks",
    body: `{"a":${"[".repeat(1000)}${"]".repeat(1000)}}`,
    status: 422,
    code: "validation_failed",
  },
  {
    does: "JSON that opens a million lists and closes none",
    path: "/tasks",
    body: "[".repeat(1e6),
    status: 400,
    code: "malformed_json",
  },
  {
    does: "what has more values than a body may, though it is no JSON",
    path: "/tasks",
    body: "[".repeat(3e6),
    status: 422,
    code: "validation_failed",
  },
  {
    does: "a number that no double holds",
    path: "/tools/atomic",
    body: '{"arguments": {"op": "set", "name": "n", "value": 1e400}}',
    status: 422,
    code: "validation_failed",
  },
  {
    does: "fields by way of a prototype",
    path: "/tasks",
    body: '{"__proto__": {"tasks": [{"instructions": "x"}]}}',
    status: 422,
    code: "validation_failed",
    at: "__proto__",
  },
  {
    does: "a field that every object has",
    path: "/tasks",
    body: '{"tasks": [{"instructions": "x", "constructor": {"prototype": {}}}]}',
    status: 422,
    code: "validation_failed",
    at: "tasks[0].constructor",
  },
  // types, fields, ranges
  {
    does: "text where a list belongs",
    path: "/tasks",
    body: { tasks: "a" },
    status: 422,
    code: "validation_failed",
    at: "tasks",
  },
  {
    does: "a number where text belongs",
    path: "/tasks",
    body: tasks({ instructions: 7 }),
    status: 422,
    code: "validation_failed",
    at: "tasks[0].instructions",
  },
  {
    does: "no instructions",
    path: "/tasks",
    body: tasks(ok, {}),
    status: 422,
    code: "validation_failed",
    at: "tasks[1].instructions",
  },
  {
    does: "an unknown field",
    path: "/tasks",
    body: tasks({ ...ok, colour: "red" }),
    status: 422,
    code: "validation_failed",
    at: "tasks[0].colour",
  },
  {
    does: "a priority of ten",
    path: "/tasks",
    body: tasks({ ...ok, priority: 10 }),
    status: 422,
    code: "validation_failed",
    at: "tasks[0].priority",
  },
  {
    does: "a key with a capital",
    path: "/tasks",
    body: tasks({ ...ok, key: "Key" }),
    status: 422,
    code: "validation_failed",
    at: "tasks[0].key",
  },
  {
    does: "an unknown fork",
    path: "/tasks",
    body: tasks({ ...ok, fork: { first: 3 } }),
    status: 422,
    code: "validation_failed",
    at: "tasks[0].fork",
  },
  {
    does: "a fork of no turns",
    path: "/tasks",
    body: tasks({ ...ok, fork: { last: 0 } }),
    status: 422,
    code: "validation_failed",
  },
  { does: "no tasks", path: "/tasks", body: tasks(), status: 422, code: "validation_failed", at: "tasks" },
  {
    does: "1,001 tasks",
    path: "/tasks",
    body: tasks(...Array.from({ length: batchTasksMax + 1 }, () => ok)),
    status: 422,
    code: "validation_failed",
    at: "tasks",
  },
  {
    does: "an unknown mode of waiting",
    path: "/wait",
    body: { mode: "some" },
    status: 422,
    code: "validation_failed",
    at: "mode",
  },
  {
    does: "a wait of an hour",
    path: "/wait",
    body: { timeout_ms: 3_600_000 },
    status: 422,
    code: "validation_failed",
    at: "timeout_ms",
  },
  {
    does: "a page of 1,001 rows",
    method: "GET",
    path: "/tasks?limit=1001",
    status: 422,
    code: "validation_failed",
    at: "limit",
  },
  {
    does: "a cursor that nobody gave",
    method: "GET",
    path: "/v1/runs?cursor=nonsense",
    status: 422,
    code: "validation_failed",
  },
  ...["tasks", "findings", "actors", "variables"].flatMap((list) =>
    // Of another list, and numbers in forms that no list writes.
    ["WzE3OTU2NjA5MDY3NjEsInJ1bl94Il0", "0x1", "1e3", "-1", "%205", "9007199254740993"].map((cursor) => ({
      does: `the cursor ${cursor} for ${list}`,
      method: "GET",
      path: `/${list}?cursor=${cursor}`,
      status: 422,
      code: "validation_failed",
      at: "cursor",
    })),
  ),
  {
    does: "a query by way of a prototype",
    method: "GET",
    path: "/tasks?__proto__=1",
    status: 422,
    code: "validation_failed",
    at: "__proto__",
  },
  { does: "an unknown query", method: "GET", path: "/tasks?colour=red", status: 422, code: "validation_failed" },
  {
    does: "an unknown state",
    method: "GET",
    path: "/tasks?state=asleep",
    status: 422,
    code: "validation_failed",
    at: "state",
  },
  {
    does: "an unknown format of context",
    path: "/v1/runs",
    body: { context: { format: "other" } },
    status: 422,
    code: "validation_failed",
    at: "context.format",
  },
  {
    does: "a message without a role",
    path: "/v1/runs",
    body: { context: { messages: [{ content: "hi" }] } },
    status: 422,
    code: "validation_failed",
  },
  {
    does: "a result whose call is not in the context",
    path: "/v1/runs",
    body: { context: { messages: [{ role: "user", content: [{ type: "tool_result", tool_use_id: "a" }] }] } },
    status: 422,
    code: "validation_failed",
    at: "context.messages[0].content[0].tool_use_id",
  },
  {
    does: "a limit of no workers",
    path: "/v1/runs",
    body: { limits: { workers: 0 } },
    status: 422,
    code: "validation_failed",
    at: "limits.workers",
  },
  // names
  {
    does: "a cycle",
    path: "/tasks",
    body: tasks({ ...ok, key: "a", after: ["b"] }, { ...ok, key: "b", after: ["a"] }),
    status: 422,
    code: "dependency_cycle",
  },
  {
    does: "a cycle through a reference",
    path: "/tasks",
    body: tasks({ ...ok, key: "a", after: ["b"] }, { key: "b", instructions: "see {{a}}" }),
    status: 422,
    code: "dependency_cycle",
  },
  {
    does: "a task after itself",
    path: "/tasks",
    body: tasks({ ...ok, key: "a", after: ["a"] }),
    status: 422,
    code: "dependency_cycle",
  },
  {
    does: "a task after nobody",
    path: "/tasks",
    body: tasks(ok, { ...ok, after: ["nobody"] }),
    status: 422,
    code: "unknown_task",
  },
  {
    does: "a reference to nobody",
    path: "/tasks",
    body: tasks({ instructions: "see {{nobody.at.all}}" }),
    status: 422,
    code: "unknown_task",
  },
  {
    does: "a key twice",
    path: "/tasks",
    body: tasks({ ...ok, key: "a" }, { ...ok, key: "a" }),
    status: 422,
    code: "duplicate_key",
  },
  {
    does: "a key that is taken",
    path: "/tasks",
    body: tasks({ ...ok, key: "taken" }),
    status: 422,
    code: "duplicate_key",
  },
  {
    does: "a snapshot of nobody",
    path: "/tasks",
    body: { ...tasks(ok), from: "0".repeat(32) },
    status: 422,
    code: "unknown_snapshot",
  },
  {
    does: "a context after no snapshot",
    path: "/context",
    body: { after: "0".repeat(32), messages: [{ role: "user", content: "x" }] },
    status: 422,
    code: "unknown_snapshot",
  },
  { does: "a wait for nobody", path: "/wait", body: { tasks: ["nobody"] }, status: 404, code: "not_found" },
  { does: "a task of nobody", method: "GET", path: "/tasks/T999-000000", status: 404, code: "not_found" },
  { does: "a task in no form", method: "GET", path: "/tasks/%00%ff", status: 404, code: "not_found" },
  { does: "a snapshot in no form", method: "GET", path: "/snapshots/zzz", status: 404, code: "not_found" },
  { does: "a run of nobody", method: "GET", path: "/v1/runs/run_00000000000000000000", status: 404, code: "not_found" },
  { does: "a run in no form", method: "GET", path: "/v1/runs/..%2f..%2fadmin", status: 404, code: "not_found" },
  { does: "a tool of nobody", path: "/tools/fly", body: {}, status: 404, code: "not_found" },
  ...["constructor", "__proto__", "toString"].map((name) => ({
    does: `a tool called ${name}`,
    path: `/tools/${name}`,
    body: {},
    status: 404,
    code: "not_found",
  })),
  { does: "a path that is no UTF-8", method: "GET", path: "/v1/runs/%E0%A4%A", status: 404, code: "not_found" },
  // size
  {
    does: "a body over 16 MiB",
    path: "/tasks",
    body: `{"tasks":[],"x":"${"x".repeat(bodyBytesMax)}"}`,
    status: 413,
    code: "body_too_large",
  },
  {
    does: "instructions over 128 KiB",
    path: "/tasks",
    body: tasks({ instructions: "é".repeat(instructionsBytesMax / 2 + 1) }),
    status: 413,
    code: "instructions_too_large",
  },
  {
    does: "a remote tool that nobody carries out",
    path: "/v1/runs",
    body: { tools: [{ name: "shell", description: "d", input_schema: { type: "object" } }] },
    status: 422,
    code: "validation_failed",
    at: "tools[0].pool",
  },
  {
    does: "a remote tool of one of Heddle's names",
    path: "/v1/runs",
    body: { tools: [{ name: "finish", description: "d", input_schema: { type: "object" }, pool: "box" }] },
    status: 422,
    code: "validation_failed",
    at: "tools[0].name",
  },
  {
    does: "a remote tool at a private address",
    path: "/v1/runs",
    body: {
      tools: [{ name: "t", description: "d", input_schema: { type: "object" }, url: "http://169.254.169.254/" }],
    },
    status: 422,
    code: "validation_failed",
    at: "tools[0].url",
  },
  // not there yet
  {
    does: "`oversight`",
    path: "/v1/runs",
    body: { oversight: "- on deadlock" },
    status: 422,
    code: "not_available",
    at: "oversight",
  },
  {
    does: "a bullet that is no rule",
    path: "/v1/runs",
    body: { rules: "- at most 8 workers\n- at most 8 wrkers" },
    status: 422,
    code: "rules_invalid",
    at: "rules",
  },
  {
    does: "`webhook` at a private address",
    path: "/v1/runs",
    body: { webhook: { url: "https://10.0.0.1/" } },
    status: 422,
    code: "validation_failed",
    at: "webhook.url",
  },
  {
    does: "a fork of its own name",
    path: "/tasks",
    body: tasks({ ...ok, fork: "half" }),
    status: 422,
    code: "validation_failed",
  },
  { does: "a budget of no dollars", path: "/budget", body: { usd: 0 }, status: 422, code: "validation_failed" },
  {
    does: "a retry before the beginning",
    path: "/tasks/taken/retry",
    body: { from_turn: -1 },
    status: 422,
    code: "validation_failed",
  },
  {
    does: "tools in an unknown format",
    method: "GET",
    path: "/v1/tools?format=gemini",
    status: 422,
    code: "validation_failed",
  },
  // state
  { does: "resuming what runs", path: "/resume", status: 409, code: "run_not_paused" },
  { does: "finishing while tasks live", path: "/finish", body: {}, status: 409, code: "tasks_live" },
  { does: "retrying a live task", path: "/tasks/taken/retry", status: 409, code: "task_not_ended" },
  {
    does: "leasing from the hosted pool",
    path: "/v1/pools/hosted/leases",
    body: { worker: "w" },
    status: 422,
    code: "pool_not_allowed",
  },
  {
    does: "a pool in no form",
    path: "/v1/pools/No%20Pool/leases",
    body: { worker: "w" },
    status: 422,
    code: "validation_failed",
  },
  // paths and methods
  { does: "no path of ours", method: "GET", path: "/v1/nothing", status: 404, code: "not_found" },
  {
    does: "a method that the path does not take",
    method: "PUT",
    path: "/tasks",
    body: {},
    status: 405,
    code: "method_not_allowed",
  },
];

let run = "";
const at = (path: string) => (path.startsWith("/v1") ? path : `/v1/runs/${run}${path}`);
const seen = async () => {
  const { json } = await server.call("GET", `/v1/runs/${run}`);
  const { json: all } = await server.call("GET", "/v1/runs?limit=1000");
  return { last_seq: json.last_seq, counts: json.counts, runs: all.runs.length, snapshot: json.snapshot };
};

beforeAll(async () => {
  // As a user starts it: what the tool bundles in reads a refused body to its end, or the connection breaks before the answer.
  server = await LocalServer.start({ HEDDLE_CONFIG: "" });
  run = (await server.call("POST", "/v1/runs", { name: "bad input" })).json.id;
  // Nobody serves this pool: the run stands still.
  await server.call("POST", `/v1/runs/${run}/tasks`, tasks({ ...ok, key: "taken", pool: "nobody-serves" }));
});

afterAll(() => server.stop());

describe("a problem", () => {
  it.each(bad)("answers $does", async ({ method = "POST", path, body, status, code, at: field }) => {
    const before = await seen();
    const answer = await server.call(method, at(path), body);
    expect({ status: answer.status, body: answer.text.slice(0, 500) }).toMatchObject({ status });
    expect(answer.headers.get("content-type")).toMatch(/^application\/problem\+json/);
    expect(answer.json).toMatchObject({ status, code, title: expect.any(String), hint: expect.any(String) });
    if (field !== undefined) {
      expect(answer.json.errors.map((error: { path: string }) => error.path)).toContain(field);
    }
    expect(await seen()).toEqual(before);
  });

  it("says of a path that a script made out of an empty variable what is wrong with it", async () => {
    const { json } = await server.call("GET", "/v1/runs//tasks");
    expect(json).toMatchObject({
      status: 404,
      code: "not_found",
      detail: expect.stringMatching(/part of it is empty/),
    });
  });

  it("answers a body of another type, or in another coding", async () => {
    const send = (headers: Record<string, string>, body: BodyInit) =>
      fetch(`${server.url}/v1/runs/${run}/tasks`, {
        method: "POST",
        headers: { authorization: "Bearer hdl_local", ...headers },
        body,
      });
    for (const [headers, body, status] of [
      [{ "content-type": "text/plain" }, "{}", 415],
      [{ "content-type": "application/x-www-form-urlencoded" }, "a=b", 415],
      [{ "content-type": "application/json", "content-encoding": "gzip" }, "{}", 415],
      [{ "content-type": "application/json" }, new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]), 400],
    ] as const) {
      expect((await send({ ...headers }, body)).status).toBe(status);
    }
  });

  it("answers pages of other origins, whose requests a browser sends under our own name", async () => {
    const before = await seen();
    const answer = await fetch(`${server.url}/v1/runs`, {
      method: "POST",
      headers: { authorization: "Bearer hdl_local", "content-type": "application/json", origin: "http://evil.test" },
      body: "{}",
    });
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([403, "foreign_origin"]);
    expect(await seen()).toEqual(before);
  });

  it("answers others while two hundred bodies do not come to their end", async () => {
    const before = await seen();
    const { hostname, port } = new URL(server.url);
    const head = `POST ${at("/tasks")} HTTP/1.1\r\nhost: ${hostname}:${port}\r\nauthorization: Bearer hdl_local\r\n`;
    const sockets = Array.from({ length: 200 }, () => connect(Number(port), hostname));
    try {
      await Promise.all(
        sockets.map(async (socket) => {
          socket.on("error", () => undefined);
          await once(socket, "connect");
          socket.write(`${head}content-type: application/json\r\ncontent-length: 100\r\n\r\n{"tasks": [`);
        }),
      );
      expect(await seen()).toEqual(before);
    } finally {
      for (const socket of sockets) socket.destroy();
    }
    expect(await seen()).toEqual(before);
  });

  it("answers a key that is missing, wrong, revoked or of too small a scope", async () => {
    const operator = "hdl_local_admin";
    const tenant = (await server.call("POST", "/admin/tenants", { name: "scoped" }, operator)).json.id;
    const keys = `/admin/tenants/${tenant}/keys`;
    const worker = (await server.call("POST", keys, { scopes: ["workers"] }, operator)).json;
    const revoked = (await server.call("POST", keys, {}, operator)).json;
    expect((await server.call("GET", "/v1/runs", undefined, revoked.key)).status).toBe(200);
    expect((await server.call("DELETE", `${keys}/${revoked.id}`, undefined, operator)).status).toBe(204);
    for (const [key, path, status, code] of [
      ["hdl_nobody", "/v1/runs", 401, "unauthorized"],
      ["", "/v1/runs", 401, "unauthorized"],
      ["' OR 1=1 --", "/v1/runs", 401, "unauthorized"],
      [revoked.key, "/v1/runs", 401, "unauthorized"],
      [worker.key, "/v1/runs", 403, "forbidden"],
      ["hdl_local", "/admin/tenants", 401, "unauthorized"],
      [operator, "/v1/runs", 401, "unauthorized"],
    ] as const) {
      const answer = await server.call("GET", path, undefined, key);
      expect([key, answer.status, answer.json.code]).toEqual([key, status, code]);
    }
    expect((await fetch(`${server.url}/v1/runs`)).status).toBe(401);
  });
});

describe("names that every object has", () => {
  it("are keys, variables, labels and map keys like any other", async () => {
    const { id } = (await server.call("POST", "/v1/runs", { name: "odd names" })).json;
    const path = (rest: string) => `/v1/runs/${id}${rest}`;
    const use = async (tool: string, args: string) =>
      (await server.call("POST", path(`/tools/${tool}`), `{"arguments": ${args}}`)).json;
    const labels = { constructor: "c", toString: "t" };
    const made = await server.call(
      "POST",
      path("/tasks"),
      tasks(
        { ...ok, key: "constructor", pool: "nobody-serves", labels },
        { instructions: "see {{constructor}}", key: "valueof", pool: "nobody-serves" },
      ),
    );
    expect([made.status, made.json.tasks[1].state]).toEqual([201, "waiting"]);
    expect((await server.call("GET", path("/tasks/constructor"))).json).toMatchObject({ key: "constructor", labels });
    for (const name of ["constructor", "__proto__", "toString"]) {
      expect(await use("atomic", `{"op": "add", "name": "${name}", "delta": 2}`)).toMatchObject({
        result: { value: 2 },
      });
      expect((await server.call("GET", path(`/variables/${name}`))).json).toMatchObject({ name, state: { value: 2 } });
      expect(await use("shared_map", `{"op": "get", "name": "m", "key": "${name}"}`)).toEqual({
        result: { value: null, version: 0 },
      });
      await use("shared_map", `{"op": "set", "name": "m", "key": "${name}", "value": {"__proto__": "${name}"}}`);
    }
    const { entries } = (await use("shared_map", '{"op": "entries", "name": "m"}')).result;
    expect(entries.map(({ key }: { key: string }) => key)).toEqual(["__proto__", "constructor", "toString"]);
    for (const { key, value } of entries) expect(Object.entries(value)).toEqual([["__proto__", key]]);
  });
});

describe("another tenant", () => {
  it("finds nothing of a run, whatever it asks", async () => {
    const operator = "hdl_local_admin";
    const tenant = (await server.call("POST", "/admin/tenants", { name: "stranger" }, operator)).json.id;
    const { key } = (await server.call("POST", `/admin/tenants/${tenant}/keys`, {}, operator)).json;
    const before = await seen();
    const task = (await server.call("GET", at("/tasks/taken"))).json.id;
    const calls: [string, string, object?][] = [
      ["GET", ""],
      ["DELETE", ""],
      ["GET", "/tasks"],
      ["GET", `/tasks/${task}`],
      ["GET", `/tasks/${task}/context`],
      ["GET", `/snapshots/${before.snapshot}`],
      ["GET", "/events"],
      ["POST", "/tasks", tasks(ok)],
      ["POST", `/tasks/${task}/cancel`, {}],
      ["POST", `/tasks/${task}/retry`],
      ["POST", "/wait", {}],
      ["POST", "/pause"],
      ["POST", "/cancel", {}],
      ["POST", "/finish", {}],
      ["POST", "/budget", { tokens: 5 }],
      ["POST", "/context", { after: before.snapshot, messages: [{ role: "user", content: "x" }] }],
      ["POST", "/tools/create_task", { arguments: ok }],
      ["POST", "/tools/inspect", {}],
    ];
    for (const [method, path, body] of calls) {
      const answer = await server.call(method, at(path), body, key);
      expect([method, path, answer.status, answer.json?.code]).toEqual([method, path, 404, "not_found"]);
    }
    expect((await server.call("GET", "/v1/runs", undefined, key)).json.runs).toEqual([]);
    const leases = await server.call("POST", "/v1/pools/nobody-serves/leases", { worker: "w" }, key);
    expect(leases.json).toEqual({ leases: [] });
    // A run of its own resolves none of the other's tasks.
    const own = (await server.call("POST", "/v1/runs", {}, key)).json.id;
    const after = await server.call("POST", `/v1/runs/${own}/tasks`, tasks({ ...ok, after: [task] }), key);
    expect([after.status, after.json.code]).toEqual([422, "unknown_task"]);
    expect(await seen()).toEqual(before);
  });
});

describe("a lease", () => {
  const pool = "leased-here";
  const lease = async () =>
    (await server.call("POST", `/v1/pools/${pool}/leases`, { worker: "w", wait_ms: 5000 })).json.leases[0];
  const bodies: Record<string, object> = {
    renew: {},
    turn: { messages: [{ role: "assistant", content: "late" }] },
    "tools/create_task": { arguments: ok },
    "tools/inspect": {},
    complete: { result: "late" },
    fail: { error: { code: "late", message: "late" } },
  };

  it("that is forged, stale, or of a deleted run is lost, and what it says is not done", async () => {
    const own = (await server.call("POST", "/v1/runs", { name: "leases", limits: { pools: [pool] } })).json.id;
    await server.call("POST", `/v1/runs/${own}/tasks`, tasks({ ...ok, key: "a", pool }));
    const good = await lease();
    expect(good.task.key).toBe("a");
    const [payload, signature] = (good.id as string).slice(4).split(".") as [string, string];
    const claim = JSON.parse(Buffer.from(payload, "base64url").toString()) as unknown[];
    const reworded = Buffer.from(JSON.stringify([...claim.slice(0, 3), 2])).toString("base64url");
    const forged = [
      `lse_${reworded}.${signature}`,
      `lse_${payload}.${Buffer.alloc(32).toString("base64url")}`,
      `lse_${payload}.${signature.slice(0, -4)}AAAA`,
      `lse_${payload}`,
      `lse_${payload}.${signature}.x`,
      `lse_${"A".repeat(5000)}.${signature}`,
      "lse_",
      "nonsense",
      randomUUID(),
    ];
    const state = async () => (await server.call("GET", `/v1/runs/${own}`)).json;
    const before = await state();
    for (const id of forged) {
      for (const [call, body] of Object.entries(bodies)) {
        const answer = await server.call("POST", `/v1/leases/${encodeURIComponent(id)}/${call}`, body);
        expect([id, call, answer.status, answer.json.code]).toEqual([id, call, 409, "lease_lost"]);
      }
    }
    expect(await state()).toEqual(before);

    const post = (call: string, body: object) => server.call("POST", `/v1/leases/${good.id}/${call}`, body);
    expect(await post("complete", { result: "x".repeat(resultBytesMax) })).toMatchObject({
      status: 413,
      json: { code: "result_too_large" },
    });
    expect(await post("complete", { outcome: "x" })).toMatchObject({ status: 422 });
    expect(await post("fail", { error: "broken" })).toMatchObject({ status: 422 });
    expect(await post("tools/fly", {})).toMatchObject({ status: 404 });
    expect(await state()).toEqual(before);
    expect((await post("complete", { result: "in time" })).status).toBe(200);
    for (const [call, body] of Object.entries(bodies)) {
      expect(await post(call, body)).toMatchObject({ status: 409, json: { code: "lease_lost" } });
      // Even a body that is wrong does not hide it.
      expect(await post(call, { nonsense: true })).toMatchObject({ status: 409, json: { code: "lease_lost" } });
    }
    expect((await server.call("GET", `/v1/runs/${own}/tasks/a`)).json).toMatchObject({
      result: "in time",
      attempts: 1,
    });

    await server.call("POST", `/v1/runs/${own}/tasks`, tasks({ ...ok, key: "b", pool }));
    const orphan = await lease();
    expect((await server.call("DELETE", `/v1/runs/${own}`)).status).toBe(204);
    for (const [call, body] of Object.entries(bodies)) {
      const answer = await server.call("POST", `/v1/leases/${orphan.id}/${call}`, body);
      expect([call, answer.status, answer.json.code]).toEqual([call, 409, "lease_lost"]);
    }
  });
});

describe("an Idempotency-Key", () => {
  const post = (path: string, body: object, key: string) =>
    fetch(`${server.url}${path}`, {
      method: "POST",
      headers: {
        authorization: "Bearer hdl_local",
        "content-type": "application/json",
        "idempotency-key": key,
      },
      body: JSON.stringify(body),
    }).then(async (response) => ({
      status: response.status,
      json: (await response.json()) as Record<string, unknown>,
    }));

  it("gives a repeat the first answer, and another body a mismatch, for runs, tasks and tenants", async () => {
    for (const [path, body, other] of [
      ["/v1/runs", { name: "one" }, { name: "two" }],
      [at("/tasks"), tasks({ ...ok, pool: "nobody-serves" }), tasks({ ...ok, pool: "nobody-serves", title: "x" })],
    ] as const) {
      const key = randomUUID();
      const first = await post(path, body, key);
      expect(first.status).toBe(201);
      const { runs, last_seq } = await seen();
      expect(await post(path, body, key)).toEqual(first);
      const [again, mismatch] = await Promise.all([post(path, body, key), post(path, other, key)]);
      expect(again).toEqual(first);
      expect(mismatch).toMatchObject({ status: 422, json: { code: "idempotency_mismatch" } });
      expect(await seen()).toMatchObject({ runs, last_seq });
    }
  });

  it("sent ten times at once does it once", async () => {
    const key = randomUUID();
    const { runs } = await seen();
    const answers = await Promise.all(Array.from({ length: 10 }, () => post("/v1/runs", { name: "many" }, key)));
    expect(new Set(answers.map(({ json }) => json.id)).size).toBe(1);
    expect((await seen()).runs).toBe(runs + 1);
  });
});
