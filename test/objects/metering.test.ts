/** What runs have used gets to D1 exactly once, whoever delivers it how often, and outlives them. */

import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { expect, it, vi } from "vitest";
import { meterQuestionMs, meterQuietMs, meterRowsMax, meterRunsPerQuestion, sweepEveryMs } from "../../src/limits.ts";
import { meterForQuestion, meterRuns } from "../../src/meter-runs.ts";
import { noAmounts } from "../../src/metering/meter.ts";
import { type Env, runStub } from "../../src/objects/env.ts";
import type { RunSchedulerRpc } from "../../src/objects/rpc.ts";
import { deleteRun, insertRun, setRunStatus } from "../../src/storage/d1/run-index.ts";
import { addUsage, meteredTo, sumUsage, unmetered, unmeteredRuns } from "../../src/storage/d1/usage.ts";
import { LogStore } from "../../src/storage/run/log-store.ts";
import { eventually } from "./lib/eventually.ts";
import { exported, imported } from "./lib/files.ts";
import { bindings, makeRun, TestClock, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const db = (env as { DB: D1Database }).DB;
const meterAll = (tenant: string) =>
  meterForQuestion(db, ({ id }) => runStub(bindings, tenant, id).meter(), { tenant });
const all = { from: 0, to: Number.MAX_SAFE_INTEGER, limit: 100 };

async function usedRun(more: Parameters<typeof makeRun>[0] = {}): Promise<TestRun> {
  const run = await makeRun(more);
  await insertRun(db, { tenant: run.tenant, id: run.id, name: null, createdAt: Date.now() });
  await run.create(
    { key: "a", pool: "box", instructions: "a", labels: { team: "red" } },
    { key: "b", pool: "box", instructions: "b" },
  );
  return run;
}

async function work(run: TestRun, tokens: number): Promise<void> {
  const lease = (await run.lease())!;
  const usage = { input_tokens: tokens, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 };
  value(
    await run.rpc.complete({ taskNumber: lease.taskNumber, fence: lease.fence }, { result: "done", usage } as never),
  );
}

const sums = async (run: TestRun, by: Parameters<typeof sumUsage>[2]["by"] = "run") =>
  (await sumUsage(db, run.tenant, { ...all, by })).map(({ value: of, input_tokens, output_tokens, tasks, events }) => ({
    ...{ of, input_tokens, output_tokens, tasks, events },
  }));

it("is delivered once, also by many at the same time, in stretches, and after the object was gone", async () => {
  const run = await usedRun({ key: "key_one" });
  await work(run, 10);
  await Promise.all(Array.from({ length: 5 }, () => run.rpc.meter()));
  const last = value(await run.rpc.meter());
  expect(last).toMatchObject({ upto: last.last, isEnded: false });
  expect(await sums(run)).toEqual([{ of: run.id, input_tokens: 10, output_tokens: 1, tasks: 2, events: last.last }]);
  await evictDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`));
  await work(run, 5);
  const again = value(await run.rpc.meter());
  expect(await sums(run)).toEqual([{ of: run.id, input_tokens: 15, output_tokens: 2, tasks: 2, events: again.last }]);
  expect(await sums(run, "key")).toMatchObject([{ of: "key_one", input_tokens: 15 }]);
  expect(await sums(run, { label: "team" })).toMatchObject([
    { of: "", tasks: 1 },
    { of: "red", tasks: 1 },
  ]);
  expect((await meteredTo(db, { tenant: run.tenant, id: run.id })).open).toEqual({});
  const position = await db.prepare("SELECT upto_at FROM usage_positions WHERE run = ?").bind(run.id).first();
  expect(position).toEqual({ upto_at: (await run.events()).at(-1)!.at });
});

it("of one command that made tasks of many labels is delivered in several transactions, each no larger than D1 takes", async () => {
  const run = await makeRun();
  const labelled = (n: number) => ({ pool: "box", instructions: "x", labels: { n: String(n) } });
  await run.create(...Array.from({ length: 3 * meterRowsMax }, (_, n) => labelled(n)));
  const statements: number[] = [];
  const batch = (all: D1PreparedStatement[]) => {
    statements.push(all.length);
    return db.batch(all);
  };
  await runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), (instance) => {
    const object = instance as unknown as { env: Env };
    object.env = { ...object.env, DB: { prepare: (sql: string) => db.prepare(sql), batch } as unknown as D1Database };
  });
  const { upto, last } = value(await run.rpc.meter());
  expect(upto).toBe(last);
  // Beside its rows: the position is begun, moved and read.
  expect(Math.max(...statements)).toBeLessThanOrEqual(meterRowsMax + 4);
  expect(await sums(run)).toEqual([
    { of: run.id, input_tokens: 0, output_tokens: 0, tasks: 3 * meterRowsMax, events: last },
  ]);
  expect(await sumUsage(db, run.tenant, { ...all, limit: 1000, by: { label: "n" } })).toHaveLength(
    3 * meterRowsMax + 1,
  );
});

it("is delivered before a deletion, also what is logged after a bug dropped the run from memory while it was metered", async () => {
  const run = await usedRun();
  await work(run, 10);
  let isFirst = true;
  const batch = async (all: D1PreparedStatement[]) => {
    const results = await db.batch(all);
    if (!isFirst) return results;
    isFirst = false;
    vi.spyOn(LogStore.prototype, "stage").mockImplementationOnce(() => {
      throw new Error("a bug");
    });
    // Not as a call from outside: what is thrown through one counts as nobody's.
    await runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), (instance) =>
      expect((instance as unknown as RunSchedulerRpc).pause()).rejects.toThrow("a bug"),
    );
    await work(run, 7);
    return results;
  };
  await runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), (instance) => {
    const object = instance as unknown as { env: Env };
    object.env = { ...object.env, DB: { prepare: (sql: string) => db.prepare(sql), batch } as unknown as D1Database };
  });
  value(await run.rpc.deleteRun());
  expect(await sums(run)).toMatchObject([{ of: run.id, input_tokens: 17, output_tokens: 2, tasks: 2 }]);
});

it("tells whoever was overtaken up to where it is metered, so that it goes on from there", async () => {
  const run = await usedRun();
  await work(run, 10);
  const name = { tenant: run.tenant, id: run.id };
  const { upto } = value(await run.rpc.meter());
  const late = { from: unmetered, to: { upto: upto - 1, at: 0, open: { 7: 1 } }, rows: [] };
  expect(await addUsage(db, { ...name, key: "" }, late)).toEqual({ upto, open: {}, life: 0 });
  expect(await meteredTo(db, name)).toEqual({ upto, open: {}, life: 0 });
});

it("is not counted again by a delivery that comes after the run was deleted; the next run of that id counts from its beginning", async () => {
  const run = await usedRun();
  await work(run, 10);
  const name = { tenant: run.tenant, id: run.id, key: "" };
  const row = { ...{ hour: 0, model: "", pool: "", labels: "" }, ...noAmounts(), inputTokens: 10, events: 1 };
  const late = { from: await meteredTo(db, name), to: { upto: 1, at: 0, open: {} }, rows: [row] };
  const { upto } = value(await run.rpc.meter());
  value(await run.rpc.deleteRun());
  const gone = { upto: 0, open: {}, life: 1 };
  expect(await addUsage(db, name, late)).toEqual(gone);
  // Deleting what is gone is no other life.
  await deleteRun(db, name);
  expect(await meteredTo(db, name)).toEqual(gone);
  expect(await sums(run)).toMatchObject([{ input_tokens: 10, events: upto }]);
  expect(await addUsage(db, name, { ...late, from: gone })).toEqual({ upto: 1, open: {}, life: 1 });
  expect(await sums(run)).toMatchObject([{ input_tokens: 20, events: upto + 1 }]);
});

it("is looked for until a run has ended and all is delivered, and again when it is reopened", async () => {
  const run = await usedRun();
  await work(run, 3);
  const isWaiting = async () => (await unmeteredRuns(db, 10, { tenant: run.tenant })).length === 1;
  expect(await meterAll(run.tenant)).toEqual({ isComplete: true });
  expect(await isWaiting()).toBe(true);
  value(await run.rpc.finishRun({ cancel: true }));
  await setRunStatus(db, { tenant: run.tenant, id: run.id }, "succeeded", Date.now());
  await meterAll(run.tenant);
  expect(await isWaiting()).toBe(false);
  await setRunStatus(db, { tenant: run.tenant, id: run.id }, "active", null);
  expect(await isWaiting()).toBe(true);
});

it("of runs that go on costs no row, however many there are; where a pass doesn't come to all, the next ones have their turn a minute later", async () => {
  const tenant = `ten_${crypto.randomUUID()}`;
  await db.prepare("INSERT INTO tenants (id, name, created_at) VALUES (?, 'idle', 1)").bind(tenant).run();
  const ids = Array.from({ length: 2 * meterRunsPerQuestion + 50 }, (_, n) => `run_${n}`);
  const insert = (id: string) => insertRun(db, { tenant, id, name: null, createdAt: 1 });
  const rows = async () =>
    (await db.prepare("SELECT * FROM runs WHERE tenant = ? ORDER BY id").bind(tenant).all()).results;
  const asked: string[] = [];
  const idle = async ({ id }: { id: string }) => {
    asked.push(id);
    return { ok: true, value: { upto: 1, last: 1, isEnded: id === ids[0], isQuiet: false } } as const;
  };
  for (const id of ids.slice(0, meterRunsPerQuestion)) await insert(id);
  expect(await meterForQuestion(db, idle, { tenant })).toEqual({ isComplete: true });
  expect(asked.toSorted()).toEqual(ids.slice(0, meterRunsPerQuestion).toSorted());
  for (const id of ids.slice(meterRunsPerQuestion)) await insert(id);
  const before = await rows();
  asked.length = 0;
  const begin = Date.now();
  for (let minute = 0; minute < 3; minute++) {
    vi.setSystemTime(begin + minute * sweepEveryMs);
    expect(await meterForQuestion(db, idle, { tenant })).toEqual({ isComplete: false });
  }
  vi.useRealTimers();
  expect(asked.toSorted()).toEqual(ids.toSorted());
  expect(await rows()).toEqual(before);
});

const waiting = async (run: TestRun) => (await unmeteredRuns(db, 10, { tenant: run.tenant })).length === 1;
const note = (run: TestRun) => ({ key: `n${crypto.randomUUID()}`, pool: "box", instructions: run.id });

for (const isGone of [false, true])
  it(`is not asked for of a live run that is quiet, until it goes on${isGone ? ", as another object" : ""}`, async () => {
    using clock = new TestClock();
    const run = await usedRun();
    await work(run, 3);
    clock.forward(meterQuietMs - 1);
    expect(await meterAll(run.tenant)).toEqual({ isComplete: true });
    expect(await waiting(run)).toBe(true);
    clock.forward(1);
    await meterAll(run.tenant);
    expect(await waiting(run)).toBe(false);
    const [before] = await sums(run);
    if (isGone) await run.evict();
    await run.create(note(run));
    await eventually(async () => expect(await waiting(run)).toBe(true));
    await meterAll(run.tenant);
    expect(await sums(run)).toMatchObject([{ tasks: before!.tasks + 1, events: (await run.view()).last_seq }]);
    // It is busy now: what it logs is told to nobody, and it stays among those that are asked.
    const { results } = await db.prepare("SELECT writes FROM runs WHERE id = ?").bind(run.id).all();
    await run.create(note(run));
    await run.create(note(run));
    expect((await db.prepare("SELECT writes FROM runs WHERE id = ?").bind(run.id).all()).results).toEqual(results);
    expect(await waiting(run)).toBe(true);
  });

it("is asked for of a run that went on while it was being noted as quiet", async () => {
  using clock = new TestClock();
  const run = await usedRun();
  clock.forward(meterQuietMs);
  const slowly = async () => {
    const reply = await run.rpc.meter();
    expect(value(reply).isQuiet).toBe(true);
    await run.create(note(run));
    await eventually(async () => {
      const row = await db.prepare("SELECT writes FROM runs WHERE id = ?").bind(run.id).first<{ writes: number }>();
      expect(row!.writes).toBe(1);
    });
    return reply;
  };
  await meterForQuestion(db, slowly, { tenant: run.tenant });
  expect(await waiting(run)).toBe(true);
});

it("of a run that was quiet when it ended is all that it used", async () => {
  using clock = new TestClock();
  const run = await usedRun();
  clock.forward(meterQuietMs);
  await meterAll(run.tenant);
  expect(await waiting(run)).toBe(false);
  value(await run.rpc.finishRun({ cancel: true }));
  await eventually(async () => {
    expect(await meterAll(run.tenant)).toEqual({ isComplete: true });
    expect(await sums(run)).toMatchObject([{ events: (await run.view()).last_seq }]);
    expect(await waiting(run)).toBe(false);
  });
});

it("of hours that are over is complete once every run has been read beyond them, however many go on", async () => {
  const tenant = `ten_${crypto.randomUUID()}`;
  await db.prepare("INSERT INTO tenants (id, name, created_at) VALUES (?, 'busy', 1)").bind(tenant).run();
  const ids = Array.from({ length: meterRunsPerQuestion + 50 }, (_, n) => `run_${n}`);
  await db.batch(
    ids.map((id) =>
      db.prepare("INSERT INTO runs (tenant, id, status, created_at) VALUES (?, ?, 'active', 1)").bind(tenant, id),
    ),
  );
  const over = 10 * 3_600_000;
  const asked: string[] = [];
  // Each has something new at every question, and was last metered when it was asked last.
  const busy = async ({ id }: { id: string }) => {
    asked.push(id);
    const from = await meteredTo(db, { tenant, id });
    await addUsage(
      db,
      { tenant, id, key: "" },
      { from, to: { upto: from.upto + 1, at: over + 1, open: {} }, rows: [] },
    );
    return { ok: true, value: { upto: from.upto + 1, last: from.upto + 1, isEnded: false, isQuiet: false } } as const;
  };
  const question = () => meterForQuestion(db, busy, { tenant, before: over });
  expect(await question()).toEqual({ isComplete: false });
  expect(await question()).toEqual({ isComplete: true });
  expect(asked.toSorted()).toEqual(ids.toSorted());
  asked.length = 0;
  expect(await question()).toEqual({ isComplete: true });
  expect(asked).toEqual([]);
  expect(await meterForQuestion(db, busy, { tenant, before: over + 2 })).toEqual({ isComplete: false });
});

it("is answered in time, and not as complete, where runs take long to say what they used", async () => {
  using clock = new TestClock();
  const tenant = `ten_${crypto.randomUUID()}`;
  const insert = db.prepare("INSERT INTO runs (tenant, id, status, created_at) VALUES (?, ?, 'active', 1)");
  await db.batch(Array.from({ length: 20 }, (_, n) => insert.bind(tenant, `run_${n}`)));
  let asked = 0;
  const slow = async () => {
    asked++;
    clock.forward(meterQuestionMs / 10);
    return { ok: true, value: { upto: 1, last: 1, isEnded: false, isQuiet: false } } as const;
  };
  expect(await meterForQuestion(db, slow, { tenant })).toEqual({ isComplete: false });
  expect(asked).toBe(10);
});

it("of every run is asked for sooner or later, though only some answer in the time that there is", async () => {
  using clock = new TestClock();
  const tenant = `ten_${crypto.randomUUID()}`;
  const insert = db.prepare("INSERT INTO runs (tenant, id, status, created_at) VALUES (?, ?, 'active', 1)");
  await db.batch(Array.from({ length: 20 }, (_, n) => insert.bind(tenant, `run_${n}`)));
  const asked = new Set<string>();
  const slow = async ({ id }: { id: string }) => {
    asked.add(id);
    clock.forward(meterQuestionMs / 10);
    return { ok: true, value: { upto: 1, last: 1, isEnded: false, isQuiet: false } } as const;
  };
  // Half of them each time, from anywhere: that one is never among them has a chance of one to a million million.
  for (let questions = 0; questions < 40; questions++) await meterForQuestion(db, slow, { tenant });
  expect(asked.size).toBe(20);
});

it("of two thousand busy runs of many tenants is delivered every two minutes, of each", async () => {
  using clock = new TestClock();
  const others = (await unmeteredRuns(db, 5000)).length;
  const insert = db.prepare("INSERT INTO runs (tenant, id, status, created_at) VALUES (?, ?, 'active', 1)");
  const prefix = `ten_${crypto.randomUUID()}`;
  // One tenant has half of them.
  const tenantOf = (n: number) => `${prefix}_${n < 1000 ? 0 : n % 20}`;
  const rows = Array.from({ length: 2000 - others }, (_, n) => insert.bind(tenantOf(n), `run_${n}`));
  for (let at = 0; at < rows.length; at += 100) await db.batch(rows.slice(at, at + 100));
  const asked = new Map<string, number>();
  const busy = async ({ tenant, id }: { tenant: string; id: string }) => {
    asked.set(`${tenant}/${id}`, (asked.get(`${tenant}/${id}`) ?? 0) + 1);
    return { ok: true, value: { upto: 1, last: 1, isEnded: false, isQuiet: false } } as const;
  };
  for (let minute = 0; minute < 4; minute++) {
    clock.forward(sweepEveryMs);
    await meterRuns(db, busy);
  }
  expect([asked.size, new Set(asked.values())]).toEqual([2000, new Set([2])]);
});

it("is looked for again when a run was reopened and ended once more while it was being metered", async () => {
  const run = await usedRun();
  value(await run.rpc.finishRun({ cancel: true }));
  const name = { tenant: run.tenant, id: run.id };
  await setRunStatus(db, name, "succeeded", 1000);
  const slowly = async () => {
    const reply = await run.rpc.meter();
    await setRunStatus(db, name, "active", null);
    await setRunStatus(db, name, "succeeded", 2000);
    return reply;
  };
  await meterForQuestion(db, slowly, { tenant: run.tenant });
  expect(await unmeteredRuns(db, 10, { tenant: run.tenant })).toHaveLength(1);
  await meterAll(run.tenant);
  expect(await unmeteredRuns(db, 10, { tenant: run.tenant })).toEqual([]);
});

it("is looked for again when a run that has ended logs something all the same", async () => {
  const run = await usedRun();
  value(await run.rpc.finishRun({ cancel: true }));
  const settled = async () =>
    eventually(async () => {
      expect(await meterAll(run.tenant)).toEqual({ isComplete: true });
      const [row] = await sums(run);
      const { last_seq } = await run.view();
      expect(row).toMatchObject({ events: last_seq });
      expect(await unmeteredRuns(db, 10, { tenant: run.tenant })).toEqual([]);
      return last_seq;
    });
  const ended = await settled();
  value(await run.rpc.setWebhook({ url: "https://10.9.8.7/in", events: ["run.*"] }));
  expect(await settled()).toBe(ended + 1);
});

it("of an imported run is what it uses here, and not what its file tells of", async () => {
  const run = await usedRun();
  await work(run, 11);
  const copy = await imported(run, await exported(run));
  value(await copy.rpc.resume());
  await work(copy, 4);
  const { upto, last } = value(await copy.rpc.meter());
  expect(upto).toBe(last);
  const [row] = await sums(copy);
  expect(row).toMatchObject({ of: copy.id, input_tokens: 4, output_tokens: 1, tasks: 0 });
});

it("outlives the run; one that gets its id anew is metered from its first event", async () => {
  const run = await usedRun();
  await work(run, 7);
  const before = value(await run.rpc.run()).last_seq;
  value(await run.rpc.deleteRun());
  expect(await sums(run)).toEqual([{ of: run.id, input_tokens: 7, output_tokens: 1, tasks: 2, events: before }]);
  const again = await makeRun({ tenant: run.tenant, run: run.id });
  await again.create({ key: "c", pool: "box", instructions: "c" });
  value(await again.rpc.meter());
  expect(await sums(run)).toMatchObject([{ tasks: 3, events: before + 2 }]);
});

it("of all tenants is summed up without a look at hours that nobody asked for", async () => {
  const hourMs = 3_600_000;
  // Long ago, where no other test has anything.
  const hours = [1, 2, 3].map((n) => n * hourMs);
  const names = ["one", "two"].map(() => `ten_${crypto.randomUUID()}`).sort();
  for (const [i, tenant] of names.entries()) {
    const rows = hours.map((hour, h) => ({
      ...noAmounts(),
      hour,
      model: "m",
      pool: "box",
      labels: "",
      inputTokens: 10 * (i + 1) + h,
    }));
    await addUsage(db, { tenant, id: "run_1", key: "" }, { from: unmetered, to: { upto: 1, at: 0, open: {} }, rows });
  }
  const asked: string[] = [];
  const watched = {
    prepare: (sql: string) => {
      asked.push(sql);
      return db.prepare(sql);
    },
  } as D1Database;
  const range = { from: hours[1]!, to: hours[2]!, limit: 100 };
  const byTenant = await sumUsage(watched, undefined, { ...range, by: "tenant" });
  expect(byTenant.map((row) => [row.value, row.input_tokens])).toEqual([
    [names[0], 11],
    [names[1], 21],
  ]);
  const byHour = await sumUsage(watched, undefined, { ...range, to: hours[2]! + hourMs, by: "hour", after: hours[1]! });
  expect(byHour.map((row) => [row.value, row.input_tokens])).toEqual([[hours[2], 34]]);
  for (const sql of asked) {
    const binds = sql.match(/\?/g)!.map(() => null);
    const { results } = await db
      .prepare(`EXPLAIN QUERY PLAN ${sql}`)
      .bind(...binds)
      .all<{ detail: string }>();
    const plan = results.map(({ detail }) => detail);
    expect(plan).toContain("SEARCH usage USING PRIMARY KEY (tenant=? AND hour>? AND hour<?)");
    expect(plan).not.toContain("SCAN usage");
  }
});
