/** What a reply asks for is done in its order: whoever is let in, told or awaited finds what was written before. */

import { expect, it, vi } from "vitest";
import { SharedVariable } from "../../src/objects/shared-variable.ts";
import { makeRun, type TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();
const usage = { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
const model = { model: "simulated" };

type Call = readonly [tool: string, args: object];

const reply = (calls: readonly Call[]): string =>
  JSON.stringify({
    role: "assistant",
    content: calls.map(([name, input], i) => ({ type: "tool_use", id: `c${i}`, name, input })),
  });
const asked = (calls: readonly Call[]) =>
  calls.flatMap(([name, args], i) =>
    name === "finish" ? [] : [{ id: `c${i}`, name, arguments: JSON.stringify(args) }],
  );

async function turnOf(run: TestRun, work: NonNullable<Awaited<ReturnType<TestRun["seat"]>>>, ...calls: Call[]) {
  const finish = calls.find(([name]) => name === "finish");
  const turn = {
    messages: [...work.fork, reply(calls)],
    usage,
    model,
    calls: asked(calls),
    ...(finish && { ending: { kind: "result", result: "done" } as const, isFinal: true as const }),
  };
  return run.rpc.seatTurn(work, turn as never, finish && nextTask("next"));
}

const get = async (run: TestRun, name: string, key: string) => {
  const args = JSON.stringify({ op: "get", name, key });
  return (value(await run.rpc.callTool({ tool: "shared_map", arguments: args, waitMs: 0 })) as { result: object })
    .result;
};
const types = async (run: TestRun) => (await run.events()).map(({ type }) => type);

it("a write before finish, in the same reply, is carried out, and before the end", async () => {
  const run = await makeRun();
  await run.create({ key: "a", instructions: "a" });
  const work = (await run.seat("s"))!;
  const set = { op: "set", name: "found", key: "k", value: 7 };
  expect(await turnOf(run, work, ["shared_map", set], ["finish", { result: "done" }])).toEqual({ kind: "over" });
  expect(await get(run, "found", "k")).toMatchObject({ value: 7 });
  expect(await run.task("a")).toMatchObject({ state: "succeeded", result: "done" });
  const told = await types(run);
  expect(told.indexOf("variables_used")).toBeLessThan(told.indexOf("task_ended"));
});

it("a write before a release is carried out before it, and what a push or a new task tells of is there", async () => {
  const run = await makeRun();
  await run.create({ key: "a", instructions: "a" });
  const work = (await run.seat("s"))!;
  const answer = await turnOf(
    run,
    work,
    ["lock", { op: "acquire", name: "l" }],
    ["shared_map", { op: "set", name: "m", key: "k", value: 1 }],
    ["lock", { op: "release", name: "l" }],
    ["shared_map", { op: "set", name: "m", key: "k", value: 2 }],
    ["message_queue", { op: "push", name: "q", messages: [1] }],
    ["create_task", { tasks: [{ key: "child", instructions: "c" }] }],
  );
  expect(Object.keys((answer as { answers: object }).answers).sort()).toEqual(["c0", "c1", "c2", "c3", "c4", "c5"]);
  const told = await types(run);
  const order = ["lock_granted", "lock_released", "messages_pushed"].map((type) => told.indexOf(type));
  const uses = told.flatMap((type, seq) => (type === "variables_used" ? [seq] : []));
  expect(uses).toHaveLength(2);
  expect([order[0], uses[0], order[1], uses[1], order[2]]).toEqual(
    [order[0], uses[0], order[1], uses[1], order[2]].toSorted((x, y) => x! - y!),
  );
  expect(told.lastIndexOf("task_created")).toBeGreaterThan(uses[1]!);
});

it("a wait that the rest of its reply ends is no deadlock, though the rest comes in a later step", async () => {
  const run = await makeRun();
  await run.create({ key: "a", instructions: "a" }, { key: "b", instructions: "b" });
  const [a, b] = [(await run.seat("s1"))!, (await run.seat("s2"))!];
  await turnOf(run, a, ["lock", { op: "acquire", name: "x" }]);
  await turnOf(run, b, ["lock", { op: "acquire", name: "y" }]);
  await turnOf(run, { ...b, fork: [results(["c0"])] }, ["lock", { op: "acquire", name: "x" }]);
  await turnOf(
    run,
    { ...a, fork: [results(["c0"])] },
    ["lock", { op: "acquire", name: "y" }],
    ["shared_map", { op: "set", name: "m", key: "k", value: 1 }],
    ["lock", { op: "release", name: "x" }],
  );
  expect((await types(run)).filter((type) => type === "finding")).toEqual([]);
});

it("nor one that the end of its task ends, while a write before that is under way", async () => {
  const run = await makeRun();
  await run.create({ key: "a", instructions: "a" }, { key: "b", instructions: "b" });
  const [a, b] = [(await run.seat("s1"))!, (await run.seat("s2"))!];
  await turnOf(run, a, ["lock", { op: "acquire", name: "x" }]);
  await turnOf(run, b, ["lock", { op: "acquire", name: "y" }]);
  await turnOf(run, { ...b, fork: [results(["c0"])] }, ["lock", { op: "acquire", name: "x" }]);
  await turnOf(
    run,
    { ...a, fork: [results(["c0"])] },
    ["lock", { op: "acquire", name: "y" }],
    ["finish", { result: "done" }],
    ["shared_map", { op: "set", name: "m", key: "k", value: 1 }],
  );
  expect(value(await run.rpc.task("a"))).toMatchObject({ state: "succeeded", result: "done" });
  expect((await types(run)).filter((type) => type === "finding")).toEqual([]);
});

it("nor is it one where the lease is lost before the rest, which the next attempt carries out", async () => {
  const run = await makeRun();
  await run.create({ key: "a", instructions: "a" }, { key: "b", instructions: "b" });
  const [a, b] = [(await run.seat("s1"))!, (await run.seat("s2"))!];
  await turnOf(run, a, ["lock", { op: "acquire", name: "x" }]);
  await turnOf(run, b, ["lock", { op: "acquire", name: "y" }]);
  await turnOf(run, { ...b, fork: [results(["c0"])] }, ["lock", { op: "acquire", name: "x" }]);
  const calls: Call[] = [
    ["lock", { op: "acquire", name: "y" }],
    ["shared_map", { op: "set", name: "m", key: "k", value: 1 }],
    ["lock", { op: "release", name: "x" }],
  ];
  // Its seat breaks between the reply's first step and the second, while the map's object is asked.
  const broken = vi.spyOn(SharedVariable.prototype, "carryOut").mockImplementationOnce(async () => {
    await run.rpc.seatBroke("s1");
    throw new Error("killed");
  });
  await expect(turnOf(run, { ...a, fork: [results(["c0"])] }, ...calls)).rejects.toThrow("killed");
  broken.mockRestore();
  await run.evict();
  expect((await types(run)).filter((type) => type === "finding")).toEqual([]);
  const again = (await run.seat("s3"))!;
  expect(again.taskNumber).toBe(a.taskNumber);
  const open = calls.map(([name, args], i) => ({ id: `c${i}`, name, arguments: JSON.stringify(args) })).slice(1);
  await run.rpc.seatCalls(again, open);
  expect((await types(run)).filter((type) => type === "finding")).toEqual([]);
  expect(await get(run, "m", "k")).toMatchObject({ value: 1 });
});

it("an attempt that ended between a write and the finish behind it is gone on with to that end", async () => {
  const run = await makeRun();
  await run.create({ key: "a", instructions: "a" });
  const work = (await run.seat("s"))!;
  const calls: Call[] = [
    ["shared_map", { op: "set", name: "m", key: "k", value: 1 }],
    ["finish", { result: "as it wanted" }],
  ];
  // As a seat logs that dies before anything is carried out; the next attempt asks with the calls that have no answer.
  await run.rpc.seatTurn(work, { messages: [...work.fork, reply(calls)], usage, model, calls: [] } as never, undefined);
  const open = calls.map(([name, args], i) => ({ id: `c${i}`, name, arguments: JSON.stringify(args) }));
  expect(await run.rpc.seatCalls(work, open)).toEqual({ kind: "over" });
  expect(await run.task("a")).toMatchObject({ state: "succeeded", result: "as it wanted" });
  expect(await get(run, "m", "k")).toMatchObject({ value: 1 });
});

const results = (ids: readonly string[]): string =>
  JSON.stringify({ role: "user", content: ids.map((id) => ({ type: "tool_result", tool_use_id: id, content: "{}" })) });
