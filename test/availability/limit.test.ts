import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { begin, type Limit, noLimit, observe, opensAt, room, share } from "../../src/availability/limit.ts";
import type { Observation } from "../../src/availability/observation.ts";
import { limitPatienceCallsMin, refusedCrowdMin, retryAfterMsMax } from "../../src/limits.ts";
import { type Hidden, ProviderWorld } from "./provider.ts";

const callMs = 1000;
const seen = (at: number, inFlight: number, more: Partial<Observation> = {}): Observation => ({
  at,
  begunAt: at - callMs,
  inFlight,
  outcome: "through",
  ...more,
});
const refusal = (at: number, inFlight: number, more: Partial<Observation> = {}): Observation =>
  seen(at, inFlight, { outcome: "rate_limited", begunAt: at - 10, ...more });

/** So many calls that go through, each with the limit in use. */
function used(limit: Limit, calls: number, from: number): Limit {
  let state = limit;
  for (let i = 0; i < calls; i++) state = observe(state, seen(from + i * callMs, Math.floor(state.limit)));
  return state;
}

describe("a limit", () => {
  test("[A1] is none before the first refusal, whatever else happens", () => {
    let state = noLimit;
    for (let i = 0; i < 500; i++) {
      state = begin(state, i * 10);
      state = observe(state, seen(i * 10, 100, i % 3 === 0 ? { outcome: "other" } : { firstMs: i * 100 }));
    }
    expect([state.limit, room(state, 999, 6000)]).toEqual([Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]);
  });

  test("[A2] a burst cuts it once; refused again before anything went through it is halved", () => {
    let state = observe(noLimit, refusal(1000, 64));
    expect(state.limit).toBe(32);
    for (let i = 0; i < 53; i++) state = observe(state, refusal(1001, 63 - i, { begunAt: 990 }));
    expect([state.limit, state.refused]).toEqual([32, 54]);
    state = observe(state, refusal(3000, 32));
    expect(state.limit).toBe(16);
    // Something went through meanwhile: a small cut.
    state = observe(state, seen(5000, 16));
    expect(observe(state, refusal(6000, 16)).limit).toBe(14);
  });

  test("[A3] grows only while it is used", () => {
    const cut = observe(noLimit, refusal(1000, 20));
    let idle = cut;
    for (let i = 0; i < 100; i++) idle = observe(idle, seen(3000 + i * callMs, 9));
    expect(idle.limit).toBe(10);
    expect(used(cut, 20, 3000).limit).toBeGreaterThan(10);
    // It began under what was before.
    expect(observe(cut, seen(1500, 10, { begunAt: 900 })).limit).toBe(10);
  });

  test("[A4] stays below where it was refused, tries again after more and more calls, and forgets it when that goes well", () => {
    let state = observe(noLimit, refusal(1000, 20));
    for (let i = 0; state.limit < 19; i++) state = observe(state, seen(3000 + i * callMs, Math.floor(state.limit)));
    expect([state.limit, state.ceiling]).toEqual([19, 20]);
    let calls = 0;
    for (; Math.floor(state.limit) < 20; calls++) state = observe(state, seen(60_000 + calls * callMs, 19));
    expect(calls).toBeLessThanOrEqual(limitPatienceCallsMin);
    const refused = observe(state, refusal(90_000, 20));
    expect([refused.limit, refused.patience]).toEqual([18, 2 * limitPatienceCallsMin]);
    const well = used(state, 30, 90_000);
    expect(well.ceiling).toBe(0);
    expect(used(well, 200, 200_000).limit).toBeGreaterThan(25);
    // Below what held: the world is another, and patience ends.
    const changed = observe({ ...refused, patience: 128, through: 1 }, refusal(200_000, 10));
    expect([changed.limit, changed.patience]).toEqual([9, limitPatienceCallsMin]);
  });

  test("[A1] is none after refusals beside few, which are told where they close it, and not otherwise", () => {
    let state = noLimit;
    for (let i = 1; i <= 50; i++) state = observe(state, refusal(i * callMs, refusedCrowdMin - 1));
    expect([state.limit, state.gapMs, state.refused, state.why]).toEqual([Number.POSITIVE_INFINITY, 0, 50, undefined]);
    const closed = observe(state, refusal(1e6, 1, { retryAfterMs: 5000 }));
    expect([closed.why, closed.limit, opensAt(closed)]).toEqual(["rate_limited", Number.POSITIVE_INFINITY, 1_005_000]);
    expect(observe(state, refusal(1e6, refusedCrowdMin)).limit).toBe(Math.floor(refusedCrowdMin / 2));
  });

  test("[A5] retry-after closes it until then, and not for ever", () => {
    const state = observe(noLimit, refusal(1000, 8, { retryAfterMs: 20_000 }));
    expect([room(state, 0, 20_999), room(state, 0, 21_000), opensAt(state)]).toEqual([0, 4, 21_000]);
    const asked = observe(noLimit, refusal(1000, 4, { retryAfterMs: 1e12 }));
    expect(opensAt(asked)).toBe(1000 + retryAfterMsMax);
  });

  test("[A6] at 1 a gap is kept, which goes away again", () => {
    let state = observe({ ...noLimit, limit: 1 }, refusal(1000, 1, { begunAt: 500 }));
    expect([state.limit, state.gapMs]).toEqual([1, 500]);
    state = begin(state, 2000);
    expect([room(state, 0, 2499), room(state, 0, 2500)]).toEqual([0, 1]);
    for (let i = 0; i < 400; i++) state = observe(state, seen(3000 + i * callMs, 1));
    expect([state.gapMs, state.limit >= 1]).toEqual([0, true]);
  });

  test("[A7] does not grow while first tokens are late, and is not cut by that", () => {
    let state = observe(noLimit, refusal(1000, 20));
    for (let i = 0; i < 60; i++) state = observe(state, seen(3000 + i, 1, { firstMs: 100 }));
    for (let i = 0; i < 20; i++) state = observe(state, seen(9000 + i, 10, { firstMs: 2000 }));
    expect(state.limit).toBeLessThan(12);
    expect(state.limit).toBeGreaterThanOrEqual(10);
  });

  test("[A8] a share moves it with its ceiling, and what changed it meanwhile stays", () => {
    const told = { limit: 5, ceiling: 6, why: "overloaded", runs: 2 } as const;
    const state = observe(noLimit, refusal(1000, 20));
    const shared = share({ ...state, probing: true }, { reported: 10, told }, 2000);
    expect(shared).toMatchObject({ limit: 5, ceiling: 6, runs: 2, probing: false, why: "rate_limited" });
    // It was cut between the report and the answer.
    expect(share({ ...state, limit: 8 }, { reported: 10, told }, 2000).limit).toBe(3);
    expect(share(state, { reported: 10, told: { ...told, limit: 10, ceiling: 10 } }, 2000)).toEqual({
      ...state,
      runs: 2,
    });
    expect(share(shared, { reported: 5, told: undefined }, 3000)).toMatchObject({ limit: 5, runs: 1 });
  });

  test("[A8] a newcomer begins with a share, and goes by its own where it has found one meanwhile", () => {
    const told = { limit: 3, ceiling: 4, why: "overloaded", runs: 2 } as const;
    const none = Number.POSITIVE_INFINITY;
    const shared = share(noLimit, { reported: none, told }, 2000);
    expect([shared.limit, shared.ceiling, shared.why]).toEqual([3, 4, "overloaded"]);
    // Calls that began before are of the burst that the share ends; a refusal after them is no first one.
    expect(observe(shared, refusal(2500, 6, { begunAt: 1900 })).limit).toBe(3);
    expect(observe(shared, refusal(4000, 3)).limit).toBe(2);
    const own = observe(noLimit, refusal(1000, 20));
    expect(share(own, { reported: none, told }, 2000)).toEqual({ ...own, runs: 2 });
  });

  test("[A8] a share of 2 and more ends a gap, and a refusal beside other runs ends no patience", () => {
    const gap = { ...noLimit, limit: 1, gapMs: 500, ceiling: 1 };
    const told = (limit: number) => ({ limit, ceiling: limit, why: "rate_limited", runs: 2 }) as const;
    expect(share(gap, { reported: 1, told: told(1.5) }, 0).gapMs).toBe(500);
    expect(share(gap, { reported: 1, told: told(2) }, 0).gapMs).toBe(0);
    const patient = { ...noLimit, limit: 8, ceiling: 12, patience: 32, through: 5 };
    expect(observe(patient, refusal(1000, 8)).patience).toBe(limitPatienceCallsMin);
    expect(observe({ ...patient, runs: 2 }, refusal(1000, 8)).patience).toBe(64);
  });

  test("is never below 1, and opens again when refusals stop", () => {
    const outcome = fc.constantFrom("through", "rate_limited", "overloaded", "timed_out", "other") as fc.Arbitrary<
      Observation["outcome"]
    >;
    const step = fc.record({
      outcome,
      inFlight: fc.nat(100),
      ms: fc.nat(5000),
      retryAfterMs: fc.option(fc.nat(30_000)),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let state = noLimit;
        let at = 0;
        for (const { outcome: what, inFlight, ms, retryAfterMs } of steps) {
          at += ms;
          state = begin(state, at);
          const asked = retryAfterMs === null || what === "through" ? {} : { retryAfterMs };
          state = observe(state, seen(at, inFlight + 1, { outcome: what, ...asked }));
          expect(state.limit).toBeGreaterThanOrEqual(1);
        }
        at = Math.max(at, opensAt(state));
        expect(room(state, 0, at)).toBeGreaterThan(0);
        const before = state.limit;
        state = used(state, 3000, at + callMs);
        expect(state.limit === Number.POSITIVE_INFINITY || state.limit > before + 5).toBe(true);
      }),
      { numRuns: 200 },
    );
  });
});

describe("against a provider that does not tell its limit", () => {
  const minute = 60_000;
  /** Of ten minutes after two: what went through by the best that there could be, and the share refused. */
  function steady(hidden: Hidden, best: number, seed: number): { ratio: number; refused: number } {
    const world = new ProviderWorld(seed, hidden);
    world.pass(2 * minute);
    const { through, refused, begun } = world.pass(10 * minute);
    return { ratio: through / (10 * best), refused: refused / begun };
  }
  /** Calls a minute at one at once: taken over in 17.5 ms, and served in 1 s, on average. */
  const perCall = minute / 1017.5;

  test.each([
    ["10 at once", { concurrent: 10 }, 10 * perCall],
    ["10 at once, with retry-after", { concurrent: 10, retryAfterS: 1 }, 10 * perCall],
    ["40 at once", { concurrent: 40 }, 40 * perCall],
    ["3 at once", { concurrent: 3, retryAfterS: 1 }, 3 * perCall],
    ["1 at once", { concurrent: 1, retryAfterS: 1 }, perCall],
    ["300 a minute, in Anthropic's words", { perMinute: 300, burst: 50, headers: "anthropic", retryAfterS: 5 }, 300],
    ["300 a minute, in OpenAI's", { perMinute: 300, burst: 50, headers: "openai", retryAfterS: 5 }, 300],
    [
      "4 at once and 1,200 a minute",
      { concurrent: 4, perMinute: 1200, burst: 20, headers: "openai", retryAfterS: 1 },
      4 * perCall,
    ],
    ["1,200 a minute, in no words", { perMinute: 1200, burst: 20, retryAfterS: 1 }, 1200],
  ] as const)("%s: within a tenth of the best, less than 2%% refused", (_, hidden, best) => {
    for (const seed of [1, 2, 3]) {
      const { ratio, refused } = steady(hidden, best, seed);
      expect(ratio).toBeGreaterThan(0.9);
      expect(refused).toBeLessThan(0.02);
    }
  });

  test("what is below a call at once and not told costs refusals, and less than a fifth of the throughput", () => {
    for (const seed of [1, 2, 3])
      expect(steady({ perMinute: 90, burst: 5, retryAfterS: 1 }, 90, seed).ratio).toBeGreaterThan(0.8);
  });

  test("that takes more again gets more within half a minute", () => {
    const world = new ProviderWorld(1, { concurrent: 2 });
    world.pass(2 * minute);
    world.hidden = {};
    world.pass(minute / 2);
    expect(world.limits[0]!.limit).toBeGreaterThan(10);
  });

  test("several runs, each by itself, come to about the same share", () => {
    for (const seed of [1, 2, 3]) {
      const world = new ProviderWorld(seed, { concurrent: 40 }, { runs: 4 });
      world.pass(5 * minute);
      const before = world.counted.map(({ through }) => through);
      world.pass(15 * minute);
      const shares = world.counted.map(({ through }, i) => through - before[i]!);
      const sum = shares.reduce((all, one) => all + one, 0);
      const jain = sum ** 2 / (shares.length * shares.reduce((all, one) => all + one * one, 0));
      expect(jain).toBeGreaterThan(0.95);
      expect(sum / (15 * 40 * perCall)).toBeGreaterThan(0.9);
    }
  });
});
