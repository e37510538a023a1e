/** K1 and K2 of book.ts. */

import { expect, test } from "vitest";
import { ClaimBook } from "../../src/fairness/book.ts";
import { noUse, useAt } from "../../src/fairness/use.ts";
import { claimMs, fairWindowMs } from "../../src/limits.ts";

const asking = (demand: number, cost = 0) => ({ demand, use: { at: 0, cost, seatMs: cost } });

test("[K1] the last word counts, as often as it comes, and none that was not renewed", () => {
  const book = new ClaimBook();
  book.claim("a", asking(10), 0);
  book.claim("a", asking(4), 1000);
  book.claim("a", asking(4), 1000);
  book.claim("b", asking(100), 1000);
  expect([...book.targets(10, 1000)].sort()).toEqual([
    ["a", 4],
    ["b", 6],
  ]);
  expect(book.others("a", 1000)).toBe(1);
  book.claim("b", asking(100), 2000);
  expect([...book.targets(10, 1000 + claimMs)]).toEqual([["b", 10]]);
  expect(book.total(2000 + claimMs).demand).toBe(0);
});

test("[K2] what was used outlives the claim, and fades", () => {
  const book = new ClaimBook();
  book.claim("a", asking(1, 1000), 0);
  book.forget("a", 0);
  book.claim("b", asking(1, 500), 0);
  expect(book.total(0)).toMatchObject({ demand: 1, use: { cost: 1500 } });
  expect(book.total(fairWindowMs).use.cost).toBeCloseTo(1500 / Math.E, 3);
  book.clear();
  expect(book.total(0).use).toMatchObject({ cost: 0 });
});

test("[K2] who comes and goes has used what he says, once, and who loses his memory what he said before, too", () => {
  const book = new ClaimBook();
  const expectUsed = (cost: number, now: number) =>
    expect(book.total(now).use.cost).toBeCloseTo(useAt(asking(1, cost).use, now).cost, 6);
  book.claim("b", asking(1, 500), 0);
  book.forget("b", 0);
  for (let now = 0; now < 10_000; now += 1000) {
    book.claim("a", asking(1, 1000), now);
    book.claim("a", asking(1, 1000), now);
    expectUsed(1500, now);
    book.leave("a", asking(1, 1000).use, now + 500);
    expectUsed(1500, now + 500);
  }
  book.claim("a", asking(1, 5), 10_000);
  expectUsed(1505, 10_000);
});

test("[K2] what a short run used is known with its last word, and of who never wanted a seat nothing is", () => {
  const book = new ClaimBook();
  book.claim("short", asking(1, 0), 0);
  book.leave("short", asking(0, 700).use, 0);
  book.leave("short", asking(0, 700).use, 0);
  book.leave("elsewhere", asking(0, 9000).use, 0);
  expect(book.total(0)).toMatchObject({ demand: 0, use: { cost: 700 } });
  // Also where it comes after the claim is over.
  book.claim("late", asking(1, 100), 0);
  expect(book.total(claimMs).demand).toBe(0);
  book.leave("late", asking(0, 400).use, claimMs);
  expect(book.total(claimMs).use.cost).toBeCloseTo(useAt(asking(0, 1100).use, claimMs).cost, 6);
});

test("clocks that go back change nothing", () => {
  expect(useAt({ at: 5000, cost: 7, seatMs: 3 }, 1000)).toEqual({ at: 5000, cost: 7, seatMs: 3 });
  expect(useAt(noUse, 1000)).toEqual({ at: 1000, cost: 0, seatMs: 0 });
});
