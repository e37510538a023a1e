/** Going back: retries from a turn, and runs that begin with the context of another. */

import { describe, expect, it } from "vitest";
import { isProblem, type RunSpec, type TaskView } from "../../src/client/index.ts";
import { rawAt, rawElements } from "../../src/context/json-text.ts";
import { heddleHere } from "../cli/lib/in-process.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, type SimTurn, says } from "./lib/sim.ts";
import { contextOf } from "./lib/transcripts.ts";

const server = sharedServer();
const { heddle } = server;

const newRun = async (spec: RunSpec = {}): Promise<string> => (await heddle.createRun(spec)).id;
const post = async (run: string, turns: SimTurn[]): Promise<string> =>
  (await heddle.createTasks(run, { tasks: [{ key: "p", instructions: plays(turns) }] })).tasks[0]!.id;
const settled = async (run: string): Promise<void> => void (await heddle.waitFor(run, { mode: "settled" }));
const messagesOf = async (run: string, task: string): Promise<string[]> =>
  rawElements(rawAt(await heddle.taskContextText(run, task), ["messages"])!);
const childrenOf = async (run: string, task: string): Promise<TaskView[]> =>
  (await heddle.listTasks(run)).tasks.filter(({ parent }) => parent === task);
const create = (key: string, text = key) => ({ tool: "create_task", arguments: { key, instructions: says(text) } });
const rejected = { fail: { status: 400, times: 1 } };

async function problem(call: Promise<unknown>): Promise<{ status: number; code: string; path: string | undefined }> {
  try {
    await call;
  } catch (error) {
    if (isProblem(error)) return { status: error.status, code: error.code, path: error.errors?.[0]?.path };
    throw error;
  }
  throw new Error("no problem");
}

describe("a retry from a turn", () => {
  it("[R6] [R7] goes on byte for byte: earlier children stay, later ones are void, nothing before is said or done again", async () => {
    const run = await newRun();
    const p = await post(run, [
      { calls: [create("early")] },
      { calls: [{ tool: "await_tasks", arguments: { tasks: ["early"] } }] },
      { calls: [create("late")] },
      { calls: [{ tool: "await_tasks", arguments: { tasks: ["late"] } }] },
      { text: "{{2.0.tasks.0.result}} and {{4.0.tasks.0.result}}", ...rejected },
    ]);
    await settled(run);
    expect(await heddle.task(run, p)).toMatchObject({ state: "failed", turns: 4 });
    const before = await messagesOf(run, p);
    const { turns } = await heddle.turns(run, p);
    expect(turns.map(({ turn, generation, calls }) => [turn, generation, calls.map(({ name }) => name)])).toEqual([
      [1, 1, ["create_task"]],
      [2, 1, ["await_tasks"]],
      [3, 1, ["create_task"]],
      [4, 1, ["await_tasks"]],
    ]);
    expect(turns[1]!.usage.input_tokens).toBeGreaterThan(0);
    const first = await heddle.turns(run, p, { limit: 3 });
    const rest = await heddle.turns(run, p, { limit: 3, cursor: first.next_cursor! });
    expect([...first.turns, ...rest.turns]).toEqual(turns);
    expect(rest.next_cursor).toBeNull();

    expect(await heddle.retryTask(run, p, { from_turn: 2 })).toMatchObject({ generation: 2, turns: 2 });
    await settled(run);
    expect(await heddle.task(run, p)).toMatchObject({ state: "succeeded", result: "early and late", turns: 5 });
    const after = await messagesOf(run, p);
    const same = before.findIndex((message) => message.includes("late") && message.includes("assistant"));
    expect(same).toBeGreaterThan(4);
    expect(after.slice(0, same)).toEqual(before.slice(0, same));
    const children = await childrenOf(run, p);
    expect(children.map(({ key, state, generation }) => [key, state, generation])).toEqual([
      ["early", "succeeded", 1],
      ["late", "succeeded", 1],
      ["late", "succeeded", 1],
    ]);
    await contextOf(server, run, p);
    expect((await heddle.turns(run, p)).turns.map(({ generation }) => generation)).toEqual([1, 1, 2, 2, 2]);

    // Its last word is no place to go on from; what is not there is none either; what runs is not retried.
    expect(await problem(heddle.retryTask(run, p, { from_turn: 5 }))).toMatchObject({
      status: 409,
      code: "final_turn",
    });
    const unknown = { status: 422, code: "unknown_turn", path: "from_turn" };
    expect(await problem(heddle.retryTask(run, p, { from_turn: 6 }))).toEqual(unknown);
    expect(await problem(heddle.turns(run, "T99-zzzzzz"))).toMatchObject({ status: 404, code: "not_found" });
    // One that succeeded may be asked again, too.
    await heddle.retryTask(run, p, { from_turn: 4 });
    await settled(run);
    expect(await heddle.task(run, p)).toMatchObject({ state: "succeeded", result: "early and late", generation: 3 });
    expect(await childrenOf(run, p)).toHaveLength(3);
  });

  it("[R6] after the last turn has the answers of its calls: the child that they made is not made again", async () => {
    const run = await newRun();
    const p = await post(run, [
      { calls: [create("child", "from the child"), { tool: "inspect", arguments: {} }] },
      { calls: [{ tool: "await_tasks", arguments: { tasks: ["child"] } }], ...rejected },
      { text: "{{2.0.tasks.0.result}}" },
    ]);
    await settled(run);
    expect(await heddle.task(run, p)).toMatchObject({ state: "failed", turns: 1 });
    await heddle.retryTask(run, p, { from_turn: 1 });
    await settled(run);
    expect(await heddle.task(run, p)).toMatchObject({ state: "succeeded", result: "from the child" });
    // It had ended with its parent, or was through before that.
    const children = await childrenOf(run, p);
    expect(children.map(({ state }) => state)).toEqual(["succeeded"]);
    expect(
      eventsOf(await logOf(server, run), "call_done", p).filter(({ tool }) => tool === "create_task"),
    ).toHaveLength(1);
  });

  it("[R7] a child that ended with its parent goes on from its own last turn", async () => {
    const run = await newRun();
    const child = plays([
      { calls: [{ tool: "atomic", arguments: { op: "add", name: "steps", delta: 1 } }] },
      { text: "done", latency_ms: 60_000 },
    ]);
    const p = await post(run, [
      { calls: [{ tool: "create_task", arguments: { key: "child", instructions: child } }] },
      { calls: [{ tool: "await_tasks", arguments: { tasks: ["child"] } }] },
      { text: "{{2.0.tasks.0.state}}" },
    ]);
    const [one] = await until("the child thinks", 20_000, async () => {
      const found = await childrenOf(run, p);
      return found[0]?.turns === 1 && found;
    });
    await heddle.cancelTask(run, p);
    await heddle.retryTask(run, p, { from_turn: 1 });
    await until("both go on", 20_000, async () => (await heddle.task(run, one!.id)).state === "running");
    expect(await heddle.task(run, one!.id)).toMatchObject({ generation: 2, turns: 1 });
    expect((await heddle.variable(run, "steps")).state).toMatchObject({ value: 1 });
    await heddle.cancelTask(run, one!.id);
    await settled(run);
    expect(await heddle.task(run, p)).toMatchObject({ state: "succeeded", result: "cancelled" });
  });
});

it("is what the command line does, too", async () => {
  const cli = (...args: string[]) => heddleHere(args, { HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_local" });
  const run = await newRun();
  await post(run, [{ calls: [{ tool: "inspect", arguments: {} }] }, { text: "over", ...rejected }]);
  await settled(run);
  const { stdout } = await cli("turns", run, "p");
  expect(stdout.split("\n")[0]).toMatch(/^TURN +AT +MODEL +IN +OUT +SNAPSHOT +CALLS$/);
  expect(stdout.split("\n")[1]).toMatch(/^ +1 .* [0-9a-f]{32} +inspect$/);
  const [turn] = (await heddle.turns(run, "p")).turns;
  expect(JSON.parse((await cli("turns", run, "p", "--json")).stdout)).toEqual(turn);
  expect((await cli("retry", run, "p", "--from-turn", "1")).stdout).toMatch(/^p \(T1-.*generation 2\.\n$/);
  await settled(run);
  expect(await heddle.task(run, "p")).toMatchObject({ state: "succeeded", turns: 2 });
  const fork = (await cli("fork", run, "--task", "p", "--turn", "1", "--name", "again")).stdout.trim();
  const begun = await heddle.run(fork);
  expect(begun).toMatchObject({ name: "again" });
  // With the results of the first turn's calls, and so not that turn's own snapshot.
  expect(begun.snapshot).not.toBe(turn!.snapshot);
  expect((await cli("fork", run, "--snapshot", turn!.snapshot, "--json")).stdout).toContain(turn!.snapshot);
  const wrong = [
    ["retry", run, "p", "--from-turn", "x"],
    ["fork", run, "--turn", "1"],
    ["fork", run, "--task", "p", "--snapshot", turn!.snapshot],
  ];
  for (const args of wrong) expect((await cli(...args)).status).toBe(2);
  const refused = await cli("retry", run, "p", "--from-turn", "2");
  expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("(final_turn)")]);
  expect((await cli("fork", run, "--task", "nobody")).stderr).toContain("(unknown_task)");

  // A file takes it all along.
  const copy = await heddle.importRun(heddle.exportRun(run));
  const { turns } = await heddle.turns(copy.id, "p");
  expect(turns.map(({ turn: n, generation }) => [n, generation])).toEqual([
    [1, 1],
    [2, 2],
  ]);
});

describe("a fork of a run", () => {
  it("begins with the same snapshot: of the head, of a snapshot, of a task, of one of its turns", async () => {
    const context = { system: "Be  brief.", messages: [{ role: "user", content: "Größe: 漢字 \u2028" }] };
    const tool = { name: "shell", description: "Runs a command.", input_schema: { type: "object" }, pool: "box" };
    const source = await newRun({ name: "source", context, tools: [tool] });
    const p = await post(source, [{ calls: [create("a")] }, { text: "over" }]);
    await settled(source);
    await heddle.finishRun(source);
    const head = (await heddle.run(source)).snapshot;
    const plain = await heddle.createRun({ from: { run: source }, name: "again", limits: { workers: 3 } });
    expect(plain).toMatchObject({ snapshot: head, name: "again", status: "active", limits: { workers: 3 } });
    expect(plain.tools).toEqual((await heddle.run(source)).tools);
    expect(plain.tools).toHaveLength(1);
    expect(await heddle.snapshotText(plain.id, head)).toBe(await heddle.snapshotText(source, head));

    const last = (await heddle.turns(source, p)).turns[1]!.snapshot;
    for (const from of [{ task: p }, { task: "p" }, { snapshot: last }, { task: p, turn: 2 }]) {
      const fork = await heddle.createRun({ from: { run: source, ...from } });
      expect(fork.snapshot).toBe(last);
      expect(await heddle.snapshotText(fork.id, last)).toBe(await heddle.snapshotText(source, last));
    }
    // With the results of its calls: a root can go on from there.
    const root = { instructions: says("on") };
    const middle = await heddle.createRun({ from: { run: source, task: p, turn: 1 }, root });
    await settled(middle.id);
    expect(await heddle.run(middle.id)).toMatchObject({ status: "succeeded" });
    const whole = await messagesOf(source, p);
    const begun = await messagesOf(middle.id, middle.root!);
    expect(begun.slice(0, whole.length - 1)).toEqual(whole.slice(0, -1));
    await contextOf(server, middle.id, middle.root!);
    expect((await heddle.events(middle.id, { limit: 1 })).events[0]).toMatchObject({ from: source });
  });

  it("names what is not there, and is made once whatever becomes of its source", async () => {
    const source = await newRun();
    const fork = (from: object, key?: string) =>
      heddle.createRun({ from: { run: source, ...from } }, key === undefined ? {} : { idempotencyKey: key });
    expect(await problem(fork({ snapshot: "0".repeat(32) }))).toEqual({
      status: 422,
      code: "unknown_snapshot",
      path: "from.snapshot",
    });
    expect(await problem(fork({ task: "nobody" }))).toEqual({ status: 422, code: "unknown_task", path: "from.task" });
    await post(source, [{ text: "x" }]);
    await settled(source);
    expect(await problem(fork({ task: "p", turn: 2 }))).toEqual({
      status: 422,
      code: "unknown_turn",
      path: "from.turn",
    });
    expect(await problem(fork({ turn: 1 }))).toMatchObject({ status: 422, path: "from.turn" });
    expect(await problem(fork({ task: "p", snapshot: "0".repeat(32) }))).toMatchObject({ path: "from.snapshot" });
    const both = heddle.createRun({ from: { run: source }, context: {} });
    expect(await problem(both)).toMatchObject({ status: 422, path: "from" });

    const operator = "hdl_local_admin";
    const { json: tenant } = await server.call("POST", "/admin/tenants", { name: "other" }, operator);
    const { json: key } = await server.call("POST", `/admin/tenants/${tenant.id}/keys`, {}, operator);
    const foreign = await server.call("POST", "/v1/runs", { from: { run: source } }, key.key);
    expect([foreign.status, foreign.json.code, foreign.json.errors[0].path]).toEqual([404, "not_found", "from.run"]);
    expect((await server.call("GET", "/v1/runs", undefined, key.key)).json.runs).toEqual([]);

    const once = await fork({}, `fork-${source}`);
    await heddle.deleteRun(source);
    expect((await fork({}, `fork-${source}`)).id).toBe(once.id);
    expect(await problem(fork({}))).toEqual({ status: 404, code: "not_found", path: "from.run" });
    expect(await heddle.run(once.id)).toMatchObject({ status: "active" });
  });

  it("takes a context of nearly 14 Mi characters, two bytes each", async () => {
    const source = await newRun();
    let { snapshot } = await heddle.run(source);
    for (let i = 0; i < 3; i++) {
      const messages = [{ role: i % 2 ? "assistant" : "user", content: "漢".repeat(4_600_000) }];
      ({ snapshot } = await heddle.appendContext(source, { after: snapshot, messages }));
    }
    expect((await heddle.createRun({ from: { run: source } })).snapshot).toBe(snapshot);
  });
});
