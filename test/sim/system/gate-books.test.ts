/** What a run tells its tenant's gate, and that one the deployment's, where answers come when the test lets them: some of it found by worlds 1397 and 1875. */

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { noUse } from "../../../src/fairness/use.ts";
import { gateAsksAtOnceMs } from "../../../src/limits.ts";
import type { TenantTerms } from "../../../src/objects/gate-rpc.ts";
import { RunScheduler } from "../../../src/objects/run-scheduler.ts";
import { TenantGate } from "../../../src/objects/tenant-gate.ts";
import { TenantShares } from "../../../src/objects/tenant-shares.ts";
import { Random } from "../random.ts";
import { Faults } from "./platform/faults.ts";
import { drained, replaceGlobals } from "./platform/globals.ts";
import { Host, type ObjectClass } from "./platform/objects.ts";
import { Timeline } from "./platform/timeline.ts";

interface Told {
  readonly lane: string;
  readonly ready: boolean;
  readonly answer: () => void;
}

const run = "run_00000000000000000000";
const head = { format: "anthropic", messages: ['{"role":"user","content":"Do it."}'] };
const limits = { pools: ["laptop"] };

describe("what a run tells the gate", () => {
  const timeline = new Timeline(1_700_000_000_000);
  const random = new Random(1);
  const faults = new Faults(random);
  let restore: () => void;
  let told: Told[];
  let host: Host;

  beforeEach(() => {
    restore = replaceGlobals(timeline, random, () => undefined);
    faults.stop();
    told = [];
    const announce = ({ pool, tool, ready }: { pool: string; tool?: string; ready: boolean }) =>
      new Promise<void>((answer) => told.push({ lane: tool ? `${pool}/${tool}` : pool, ready, answer }));
    const index = { prepare: () => ({ bind: () => ({ run: async () => ({ meta: { changes: 1 } }) }) }) };
    const env = { DB: index, GATES: { getByName: () => ({ announce }) } };
    host = new Host("run", RunScheduler as unknown as ObjectClass, env, {
      timeline,
      random,
      faults,
      note: () => undefined,
    });
  });
  afterEach(() => {
    restore();
    host.storage.close();
  });

  /** The answer of a call, with all that follows from it in a second. */
  async function call(method: string, ...args: unknown[]): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    host.receive({ method, args }, { answer: resolve, fail: reject });
    await pass(1000);
    return promise;
  }

  async function pass(ms: number): Promise<void> {
    const end = timeline.now + ms;
    await drained();
    for (let entry = timeline.next(end); entry; entry = timeline.next(end)) {
      entry.act();
      await drained();
    }
  }

  const create = () => call("createRun", { tenant: "tenant", run, context: head, limits });
  const post = () => call("createTasks", { tasks: [{ instructions: "Do it.", pool: "laptop" }] });
  const lease = () => call("leases", { pool: "laptop", worker: "w", max: 1, contextBytes: 10_000 });
  const heard = () => told.map(({ lane, ready }) => `${lane} ${ready}`);

  test("comes one word at a time, so that an older one can't be the last", async () => {
    await create();
    await post();
    await lease();
    await post();
    await lease();
    expect(heard()).toEqual(["laptop true"]);
    told[0]!.answer();
    await pass(10);
    expect(heard()).toEqual(["laptop true", "laptop false"]);
    await post();
    expect(heard()).toEqual(["laptop true", "laptop false"]);
    told[1]!.answer();
    await pass(10);
    expect(heard()).toEqual(["laptop true", "laptop false", "laptop true"]);
  });

  test("is said again by the sweep, whatever came between", async () => {
    await create();
    await post();
    told[0]!.answer();
    await pass(10);
    await call("sweep");
    expect(heard()).toEqual(["laptop true", "laptop true"]);
    told[1]!.answer();
    await lease();
    told[2]!.answer();
    await call("sweep");
    expect(heard()).toEqual(["laptop true", "laptop true", "laptop false"]);
  });

  test("ends with the run, also when the object no longer knows what it said", async () => {
    await create();
    await post();
    told[0]!.answer();
    await pass(10);
    expect(heard()).toEqual(["laptop true"]);
    await lease();
    expect(heard()).toEqual(["laptop true", "laptop false"]);
    // The word is lost with the object that said it.
    host.end(true, "the test ends it");
    await call("cancelRun", undefined);
    expect(heard()).toEqual(["laptop true", "laptop false", "laptop false"]);
  });
});

test("the gate takes a run off when it is told again, where its storage refused the first time", async () => {
  const timeline = new Timeline(1_700_000_000_000);
  const random = new Random(1);
  const faults = new Faults(random);
  const restore = replaceGlobals(timeline, random, () => undefined);
  let refuses = false;
  faults.strikes = (kind) => kind === "refused" && refuses;
  const gate = new Host(
    "gate",
    TenantGate as unknown as ObjectClass,
    {},
    { timeline, random, faults, note: () => undefined },
  );
  const announce = async (ready: boolean) => {
    const outcome = Promise.withResolvers<unknown>();
    gate.receive(
      { method: "announce", args: [{ run, pool: "laptop", ready }] },
      { answer: () => outcome.resolve("done"), fail: outcome.resolve },
    );
    await drained();
    for (let entry = timeline.next(timeline.now + 100); entry; entry = timeline.next(timeline.now + 100)) {
      entry.act();
      await drained();
    }
    return outcome.promise;
  };
  try {
    expect(await announce(true)).toBe("done");
    refuses = true;
    expect(String(await announce(false))).toContain("SQLITE_FULL");
    refuses = false;
    expect(await announce(false)).toBe("done");
    expect(gate.storage.rows("SELECT * FROM ready")).toEqual([]);
  } finally {
    restore();
    gate.storage.close();
  }
});

test("[T2] the deployment hears that a tenant wants no seats any more, also where that was so while it was asked for some", async () => {
  vi.useFakeTimers();
  try {
    const asked: { readonly demand: number; readonly answer: (terms: TenantTerms) => void }[] = [];
    const report = ({ demand }: { readonly demand: number }) =>
      new Promise<TenantTerms>((answer) => asked.push({ demand, answer }));
    const shares = new TenantShares({
      deployment: () => ({ report }),
      seats: () => 100,
      quota: () => undefined,
    });
    const tell = (demand: number) =>
      shares.report({
        tenant: "ten_a",
        run,
        demand,
        use: noUse,
        tokens: { spent: 0, isFresh: true, wants: false },
        bytes: 0,
      });
    const begun = tell(3);
    await tell(0);
    expect(asked.map(({ demand }) => demand)).toEqual([3]);
    asked[0]!.answer({ seats: 3, isScarce: false });
    await begun;
    await vi.advanceTimersByTimeAsync(gateAsksAtOnceMs);
    expect(asked.map(({ demand }) => demand)).toEqual([3, 0]);
    asked[1]!.answer({ seats: 0, isScarce: false });
    await vi.advanceTimersByTimeAsync(10 * gateAsksAtOnceMs);
    expect(asked).toHaveLength(2);
  } finally {
    vi.useRealTimers();
  }
});
