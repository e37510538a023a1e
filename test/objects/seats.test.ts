/** Seats: as many are opened as can work, and an idle one gets its task in the step that makes it ready. */

import { runInDurableObject } from "cloudflare:test";
import { describe, expect, it } from "vitest";
import { lateShardStep, seatOpenMs, seatOpenMsMax, seatShards } from "../../src/limits.ts";
import { Seats } from "../../src/objects/run/seats.ts";
import { eventually } from "./lib/eventually.ts";
import { bindings, makeRun, TestClock, type TestRun } from "./lib/runs.ts";
import { heldSeats, nextTask } from "./lib/seats.ts";

const tickets = heldSeats();
const ticket = (nonce: string) => ({ tenant: "t", run: "r", nonce, shard: 0 });

describe("A run that nobody opens a seat of", () => {
  it("sends its tickets as seldom as it did before its object left memory, until a seat opens (O2)", async () => {
    using clock = new TestClock();
    const run = await makeRun();
    const sent = () => tickets.filter((one) => one.run === run.id);
    const untilSent = (count: number) => eventually(() => expect(sent()).toHaveLength(count));
    await run.create({ instructions: "a" });
    for (let round = 0; round < seatShards + 4; round++) {
      clock.forward(seatOpenMsMax);
      await run.ring();
    }
    await untilSent(1 + seatShards + 4);
    await run.evict();
    clock.forward(seatOpenMs);
    await run.ring();
    await run.view();
    clock.forward(seatOpenMsMax);
    await run.ring();
    await untilSent(2 + seatShards + 4);
    expect(await run.seat("late")).toBeDefined();
    await run.evict();
    await run.create({ instructions: "b" });
    await untilSent(3 + seatShards + 4);
    // None was only later.
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(sent()).toHaveLength(3 + seatShards + 4);
  });
});

describe("The ledger", () => {
  it("counts a seat from its ticket until a command has decided what it gets (O1)", () => {
    const seats = new Seats();
    expect(seats.wanted(2, 0)).toHaveLength(2);
    seats.sent(ticket("a"), 0);
    seats.sent(ticket("b"), 0);
    expect(seats.wanted(2, 0)).toEqual([]);
    expect(seats.open("a", 1)).toBe(true);
    seats.asks("a");
    expect(seats.wanted(2, 1)).toEqual([]);
    seats.answered("a");
    // Its task is running by now; of two ready ones then one was left.
    expect(seats.wanted(1, 2)).toEqual([]);
    expect(seats.wanted(2, 2)).toHaveLength(1);
  });

  it("forgets a seat that closed without an answer", () => {
    const seats = new Seats();
    seats.open("a", 0);
    seats.asks("a");
    seats.close("a");
    expect(seats.wanted(1, 1)).toHaveLength(1);
  });

  it("sends a late opening again on another shard (O2), and opens a nonce once (O3)", () => {
    const seats = new Seats();
    seats.sent({ ...ticket("a"), shard: 2 }, 0);
    expect(seats.wanted(1, seatOpenMs - 1)).toEqual([]);
    expect(seats.wanted(1, seatOpenMs)).toEqual([2 + lateShardStep]);
    expect(seats.open("a", seatOpenMs)).toBe(true);
    expect(seats.open("a", seatOpenMs)).toBe(false);
  });

  it("sends openings again less and less often when none was answered on any shard, and as at first after one was (O2)", () => {
    const seats = new Seats();
    const hour = 3_600_000;
    const begin = 1_000_000;
    let sent = 0;
    const shards = new Set<number>();
    const send = (from: number, to: number) => {
      for (let now = from; now <= to; now += 500) {
        for (const shard of seats.wanted(3, now)) {
          seats.sent({ ...ticket(`${sent++}`), shard }, now);
          shards.add(shard);
        }
      }
    };
    // Not all at the same time: each is late at a time of its own.
    seats.sent(ticket("x"), begin - 1000);
    send(begin, begin + seatShards * seatOpenMs);
    expect(shards.size).toBe(seatShards);
    send(begin, begin + hour);
    // Every three seconds it would be 3,600.
    expect(sent).toBeLessThan(3 * (seatShards + 8 + hour / seatOpenMsMax));
    expect(sent).toBeGreaterThan(3 * (hour / seatOpenMsMax));
    const before = sent;
    expect(seats.open(`${sent - 1}`, begin + hour)).toBe(true);
    send(begin + hour, begin + hour + 2 * seatOpenMs);
    expect(sent - before).toBeGreaterThanOrEqual(3);
  });

  it("waits on where an earlier life of its object did, and as at first once a seat has opened (O2)", () => {
    const begin = 1_000_000;
    const hour = 3_600_000;
    let sent = 0;
    let seats = new Seats();
    for (let now = begin; now <= begin + hour; now += 500) {
      // Nothing else of its memory outlives ten seconds without a call.
      if (now % 10_000 === 0 && seats.lateness) {
        const { lateness } = seats;
        seats = new Seats();
        seats.restore(lateness);
      }
      for (const shard of seats.wanted(3, now)) seats.sent({ ...ticket(`${sent++}`), shard }, now);
      expect(seats.nextCheck()).toBeGreaterThan(now);
    }
    expect(sent).toBeLessThan(3 * (seatShards + 8 + hour / seatOpenMsMax));
    expect(sent).toBeGreaterThan(3 * (hour / seatOpenMsMax));
    expect(seats.open(`${sent - 1}`, begin + hour)).toBe(true);
    expect(seats.lateness).toBeUndefined();
    expect(seats.wanted(3, begin + hour).length).toBeGreaterThan(0);
  });

  it("sends at once what a queue has lost, and no sooner than others when all have lost it (O2)", () => {
    const seats = new Seats();
    let now = 1_000_000;
    for (let n = 0; n < seatShards; n++, now += seatOpenMs) {
      expect(seats.wanted(1, now)).toHaveLength(1);
      seats.sent(ticket(`${n}`), now);
      seats.lost(`${n}`);
    }
    expect(seats.wanted(1, now)).toHaveLength(1);
    seats.sent(ticket("z"), now);
    seats.lost("z");
    expect(seats.wanted(1, now + 1)).toEqual([]);
    expect(seats.nextCheck()).toBe(now + seatOpenMs);
    expect(seats.wanted(1, now + seatOpenMs)).toHaveLength(1);
  });
});

describe("A lingering seat", () => {
  it("gets the next task in the commit that made it ready (O4)", async () => {
    const run = await makeRun();
    const [a, b, c] = await run.create(
      { key: "a", instructions: "first" },
      { instructions: "second", after: ["a"] },
      { instructions: "third", after: ["a"] },
    );
    const first = (await run.rpc.openSeat(run.ticket("busy"), nextTask("busy")))!;
    expect(first).toMatchObject({ taskId: a });
    // Nothing is ready for this one yet; the call after it shows that it lingers.
    const idle = run.rpc.openSeat(run.ticket("idle"), nextTask("idle"));
    await run.view();
    const { length } = tickets;
    const before = await rowsOfLog(run);
    const leave = { kind: "end", ending: { kind: "result", result: 1 } } as const;
    const ended = await run.rpc.leaveSeat(first, leave, nextTask("busy"));
    expect(ended).toMatchObject({ kind: "over", work: { taskId: b } });
    expect(await idle).toMatchObject({ taskId: c });
    expect(await rowsOfLog(run)).toBe(before + 1);
    expect(tickets).toHaveLength(length);
  });

  it("closes when nothing came, and holds nobody up", async () => {
    const run = await makeRun();
    await run.create({ instructions: "first" });
    const first = (await run.rpc.openSeat(run.ticket("busy"), nextTask("busy")))!;
    expect(await run.rpc.openSeat(run.ticket("idle"), nextTask("idle"))).toBeUndefined();
    const [later] = await run.create({ instructions: "second" });
    const leave = { kind: "end", ending: { kind: "result", result: 1 } } as const;
    expect(await run.rpc.leaveSeat(first, leave, nextTask("busy"))).toMatchObject({ work: { taskId: later } });
  });
});

const rowsOfLog = (run: TestRun): Promise<number> =>
  runInDurableObject(bindings.RUNS.getByName(`${run.tenant}/${run.id}`), (_, { storage }) =>
    Number(storage.sql.exec("SELECT count(*) AS n FROM log").one().n),
  );
