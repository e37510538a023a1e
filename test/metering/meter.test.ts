import fc from "fast-check";
import { expect, test } from "vitest";
import { Meter, noAmounts, type OpenLeases, type UsageRow } from "../../src/metering/meter.ts";
import type { SchedulerEvent } from "../../src/scheduler/events.ts";
import { World } from "../sim/world.ts";

const hour = 3_600_000;
const facts = (pool = "hosted", labels?: Record<string, string>) => ({ pool, labels });
const amountsOf = (rows: readonly UsageRow[]) => {
  const sum = noAmounts();
  for (const row of rows) for (const name of Object.keys(sum) as (keyof typeof sum)[]) sum[name] += row[name];
  return sum;
};

test("[B1] [B2] events count in their hour, under their model, pool and labels, with the money that they have", () => {
  const meter = new Meter({}, (task) => (task === 1 ? facts("hosted", { team: "b", app: "x" }) : facts("box")));
  const usage = { in: 10, out: 5, read: 4, write: 2, model: "m", nanos: 700 };
  meter.add({ type: "task_created", task: 1 } as SchedulerEvent, 10);
  meter.add({ type: "task_started", task: 1 } as SchedulerEvent, 1000);
  meter.add({ type: "turn", task: 1, usage } as SchedulerEvent, 2000);
  meter.add({ type: "task_ended", task: 1, state: "succeeded" } as SchedulerEvent, hour + 500);
  meter.add(
    { type: "turn", task: 2, usage: { in: 1, out: 1, read: 0, write: 0, simulated: true } } as SchedulerEvent,
    0,
  );
  meter.add({ type: "run_paused", reason: "asked" }, 3);
  const labels = '{"app":"x","team":"b"}';
  expect(meter.rows).toEqual([
    { ...noAmounts(), hour: 0, model: "", pool: "hosted", labels, tasks: 1, events: 2 },
    {
      ...noAmounts(),
      ...{ hour: 0, model: "m", pool: "hosted", labels, inputTokens: 10, outputTokens: 5, cacheReadTokens: 4 },
      ...{ cacheWriteTokens: 2, nanos: 700, modelCalls: 1, events: 1 },
    },
    { ...noAmounts(), hour, model: "", pool: "hosted", labels, taskMs: hour - 500, events: 1 },
    {
      ...noAmounts(),
      ...{ hour: 0, model: "", pool: "box", labels: "", inputTokens: 1, outputTokens: 1, unpricedTokens: 2 },
      ...{ simulatedTokens: 2, modelCalls: 1, events: 1 },
    },
    { ...noAmounts(), hour: 0, model: "", pool: "", labels: "", events: 1 },
  ]);
});

test("[B3] a lease that is open goes on in the next stretch", () => {
  const first = new Meter({}, () => facts());
  first.add({ type: "task_started", task: 7 } as SchedulerEvent, 1000);
  expect(first.open).toEqual({ 7: 1000 });
  const next = new Meter(first.open, () => facts());
  next.add({ type: "attempt_ended", task: 7, why: "lost" } as SchedulerEvent, 1500);
  expect([amountsOf(next.rows).taskMs, next.open]).toEqual([500, {}]);
});

test("[B1] [B2] simulated runs: cut anywhere, stretches add up to the whole, and to what the run itself counts", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.array(fc.nat(), { maxLength: 5 }), (seed, cuts) => {
      const world = new World(2 * seed, { scopes: seed % 2 === 0 });
      for (let step = 0; step < 120; step++) world.step();
      world.finish();
      const { log } = world;
      const whole = new Meter({}, () => facts());
      for (const { event, at } of log) whole.add(event, at);
      const places = [...cuts.map((cut) => cut % log.length), log.length].sort((a, b) => a - b);
      const parts: UsageRow[] = [];
      let open: OpenLeases = {};
      let from = 0;
      for (const to of places) {
        const meter = new Meter(JSON.parse(JSON.stringify(open)) as OpenLeases, () => facts());
        for (const { event, at } of log.slice(from, to)) meter.add(event, at);
        parts.push(...meter.rows);
        open = meter.open;
        from = to;
      }
      expect(amountsOf(parts)).toEqual(amountsOf(whole.rows));
      const { inputTokens, outputTokens, nanos = 0, unpricedTokens = 0 } = world.header;
      expect(amountsOf(whole.rows)).toMatchObject({
        inputTokens,
        outputTokens,
        nanos,
        unpricedTokens,
        events: log.length,
      });
    }),
    { numRuns: 25, seed: 1 },
  );
});
