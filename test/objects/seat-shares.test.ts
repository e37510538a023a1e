/** A run's share of the seats: from its tenant's gate, which has it from the deployment's. */

import { runInDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { noUse } from "../../src/fairness/use.ts";
import { gateAsksEveryMs, gateAsksScarceMs, runReportEveryMs } from "../../src/limits.ts";
import type { DeploymentGateRpc, RunReport, TenantReport } from "../../src/objects/gate-rpc.ts";
import type { SeatWork } from "../../src/objects/seat-rpc.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, gateOf, makeRun, newTenant, TestClock, type TestRun } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

const tickets = heldSeats();
/** Runs of the tests before it send theirs again. */
const ticketsOf = ({ id }: TestRun) => tickets.filter(({ run }) => run === id);

const limits = { workers: 16, warm_ms: 0 };
const tasks = (count: number) => Array.from({ length: count }, () => ({ instructions: "do it" }));
const end = { kind: "end", ending: { kind: "result", result: 1 } } as const;
const seats = async (run: TestRun) => (await run.view()).seats;
const typesOf = async (run: TestRun) => (await run.events()).map(({ type }) => type);

/**
 * Has the run report until it has been told this. Where the deployment's gate takes longer to answer than a run is kept waiting for it, the run
 * hears of it with its next report, and on a clock that stands still it would never make one: so it is moved to that each time.
 * `held`: leases that must last meanwhile.
 */
const isTold = (run: TestRun, expected: object, clock: TestClock, held: readonly [TestRun, SeatWork][] = []) =>
  eventually(async () => {
    try {
      expect(await seats(run)).toMatchObject(expected);
    } catch (error) {
      clock.forward(runReportEveryMs);
      for (const [of, lease] of held) await of.rpc.renewSeat(lease);
      await run.ring();
      throw error;
    }
  });

/** Another run of the tenant, as it would report. */
const other = (tenant: string, demand: number): RunReport => ({
  ...{ tenant, run: "run_other", demand, use: noUse, bytes: 0 },
  tokens: { spent: 0, isFresh: true, wants: true },
});
/** Each test has a deployment of its own, which its tenants' gates ask: runs of the tests before it still report, to theirs. */
let deployments = 0;
const { DEPLOYMENT } = bindings;
const deployment = (number = deployments) =>
  DEPLOYMENT.getByName(`deployment ${number}`) as unknown as DeploymentGateRpc;
const deploymentOf = new Map<string, number>();
const tenantOf = (): string => {
  const tenant = newTenant();
  deploymentOf.set(tenant, deployments);
  return tenant;
};
/** All objects have the same bindings. */
const bind = (changed: object) =>
  runInDurableObject(bindings.GATES.getByName("any"), (gate) => {
    Object.assign((gate as unknown as { env: object }).env, changed);
  });
const set = (count: string | undefined) => bind({ HEDDLE_SEATS: count });
beforeAll(async () => {
  const report = (told: TenantReport) => deployment(deploymentOf.get(told.tenant)).report(told);
  await bind({ DEPLOYMENT: { getByName: () => ({ report }) } });
});
beforeEach(() => {
  deployments++;
});
afterEach(() => set(undefined));

describe("a run's share", () => {
  it("is what the tenant's other runs leave it, and its log has that with what comes next", async () => {
    const tenant = tenantOf();
    await gateOf(tenant).report(other(tenant, 100_000));
    const run = await makeRun({ tenant, limits });
    await run.create(...tasks(3));
    await eventually(async () => expect(await seats(run)).toMatchObject({ most: 3, bound_by: "tenant" }));
    expect(await typesOf(run)).not.toContain("seat_target");
    await run.create({ instructions: "another" });
    expect((await run.events()).find(({ type }) => type === "seat_target")).toMatchObject({ seats: 3, why: "tenant" });
  });

  it("is what other tenants leave", async () => {
    const stranger = tenantOf();
    const theirs = await deployment().report({ tenant: stranger, demand: 100_000, use: noUse });
    expect(theirs.isScarce).toBe(true);
    const run = await makeRun({ tenant: tenantOf(), limits });
    await run.create(...tasks(2));
    await eventually(async () => expect(await seats(run)).toMatchObject({ most: 2, bound_by: "deployment" }));
    const after = await deployment().report({ tenant: stranger, demand: 100_000, use: noUse });
    expect(after.seats).toBeLessThan(theirs.seats);
  });

  it("is all that it can use while nobody else wants any, and stands in no log", async () => {
    // However long it takes, no ticket is late meanwhile, and sent a second time.
    using _still = new TestClock();
    const run = await makeRun({ tenant: tenantOf(), limits: { workers: 100 } });
    await run.create(...tasks(80));
    // It begins with some at once, and the rest follow with the gate's answer.
    await eventually(() => expect(ticketsOf(run)).toHaveLength(80));
    expect(await seats(run)).toEqual({ open: 0, target: 80, most: 100, bound_by: "limits" });
    expect(await typesOf(run)).not.toContain("seat_target");
  });

  it("that became smaller retires a seat when its task ends, and stands in the log from then on", async () => {
    using clock = new TestClock();
    const tenant = tenantOf();
    const run = await makeRun({ tenant, limits });
    await run.create(...tasks(8));
    const open = async (nonce: string) => (await run.rpc.openSeat(run.ticket(nonce), nextTask(nonce))) as SeatWork;
    const [a, b] = [await open("a"), await open("b")];
    const seen = async () =>
      (await run.events()).flatMap(({ type, seat, seats, why }) =>
        type.startsWith("seat_") ? [[type, seat ?? seats, why]] : [],
      );
    expect(await seen()).toEqual([
      ["seat_opened", "a", undefined],
      ["seat_opened", "b", undefined],
    ]);
    // The deployment has one seat from now on, and this run is told so when it reports next.
    await set("1");
    clock.forward(gateAsksEveryMs / 2);
    for (const lease of [a, b]) await run.rpc.renewSeat(lease);
    clock.forward(gateAsksEveryMs / 2);
    await run.ring();
    const held = [a, b].map((lease): [TestRun, SeatWork] => [run, lease]);
    await isTold(run, { open: 2, most: 1 }, clock, held);
    expect(await run.rpc.leaveSeat(a, end, nextTask("a"))).toEqual({ kind: "over" });
    // With the last one's end there is room again.
    expect(await run.rpc.leaveSeat(b, end, nextTask("b"))).toMatchObject({ kind: "over", work: {} });
    expect((await seen()).slice(2)).toEqual([
      ["seat_target", 1, "deployment"],
      ["seat_closed", "a", "target"],
    ]);
  });

  it("of a single task is its seat at once, however many another tenant has ready on all seats", async () => {
    using clock = new TestClock();
    await set("2");
    const [large, small] = [tenantOf(), tenantOf()];
    const busy = await makeRun({ tenant: large, limits });
    await busy.create(...tasks(200));
    await isTold(busy, { most: 2, bound_by: "deployment" }, clock);
    const open = async (run: TestRun, nonce: string) =>
      (await run.rpc.openSeat(run.ticket(nonce), nextTask(nonce))) as SeatWork;
    const [a, b] = [await open(busy, "a"), await open(busy, "b")];
    expect(await seats(busy)).toMatchObject({ open: 2, target: 2 });
    const one = await makeRun({ tenant: small, limits });
    await one.create({ instructions: "only this" });
    await eventually(() => expect(ticketsOf(one)).toHaveLength(1));
    const c = await open(one, ticketsOf(one)[0]!.nonce);
    expect(c).toBeDefined();
    const held: [TestRun, SeatWork][] = [
      [busy, a],
      [busy, b],
      [one, c],
    ];
    await isTold(one, { open: 1, most: 1 }, clock, held);
    // The large one hears of it when it asks next, and gives a seat back when a task ends.
    clock.forward(gateAsksScarceMs);
    for (const [of, lease] of held) await of.rpc.renewSeat(lease);
    await busy.ring();
    await isTold(busy, { open: 2, most: 1 }, clock, held);
    expect(await busy.rpc.leaveSeat(a, end, nextTask("a"))).toEqual({ kind: "over" });
    expect(await busy.rpc.leaveSeat(b, end, nextTask("b"))).toMatchObject({ kind: "over", work: {} });
  });
});
