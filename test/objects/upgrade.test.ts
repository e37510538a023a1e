/** Objects over storage of another version of Heddle: an older one is brought up to date, a newer one is left alone. */

import { applyD1Migrations, type D1Migration, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { gateStub, variableStub } from "../../src/objects/env.ts";
import { insertRun, listRuns } from "../../src/storage/d1/run-index.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, evictGate, gateOf, makeRun, newTenant, type TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

const objects = {
  run: (run: TestRun) => bindings.RUNS.getByName(`${run.tenant}/${run.id}`),
  variable: (run: TestRun) => bindings.VARIABLES.getByName(`${run.tenant}/${run.id}/n`),
  gate: (run: TestRun) => bindings.GATES.getByName(run.tenant),
};
type Kind = keyof typeof objects;

const exec = (kind: Kind, run: TestRun, sql: string): Promise<Record<string, unknown>[]> =>
  runInDurableObject(objects[kind](run) as DurableObjectStub<undefined>, (_, { storage }) =>
    storage.sql.exec(sql).toArray(),
  );
const version = async (kind: Kind, run: TestRun) =>
  Number((await exec(kind, run, "SELECT value FROM meta WHERE name = 'schema'"))[0]?.value);

const add = (run: TestRun) =>
  run.rpc.callTool({ tool: "atomic", arguments: '{"op":"add","name":"n","delta":1}', waitMs: 0 });
const uses: Record<Kind, (run: TestRun) => Promise<unknown>> = {
  run: (run) => run.rpc.run(),
  variable: add,
  gate: (run) => gateOf(run.tenant).lease({ tenant: run.tenant, pool: "box", worker: "w", max: 1, waitMs: 20_000 }),
};

/** A run with a task that waits for a worker, and a variable that is 1. */
async function ground(): Promise<TestRun> {
  const run = await makeRun();
  await run.create({ key: "a", pool: "box", instructions: "do a" });
  value(await add(run));
  return run;
}

const older: Record<Kind, string> = {
  run: "DROP TABLE call_renewals; DROP TABLE facts; DROP TABLE variables; DROP TABLE renewals; UPDATE meta SET value = '1' WHERE name = 'schema'",
  variable: "DELETE FROM meta WHERE name = 'schema'",
  gate: "DROP TABLE meta",
};

describe("storage of the first version", () => {
  it.each(Object.keys(objects) as Kind[])("S1 of a %s opens, with what is in it", async (kind) => {
    const run = await ground();
    const now = await version(kind, run);
    await exec(kind, run, older[kind]);
    await evictDurableObject(objects[kind](run));
    const used = await uses[kind](run);
    expect(used).toMatchObject({ ok: true });
    // A variable's only step is its first.
    if (kind !== "variable") expect(await version(kind, run)).toBe(now);
    if (kind === "run") expect(await run.lease()).toMatchObject({ task: { key: "a" } });
    if (kind === "variable") expect(used).toMatchObject({ value: { result: { value: 2 } } });
    if (kind === "gate") expect(used).toMatchObject({ value: [{ task: { key: "a" } }] });
  });
});

describe("storage of a newer version", () => {
  it.each(Object.keys(objects) as Kind[])(
    "S3 of a %s is refused and not touched; its own version finds all",
    async (kind) => {
      const run = await ground();
      const now = await version(kind, run);
      const dump = () => exec(kind, run, "SELECT name, value FROM meta WHERE name <> 'schema' ORDER BY name");
      const before = await dump();
      await exec(kind, run, "UPDATE meta SET value = '99' WHERE name = 'schema'");
      await evictDurableObject(objects[kind](run));
      const looks: Record<Kind, () => Promise<unknown>> = {
        run: () => run.rpc.run(),
        variable: () => variableStub(bindings, run.tenant, run.id, "n").look(),
        gate: () => gateStub(bindings, run.tenant).forget(run.id, run.tenant),
      };
      await expect(looks[kind]()).rejects.toThrow(/is of version 99.*Nothing was changed/s);
      expect(await dump()).toEqual(before);
      await exec(kind, run, `UPDATE meta SET value = '${now}' WHERE name = 'schema'`);
      expect(await uses[kind](run)).toMatchObject({ ok: true });
    },
  );
});

describe("runs of a newer version among their tenant's", () => {
  it("keep no worker from the others: what these grant in the same round was lost with the answer", async () => {
    const tenant = newTenant();
    const [first, other, last] = (await Promise.all(
      ["0", "a", "z"].map((letter) => makeRun({ tenant, run: `run_${letter.repeat(20)}` })),
    )) as [TestRun, TestRun, TestRun];
    for (const run of [first, other, last]) await run.create({ key: "one", pool: "box", instructions: "do it" });
    const ready = () => exec("gate", other, "SELECT run FROM ready ORDER BY run");
    await eventually(async () => expect(await ready()).toHaveLength(3));
    const now = await version("run", first);
    const setVersion = (run: TestRun, to: number) =>
      exec("run", run, `UPDATE meta SET value = '${to}' WHERE name = 'schema'`);
    for (const run of [first, last]) {
      await setVersion(run, 99);
      await evictDurableObject(objects.run(run));
    }
    // It asks in the order of its rows then: one of the two before the other run, and one after.
    await evictGate(tenant);

    const gate = gateOf(tenant);
    const ask = { tenant, pool: "box", worker: "w", max: 5, waitMs: 0 };
    const idem = { key: "k", fingerprint: "f" };
    const given = value(await gate.lease(ask, idem));
    expect(given).toMatchObject([{ run: other.id }]);
    expect(value(await gate.lease(ask, idem))).toEqual(given);
    expect(value(await gate.lease(ask))).toEqual([]);
    expect(await ready()).toEqual([first, last].map(({ id }) => ({ run: id })));

    for (const run of [first, last]) await setVersion(run, now);
    expect(value(await gate.lease(ask)).map(({ run }) => run)).toEqual([first.id, last.id]);
  });
});

describe("the log of a newer version", () => {
  it.each([
    ["with an event of a kind that is not known", '{"type":"dreamt","task":1}', /dreamt/],
    [
      "with an event of a newer form",
      '{"type":"task_ready","task":1,"why":"dream","v":7}',
      /task_ready is of version 7/,
    ],
  ])("%s is refused and not touched; without it all is there", async (_, event, message) => {
    const run = await ground();
    const [{ seq } = { seq: 0 }] = (await exec("run", run, "SELECT max(seq) + 1 AS seq FROM log")) as [{ seq: number }];
    await exec("run", run, `INSERT INTO log(seq, at, events) VALUES(${seq}, 1, '[${event}]')`);
    const dump = () => exec("run", run, "SELECT * FROM log");
    const before = await dump();
    await evictDurableObject(objects.run(run));
    await expect(run.rpc.run()).rejects.toThrow(message);
    expect(await dump()).toEqual(before);
    await exec("run", run, `DELETE FROM log WHERE seq = ${seq}`);
    expect(await run.lease()).toMatchObject({ task: { key: "a" } });
  });
});

describe("D1", () => {
  const { DB, TEST_MIGRATIONS } = bindings as unknown as { DB: D1Database; TEST_MIGRATIONS: D1Migration[] };
  /** Those of the migrations, with their indexes. */
  const tables = async () => {
    const all = await DB.prepare("SELECT name, sql FROM sqlite_master ORDER BY name").all<{
      name: string;
      sql: string;
    }>();
    return all.results.filter(({ name, sql }) => sql && !/^(_cf|sqlite|d1)_/.test(name));
  };

  it("takes its migrations in their order over a database of any earlier version, and keeps its rows", async () => {
    const numbers = TEST_MIGRATIONS.map(({ name }) => Number(name.slice(0, 4)));
    // Each has a number of its own; branches that meet may leave one out for a while.
    expect(numbers).toEqual([...new Set(numbers)].sort((a, b) => a - b));
    const now = await tables();
    expect(now.map(({ name }) => name)).toEqual(expect.arrayContaining(["tenants", "runs", "idempotency"]));
    for (let version = 1; version < TEST_MIGRATIONS.length; version++) {
      for (const { name, sql } of await tables()) if (/^create table/i.test(sql)) await DB.exec(`DROP TABLE "${name}"`);
      await DB.exec("DROP TABLE d1_migrations");
      await applyD1Migrations(DB, TEST_MIGRATIONS.slice(0, version));
      await DB.prepare("INSERT INTO tenants(id, name, created_at) VALUES('ten_old', 'old', 1)").run();
      await applyD1Migrations(DB, TEST_MIGRATIONS);
      expect(await tables()).toEqual(now);
      expect(await DB.prepare("SELECT name FROM tenants").first("name")).toBe("old");
      await insertRun(DB, { tenant: "ten_old", id: "run_1", name: null, createdAt: 2 });
      expect(await listRuns(DB, "ten_old", 10)).toMatchObject([{ id: "run_1" }]);
    }
  });
});
