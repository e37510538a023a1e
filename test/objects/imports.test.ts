/** Taking a file in: repeated, in parts, broken off, and from somebody who means harm. */

import { describe, expect, it, vi } from "vitest";
import { childHash } from "../../src/context/snapshot-hash.ts";
import {
  checkpointTailBytes,
  exportPieceChars,
  importIdleMs,
  importPiecesMax,
  memoryBytesMax,
} from "../../src/limits.ts";
import { variableStub } from "../../src/objects/env.ts";
import { SharedVariable } from "../../src/objects/shared-variable.ts";
import { VariableStore } from "../../src/storage/variable/variable-store.ts";
import { busyRun } from "./lib/busy-run.ts";
import { eventually } from "./lib/eventually.ts";
import { copyOf, exported, resealed, send } from "./lib/files.ts";
import { bindings, codeOf, makeRun, newTenant, TestClock, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const used = (tool: string, args: object) => ({ tool, arguments: JSON.stringify(args), waitMs: 0 });

async function smallRun(): Promise<TestRun> {
  const run = await makeRun();
  await run.create(
    { key: "a", pool: "box", instructions: "a" },
    { key: "b", pool: "box", instructions: "b", after: ["a"] },
  );
  const lease = (await run.lease())!;
  value(await run.rpc.turn(lease, { messages: ['{"role":"assistant","content":"hm"}'] }));
  value(await run.rpc.complete(lease, { result: "one", next: false, worker: "w" }));
  value(await run.rpc.callTool(used("shared_map", { op: "set", name: "m", key: "k", value: 1 })));
  value(await run.rpc.callTool(used("message_queue", { op: "push", name: "q", messages: [1, 2] })));
  return run;
}

const dataOf = (copy: TestRun, name: string) => variableStub(bindings, copy.tenant, copy.id, name).look();

/** The line in two pieces, as a long one comes. */
const inPieces = (line: string): string[] => [
  JSON.stringify({ piece: line.slice(0, line.length / 2), more: true }),
  JSON.stringify({ piece: line.slice(line.length / 2) }),
];

/** The file is sent, and at the first such call of a variable both objects end. */
async function brokenOff(copy: TestRun, lines: readonly string[], method: "importContents" | "sealImport") {
  const killed = vi.spyOn(SharedVariable.prototype, method).mockRejectedValueOnce(new Error("killed"));
  try {
    await expect(send(copy, lines)).rejects.toThrow("killed");
  } finally {
    killed.mockRestore();
  }
  await copy.evict();
}

/** What is left of it: nothing. */
async function expectNothing(copy: TestRun): Promise<void> {
  expect(codeOf(await copy.rpc.run())).toBe("not_found");
  expect(codeOf(await copy.rpc.exportPage(undefined))).toBe("not_found");
  expect(await dataOf(copy, "m")).toBeUndefined();
}

describe("an import", () => {
  it("is not seen before its last line, survives evictions, and takes repeated lines once", async () => {
    const run = await smallRun();
    const lines = await exported(run);
    const copy = copyOf(run);
    for (let i = 0; i < lines.length; i++) {
      const from = Math.max(0, i - 2);
      expect(codeOf(await copy.rpc.run())).toBe("not_found");
      expect(codeOf(await copy.rpc.createTasks({ tasks: [{ instructions: "x" }] }))).toBe("not_found");
      expect(value(await send(copy, lines.slice(from, i + 1), from))).toMatchObject({ lines: i + 1 });
      if (i % 3 === 0) await copy.evict();
    }
    expect(await copy.view()).toMatchObject({ status: "paused", counts: { succeeded: 1, ready: 1 } });
    // The last request again, whose answer may have been lost.
    expect(value(await send(copy, lines.slice(-3), lines.length - 3))).toMatchObject({ run: { id: copy.id } });
    expect(await copy.tasks()).toHaveLength(2);
  });

  it("has its ended tasks after a checkpoint too, in the life of the object that took it in", async () => {
    const run = await smallRun();
    const copy = copyOf(run);
    value(await send(copy, await exported(run)));
    value(await copy.rpc.resume());
    const lease = (await copy.lease())!;
    value(await copy.rpc.complete(lease, { result: "two", next: false, worker: "w" }));
    const instructions = "x".repeat(100 * 1024);
    // As much as a checkpoint comes after.
    for (let bytes = 0; bytes <= checkpointTailBytes; bytes += 10 * instructions.length)
      await copy.create(...Array.from({ length: 10 }, () => ({ pool: "other", instructions })));
    const [a, b] = await copy.tasks();
    expect([a, b]).toMatchObject([
      { key: "a", state: "succeeded", result: "one" },
      { key: "b", state: "succeeded", result: "two" },
    ]);
    const after = value(await copy.rpc.createTasks({ tasks: [{ pool: "other", instructions: "c", after: ["a"] }] }));
    expect(after.tasks).toMatchObject([{ state: "ready" }]);
  });

  it("refuses a gap and keeps what it has", async () => {
    const run = await smallRun();
    const lines = await exported(run);
    const copy = copyOf(run);
    value(await send(copy, lines.slice(0, 3)));
    const gap = await send(copy, lines.slice(4), 4);
    expect(gap).toMatchObject({ ok: false, fault: { code: "import_gap", detail: expect.stringContaining("4") } });
    expect(value(await send(copy, lines.slice(3), 3)).run).not.toBeNull();
  });

  it("gives the first answer to its Idempotency-Key, and none to another file's", async () => {
    const run = await smallRun();
    const lines = await exported(run);
    const copy = copyOf(run);
    const idem = { key: "k", fingerprint: "f" };
    const whole = { tenant: copy.tenant, run: copy.id, after: 0, lines };
    const first = value(await copy.rpc.importLines(whole, idem));
    expect(value(await copy.rpc.importLines(whole, idem))).toEqual(first);
    // Also when the run has gone on since.
    value(await copy.rpc.resume());
    await copy.evict();
    expect(value(await copy.rpc.importLines(whole, idem))).toEqual(first);
    expect(codeOf(await copy.rpc.importLines(whole, { ...idem, fingerprint: "g" }))).toBe("idempotency_mismatch");
  });

  for (const method of ["importContents", "sealImport"] as const)
    it(`that breaks off in ${method} goes on with the same request, or is deleted`, async () => {
      const run = await smallRun();
      const lines = (await exported(run)).flatMap((line) => (line.includes('"entries"') ? inPieces(line) : [line]));
      const file = resealed(lines);
      const copy = copyOf(run);
      await brokenOff(copy, file, method);
      expect(value(await send(copy, file)).run).toMatchObject({ id: copy.id, counts: { succeeded: 1, ready: 1 } });
      expect(await dataOf(copy, "m")).toMatchObject({ state: { size: 1 } });

      using clock = new TestClock();
      const left = copyOf(run);
      await brokenOff(left, file, method);
      clock.forward(importIdleMs);
      expect(await left.ring()).toBe(true);
      await expectNothing(left);
      expect(value(await send(left, file)).run).not.toBeNull();
    });

  it("that is deleted while a variable gets its contents leaves none of them", async () => {
    const run = await smallRun();
    const lines = await exported(run);
    const { importContents } = SharedVariable.prototype;
    for (const last of [-1, lines.length]) {
      const copy = copyOf(run);
      const slow = vi.spyOn(SharedVariable.prototype, "importContents").mockImplementationOnce(async function (
        this: unknown,
        given,
      ) {
        await new Promise((resolve) => setTimeout(resolve, 300));
        return importContents.call(this as SharedVariable, given);
      });
      const sent = send(copy, lines.slice(0, last));
      await eventually(() => expect(slow).toHaveBeenCalled());
      const deleted = copy.rpc.deleteRun();
      value(await sent);
      value(await deleted);
      slow.mockRestore();
      await expectNothing(copy);
      expect(codeOf(await send(copy, lines.slice(-1), lines.length - 1))).toBe("not_found");
    }
  });

  it("goes on after contents that a variable's storage has refused", async () => {
    const run = await smallRun();
    const lines = await exported(run);
    const copy = copyOf(run);
    const refusing = vi.spyOn(VariableStore.prototype, "write").mockImplementationOnce(() => {
      throw new Error("refused");
    });
    await expect(send(copy, lines)).rejects.toThrow("refused");
    refusing.mockRestore();
    expect(value(await send(copy, lines)).run).toMatchObject({ id: copy.id });
    expect(await dataOf(copy, "m")).toMatchObject({ state: { size: 1 } });
  });

  it("that nothing is added to is deleted, its variables too", async () => {
    const run = await smallRun();
    const lines = await exported(run);
    const copy = copyOf(run);
    using clock = new TestClock();
    value(await send(copy, lines.slice(0, -1)));
    expect(await dataOf(copy, "m")).toBeDefined();
    clock.forward(importIdleMs / 2);
    await copy.evict();
    await copy.ring();
    expect(await dataOf(copy, "m")).toBeDefined();
    clock.forward(importIdleMs);
    expect(await copy.ring()).toBe(true);
    await expectNothing(copy);
    expect(codeOf(await send(copy, lines.slice(-1), lines.length - 1))).toBe("not_found");
    // The same name may be used again.
    expect(value(await send(copy, lines)).run).not.toBeNull();
  });

  it("under way is deleted by DELETE", async () => {
    const run = await smallRun();
    const lines = await exported(run);
    const copy = copyOf(run);
    value(await send(copy, lines.slice(0, -1)));
    value(await copy.rpc.deleteRun());
    await expectNothing(copy);
  });

  it("bounds what a line has in memory, and a text, as the run itself would", async () => {
    const run = await smallRun();
    value(await run.rpc.callTool(used("shared_memory", { op: "write", name: "t", text: "x" })));
    const lines = await exported(run);
    const at = lines.findIndex((line) => line.includes('"text":"x"'));
    const taken = async (pieces: readonly string[]) => {
      const file = pieces.map((piece, i) => JSON.stringify({ piece, ...(i < pieces.length - 1 && { more: true }) }));
      const reply = await send(copyOf(run), resealed([...lines.slice(0, at), ...file, ...lines.slice(at + 1)]));
      return reply.ok ? "ok" : `${reply.fault.code}: ${reply.fault.detail}`;
    };
    const line = ['{"of":"t","text":"', '"}'] as const;
    const blanks = (count: number) => Array.from({ length: count }, () => " ");
    expect(await taken([...line])).toBe("ok");
    expect(await taken([...line, ...blanks(importPiecesMax - 1)])).toBe("ok");
    expect(await taken([...line, ...blanks(importPiecesMax)])).toMatch(/^import_too_large: .*too many pieces/);
    expect(await taken([...line, " ".repeat(exportPieceChars)])).toBe("ok");
    expect(await taken([...line, " ".repeat(exportPieceChars + 1)])).toMatch(/^import_invalid: .*piece is too long/);
    const text = Array.from({ length: memoryBytesMax / exportPieceChars }, () => "x".repeat(exportPieceChars));
    expect(await taken([line[0], ...text, line[1]])).toBe("ok");
    expect(await taken([line[0], "x", ...text, line[1]])).toMatch(/^import_invalid: .*text is too large/);
  });

  it("never reaches another tenant: the object's name is the importer's", async () => {
    const run = await smallRun();
    const lines = await exported(run);
    const copy = copyOf(run);
    value(await send(copy, lines));
    expect(value(await copy.rpc.run()).id).toBe(copy.id);
    expect(codeOf(await Object.assign(copyOf(run), { id: copy.id, tenant: newTenant() }).rpc.run())).toBe("not_found");
    expect(await run.tasks()).toHaveLength(2);
  });
});

type Lines = Record<string, unknown>[];
type Change = (lines: Lines) => void;
// biome-ignore lint/suspicious/noExplicitAny: a forger looks at no types
const rowWith = (lines: Lines, type: string): any =>
  lines.find((line) => Array.isArray(line.events) && line.events.some((event) => event.type === type));
// biome-ignore lint/suspicious/noExplicitAny: a forger looks at no types
const eventOf = (lines: Lines, type: string): any =>
  rowWith(lines, type).events.find((event: { type: string }) => event.type === type);
const change =
  (type: string, fields: object): Change =>
  (lines) =>
    void Object.assign(eventOf(lines, type), fields);
const insert =
  (event: object): Change =>
  (lines) => {
    const rows = lines.filter((line) => Array.isArray(line.events));
    // The last row gets one more; header and end tell of it.
    const row = rows.at(-1) as { events: object[]; bodies?: unknown[] };
    row.events.push(event);
    row.bodies?.push(0);
    lines[0]!.seq = (lines[0]!.seq as number) + 1;
    const end = lines.at(-1)!;
    end.events = (end.events as number) + 1;
  };

/** Files that a forger sealed anew, each with one lie in it. */
const lies: Record<string, Change> = {
  "another version": (lines) => Object.assign(lines[0]!, { heddle_export: 2 }),
  "a run's id that is none": (lines) => Object.assign(lines[0]!, { run: "run_x/../y" }),
  "a field that no line has": (lines) => Object.assign(lines[1]!, { more: 1 }),
  "a message whose bytes are not those of the hash": (lines) => {
    const line = lines.find((one) => one.messages)!;
    (line.messages as string[])[0] = '{"role":"user","content":"another project"}';
  },
  "a snapshot of no parent": (lines) => Object.assign(lines.find((one) => one.messages)!, { parent: "0".repeat(32) }),
  "a message that is no JSON, hashed as it is": (lines) => {
    const line = lines.find((one) => one.messages)! as { parent: string; messages: string[]; snapshot: string };
    line.messages = ["{"];
    line.snapshot = childHash(line.parent as never, line.messages);
  },
  "two messages in one text, hashed as they are": (lines) => {
    const line = lines.find((one) => one.messages)! as { parent: string; messages: string[]; snapshot: string };
    line.messages = ['{"role":"user","content":""},{"role":"user","content":""}'];
    line.snapshot = childHash(line.parent as never, line.messages);
  },
  "an event of no known type": change("task_created", { type: "task_blessed" }),
  "an event of a newer version": change("task_created", { v: 2 }),
  "a field that no event has": change("task_created", { __proto__x: 1 }),
  "a number out of bounds": change("task_created", { priority: 99 }),
  "more workers than a run may have": change("run_created", {
    limits: {
      workers: 1e6,
      tasks: 9,
      depth: 1,
      children: 1,
      tokens: 0,
      timeoutMs: 1,
      holdMs: 0,
      stallMs: 0,
      pools: [],
    },
  }),
  "a name that reaches beyond the run": change("variable_created", { name: "" }),
  "an event that is missing": (lines) => Object.assign(rowWith(lines, "turn"), { seq: 99 }),
  "an event of the future": (lines) => Object.assign(rowWith(lines, "turn"), { at: Date.now() + 1e9 }),
  "time that goes back": (lines) => Object.assign(rowWith(lines, "turn"), { at: 1 }),
  "a log that does not begin": (lines) => void lines.splice(lines.indexOf(rowWith(lines, "run_created")), 1),
  "a snapshot that is not there": change("turn", { snapshot: "0".repeat(32) }),
  "a fork by a call that nobody made": change("task_created", { call: "none" }),
  "a task without instructions": (lines) => Object.assign(rowWith(lines, "task_created"), { bodies: undefined }),
  "a body that hides as chunks": (lines) => {
    const row = rowWith(lines, "task_created");
    row.bodies = row.bodies.map((body: unknown) => (body === 0 ? 0 : { $chunks: true }));
  },
  "a dependency on nobody": change("task_created", { after: [77] }),
  "a task of nobody": change("task_created", { parent: 5 }),
  "an end of nobody": insert({ type: "task_ended", task: 9, state: "succeeded" }),
  "an end that comes twice": insert({ type: "task_ended", task: 1, state: "succeeded" }),
  "a start of what has ended": insert({ type: "task_started", task: 1, fence: 9, attempt: 2, worker: "w" }),
  "a turn of what does not run": insert({
    type: "turn",
    task: 2,
    fence: 1,
    turn: 1,
    snapshot: "0".repeat(32),
    usage: { in: 0, out: 0, read: 0, write: 0 },
  }),
  "a second beginning": insert({ type: "run_created", limits: {}, snapshot: "0".repeat(32) }),
  "a release of what is not held": insert({ type: "lock_released", task: 2, name: "l", token: 1, why: "released" }),
  "permits of no semaphore": insert({ type: "permits_granted", task: 2, name: "m2", permits: 1 }),
  "messages that were never pushed": insert({ type: "messages_popped", name: "q", count: 3 }),
  "messages of an event without any": insert({ type: "messages_pushed", name: "q", sizes: [1], from: 1 }),
  "a lock that is a queue": insert({ type: "lock_granted", task: 2, name: "q", token: 1, mode: "exclusive" }),
  "a session out of turn": insert({ type: "actor_opened", actor: -9, name: "x", ttl_ms: 5000 }),
  "a run that ends while a task lives": insert({ type: "run_ended", status: "succeeded" }),
  "a finding about nobody": insert({ type: "finding", kind: "x", severity: "info", subjects: [50], message: "" }),
  "an answer that is none": insert({ type: "call_done", task: 2, call: "c", tool: "t", why: "answered" }),
  "contents of another variable": (lines) => Object.assign(lines.find((one) => one.entries)!, { of: "q" }),
  "a variable that the log does not know": (lines) =>
    Object.assign(lines.find((one) => one.variable)!, { variable: { name: "z", kind: "shared_map" } }),
  "a variable of another kind": (lines) =>
    Object.assign(lines.find((one) => one.variable)!, { variable: { name: "m", kind: "shared_list" } }),
  "text in a map": (lines) =>
    void lines.splice(
      lines.findIndex((one) => one.entries),
      1,
      { of: "m", text: "x" },
    ),
  "a value over its cap": (lines) =>
    Object.assign(lines.find((one) => one.entries)!, { entries: [["k", "x".repeat(300_000), 1]] }),
  "a line too few": (lines) =>
    void lines.splice(
      lines.findIndex((one) => one.task),
      1,
    ),
  "the rest of a long line": (lines) => void lines.splice(1, 0, { piece: "{", more: true }),
  "a piece in pieces": (lines) => void lines.splice(1, 0, { piece: '{"piece":"x"}' }),
  "nesting without end": (lines) => {
    const deep = `${"[".repeat(500)}${"]".repeat(500)}`;
    Object.assign(lines.find((one) => one.entries)!, { entries: [["k", JSON.parse(deep), 1]] });
  },
};

const changeBody =
  (type: string, body: object): Change =>
  (lines) => {
    const row = rowWith(lines, type);
    row.bodies[row.events.findIndex((event: { type: string }) => event.type === type)] = body;
  };

/** The same of a run with open calls (of task 1), messages and a cut context (of task 2), and a held prefix (of tasks 3 to 5). */
const busyLies: Record<string, Change> = {
  "tools that Heddle has itself": changeBody("run_created", {
    tools: [{ name: "lock", description: "x", input_schema: '{"type":"object"}', pool: "box" }],
  }),
  "tools whose schema is no JSON": changeBody("run_created", {
    tools: [{ name: "shell", description: "x", input_schema: "{", pool: "box" }],
  }),
  "calls of tools that nobody declared": changeBody("run_created", {}),
  "a call for Heddle's seats of a tool without a url": (lines) => {
    eventOf(lines, "call_waiting").remote.pool = "";
  },
  "a call that never times out": (lines) => {
    eventOf(lines, "call_waiting").until = undefined;
  },
  "a call that lasts for ever": change("call_waiting", { until: 9e15 }),
  "a call that waits for tasks, too": change("call_waiting", { targets: [1] }),
  "arguments that are no object": changeBody("call_waiting", { arguments: "[]" }),
  "messages in place of arguments": changeBody("call_waiting", { messages: [] }),
  "a start of a call with an old fence": change("tool_call_started", { fence: 1 }),
  "a start of a call that nobody made": change("tool_call_started", { call: "c9" }),
  "a start of a call that runs": insert({
    type: "tool_call_started",
    task: 1,
    call: "c1",
    fence: 99,
    attempt: 2,
    worker: "w",
  }),
  "progress of another lease": change("tool_call_progress", { fence: 77 }),
  "progress beyond the end": changeBody("tool_call_progress", { progress: { fraction: 2 } }),
  "the end of an attempt that is none": insert({
    type: "tool_call_attempt_ended",
    task: 1,
    call: "c2",
    fence: 1,
    why: "lost",
  }),
  "the end of a backoff that is none": insert({ type: "tool_call_ready", task: 1, call: "c2", why: "backoff" }),
  "a message of other bytes": change("message_received", { bytes: 3 }),
  "a message of the assistant": changeBody("message_received", { message: '{"role":"assistant","content":""}' }),
  "a message that is two": changeBody("message_received", {
    message: '{"role":"user","content":""},{"role":"user","content":""}',
  }),
  "a message to what is not there": change("message_received", { task: 9 }),
  "a context that was not its own": (lines) => {
    const event = eventOf(lines, "context_compacted");
    event.from = event.to;
  },
  "a cut to what is not there": change("context_compacted", { to: "0".repeat(32) }),
  "its own messages after the last": change("context_compacted", { own: 9999 }),
  "a lineage out of turn": change("lineage_begun", { lineage: 9 }),
  "a lineage of nobody": insert({ type: "cache_released", lineage: 50, why: "turn" }),
  "a hold by who does not read": change("cache_warming", { task: 1 }),
  "a hold for ever": change("cache_warming", { until: 9e15 }),
  "a held task that has not begun": insert({ type: "task_held", task: 1 }),
  "a cost below nothing": (lines) => {
    eventOf(lines, "turn").usage.nanos = -1;
  },
  "a limit below nothing": insert({ type: "limits_changed", tokens: 0, nanos: -5 }),
};

async function expectRefused(run: TestRun, tell: Change): Promise<void> {
  const lines = (await exported(run)).map((line) => JSON.parse(line) as Record<string, unknown>);
  tell(lines);
  const copy = copyOf(run);
  const reply = await send(copy, resealed(lines.map((line) => JSON.stringify(line))));
  expect(reply).toMatchObject({
    ok: false,
    fault: { code: "import_invalid", detail: expect.stringMatching(/^line \d+: /) },
  });
  await expectNothing(copy);
}

it("of a name in the log that is no field's a piece is told, however long it is", async () => {
  const run = await smallRun();
  const lines = (await exported(run)).map((line) => line.replace('{"type":"', `{"${"k".repeat(100_000)}":1,"type":"`));
  const reply = await send(copyOf(run), resealed(lines));
  const detail = expect.stringMatching(/^line \d+: event 1: \["k{64}"\]: unknown field$/);
  expect(reply).toMatchObject({ ok: false, fault: { code: "import_invalid", detail } });
});

describe("a file that lies of a busy run is refused, and nothing of it is kept:", () => {
  for (const [lie, tell] of Object.entries(busyLies)) it(lie, async () => expectRefused(await busyRun(), tell));
});

describe("a file that lies is refused, and nothing of it is kept:", () => {
  for (const [lie, tell] of Object.entries(lies)) it(lie, async () => expectRefused(await smallRun(), tell));

  it("one changed byte, not sealed anew", async () => {
    const run = await smallRun();
    const lines = await exported(run);
    const at = lines.findIndex((line) => line.startsWith('{"task"'));
    const changed = lines.with(at, lines[at]!.replace('"key":"a"', '"key":"A"'));
    const copy = copyOf(run);
    expect(await send(copy, changed)).toMatchObject({
      ok: false,
      fault: { detail: expect.stringContaining("digest") },
    });
    await expectNothing(copy);
  });

  it("in its last line alone, and what was stored before that does not keep the name", async () => {
    const run = await makeRun();
    await run.create({ key: "a", pool: "box", instructions: "a" });
    const lines = await exported(run);
    const copy = copyOf(run);
    const changed = lines.with(-1, lines.at(-1)!.replace('"tasks":1', '"tasks":2'));
    expect(codeOf(await send(copy, changed))).toBe("import_invalid");
    expect(value(await send(copy, lines)).run).not.toBeNull();
  });
});
