/** What pull workers say of their own usage: with a result and with a failure, and what it cost. */

import { expect, it } from "vitest";
import { codeOf, makeRun, value } from "./lib/runs.ts";

const usage = { input_tokens: 100, output_tokens: 10, cache_read_tokens: 60, cost_usd: 0.25 };

it("counts with a failure, too, and its cost before any price", async () => {
  const run = await makeRun();
  await run.create({ key: "a", pool: "box", instructions: "a" });
  const first = (await run.lease())!;
  const error = { code: "harness_rate_limited", message: "later" };
  const ref = { taskNumber: first.taskNumber, fence: first.fence };
  value(await run.rpc.fail(ref, { error, retryable: false, usage }));
  const task = value(await run.rpc.task("a"));
  expect(task).toMatchObject({
    state: "failed",
    usage: { input_tokens: 100, output_tokens: 10, cache_read_tokens: 60, cost_usd: 0.25 },
  });
});

it("comes with a lease that says what the result has to match", async () => {
  const run = await makeRun();
  const output_schema = { type: "object", required: ["n"] };
  await run.create({ key: "a", pool: "box", instructions: "a", output_schema });
  const lease = (await run.lease())!;
  expect(lease.task.output_schema).toEqual(output_schema);
  const done = { result: { n: 1 }, usage, next: false, worker: "w" };
  value(await run.rpc.complete({ taskNumber: lease.taskNumber, fence: lease.fence }, done));
  expect(value(await run.rpc.task("a")).usage.cost_usd).toBe(0.25);
});

it("pauses a run whose budget it uses up, and what is done to that run is answered with how it is then", async () => {
  const run = await makeRun({ limits: { pools: ["box"], tokens: 100 } });
  await run.create({ pool: "box", instructions: "a" }, { pool: "box", instructions: "b" });
  const { taskNumber, fence } = (await run.lease())!;
  value(await run.rpc.complete({ taskNumber, fence }, { result: 1, usage, next: true, worker: "w" }));
  const spent = { status: "paused", reason: "budget" };
  expect(await run.view()).toMatchObject(spent);
  expect(value(await run.rpc.resume())).toMatchObject(spent);
  expect(value(await run.rpc.budget({ tokens: 110 }))).toMatchObject(spent);
  expect(value(await run.rpc.budget({ tokens: 111 }))).toMatchObject({ status: "active" });
  expect(await run.lease()).toBeDefined();
});

it("told with the result alone counts at once for all that comes after: of several that end together, and of one that asks for the next", async () => {
  const run = await makeRun({ limits: { pools: ["box"], tokens: 220 } });
  await run.create(...["a", "b", "c", "d"].map((key) => ({ key, pool: "box", instructions: key })));
  const leases = [(await run.lease())!, (await run.lease())!, (await run.lease())!];
  const done = { result: 1, usage, next: true, worker: "w" };
  const replies = await Promise.all(
    leases.map(({ taskNumber, fence }) => run.rpc.complete({ taskNumber, fence }, done)),
  );
  // One more was given while there was something left: none after that.
  expect(replies.map((reply) => value(reply))).toMatchObject([{ lease: { task: { key: "d" } } }, {}, {}]);
  expect(replies.filter((reply) => value(reply).lease)).toHaveLength(1);
  expect(await run.view()).toMatchObject({ status: "active", usage: { tokens: 330 } });
  await run.create({ key: "e", pool: "box", instructions: "e" });
  expect(await run.view()).toMatchObject({ status: "paused", reason: "budget" });
  expect(await run.lease()).toBeUndefined();
});

it("told with the result alone counts for its ancestors' max_tokens: what is below them, and they themselves, get no more", async () => {
  const run = await makeRun();
  await run.create({ key: "p", pool: "box", instructions: "p", max_tokens: 100 });
  const parent = (await run.lease())!;
  const children = { tasks: ["a", "b"].map((key) => ({ key, instructions: key })) };
  const make = { tool: "create_task", arguments: JSON.stringify(children), waitMs: 0 };
  const made = value(await run.rpc.leaseTool(parent, make)) as { result: { tasks: { id: string }[] } };
  const child = (await run.lease())!;
  expect(child).toMatchObject({ task: { key: "a" }, tokensLeft: 100 });
  const done = { result: 1, usage, next: true, worker: "w" };
  expect(value(await run.rpc.complete({ taskNumber: child.taskNumber, fence: child.fence }, done))).toEqual({});
  const error = { code: "max_tokens" };
  expect(await run.task(made.result.tasks[1]!.id)).toMatchObject({ state: "failed", error });
  const says = { messages: ['{"role":"assistant","content":"On."}'] };
  expect(codeOf(await run.rpc.turn({ taskNumber: parent.taskNumber, fence: parent.fence }, says))).toBe("max_tokens");
  expect(await run.task("p")).toMatchObject({ state: "failed", error });
});

it("holds a task to its max_tokens: the turn after the one that reached it is refused, and the task has failed", async () => {
  const run = await makeRun();
  await run.create({ key: "a", pool: "box", instructions: "a", max_tokens: 200 }, { pool: "box", instructions: "b" });
  const { taskNumber, fence, tokensLeft } = (await run.lease())!;
  expect(tokensLeft).toBe(200);
  const lease = { taskNumber, fence };
  const says = (text: string) => ({ messages: [JSON.stringify({ role: "assistant", content: text })], usage });
  const first = { key: "k1", fingerprint: "f" };
  expect(value(await run.rpc.turn(lease, says("one"), first))).toMatchObject({ tokensLeft: 90 });
  expect(value(await run.rpc.turn(lease, says("two")))).toMatchObject({ tokensLeft: 0 });
  expect(value(await run.rpc.turn(lease, says("one"), first))).toMatchObject({ tokensLeft: 90 });
  // What the last turn asked for is still carried out.
  const inspect = { tool: "inspect", arguments: "{}", callId: "c1", waitMs: 0 };
  expect(value(await run.rpc.leaseTool(lease, inspect))).toHaveProperty("result");
  const idem = { key: "k", fingerprint: "f" };
  expect(codeOf(await run.rpc.turn(lease, says("three"), idem))).toBe("max_tokens");
  // Who has not heard is told the same, and who comes with something else that the lease is lost.
  expect(codeOf(await run.rpc.turn(lease, says("three"), idem))).toBe("max_tokens");
  expect(codeOf(await run.rpc.turn(lease, says("four")))).toBe("lease_lost");
  expect(value(await run.rpc.task("a"))).toMatchObject({
    state: "failed",
    error: { code: "max_tokens" },
    turns: 2,
    usage: { input_tokens: 300, output_tokens: 30, cost_usd: 0.75 },
  });
  // The run's own budget is as before: the next task is given. It has no bound of its own.
  const next = await run.lease();
  expect(next).toMatchObject({ taskNumber: 2 });
  expect(next).not.toHaveProperty("tokensLeft");
  expect(value(await run.rpc.turn(next!, says("one")))).toEqual({ snapshot: expect.any(String) });
});
