/** Objects refuse what is beyond their room before anything of it is done. */

import { expect, it } from "vitest";
import { shares } from "../../src/admission.ts";
import { gateWaitMax, objectWaitMax, objectWorkMax } from "../../src/limits.ts";
import { eventually } from "./lib/eventually.ts";
import { gateOf, makeRun, newTenant, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const beyond = 5;

it("[A2] a run's object takes so many long polls, refuses more, and works meanwhile", async () => {
  const run = await makeRun({});
  await run.create({ key: "a", pool: "box", instructions: "a" });
  const room = shares.poll.wait * objectWaitMax;
  const { rpc } = run;
  const polls = Array.from({ length: room + beyond }, () => rpc.wait({ mode: "all", timeoutMs: 20_000 }));
  // All have come before this answer, which others than long polls still get.
  expect(await run.task("a")).toMatchObject({ state: "ready" });
  value(await rpc.cancelTask("a", undefined));
  const answers = await Promise.all(polls);
  const refused = answers.filter((answer) => !answer.ok);
  expect(refused).toHaveLength(beyond);
  for (const answer of refused)
    expect(answer).toMatchObject({ fault: { code: "too_many_requests", retryAfterS: expect.any(Number) } });
  for (const answer of answers) if (answer.ok) expect(answer.value).toMatchObject({ done: true });
  expect(value(await rpc.wait({ mode: "all", timeoutMs: 1 }))).toMatchObject({ done: true });
});

it("[A2] a gate takes as many workers that wait as it remembers", async () => {
  const tenant = newTenant();
  const gate = gateOf(tenant);
  const names = Array.from({ length: gateWaitMax + beyond }, (_, i) => `w${i}`);
  const refused: unknown[] = [];
  const ask = async (worker: string) => {
    const answer = await gate.lease({ tenant, pool: "box", worker, max: 1, waitMs: 20_000, poll: worker });
    if (!answer.ok) refused.push(answer);
  };
  const asks = names.map(ask);
  await eventually(() => expect(refused).toHaveLength(beyond));
  await Promise.all(names.map((name) => gate.leave(name)));
  await Promise.all(asks);
  expect(refused).toHaveLength(beyond);
  expect(value(await gate.lease({ tenant, pool: "box", worker: "w", max: 1, waitMs: 0 }))).toEqual([]);
});

it("[A1] ops on a variable beyond its run's room are refused whole: it holds what was acknowledged, and no more", async () => {
  const run = await makeRun({});
  const { rpc } = run;
  const op = (text: object) => ({ tool: "atomic", arguments: JSON.stringify(text), waitMs: 0 });
  const room = shares.create.work * objectWorkMax;
  const adds = Array.from({ length: room + 100 }, () => rpc.callTool(op({ op: "add", name: "n", delta: 1 })));
  // While they wait for the variable, whoever looks or steers is served.
  expect(await run.view()).toMatchObject({ status: "active" });
  value(await rpc.pause());
  const answers = await Promise.all(adds);
  const done = answers.filter(({ ok }) => ok);
  for (const answer of answers) if (!answer.ok) expect(answer.fault.code).toBe("overloaded");
  expect(done.length).toBeGreaterThanOrEqual(room);
  const { state } = value(await rpc.variable("n"));
  expect(state).toMatchObject({ value: done.length });
});
