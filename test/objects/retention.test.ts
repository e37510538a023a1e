/** Runs that have ended are deleted when their time is over, and no other ones are. */

import { createScheduledController, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { dayMs, retentionDaysDefault, retentionGraceMs } from "../../src/limits.ts";
import worker from "../../src/local/index.ts";
import { expireRuns } from "../../src/objects/retention.ts";
import type { CreateRunInput } from "../../src/objects/rpc.ts";
import { insertRun, listRuns, type RunRow } from "../../src/storage/d1/run-index.ts";
import { eventually } from "./lib/eventually.ts";
import { exported, imported } from "./lib/files.ts";
import { bindings, codeOf, makeRun, TestClock, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const sweep = (): Promise<void> => worker.scheduled(createScheduledController(), bindings);

const rowOf = async (run: TestRun): Promise<RunRow | undefined> =>
  (await listRuns(bindings.DB, run.tenant, 100)).find(({ id }) => id === run.id);

async function indexed(input: Partial<CreateRunInput> = {}): Promise<TestRun> {
  const run = await makeRun(input);
  await insertRun(bindings.DB, { tenant: run.tenant, id: run.id, name: null, createdAt: Date.now() });
  return run;
}

/** A run that has ended, and whose row says so. */
async function ended(input: Partial<CreateRunInput> = {}): Promise<TestRun> {
  const run = await indexed(input);
  await run.create({ key: "a", pool: "box", instructions: "a" });
  const lease = (await run.lease())!;
  value(await run.rpc.complete(lease, { result: "done", next: false, worker: "w" }));
  value(await run.rpc.callTool({ tool: "atomic", arguments: '{"op":"add","name":"v","delta":1}', waitMs: 0 }));
  value(await run.rpc.finishRun({ cancel: false }));
  await eventually(async () => expect((await rowOf(run))?.expires_at).not.toBeNull());
  return run;
}

/** The objects' clock may be some milliseconds ahead of one that has just been stopped: so times are counted from what a run says. */
const goTo = (clock: TestClock, at: number): void => clock.forward(at - clock.now);
const expiryOf = async (run: TestRun): Promise<number> => (await run.view()).expires_at!;

const isThere = async (run: TestRun): Promise<boolean> => codeOf(await run.rpc.run()) === "ok";

const tablesOf = (stub: DurableObjectStub): Promise<unknown[]> =>
  runInDurableObject(stub, (_, { storage }) =>
    storage.sql.exec("SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'").toArray(),
  );

describe("a run that has ended", () => {
  it("is kept for thirty days, and then deleted with everything it has", async () => {
    using clock = new TestClock();
    const run = await ended();
    const goesOn = await indexed();
    const { ended_at, expires_at, retention_days } = await run.view();
    expect(retention_days).toBe(retentionDaysDefault);
    expect(expires_at).toBe(ended_at! + retentionDaysDefault * dayMs);
    expect(await rowOf(run)).toMatchObject({ ended_at, expires_at });
    expect(await goesOn.view()).toMatchObject({ ended_at: null, expires_at: null });

    goTo(clock, expires_at! - 1);
    await sweep();
    expect(await isThere(run)).toBe(true);

    goTo(clock, expires_at!);
    await sweep();
    expect(codeOf(await run.rpc.run())).toBe("not_found");
    expect(codeOf(await run.rpc.events({ after: 0, limit: 1, waitMs: 0 }))).toBe("not_found");
    expect(await rowOf(run)).toBeUndefined();
    expect(await tablesOf(bindings.RUNS.getByName(`${run.tenant}/${run.id}`))).toEqual([]);
    // The row by which it refuses what comes late.
    expect(await tablesOf(bindings.VARIABLES.getByName(`${run.tenant}/${run.id}/v`))).toEqual([{ name: "deleted" }]);
  });

  it("is kept as long as its own creation says", async () => {
    using clock = new TestClock();
    const [short, long] = [await ended({ retentionDays: 1 }), await ended({ retentionDays: 90 })];
    expect(await long.view()).toMatchObject({ retention_days: 90 });
    goTo(clock, await expiryOf(short));
    await sweep();
    expect([await isThere(short), await isThere(long)]).toEqual([false, true]);
    goTo(clock, (await expiryOf(long)) - 1);
    await sweep();
    expect(await isThere(long)).toBe(true);
    clock.forward(1);
    await sweep();
    expect(await isThere(long)).toBe(false);
  });

  it("is kept longer, or less long, when somebody says so after its end", async () => {
    using clock = new TestClock();
    const [longer, less] = [await ended(), await ended()];
    const { ended_at } = await longer.view();
    expect(value(await longer.rpc.retainRun(60))).toMatchObject({ expires_at: ended_at! + 60 * dayMs });
    await less.rpc.retainRun(2);
    await eventually(async () => expect((await rowOf(less))?.expires_at).toBe((await less.view()).expires_at));
    // It survives the object's memory: it is in the log.
    await longer.evict();
    expect(await longer.view()).toMatchObject({ retention_days: 60, expires_at: ended_at! + 60 * dayMs });
    goTo(clock, await expiryOf(less));
    await sweep();
    expect([await isThere(longer), await isThere(less)]).toEqual([true, false]);
    goTo(clock, (await expiryOf(longer)) - 1);
    await sweep();
    expect(await isThere(longer)).toBe(true);
    clock.forward(1);
    await sweep();
    expect(await isThere(longer)).toBe(false);
  });

  it("stays when it was reopened, and when its word to the index was lost", async () => {
    using clock = new TestClock();
    const [reopened, unheard] = [await ended(), await ended()];
    value(await reopened.rpc.retryTask("a", undefined));
    await unheard.rpc.retainRun(90);
    clock.forward(retentionDaysDefault * dayMs);
    const name = bindings.DB.prepare("UPDATE runs SET expires_at = 1, status = 'failed', ended_at = 1 WHERE id = ?");
    await name.bind(reopened.id).run();
    await name.bind(unheard.id).run();
    await sweep();
    expect([await isThere(reopened), await isThere(unheard)]).toEqual([true, true]);
    expect(await rowOf(reopened)).toMatchObject({ status: "active", ended_at: null, expires_at: null });
    expect(await rowOf(unheard)).toMatchObject({ status: "succeeded", expires_at: (await unheard.view()).expires_at });
  });

  it("counts its days from its import, when it came from a file", async () => {
    using clock = new TestClock();
    const run = await ended({ retentionDays: 3 });
    const file = await exported(run);
    clock.forward(2 * retentionDaysDefault * dayMs);
    const copy = await imported(run, file);
    expect((await copy.view()).expires_at).toBe(clock.now + 3 * dayMs);
    await sweep();
    expect([await isThere(run), await isThere(copy)]).toEqual([false, true]);
  });
});

describe("a deployment", () => {
  it("that keeps all deletes none, and one that begins to delete gives a week", async () => {
    using clock = new TestClock();
    const run = await ended();
    await bindings.DB.prepare("UPDATE runs SET expires_at = NULL WHERE id = ?").bind(run.id).run();
    clock.forward(2 * retentionDaysDefault * dayMs);
    await expireRuns({ ...bindings, HEDDLE_RETENTION_DAYS: "keep" });
    await expireRuns({ ...bindings, HEDDLE_RETENTION_DAYS: "a month" });
    expect((await rowOf(run))?.expires_at).toBeNull();
    await sweep();
    expect((await rowOf(run))?.expires_at).toBe(clock.now + retentionGraceMs);
    clock.forward(retentionGraceMs - 1);
    await sweep();
    expect(await isThere(run)).toBe(true);
    clock.forward(1);
    await sweep();
    expect(await isThere(run)).toBe(false);
  });

  it("deletes so many in a pass, and is not held up by one that can't be deleted", async () => {
    using clock = new TestClock();
    await bindings.DB.exec("DELETE FROM runs");
    const broken = await ended({ retentionDays: 1 });
    const well = await ended({ retentionDays: 2 });
    const RUNS = {
      getByName: (name: string) =>
        name.endsWith(broken.id)
          ? { expire: () => Promise.reject(new Error("broken")) }
          : bindings.RUNS.getByName(name),
    } as unknown as DurableObjectNamespace;
    goTo(clock, await expiryOf(well));
    await expireRuns({ ...bindings, RUNS }, clock.now, 1);
    expect([await isThere(broken), await isThere(well)]).toEqual([true, true]);
    await expireRuns({ ...bindings, RUNS }, clock.now, 1);
    expect([await isThere(broken), await isThere(well)]).toEqual([true, false]);
    clock.forward(dayMs);
    await sweep();
    expect(await isThere(broken)).toBe(false);
  });

  it("removes the row of a run whose deletion did not come to it", async () => {
    const run = await ended();
    await bindings.DB.prepare("UPDATE runs SET expires_at = 1 WHERE id = ?").bind(run.id).run();
    await runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), (_, { storage }) =>
      storage.deleteAll(),
    );
    await run.evict();
    await sweep();
    expect(await rowOf(run)).toBeUndefined();
  });
});
