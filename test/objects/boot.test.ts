/** Boots of a local runtime: what another one began is over at once, and what this one began goes on. */

import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { leaseMs } from "../../src/limits.ts";
import { bootOf } from "../../src/objects/boot.ts";
import type { LeaseRef } from "../../src/objects/rpc.ts";
import { RunScheduler } from "../../src/objects/run-scheduler.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, TestClock, value } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

const tickets = heldSeats();

let made = 0;

/**
 * A run whose object is loaded anew at each `load`, under the launcher's boot that it names. `sent`: tickets that its lives send,
 * which are waited for: one that came after the file's last test would find a runtime that can load nothing any more.
 */
async function withObject(
  sent: number,
  test: (load: (launcher: string) => RunScheduler, name: { tenant: string; run: string }) => Promise<void>,
): Promise<void> {
  const name = { tenant: "ten_boots", run: `run_boot${++made}` };
  await runInDurableObject(bindings.RUNS.getByName(`${name.tenant}/${name.run}`), async (_, state) => {
    const load = (launcher: string) => new RunScheduler(state, { ...bindings, HEDDLE_BOOT: launcher });
    await test(load, name);
    value(await load("last").cancelRun(undefined));
  });
  await eventually(() => expect(tickets.length).toBeGreaterThanOrEqual(sent));
}

/** Creates a run with one task that a pull worker leases and one that a hosted seat does; answers the first one's lease. */
async function begun(object: RunScheduler, name: { tenant: string; run: string }): Promise<LeaseRef> {
  value(
    await object.createRun({ ...name, context: { format: "anthropic", messages: [] }, limits: { pools: ["box"] } }),
  );
  const tasks = [
    { key: "pulled", pool: "box", instructions: "do it" },
    { key: "hosted", instructions: "do it" },
  ];
  value(await object.createTasks({ tasks }));
  const leases = value(await object.leases({ pool: "box", worker: "w", max: 1, contextBytes: 1e6 }));
  expect(leases).toHaveLength(1);
  const ticket = { ...name, nonce: "seat", shard: 0 };
  expect(await object.openSeat(ticket, nextTask("seat"))).toBeDefined();
  const { taskNumber, fence } = leases[0]!;
  return { taskNumber, fence };
}

const stateOf = async (object: RunScheduler, key: string) => value(await object.task(key)).state;

describe("an object that is loaded again", () => {
  it("in the boot that created its run gives no lease a second term", () =>
    withObject(3, async (load, name) => {
      using clock = new TestClock();
      await begun(load("one"), name);
      clock.forward(leaseMs - 1000);
      const again = load("one");
      expect([await stateOf(again, "hosted"), await stateOf(again, "pulled")]).toEqual(["running", "running"]);
      clock.forward(1000);
      await again.alarm();
      expect(await stateOf(again, "pulled")).toBe("ready");
    }));

  it("in another boot ends what a seat ran, and gives pull workers a whole term", () =>
    withObject(4, async (load, name) => {
      using clock = new TestClock();
      await begun(load("one"), name);
      clock.forward(leaseMs - 1000);
      const next = load("two");
      expect([await stateOf(next, "hosted"), await stateOf(next, "pulled")]).toEqual(["ready", "running"]);
      clock.forward(leaseMs - 1);
      await next.alarm();
      expect(await stateOf(next, "pulled")).toBe("running");
      clock.forward(1);
      await next.alarm();
      expect(await stateOf(next, "pulled")).toBe("ready");
    }));
});

describe("boots that follow one another", () => {
  it("do not keep a lost worker's lease for as long as they do, be the object idle in between or not", () =>
    withObject(6, async (load, name) => {
      using clock = new TestClock();
      await begun(load("one"), name);
      for (const boot of ["two", "three", "four"]) {
        clock.forward(leaseMs / 3);
        expect([boot, await stateOf(load(boot), "pulled")]).toEqual([boot, "running"]);
      }
      // The third restart without a word of its worker leaves half a term (SPEC L4).
      clock.forward(leaseMs / 2 - 1);
      const again = load("four");
      await again.alarm();
      expect(await stateOf(again, "pulled")).toBe("running");
      clock.forward(1);
      await again.alarm();
      expect(await stateOf(again, "pulled")).toBe("ready");
    }));

  it("keep that of a worker who renews it in each", () =>
    withObject(7, async (load, name) => {
      using clock = new TestClock();
      const lease = await begun(load("one"), name);
      for (let boot = 0; boot < 8; boot++) {
        clock.forward(leaseMs - 1);
        const object = load(`boot-${boot}`);
        value(await object.renew(lease));
      }
      expect(await stateOf(load("late"), "pulled")).toBe("running");
    }));
});

it("is none in a deployment, and is more than the launcher's start", () => {
  expect(bootOf({})).toBe("");
  expect(bootOf({ HEDDLE_BOOT: "one" })).toMatch(/^one\/.+/);
  expect(bootOf({ HEDDLE_BOOT: "one" })).toBe(bootOf({ HEDDLE_BOOT: "one" }));
});
