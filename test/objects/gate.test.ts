/** TenantGate: pull workers are served from all runs of their tenant, in turn. */

import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import type { Grant, LeaseGrant } from "../../src/contract/shapes.ts";
import { noUse } from "../../src/fairness/use.ts";
import {
  idempotencyMs,
  outcomesDropEveryMs,
  poolWorkerSeenMs,
  rowInRowsRead,
  slowRunMs,
  storedToldEveryMs,
} from "../../src/limits.ts";
import type { Env } from "../../src/objects/env.ts";
import type { Idem, Reply, RunSchedulerRpc, TenantGateRpc } from "../../src/objects/rpc.ts";
import { RunScheduler } from "../../src/objects/run-scheduler.ts";
import { TenantQuotas } from "../../src/objects/tenant-quotas.ts";
import { insertTenant } from "../../src/storage/d1/tenants.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, codeOf, evictGate, gateOf, makeRun, newTenant, TestClock, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const box = (key: string) => ({ key, pool: "box", instructions: `do ${key}` });

const ask = (tenant: string, more: { max?: number; waitMs?: number; pool?: string; worker?: string } = {}) =>
  gateOf(tenant).lease({ tenant, pool: "box", worker: "w", max: 1, waitMs: 0, ...more });

const idemOf = (key: string) => ({ key, fingerprint: "f" });

/** Keys whose answers the gate has kept. */
const keptKeys = (tenant: string): Promise<string[]> =>
  runInDurableObject(bindings.GATES.getByName(tenant), (_, { storage }) =>
    storage.sql
      .exec<{ name: string }>("SELECT name FROM outcomes ORDER BY name")
      .toArray()
      .map(({ name }) => name),
  );

const lanes = (tenant: string): Promise<unknown[]> =>
  runInDurableObject(bindings.GATES.getByName(tenant), (_, { storage }) => {
    // A gate that has been told nothing yet has no tables.
    const isMade = storage.sql.exec("SELECT 1 FROM sqlite_master WHERE name = 'ready'").toArray().length > 0;
    return isMade ? storage.sql.exec("SELECT * FROM ready").toArray() : [];
  });

/** A lease request whose gate ends with its call of a run, before or after that has carried it out: it never hears which. */
async function cutOff(input: Parameters<TenantGateRpc["lease"]>[0], key: string, does: "nothing" | "all") {
  const { tenant } = input;
  // Not as a call from outside: what is thrown through one counts as nobody's.
  const said = await runInDurableObject(bindings.GATES.getByName(tenant), (instance) => {
    const gate = instance as unknown as TenantGateRpc & { env: Env };
    const getByName = (name: string) => ({
      leases: async (...ask: Parameters<RunSchedulerRpc["leases"]>) => {
        if (does === "all") await (bindings.RUNS.getByName(name) as unknown as RunSchedulerRpc).leases(...ask);
        // As the platform marks what was cut off.
        throw Object.assign(new Error("cut off"), { retryable: true });
      },
    });
    gate.env = { ...gate.env, RUNS: { getByName } as unknown as Env["RUNS"] };
    return gate.lease(input, idemOf(key)).catch((error: Error) => error.message);
  });
  expect(said).toBe("cut off");
  await evictGate(tenant);
}

/** The gate's calls of runs are answered by this, where it answers anything. */
const intercepted = (tenant: string, answer: (run: string) => Promise<Reply<Grant[]>> | undefined): Promise<void> =>
  runInDurableObject(bindings.GATES.getByName(tenant), (instance) => {
    const gate = instance as unknown as { env: Env };
    const getByName = (name: string) => ({
      leases: (...ask: Parameters<RunSchedulerRpc["leases"]>) =>
        answer(name.split("/")[1]!) ?? (bindings.RUNS.getByName(name) as unknown as RunSchedulerRpc).leases(...ask),
    });
    gate.env = { ...gate.env, RUNS: { getByName } as unknown as Env["RUNS"] };
  });

const waitingIn = (tenant: string, count: number) =>
  eventually(async () => expect(value(await gateOf(tenant).pool({ pool: "box", limit: 1 })).waiting).toBe(count));

const asking = (tenant: string, worker: string) => ({ tenant, pool: "box", worker, max: 1, waitMs: 0 });

/** Of polls that are to find something: they are answered when there is something. */
const patientMs = 20_000;

/** Announcements come after the run's commit: asked until one has arrived. */
const leased = async (tenant: string, max = 1): Promise<LeaseGrant[]> =>
  value(await ask(tenant, { max, waitMs: patientMs })) as LeaseGrant[];

const complete = (run: TestRun, lease: Grant) => run.rpc.complete(lease, { result: "ok", next: false, worker: "w" });

async function twoRuns(tenant: string): Promise<[TestRun, TestRun]> {
  const runs = [await makeRun({ tenant }), await makeRun({ tenant })] as [TestRun, TestRun];
  for (const run of runs) await run.create(...["a", "b", "c", "d"].map(box));
  return runs;
}

/** As the door knows it. */
async function storedOf(tenant: string): Promise<number | undefined> {
  const found = bindings.DB.prepare("SELECT stored_bytes FROM tenants WHERE id = ?").bind(tenant);
  return (await found.first<{ stored_bytes: number }>())?.stored_bytes;
}

/** Quotas of a gate that stores nothing (`exec`), with a D1 that tells them (`first`) and is told what is stored (`run`). */
function quotasOver({
  first = async () => null,
  run = async () => undefined,
  exec = () => undefined,
}: {
  first?: () => Promise<unknown>;
  run?: (bytes: unknown) => Promise<unknown>;
  exec?: (sql: string) => unknown;
}): TenantQuotas {
  const bind = (bytes: unknown) => ({ run: () => run(bytes), first });
  return new TenantQuotas({
    db: () => ({ prepare: () => ({ bind }) }) as unknown as D1Database,
    sql: () => ({ exec: (sql: string) => ({ rows: exec(sql), toArray: () => [] }) }) as unknown as SqlStorage,
    waitUntil: () => {},
  });
}

describe("the gate", () => {
  it("serves two runs in turn", async () => {
    const tenant = newTenant();
    const [one, two] = await twoRuns(tenant);
    await eventually(async () => {
      // Both have announced themselves.
      const [grant] = value(await ask(tenant));
      expect(grant).toBeDefined();
      value(
        await (grant!.run === one.id ? one : two).rpc.fail(grant!, {
          error: { code: "x", message: "" },
          retryable: false,
        }),
      );
      expect(grant!.run).toBe(two.id);
    });
    const order: string[] = [];
    for (let i = 0; i < 6; i++) order.push((await leased(tenant))[0]!.run);
    expect(order.filter((id, i) => i > 0 && id === order[i - 1])).toEqual([]);
    expect(new Set(order)).toEqual(new Set([one.id, two.id]));
  });

  it("[G5] gives what other runs have though one can't be reached, which is left in its lane", async () => {
    const tenant = newTenant();
    const [one, two] = await twoRuns(tenant);
    await eventually(async () => expect(await lanes(tenant)).toHaveLength(2));
    let isAway = true;
    await intercepted(tenant, (run) => (run === two.id && isAway ? Promise.reject(new Error("away")) : undefined));
    expect((await leased(tenant, 8)).map(({ run }) => run)).toEqual(Array.from({ length: 4 }, () => one.id));
    isAway = false;
    expect((await leased(tenant, 8)).map(({ run }) => run)).toEqual(Array.from({ length: 4 }, () => two.id));
  });

  it("[G6] gives who has a key what other runs have though one breaks, and the same to who repeats the request", async () => {
    const tenant = newTenant();
    const [one, two] = await twoRuns(tenant);
    await eventually(async () => expect(await lanes(tenant)).toHaveLength(2));
    let isBroken = true;
    await intercepted(tenant, (run) => (run === two.id && isBroken ? Promise.reject(new Error("a bug")) : undefined));
    const input = { tenant, pool: "box", worker: "w", max: 8, waitMs: patientMs };
    const first = value(await gateOf(tenant).lease(input, idemOf("k")));
    expect(first.map(({ run }) => run)).toEqual(Array.from({ length: 4 }, () => one.id));
    expect(value(await gateOf(tenant).lease(input, idemOf("k")))).toEqual(first);
    isBroken = false;
    const others = value(await gateOf(tenant).lease(input, idemOf("l")));
    expect(others.map(({ run }) => run)).toEqual(Array.from({ length: 4 }, () => two.id));
  });

  it("[G6] asks a run that broke once more, for what it has granted all the same", async () => {
    const tenant = newTenant();
    const [one, two] = await twoRuns(tenant);
    await eventually(async () => expect(await lanes(tenant)).toHaveLength(2));
    const asked = { pool: "box", worker: "w", max: 8, contextBytes: 1e6 };
    let granted: Grant[] = [];
    const breaks = async () => {
      granted = value(await two.rpc.leases(asked, idemOf("k")));
      throw new Error("a bug after the commit");
    };
    await intercepted(tenant, (run) => (run === two.id && granted.length === 0 ? breaks() : undefined));
    const found = value(
      await gateOf(tenant).lease({ tenant, pool: "box", worker: "w", max: 8, waitMs: 0 }, idemOf("k")),
    );
    expect(granted).toHaveLength(4);
    expect(found.map(({ run }) => run).sort()).toEqual([one.id, two.id].flatMap((id) => Array(4).fill(id)).sort());
  });

  it("[G6] tells who repeats the request what a run had granted that broke both times, whoever was asked after it", async () => {
    const tenant = newTenant();
    const [one, two] = await twoRuns(tenant);
    await eventually(async () => expect(await lanes(tenant)).toHaveLength(2));
    let isBroken = true;
    const breaks = async () => {
      value(await one.rpc.leases({ pool: "box", worker: "w", max: 8, contextBytes: 1e6 }, idemOf("k")));
      throw new Error("a bug after the commit");
    };
    await intercepted(tenant, (run) => (run === one.id && isBroken ? breaks() : undefined));
    const runsOf = async () =>
      value(await gateOf(tenant).lease({ tenant, pool: "box", worker: "w", max: 8, waitMs: 0 }, idemOf("k")))
        .map(({ run }) => run)
        .sort();
    expect(await runsOf()).toEqual(Array(4).fill(two.id));
    isBroken = false;
    expect(await runsOf()).toEqual([one.id, two.id].flatMap((id) => Array(4).fill(id)).sort());
  });

  it("[G5] tells who has a key at once of a run that can't be reached, and his repeat what all have granted", async () => {
    const tenant = newTenant();
    const [, two] = await twoRuns(tenant);
    await eventually(async () => expect(await lanes(tenant)).toHaveLength(2));
    let isAway = true;
    const away = () => Promise.reject(Object.assign(new Error("away"), { retryable: true }));
    await intercepted(tenant, (run) => (run === two.id && isAway ? away() : undefined));
    const input = { tenant, pool: "box", worker: "w", max: 8, waitMs: 0 };
    const said = await runInDurableObject(bindings.GATES.getByName(tenant), (gate) =>
      (gate as unknown as TenantGateRpc).lease(input, idemOf("k")).catch((error: Error) => error.message),
    );
    expect(said).toBe("away");
    isAway = false;
    expect(value(await gateOf(tenant).lease(input, idemOf("k")))).toHaveLength(8);
  });

  it("tells the door of a deletion though it has left memory since the last report of a run", async () => {
    const tenant = newTenant();
    await insertTenant(bindings.DB, { id: tenant, name: "t", created_at: 0 }).run();
    const run = await makeRun({ tenant });
    await run.create(box("a"));
    await eventually(async () => expect(await storedOf(tenant)).not.toBe(0));
    await evictGate(tenant);
    value(await run.rpc.deleteRun());
    await eventually(async () => expect(await storedOf(tenant)).toBe(0));
  });

  it("[W3] tells the door one sum of what is stored at a time, and then the newest", async () => {
    using clock = new TestClock();
    const words: { readonly bytes: unknown; readonly arrive: () => void }[] = [];
    const run = (bytes: unknown) => new Promise((resolve) => words.push({ bytes, arrive: () => resolve(undefined) }));
    const quotas = quotasOver({ run });
    const tokens = { spent: 0, isFresh: true, wants: false };
    const report = (id: string, bytes: number) =>
      quotas.report({ tenant: "t", run: id, demand: 0, use: noUse, tokens, bytes });
    for (const id of ["a", "b", "c"]) await report(id, 1e6);
    for (const id of ["a", "b", "c"]) quotas.forget("t", id);
    expect(words).toMatchObject([{ bytes: 1e6 }]);
    words[0]!.arrive();
    await eventually(() => expect(words).toMatchObject([{}, { bytes: 0 }]));

    // What has time until the next word keeps it, though a word was under way when it came.
    await report("d", 1e6);
    words[1]!.arrive();
    await new Promise((resolve) => setTimeout(resolve));
    expect(words).toHaveLength(2);
    clock.forward(storedToldEveryMs);
    await report("d", 2e6);
    expect(words).toMatchObject([{}, {}, { bytes: 2e6 }]);
  });

  it("[W3] says again what D1 did not take, though nothing changes any more", async () => {
    vi.useFakeTimers({ toFake: ["Date", "setTimeout", "clearTimeout"] });
    try {
      const words: unknown[] = [];
      const quotas = quotasOver({
        run: async (bytes) => {
          words.push(bytes);
          if (words.length > 1 && words.length < 4) throw new Error("away");
        },
      });
      const tokens = { spent: 0, isFresh: true, wants: false };
      await quotas.report({ tenant: "t", run: "a", demand: 0, use: noUse, tokens, bytes: 1e6 });
      await vi.advanceTimersByTimeAsync(0);
      quotas.forget("t", "a");
      for (const told of [
        [1e6, 0],
        [1e6, 0, 0],
        [1e6, 0, 0, 0],
        [1e6, 0, 0, 0],
      ]) {
        expect(words).toEqual(told);
        await vi.advanceTimersByTimeAsync(storedToldEveryMs);
      }
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  it("[W1] counts nothing that was used while there was no quota, when one is set again", async () => {
    let perDay: object = { tokens_per_day: 100_000 };
    const quotas = quotasOver({ first: async () => ({ quotas: JSON.stringify(perDay) }) });
    const report = (spent: number) => {
      quotas.changed();
      const tokens = { spent, isFresh: false, wants: true };
      return quotas.report({ tenant: "t", run: "long", demand: 0, use: noUse, tokens, bytes: 1 });
    };
    await report(1000);
    await report(5000);
    expect(quotas.used(Date.now()).tokensToday).toBe(4000);
    // Each time.
    for (const spent of [100_000, 900_000]) {
      perDay = {};
      expect(await report(spent / 2)).toEqual({});
      perDay = { tokens_per_day: 100_000 };
      expect(await report(spent)).toEqual({ tokens: { allowed: spent + 10_000, limit: 100_000 } });
      expect(quotas.used(Date.now()).tokensToday).toBe(0);
    }
  });

  it("[W1] [W2] keeps what was handed out while nobody knows whether there is a quota", async () => {
    const done: string[] = [];
    const isAway = () => Promise.reject(new Error("away"));
    const quotas = quotasOver({ first: isAway, exec: (sql) => done.push(sql) });
    const tokens = { spent: 5, isFresh: true, wants: true };
    expect(await quotas.report({ tenant: "t", run: "a", demand: 0, use: noUse, tokens, bytes: 1e6 })).toEqual({});
    expect(done.filter((sql) => sql.startsWith("DELETE"))).toEqual([]);
  });

  it("[W4] counts nothing of a run that is deleted while its report waits for the quotas", async () => {
    const read = Promise.withResolvers<void>();
    const first = () => read.promise.then(() => ({ quotas: '{"tokens_per_day":1000}' }));
    const quotas = quotasOver({ first });
    const report = (run: string) => {
      const tokens = { spent: 500, isFresh: true, wants: true };
      return quotas.report({ tenant: "t", run, demand: 0, use: noUse, tokens, bytes: 1e6 });
    };
    const late = report("gone");
    const other = report("other");
    quotas.forget("t", "gone");
    read.resolve();
    expect(await late).toEqual({});
    expect(await other).toEqual({ tokens: { allowed: 1000, limit: 1000 } });
    expect(quotas.used(Date.now())).toEqual({ tokensToday: 500, storedBytes: 1e6 });
    quotas.changed();
    const last = report("last");
    // The tenant is deleted.
    quotas.clear();
    expect(await last).toEqual({});
    expect(quotas.used(Date.now())).toEqual({ tokensToday: 0, storedBytes: 0 });
  });

  it("[G7] counts nothing of a report that arrives after its run was deleted, and all of another run of the same id", async () => {
    const tenant = newTenant();
    const gate = gateOf(tenant);
    const report = (life: string) => {
      const tokens = { spent: 0, isFresh: true, wants: false };
      return gate.report({ tenant, run: "r", life, demand: 2, use: noUse, tokens, bytes: 1e6 });
    };
    await report("one");
    expect(await gate.used()).toMatchObject({ seats: 2, storedBytes: 1e6 });
    await gate.forget("r", tenant, "one");
    await report("one");
    expect(await gate.used()).toMatchObject({ seats: 0, storedBytes: 0 });
    await report("two");
    expect(await gate.used()).toMatchObject({ seats: 2, storedBytes: 1e6 });
  });

  it("gives several leases at once, of several runs, each once", async () => {
    const tenant = newTenant();
    const runs = await twoRuns(tenant);
    const grants: LeaseGrant[] = [];
    while (grants.length < 8) grants.push(...(await leased(tenant, 5)));
    expect(new Set(grants.map(({ run, taskNumber }) => `${run} ${taskNumber}`)).size).toBe(8);
    expect(value(await ask(tenant, { max: 5 }))).toEqual([]);
    for (const run of runs) expect((await run.view()).counts.running).toBe(4);
  });

  it("lets a worker wait for a task that comes later, and for no longer than it said", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant });
    const waiting = ask(tenant, { waitMs: 20_000 });
    await run.create(box("late"));
    expect(value(await waiting)).toMatchObject([{ task: { key: "late" } }]);
    const startedAt = Date.now();
    expect(value(await ask(tenant, { waitMs: 200 }))).toEqual([]);
    expect(Date.now() - startedAt).toBeGreaterThanOrEqual(190);
  });

  it("gives one task to one of many workers that wait", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant });
    const names = Array.from({ length: 8 }, (_, i) => `w${i}`);
    const waiting = names.map((worker) =>
      gateOf(tenant).lease({ ...asking(tenant, worker), waitMs: patientMs, poll: worker }),
    );
    await run.create(box("only"));
    await Promise.race(waiting);
    await waitingIn(tenant, 7);
    for (const name of names) await gateOf(tenant).leave(name);
    const grants = (await Promise.all(waiting)).flatMap(value);
    expect(grants).toHaveLength(1);
    expect(await run.task("only")).toMatchObject({ state: "running", attempts: 1 });
  });

  it("has two of those that wait ask for each task, and not all", async () => {
    const asked = vi.spyOn(RunScheduler.prototype, "leases");
    const tenant = newTenant();
    const run = await makeRun({ tenant, limits: { pools: ["box"], workers: 100 } });
    const waiting = Array.from({ length: 50 }, (_, i) => ask(tenant, { waitMs: 20_000, worker: `w${i}` }));
    await waitingIn(tenant, 50);
    const startedAt = performance.now();
    await run.create(box("only"));
    await Promise.race(waiting);
    await waitingIn(tenant, 49);
    // And one more each time that the run's answer is not there in time.
    expect(asked.mock.calls.length).toBeLessThanOrEqual(3 + (performance.now() - startedAt) / slowRunMs);
    await run.create(...Array.from({ length: 49 }, (_, i) => box(`k${i}`)));
    const grants = (await Promise.all(waiting)).flatMap(value) as LeaseGrant[];
    expect(new Set(grants.map(({ taskNumber }) => taskNumber)).size).toBe(50);
    asked.mockRestore();
  });

  it("serves first who has waited longest, also when it found nothing meanwhile", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant });
    const order: string[] = [];
    const waits = (worker: string) =>
      ask(tenant, { waitMs: 20_000, worker }).then((reply) => order.push(...value(reply).map(() => worker)));
    const waiting: Promise<unknown>[] = [];
    for (const worker of ["a", "b", "c"]) {
      waiting.push(waits(worker));
      await waitingIn(tenant, waiting.length);
    }
    await gateOf(tenant).announce({ run: run.id, pool: "box", ready: true });
    await waitingIn(tenant, 3);
    for (const left of [2, 1, 0]) {
      await run.create(box(`k${left}`));
      await eventually(() => expect(order).toHaveLength(3 - left));
      await waitingIn(tenant, left);
    }
    await Promise.all(waiting);
    expect(order).toEqual(["a", "b", "c"]);
  });

  it("keeps nobody waiting behind those that ask runs which do not answer", async () => {
    const tenant = newTenant();
    const runs = [await makeRun({ tenant }), await makeRun({ tenant }), await makeRun({ tenant })] as const;
    const slow = runs.slice(0, 2).map(({ id }) => id);
    const { promise: never, resolve: answer } = Promise.withResolvers<Reply<Grant[]>>();
    await intercepted(tenant, (run) => (slow.includes(run) ? never : undefined));
    const keys: unknown[] = [];
    const waits = async (worker: string) => {
      const grants = value(
        await gateOf(tenant).lease({ ...asking(tenant, worker), waitMs: patientMs, poll: worker }),
      ) as LeaseGrant[];
      keys.push(...grants.map(({ task }) => task.key));
    };
    const names = Array.from({ length: 16 }, (_, i) => `w${i}`);
    const waiting = names.map(waits);
    await waitingIn(tenant, 16);
    for (const { id } of runs.slice(0, 2)) await gateOf(tenant).announce({ run: id, pool: "box", ready: true });
    await runs[2].create(box("a"), box("b"));
    await eventually(() => expect(keys.sort()).toEqual(["a", "b"]));
    for (const name of names) await gateOf(tenant).leave(name);
    answer({ ok: true, value: [] });
    await Promise.all(waiting);
  });

  it("has another ask where the one that was to leaves", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant });
    let refusals = 0;
    await intercepted(tenant, () =>
      refusals++ === 0 ? Promise.resolve({ ok: false, fault: { code: "overloaded" } }) : undefined,
    );
    const first = gateOf(tenant).lease({ ...asking(tenant, "a"), waitMs: 20_000, poll: "a" });
    await waitingIn(tenant, 1);
    let second: Grant[] = [];
    const waiting = ask(tenant, { waitMs: 10_000, worker: "b" }).then((reply) => {
      second = value(reply);
    });
    await waitingIn(tenant, 2);
    await run.create(box("only"));
    await eventually(() => expect(refusals).toBe(1));
    await gateOf(tenant).leave("a");
    expect(value(await first)).toEqual([]);
    await eventually(() => expect(second).toMatchObject([{ task: { key: "only" } }]));
    await waiting;
  });

  it("knows after an eviction which runs have something", async () => {
    const tenant = newTenant();
    const [one, two] = await twoRuns(tenant);
    const first = await leased(tenant, 8);
    await evictGate(tenant);
    const rest = first.length === 8 ? [] : await leased(tenant, 8);
    expect(first.length + rest.length).toBe(8);
    for (const run of [one, two]) await run.evict();
    for (const lease of [...first, ...rest]) value(await complete(lease.run === one.id ? one : two, lease));
    await one.create(box("again"));
    expect(await leased(tenant)).toMatchObject([{ run: one.id, task: { key: "again" } }]);
  });

  it("announces a task again that comes back: a lost lease, a raised limit, a resumed run", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant, limits: { pools: ["box"], workers: 1 } });
    await run.create(box("a"), box("b"));
    const [a] = await leased(tenant);
    expect(value(await ask(tenant))).toEqual([]);
    const waiting = ask(tenant, { waitMs: 10_000 });
    value(await complete(run, a!));
    const [b] = value(await waiting);
    expect(b).toMatchObject({ task: { key: "b" } });
    value(await run.rpc.pause());
    value(await run.rpc.fail(b!, { error: { code: "x", message: "" }, retryable: false }));
    value(await run.rpc.retryTask("b", undefined));
    expect(value(await ask(tenant, { waitMs: 300 }))).toEqual([]);
    const resumed = ask(tenant, { waitMs: 10_000 });
    value(await run.rpc.resume());
    expect(value(await resumed)).toMatchObject([{ task: { key: "b", generation: 2 } }]);
  });

  it("serves nothing of other pools, other tenants, or runs that are deleted", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant });
    await run.create(box("a"));
    expect(await leased(tenant, 1)).toHaveLength(1);
    await run.create(box("b"));
    expect(value(await ask(newTenant(), { waitMs: 300 }))).toEqual([]);
    expect(value(await ask(tenant, { waitMs: 100, pool: "other" }))).toEqual([]);
    value(await run.rpc.deleteRun());
    expect(value(await ask(tenant, { waitMs: 100 }))).toEqual([]);
  });

  it("shows the workers of a pool with the load that each reported last, and how many wait", async () => {
    const tenant = newTenant();
    const at = Date.now();
    const pool = (more: { limit?: number; cursor?: string } = {}) =>
      gateOf(tenant).pool({ pool: "box", limit: 100, ...more });
    value(await gateOf(tenant).lease({ ...asking(tenant, "a"), load: { cpu: 0.2, memory: 0.5 } }));
    value(await gateOf(tenant).lease(asking(tenant, "b")));
    value(await gateOf(tenant).lease({ ...asking(tenant, "a"), load: { cpu: 0.9 } }));
    expect(value(await pool())).toEqual({
      workers: [
        { worker: "a", load: { cpu: 0.9 }, seen_at: expect.any(Number) },
        { worker: "b", load: null, seen_at: expect.any(Number) },
      ],
      waiting: 0,
      nextCursor: null,
    });
    expect(value(await pool()).workers[0]!.seen_at).toBeGreaterThanOrEqual(at);

    const first = value(await pool({ limit: 1 }));
    expect(first.workers).toMatchObject([{ worker: "a" }]);
    expect(value(await pool({ limit: 1, cursor: first.nextCursor! }))).toMatchObject({
      workers: [{ worker: "b" }],
      nextCursor: null,
    });
    expect(codeOf(await pool({ cursor: "x" }))).toBe("validation_failed");
    expect(value(await gateOf(newTenant()).pool({ pool: "box", limit: 100 })).workers).toEqual([]);

    const waiting = ask(tenant, { waitMs: 20_000, worker: "c" });
    await eventually(async () => expect(value(await pool()).waiting).toBe(1));
    const run = await makeRun({ tenant });
    await run.create(box("a"));
    value(await waiting);
    expect(value(await pool())).toMatchObject({ waiting: 0, workers: [{}, {}, { worker: "c" }] });
  });

  it("leases nothing to a worker that only says that it is there", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant });
    await run.create(box("a"));
    expect(value(await ask(tenant, { max: 0, waitMs: 20_000 }))).toEqual([]);
    expect(await leased(tenant)).toHaveLength(1);
  });

  it("forgets workers that have not asked for long", async () => {
    using clock = new TestClock();
    const tenant = newTenant();
    value(await ask(tenant, { worker: "gone" }));
    clock.forward(poolWorkerSeenMs);
    value(await ask(tenant, { worker: "here" }));
    clock.forward(1);
    expect(value(await gateOf(tenant).pool({ pool: "box", limit: 100 })).workers).toMatchObject([{ worker: "here" }]);
  });

  it("answers who repeats a request that still waits, since its line broke, with what the first is given", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant });
    const input = { tenant, pool: "box", worker: "w", max: 1, waitMs: 20_000 };
    const idem = { key: "k", fingerprint: "f" };
    const first = gateOf(tenant).lease(input, idem);
    await waitingIn(tenant, 1);
    const again = gateOf(tenant).lease(input, idem);
    expect(codeOf(await gateOf(tenant).lease(input, { key: "k", fingerprint: "g" }))).toBe("idempotency_mismatch");
    await run.create(box("a"), box("b"));
    const given = value(await first);
    expect(given).toMatchObject([{ task: { key: "a" } }]);
    expect(value(await again)).toEqual(given);
    expect((await run.tasks()).map(({ state }) => state)).toEqual(["running", "ready"]);
    // After its answer it is another's again, and is told of it as it then is.
    value(await complete(run, given[0]!));
    expect(value(await gateOf(tenant).lease(input, idem))).toEqual([]);
  });

  it("gives nothing to a request whose client has hung up, whatever it was doing then", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant });
    const poll = (name: string, idem?: Idem) =>
      gateOf(tenant).lease({ ...asking(tenant, "w"), waitMs: 20_000, poll: name }, idem);
    const gone = [poll("one"), poll("two", idemOf("k"))];
    await waitingIn(tenant, 2);
    for (const name of ["one", "two", "unknown"]) await gateOf(tenant).leave(name);
    for (const request of gone) expect(value(await request)).toEqual([]);
    await waitingIn(tenant, 0);
    await run.create(box("a"));
    // What is repeated after all is a request of its own.
    expect(value(await poll("three", idemOf("k")))).toMatchObject([{ task: { key: "a", attempt: 1 } }]);
  });

  it("gives nothing to a request that its client's hanging up has overtaken, but to its repeat", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant });
    await run.create(box("a"));
    await eventually(async () => expect(await lanes(tenant)).toHaveLength(1));
    const poll = () => gateOf(tenant).lease({ ...asking(tenant, "w"), waitMs: 20_000, poll: "k" }, idemOf("k"));
    await gateOf(tenant).leave("k");
    expect(value(await poll())).toEqual([]);
    expect(value(await poll())).toMatchObject([{ task: { key: "a", attempt: 1 } }]);
  });

  it("keeps nothing of polls that found nothing, and drops answers a day old once an hour", async () => {
    using clock = new TestClock();
    const tenant = newTenant();
    const run = await makeRun({ tenant });
    const poll = (key: string, waitMs = 0) => gateOf(tenant).lease({ ...asking(tenant, "w"), waitMs }, idemOf(key));
    for (const key of ["a", "b", "c"]) expect(value(await poll(key))).toEqual([]);
    expect(await keptKeys(tenant)).toEqual([]);
    await run.create(box("one"), box("two"), box("three"));
    // The key of a poll that found nothing is as good as a new one.
    expect(value(await poll("a", patientMs))).toHaveLength(1);
    clock.forward(idempotencyMs - outcomesDropEveryMs + 2);
    expect(value(await poll("d", patientMs))).toHaveLength(1);
    expect(await keptKeys(tenant)).toEqual(["a", "d"]);
    clock.forward(outcomesDropEveryMs);
    expect(value(await poll("e", patientMs))).toHaveLength(1);
    expect(await keptKeys(tenant)).toEqual(["d", "e"]);
  });

  it("looks for old answers once an hour, however often it is loaded, where there are many", async () => {
    using clock = new TestClock();
    const tenant = newTenant();
    const run = await makeRun({ tenant });
    await run.create(box("one"), box("two"), box("three"));
    const grows = (count: number, at: number) =>
      runInDurableObject(bindings.GATES.getByName(tenant), (_, { storage }) => {
        for (let i = 0; i < count; i++)
          storage.sql.exec("INSERT INTO outcomes VALUES(?, ?, 'f', '[]')", `of ${at} ${i}`, at);
      });
    const kept = async () => (await keptKeys(tenant)).length;
    const leaseBy = async (key: string) =>
      expect(
        value(await gateOf(tenant).lease({ ...asking(tenant, "w"), waitMs: patientMs }, idemOf(key))),
      ).toHaveLength(1);
    await ask(tenant, { pool: "other" });
    await grows(rowInRowsRead, clock.now);
    await leaseBy("a");
    await grows(1, clock.now - idempotencyMs - 1);
    await evictGate(tenant);
    await leaseBy("b");
    expect(await kept()).toBe(rowInRowsRead + 3);
    clock.forward(outcomesDropEveryMs);
    await leaseBy("c");
    expect(await kept()).toBe(rowInRowsRead + 3);
    expect(await keptKeys(tenant)).not.toContain(`of ${clock.now - outcomesDropEveryMs - idempotencyMs - 1} 0`);
  });

  it("answers a repeated key with the same leases while they are open", async () => {
    const tenant = newTenant();
    const [one, two] = await twoRuns(tenant);
    const input = { tenant, pool: "box", worker: "w", max: 2, waitMs: patientMs };
    const idem = { key: "k", fingerprint: "f" };
    const first = value(await gateOf(tenant).lease(input, idem));
    await evictGate(tenant);
    expect(value(await gateOf(tenant).lease(input, idem))).toEqual(first);
    expect(codeOf(await gateOf(tenant).lease(input, { key: "k", fingerprint: "g" }))).toBe("idempotency_mismatch");
    for (const lease of first) value(await complete(lease.run === one.id ? one : two, lease));
    expect(value(await gateOf(tenant).lease(input, idem))).toEqual([]);
  });

  it("gives who repeats a request what a run granted for it, where the gate ended before it heard of that", async () => {
    const tenant = newTenant();
    const [one, two] = await twoRuns(tenant);
    await leased(tenant, 2);
    const input = { tenant, pool: "box", worker: "w", max: 1, waitMs: patientMs };
    await cutOff(input, "k", "all");
    const given = value(await gateOf(tenant).lease(input, idemOf("k")));
    expect(given).toHaveLength(1);
    const running = async (run: TestRun) => (await run.tasks()).filter(({ state }) => state === "running").length;
    expect((await running(one)) + (await running(two))).toBe(3);
    expect(value(await gateOf(tenant).lease(input, idemOf("k")))).toEqual(given);
    for (const run of [one, two]) await run.evict();
    await evictGate(tenant);
    expect(value(await gateOf(tenant).lease(input, idemOf("k")))).toEqual(given);
    expect((await running(one)) + (await running(two))).toBe(3);
  });

  it("asks the run for the first time, where it ended before that: who repeats the request is granted something", async () => {
    const tenant = newTenant();
    const run = await makeRun({ tenant });
    await run.create(box("a"), box("b"));
    const input = { tenant, pool: "box", worker: "w", max: 1, waitMs: patientMs };
    await eventually(async () => expect(await lanes(tenant)).toHaveLength(1));
    await cutOff(input, "k", "nothing");
    expect(value(await gateOf(tenant).lease(input, idemOf("k")))).toMatchObject([{ task: { key: "a" } }]);
    expect((await run.tasks()).map(({ state }) => state)).toEqual(["running", "ready"]);
  });

  it("grants nothing any more to a request that comes to a run after its repeat was answered with nothing", async () => {
    const run = await makeRun({ tenant: newTenant() });
    const asked = { pool: "box", worker: "w", max: 1, contextBytes: 1e6 };
    expect(value(await run.rpc.leases({ ...asked, isRepeat: true }, idemOf("k")))).toEqual([]);
    await run.create(box("a"));
    expect(value(await run.rpc.leases(asked, idemOf("k")))).toEqual([]);
    // Another's answer with nothing is kept by nobody.
    expect(value(await run.rpc.leases({ ...asked, pool: "other" }, idemOf("l")))).toEqual([]);
    expect(value(await run.rpc.leases(asked, idemOf("l")))).toMatchObject([{ task: { key: "a" } }]);
    expect(codeOf(await run.rpc.leases(asked, { key: "l", fingerprint: "g" }))).toBe("idempotency_mismatch");
  });

  it("takes a task back whose lease can't be granted again to who repeats the request, since a dependency was retried", async () => {
    const run = await makeRun({ tenant: newTenant() });
    await run.create(box("a"), { ...box("b"), after: ["a"], instructions: "go on from {{a}}" });
    value(await complete(run, (await run.lease())!));
    const asked = { pool: "box", worker: "w", max: 1, contextBytes: 1e6 };
    expect(value(await run.rpc.leases(asked, idemOf("k")))).toMatchObject([{ task: { key: "b" } }]);
    value(await run.rpc.retryTask((await run.task("a")).id, undefined));
    expect(value(await run.rpc.leases({ ...asked, isRepeat: true }, idemOf("k")))).toEqual([]);
    expect(await run.task("b")).toMatchObject({ state: expect.stringMatching(/ready|waiting/) });
    // It waits for the dependency, and goes on with what that comes to now.
    value(await complete(run, (await run.lease())!));
    const instructions = 'go on from <result of="a">ok</result>';
    expect(value(await run.rpc.leases(asked))).toMatchObject([{ task: { key: "b", instructions } }]);
  });
});
