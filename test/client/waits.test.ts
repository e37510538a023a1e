/** Waits that somebody gives up: what they had begun ends with them. */

import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { Heddle } from "../../src/client/index.ts";
import { sleep } from "../../src/client/sleep.ts";
import { waitTasksMax } from "../../src/limits.ts";
import { type Answer, type Call, TestServer } from "../cli/lib/contract-server.ts";

let answer: (call: Call) => Answer | Promise<Answer>;
const server = new TestServer((call) => answer(call));
beforeAll(() => server.start());
afterAll(() => server.stop());
beforeEach(() => {
  server.calls.length = 0;
});
const run = () => new Heddle({ url: server.url, key: "hdl_k", retryMs: 0 }).runs.get("run_1");

it("of many tasks the first that fails ends the polls for all others", async () => {
  const names = Array.from({ length: 2 * waitTasksMax }, (_, n) => `t${n}`);
  const polls = () => server.calls.filter(({ body }) => body.tasks[0] !== "t0").length;
  answer = async ({ body }) => {
    const [id] = body.tasks as string[];
    if (id === "t0") return { status: 200, body: { done: true, tasks: [{ id, state: "failed", timings: {} }] } };
    await sleep(20);
    return { status: 200, body: { done: false, tasks: [] } };
  };
  await expect(run().tasks.all(names)).rejects.toMatchObject({ name: "TaskFailed" });
  // What was on its way may still arrive; polls that go on come every 20 ms.
  for (let seen = -1; seen !== polls(); await sleep(300)) seen = polls();
});

it("a fork that is given up does not wait for those before it", async () => {
  const begun = Promise.withResolvers<void>();
  const held = Promise.withResolvers<Answer>();
  answer = ({ path }) => {
    if (!path.endsWith("/context")) return { status: 200, body: { id: "run_1", snapshot: "s0" } };
    begun.resolve();
    return held.promise;
  };
  const heddle = new Heddle({ url: server.url, key: "hdl_k", retryMs: 0 });
  const made = await heddle.runs.create();
  const first = made.fork([{ role: "user", content: "a" }]);
  await begun.promise;
  const abort = new AbortController();
  const second = made.fork([{ role: "user", content: "b" }], { signal: abort.signal });
  abort.abort(new Error("enough"));
  await expect(second).rejects.toThrow("enough");
  held.resolve({ status: 200, body: { snapshot: "s1" } });
  expect((await first).snapshot).toBe("s1");
});

it("a call that may wait for longer than a timer can be is asked once, and its answer taken", async () => {
  answer = async () => {
    await sleep(50);
    return { status: 200, body: { done: true } };
  };
  const heddle = new Heddle({ url: server.url, key: "hdl_k", retryMs: 0 });
  expect(await heddle.wait("run_1", { timeout_ms: 2 ** 31 })).toEqual({ done: true });
});
