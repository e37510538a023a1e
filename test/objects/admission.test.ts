/** Objects refuse what is beyond their room before anything of it is done. */

import { expect, it } from "vitest";
import { shares } from "../../src/admission.ts";
import { gateWaitMax, objectWaitMax } from "../../src/limits.ts";
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
  const ask = (i: number) => gate.lease({ tenant, pool: "box", worker: `w${i}`, max: 1, waitMs: 500 });
  const answers = await Promise.all(Array.from({ length: gateWaitMax + beyond }, (_, i) => ask(i)));
  expect(answers.filter((answer) => !answer.ok)).toHaveLength(beyond);
  expect(value(await ask(0))).toEqual([]);
});
