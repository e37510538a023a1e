/** Remote tools on a real server: a pool's worker and a signed endpoint give hosted agents hands. */

import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { HeddleProblem, RemoteTool, RunSpec } from "../../src/client/index.ts";
import { rawAt } from "../../src/context/json-text.ts";
import { Endpoint } from "./lib/endpoint.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { LocalServer } from "./lib/server.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, type SimTurn } from "./lib/sim.ts";
import { nextCall, serveCalls } from "./lib/tool-worker.ts";
import { contextOf } from "./lib/transcripts.ts";

const shared = sharedServer();
const formats = ["anthropic", "openai"] as const;

let pools = 0;
/** A pool of the test's own: the server is shared. */
const newPool = () => `remote-${++pools}`;

const tool = (name: string, more: Partial<RemoteTool>): RemoteTool => ({
  name,
  description: `Does ${name}.`,
  input_schema: { type: "object", properties: { path: { type: "string" } } },
  ...more,
});

const call = (name: string, args: Record<string, unknown> = {}) => ({ tool: name, arguments: args });

/** A run whose root plays these turns with these tools. */
async function rooted(server: LocalServer, tools: RemoteTool[], turns: SimTurn[], more: RunSpec = {}) {
  const root = { key: "root", instructions: plays(turns), ...more.root };
  return (await server.heddle.createRun({ tools, ...more, root })).id;
}

async function rootOf(server: LocalServer, run: string) {
  await server.heddle.waitFor(run, { tasks: ["root"], mode: "settled" });
  return server.heddle.task(run, "root");
}

/** The results of the first reply's calls, as the vendor's format has them. */
async function resultsOf(server: LocalServer, run: string): Promise<{ text: string; isError: boolean | undefined }[]> {
  const { format, messages } = await contextOf(server, run, "root");
  const after = messages.slice(messages.findIndex((text) => JSON.parse(text).role === "assistant") + 1);
  if (format === "openai") {
    return after
      .map((text) => JSON.parse(text))
      .filter(({ role }) => role === "tool")
      .map(({ content }) => ({ text: content, isError: undefined }));
  }
  const { content } = JSON.parse(after[0]!) as { content: { content: string; is_error?: boolean }[] };
  return content.map(({ content: text, is_error: isError }) => ({ text, isError }));
}

describe.each(formats)("a hosted agent in the format %s", (format) => {
  it("calls two tools of a pool and one of Heddle's in one reply; the results are in its context", async () => {
    const pool = newPool();
    const run = await rooted(
      shared,
      [tool("read_file", { pool }), tool("shell", { pool })],
      [
        {
          calls: [
            call("read_file", { path: "a b" }),
            call("shell"),
            call("atomic", { op: "add", name: "n", delta: 2 }),
          ],
        },
        { text: "{{1.0.lines}} lines, {{1.2.value}}" },
      ],
      { context: { format }, limits: { workers: 1 } },
    );
    const [first] = await serveCalls(shared, pool, 2, ({ tool: name, arguments: args }) =>
      name === "shell" ? { result: "no such command", is_error: true } : { result: { lines: 7, of: args.path } },
    );
    expect(first!.tool_call).toEqual({
      id: expect.stringMatching(/^C\d+-/),
      tool: "read_file",
      arguments: { path: "a b" },
      idempotency_key: expect.stringContaining(run),
      attempt: 1,
      timeout_at: expect.any(Number),
      run,
      task: { id: expect.stringMatching(/^T1-/), key: "root", title: null },
    });
    const root = await rootOf(shared, run);
    expect(root).toMatchObject({ state: "succeeded", result: "7 lines, 2", turns: 2 });
    const error = format === "openai" ? '{"error":"no such command"}' : "no such command";
    expect(await resultsOf(shared, run)).toEqual([
      { text: '{"lines":7,"of":"a b"}', isError: undefined },
      { text: error, isError: format === "openai" ? undefined : true },
      { text: '{"value":2,"previous":0}', isError: undefined },
    ]);
  });

  it("is shown the run's tools after Heddle's, the same bytes in every fork; a list of its own is kept exactly", async () => {
    const pool = newPool();
    const child = plays([{ calls: [call("shell")] }, { text: "child: {{1.0}}" }]);
    const run = await rooted(
      shared,
      [tool("shell", { pool })],
      [
        { calls: [call("create_task", { key: "child", instructions: child })] },
        { calls: [call("await_tasks", { tasks: ["child"] })] },
        { text: "{{2.0.tasks.0.result}}" },
      ],
      { context: { format } },
    );
    await serveCalls(shared, pool, 1, () => ({ result: "hands" }));
    expect(await rootOf(shared, run)).toMatchObject({ result: "child: hands" });
    const { tasks } = await shared.heddle.listTasks(run);
    const lists = await Promise.all(
      tasks.map(async ({ id }) => rawAt((await contextOf(shared, run, id)).text, ["tools"])),
    );
    expect(new Set(lists).size).toBe(1);
    const names = (JSON.parse(lists[0]!) as { name?: string; function?: { name: string } }[]).map(
      (one) => one.name ?? one.function?.name,
    );
    expect(names.slice(-2)).toEqual(["shared_memory", "shell"]);
    expect(names).toContain("create_task");
    // The child read what its parent's requests had written to the provider's cache: tools stand before all messages.
    const usage = (await shared.heddle.task(run, tasks[1]!.id)).usage;
    expect(usage.cache_read_tokens).toBeGreaterThan(1000);

    const own = [tool("shell", {})].map(({ name, description, input_schema }) =>
      format === "openai"
        ? { type: "function", function: { name, description, parameters: input_schema } }
        : { name, description, input_schema },
    );
    const kept = await rooted(shared, [tool("shell", { pool })], [{ calls: [call("shell")] }, { text: "{{1.0}}" }], {
      context: { format, tools: own },
    });
    await serveCalls(shared, pool, 1, () => ({ result: "kept" }));
    expect(await rootOf(shared, kept)).toMatchObject({ result: "kept" });
    expect(JSON.parse(rawAt((await contextOf(shared, kept, "root")).text, ["tools"])!)).toEqual(own);
  });

  it("is told of a tool that nobody has, and of one that failed", async () => {
    const pool = newPool();
    const run = await rooted(
      shared,
      [tool("shell", { pool })],
      [{ calls: [call("shell"), call("nope")] }, { text: "{{1.0.error.code}} {{1.1.error.code}}" }],
      { context: { format } },
    );
    const { id } = await nextCall(shared, pool);
    const failure = { error: { code: "no_disk", message: "the disk is gone" } };
    expect(await shared.heddle.fail(id, failure)).toMatchObject({ state: "failed" });
    expect(await rootOf(shared, run)).toMatchObject({ result: "tool_failed unknown_tool" });
    const results = await resultsOf(shared, run);
    expect(JSON.parse(results[0]!.text)).toMatchObject({
      error: { message: "shell: the disk is gone", cause: "no_disk" },
    });
    expect(JSON.parse(results[1]!.text).error.message).toContain("shell");
  });
});

describe("a call", () => {
  it("is shown while it waits, with its worker's progress, and in the run's log", async () => {
    const pool = newPool();
    const run = await rooted(shared, [tool("build", { pool })], [{ calls: [call("build")] }, { text: "{{1.0}}" }]);
    const { id } = await nextCall(shared, pool);
    await shared.heddle.reportProgress(id, { message: "compiling", fraction: 0.25 });
    const root = await until("parked", 10_000, async () => {
      const task = await shared.heddle.task(run, "root");
      return task.state === "parked" && task;
    });
    expect(root.waiting_on).toMatchObject({
      tools: [
        { tool: "build", state: "running", worker: "little", progress: { message: "compiling", fraction: 0.25 } },
      ],
    });
    await shared.heddle.completeToolCall(id, { result: "ok" });
    expect(await rootOf(shared, run)).toMatchObject({ result: "ok" });
    const events = await logOf(shared, run);
    expect(eventsOf(events, "call_waiting")).toMatchObject([{ remote: { tool: "build", pool, retries: 2 } }]);
    expect(eventsOf(events, "tool_call_progress")).toHaveLength(1);
    expect(eventsOf(events, "call_done")).toMatchObject([{ tool: "build", why: "answered" }]);
  });

  it("times out where nobody serves the pool, and ends with its task", async () => {
    const pool = newPool();
    const slow = tool("slow", { pool, timeout_ms: 700 });
    const run = await rooted(shared, [slow], [{ calls: [call("slow")] }, { text: "{{1.0.error.code}}" }]);
    expect(await rootOf(shared, run)).toMatchObject({ result: "tool_timed_out" });

    const other = await rooted(shared, [tool("shell", { pool })], [{ calls: [call("shell")] }, { text: "never" }]);
    const { id } = await nextCall(shared, pool, ["shell"]);
    await shared.heddle.cancelTask(other, "root");
    const late = await Promise.allSettled([
      shared.heddle.completeToolCall(id, { result: "late" }),
      shared.heddle.renewLease(id),
      shared.heddle.fail(id, { error: { code: "x", message: "y" } }),
      shared.heddle.turn(id, { messages: [{ role: "user", content: "x" }] }),
    ]);
    const lost = { status: "rejected", reason: { status: 409, code: "lease_lost" } };
    expect(late).toMatchObject([lost, lost, lost, lost]);
    expect(await rootOf(shared, other)).toMatchObject({ state: "cancelled" });
  });

  it("has a lease that takes what a tool call's takes", async () => {
    const pool = newPool();
    const run = await rooted(shared, [tool("shell", { pool })], [{ calls: [call("shell")] }, { text: "{{1.0}}" }]);
    const { id } = await nextCall(shared, pool);
    const of = async (work: Promise<unknown>) => ((await work.catch((error) => error)) as HeddleProblem).code;
    expect(await of(shared.heddle.turn(id, { messages: [{ role: "user", content: "x" }] }))).toBe("lease_of_tool_call");
    expect(await of(shared.heddle.callLeaseTool(id, "inspect", { arguments: {} }))).toBe("lease_of_tool_call");
    const large = { result: "x".repeat(1024 * 1024 + 1) };
    expect(await of(shared.heddle.completeToolCall(id, large))).toBe("result_too_large");
    const wrong = { progress: { fraction: 2 } };
    expect((await shared.call("POST", `/v1/leases/${id}/renew`, wrong)).json).toMatchObject({
      code: "validation_failed",
      errors: [{ path: "progress.fraction" }],
    });
    await shared.heddle.completeToolCall(id, { result: "" });
    expect((await rootOf(shared, run)).state).toBe("succeeded");

    // And a task's lease nothing of it.
    await shared.heddle.createTasks((await shared.heddle.createRun({})).id, { tasks: [{ pool, instructions: "x" }] });
    const [task] = await shared.heddle.lease(pool, { worker: "w", wait_ms: 5000 });
    const failed = { result: 1, is_error: true };
    expect((await shared.call("POST", `/v1/leases/${task!.id}/complete`, failed)).json).toMatchObject({
      code: "validation_failed",
    });
    await shared.heddle.complete(task!.id, { result: 1 });
  });

  it("is never seen by a worker that did not ask for calls", async () => {
    const pool = newPool();
    const run = await rooted(shared, [tool("shell", { pool })], [{ calls: [call("shell")] }, { text: "{{1.0}}" }]);
    await until("parked", 10_000, async () => (await shared.heddle.task(run, "root")).state === "parked");
    expect(await shared.heddle.lease(pool, { worker: "old", max: 5, wait_ms: 300 })).toEqual([]);
    expect(await shared.heddle.leaseToolCalls(pool, { worker: "w", tools: ["other"], wait_ms: 300 })).toEqual([]);
    const ask = (body: object) => shared.call("POST", `/v1/pools/${pool}/leases`, { worker: "w", ...body });
    expect((await ask({ kinds: [] })).json).toMatchObject({ errors: [{ path: "kinds" }] });
    expect((await ask({ kinds: ["tools"] })).json).toMatchObject({ errors: [{ path: "kinds[0]" }] });
    expect((await ask({ tools: ["shell"] })).json).toMatchObject({ errors: [{ path: "tools" }] });
    await serveCalls(shared, pool, 1, () => ({ result: "ok" }));
    expect((await rootOf(shared, run)).result).toBe("ok");
  });
});

describe("a tool with a url", () => {
  const ok = (result: unknown) => ({ status: 200, body: JSON.stringify({ result }) });

  it("is called with a signature that another library accepts, and again, after a 503, with the same webhook-id", async () => {
    await using endpoint = await Endpoint.start((_, index) =>
      index === 0 ? { status: 503, headers: { "retry-after": "1" }, body: "busy" } : ok({ sent: true }),
    );
    const run = await rooted(
      shared,
      [tool("send", { url: endpoint.url })],
      [{ calls: [call("send", { path: "é" })] }, { text: "{{1.0.sent}}" }],
      { limits: { workers: 1 } },
    );
    expect(await rootOf(shared, run)).toMatchObject({ state: "succeeded", result: "true" });
    expect(endpoint.received).toHaveLength(2);
    const { secret } = await shared.heddle.signingSecret();
    const client = new OpenAI({ apiKey: "none", baseURL: shared.url });
    for (const { headers, text } of endpoint.received) {
      const signed = new Headers(headers as Record<string, string>);
      await client.webhooks.verifySignature(text, signed, secret);
      await expect(client.webhooks.verifySignature(`${text} `, signed, secret)).rejects.toThrow();
      expect(headers["content-type"]).toBe("application/json");
    }
    const [first, second] = endpoint.received;
    expect(second!.headers["webhook-id"]).toBe(first!.headers["webhook-id"]);
    expect(second!.text).toBe(first!.text);
    expect(JSON.parse(first!.text)).toEqual({
      id: expect.stringMatching(/^C\d+-/),
      tool: "send",
      arguments: { path: "é" },
      run,
      task: { id: expect.stringMatching(/^T1-/), key: "root" },
    });
    const ended = eventsOf(await logOf(shared, run), "tool_call_attempt_ended");
    expect(ended).toMatchObject([{ why: "transient", error: { code: "http_status" } }]);
  });

  it("is not followed through a redirect, and its failures and answers are told", async () => {
    await using elsewhere = await Endpoint.start(() => ok("followed"));
    await using redirects = await Endpoint.start(() => ({ status: 307, headers: { location: elsewhere.url } }));
    await using refuses = await Endpoint.start(() => ({ status: 403, body: "not for you" }));
    await using talks = await Endpoint.start(() => ({ status: 200, body: "hello" }));
    await using says = await Endpoint.start(() => ({ status: 200, body: '{"result": "no", "is_error": true}' }));
    const urls = { redirects, refuses, talks, says };
    const names = Object.keys(urls) as (keyof typeof urls)[];
    const run = await rooted(
      shared,
      names.map((name) => tool(name, { url: urls[name].url })),
      [{ calls: names.map((name) => call(name)) }, { text: "done" }],
    );
    await rootOf(shared, run);
    const results = await resultsOf(shared, run);
    expect(results.map(({ isError }) => isError)).toEqual([true, true, true, true]);
    const [a, b, c] = results.slice(0, 3).map(({ text }) => JSON.parse(text).error.message as string);
    expect(a).toContain("307");
    expect(a).toContain("redirect");
    expect(b).toContain("403: not for you");
    expect(c).toContain("not JSON");
    expect(results[3]!.text).toBe("no");
    expect(elsewhere.received).toEqual([]);
    for (const name of names) expect(urls[name].received).toHaveLength(1);
  });

  it("that is out of reach, or does not answer in time, fails in its time", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using hangs = await Endpoint.start(async () => {
      await held;
      return ok("late");
    });
    const gone = await Endpoint.start(() => ok("never"));
    const { url } = gone;
    await gone[Symbol.asyncDispose]();
    const run = await rooted(
      shared,
      [
        tool("hangs", { url: hangs.url, timeout_ms: 1000, retries: { limit: 0 } }),
        tool("gone", { url, retries: { limit: 1 } }),
      ],
      [
        { calls: [call("hangs"), call("gone")] },
        { text: "{{1.0.error.code}} {{1.1.error.code}} {{1.1.error.attempts}}" },
      ],
    );
    const { result } = await rootOf(shared, run);
    release();
    expect(result).toBe("tool_timed_out tool_failed 2");
  });
});

describe("the signing key", () => {
  it("is the tenant's own, for keys that may run", async () => {
    const { json: tenant } = await shared.call("POST", "/admin/tenants", { name: "tools" }, "hdl_local_admin");
    const keys = `/admin/tenants/${tenant.id}/keys`;
    const keyOf = async (scopes: string[]) =>
      (await shared.call("POST", keys, { name: scopes.join(), scopes }, "hdl_local_admin")).json.key as string;
    const path = "/v1/tools/signing-secret";
    const own = await shared.call("GET", path, undefined, await keyOf(["runs"]));
    expect(own.json).toEqual({ secret: expect.stringMatching(/^whsec_/) });
    expect(own.json).not.toEqual(await shared.heddle.signingSecret());
    expect((await shared.call("GET", path, undefined, await keyOf(["workers"]))).status).toBe(403);
  });
});

describe("a declaration", () => {
  it("is shown by the run, with its defaults", async () => {
    const schema = { type: "object", required: ["q"], properties: { q: { type: "string", maxLength: 10 } } };
    const { id } = await shared.heddle.createRun({ tools: [tool("find", { pool: "p", input_schema: schema })] });
    expect((await shared.heddle.run(id)).tools).toEqual([
      {
        name: "find",
        description: "Does find.",
        input_schema: schema,
        pool: "p",
        timeout_ms: 300_000,
        retries: { limit: 2 },
      },
    ]);
    expect((await shared.heddle.run((await shared.heddle.createRun({})).id)).tools).toEqual([]);
  });

  it.each<[string, unknown, string]>([
    ["no list", { name: "x" }, "tools"],
    ["both places", [tool("x", { pool: "p", url: "https://a.example/" })], "tools[0].pool"],
    ["a name twice", [tool("x", { pool: "p" }), tool("x", { pool: "q" })], "tools[1].name"],
    ["one of Heddle's names", [tool("lock", { pool: "p" })], "tools[0].name"],
    [
      "a schema of no object",
      [tool("x", { pool: "p", input_schema: { type: "string" } })],
      "tools[0].input_schema.type",
    ],
    ["a private address", [tool("x", { pool: "p" }), tool("y", { url: "http://10.1.2.3/" })], "tools[1].url"],
    ["an address with a password", [tool("x", { url: "https://a:b@a.example/" })], "tools[0].url"],
    ["too many", Array.from({ length: 65 }, (_, i) => tool(`t${i}`, { pool: "p" })), "tools"],
  ])("with %s is refused at its field, and no run is left behind", async (_, tools, path) => {
    const { status, json } = await shared.call("POST", "/v1/runs", { name: "never", tools });
    expect(status).toBe(422);
    expect(json).toMatchObject({ code: "validation_failed" });
    expect(json.errors[0].path).toBe(path);
  });

  it("that is too large in all has a code of its own", async () => {
    const input_schema = { type: "object", description: "x".repeat(256 * 1024) };
    const { status, json } = await shared.call("POST", "/v1/runs", { tools: [tool("x", { pool: "p", input_schema })] });
    expect([status, json.code]).toEqual([413, "tools_too_large"]);
  });
});

describe("a server that is killed while calls are leased", () => {
  let server: LocalServer;
  beforeAll(async () => {
    server = await LocalServer.start();
  });
  afterAll(() => server?.stop());

  it("loses none and takes each result once: of a worker that goes on, and of a seat that was calling a url", async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using endpoint = await Endpoint.start(async (_, index) => {
      if (index === 0) await held;
      return { status: 200, body: JSON.stringify({ result: `attempt ${index + 1}` }) };
    });
    const run = await rooted(
      server,
      [tool("shell", { pool: "box" }), tool("send", { url: endpoint.url })],
      [{ calls: [call("shell"), call("shell"), call("send")] }, { text: "{{1.0}}, {{1.1}}, {{1.2}}" }],
    );
    const first = await nextCall(server, "box");
    await until("the url is being called", 20_000, async () => endpoint.received.length === 1);
    await server.kill();
    const completing = server.heddle.completeToolCall(first.id, { result: "before and after" });
    await server.start();
    await completing;
    release();
    const second = await nextCall(server, "box");
    expect(second.tool_call.id).not.toBe(first.tool_call.id);
    await server.heddle.completeToolCall(second.id, { result: "after" });
    await expect(server.heddle.completeToolCall(first.id, { result: "again" })).rejects.toMatchObject({
      code: "lease_lost",
    });
    expect((await rootOf(server, run)).result).toBe("before and after, after, attempt 2");
    expect(await resultsOf(server, run)).toHaveLength(3);
    const keys = endpoint.received.map(({ headers }) => headers["webhook-id"]);
    expect(new Set(keys).size).toBe(1);
    const ends = eventsOf(await logOf(server, run), "call_done");
    expect(ends.map(({ call: of }) => of).sort()).toEqual([...new Set(ends.map(({ call: of }) => of))].sort());
    expect(ends).toHaveLength(3);
  });
});
