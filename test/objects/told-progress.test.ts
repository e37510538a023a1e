/** What a pull worker tells of the task that it carries out: shown while the attempt goes on, and in no log. */

import { expect, it } from "vitest";
import { leaseMs, renewEveryMs, toldProgressMax } from "../../src/limits.ts";
import { ToldProgress } from "../../src/objects/run/told-progress.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { codeOf, makeRun, TestClock, value } from "./lib/runs.ts";

const usage = { input_tokens: 100, output_tokens: 10 };
const done = { result: 1, next: false, worker: "w" };

async function leasedRun() {
  const run = await makeRun();
  await run.create({ key: "a", pool: "box", instructions: "a" });
  const { taskNumber, fence } = (await run.lease())!;
  return { run, lease: { taskNumber, fence } };
}

it("shows in the task until the attempt ends, and its tokens are counted once, at the end", async () => {
  using clock = new TestClock();
  const { run, lease } = await leasedRun();
  expect((await run.task("a")).progress).toBeNull();
  value(await run.rpc.renew(lease, { message: "Bash: ls", turns: 1 }));
  clock.forward(1000);
  value(await run.rpc.renew(lease, { message: "Bash: npm test", fraction: 0.5, turns: 2, usage }));
  const told = await run.task("a");
  expect(told.progress).toEqual({ at: Date.now(), message: "Bash: npm test", fraction: 0.5, turns: 2, usage });
  expect(told.usage).toMatchObject({ input_tokens: 0, output_tokens: 0 });
  value(await run.rpc.complete(lease, { ...done, usage }));
  expect(await run.task("a")).toMatchObject({ progress: null, usage });
});

it("keeps the lease as any renewal does, with a row only when a renewal is due", async () => {
  using clock = new TestClock();
  const { run, lease } = await leasedRun();
  const begun = Date.now();
  const { last_seq } = await run.view();
  clock.forward(renewEveryMs - 1);
  expect(value(await run.rpc.renew(lease, { turns: 1 })).expires_at).toBe(begun + leaseMs);
  clock.forward(1);
  expect(value(await run.rpc.renew(lease, { turns: 2 })).expires_at).toBe(begun + renewEveryMs + leaseMs);
  expect((await run.view()).last_seq).toBe(last_seq);
});

it("is forgotten with the object's memory, and no other attempt's is shown", async () => {
  const { run, lease } = await leasedRun();
  value(await run.rpc.renew(lease, { message: "first" }));
  await run.evict();
  expect((await run.task("a")).progress).toBeNull();
  value(await run.rpc.renew(lease, { message: "again" }));
  expect((await run.task("a")).progress).toMatchObject({ message: "again" });
  value(await run.rpc.fail(lease, { error: { code: "broken", message: "" }, retryable: true }));
  expect((await run.task("a")).progress).toBeNull();
  expect(codeOf(await run.rpc.renew(lease, { message: "late" }))).toBe("lease_lost");
});

it("is bounded: of too many tasks the one that reported least lately is forgotten", () => {
  const told = new ToldProgress();
  const task = (n: number) => ({ n, phase: { state: "running", fence: n } }) as unknown as Task;
  for (let n = 1; n <= toldProgressMax; n++) told.tell(n, { fence: n, at: n, report: {} });
  told.tell(1, { fence: 1, at: 0, report: { turns: 2 } });
  told.tell(toldProgressMax + 1, { fence: toldProgressMax + 1, at: 0, report: {} });
  expect(told.of(task(2))).toBeNull();
  expect(told.of(task(1))).toEqual({ at: 0, turns: 2 });
});
