/** A deleted run leaves nothing: not in its objects, not in the index, not at the gate; a deletion that breaks off is carried on. */

import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { describe, expect, it, vi } from "vitest";
import { type Env, variableStub } from "../../src/objects/env.ts";
import { SharedVariable } from "../../src/objects/shared-variable.ts";
import { sweepRuns } from "../../src/objects/sweep/sweep.ts";
import { TenantGate } from "../../src/objects/tenant-gate.ts";
import type { VariableOp } from "../../src/objects/variable-rpc.ts";
import { insertRun, listRuns } from "../../src/storage/d1/run-index.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, codeOf, gateOf, makeRun, TestClock, type TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

const tickets = heldSeats();
const wish = ({ tenant }: TestRun) => ({ tenant, pool: "box", worker: "w", max: 1, waitMs: 0 });
const used = (tool: string, args: object) => ({ tool, arguments: JSON.stringify(args), waitMs: 0 });
const names = Array.from({ length: 54 }, (_, i) => `v${i}`);

async function fullRun(): Promise<TestRun> {
  const run = await makeRun();
  await insertRun(bindings.DB, { tenant: run.tenant, id: run.id, name: null, createdAt: Date.now() - 120_000 });
  await run.create({ key: "a", pool: "box", instructions: "a" }, { key: "h", instructions: "h" });
  await Promise.all(names.map((name) => run.rpc.callTool(used("atomic", { op: "set", name, value: 1 }))));
  value(await run.rpc.callTool(used("message_queue", { op: "push", name: "q", messages: [1] })));
  return run;
}

const variable = (run: TestRun, name: string) => bindings.VARIABLES.getByName(`${run.tenant}/${run.id}/${name}`);
const tablesOf = (stub: DurableObjectStub): Promise<string[]> =>
  runInDurableObject(stub, (_, state) =>
    Array.from(
      state.storage.sql.exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'"),
      (row) => row.name,
    ).filter((name) => !name.startsWith("_cf")),
  );
const runObjectOf = (run: TestRun) => bindings.RUNS.getByName(`${run.tenant}/${run.id}`);

async function expectGone(run: TestRun): Promise<void> {
  expect(await tablesOf(runObjectOf(run))).toEqual([]);
  for (const name of names) expect(await tablesOf(variable(run, name))).toEqual(["deleted"]);
  expect(await listRuns(bindings.DB, run.tenant, 10)).toEqual([]);
  await expectUnreachable(run);
}

/** Every call of a run that is none. */
async function expectUnreachable(run: TestRun): Promise<void> {
  const { rpc } = run;
  const replies = await Promise.all([
    rpc.run(),
    rpc.tasks({ limit: 1 }),
    rpc.task("T1-aaaaaa"),
    rpc.taskContext("T1-aaaaaa"),
    rpc.events({ after: 0, limit: 1, waitMs: 0 }),
    rpc.variables({ limit: 1 }),
    rpc.variable("v1"),
    rpc.findings({ limit: 1 }),
    rpc.snapshot("0".repeat(32)),
    rpc.createTasks({ tasks: [{ instructions: "x" }] }),
    rpc.callTool(used("atomic", { op: "add", name: "v1", delta: 1 })),
    rpc.openActor({ ttlMs: 5000 }),
    rpc.pause(),
    rpc.cancelRun(undefined),
    rpc.exportPage(undefined),
  ]);
  expect(new Set(replies.map((reply) => codeOf(reply as never)))).toEqual(new Set(["not_found"]));
}

/** With variables v1 and v2. */
async function smallRun(): Promise<TestRun> {
  const run = await makeRun();
  for (const name of ["v1", "v2"]) value(await run.rpc.callTool(used("atomic", { op: "set", name, value: 1 })));
  return run;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Another run of the same id, with a variable of the same name. */
async function madeAnew({ tenant, id }: TestRun): Promise<void> {
  const run = await makeRun({ tenant, run: id });
  value(await run.rpc.callTool(used("atomic", { op: "set", name: "v1", value: 5 })));
}

/** Of two who ask up to where the run is metered one is answered when both have asked, and the other when what this answers was called. */
async function oneOfTwoWaits(run: TestRun): Promise<() => void> {
  let asked = 0;
  let isFree = false;
  await runInDurableObject(runObjectOf(run), (instance) => {
    const object = instance as unknown as { env: Env };
    const { DB } = object.env;
    const prepare = (sql: string) => {
      const statement = DB.prepare(sql);
      if (!sql.startsWith("SELECT upto")) return statement;
      const bind = (...values: unknown[]) => {
        const first = async () => {
          const nth = ++asked;
          while (nth === 1 ? asked < 2 : !isFree) await sleep(10);
          return statement.bind(...values).first();
        };
        return Object.assign(statement.bind(...values), { first });
      };
      return { bind };
    };
    object.env = { ...object.env, DB: { prepare, batch: DB.batch.bind(DB) } as unknown as D1Database };
  });
  return () => {
    isFree = true;
  };
}

describe("a deletion", () => {
  it("takes objects, index and gate with it; leases are lost, seats stop, long polls end", async () => {
    const run = await fullRun();
    await eventually(() => expect(tickets.filter((ticket) => ticket.run === run.id)).toHaveLength(1));
    const seat = (await run.rpc.openSeat(run.ticket("s1"), nextTask("s1")))!;
    const lease = (await run.lease())!;
    const polled = run.rpc.wait({ mode: "all", timeoutMs: 20_000 });
    value(await run.rpc.deleteRun());
    expect(codeOf(await polled)).toBe("not_found");
    await expectGone(run);
    // The door answers `lease_lost` for these (http/lease-holder.ts).
    expect(["not_found", "lease_lost"]).toContain(codeOf(await run.rpc.renew(lease)));
    expect(["not_found", "lease_lost"]).toContain(
      codeOf(await run.rpc.complete(lease, { result: 1, next: false, worker: "w" })),
    );
    expect(await run.rpc.renewSeat(seat)).toMatchObject({ held: false });
    const turn = {
      messages: ['{"role":"assistant","content":"x"}'],
      calls: [],
      usage: { input_tokens: 1, output_tokens: 1, cache_read_tokens: 0, cache_write_tokens: 0 },
    };
    expect(await run.rpc.seatTurn(seat, turn, nextTask("s1"))).toEqual({ kind: "over" });
    expect(await run.rpc.openSeat(run.ticket("s2"), nextTask("s2"))).toBeUndefined();
    const leases = await gateOf(run.tenant).lease(wish(run));
    expect(value(leases)).toEqual([]);
    expect(codeOf(await run.rpc.deleteRun())).toBe("not_found");
  });

  it.each([0, 53])(
    "that breaks off after %i of the variables: the run is gone at once, the alarm does the rest",
    async (nth) => {
      using clock = new TestClock();
      // Alarms ring by the machine's clock, which goes on: on a busy one it would come to this one's before the test does.
      clock.forward(3_600_000);
      const run = await fullRun();
      const failing = variable(run, names[nth]!);
      await runInDurableObject(failing, (instance) => {
        (instance as unknown as { deleteAll: () => Promise<void> }).deleteAll = () => Promise.reject(new Error("away"));
      });
      expect(codeOf(await run.rpc.deleteRun())).toBe("overloaded");
      await expectUnreachable(run);
      await evictDurableObject(failing);
      await run.evict();
      await expectUnreachable(run);
      clock.forward(6_000);
      expect(await run.ring()).toBe(true);
      await expectGone(run);
    },
  );

  it("that broke off is carried on by the caller's repeat, and by the sweep; nobody makes a run over it", async () => {
    for (const again of [(run: TestRun) => run.rpc.deleteRun(), () => sweepRuns(bindings)]) {
      const run = await fullRun();
      await runInDurableObject(variable(run, "v3"), (instance) => {
        (instance as unknown as { deleteAll: () => Promise<void> }).deleteAll = () => Promise.reject(new Error("away"));
      });
      expect(codeOf(await run.rpc.deleteRun())).toBe("overloaded");
      const input = {
        tenant: run.tenant,
        run: run.id,
        context: { format: "anthropic" as const, messages: [] },
        limits: {},
      };
      expect(codeOf(await run.rpc.createRun(input))).toBe("overloaded");
      await evictDurableObject(variable(run, "v3"));
      await again(run);
      await expectGone(run);
    }
  });

  it("[Z1] leaves variables that refuse ops of an earlier life of the run's object, and forget it in a while", async () => {
    const run = await smallRun();
    const life = await runInDurableObject(runObjectOf(run), (_, { storage }) => {
      const { value } = storage.sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'identity'").one();
      return (JSON.parse(value) as { life: string }).life;
    });
    expect(life).toMatch(/^\w{12}$/);
    const op = (of: string): VariableOp => ({
      ...{ tenant: run.tenant, run: run.id, life: of, id: { names: [] } },
      call: { kind: "atomic", name: "v1", op: { op: "add", delta: 1 } },
    });
    const late = (of = life) => variableStub(bindings, run.tenant, run.id, "v1").carryOut(op(of));
    value(await run.rpc.deleteRun());
    expect(codeOf(await late())).toBe("not_found");
    await evictDurableObject(variable(run, "v1"));
    expect(codeOf(await late())).toBe("not_found");

    // One that is made anew under the same name is another one's, and stays when the tombstone goes.
    expect(value(await late("another"))).toMatchObject({ answer: { result: { value: 1 } } });
    await variableStub(bindings, run.tenant, run.id, "v1").deleteAll(life);
    expect(codeOf(await late())).toBe("not_found");
    for (const name of ["v1", "v2"]) expect(await runDurableObjectAlarm(variable(run, name))).toBe(true);
    expect(value(await late("another"))).toMatchObject({ answer: { result: { value: 2 } } });
    expect(codeOf(await late())).toBe("not_found");
    expect(await tablesOf(variable(run, "v1"))).not.toContain("deleted");
    expect(await tablesOf(variable(run, "v2"))).toEqual([]);
  });

  it("a run that is made anew under its id begins with variables of its own", async () => {
    const run = await smallRun();
    value(await run.rpc.deleteRun());
    await makeRun({ tenant: run.tenant, run: run.id });
    const added = await run.rpc.callTool(used("atomic", { op: "add", name: "v1", delta: 5 }));
    expect(value(added)).toMatchObject({ result: { value: 5 } });
    value(await run.rpc.deleteRun());
  });

  it("takes its leases with it: a run that is made anew under its id knows none of them", async () => {
    const run = await makeRun();
    await run.create({ key: "t", instructions: "x" }, { key: "p", pool: "box", instructions: "x" });
    const seat = (await run.seat("a"))!;
    const [lease] = value(await gateOf(run.tenant).lease(wish(run)));
    value(await run.rpc.deleteRun());
    const anew = await makeRun({ tenant: run.tenant, run: run.id });
    await anew.create({ key: "t", instructions: "x" }, { key: "p", pool: "box", instructions: "x" });
    await anew.seat("b");
    value(await gateOf(run.tenant).lease(wish(run)));
    const ending = { kind: "result", result: "of the first life" } as const;
    expect(await run.rpc.leaveSeat(seat, { kind: "end", ending }, undefined)).toEqual({ kind: "over" });
    expect(codeOf(await run.rpc.complete(lease!, { result: "of the first life", next: false, worker: "w" }))).toBe(
      "lease_lost",
    );
    for (const key of ["t", "p"])
      expect(value(await run.rpc.task(key))).toMatchObject({ state: "running", result: null });
    value(await run.rpc.deleteRun());
  });

  it("is carried on by one at a time, so that none deletes the run that is made anew after the first", async () => {
    const run = await smallRun();
    const { deleteAll } = SharedVariable.prototype;
    let calls = 0;
    const slow = vi.spyOn(SharedVariable.prototype, "deleteAll").mockImplementation(async function (
      this: unknown,
      life,
    ) {
      // The first two are the deletion's, all others' a later one's.
      await sleep(++calls <= 2 ? 200 : 600);
      return deleteAll.call(this as SharedVariable, life);
    });
    try {
      const deleted = run.rpc.deleteRun();
      await eventually(() => expect(calls).toBe(2));
      const swept = run.rpc.sweep();
      value(await deleted);
      await madeAnew(run);
      await swept;
      expect(value(await run.rpc.variable("v1"))).toMatchObject({ state: { value: 5 } });
    } finally {
      slow.mockRestore();
    }
  });

  it.each([true, false])(
    "asked for by two is done by one; made anew by the time that the other goes on: %s",
    async (isAnew) => {
      const run = await smallRun();
      const answer = await oneOfTwoWaits(run);
      const both = [run.rpc.deleteRun(), run.rpc.deleteRun()];
      value(await Promise.race(both));
      if (isAnew) await madeAnew(run);
      answer();
      expect((await Promise.all(both)).map(codeOf).sort()).toEqual(["not_found", "ok"]);
      expect(codeOf(await run.rpc.variable("v1"))).toBe(isAnew ? "ok" : "not_found");
    },
  );

  it("waits for ops that are under way, so that none makes its variable anew", async () => {
    const run = await fullRun();
    const ops = names.map((name) => run.rpc.callTool(used("atomic", { op: "add", name, delta: 1 })));
    const deleted = run.rpc.deleteRun();
    await Promise.all(ops);
    value(await deleted);
    await expectGone(run);
    expect(await variableStub(bindings, run.tenant, run.id, "v1").look()).toBeUndefined();
  });

  it("waits for the report that is on its way to the gate: behind the last word it would count there for ever", async () => {
    const onItsWay = Promise.withResolvers<void>();
    const { report } = TenantGate.prototype;
    const late = vi.spyOn(TenantGate.prototype, "report").mockImplementation(async function (this: TenantGate, word) {
      await onItsWay.promise;
      return report.call(this, word);
    });
    const forget = vi.spyOn(TenantGate.prototype, "forget");
    try {
      const run = await smallRun();
      await run.create({ key: "a", pool: "box", instructions: "a" });
      await eventually(() => expect(late).toHaveBeenCalled());
      const deleted = run.rpc.deleteRun();
      await eventually(async () => expect(codeOf(await run.rpc.run())).toBe("not_found"));
      await sleep(50);
      expect(forget).not.toHaveBeenCalled();
      onItsWay.resolve();
      value(await deleted);
      expect((await gateOf(run.tenant).used()).storedBytes).toBe(0);
    } finally {
      vi.restoreAllMocks();
    }
  });
});
