/** B1–B3 of allowances.ts: as any runs may report, in any order and as often as they like. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TokenLedger } from "../../src/fairness/allowances.ts";
import { dayMs, tokenBlockMin } from "../../src/limits.ts";

const newLedger = (day = 0) => new TokenLedger({ day, spent: 0 }, []);
const fresh = (spent: number, wants = true) => ({ spent, isFresh: true, wants });

describe("tokens of a day", () => {
  test("[B1] runs that obey never use more together than the quota, and all of it if they want it", () => {
    const step = fc.record({ run: fc.nat(4), use: fc.nat(50_000), wants: fc.boolean() });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000 }), fc.array(step, { maxLength: 200 }), (limit, steps) => {
        const ledger = newLedger();
        const spent = [0, 0, 0, 0, 0];
        const allowed = [0, 0, 0, 0, 0];
        const report = (run: number, wants: boolean) => {
          allowed[run] = ledger.report(`r${run}`, fresh(spent[run]!, wants), limit, 1000).allowed;
        };
        const all = () => spent.reduce((a, b) => a + b);
        for (const { run, use, wants } of steps) {
          report(run, true);
          spent[run] = Math.min(allowed[run]!, spent[run]! + use);
          report(run, wants);
          expect(all()).toBeLessThanOrEqual(limit);
          expect(ledger.spentToday(1000)).toBe(all());
        }
        for (const run of spent.keys()) report(run, false);
        for (let i = 0; i < 300; i++) {
          report(0, true);
          spent[0] = allowed[0]!;
        }
        expect(all()).toBe(limit);
        expect(ledger.report("r1", fresh(spent[1]!), limit, 1000)).toMatchObject({ until: dayMs });
      }),
    );
  });

  test("[B2] a report that comes late or twice counts nothing twice", () => {
    const ledger = newLedger();
    for (const spent of [0, 5000, 5000, 2000, 5000]) ledger.report("r", fresh(spent), 100_000, 0);
    expect(ledger.spentToday(0)).toBe(5000);
  });

  test("what was used before the gate knew of the run counts where it is of today, and else not", () => {
    const ledger = newLedger();
    ledger.report("old", { spent: 70_000, isFresh: false, wants: true }, 100_000, 0);
    expect(ledger.spentToday(0)).toBe(0);
    ledger.report("new", fresh(7000), 100_000, 0);
    expect(ledger.spentToday(0)).toBe(7000);
  });

  test("[B3] who wants none any more gives back what is left, and so does one that is deleted", () => {
    const ledger = newLedger();
    const limit = tokenBlockMin;
    expect(ledger.report("a", fresh(0), limit, 0).allowed).toBe(limit);
    expect(ledger.report("b", fresh(0), limit, 0)).toEqual({ allowed: 0, limit, until: dayMs });
    ledger.report("a", fresh(4000, false), limit, 0);
    expect(ledger.report("b", fresh(0), limit, 0)).toEqual({ allowed: 6000, limit });
    ledger.forget("b");
    expect(ledger.report("c", fresh(0), limit, 0)).toEqual({ allowed: 6000, limit });
  });

  test("[B3] who wants none is not told to wait for the next day", () => {
    const ledger = newLedger();
    ledger.report("a", fresh(0), tokenBlockMin, 0);
    expect(ledger.report("b", fresh(0, false), tokenBlockMin, 0)).toEqual({ allowed: 0, limit: tokenBlockMin });
  });

  test("the next day has as many again, and a raised quota more", () => {
    const ledger = newLedger();
    const first = ledger.report("a", fresh(0), 1000, 0);
    expect(first).toEqual({ allowed: 1000, limit: 1000 });
    expect(ledger.report("a", fresh(1000), 1000, 5000)).toEqual({ allowed: 1000, limit: 1000, until: dayMs });
    expect(ledger.report("a", fresh(1000), 3000, 6000).allowed).toBe(3000);
    expect(ledger.report("a", fresh(3000), 3000, 7000).until).toBe(dayMs);
    expect(ledger.report("a", { ...fresh(3000), isFresh: false }, 3000, dayMs)).toEqual({ allowed: 6000, limit: 3000 });
    expect(ledger.spentToday(2 * dayMs)).toBe(0);
  });

  test("is the same from what is stored of it", () => {
    const ledger = newLedger();
    ledger.report("a", fresh(500), 20_000, 0);
    ledger.report("b", fresh(0), 20_000, 0);
    const again = new TokenLedger(
      ledger.day,
      ["a", "b"].map((run) => [run, ledger.account(run)!] as const),
    );
    const next = ["c", "a", "b"].map((run) => again.report(run, fresh(600), 20_000, 1));
    expect(["c", "a", "b"].map((run) => ledger.report(run, fresh(600), 20_000, 1))).toEqual(next);
  });
});
