/** What the door answers by itself, before any object or database is asked: these tests give it neither. */

import { expect, test } from "vitest";
import { scopes } from "../../src/contract/admin-requests.ts";
import { rulesCheckView } from "../../src/contract/rules-requests.ts";
import { createApp } from "../../src/http/app.ts";
import type { HttpEnv } from "../../src/http/env.ts";
import { signLease } from "../../src/http/lease-token.ts";
import { routes } from "../../src/http/routes.ts";
import { rulesCharsMax } from "../../src/limits.ts";
import { answerMcp } from "../../src/mcp/door.ts";

const secret = "a secret of thirty-two characters";
const env = { HEDDLE_SECRET: secret } as unknown as HttpEnv;
const app = createApp({
  localKeys: {
    keys: [
      { key: "hdl_all", tenant: "t", scopes: ["runs", "workers", "tenant_admin"] },
      { key: "hdl_worker", tenant: "t", scopes: ["workers"] },
      ...scopes.map((scope) => ({ key: `hdl_only_${scope}`, tenant: "t", scopes: [scope] })),
    ],
    operatorSecret: "operate",
  },
  mcp: answerMcp,
});
const run = "run_0123456789abcdefghjk";

interface Sent {
  method?: string;
  key?: string | null;
  json?: unknown;
  body?: string;
  headers?: Record<string, string>;
}

const send = async (path: string, { method, key = "hdl_all", json, body, headers }: Sent = {}): Promise<Response> => {
  const content = body ?? (json === undefined ? undefined : JSON.stringify(json));
  return app.request(
    `http://heddle.test${path}`,
    {
      method: method ?? (content === undefined ? "GET" : "POST"),
      ...(content !== undefined && { body: content }),
      headers: {
        ...(key !== null && { authorization: `Bearer ${key}` }),
        ...(content !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
    },
    env,
  );
};

interface Problem {
  status: number;
  code: string;
  detail?: string;
  errors?: { path: string; message: string }[];
  [more: string]: unknown;
}

async function problem(path: string, sent?: Sent): Promise<Problem> {
  const response = await send(path, sent);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  const document = (await response.json()) as Problem;
  expect(document.status).toBe(response.status);
  return document;
}

test("a problem is complete, and names no capability", async () => {
  const document = await problem("/v1/leases/lse_secret/renew", { json: {}, key: null });
  expect(document).toEqual({
    type: "/problems/lease_lost",
    title: "The lease is not, or no longer, valid",
    status: 409,
    code: "lease_lost",
    detail: expect.any(String),
    hint: expect.stringContaining("Stop working"),
    instance: expect.stringMatching(/^urn:uuid:[0-9a-f-]{36}$/),
    retryable: false,
  });
  expect(JSON.stringify(document)).not.toContain("lse_secret");
  expect(await (await send(document.type as string)).text()).toContain("lease_lost (409)");
});

test("the first page names what is there, the door of MCP too", async () => {
  const named = [...(await (await send("/")).text()).matchAll(/^ {2}(\/\S+)/gm)].map(([, path]) => path!);
  expect(named).toContain("/mcp");
  const paths = new Set(routes.map(({ path }) => path));
  expect(named.filter((path) => !paths.has(path))).toEqual([]);
});

test("answers are not sniffed, stored or framed, and other origins get no permission", async () => {
  for (const path of ["/", "/nothing", "/openapi.json"]) {
    const { headers } = await send(path, { headers: { origin: "https://evil.test" } });
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("access-control-allow-origin")).toBeNull();
  }
  const preflight = await send("/v1/runs", {
    method: "OPTIONS",
    headers: { origin: "https://evil.test", "access-control-request-method": "POST" },
  });
  expect([preflight.status, preflight.headers.get("allow")]).toEqual([204, "GET, HEAD, POST, OPTIONS"]);
  expect([...preflight.headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
});

test("unknown paths and methods", async () => {
  expect(await problem("/v2")).toMatchObject({ code: "not_found" });
  expect(await problem("/v1/runs/")).toMatchObject({ code: "not_found" });
  const response = await send("/v1/runs", { method: "PATCH" });
  expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD, POST, OPTIONS"]);
  expect(await problem("/v1/runs", { method: "PATCH" })).toMatchObject({ code: "method_not_allowed" });
});

test("rules in Markdown are told as they were understood", async () => {
  const response = await send("/v1/rules/check", {
    json: { rules: "# R\n- At most 8 workers.\n- budget 2M tokens, $5" },
  });
  expect(response.status).toBe(200);
  expect(rulesCheckView.parse(await response.json())).toEqual({
    rules: [
      { line: 2, rule: "at most 8 workers" },
      { line: 3, rule: "budget 2,000,000 tokens" },
      { line: 3, rule: "budget 5 dollars" },
    ],
    notes: [],
  });
});

test("what is no rule has its line, and what was meant", async () => {
  const document = await problem("/v1/rules/check", {
    json: { rules: "- at most 8 workers\n- at most 8 wrkers\n- be nice" },
  });
  expect(document).toMatchObject({ status: 422, code: "rules_invalid", line: 2 });
  expect(document.detail).toMatch(/^line 2: after "at most 8" comes/);
  expect(document.errors).toEqual([
    { path: "rules", line: 2, message: expect.stringContaining("wrkers"), suggestion: "at most 8 workers" },
    { path: "rules", line: 3, message: expect.stringContaining("a rule begins with") },
  ]);
  for (const json of [{}, { rules: 8 }, { rules: "x".repeat(rulesCharsMax + 1) }, { rules: "", more: 1 }])
    expect(await problem("/v1/rules/check", { json })).toMatchObject({ status: 422, code: "validation_failed" });
  expect(await problem("/v1/rules/check", { json: { rules: "" }, key: "hdl_worker" })).toMatchObject({
    code: "forbidden",
  });
});

test("HEAD is GET without its body", async () => {
  const response = await send("/openapi.json", { method: "HEAD" });
  expect([response.status, await response.text()]).toEqual([200, ""]);
  expect((await send("/v1/tools", { method: "HEAD", key: null })).status).toBe(401);
});

test.each([
  [null, "there is no authorization header"],
  ["", "not a bearer token"],
  ["sk-123", "not one of Heddle's"],
  ["hdl_a-b", "not one of Heddle's"],
])("the key %j is refused", async (key, detail) => {
  const response = await send("/v1/tools", { key });
  expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, 'Bearer realm="heddle"']);
  expect(((await response.json()) as Problem).detail).toContain(detail);
});

test("a scope opens its own routes only, and no key is an operator's", async () => {
  expect(await problem("/v1/runs", { json: {}, key: "hdl_worker" })).toMatchObject({
    code: "forbidden",
    detail: "this needs the scope runs",
  });
  expect(await problem("/admin/tenants")).toMatchObject({ code: "unauthorized" });
  expect(await problem("/v1/tools", { key: "operate" })).toMatchObject({ code: "unauthorized" });
});

const remote = { name: "t", description: "d", input_schema: { type: "object" } };

test.each([
  ["/v1/runs", { nme: "x" }, "validation_failed", "nme"],
  ["/v1/runs", { name: 7 }, "validation_failed", "name"],
  ["/v1/runs", { context: { format: "gemini" } }, "validation_failed", "context.format"],
  ["/v1/runs", { context: { messages: [{ role: "user" }, "hi"] } }, "validation_failed", "context.messages[1]"],
  [
    "/v1/runs",
    { context: { params: { max_tokens: 4000, thinking: { type: "enabled", budget_tokens: 4000 } } } },
    "validation_failed",
    "context.params.thinking.budget_tokens",
  ],
  ["/v1/runs", { limits: { workers: 0 } }, "validation_failed", "limits.workers"],
  ["/v1/runs", { limits: { usd: 0 } }, "validation_failed", "limits.usd"],
  ["/v1/runs", { limits: { usd: "5" } }, "validation_failed", "limits.usd"],
  ["/v1/runs", { limits: { warm_ms: -1 } }, "validation_failed", "limits.warm_ms"],
  ["/v1/runs", { rules: "- be nice" }, "rules_invalid", "rules"],
  ["/v1/runs", { oversight: "" }, "not_available", "oversight"],
  ["/v1/runs", { webhook: {} }, "validation_failed", "webhook.url"],
  ["/v1/runs", { webhook: { url: "http://hooks.example/" } }, "validation_failed", "webhook.url"],
  ["/v1/runs", { webhook: { url: "https://[::ffff:10.0.0.1]/" } }, "validation_failed", "webhook.url"],
  ["/v1/runs", { webhook: { url: "https://2852039166/latest" } }, "validation_failed", "webhook.url"],
  ["/v1/runs", { webhook: { url: "https://me:pw@hooks.example/" } }, "validation_failed", "webhook.url"],
  ["/v1/runs", { webhook: { url: `https://a.test/${"x".repeat(2048)}` } }, "validation_failed", "webhook.url"],
  ["/v1/runs", { webhook: { url: "https://a.test/", events: [] } }, "validation_failed", "webhook.events"],
  [
    "/v1/runs",
    { webhook: { url: "https://a.test/", events: ["task.ended"] } },
    "validation_failed",
    "webhook.events[0]",
  ],
  ["/v1/runs", { tools: [{ ...remote, url: "http://tools.example/" }] }, "validation_failed", "tools[0].url"],
  ["/v1/runs", { tools: [{ ...remote, url: "https://127.0.0.1/" }] }, "validation_failed", "tools[0].url"],
  ["/v1/runs", { tools: [remote] }, "validation_failed", "tools[0].pool"],
  ["/v1/runs", { root: { instructions: "x", fork: "automatic" } }, "validation_failed", "root.fork"],
  ["/v1/runs", { root: {} }, "validation_failed", "root.instructions"],
  [`/v1/runs/${run}/tasks`, { tasks: [] }, "validation_failed", "tasks"],
  [
    `/v1/runs/${run}/tasks`,
    { tasks: Array.from({ length: 1001 }, () => ({ instructions: "x" })) },
    "validation_failed",
    "tasks",
  ],
  [
    `/v1/runs/${run}/tasks`,
    { tasks: [{ instructions: "x" }, { instructions: "x", priority: 10 }] },
    "validation_failed",
    "tasks[1].priority",
  ],
  [
    `/v1/runs/${run}/tasks`,
    { tasks: [{ instructions: "x".repeat(131_073) }] },
    "instructions_too_large",
    "tasks[0].instructions",
  ],
  [`/v1/runs/${run}/tasks`, { tasks: [{ instructions: "x" }], from: "zz" }, "validation_failed", "from"],
  [
    `/v1/runs/${run}/tasks`,
    { tasks: [{ instructions: "x", labels: JSON.parse('{"a":"b","__proto__":"1"}') }, { bad: 1 }] },
    "validation_failed",
    "tasks[0].labels.__proto__",
  ],
  [
    `/v1/runs/${run}/tasks`,
    { tasks: [{ instructions: "x" }], groups: JSON.parse('{"__proto__":{"require":1}}') },
    "validation_failed",
    "groups.__proto__",
  ],
  [`/v1/runs/${run}/tasks/T1-012345/retry`, { from_turn: -1 }, "validation_failed", "from_turn"],
  [`/v1/runs/${run}/tasks/T1-012345/messages`, {}, "validation_failed", "content"],
  [`/v1/runs/${run}/tasks/T1-012345/messages`, { content: "" }, "validation_failed", "content"],
  [`/v1/runs/${run}/tasks/T1-012345/messages`, { content: [] }, "validation_failed", "content"],
  [`/v1/runs/${run}/tasks/T1-012345/messages`, { content: "x".repeat(1_048_575) }, "message_too_large", "content"],
  [`/v1/runs/${run}/wait`, { timeout_ms: 60_001 }, "validation_failed", "timeout_ms"],
  [`/v1/runs/${run}/wait`, { mode: "some" }, "validation_failed", "mode"],
  [`/v1/runs/${run}/budget`, {}, "validation_failed", "tokens"],
  [`/v1/runs/${run}/budget`, { usd: -3 }, "validation_failed", "usd"],
  [`/v1/runs/${run}/pause`, { why: 1 }, "validation_failed", "why"],
  [`/v1/runs/${run}/context`, { after: "0".repeat(32), messages: [] }, "validation_failed", "messages"],
  ["/v1/pools/p/leases", { max: 1 }, "validation_failed", "worker"],
])("%s %j is %s at %s", async (path, json, code, field) => {
  const { errors, ...document } = await problem(path, { json });
  expect(document.code).toBe(code);
  expect(errors!.map(({ path: at }) => at)).toContain(field);
});

test("many wrong fields are told together, up to a bound", async () => {
  const { errors } = await problem(`/v1/runs/${run}/tasks`, {
    json: { tasks: Array.from({ length: 900 }, () => ({})) },
  });
  expect(errors!.length).toBe(50);
  expect(errors![1]).toEqual({ path: "tasks[1].instructions", message: "required: expected string" });
});

test("malformed, wrongly typed and oversized bodies", async () => {
  expect(await problem("/v1/runs", { body: '{"name":' })).toMatchObject({ status: 400, code: "malformed_json" });
  expect(await problem("/v1/runs", { body: "{}", headers: { "content-type": "text/plain" } })).toMatchObject({
    status: 415,
  });
  expect(await problem("/v1/runs", { body: " ".repeat(16 * 1024 * 1024 + 1) })).toMatchObject({
    status: 413,
    code: "body_too_large",
  });
  expect(await problem("/v1/runs", { json: {}, headers: { "idempotency-key": "a b" } })).toMatchObject({
    code: "validation_failed",
  });
});

test.each([
  ["/v1/runs?limit=0"],
  ["/v1/runs?limit=1001"],
  ["/v1/runs?limit=ten"],
  ["/v1/runs?cursor=hello"],
  ["/v1/runs?cursor=bnVsbA"],
  [`/v1/runs/${run}/tasks?state=done`],
  [`/v1/runs/${run}/events?after=-1`],
])("%s is a bad query", async (path) => {
  expect(await problem(path)).toMatchObject({ code: "validation_failed" });
});

test.each([
  ["/v1/runs/nothing"],
  ["/v1/runs/run_!"],
  ["/v1/runs/%2e%2e%2fother/tasks"],
  [`/v1/runs/${run}x/tasks/T1-012345`],
  [`/v1/runs/${run}/snapshots/nothing`],
])("%s is nothing that could be", async (path) => {
  expect(await problem(path)).toMatchObject({ code: "not_found" });
});

test("tools: definitions, and unknown ones", async () => {
  const { tools } = (await (await send("/v1/tools?format=openai")).json()) as { tools: { type: string }[] };
  expect(tools.map(({ type }) => type)).toEqual(Array(14).fill("function"));
  const listed = (await (await send("/v1/tools?format=mcp")).json()) as { tools: { inputSchema: { type: string } }[] };
  expect(listed.tools.map(({ inputSchema }) => inputSchema.type)).toEqual(Array(14).fill("object"));
  const plain = (await (await send("/v1/tools?format=json-schema")).json()) as { tools: { schema: object }[] };
  expect(plain.tools.map(({ schema }) => schema)).toEqual(listed.tools.map(({ inputSchema }) => inputSchema));
  expect(await problem("/v1/tools?format=gemini")).toMatchObject({ code: "validation_failed" });
  expect(await problem(`/v1/runs/${run}/tools/to.String`, { json: {} })).toMatchObject({ code: "not_found" });
});

const rpc = (method: string, params: object = {}, id: number | undefined = 1) => ({
  ...{ jsonrpc: "2.0", method, params },
  ...(id !== undefined && { id }),
});
const mcpHeaders = { accept: "application/json, text/event-stream" };

test("MCP: nothing is said without a key of the right scope, to pages of other origins, or by another method", async () => {
  const ping = { json: rpc("ping"), headers: mcpHeaders };
  expect(await problem("/mcp", { ...ping, key: null })).toMatchObject({ status: 401, code: "unauthorized" });
  expect((await send("/mcp", { ...ping, key: null })).headers.get("www-authenticate")).toContain("Bearer");
  expect(await problem("/mcp", { ...ping, key: "hdl_worker" })).toMatchObject({ code: "forbidden" });
  expect(await problem("/mcp", { ...ping, key: "lse_x.y" })).toMatchObject({ code: "lease_lost" });
  expect(await problem("/mcp?tools=locks", ping)).toMatchObject({ code: "validation_failed" });
  for (const origin of ["http://evil.test", "null", "http://heddle.test.evil.test"])
    expect(await problem("/mcp", { ...ping, headers: { ...mcpHeaders, origin } })).toMatchObject({
      ...{ status: 403, code: "foreign_origin" },
      hint: expect.stringContaining("No key or scope changes this"),
    });
  expect((await send("/mcp", { ...ping, headers: { ...mcpHeaders, origin: "http://heddle.test" } })).status).toBe(200);
  expect(await problem("/mcp")).toMatchObject({ status: 405, code: "method_not_allowed" });
  expect(await problem("/mcp", { method: "DELETE" })).toMatchObject({ status: 405 });
  expect(await problem("/mcp", { ...ping, body: "{", headers: mcpHeaders })).toMatchObject({ code: "malformed_json" });
  expect(await problem("/mcp", { json: [rpc("ping")], headers: mcpHeaders })).toMatchObject({
    code: "validation_failed",
  });
});

const answered = async (message: object, sent: Sent = {}) => {
  const text = await (await send("/mcp", { json: message, headers: mcpHeaders, ...sent })).text();
  const data = text.split("\n").find((line) => line.startsWith("data: "));
  return JSON.parse(data?.slice(6) ?? text) as { result?: Record<string, never>; error?: { code: number } };
};

test("MCP: a key and a lease are offered different tools, and what was not offered is none", async () => {
  const names = async (sent: Sent, path?: string) => {
    const text = await (await send(path ?? "/mcp", { json: rpc("tools/list"), headers: mcpHeaders, ...sent })).text();
    return Array.from(text.matchAll(/"name":"(\w+)","description"/g), ([, name]) => name!);
  };
  const lease = await signLease(secret, { tenant: "t", run, taskNumber: 1, fence: 1 });
  expect(await names({})).toEqual(expect.arrayContaining(["start_run", "list_runs", "wait", "lock"]));
  expect(await names({})).not.toContain("finish");
  expect(await names({ key: lease })).toEqual(expect.arrayContaining(["finish", "wait", "lock"]));
  expect(await names({ key: lease })).not.toContain("start_run");
  expect(await names({}, "/mcp?tools=lock,wait")).toEqual(["wait", "lock"]);
  const finish = rpc("tools/call", { name: "finish", arguments: { run, result: 1 } });
  expect((await answered(finish)).error).toMatchObject({ code: -32602 });
  expect((await answered(rpc("resources/list"), { key: lease })).error).toMatchObject({ code: -32601 });
  expect((await answered(rpc("subscriptions/listen"))).error).toMatchObject({ code: -32601 });
  expect((await answered(rpc("tasks/get", { taskId: "wait_x" }))).error).toMatchObject({ code: -32601 });
});

test("MCP: wrong arguments are a tool's error, before anything is asked", async () => {
  const called = async (name: string, args: object, sent?: Sent) =>
    (await answered(rpc("tools/call", { name, arguments: args }), sent)).result as unknown as {
      isError?: true;
      content: { text: string }[];
    };
  const error = async (...args: Parameters<typeof called>) => {
    const { isError, content } = await called(...args);
    expect(isError).toBe(true);
    return (JSON.parse(content[0]!.text) as { error: object }).error;
  };
  expect(await error("lock", { op: "acquire", name: "l" })).toMatchObject({
    code: "bad_arguments",
    message: expect.stringContaining("run"),
  });
  expect(await error("lock", { run, op: "release", name: "l" })).toMatchObject({
    code: "needs_actor",
    hint: expect.stringContaining("acquire"),
  });
  expect(await error("wait", { handle: "wait_x" })).toMatchObject({ code: "bad_arguments" });
  expect(await error("inspect", { run: "../other" })).toMatchObject({ code: "not_found", retryable: false });
  const lease = await signLease(secret, { tenant: "t", run, taskNumber: 1, fence: 1 });
  const other = { run: "run_zzzzzzzzzzzzzzzzzzzz", op: "get", name: "a" };
  expect(await error("atomic", other, { key: lease })).toMatchObject({
    message: expect.stringContaining("another run"),
  });
});

test("the hosted pool and misnamed ones can't be leased from", async () => {
  expect(await problem("/v1/pools/hosted/leases", { json: { worker: "w" } })).toMatchObject({
    code: "pool_not_allowed",
  });
  expect(await problem("/v1/pools/No%20Pool/leases", { json: { worker: "w" } })).toMatchObject({
    code: "validation_failed",
  });
});

test("without its secret a deployment signs nothing and says what is missing", async () => {
  const response = await app.request("/v1/leases/x/renew", { method: "POST" }, {} as HttpEnv);
  expect(response.status).toBe(503);
  expect(response.headers.get("retry-after")).not.toBeNull();
  expect(await response.json()).toMatchObject({ code: "not_ready", detail: expect.stringContaining("HEDDLE_SECRET") });
});

test("a lost lease is told before anything else that is wrong", async () => {
  const token = await signLease(secret, { tenant: "t", run, taskNumber: 1, fence: 1 });
  const asked: string[] = [];
  const answering = (open: boolean) => ({
    ...env,
    RUNS: {
      getByName: (name: string) => ({
        leaseAgain: async () => {
          asked.push(name);
          return open ? { ok: true, value: {} } : { ok: false, fault: { code: "not_found" } };
        },
      }),
    },
  });
  const complete = async (open: boolean) =>
    (await app.request(`/v1/leases/${token}/complete`, { method: "POST", body: "{" }, answering(open))).json();
  expect(await complete(false)).toMatchObject({ code: "lease_lost" });
  expect(await complete(true)).toMatchObject({ code: "unsupported_media_type" });
  expect(asked).toEqual([`t/${run}`, `t/${run}`]);
});

test("hosts, where they are named, are the only ones", async () => {
  const local = createApp({ hosts: ["127.0.0.1", "localhost"] });
  expect((await local.request("http://127.0.0.1:8787/")).status).toBe(200);
  expect((await local.request("http://evil.test:8787/")).status).toBe(403);
  const from = async (origin: string) =>
    (await local.request("http://127.0.0.1:8787/", { headers: { origin } })).status;
  for (const own of ["http://127.0.0.1:8787", "http://localhost:3000"])
    expect([own, await from(own)]).toEqual([own, 200]);
  for (const other of ["http://evil.test:8787", "https://127.0.0.1.evil.test", "null", ""]) {
    expect([other, await from(other)]).toEqual([other, 403]);
  }
});

test.each(routes.map((route) => [`${route.method} ${route.path}`, route] as const))(
  "whose request it is, is asked before anything else: %s",
  async (_, { method, path, access }) => {
    const filled = path.replace(/:run\b/, run).replace(/:\w+/g, "x");
    const json = method === "POST" || method === "PUT" ? { nonsense: true } : undefined;
    const asked = async (key: string | null) => {
      const response = await send(filled, { method, key, ...(json && { json }) });
      return response.ok ? "ok" : ((await response.json()) as Problem).code;
    };
    if (access.kind === "public") return;
    if (access.kind === "lease") {
      for (const key of [null, "hdl_all", "operate"]) expect(await asked(key)).toBe("lease_lost");
      return;
    }
    expect(await asked(null)).toBe("unauthorized");
    expect(await asked("lse_e30.AAAA")).toBe(path === "/mcp" ? "lease_lost" : "unauthorized");
    if (access.kind !== "key") {
      expect(await asked("hdl_all")).toBe("unauthorized");
      return;
    }
    expect(await asked("operate")).toBe("unauthorized");
    for (const scope of scopes)
      if (!access.scopes.includes(scope))
        expect([scope, await asked(`hdl_only_${scope}`)]).toEqual([scope, "forbidden"]);
  },
);
