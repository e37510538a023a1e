import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Entry, Ledger, Ledgers, Place, type Priority, retryAfterOf, shares } from "../src/admission.ts";
import { admissionMs, bodyBytesPerSecondMin, bodyGraceMs, retryAfterSpreadS } from "../src/limits.ts";

const enter = (ledger: Ledger, entry: Entry, now = 0) => {
  const place = new Place(entry, now);
  return { place, full: place.enter(ledger, now) };
};
/** How many of a kind are let in, one after another. */
function letIn(ledger: Ledger, entry: Entry, most = 1000): number {
  let count = 0;
  while (count < most && enter(ledger, entry).full === undefined) count++;
  return count;
}
const refusedFirst: readonly Priority[] = ["poll", "create", "read", "take", "steer", "report"];

describe("admission", () => {
  test("[A1] new work is refused while results still come in, class by class", () => {
    const ledger = new Ledger({ work: 100, wait: 100 });
    const counts = refusedFirst.map((priority) => letIn(ledger, { priority }));
    expect(counts).toEqual([40, 10, 20, 10, 10, 10]);
    for (const priority of refusedFirst) expect(enter(ledger, { priority }).full).toBe("work");
    expect(letIn(ledger, { priority: "own" })).toBe(1000);
  });

  test("[A1] what is refused first is one order, and the table is written in it", () => {
    expect((Object.keys(shares) as Priority[]).slice(1).reverse()).toEqual(refusedFirst);
    const work = Object.values(shares).map((share) => share.work);
    expect(work).toEqual([...work].sort((a, b) => b - a));
  });

  test("[A1] a result is let in whenever anything else is", () => {
    const priorities = fc.constantFrom<Priority>("steer", "take", "read", "create", "poll");
    fc.assert(
      fc.property(
        fc.array(fc.record({ priority: priorities, waits: fc.boolean() }), { maxLength: 60 }),
        fc.record({ priority: priorities, waits: fc.boolean() }),
        (before, next) => {
          const of = (entry: Entry) => {
            const ledger = new Ledger({ work: 20, wait: 10 });
            for (const one of before) enter(ledger, one);
            return enter(ledger, entry).full;
          };
          if (of(next) === undefined) expect(of({ priority: "report", waits: next.waits })).toBeUndefined();
        },
      ),
    );
  });

  test("[A2] long polls take no room from work, and are refused where there is none", () => {
    const ledger = new Ledger({ work: 10, wait: 100 });
    expect(letIn(ledger, { priority: "poll", waits: true })).toBe(90);
    expect(enter(ledger, { priority: "poll", waits: true }).full).toBe("wait");
    expect(letIn(ledger, { priority: "create" })).toBe(5);
    expect(enter(ledger, { priority: "poll", waits: true }).full).toBe("work");
    expect(enter(ledger, { priority: "report" }).full).toBeUndefined();
  });

  test("[A3] a place that nobody extended is given up when there is no other", () => {
    const ledger = new Ledger({ work: 2, wait: 2 });
    const gone = enter(ledger, { priority: "report" }).place;
    const there = enter(ledger, { priority: "report" }).place;
    there.extend(admissionMs - 1);
    expect(enter(ledger, { priority: "report" }, admissionMs - 1).full).toBe("work");
    // Looked for at most once a second.
    expect(enter(ledger, { priority: "report" }, admissionMs).full).toBe("work");
    expect(enter(ledger, { priority: "report" }, admissionMs + 1000).full).toBeUndefined();
    gone.leave();
    expect(ledger.taken.work).toBe(2);
  });

  test("[A5] in a room of several, a body that comes too slowly leaves its place to others, and not before", () => {
    const ledger = new Ledger({ work: 2, wait: 0 }, "several");
    const own = new Ledger({ work: 1, wait: 0 });
    const given: string[] = [];
    const slow = enter(ledger, { priority: "report" }).place;
    slow.enter(own, 0);
    slow.reads(0, () => given.push("slow"));
    const steady = enter(ledger, { priority: "report" }).place;
    steady.reads(0, () => given.push("steady"));
    steady.received(10 * bodyBytesPerSecondMin);
    expect(enter(ledger, { priority: "report" }, bodyGraceMs - 1).full).toBe("work");
    // In its own room it is in nobody else's way.
    expect(enter(own, { priority: "report" }, bodyGraceMs + 1000).full).toBe("work");
    expect(given).toEqual([]);
    expect(enter(ledger, { priority: "report" }, bodyGraceMs + 1000).full).toBeUndefined();
    expect([given, slow.isLeft, own.isEmpty]).toEqual([["slow"], true, true]);
    // What has all come is slow no more, and a second of patience is for each part that came.
    expect(enter(ledger, { priority: "report" }, bodyGraceMs + 9_999).full).toBe("work");
    steady.hasRead();
    expect(enter(ledger, { priority: "report" }, bodyGraceMs + 20_000).full).toBe("work");
    expect(given).toEqual(["slow"]);
  });

  test("[A5] a large body that does not come leaves the room for bodies, too; who hangs up is not asked", () => {
    const ledger = new Ledger({ work: 10, wait: 0, bytes: 100 }, "several");
    const slow = enter(ledger, { priority: "create", bytes: 100 }).place;
    let given = 0;
    slow.reads(0, () => given++);
    expect(enter(ledger, { priority: "create", bytes: 20 }, bodyGraceMs - 1).full).toBe("bytes");
    expect(enter(ledger, { priority: "create", bytes: 20 }, bodyGraceMs + 1000).full).toBeUndefined();
    const gone = enter(ledger, { priority: "create" }).place;
    gone.leave();
    gone.reads(0, () => given++);
    expect(given).toBe(2);
  });

  test("[A4] places are left once, everywhere; whoever left enters nothing", () => {
    const all = new Ledger({ work: 5, wait: 5, bytes: 100 });
    const runs = new Ledgers({ work: 1, wait: 1 });
    const place = new Place({ priority: "report", bytes: 30 }, 0);
    expect([place.enter(all, 0), runs.enter(place, "run", 0)]).toEqual([undefined, undefined]);
    const second = new Place({ priority: "report" }, 0);
    expect([second.enter(all, 0), runs.enter(second, "run", 0), runs.size]).toEqual([undefined, "work", 1]);
    second.leave();
    place.leave();
    place.leave();
    expect([all.taken, runs.size]).toEqual([{ work: 0, wait: 0, bytes: 0 }, 0]);
    expect([place.enter(all, 0), runs.enter(place, "run", 0), all.isEmpty, runs.size]).toEqual([
      undefined,
      undefined,
      true,
      0,
    ]);
  });

  test("bodies have a room of their own: one always fits, and new work leaves half of it", () => {
    const ledger = new Ledger({ work: 100, wait: 100, bytes: 40 });
    expect(enter(ledger, { priority: "create", bytes: 90 }).full).toBeUndefined();
    expect(enter(ledger, { priority: "create", bytes: 1 }).full).toBe("bytes");
    expect(enter(ledger, { priority: "create" }).full).toBeUndefined();
    const other = new Ledger({ work: 100, wait: 100, bytes: 40 });
    expect(letIn(other, { priority: "create", bytes: 10 })).toBe(2);
    expect(letIn(other, { priority: "report", bytes: 10 })).toBe(2);
  });

  test("whatever comes and goes, what is taken is what is there", () => {
    const entry = fc.record({
      priority: fc.constantFrom<Priority>("report", "create", "poll"),
      waits: fc.boolean(),
      bytes: fc.nat(50),
    });
    fc.assert(
      fc.property(fc.array(fc.tuple(entry, fc.nat(3)), { maxLength: 80 }), (steps) => {
        const ledger = new Ledger({ work: 8, wait: 8, bytes: 100 });
        const there: Place[] = [];
        for (const [one, leaves] of steps) {
          const { place, full } = enter(ledger, one);
          if (!full) there.push(place);
          for (const left of there.splice(0, leaves)) left.leave();
          const kept = (waits: boolean) => there.filter(({ entry }) => entry.waits === waits).length;
          expect(ledger.taken).toEqual({
            work: kept(false),
            wait: kept(true),
            bytes: there.reduce((sum, { entry }) => sum + (entry.bytes ?? 0), 0),
          });
        }
      }),
    );
  });

  test("those who are refused together are asked back apart", () => {
    expect([retryAfterOf(1, 0), retryAfterOf(1, 0.999)]).toEqual([1, 1 + retryAfterSpreadS]);
  });
});
