/** A run as a file: what is in it, and that what is taken in from it is the same run. */

import { describe, expect, it } from "vitest";
import type { ToolCallGrant, ToolWait } from "../../src/contract/shapes.ts";
import { variableStub } from "../../src/objects/env.ts";
import type { ExportPage, ExportPiece } from "../../src/objects/rpc.ts";
import { busyRun } from "./lib/busy-run.ts";
import { comparable, copyOf, exported, imported, send } from "./lib/files.ts";
import { bindings, codeOf, makeRun, TestClock, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const usage = { input_tokens: 10, output_tokens: 3, cache_read_tokens: 2, cache_write_tokens: 1 };
const call = (tool: string, callId: string, args: object) => ({
  tool,
  callId,
  arguments: JSON.stringify(args),
  waitMs: 0,
});
const used = (tool: string, args: object) => call(tool, crypto.randomUUID(), args);

/** Forks, calls, every kind of variable, and messages whose bytes no JSON printer would give. */
async function richRun(): Promise<TestRun> {
  const run = await makeRun({
    name: "rich",
    context: {
      format: "anthropic",
      system: '"you  are \\u00e9"',
      messages: ['{"role":"user", "content":"1.0 and 1e2 \\u0041 \u{1F600}"}'],
    },
  });
  const [a] = await run.create(
    { key: "a", pool: "box", instructions: "do a", labels: { kind: "x" } },
    { key: "b", pool: "box", instructions: "do b with {{a}}" },
    { key: "c", pool: "box", instructions: "do c", context: { messages: ['{"role":"user","content":"more"}'] } },
  );
  const lease = (await run.lease())!;
  const reply = `{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"create_task","input":{"key":"kid",  "pool":"box","instructions":"of ${a}"}}]}`;
  value(await run.rpc.turn(lease, { messages: [reply], usage }));
  value(
    await run.rpc.leaseTool(lease, call("create_task", "t1", { key: "kid", pool: "box", instructions: `of ${a}` })),
  );
  value(await run.rpc.leaseTool(lease, call("lock", "t2", { op: "acquire", name: "l" })));
  value(await run.rpc.leaseTool(lease, call("atomic", "t3", { op: "add", name: "n", delta: 4 })));
  for (const i of [1, 2, 3])
    value(await run.rpc.callTool(used("shared_map", { op: "set", name: "m", key: `k${i}`, value: { i } })));
  value(await run.rpc.callTool(used("shared_map", { op: "delete", name: "m", key: "k3" })));
  value(await run.rpc.callTool(used("shared_list", { op: "append", name: "s", items: [1, "two", null] })));
  value(
    await run.rpc.callTool(
      used("shared_memory", { op: "write", name: "t", text: "a text \u{1F600}\n".repeat(60_000) }),
    ),
  );
  value(await run.rpc.callTool(used("semaphore", { op: "create", name: "sem", permits: 3 })));
  value(await run.rpc.callTool(used("message_queue", { op: "push", name: "q", messages: [1, { a: 2 }] })));
  value(await run.rpc.callTool(used("future", { op: "resolve", name: "f", value: "then" })));
  return run;
}

async function drained(run: TestRun): Promise<void> {
  for (let lease = await run.lease(); lease; lease = await run.lease())
    value(await run.rpc.complete(lease, { result: { of: lease.task.key }, usage, next: false, worker: "w" }));
}

/** Lines of a page; one that goes on in the next page is left out. */
const joined = (pieces: readonly ExportPiece[]): string[] => {
  const lines: string[] = [];
  let open = "";
  for (const { text, more } of pieces) {
    open += text;
    if (more) continue;
    lines.push(open);
    open = "";
  }
  return lines;
};

const parsed = (lines: readonly string[]) => lines.map((line) => JSON.parse(line));

describe("an export", () => {
  it("begins with its format, ends with its counts, and has a parent before its children", async () => {
    const lines = parsed(await exported(await richRun()));
    expect(lines[0]).toMatchObject({ heddle_export: 1, name: "rich", status: "active" });
    expect(lines.at(-1)).toMatchObject({ end: true, lines: lines.length - 1, tasks: 4, variables: 8 });
    const seen = new Set<string>();
    for (const { snapshot, parent } of lines.filter((line) => "snapshot" in line)) {
      if (parent) expect(seen).toContain(parent);
      seen.add(snapshot);
    }
    expect(lines.find((line) => line.messages)?.messages[0]).toContain(
      '{"role":"user", "content":"1.0 and 1e2 \\u0041',
    );
  });

  it("is the same from an ended run and from its copy, but for the header", async () => {
    const run = await richRun();
    await drained(run);
    // The creator still holds its lease: it is cancelled with the run.
    value(await run.rpc.finishRun({ cancel: true }));
    const lines = await exported(run);
    const copy = await imported(run, lines);
    expect(comparable(await exported(copy))).toEqual(comparable(lines));
    await copy.evict();
    expect(comparable(await exported(copy))).toEqual(comparable(lines));
    expect(await copy.events()).toEqual(await run.events());
    expect(await copy.tasks()).toEqual(await run.tasks());
    for (const { id } of await run.tasks())
      expect(value(await copy.rpc.taskContext(id))).toEqual(value(await run.rpc.taskContext(id)));
    // It is kept from its import on.
    const { id: _, expires_at: __, ...view } = await run.view();
    expect(await copy.view()).toMatchObject(view);
    const get = used("shared_map", { op: "entries", name: "m" });
    expect(value(await copy.rpc.callTool(get))).toEqual(value(await run.rpc.callTool(get)));
    const write = used("atomic", { op: "set", name: "n", value: 1 });
    expect(codeOf(await copy.rpc.callTool(write))).toBe("run_ended");
  });

  it("is as of one event, though the run goes on meanwhile", async () => {
    const run = await richRun();
    const before = await run.tasks();
    const first = value(await run.rpc.exportPage(undefined));
    await drained(run);
    await run.create({ key: "late", pool: "box", instructions: "late" });
    let { cursor } = first;
    const pieces = [...first.pieces];
    // One page holds all of this run: it is read again from its first item on.
    cursor = { seq: JSON.parse(pieces[0]!.text).seq, stage: "row", place: [], skip: 0, digest: "" };
    const lines = value(await run.rpc.exportPage(cursor)).pieces.map(({ text }) => text);
    const tasks = parsed(lines.filter((line) => line.startsWith('{"task"'))).map(
      ({ task: { instructions: __, ...task } }) => task,
    );
    expect(tasks).toEqual(before);
    expect(lines.join("")).not.toContain('"key":"late"');
  });

  it("reads a variable at once: what it holds, and what calls of it were answered, are of one moment", async () => {
    const run = await richRun();
    const read = async (name: string) => {
      const part = (await variableStub(bindings, run.tenant, run.id, name).exportPart(undefined))!;
      return { ...part, lines: parsed(part.lines.map(({ line }) => line)), rest: part.lines.at(-1)?.next };
    };
    const entry = (i: number) => [`k${i}`, { i }, i];
    const answer = { owner: "task 1.1", call: "t3", answer: { result: { value: 4, previous: 0 } } };
    expect(await read("n")).toMatchObject({ head: { value: 4 }, lines: [{ of: "n", answers: [answer] }] });
    expect(await read("m")).toMatchObject({ head: { size: 2 }, lines: [{ entries: [entry(1), entry(2)] }] });
    for (const name of ["n", "m", "s", "t"]) expect(await read(name)).toMatchObject({ rest: undefined });
    // More than an answer takes comes in several.
    for (let i = 0; i < 40; i++)
      value(
        await run.rpc.callTool(used("shared_map", { op: "set", name: "m", key: `x${i}`, value: "x".repeat(120_000) })),
      );
    expect(await read("m")).toMatchObject({ head: { size: 42 }, rest: expect.any(String) });
    await drained(run);
    value(await run.rpc.finishRun({ cancel: true }));
    const lines = await exported(run);
    expect(comparable(await exported(await imported(run, lines)))).toEqual(comparable(lines));
  });

  it("tells of a variable what it has read, though it is written and the run goes on before all is told", async () => {
    const run = await makeRun();
    const write = async (name: string, op: string, key: string) =>
      value(
        await run.rpc.callTool(
          used("shared_map", { op, name, key, ...(op === "set" && { value: "x".repeat(120_000) }) }),
        ),
      );
    const keys = Array.from({ length: 20 }, (_, i) => `k${10 + i}`);
    for (const name of ["one", "two"]) for (const key of keys) await write(name, "set", key);
    const first = value(await run.rpc.exportPage(undefined));
    await write("two", "set", "k28x");
    await write("two", "delete", "k29");
    await run.create({ key: "late", pool: "box", instructions: "late" });
    const rest = value(await run.rpc.exportPage(first.cursor));
    expect(rest.cursor).toBeUndefined();
    // The first page ends among the lines of the second variable.
    const keysIn = ({ pieces }: ExportPage) =>
      parsed(joined(pieces)).flatMap(({ of, entries }) => (of === "two" ? entries.map(([key]: [string]) => key) : []));
    expect(keysIn(first).length).toBeGreaterThan(0);
    expect(keysIn(rest).length).toBeGreaterThan(0);
    expect([...keysIn(first), ...keysIn(rest)]).toEqual(keys);
  });

  it("of several readers at once, while the run goes on, is whole for each", async () => {
    const run = await richRun();
    const files = await Promise.all([exported(run), exported(run), drained(run), exported(run)]);
    for (const lines of [files[0], files[1], files[3]]) {
      const copy = await imported(run, lines);
      expect((await copy.tasks()).length).toBe(4);
    }
  });

  it("of a live run goes on where it was: paused, its leases over, what was held is held", async () => {
    const run = await richRun();
    const copy = await imported(run, await exported(run));
    expect(await copy.view()).toMatchObject({ status: "paused", reason: "imported", counts: { running: 0, ready: 3 } });
    expect(await copy.lease()).toBeUndefined();
    value(await copy.rpc.resume());
    const [a] = await copy.tasks();
    const lease = (await copy.lease())!;
    expect(lease.task).toMatchObject({ id: a!.id, key: "a", attempt: 2, turns: 1 });
    // The call that it made is answered as it was, and the lock is still its own.
    const again = await copy.rpc.leaseTool(lease, call("atomic", "t3", { op: "add", name: "n", delta: 4 }));
    expect(value(again)).toEqual({ result: { value: 4, previous: 0 } });
    const acquire = await copy.rpc.leaseTool(lease, call("lock", "t9", { op: "acquire", name: "l" }));
    expect(value(acquire)).toMatchObject({ error: { code: "already_held" } });
    value(await copy.rpc.complete(lease, { result: "a", next: false, worker: "w" }));
    await drained(copy);
    expect(await copy.view()).toMatchObject({ counts: { succeeded: 4 }, idle: true });
    value(await copy.rpc.finishRun({ cancel: false }));
    // The first one does not know.
    expect(await run.view()).toMatchObject({ status: "active", counts: { running: 1 } });
  });

  describe("in the middle of calls of tools, messages, a cut context and a held prefix", () => {
    it("is whole: what comes out of the copy is what went in", async () => {
      const run = await busyRun();
      const types = new Set((await run.events()).map(({ type }) => type));
      const told = ["tool_call_started", "tool_call_progress", "message_received", "context_compacted"];
      for (const type of [...told, "lineage_begun", "cache_warming"]) expect([...types]).toContain(type);
      value(await run.rpc.finishRun({ cancel: true }));
      const lines = await exported(run);
      const copy = await imported(run, lines);
      expect(comparable(await exported(copy))).toEqual(comparable(lines));
      expect(await copy.events()).toEqual(await run.events());
      expect(await copy.tasks()).toEqual(await run.tasks());
      const { id: _, cache: __, expires_at: ___, ...view } = await run.view();
      expect(view.cost).toBeGreaterThan(0);
      expect(await copy.view()).toMatchObject(view);
    });

    it("has every field of every event, though storage leaves the usual ones out", async () => {
      const lines = parsed(await exported(await busyRun()));
      const events = lines.flatMap((line) => line.events ?? []);
      const made = events.find(({ type }) => type === "task_created");
      expect(made).toMatchObject({ parent: 0, depth: 1, pool: "hosted", priority: 5, max_turns: 50, fork: "full" });
      expect(Object.keys(made)[0]).toBe("type");
    });

    it("goes on: calls are offered again with all of their time, messages wait, nobody is held", async () => {
      using clock = new TestClock();
      const run = await busyRun();
      const before = await run.tasks();
      const lines = await exported(run);
      clock.forward(24 * 3600_000);
      const copy = await imported(run, lines);
      expect(await copy.view()).toMatchObject({ status: "paused", reason: "imported", counts: { running: 0 } });
      const { tools } = (await copy.task("calls")).waiting_on as { tools: ToolWait[] };
      expect(tools.map(({ call, state, until }) => [call, state, until])).toEqual([
        ["c1", "ready", clock.now + 300_000],
        ["c2", "ready", clock.now + 300_000],
      ]);
      expect(await copy.task("cut")).toMatchObject({ state: "ready", pending_messages: 2 });
      for (const key of ["h1", "h2", "h3"])
        expect(await copy.task(key)).toMatchObject({ state: "ready", waiting_on: null });
      expect((await copy.tasks()).map(({ usage }) => usage)).toEqual(before.map(({ usage }) => usage));
      const ask = { pool: "box", worker: "w2", max: 2, contextBytes: 1e6, kinds: ["tool_call"] as const };
      expect(value(await copy.rpc.leases(ask))).toEqual([]);
      value(await copy.rpc.resume());
      await copy.evict();
      const grants = value(await copy.rpc.leases(ask)) as ToolCallGrant[];
      expect(grants.map(({ argumentsText }) => argumentsText).sort()).toEqual(['{"of": "c1"}', '{"of": "c2"}']);
      for (const grant of grants) value(await copy.rpc.complete(grant, { result: "ok", next: false, worker: "w2" }));
      expect(await copy.task("calls")).toMatchObject({ state: "ready", turns: 1 });
      // The copy of the copy, in the middle of it.
      const again = await imported(copy, await exported(copy));
      expect(await again.task("cut")).toMatchObject({ pending_messages: 2 });
    });
  });

  it("has no lease, key or first answer in it", async () => {
    const run = await makeRun({}, { key: "the-first-key", fingerprint: "f" });
    await run.create({ key: "a", pool: "box", instructions: "a" });
    const lease = (await run.lease())!;
    await run.rpc.complete(lease, { result: 1, next: false, worker: "w" }, { key: "another-key", fingerprint: "g" });
    const text = (await exported(run)).join("\n");
    expect(text).not.toMatch(/lse_|hdl_|the-first-key|another-key/);
    expect(text).not.toContain(run.tenant);
  });

  it("is not found for a run that is none", async () => {
    const run = await makeRun();
    expect(codeOf(await copyOf(run).rpc.exportPage(undefined))).toBe("not_found");
    expect(codeOf(await send(copyOf(run), ["{}"], 4))).toBe("not_found");
  });
});
