/** Locks on a real server: mutual exclusion through a `kill -9`, dining philosophers, and a pull worker at the door. */

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventsOf, until } from "./lib/log.ts";
import { result } from "./lib/outcome.ts";
import { LocalServer } from "./lib/server.ts";
import { plays } from "./lib/sim.ts";

let server: LocalServer;

beforeAll(async () => {
  server = await LocalServer.start();
});
afterAll(async () => {
  await server?.stop();
});

const lock = (op: string, name: string, more: object = {}) => ({ tool: "lock", arguments: { op, name, ...more } });

/** Enters, stays over a model's turn, and leaves, each noted in a list. */
const visitor = (n: number): string => {
  const note = (what: string) => ({
    tool: "shared_list",
    arguments: {
      op: "append",
      name: "visits",
      items: [`${what} ${n}`],
      fence: { lock: "room", token: "{{1.0.token}}" },
    },
  });
  return plays([
    { calls: [lock("acquire", "room")] },
    { calls: [note("enter")], latency_ms: 60 },
    { calls: [note("leave")], latency_ms: 60 },
    { calls: [lock("release", "room")] },
    { text: `${n}` },
  ]);
};

describe("locks", () => {
  it("let one in at a time and everybody in the end, through a kill -9 in mid-run; those who wait hold no seat", async () => {
    const { heddle } = server;
    const visitors = 12;
    const { id } = await heddle.createRun({ limits: { workers: 2 } });
    await heddle.createTasks(id, {
      tasks: Array.from({ length: visitors }, (_, n) => ({ key: `v${n}`, instructions: visitor(n) })),
    });
    const visits = async () =>
      result(await heddle.callTool(id, "shared_list", { arguments: { op: "slice", name: "visits" } }))
        .items as string[];
    await until("a few were in", 60_000, async () => (await visits()).length >= 6);
    await server.kill();
    await server.start();
    const { counts } = await heddle.waitFor(id, { mode: "settled" });
    expect(counts).toMatchObject({ succeeded: visitors, failed: 0 });
    const seen = await visits();
    expect(seen).toHaveLength(2 * visitors);
    for (let i = 0; i < seen.length; i += 2) {
      expect([seen[i], seen[i + 1]]).toEqual([seen[i], seen[i]!.replace("enter", "leave")]);
    }
    expect(new Set(seen).size).toBe(2 * visitors);
    const view = await heddle.variable(id, "room");
    expect(view).toMatchObject({ kind: "lock", holders: [], waiters: [], ops: { grants: visitors } });
    expect(view.state).toMatchObject({ token: visitors, waiting: 0 });
  });

  it("are taken from one of five philosophers who would starve together, and all of them eat", async () => {
    const { heddle } = server;
    const count = 5;
    const philosopher = (n: number): string => {
      const [left, right] = [`fork-${n}`, `fork-${(n + 1) % count}`];
      return plays([
        { calls: [lock("acquire", left)] },
        // Whoever is quick waits until all have their left ones.
        { calls: [{ tool: "barrier", arguments: { op: "wait", name: "seated", parties: count } }] },
        { calls: [lock("acquire", right)] },
        // Whoever lost his fork takes both at once; the others are told that they have them.
        { calls: [{ tool: "lock", arguments: { op: "acquire", names: [left, right] } }] },
        { calls: [{ tool: "shared_map", arguments: { op: "increment", name: "meals", key: `p${n}`, delta: 1 } }] },
        { calls: [lock("release", left), lock("release", right)] },
        { text: "full" },
      ]);
    };
    const { id } = await heddle.createRun({ limits: { workers: 8 } });
    await heddle.createTasks(id, {
      tasks: Array.from({ length: count }, (_, n) => ({ key: `p${n}`, instructions: philosopher(n) })),
    });
    const { counts } = await heddle.waitFor(id, { mode: "settled" });
    expect(counts).toMatchObject({ succeeded: count });
    const meals = result(await heddle.callTool(id, "shared_map", { arguments: { op: "entries", name: "meals" } }));
    expect((meals.entries as { value: number }[]).map(({ value }) => value)).toEqual(Array(count).fill(1));
    const run = await heddle.run(id);
    expect(run.findings).toBe(1);
    const { findings, next_cursor } = await heddle.findings(id);
    expect(findings).toMatchObject([{ kind: "deadlock", severity: "warning" }]);
    expect(next_cursor).toBeNull();
    expect(findings[0]!.subjects).toHaveLength(count);
    const { events } = await heddle.events(id, { limit: 1000 });
    const shown = events.filter(({ seq }) => findings[0]!.evidence.includes(seq));
    expect(shown.map(({ type }) => type)).toEqual([...Array(count).fill("call_waiting"), "finding"]);
    expect(events.filter(({ type }) => type === "finding")).toMatchObject([{ kind: "deadlock" }]);
    const victim = eventsOf(events, "call_done").filter(({ why }) => why === "deadlock");
    expect(victim).toHaveLength(1);
  });

  it("are had by pull workers too: the call is a long poll, and the task's end releases", async () => {
    const { heddle } = server;
    const { id } = await heddle.createRun({ limits: { workers: 1 } });
    await heddle.createTasks(id, {
      tasks: ["a", "b"].map((key) => ({ key, pool: "desk", instructions: "x" })),
    });
    const [a] = await heddle.lease("desk", { worker: "w", wait_ms: 10_000 });
    const acquire = { call_id: "c", arguments: { op: "acquire", name: "l" } };
    expect(await heddle.callLeaseTool(a!.id, "lock", acquire)).toMatchObject({ result: { token: 1 } });
    // Asked again, with and without the call's id.
    expect(await heddle.callLeaseTool(a!.id, "lock", acquire)).toMatchObject({ result: { token: 1 } });
    const again = { arguments: { op: "acquire", name: "l" } };
    expect(await heddle.callLeaseTool(a!.id, "lock", again)).toMatchObject({
      error: { code: "already_held", token: 1 },
    });
    const early = { arguments: { op: "release", name: "other" } };
    expect(await heddle.callLeaseTool(a!.id, "lock", early)).toMatchObject({ error: { code: "not_holder" } });
    const outside = await heddle.callTool(id, "lock", { arguments: { op: "acquire", name: "l" } });
    expect(outside).toMatchObject({ error: { code: "needs_actor" } });
    const several = { arguments: { op: "acquire", names: ["fresh", "taken"] } };
    await heddle.callTool(id, "atomic", { arguments: { op: "set", name: "taken", value: 1 } });
    expect(await heddle.callLeaseTool(a!.id, "lock", several)).toMatchObject({ error: { code: "kind_mismatch" } });
    const { variables } = await heddle.variables(id);
    expect(variables.map(({ name }) => name)).toEqual(["l", "taken"]);
    const kind = await heddle.callTool(id, "atomic", { arguments: { op: "get", name: "l" } });
    expect(kind).toMatchObject({ error: { code: "kind_mismatch" } });
    expect(await heddle.variable(id, "l")).toMatchObject({ holders: [{ token: 1, mode: "exclusive" }] });
    // One worker at a time: the second starts when the first's task ends.
    await heddle.complete(a!.id, { result: 1 });
    const [b] = await heddle.lease("desk", { worker: "w", wait_ms: 10_000 });
    expect(await heddle.callLeaseTool(b!.id, "lock", acquire)).toMatchObject({ result: { token: 2 } });
    await heddle.createTasks(id, { tasks: [{ key: "c", pool: "desk", instructions: "x" }] });
    await heddle.complete(b!.id, { result: 1 });
    expect((await heddle.variable(id, "l")).holders).toEqual([]);
    await heddle.finishRun(id, { cancel: true });
  });

  it("are taken back after limits.hold_ms; the findings come in pages", async () => {
    const { heddle } = server;
    const { id } = await heddle.createRun({ limits: { hold_ms: 100 } });
    await heddle.createTasks(id, { tasks: [{ key: "a", pool: "desk3", instructions: "x" }] });
    const [a] = await heddle.lease("desk3", { worker: "w", wait_ms: 10_000 });
    for (const token of [1, 2]) {
      const acquire = { arguments: { op: "acquire", name: "l" } };
      expect(await heddle.callLeaseTool(a!.id, "lock", acquire)).toMatchObject({ result: { token } });
      await until("it is taken back", 10_000, async () => (await heddle.variable(id, "l")).holders.length === 0);
    }
    const release = { arguments: { op: "release", name: "l", token: 2 } };
    expect(await heddle.callLeaseTool(a!.id, "lock", release)).toMatchObject({ error: { code: "not_holder" } });
    const first = await heddle.findings(id, { limit: 1 });
    const second = await heddle.findings(id, { limit: 1, cursor: first.next_cursor! });
    expect([...first.findings, ...second.findings]).toMatchObject([{ kind: "hold_expired" }, { kind: "hold_expired" }]);
    expect(second.findings[0]!.id).not.toBe(first.findings[0]!.id);
    expect(second.next_cursor).toBeNull();
    await expect(heddle.findings(id, { cursor: "x" })).rejects.toMatchObject({ code: "validation_failed" });
    await heddle.complete(a!.id, { result: 1 });
    expect((await heddle.finishRun(id)).findings).toBe(2);
  });

  it("are waited for by a pull worker with a timeout, and handed over while it polls", async () => {
    const { heddle } = server;
    const { id } = await heddle.createRun({});
    await heddle.createTasks(id, { tasks: ["a", "b"].map((key) => ({ key, pool: "desk2", instructions: "x" })) });
    const [a, b] = await heddle.lease("desk2", { worker: "w", max: 2, wait_ms: 10_000 });
    const want = (more: object = {}) => ({ op: "acquire", name: "l", ...more });
    await heddle.callLeaseTool(a!.id, "lock", { call_id: "c", arguments: want() });
    const late = { call_id: "t", arguments: want({ timeout_ms: 300 }), wait_ms: 10_000 };
    expect(await heddle.callLeaseTool(b!.id, "lock", late)).toMatchObject({ error: { code: "timed_out" } });
    const soon = { call_id: "s", arguments: want() };
    expect(await heddle.callLeaseTool(b!.id, "lock", { ...soon, wait_ms: 0 })).toMatchObject({ pending: true });
    expect(await heddle.task(id, "b")).toMatchObject({
      state: "running",
      waiting_on: { variables: ["l"], op: "lock.acquire" },
    });
    const polled = heddle.callLeaseTool(b!.id, "lock", { ...soon, wait_ms: 10_000 });
    await heddle.callLeaseTool(a!.id, "lock", { arguments: { op: "release", name: "l" } });
    expect(await polled).toMatchObject({ result: { token: 2 } });
    await heddle.complete(a!.id, { result: 1 });
    await heddle.complete(b!.id, { result: 1 });
    expect((await heddle.finishRun(id)).status).toBe("succeeded");
  });
});
