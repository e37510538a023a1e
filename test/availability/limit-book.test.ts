import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LimitBook, type LimitReport, type LimitTerms } from "../../src/availability/limit-book.ts";
import { limitClaimMs, limitsSharedMax, limitWorthMoving } from "../../src/limits.ts";
import { ProviderWorld } from "./provider.ts";

const none = Number.POSITIVE_INFINITY;
const report = (limit: number, more: Partial<LimitReport> = {}): LimitReport => ({
  key: "k",
  limit,
  ceiling: 0,
  inFlight: 0,
  wanted: 100,
  ...more,
});
const ask = (book: LimitBook, run: string, one: LimitReport, now = 0): LimitTerms | undefined =>
  book.report(run, [one], now)[0];

describe("the limits that runs share", () => {
  test("[LB1] are equal, but for who wants less, and never below 1", () => {
    const book = new LimitBook();
    ask(book, "a", report(12));
    expect(ask(book, "b", report(none, { wanted: 3 }))).toMatchObject({ limit: 1, runs: 2 });
    expect(ask(book, "a", report(12))).toMatchObject({ limit: 9, runs: 2 });
    expect(ask(book, "b", report(1, { wanted: 3 }))).toMatchObject({ limit: 3 });
    ask(book, "c", report(none));
    expect(ask(book, "a", report(9))).toMatchObject({ limit: 4.5, runs: 3 });
    const small = new LimitBook();
    ask(small, "a", report(1));
    for (const run of ["b", "c"]) expect(ask(small, run, report(none))).toMatchObject({ limit: 1 });
    expect(ask(small, "a", report(1))).toMatchObject({ limit: 1 });
  });

  test("[LB1] what nobody wants is room for all to grow into", () => {
    const book = new LimitBook();
    ask(book, "a", report(20, { wanted: 2 }));
    ask(book, "b", report(none, { wanted: 4 }));
    expect(ask(book, "a", report(20, { wanted: 2 }))).toMatchObject({ limit: 9 });
    expect(ask(book, "b", report(1, { wanted: 4 }))).toMatchObject({ limit: 11 });
  });

  test("[LB2] nobody has more before another has given it up, on paper and in fact", () => {
    const book = new LimitBook();
    ask(book, "a", report(10, { inFlight: 10 }));
    expect(ask(book, "b", report(none))).toMatchObject({ limit: 1 });
    expect(ask(book, "b", report(1))).toMatchObject({ limit: 1 });
    expect(ask(book, "a", report(10, { inFlight: 10 }))).toMatchObject({ limit: 5 });
    // Its calls go on.
    expect(ask(book, "b", report(1))).toMatchObject({ limit: 1 });
    ask(book, "a", report(5, { inFlight: 7 }));
    expect(ask(book, "b", report(1))).toMatchObject({ limit: 3 });
    ask(book, "a", report(5, { inFlight: 5 }));
    expect(ask(book, "b", report(3))).toMatchObject({ limit: 5 });
  });

  test("[LB2] the sum is what was found, in whatever order and however often is reported", () => {
    const step = fc.record({ run: fc.nat(3), wanted: fc.integer({ min: 1, max: 50 }), grows: fc.nat(3) });
    fc.assert(
      fc.property(fc.double({ min: 8, max: 80, noNaN: true }), fc.array(step, { maxLength: 40 }), (found, steps) => {
        const book = new LimitBook();
        const limits = [found, none, none, none];
        ask(book, "0", report(found));
        let sum = found;
        const tell = (run: number, wanted: number) => {
          const told = ask(book, String(run), report(limits[run]!, { wanted }));
          if (told) limits[run] = told.limit;
          expect(limits[run]).toBeGreaterThanOrEqual(1);
        };
        for (const { run, wanted, grows } of steps) {
          if (limits[run] !== none) {
            limits[run]! += grows;
            sum += grows;
          }
          tell(run, wanted);
        }
        // Once all have told, twice: who is to have less, and who may have more.
        for (let round = 0; round < 3; round++) for (let run = 0; run < 4; run++) tell(run, 100);
        const given = limits.reduce((all, one) => all + one, 0);
        expect(Math.abs(given - sum)).toBeLessThan(4 * limitWorthMoving + 1e-6);
        expect(Math.max(...limits) - Math.min(...limits)).toBeLessThanOrEqual(4 * limitWorthMoving);
      }),
      { numRuns: 300 },
    );
  });

  test("[LB3] who wants nothing more, is forgotten or silent leaves what it had to the others, once", () => {
    for (const leave of ["tells", "forgotten", "silent"] as const) {
      const book = new LimitBook();
      ask(book, "a", report(10));
      ask(book, "b", report(none));
      ask(book, "a", report(10));
      expect(ask(book, "b", report(1))).toMatchObject({ limit: 5 });
      const now = leave === "silent" ? limitClaimMs : 0;
      if (leave === "silent") ask(book, "b", report(5), limitClaimMs - 1);
      for (let times = 0; times < 3; times++) {
        if (leave === "tells") ask(book, "a", report(5, { wanted: 0 }), now);
        if (leave === "forgotten") book.forget("a");
      }
      expect(ask(book, "b", report(5), now)).toMatchObject({ limit: 10, runs: 1 });
      // Alone with all that there is.
      expect(ask(book, "b", report(10), now)).toBeUndefined();
    }
  });

  test("[LB3] with the last one it is all forgotten", () => {
    const book = new LimitBook();
    ask(book, "a", report(3));
    ask(book, "a", report(3, { wanted: 0 }));
    expect(ask(book, "b", report(none))).toBeUndefined();
  });

  test("[LB4] are none before anybody was refused, and those of other models and credentials are theirs", () => {
    const book = new LimitBook();
    for (const run of ["a", "b", "a"]) expect(ask(book, run, report(none))).toBeUndefined();
    ask(book, "a", report(8, { key: "other" }));
    expect(ask(book, "b", report(none))).toBeUndefined();
  });

  test("a newcomer is told where others were refused, and by what", () => {
    const book = new LimitBook();
    ask(book, "a", report(8, { ceiling: 10, why: "overloaded" }));
    ask(book, "b", report(none));
    ask(book, "a", report(8, { ceiling: 10 }));
    expect(ask(book, "b", report(1, { ceiling: 1.25 }))).toMatchObject({ limit: 4, ceiling: 5, why: "overloaded" });
  });

  test("limiters of one run are told apart, and are one run", () => {
    const book = new LimitBook();
    const terms = book.report("a", [report(10, { limiter: "m" }), report(none)], 0);
    expect(terms).toMatchObject([{ limit: 1, runs: 1 }]);
    expect(book.report("a", [report(10, { limiter: "m" })], 0)).toMatchObject([{ limiter: "m", limit: 5, runs: 1 }]);
  });

  test("[LB3] runs that are gone without a word keep no model's place for ever", () => {
    const book = new LimitBook();
    for (let i = 0; i < limitsSharedMax; i++) ask(book, "gone", report(10, { key: String(i) }));
    ask(book, "stays", report(10, { key: "0" }), limitClaimMs - 1);
    ask(book, "a", report(10), limitClaimMs);
    expect(ask(book, "b", report(none), limitClaimMs)).toMatchObject({ limit: 1, runs: 2 });
    expect(ask(book, "c", report(none, { key: "0" }), limitClaimMs)).toMatchObject({ runs: 2 });
  });

  test("beyond so many models each goes by its own", () => {
    const book = new LimitBook();
    for (let i = 0; i < limitsSharedMax; i++) ask(book, "a", report(10, { key: String(i) }));
    ask(book, "a", report(10, { key: "more" }));
    expect(ask(book, "b", report(none, { key: "more" }))).toBeUndefined();
    expect(ask(book, "b", report(none, { key: "0" }))).toBeDefined();
    book.forget("a");
    book.forget("b");
    ask(book, "a", report(10, { key: "more" }));
    expect(ask(book, "b", report(none, { key: "more" }))).toBeDefined();
  });
});

describe("runs that share a provider's hidden limit", () => {
  const minute = 60_000;
  const perCall = minute / 1017.5;
  const jain = (shares: readonly number[]) =>
    shares.reduce((a, b) => a + b, 0) ** 2 / (shares.length * shares.reduce((a, b) => a + b * b, 0));

  test.each([
    [2, 4],
    [2, 10],
    [4, 10],
    [4, 40],
    [8, 40],
  ])("%i runs, %i at once: within a tenth of the best, less than 2%% refused, and equal", (runs, concurrent) => {
    for (const seed of [1, 2, 3]) {
      const world = new ProviderWorld(seed, { concurrent }, { runs, shared: true });
      world.pass(minute);
      const before = world.counted.map(({ through }) => through);
      const { through, refused, begun } = world.pass(10 * minute);
      expect(through / (10 * concurrent * perCall)).toBeGreaterThan(0.9);
      expect(refused / begun).toBeLessThan(0.02);
      expect(jain(world.counted.map((one, i) => one.through - before[i]!))).toBeGreaterThan(0.94);
    }
  });

  test("one that comes has its half in seconds, without a burst of refusals, and all of it when the other rests", () => {
    for (const seed of [1, 2, 3]) {
      const world = new ProviderWorld(seed, { concurrent: 10 }, { runs: 2, shared: true, resting: [1] });
      world.pass(2 * minute);
      world.work(1);
      expect(world.pass(8000).refused).toBeLessThan(10);
      const [, before] = world.counted.map(({ through }) => through);
      world.pass(20_000);
      expect((world.counted[1]!.through - before!) / ((5 * perCall) / 3)).toBeGreaterThan(0.85);
      world.rest(0);
      world.pass(6000);
      const { through, refused } = world.pass(20_000);
      expect(through / ((10 * perCall) / 3)).toBeGreaterThan(0.85);
      expect(refused).toBeLessThan(10);
    }
  });
});
