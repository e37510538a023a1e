/** Z1–Z4 of divide.ts, for any claims. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Claim, divide } from "../../src/fairness/divide.ts";
import { addUse, noUse, type Use } from "../../src/fairness/use.ts";

const use = fc.record({
  at: fc.constant(0),
  cost: fc.double({ min: 0, max: 1e9, noNaN: true }),
  seatMs: fc.double({ min: 0, max: 1e7, noNaN: true }),
});
const claims = fc
  .array(fc.record({ demand: fc.integer({ min: 0, max: 2000 }), use }), { maxLength: 40 })
  .map((list) => list.map((one, i): Claim => ({ id: `c${i}`, ...one })));
const seats = fc.integer({ min: 1, max: 5000 });

const sum = (targets: ReadonlyMap<string, number>) => [...targets.values()].reduce((all, one) => all + one, 0);

describe("divide", () => {
  test("[Z1] [Z2] all seats are given, and no more; whoever gets less than he can use shares with others who do", () => {
    fc.assert(
      fc.property(seats, claims, (capacity, list) => {
        const targets = divide(capacity, list);
        const wanting = list.filter(({ demand }) => demand > 0);
        const wanted = wanting.reduce((all, { demand }) => all + demand, 0);
        expect([...targets.keys()].sort()).toEqual(wanting.map(({ id }) => id).sort());
        expect(sum(targets)).toBe(wanting.length === 0 ? 0 : capacity);
        if (wanted > capacity)
          for (const { id, demand } of wanting) expect(targets.get(id)!).toBeLessThanOrEqual(demand);
        else for (const { id, demand } of wanting) expect(targets.get(id)!).toBeGreaterThanOrEqual(demand);
        expect([...targets.values()].every((target) => Number.isInteger(target) && target >= 0)).toBe(true);
      }),
    );
  });

  test("[Z3] each who wants a seat has one, and where there are too few those who used least do", () => {
    fc.assert(
      fc.property(seats, claims, (capacity, list) => {
        const targets = divide(capacity, list);
        const wanting = list.filter(({ demand }) => demand > 0);
        const without = wanting.filter(({ id }) => targets.get(id) === 0);
        if (wanting.length <= capacity) expect(without).toEqual([]);
        const most = Math.max(0, ...wanting.filter(({ id }) => targets.get(id)! > 0).map((one) => one.use.cost));
        for (const one of without) expect(one.use.cost).toBeGreaterThanOrEqual(most);
      }),
    );
  });

  test("the order of the claims changes nothing", () => {
    fc.assert(
      fc.property(seats, claims, (capacity, list) => {
        expect([...divide(capacity, list.toReversed())].sort()).toEqual([...divide(capacity, list)].sort());
      }),
    );
  });

  test("equals get equal shares, to one seat", () => {
    const list = Array.from({ length: 7 }, (_, i) => ({ id: `c${i}`, demand: 1000, use: noUse }));
    const values = [...divide(100, list).values()];
    expect(Math.max(...values) - Math.min(...values)).toBeLessThanOrEqual(1);
  });

  test("[Z4] who burns ten times as much gets a tenth of the seats", () => {
    const burning = (id: string, cost: number): Claim => ({ id, demand: 1000, use: { at: 0, cost, seatMs: 100_000 } });
    // Both have used as much: the dear one with a tenth of the seats.
    const dear: Claim = { id: "dear", demand: 1000, use: { at: 0, cost: 100_000, seatMs: 10_000 } };
    expect([...divide(110, [dear, burning("cheap", 100_000)])].sort()).toEqual([
      ["cheap", 100],
      ["dear", 10],
    ]);
  });

  test("[Z4] a small one beside 100,000 ready tasks has all that it wants", () => {
    const list: Claim[] = [
      { id: "large", demand: 100_000, use: { at: 0, cost: 1e6, seatMs: 1e6 } },
      { id: "small", demand: 1, use: noUse },
    ];
    expect(divide(16, list).get("small")).toBe(1);
    expect(divide(1, list).get("small")).toBe(1);
  });

  test("[Z4] whatever they burn, in the end they have used as much over the window", () => {
    const burns = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 2, maxLength: 6 });
    fc.assert(
      fc.property(
        burns,
        fc.array(fc.integer({ min: 0, max: 200_000 }), { minLength: 6, maxLength: 6 }),
        (list, begun) => {
          let uses: Use[] = list.map((_, i) => ({ at: 0, cost: begun[i]!, seatMs: 10_000 }));
          const everyMs = 5000;
          for (let now = everyMs; now <= 20 * 60_000; now += everyMs) {
            const targets = divide(
              400,
              uses.map((one, i) => ({ id: `${i}`, demand: 1e6, use: one })),
            );
            uses = uses.map((one, i) => {
              const seatMs = targets.get(`${i}`)! * everyMs;
              return addUse(one, now, { tokens: (seatMs / 1000) * 100 * list[i]!, seatMs });
            });
          }
          const costs = uses.map(({ cost }) => cost);
          const jain = costs.reduce((a, b) => a + b) ** 2 / (costs.length * costs.reduce((a, b) => a + b * b, 0));
          expect(jain).toBeGreaterThan(0.98);
        },
      ),
      { numRuns: 30 },
    );
  });
});
