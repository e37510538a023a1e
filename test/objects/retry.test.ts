/** What a dependent is given when its dependency is retried. */

import { expect, it } from "vitest";
import { leaseMs } from "../../src/limits.ts";
import { makeRun, TestClock, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

it("[R4] one that starts over gets the new result; one that has a turn goes on with the old one", async () => {
  using clock = new TestClock();
  const run = await makeRun();
  const uses = (key: string) => ({ key, pool: "box", instructions: "use {{plan.version}}" });
  const [plan] = await run.create({ key: "plan", pool: "box", instructions: "plan" }, uses("fresh"), uses("begun"));
  const done = async (version: number) => {
    const lease = (await run.lease("planner"))!;
    expect(lease.task.key).toBe("plan");
    value(await run.rpc.complete(lease, { result: { version }, next: false, worker: "planner" }));
  };
  await done(1);
  const leases = [(await run.lease())!, (await run.lease())!];
  for (const { task } of leases) expect(task.instructions).toContain(">1</result>");
  const begun = leases.find(({ task }) => task.key === "begun")!;
  value(await run.rpc.turn(begun, { messages: ['{"role":"assistant","content":"half"}'] }));
  value(await run.rpc.retryTask(plan!, undefined));
  clock.forward(leaseMs);
  await run.ring();
  expect([(await run.task("fresh")).state, (await run.task("begun")).state]).toEqual(["waiting", "ready"]);
  // The resumed one comes first, with its transcript.
  const again = (await run.lease())!;
  expect(again.task).toMatchObject({ key: "begun", attempt: 2 });
  expect(again.contextText).toContain(">1</result>");
  await done(2);
  const fresh = (await run.lease())!;
  expect(fresh.task).toMatchObject({ key: "fresh", attempt: 2 });
  expect(fresh.task.instructions).toContain(">2</result>");
  expect(fresh.contextText).not.toContain(">1</result>");
});
