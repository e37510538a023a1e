/** A tenant's tokens of a day, between runs that work, that only wait, and that have ended. */

import { runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";
import { quotaAskEveryMs, runReportAtOnceMs, runReportIdleMs, tokenBlockMin } from "../../src/limits.ts";
import type { RunSchedulerRpc } from "../../src/objects/rpc.ts";
import type { SeatWork } from "../../src/objects/seat-rpc.ts";
import { TenantQuotas } from "../../src/objects/tenant-quotas.ts";
import { insertTenant, setQuotas } from "../../src/storage/d1/tenants.ts";
import { LogStore } from "../../src/storage/run/log-store.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, gateOf, makeRun, TestClock, type TestRun, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();
afterEach(() => vi.restoreAllMocks());

const box = (more: object = {}) => ({ key: "a", pool: "box", instructions: "do it", ...more });

/** With so many tokens a day as one run is given at once. */
async function smallTenant(): Promise<string> {
  const tenant = `t${crypto.randomUUID()}`;
  await insertTenant(bindings.DB, { id: tenant, name: "t", created_at: 0 }).run();
  await setQuotas(bindings.DB, tenant, { tokens_per_day: tokenBlockMin }).run();
  return tenant;
}

/** What the gate has handed out to the run, and how much of that it has used. */
async function accountOf({ tenant, id }: TestRun) {
  return runInDurableObject(
    bindings.GATES.getByName(tenant),
    (_, { storage }) => storage.sql.exec("SELECT spent, allowed FROM allowances WHERE run = ?", id).toArray()[0],
  );
}
const isGiven = (run: TestRun, account: { spent: number; allowed: number }) =>
  eventually(async () => expect(await accountOf(run)).toEqual(account));

it("are given back by a run whose tasks only wait, and another goes on with them", async () => {
  using clock = new TestClock();
  const tenant = await smallTenant();
  const waiting = await makeRun({ tenant });
  await waiting.create({ key: "a", instructions: "do it", retries: { limit: 3, backoff_ms: 3_600_000 } });
  await isGiven(waiting, { spent: 0, allowed: tokenBlockMin });
  const reports = vi.spyOn(TenantQuotas.prototype, "report");
  const reportsOfIt = () => reports.mock.calls.filter(([{ run: of }]) => of === waiting.id).length;
  const seat = (await waiting.rpc.openSeat(waiting.ticket("s"), nextTask("s"))) as SeatWork;
  clock.forward(runReportAtOnceMs);
  const ending = { kind: "error", fault: "network", error: { code: "network", message: "" } } as const;
  await waiting.rpc.leaveSeat(seat, { kind: "end", ending }, undefined);
  expect((await waiting.task("a")).state).toBe("waiting");
  // That it wants no seats any more is told at once; its tokens it keeps for a while, since it might go on soon.
  await eventually(() => expect(reportsOfIt()).toBe(1));

  const working = await makeRun({ tenant });
  await working.create(box());
  await eventually(async () => expect((await working.view()).reason).toBe("quota"));
  await isGiven(waiting, { spent: 0, allowed: tokenBlockMin });
  clock.forward(runReportIdleMs);
  expect(await waiting.ring()).toBe(true);
  await isGiven(waiting, { spent: 0, allowed: 0 });
  // Nor does it ask for any from now on, however often it is looked at.
  clock.forward(2 * runReportAtOnceMs);
  await waiting.ring();
  // The gate has by then what was sent to it before.
  await gateOf(tenant).used();
  expect(reportsOfIt()).toBe(2);
  expect((await waiting.view()).status).toBe("active");
  clock.forward(quotaAskEveryMs);
  await working.ring();
  await eventually(async () => expect((await working.view()).status).toBe("active"));
  expect(await working.lease()).toBeDefined();
});

it("are given back by a run that has ended though the gate was away just then", async () => {
  using clock = new TestClock();
  const run = await makeRun({ tenant: await smallTenant() });
  await run.create(box());
  await isGiven(run, { spent: 0, allowed: tokenBlockMin });
  const usage = { input_tokens: 10, output_tokens: 5 };
  value(await run.rpc.complete((await run.lease())!, { result: "done", usage, next: false, worker: "w" }));
  const away = vi.spyOn(TenantQuotas.prototype, "report").mockRejectedValue(new Error("away"));
  value(await run.rpc.finishRun({ cancel: false }));
  clock.forward(runReportAtOnceMs);
  await run.ring();
  await eventually(() => expect(away.mock.calls.some(([{ run: of }]) => of === run.id)).toBe(true));
  away.mockRestore();
  await eventually(async () => {
    clock.forward(runReportIdleMs);
    await run.ring();
    expect(await accountOf(run)).toEqual({ spent: 15, allowed: 15 });
  });
});

it("are asked for in time by a run that a bug dropped from memory while the gate was at its word, though nothing more happens in it", async () => {
  using clock = new TestClock();
  const answer = Promise.withResolvers<void>();
  const { report } = TenantQuotas.prototype;
  const reports: string[] = [];
  vi.spyOn(TenantQuotas.prototype, "report").mockImplementation(async function (this: TenantQuotas, told) {
    reports.push(told.run);
    if (reports.length === 2) await answer.promise;
    return report.call(this, told);
  });
  const run = await makeRun({ tenant: await smallTenant() });
  // That of what it stores: afterwards nothing is due for a day.
  clock.forward(runReportIdleMs);
  await run.ring();
  await eventually(() => expect(reports).toHaveLength(1));
  clock.forward(runReportAtOnceMs);
  await run.create(box());
  await eventually(() => expect(reports).toHaveLength(2));
  vi.spyOn(LogStore.prototype, "stage").mockImplementationOnce(() => {
    throw new Error("a bug");
  });
  const object = bindings.RUNS.getByName(`${run.tenant}/${run.id}`);
  // Not as a call from outside: what is thrown through one counts as nobody's.
  await runInDurableObject(object, (instance) =>
    expect((instance as unknown as RunSchedulerRpc).pause()).rejects.toThrow("a bug"),
  );
  await run.create({ ...box(), key: "b" });
  answer.resolve();
  await isGiven(run, { spent: 0, allowed: tokenBlockMin });
  const alarm = () => runInDurableObject(object, (_, { storage }) => storage.getAlarm());
  await eventually(async () => expect(await alarm()).toBeLessThanOrEqual(Date.now() + runReportIdleMs));
});
