/** Answers that a seat does not hear, as of an object that was replaced in mid-call: what it was given then does not wait for its lease. */

import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { type RunAttempt, serveSeat } from "../../src/agent/seat.ts";
import { leaseMs, objectRetryMs } from "../../src/limits.ts";
import { persistent, runRepeats } from "../../src/object-calls.ts";
import type { RunSchedulerRpc } from "../../src/objects/rpc.ts";
import type { SeatRpc } from "../../src/objects/seat-rpc.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, makeRun, TestClock, type TestRun } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

heldSeats();

type RunObject = RunSchedulerRpc & SeatRpc;

/** As callers see a run's object, but that the answer to the first call of `method` is lost after it was carried out. */
function losing(run: TestRun, method: keyof SeatRpc, error: Error): () => RunObject {
  let isLost = false;
  const fresh = () =>
    new Proxy(run.rpc, {
      get: (object, name) => {
        const call = Reflect.get(object, name) as (...args: unknown[]) => Promise<unknown>;
        if (name !== method) return call;
        return async (...args: unknown[]) => {
          const answer = await call(...args);
          if (isLost) return answer;
          isLost = true;
          throw error;
        };
      },
    });
  return () => persistent(fresh, runRepeats);
}

/** The same where the first call of `method` is cut off, and is carried out all the same. */
function cutOff(run: TestRun, method: keyof SeatRpc): () => RunObject {
  let isCut = false;
  const fresh = () =>
    new Proxy(run.rpc, {
      get: (object, name) => {
        const call = Reflect.get(object, name) as (...args: unknown[]) => Promise<unknown>;
        if (name !== method || isCut) return call;
        isCut = true;
        return async (...args: unknown[]) => {
          void call(...args);
          throw replaced();
        };
      },
    });
  return () => persistent(fresh, runRepeats);
}

const replaced = () => Object.assign(new Error("the object was replaced"), { retryable: true });

/** Each task is a turn without a model. */
const attempt: RunAttempt = async (work, ports) => {
  const lease = { taskNumber: work.taskNumber, fence: work.fence };
  const ending = { kind: "result", result: "ok" } as const;
  return ports.scheduler().leaveSeat(lease, { kind: "end", ending }, ports.next());
};

const turns: RunAttempt = async (work, ports) => {
  const lease = { taskNumber: work.taskNumber, fence: work.fence };
  const usage = { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 };
  const messages = [...work.fork, '{"role":"assistant","content":"ok"}'];
  const ending = { kind: "result", result: "ok" } as const;
  return ports.scheduler().seatTurn(lease, { messages, usage, calls: [], ending }, ports.next());
};

const states = async (run: TestRun) => (await run.tasks()).map(({ state, attempts }) => `${state} ${attempts}`);

describe("a seat that does not hear of its next task", () => {
  it("goes on with it when it says again what it was answered with", async () => {
    const run = await makeRun();
    await run.create({ instructions: "a" }, { instructions: "b" });
    await serveSeat(run.ticket("s"), losing(run, "leaveSeat", replaced()), {}, { attempt });
    expect(await states(run)).toEqual(["succeeded 1", "succeeded 2"]);
  });

  it("gets it once though it asks again while its first question is still waiting for one", async () => {
    const run = await makeRun();
    await run.create({ instructions: "a" }, { instructions: "for others", pool: "box" });
    const seat = serveSeat(run.ticket("s"), cutOff(run, "leaveSeat"), {}, { attempt });
    // Both questions are there.
    await eventually(async () => expect((await run.tasks())[0]!.state).toBe("succeeded"));
    await new Promise((resolve) => setTimeout(resolve, 2 * objectRetryMs));
    await run.create({ instructions: "b" }, { instructions: "c" });
    await seat;
    expect(await states(run)).toEqual(["succeeded 1", "ready 0", "succeeded 1", "succeeded 1"]);
  });

  it.each(["openSeat", "seatTurn"] as const)(
    "breaks when that was the answer of %s, and others have it at once",
    async (method) => {
      const run = await makeRun();
      await run.create({ instructions: "a" }, { instructions: "b" });
      const broken = serveSeat(run.ticket("s"), losing(run, method, replaced()), {}, { attempt: turns });
      await expect(broken).rejects.toThrow("replaced");
      expect((await run.view()).counts.running).toBe(0);
      await serveSeat(run.ticket("other"), () => run.rpc, {}, { attempt: turns });
      expect(await states(run)).toEqual(
        method === "openSeat" ? ["succeeded 2", "succeeded 1"] : ["succeeded 1", "succeeded 2"],
      );
    },
  );

  it("opens no more, whatever of it comes late", async () => {
    const run = await makeRun();
    await run.create({ instructions: "a" });
    await run.rpc.seatBroke("s");
    expect(await run.seat("s")).toBeUndefined();
    expect(await run.seat("other")).toMatchObject({ taskNumber: 1 });
  });
});

describe("a seat that broke while its question waited behind a commit", () => {
  it.each([
    ["that it opens with", false],
    ["for the next task", true],
  ])("[O5] gets nothing by the question %s, and others have the task at once", async (_, hasOne) => {
    const run = await makeRun();
    await run.create({ instructions: "a" });
    const lease = hasOne && (await run.seat("s"))!;
    if (hasOne) await run.create({ instructions: "b" });
    const ending = { kind: "result", result: "ok" } as const;
    const object = bindings.RUNS.getByName(`${run.tenant}/${run.id}`);
    const got = await runInDurableObject(object, async (instance) => {
      const seats = instance as unknown as SeatRpc;
      // The first of these commands is being flushed while the next two come: one waits, and the other does not.
      void seats.firstToken({ taskNumber: 99, fence: 99 });
      const asked = lease
        ? seats.leaveSeat(lease, { kind: "end", ending }, nextTask("s"))
        : seats.openSeat(run.ticket("s"), nextTask("s"));
      void seats.seatBroke("s");
      return JSON.stringify(await asked);
    });
    expect(got).toBe(lease ? '{"kind":"over"}' : undefined);
    expect((await run.view()).counts).toMatchObject({ ready: hasOne ? 2 : 1, running: 0 });
    // Nor by what comes later.
    expect(await run.seat("s")).toBeUndefined();
    expect(await run.seat("other")).toBeDefined();
  });
});

describe("a task whose seats break one after another", () => {
  it("waits for its lease from the second on", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    await run.create({ instructions: "a" });
    const breaks = (nonce: string) =>
      expect(serveSeat(run.ticket(nonce), losing(run, "openSeat", replaced()), {}, { attempt })).rejects.toThrow(
        "replaced",
      );
    await breaks("s1");
    expect(await states(run)).toEqual(["ready 1"]);
    await breaks("s2");
    expect(await states(run)).toEqual(["running 2"]);
    clock.forward(leaseMs);
    await run.ring();
    expect(await states(run)).toEqual(["ready 2"]);
  });

  it("waits for its lease from the first on where the error is another one: that the object has too much to do, or a bug", async () => {
    const run = await makeRun();
    await run.create({ instructions: "a" });
    const broken = serveSeat(run.ticket("s"), losing(run, "openSeat", new Error("too busy")), {}, { attempt });
    await expect(broken).rejects.toThrow("too busy");
    expect(await states(run)).toEqual(["running 1"]);
  });
});
