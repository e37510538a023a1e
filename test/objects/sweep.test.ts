/** The cron sweep, the last net: what no alarm did is done, and the run index tells the truth. */

import { createScheduledController, runInDurableObject } from "cloudflare:test";
import { expect, it, vi } from "vitest";
import { alarmUnheardMs, indexSettledMs, leaseMs } from "../../src/limits.ts";
import worker from "../../src/local/index.ts";
import { RunScheduler } from "../../src/objects/run-scheduler.ts";
import { insertRun, listRuns, markChecked, setRunStatus, uncheckedRuns } from "../../src/storage/d1/run-index.ts";
import { eventually } from "./lib/eventually.ts";
import { exported, imported } from "./lib/files.ts";
import { bindings, evictGate, makeRun, newTenant, TestClock, TestRun, value } from "./lib/runs.ts";
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
  await eventually(async () => expect(await statusOf(run.tenant, run.id)).toBe("succeeded"));
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

it("gives the row of an imported run its name and age, which nobody has told it: the import's door died before", async () => {
  const run = await makeRun({ name: "report" });
  value(await run.rpc.finishRun({ cancel: false }));
  const copy = await imported(run, await exported(run));
  await insertRun(bindings.DB, { tenant: copy.tenant, id: copy.id, name: null, createdAt: Date.now() + 1 });
  await sweep();
  const { name, created_at } = await copy.view();
  expect(name).toBe("report");
  expect(await listRuns(bindings.DB, copy.tenant, 9)).toMatchObject([{ name, created_at, status: "succeeded" }]);
});

it("lists no imported run again that is deleted while its name is on its way", async () => {
  const run = await makeRun({ name: "report" });
  value(await run.rpc.finishRun({ cancel: false }));
  const copy = await imported(run, await exported(run));
  await insertRun(bindings.DB, { tenant: copy.tenant, id: copy.id, name: null, createdAt: Date.now() + 1 });
  const { sweep: visit } = RunScheduler.prototype;
  const visits = vi.spyOn(RunScheduler.prototype, "sweep").mockImplementation(async function (this: RunScheduler, row) {
    const reply = await visit.call(this, row);
    if (reply.ok && reply.value.imported) value(await copy.rpc.deleteRun());
    return reply;
  });
  try {
    await sweep();
  } finally {
    visits.mockRestore();
  }
  expect(await listRuns(bindings.DB, copy.tenant, 9)).toEqual([]);
});

it("hears from a run that was reopened that it is live, though the first word of that got lost with the object's memory", async () => {
  const run = await indexed();
  await run.create({ key: "a", pool: "box", instructions: "a" });
  value(await run.rpc.finishRun({ cancel: true }));
  await eventually(async () => expect(await statusOf(run.tenant, run.id)).toBe("succeeded"));
  await sweep();
  value(await run.rpc.retryTask("a", undefined));
  await eventually(async () => expect(await statusOf(run.tenant, run.id)).toBe("active"));
  // As if it had not come, and the sweep has seen what there was before it: it comes by no more.
  const before = "UPDATE runs SET status = 'succeeded', ended_at = 1, checked = writes WHERE id = ?";
  await bindings.DB.prepare(before).bind(run.id).run();
  await run.evict();
  await run.view();
  await eventually(async () => expect(await statusOf(run.tenant, run.id)).toBe("active"));
});

it("has a run metered again whose word that it is quiet no more got lost", async () => {
  const run = await indexed();
  const quietAt = (await run.view()).last_seq;
  await run.create({ key: "a", pool: "box", instructions: "a" });
  const lost = "UPDATE runs SET metered = 1, metered_at = ? WHERE id = ?";
  const isMetered = async () =>
    (await bindings.DB.prepare("SELECT metered FROM runs WHERE id = ?").bind(run.id).first<{ metered: number }>())!
      .metered;
  await bindings.DB.prepare(lost).bind(quietAt, run.id).run();
  await sweep();
  expect(await isMetered()).toBe(0);
  // One that says the truth stays.
  await bindings.DB.prepare(lost)
    .bind((await run.view()).last_seq, run.id)
    .run();
  await sweep();
  expect(await isMetered()).toBe(1);
});

it("[X1] corrects the index of a live run that it has as ended, because an older word came last", async () => {
  const run = await indexed();
  await run.create({ key: "a", pool: "box", instructions: "a" });
  value(await run.rpc.finishRun({ cancel: true }));
  await eventually(async () => expect(await statusOf(run.tenant, run.id)).toBe("succeeded"));
  value(await run.rpc.retryTask("a", undefined));
  await eventually(async () => expect(await statusOf(run.tenant, run.id)).toBe("active"));
  await sweep();
  const { DB } = bindings;
  await setRunStatus(DB, { tenant: run.tenant, id: run.id }, "succeeded", Date.now());
  await sweep();
  expect(await statusOf(run.tenant, run.id)).toBe("active");
  // What is right is compared once, and not visited again.
  value(await run.rpc.finishRun({ cancel: true }));
  await eventually(async () => expect(await statusOf(run.tenant, run.id)).toBe("succeeded"));
  const isUnchecked = async () => (await uncheckedRuns(DB, 1000)).some(({ id }) => id === run.id);
  expect(await isUnchecked()).toBe(true);
  await sweep();
  expect(await isUnchecked()).toBe(false);
});

it.each(["ended", "paused"])(
  "says nothing new of a run that is %s, however often its object is loaded again",
  async (state) => {
    const run = await indexed();
    await run.create({ key: "a", pool: "box", instructions: "a" });
    value(await (state === "ended" ? run.rpc.finishRun({ cancel: true }) : run.rpc.pause()));
    const row = () =>
      bindings.DB.prepare("SELECT * FROM runs WHERE id = ?").bind(run.id).first<Record<string, unknown>>();
    await eventually(async () =>
      expect(await row()).toMatchObject({ status: state === "ended" ? "succeeded" : state }),
    );
    // A deployment's objects leave memory ten seconds after their last call: between two sweeps each time.
    const reloadAndSweep = async () => {
      await run.view();
      await run.evict();
      await sweep();
    };
    for (let i = 0; i < 3; i++) await reloadAndSweep();
    const before = await row();
    for (let i = 0; i < 2; i++) await reloadAndSweep();
    await run.view();
    // Waits for what the object does after its answers.
    await run.evict();
    expect(await row()).toEqual(before);
    expect((await uncheckedRuns(bindings.DB, 1000)).some(({ id }) => id === run.id)).toBe(false);
  },
);

it("[X1] a word that is written while another is compared is compared as well", async () => {
  const { DB } = bindings;
  const name = { tenant: newTenant(), id: "run_55555555555555555555" };
  await insertRun(DB, { ...name, name: null, createdAt: 1 });
  await setRunStatus(DB, name, "failed", 5);
  const [row] = (await uncheckedRuns(DB, 1000)).filter(({ id }) => id === name.id);
  await setRunStatus(DB, name, "failed", 6);
  await markChecked(DB, [row!]);
  expect((await uncheckedRuns(DB, 1000)).filter(({ id }) => id === name.id)).toHaveLength(1);
});

const kinds = async (run: TestRun) =>
  value(await run.rpc.findings({ limit: 10 })).rows.map(({ kind, message }) => [kind, message]);

it("a wrong word of the index is a finding when it is older than a word of ours that is under way could be", async () => {
  using clock = new TestClock();
  const run = await indexed();
  const wrong = () => bindings.DB.prepare("UPDATE runs SET status = 'paused' WHERE id = ?").bind(run.id).run();
  await wrong();
  await sweep();
  expect([await statusOf(run.tenant, run.id), await kinds(run)]).toEqual(["active", []]);
  clock.forward(indexSettledMs);
  await wrong();
  await sweep();
  await sweep();
  expect(await kinds(run)).toEqual([["repaired", expect.stringContaining("had it as paused")]]);
});

it("what the gate has forgotten is told again, and a finding; what it knows is none", async () => {
  const run = await indexed();
  await run.create({ key: "a", pool: "box", instructions: "a" });
  const gate = bindings.GATES.getByName(run.tenant);
  const rowsOf = () =>
    runInDurableObject(gate, (_, { storage }) => storage.sql.exec("SELECT pool, run FROM ready").toArray());
  await eventually(async () => expect(await rowsOf()).toHaveLength(1));
  await sweep();
  await sweep();
  expect(await kinds(run)).toEqual([]);
  await runInDurableObject(gate, (_, { storage }) => storage.sql.exec("DELETE FROM ready"));
  await evictGate(run.tenant);
  await sweep();
  await eventually(async () => expect(await kinds(run)).toEqual([["repaired", expect.stringContaining('"box"')]]));
  expect(await rowsOf()).toEqual([{ pool: "box", run: run.id }]);
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

it("an alarm that is set and has not rung is a finding, when it is later than the platform's may be", async () => {
  using clock = new TestClock();
  const run = await indexed();
  await run.create({ key: "a", pool: "box", instructions: "a" });
  await run.lease();
  // The platform's clock does not move with ours: to the object its alarm has not rung.
  clock.forward(leaseMs + 1000);
  await sweep();
  expect((await run.task("a")).state).toBe("ready");
  expect(await kinds(run)).toEqual([]);
  await run.lease();
  clock.forward(leaseMs + alarmUnheardMs + 1000);
  await sweep();
  expect(await kinds(run)).toEqual([["repaired", expect.stringContaining("had not rung")]]);
});

it("an alarm that a call set anew, having found it overdue, had not rung: nothing set it too late", async () => {
  using clock = new TestClock();
  const run = await indexed();
  await run.create({ key: "a", pool: "box", instructions: "a" }, { key: "b", pool: "box", instructions: "b" });
  await run.lease();
  const { taskNumber, fence } = (await run.lease())!;
  const renewed = async () => value(await run.rpc.renew({ taskNumber, fence }));
  clock.forward(leaseMs + 30_000);
  await renewed();
  await sweep();
  // Later than it should, and no later than the platform's may be.
  expect(await kinds(run)).toEqual([]);
  await run.lease();
  await renewed();
  clock.forward(leaseMs + alarmUnheardMs + 1000);
  await renewed();
  await sweep();
  expect(await kinds(run)).toEqual([["repaired", expect.stringContaining("had not rung")]]);
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
