/** Shared variables through the run's object, on real storage: once, in order, for this run only, and after an eviction. */

import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import type { ToolOutcome } from "../../src/contract/shapes.ts";
import type { Idem } from "../../src/objects/rpc.ts";
import type { SeatReply } from "../../src/objects/seat-rpc.ts";
import { bindings, codeOf, makeRun, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const objectOf = (run: TestRun, name: string) => bindings.VARIABLES.getByName(`${run.tenant}/${run.id}/${name}`);
const rowsOf = (run: TestRun, name: string): Promise<number> =>
  runInDurableObject(objectOf(run, name), (_, { storage }) => {
    const tables = storage.sql.exec("SELECT name FROM sqlite_master WHERE name = 'entries'").toArray();
    return tables.length === 0 ? 0 : Number(storage.sql.exec("SELECT count(*) AS n FROM entries").one().n);
  });

/** An op from outside. */
async function use(run: TestRun, tool: string, args: object, more: { callId?: string; idem?: Idem } = {}) {
  const { callId, idem } = more;
  const input = { tool, arguments: JSON.stringify(args), waitMs: 0, ...(callId !== undefined && { callId }) };
  return value(await run.rpc.callTool(input, idem));
}

const result = (outcome: object) => {
  expect(outcome).toHaveProperty("result");
  return (outcome as { result: Record<string, unknown> }).result;
};
const error = (outcome: ToolOutcome) => {
  expect(outcome).toHaveProperty("error");
  return (outcome as { error: Record<string, unknown> }).error;
};

const add = (name = "n", delta = 1) => ({ op: "add", name, delta });
const idem = (key: string, fingerprint = key): Idem => ({ key, fingerprint });

describe("a variable", () => {
  it("counts every add once, whoever calls at the same time (V1, V7)", async () => {
    const run = await makeRun();
    const answers = await Promise.all(Array.from({ length: 100 }, () => use(run, "atomic", add())));
    const values = answers.map((answer) => result(answer).value as number).sort((a, b) => a - b);
    expect(values).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    await evictDurableObject(objectOf(run, "n"));
    await run.evict();
    expect(result(await use(run, "atomic", { op: "get", name: "n" }))).toEqual({ value: 100 });
  });

  it.each([
    ["atomic", { op: "get" }, add("v"), { value: 1, previous: 0 }],
    ["atomic", { op: "compare_and_set", expected: 7, value: 8 }, add("v"), { value: 1, previous: 0 }],
    ["shared_map", { op: "entries" }, { op: "set", key: "k", value: 1 }, { version: 1 }],
    ["shared_map", { op: "set", key: "k", value: 1, if_version: 3 }, { op: "size" }, { size: 0 }],
    ["shared_list", { op: "slice" }, { op: "append", items: ["a"] }, { size: 1, index: 0 }],
    ["shared_memory", { op: "read" }, { op: "append", text: "a" }, { version: 1, length: 1 }],
  ])(
    "%s: goes on after an eviction though its first op, %j, changed nothing",
    async (kind, first, second, expected) => {
      const run = await makeRun();
      await use(run, kind, { name: "v", ...first });
      await evictDurableObject(objectOf(run, "v"));
      expect(value(await run.rpc.variable("v")).kind).toBe(kind);
      expect(result(await use(run, kind, { name: "v", ...second }))).toEqual(expected);
    },
  );

  it("answers a repeated key or call as at first, also after an eviction; another request is a mismatch (V3)", async () => {
    const run = await makeRun();
    const first = await use(run, "atomic", add(), { idem: idem("k") });
    const called = await use(run, "atomic", add(), { callId: "c1" });
    await use(run, "atomic", add());
    await evictDurableObject(objectOf(run, "n"));
    await run.evict();
    expect(await use(run, "atomic", add(), { idem: idem("k") })).toEqual(first);
    expect(await use(run, "atomic", add(), { callId: "c1" })).toEqual(called);
    expect(result(await use(run, "atomic", { op: "get", name: "n" }))).toEqual({ value: 3 });
    const input = { tool: "atomic", arguments: JSON.stringify(add("n", 5)), waitMs: 0 };
    expect(codeOf(await run.rpc.callTool(input, idem("k", "another body")))).toBe("idempotency_mismatch");
    expect(codeOf(await run.rpc.callTool({ ...input, callId: "c1" }))).toBe("idempotency_mismatch");
  });

  it("answers a repeat as at first though the run has ended since, and refuses what is none (V3, V6)", async () => {
    const run = await makeRun();
    const first = await use(run, "atomic", add(), { idem: idem("k") });
    const called = await use(run, "atomic", add(), { callId: "c1" });
    value(await run.rpc.finishRun({ cancel: true }));
    await evictDurableObject(objectOf(run, "n"));
    await run.evict();
    expect(await use(run, "atomic", add(), { idem: idem("k") })).toEqual(first);
    expect(await use(run, "atomic", add(), { callId: "c1" })).toEqual(called);
    const input = { tool: "atomic", arguments: JSON.stringify(add()), waitMs: 0 };
    expect(codeOf(await run.rpc.callTool(input, idem("k", "another body")))).toBe("idempotency_mismatch");
    expect(codeOf(await run.rpc.callTool(input, idem("another")))).toBe("run_ended");
    expect(codeOf(await run.rpc.callTool({ ...input, callId: "c2" }))).toBe("run_ended");
    expect(result(await use(run, "atomic", { op: "get", name: "n" }))).toEqual({ value: 2 });
  });

  it("answers a repeat of a fenced write as at first though somebody else has the lock since (V3, V5)", async () => {
    const run = await makeRun();
    const of = async (tool: string, args: object, actor: string, callId: string) => {
      const input = { tool, arguments: JSON.stringify(args), waitMs: 0, actor, callId };
      return value(await run.rpc.callTool(input));
    };
    const [one, other] = [
      value(await run.rpc.openActor({ ttlMs: 60_000 })),
      value(await run.rpc.openActor({ ttlMs: 60_000 })),
    ];
    const { token } = result(await of("lock", { op: "acquire", name: "l" }, one.id, "a")) as { token: number };
    const fence = { lock: "l", token };
    const write = { op: "write", name: "t", text: "mine", fence };
    const first = await of("shared_memory", write, one.id, "w");
    await of("lock", { op: "release", name: "l" }, one.id, "r");
    await of("lock", { op: "acquire", name: "l" }, other.id, "a");
    await run.evict();
    expect(await of("shared_memory", write, one.id, "w")).toEqual(first);
    expect(error(await of("shared_memory", write, one.id, "w2"))).toMatchObject({ code: "stale_fence" });
    expect(error(await of("shared_memory", { ...write, name: "new" }, one.id, "w3"))).toMatchObject({
      code: "stale_fence",
    });
    expect(codeOf(await run.rpc.variable("new"))).toBe("not_found");
  });

  it("keeps its first kind and its name; another run's is another variable (V4)", async () => {
    const run = await makeRun();
    const other = await makeRun({ tenant: run.tenant });
    await use(run, "shared_map", { op: "set", name: "x", key: "k", value: 1 });
    expect(error(await use(run, "atomic", add("x")))).toMatchObject({ code: "kind_mismatch", kind: "shared_map" });
    expect(result(await use(other, "atomic", add("x")))).toEqual({ value: 1, previous: 0 });
    for (const name of ["a/b", "../x", "ü ö", "%2F", "x/y/z?q=1#h"]) {
      expect(result(await use(run, "atomic", add(name)))).toEqual({ value: 1, previous: 0 });
      expect(value(await run.rpc.variable(name))).toMatchObject({ name, kind: "atomic", state: { value: 1 } });
    }
  });

  it("refuses a write with an older token than the newest that wrote here (V5)", async () => {
    const run = await makeRun();
    const set = (token: number, text: string, lock = "l") =>
      use(run, "shared_memory", { op: "write", name: "t", text, fence: { lock, token } });
    result(await set(3, "three"));
    expect(error(await set(2, "two"))).toMatchObject({ code: "stale_fence", newest: 3 });
    result(await set(3, "three again"));
    result(await set(1, "other lock", "m"));
    result(await set(7, "seven"));
    await evictDurableObject(objectOf(run, "t"));
    expect(error(await set(6, "six"))).toMatchObject({ code: "stale_fence", newest: 7 });
    expect(result(await use(run, "shared_memory", { op: "read", name: "t" })).text).toBe("seven");
  });

  it("of an ended run is read and not written; one that nobody used answers as it begins (V6)", async () => {
    const run = await makeRun();
    await use(run, "atomic", add());
    value(await run.rpc.finishRun({ cancel: true }));
    const input = { tool: "atomic", arguments: JSON.stringify(add()), waitMs: 0 };
    expect(codeOf(await run.rpc.callTool(input))).toBe("run_ended");
    expect(result(await use(run, "atomic", { op: "get", name: "n" }))).toEqual({ value: 1 });
    expect(result(await use(run, "shared_map", { op: "get", name: "new", key: "k" }))).toEqual({
      value: null,
      version: 0,
    });
    expect(codeOf(await run.rpc.variable("new"))).toBe("not_found");
  });

  it("holds 8 MiB of text and many entries, in rows that production takes (V7)", async () => {
    const run = await makeRun();
    const text = "é".repeat(4 * 1024 * 1024);
    result(await use(run, "shared_memory", { op: "write", name: "t", text }));
    expect(error(await use(run, "shared_memory", { op: "append", name: "t", text: "x" }))).toMatchObject({
      code: "value_too_large",
    });
    await evictDurableObject(objectOf(run, "t"));
    expect(result(await use(run, "shared_memory", { op: "read", name: "t", from: text.length - 2 }))).toMatchObject({
      text: "éé",
      version: 1,
    });
    const longest = await runInDurableObject(objectOf(run, "t"), (_, { storage }) =>
      Number(storage.sql.exec("SELECT max(length(CAST(text AS BLOB))) AS n FROM chunks").one().n),
    );
    expect(longest).toBeLessThan(2_000_000);
    const many = 100_000;
    for (let at = 0; at < many; at += 1000) {
      const items = Array.from({ length: 1000 }, (_, i) => at + i);
      result(await use(run, "shared_list", { op: "append", name: "l", items }));
    }
    await evictDurableObject(objectOf(run, "l"));
    expect(result(await use(run, "shared_list", { op: "slice", name: "l", start: -2 }))).toMatchObject({
      items: [many - 2, many - 1],
      next: null,
      size: many,
    });
    expect(result(await use(run, "shared_list", { op: "get", name: "l", index: 77_777 }))).toEqual({
      value: 77_777,
      version: 1,
    });
  });

  it("explains itself, is listed in the order of first use, and leaves with its run", async () => {
    const run = await makeRun();
    for (let i = 0; i < 7; i++) await use(run, "shared_map", { op: "set", name: `v${i}`, key: "k", value: i });
    const names: string[] = [];
    for (let cursor: string | undefined; ; ) {
      const page = value(await run.rpc.variables({ limit: 3, ...(cursor !== undefined && { cursor }) }));
      names.push(...page.rows.map(({ name }) => name));
      if (page.nextCursor === null) break;
      cursor = page.nextCursor;
    }
    expect(names).toEqual(["v0", "v1", "v2", "v3", "v4", "v5", "v6"]);
    const look = result(await use(run, "inspect", { variable: "v3" }));
    expect(look).toMatchObject({ name: "v3", kind: "shared_map", state: { size: 1, version: 1 }, ops: { set: 1 } });
    expect(error(await use(run, "inspect", { variable: "nobody" }))).toMatchObject({ code: "unknown_variable" });
    const created = (await run.events()).filter(({ type }) => type === "variable_created");
    expect(created.map(({ name }) => name)).toEqual(names);
    expect(await rowsOf(run, "v3")).toBe(1);
    value(await run.rpc.deleteRun());
    expect(await rowsOf(run, "v3")).toBe(0);
  });
});

describe("an op of a task", () => {
  const hosted = { key: "h", instructions: "count" };
  const turnOf = (...calls: { id: string; name: string; arguments: string }[]) => ({
    messages: [
      JSON.stringify({
        role: "assistant",
        content: calls.map(({ id, name, arguments: input }) => ({
          type: "tool_use",
          id,
          name,
          input: JSON.parse(input),
        })),
      }),
    ],
    usage: { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 },
    calls,
  });
  const adding = (id: string, name = "n") => ({ id, name: "atomic", arguments: JSON.stringify(add(name)) });
  const counted = (reply: SeatReply, id: string) => {
    if (reply.kind !== "go_on") throw new Error(reply.kind);
    const answer = reply.answers[id];
    return answer && "text" in answer ? (JSON.parse(answer.text) as { value?: number }).value : undefined;
  };

  it("is done once for every attempt of its turn, and anew in the next turn (V3)", async () => {
    const run = await makeRun();
    await run.create(hosted);
    const work = (await run.seat("s"))!;
    const first = await run.rpc.seatTurn(work, turnOf(adding("a"), adding("b"), adding("c", "m")), undefined);
    expect([counted(first, "a"), counted(first, "b"), counted(first, "c")]).toEqual([1, 2, 1]);
    // The seat never got that answer: it, or the one that resumes, asks again.
    await evictDurableObject(objectOf(run, "n"));
    await run.evict();
    const again = await run.rpc.seatCalls(work, [adding("a"), adding("b"), adding("c", "m")]);
    expect([counted(again, "a"), counted(again, "b"), counted(again, "c")]).toEqual([1, 2, 1]);
    const next = await run.rpc.seatTurn(work, turnOf(adding("a")), undefined);
    expect(counted(next, "a")).toBe(3);
    expect(result(await use(run, "atomic", { op: "get", name: "n" }))).toEqual({ value: 3 });
  });

  it("of a lost lease never reaches the variable (W1)", async () => {
    const run = await makeRun();
    await run.create({ key: "p", pool: "box", instructions: "count" });
    const lease = (await run.lease())!;
    const input = { tool: "atomic", arguments: JSON.stringify(add()), waitMs: 0 };
    expect(result(value(await run.rpc.leaseTool(lease, { ...input, callId: "c" })))).toMatchObject({ value: 1 });
    expect(result(value(await run.rpc.leaseTool(lease, { ...input, callId: "c" })))).toMatchObject({ value: 1 });
    expect(result(value(await run.rpc.leaseTool(lease, input, idem("k"))))).toMatchObject({ value: 2 });
    expect(result(value(await run.rpc.leaseTool(lease, input, idem("k"))))).toMatchObject({ value: 2 });
    value(await run.rpc.fail(lease, { error: { code: "x", message: "" }, retryable: false }));
    expect(codeOf(await run.rpc.leaseTool(lease, input))).toBe("lease_lost");
    expect(result(await use(run, "atomic", { op: "get", name: "n" }))).toEqual({ value: 2 });
  });
});
