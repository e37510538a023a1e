/** The cron sweep, the last net: what no alarm did is done, and the run index tells the truth. */

import { createScheduledController } from "cloudflare:test";
import { expect, it, vi } from "vitest";
import { leaseMs } from "../../src/limits.ts";
import worker from "../../src/local/index.ts";
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
