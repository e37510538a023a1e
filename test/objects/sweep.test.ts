/** The cron sweep, the last net: what no alarm did is done, and the run index tells the truth. */

import { createScheduledController, runInDurableObject } from "cloudflare:test";
import { expect, it, vi } from "vitest";
import { leaseMs } from "../../src/limits.ts";
import worker from "../../src/local/index.ts";
import type { RunScheduler } from "../../src/objects/run-scheduler.ts";
import { insertRun, listRuns } from "../../src/storage/d1/run-index.ts";
import { bindings, makeRun, newTenant, TestClock, TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const sweep = (): Promise<void> => worker.scheduled(createScheduledController(), bindings);

const statusOf = async (tenant: string, id: string): Promise<string | undefined> =>
  (await listRuns(bindings.DB, tenant, 100, undefined)).find((row) => row.id === id)?.status;

async function indexed(): Promise<TestRun> {
  const run = await makeRun();
  await insertRun(bindings.DB, { tenant: run.tenant, id: run.id, name: null, createdAt: Date.now() });
  return run;
}

it("does what is overdue in every live run", async () => {
  using clock = new TestClock();
  const runs = await Promise.all(Array.from({ length: 8 }, indexed));
  for (const run of runs) {
    await run.create({ key: "a", pool: "box", instructions: "a" });
    await run.lease();
    await run.evict();
  }
  clock.forward(leaseMs + 1);
  await sweep();
  for (const run of runs) expect((await run.task("a")).state).toBe("ready");
});

it("corrects the index of a run that has ended, and removes a row that no run stands behind", async () => {
  const run = await indexed();
  value(await run.rpc.finishRun({ cancel: false }));
  await vi.waitFor(async () => expect(await statusOf(run.tenant, run.id)).toBe("succeeded"));
  // As if the run's own notice had been lost.
  await bindings.DB.prepare("UPDATE runs SET status = 'active', ended_at = NULL WHERE id = ?").bind(run.id).run();
  const nobody = new TestRun(newTenant(), "run_44444444444444444444");
  await insertRun(bindings.DB, { tenant: nobody.tenant, id: nobody.id, name: null, createdAt: 1 });
  await sweep();
  expect(await statusOf(run.tenant, run.id)).toBe("succeeded");
  expect(await statusOf(nobody.tenant, nobody.id)).toBeUndefined();
});

it("corrects the index of a run that goes on or pauses, when its own notice was lost", async () => {
  const run = await indexed();
  await bindings.DB.prepare("UPDATE runs SET status = 'paused' WHERE id = ?").bind(run.id).run();
  await sweep();
  expect(await statusOf(run.tenant, run.id)).toBe("active");
});

const inObject = <T>(run: TestRun, work: (state: DurableObjectState, object: RunScheduler) => Promise<T>): Promise<T> =>
  runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), (object, state) =>
    work(state, object as unknown as RunScheduler),
  );

it("sets an alarm again that is gone, and says so in the run's findings, once", async () => {
  const run = await indexed();
  await run.create({ key: "a", pool: "box", instructions: "a" });
  await run.lease();
  await inObject(run, async ({ storage }) => {
    expect(await storage.getAlarm()).not.toBeNull();
    await storage.deleteAlarm();
  });
  await sweep();
  await sweep();
  expect(await inObject(run, ({ storage }) => storage.getAlarm())).not.toBeNull();
  expect(value(await run.rpc.findings({ limit: 10 })).rows.map(({ kind }) => kind)).toEqual(["repaired"]);
});

it("an alarm whose work fails rings again, later each time, and works when the fault is gone", async () => {
  const run = await indexed();
  await run.create({ key: "a", pool: "box", instructions: "a" });
  await run.lease();
  const refused = vi.spyOn(console, "error").mockImplementation(() => undefined);
  const waits = await inObject(run, async ({ storage }, object) => {
    storage.sql.exec("ALTER TABLE log RENAME TO elsewhere");
    const after: number[] = [];
    using clock = new TestClock();
    for (let tries = 0; tries < 3; tries++) {
      clock.forward(leaseMs + 1);
      const now = Date.now();
      await object.alarm({ scheduledTime: now } as never);
      after.push((await storage.getAlarm())! - now);
    }
    storage.sql.exec("ALTER TABLE elsewhere RENAME TO log");
    await object.alarm({ scheduledTime: Date.now() } as never);
    return after;
  });
  refused.mockRestore();
  expect(waits).toEqual([1000, 2000, 4000]);
  expect((await run.task("a")).state).toBe("ready");
});
