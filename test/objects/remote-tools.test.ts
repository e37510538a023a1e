/** Calls of remote tools in the real objects: evictions, repeats, stale leases, the gate's lanes, and seats that call urls. */

import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { RemoteTool } from "../../src/contract/remote-tools.ts";
import type { LeaseGrant, ToolCallGrant, ToolWait } from "../../src/contract/shapes.ts";
import { inlineResultBytesMax, leaseMs } from "../../src/limits.ts";
import type { LeaseWishes } from "../../src/objects/rpc.ts";
import type { SeatWork, UrlCall } from "../../src/objects/seat-rpc.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, codeOf, evictGate, gateOf, makeRun, newTenant, TestClock, type TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();

const tool = (name: string, more: Partial<RemoteTool> = {}): RemoteTool => ({
  name,
  description: `Does ${name}.`,
  input_schema: '{"type":"object"}',
  ...("url" in more ? {} : { pool: "box" }),
  timeout_ms: 300_000,
  retries: { limit: 2 },
  ...more,
});
const tools = [tool("shell"), tool("read"), tool("hook", { url: "https://tools.example/hook" })];
const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };

interface Use {
  id: string;
  name: string;
  input?: object;
}

/** A hosted task whose reply makes these calls, and which is parked for them. */
async function asking(run: TestRun, key: string, ...uses: Use[]): Promise<SeatWork> {
  await run.create({ key, instructions: `do ${key}` });
  const work = (await run.seat(`seat-${key}`))!;
  const calls = uses.map(({ id, name, input = {} }) => ({ id, name, arguments: JSON.stringify(input) }));
  const content = uses.map(({ id, name, input = {} }) => ({ type: "tool_use", id, name, input }));
  const reply = JSON.stringify({ role: "assistant", content });
  await run.rpc.seatTurn(work, { messages: [...work.fork, reply], usage, calls }, undefined);
  await run.rpc.leaveSeat(work, { kind: "wait" }, undefined);
  return work;
}

const lease = async (run: TestRun, wishes: LeaseWishes = {}) => {
  const ask = { pool: "box", worker: "w", max: 1, contextBytes: 1e6, kinds: ["tool_call"] as const, ...wishes };
  return value(await run.rpc.leases(ask))[0] as ToolCallGrant | undefined;
};

const done = (result: unknown, more: { isError?: boolean; next?: boolean } = {}) => ({
  result,
  next: false,
  worker: "w",
  ...more,
});

const waits = async (run: TestRun, key: string): Promise<ToolWait[]> =>
  ((await run.task(key)).waiting_on as { tools: ToolWait[] }).tools;

/** What the task's next seat is told of its calls. */
const answers = async (run: TestRun) => (await run.seat("later"))?.answers;

describe("a call of a tool that a pool's workers carry out", () => {
  it("is leased, reported on and answered, whatever is evicted in between; and the same without", async () => {
    using clock = new TestClock();
    const stories = await Promise.all(
      [false, true].map(async (evicts) => {
        const run = await makeRun({ tools });
        const between = () => (evicts ? run.evict() : undefined);
        await asking(
          run,
          "a",
          { id: "c1", name: "shell", input: { cmd: "ls" } },
          { id: "c2", name: "read" },
          { id: "c3", name: "atomic", input: { op: "get", name: "n" } },
        );
        await between();
        const first = (await lease(run))!;
        await between();
        value(await run.rpc.renew(first, { message: "half way", fraction: 0.5 }));
        await between();
        const told = await waits(run, "a");
        const second = (await lease(run))!;
        value(await run.rpc.complete(second, done({ text: "hello" })));
        await between();
        value(await run.rpc.complete(first, done("a.txt", { isError: true })));
        await between();
        return { told, answers: await answers(run), types: (await run.events()).map(({ type }) => type) };
      }),
    );
    expect(stories[1]!.types).toEqual(stories[0]!.types);
    expect(stories[1]!.answers).toEqual(stories[0]!.answers);
    expect(stories[0]!.answers).toMatchObject({
      c1: { text: "a.txt", isError: true },
      c2: { text: '{"text":"hello"}', isError: false },
    });
    const since = clock.now;
    expect(stories[1]!.told).toMatchObject([
      {
        tool: "shell",
        call: "c1",
        state: "running",
        worker: "w",
        attempts: 1,
        since,
        until: since + 300_000,
        progress: { at: since, message: "half way", fraction: 0.5 },
      },
      { tool: "read", call: "c2", state: "ready", attempts: 0 },
    ]);
  });

  it("keeps its renewed lease through an eviction, and loses one that was not", async () => {
    using clock = new TestClock();
    const run = await makeRun({ tools });
    await asking(run, "a", { id: "c1", name: "shell" });
    const grant = (await lease(run))!;
    clock.forward(leaseMs - 1000);
    value(await run.rpc.renew(grant));
    await run.evict();
    clock.forward(leaseMs - 1000);
    await run.ring();
    expect(await waits(run, "a")).toMatchObject([{ state: "running" }]);
    await run.evict();
    clock.forward(1000);
    await run.ring();
    expect(await waits(run, "a")).toMatchObject([{ state: "ready", attempts: 1 }]);
    const again = (await lease(run))!;
    expect(again.toolCall).toEqual({ ...grant.toolCall, attempt: 2 });
    expect(codeOf(await run.rpc.complete(grant, done("late")))).toBe("lease_lost");
    expect(codeOf(await run.rpc.renew(grant))).toBe("lease_lost");
    expect(codeOf(await run.rpc.renew(grant, { fraction: 1 }))).toBe("lease_lost");
    expect(codeOf(await run.rpc.leaseAgain(grant))).toBe("lease_lost");
    value(await run.rpc.complete(again, done("in time")));
    expect(await answers(run)).toMatchObject({ c1: { text: "in time" } });
    const ends = (await run.events()).filter(({ type, tool: of }) => type === "call_done" && of === "shell");
    expect(ends).toHaveLength(1);
  });

  it("takes one result: a repeated key gets the first answer, anything else is late", async () => {
    const run = await makeRun({ tools });
    await asking(run, "a", { id: "c1", name: "shell" }, { id: "c2", name: "shell" }, { id: "c3", name: "read" });
    const grant = (await lease(run))!;
    const idem = { key: "k", fingerprint: "f" };
    const first = value(await run.rpc.complete(grant, done("one", { next: true }), idem));
    // The next call of the same tool, and not whatever is ready.
    expect(first.lease).toMatchObject({ toolCall: { tool: "shell", attempt: 1 } });
    await run.evict();
    expect(value(await run.rpc.complete(grant, done("one", { next: true }), idem))).toEqual(first);
    expect(codeOf(await run.rpc.complete(grant, done("two")))).toBe("lease_lost");
    const failure = { error: { code: "x", message: "y" }, retryable: false };
    expect(codeOf(await run.rpc.fail(grant, failure))).toBe("lease_lost");
    const next = first.lease as ToolCallGrant;
    expect(value(await run.rpc.complete(next, done("two", { next: true })))).toEqual({});
    value(await run.rpc.complete((await lease(run))!, done("three")));
    expect(await answers(run)).toMatchObject({ c1: { text: "one" }, c2: { text: "two" }, c3: { text: "three" } });
  });

  it("is tried again after a failure that may pass, and told to the model after one that does not", async () => {
    using clock = new TestClock();
    const run = await makeRun({ tools });
    await asking(run, "a", { id: "c1", name: "shell" });
    const busy = { error: { code: "busy", message: "not now" }, retryable: true };
    expect(value(await run.rpc.fail((await lease(run))!, busy))).toMatchObject({ state: "waiting" });
    expect(await lease(run)).toBeUndefined();
    clock.forward(2000);
    await run.ring();
    expect(await waits(run, "a")).toMatchObject([{ state: "ready", attempts: 1 }]);
    const broken = { error: { code: "no_disk", message: "the disk is gone" }, retryable: false };
    expect(value(await run.rpc.fail((await lease(run))!, broken))).toMatchObject({ state: "failed" });
    const { c1 } = (await answers(run)) as unknown as { c1: { text: string; isError: boolean } };
    expect(c1.isError).toBe(true);
    expect(JSON.parse(c1.text)).toMatchObject({
      error: { code: "tool_failed", message: "shell: the disk is gone", cause: "no_disk", attempts: 2 },
    });
  });

  it("times out, and its late result is refused", async () => {
    using clock = new TestClock();
    const run = await makeRun({ tools: [tool("shell", { timeout_ms: 5000 })] });
    await asking(run, "a", { id: "c1", name: "shell" });
    const grant = (await lease(run))!;
    clock.forward(5000);
    await run.ring();
    expect(codeOf(await run.rpc.complete(grant, done("late")))).toBe("lease_lost");
    const { c1 } = (await answers(run)) as unknown as { c1: { text: string } };
    expect(JSON.parse(c1.text)).toMatchObject({ error: { code: "tool_timed_out" } });
  });

  it("is void with its task: cancelled, ended, or its run gone", async () => {
    const run = await makeRun({ tools });
    await asking(run, "a", { id: "c1", name: "shell" });
    await asking(run, "b", { id: "c1", name: "shell" });
    const [one, two] = [(await lease(run))!, (await lease(run))!];
    value(await run.rpc.cancelTask("a", undefined));
    expect(codeOf(await run.rpc.complete(one, done("x")))).toBe("lease_lost");
    value(await run.rpc.deleteRun());
    expect(codeOf(await run.rpc.complete(two, done("x")))).toBe("lease_lost");
    expect(codeOf(await run.rpc.renew(two))).toBe("lease_lost");
  });

  it("has a lease that is no task's", async () => {
    const run = await makeRun({ tools });
    await asking(run, "a", { id: "c1", name: "shell" });
    const grant = (await lease(run))!;
    const input = { tool: "inspect", arguments: "{}", waitMs: 0 };
    expect(codeOf(await run.rpc.turn(grant, { messages: ["{}"] }))).toBe("lease_of_tool_call");
    expect(codeOf(await run.rpc.leaseTool(grant, input))).toBe("lease_of_tool_call");
    // By its fence alone it would be nobody's.
    const { call: _, ...bare } = grant;
    expect(codeOf(await run.rpc.complete(bare, done("x")))).toBe("lease_lost");
    value(await run.rpc.cancelTask("a", undefined));
    expect(codeOf(await run.rpc.turn(grant, { messages: ["{}"] }))).toBe("lease_lost");
  });

  it("shows a long result cut, and inspect reads the rest", async () => {
    const run = await makeRun({ tools });
    await asking(run, "a", { id: "c1", name: "shell" });
    const long = "0123456789".repeat(inlineResultBytesMax / 5);
    value(await run.rpc.complete((await lease(run))!, done({ out: long, code: 7 })));
    const { c1 } = (await answers(run)) as unknown as { c1: { text: string } };
    const shown = JSON.parse(c1.text) as {
      result: string;
      truncated: true;
      read_on: { result: string; offset: number };
    };
    expect(shown.truncated).toBe(true);
    const { result, offset } = shown.read_on;
    const inspect = async (target: object) => {
      const call = { tool: "inspect", arguments: JSON.stringify({ result, ...target }), waitMs: 0 };
      return value(await run.rpc.callTool(call)) as { result: Record<string, unknown> };
    };
    await run.evict();
    const rest: string[] = [shown.result];
    for (let at: number | undefined = offset; at !== undefined; ) {
      const part = (await inspect({ offset: at })).result;
      rest.push(part.result as string);
      at = part.next_offset as number | undefined;
    }
    expect(JSON.parse(rest.join(""))).toEqual({ out: long, code: 7 });
    expect((await inspect({ path: "code" })).result).toMatchObject({ tool: "shell", result: 7 });
    const unknown = { tool: "inspect", arguments: '{"result":"R1-000000"}', waitMs: 0 };
    expect(value(await run.rpc.callTool(unknown))).toMatchObject({ error: { code: "unknown_result" } });
    const other = { tool: "inspect", arguments: JSON.stringify({ result: result.replace(/^R\d+/, "R1") }), waitMs: 0 };
    expect(value(await run.rpc.callTool(other))).toMatchObject({ error: { code: "unknown_result" } });
  });

  it("is open in a run whose storage is of the version before", async () => {
    const run = await makeRun({ tools });
    await asking(run, "a", { id: "c1", name: "shell" });
    await runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), async (_, { storage }) => {
      storage.sql.exec("DROP TABLE call_renewals");
      storage.sql.exec("DROP TABLE deliveries");
      storage.sql.exec("ALTER TABLE variables DROP COLUMN bytes");
      storage.sql.exec("UPDATE meta SET value = '3' WHERE name = 'schema'");
    });
    await run.evict();
    const grant = (await lease(run))!;
    value(await run.rpc.renew(grant));
    value(await run.rpc.complete(grant, done("x")));
  });
});

describe("who calls", () => {
  const call = (name: string, more: object = {}) => ({ tool: name, arguments: "{}", callId: "c", waitMs: 0, ...more });

  it("a pull worker's task waits for the result in a long poll, by its call's id", async () => {
    const run = await makeRun({ tools });
    await run.create({ key: "p", pool: "box", instructions: "do p" });
    const task = (await run.lease())!;
    expect(value(await run.rpc.leaseTool(task, call("shell")))).toEqual({ pending: true, call_id: "c" });
    expect(await run.task("p")).toMatchObject({ state: "running", waiting_on: { tools: [{ tool: "shell" }] } });
    const polling = run.rpc.leaseTool(task, call("shell", { waitMs: 20_000 }));
    value(await run.rpc.complete((await lease(run))!, done("text")));
    expect(value(await polling)).toEqual({ result: "text" });
    expect(value(await run.rpc.leaseTool(task, call("shell")))).toEqual({ result: "text" });
    value(await run.rpc.leaseTool(task, call("read", { callId: "d" })));
    value(await run.rpc.complete((await lease(run))!, done("no such file", { isError: true })));
    expect(value(await run.rpc.leaseTool(task, call("read", { callId: "d" })))).toMatchObject({
      error: { code: "tool_error", result: "no such file" },
    });
    expect(codeOf(await run.rpc.leaseTool(task, call("nope")))).toBe("not_found");
  });

  it("a session waits as a task does; without one an agent outside is told so", async () => {
    const run = await makeRun({ tools });
    expect(value(await run.rpc.callTool(call("shell")))).toMatchObject({ error: { code: "needs_actor" } });
    const { id: actor } = value(await run.rpc.openActor({ ttlMs: 60_000 }));
    const first = value(await run.rpc.callTool(call("shell", { actor })));
    expect(first).toEqual({ pending: true, call_id: "c" });
    const grant = (await lease(run))!;
    expect(grant.toolCall.task).toEqual({ id: actor, key: null, title: null });
    value(await run.rpc.complete(grant, done([1])));
    expect(value(await run.rpc.callTool(call("shell", { actor })))).toEqual({ result: [1] });
    expect(codeOf(await run.rpc.callTool(call("read", { actor })))).toBe("idempotency_mismatch");
    expect(codeOf(await run.rpc.callTool(call("nope", { actor })))).toBe("not_found");
    expect(codeOf(await run.rpc.callTool(call("nope")))).toBe("not_found");
  });

  it("bad arguments begin no call", async () => {
    const run = await makeRun({ tools });
    const { id: actor } = value(await run.rpc.openActor({ ttlMs: 60_000 }));
    for (const [i, text] of ["[]", "{", '"x"', `${'{"a":'.repeat(100)}1${"}".repeat(100)}`].entries()) {
      const bad = { ...call("shell", { actor, callId: `c${i}` }), arguments: text };
      expect(value(await run.rpc.callTool(bad))).toMatchObject({ error: { code: "bad_arguments" } });
    }
    expect(await lease(run)).toBeUndefined();
  });
});

describe("the gate", () => {
  const ask = (tenant: string, wishes: LeaseWishes, waitMs = 0) =>
    gateOf(tenant).lease({ tenant, pool: "box", worker: "w", max: 4, waitMs, ...wishes });
  const calls = { kinds: ["tool_call"] } as const;

  it("keeps tasks and the calls of each tool apart: nobody's empty answer hides what is another's", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant, tools });
    await asking(run, "a", { id: "c1", name: "shell" });
    // Announcements come after the commit: the first asks until it has arrived.
    const first = value(await ask(tenant, calls, 5_000)) as ToolCallGrant[];
    expect(first).toMatchObject([{ toolCall: { tool: "shell" } }]);
    await asking(run, "b", { id: "c1", name: "shell" });
    expect(value(await ask(tenant, {}))).toEqual([]);
    expect(value(await ask(tenant, { ...calls, tools: ["read"] }))).toEqual([]);
    await evictGate(tenant);
    expect(value(await ask(tenant, { ...calls, tools: ["read", "shell"] }, 5_000))).toHaveLength(1);
  });

  it("serves both to a worker that takes both, in one order", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant, tools });
    await asking(run, "a", { id: "c1", name: "shell" });
    await run.create({ key: "low", pool: "box", instructions: "x", priority: 1 });
    await run.create({ key: "high", pool: "box", instructions: "x", priority: 9 });
    const both = { kinds: ["task", "tool_call"] } as const;
    const grants = value(await ask(tenant, both, 5_000));
    const names = grants.map((grant) => ("call" in grant ? grant.toolCall.tool : (grant as LeaseGrant).task.key));
    expect(names).toEqual(["high", "shell", "low"]);
  });

  it("wakes a worker that waits when a call comes, and answers a repeated key with the same lease", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant, tools });
    const input = { tenant, pool: "box", worker: "w", max: 1, waitMs: 20_000, ...calls };
    const idem = { key: "k", fingerprint: "f" };
    const waiting = gateOf(tenant).lease(input, idem);
    await asking(run, "a", { id: "c1", name: "shell" });
    const grants = value(await waiting);
    expect(grants).toHaveLength(1);
    await evictGate(tenant);
    expect(value(await gateOf(tenant).lease(input, idem))).toEqual(grants);
    value(await run.rpc.complete(grants[0]!, done("x")));
    expect(value(await gateOf(tenant).lease(input, idem))).toEqual([]);
  });

  it("does not starve one run's calls by another's tasks", async () => {
    const tenant = newTenant();
    const [busy, run] = [await makeRun({ tenant }), await makeRun({ tenant, tools })];
    await busy.create(...["a", "b", "c", "d"].map((key) => ({ key, pool: "box", instructions: key })));
    await asking(run, "a", { id: "c1", name: "shell" });
    const rows = () =>
      runInDurableObject(bindings.GATES.getByName(tenant), (_, { storage }) =>
        storage.sql.exec("SELECT DISTINCT run FROM ready").toArray(),
      );
    await eventually(async () => expect(await rows()).toHaveLength(2));
    const both = { kinds: ["task", "tool_call"] } as const;
    const one = async () =>
      value(await gateOf(tenant).lease({ tenant, pool: "box", worker: "w", max: 1, waitMs: 5_000, ...both }))[0]!;
    const runs = [(await one()).run, (await one()).run];
    expect(new Set(runs)).toEqual(new Set([busy.id, run.id]));
  });
});

describe("a call of a url", () => {
  const next = nextTask("s");
  const open = async (run: TestRun, nonce = "s") =>
    (await run.rpc.openSeat(run.ticket(nonce), { ...next, nonce })) as UrlCall | undefined;

  it("is a seat's work beside limits.workers, and the caller is its next", async () => {
    const run = await makeRun({ tools, limits: { workers: 1 } });
    await asking(run, "a", { id: "c1", name: "hook", input: { n: 1 } });
    await run.create({ key: "busy", instructions: "x", priority: 9 });
    expect(await run.seat("other")).toMatchObject({ taskId: (await run.task("busy")).id });
    const work = (await open(run))!;
    const a = await run.task("a");
    expect(work).toMatchObject({ url: "https://tools.example/hook", idempotencyKey: `${run.id}_${work.call}` });
    expect(JSON.parse(work.payload)).toEqual({
      id: expect.stringMatching(/^C\d+-/),
      tool: "hook",
      arguments: { n: 1 },
      run: run.id,
      task: { id: a.id, key: "a" },
    });
    expect(await open(run, "t")).toBeUndefined();
    await run.evict();
    expect(await run.rpc.renewSeat(work)).toMatchObject({ held: true });
    value(await run.rpc.cancelTask("busy", undefined));
    const over = await run.rpc.endUrlCall(work, { kind: "result", result: "ok", isError: false }, next);
    expect(over).toMatchObject({
      kind: "over",
      work: { taskId: a.id, answers: { c1: { text: "ok", isError: false } } },
    });
  });

  it("is tried again with the same key and payload, and a late answer is refused", async () => {
    using clock = new TestClock();
    const run = await makeRun({ tools });
    await asking(run, "a", { id: "c1", name: "hook" });
    const work = (await open(run))!;
    const error = { code: "http_status", message: "it answered 503" };
    const busy = { kind: "error", fault: "endpoint_busy", error, retryAfterMs: 7000 } as const;
    expect(await run.rpc.endUrlCall(work, busy, undefined)).toEqual({ kind: "over" });
    clock.forward(6999);
    await run.ring();
    expect(await waits(run, "a")).toMatchObject([{ state: "waiting", attempts: 1 }]);
    clock.forward(1);
    await run.ring();
    const again = (await open(run, "u"))!;
    expect(again).toEqual({ ...work, fence: again.fence });
    expect(again.fence).toBeGreaterThan(work.fence);
    await run.rpc.endUrlCall(work, { kind: "result", result: "late", isError: false }, undefined);
    expect(await run.rpc.renewSeat(work)).toMatchObject({ held: false });
    await run.rpc.endUrlCall(again, { kind: "result", result: "in time", isError: false }, undefined);
    expect(await answers(run)).toMatchObject({ c1: { text: "in time" } });
  });

  it("is never a pull worker's", async () => {
    const run = await makeRun({ tools });
    await asking(run, "a", { id: "c1", name: "hook" });
    expect(await lease(run)).toBeUndefined();
    expect(await lease(run, { tools: ["hook"] })).toBeUndefined();
  });
});
