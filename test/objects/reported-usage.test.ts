/** What pull workers say of their own usage: with a result and with a failure, and what it cost. */

import { expect, it } from "vitest";
import { makeRun, value } from "./lib/runs.ts";

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
