/** A run that an older version left in its middle opens, folds as it was, and comes to its end. test/fixtures/state/README.md */

import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import type { LeaseGrant } from "../../src/contract/shapes.ts";
import locks from "../fixtures/state/locks.json";
import { bindings, TestClock, TestRun, value } from "./lib/runs.ts";
import { heldSeats } from "./lib/seats.ts";

heldSeats();

/** As if it had been written later than any day of a test: alarms of the past would ring at once. */
const later = 2_000_000_000_000;
const old = JSON.parse(
  JSON.stringify(locks).replace(/\b17957\d{8}\b/g, (time) => String(Number(time) - locks.at + later)),
) as typeof locks;

type Table = { name: string; sql: string; rows: Record<string, string | number | null>[] };

async function restore(stub: DurableObjectStub, tables: readonly Table[]): Promise<void> {
  await runInDurableObject(stub as DurableObjectStub<undefined>, (_, { storage }) => {
    for (const { name, sql, rows } of tables) {
      storage.sql.exec(sql);
      for (const row of rows) {
        const columns = Object.keys(row);
        const places = columns.map(() => "?").join(", ");
        storage.sql.exec(`INSERT INTO ${name}(${columns.join(", ")}) VALUES(${places})`, ...Object.values(row));
      }
    }
  });
  await evictDurableObject(stub);
}

it("locks held and waited for, a variable's value, a dependency: from before events had versions", async () => {
  using clock = new TestClock();
  clock.forward(old.at + 1000 - clock.now);
  const run = new TestRun("t0", "run_00000000000000000000");
  await restore(bindings.RUNS.getByName(`t0/${run.id}`), old.run as unknown as Table[]);
  await restore(bindings.VARIABLES.getByName(`t0/${run.id}/n`), old.variable as unknown as Table[]);

  expect((await run.view()).counts).toEqual(old.counts);
  expect((await run.tasks()).map(({ key, state, id }) => ({ key, state, id }))).toEqual(old.tasks);
  const waits = (await run.events()).find(({ type }) => type === "call_waiting");
  expect(waits).toMatchObject({ want: { kind: "lock", names: ["l"], mode: "exclusive" } });
  expect(waits).not.toHaveProperty("lock");

  const { a, b } = old.leases as unknown as Record<"a" | "b", LeaseGrant>;
  const call = async (lease: LeaseGrant, callId: string, tool: string, args: object) =>
    value(await run.rpc.leaseTool(lease, { tool, callId, arguments: JSON.stringify(args), waitMs: 0 }));
  const add = { op: "add", name: "n", delta: 1 };
  // The answers that were given, once more; then what is new.
  expect(await call(a, "c1", "lock", { op: "acquire", name: "l" })).toEqual({ result: { token: 1 } });
  expect(await call(a, "c2", "atomic", add)).toEqual({ result: { value: 1, previous: 0 } });
  expect(await call(b, "c1", "lock", { op: "acquire", name: "l" })).toMatchObject({ pending: true });
  value(await run.rpc.complete(a, { result: "of a", next: false, worker: "w1" }));
  expect(await call(b, "c1", "lock", { op: "acquire", name: "l" })).toEqual({ result: { token: 2 } });
  expect(await call(b, "c3", "atomic", add)).toEqual({ result: { value: 2, previous: 1 } });
  await run.evict();
  value(await run.rpc.complete(b, { result: "of b", next: false, worker: "w2" }));
  const c = (await run.lease("w1"))!;
  expect(JSON.stringify(c)).toContain("of a");
  value(await run.rpc.complete(c, { result: "of c", next: false, worker: "w1" }));
  value(await run.rpc.finishRun({ cancel: false }));
  expect(await run.view()).toMatchObject({ status: "succeeded", counts: { succeeded: 3 } });
});
