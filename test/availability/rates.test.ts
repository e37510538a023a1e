import { describe, expect, test } from "vitest";
import type { Rates } from "../../src/availability/observation.ts";
import { ratesOf } from "../../src/availability/rate-headers.ts";
import { begin, noRates, observe, opensAt, room } from "../../src/availability/rates.ts";

const now = Date.parse("2026-11-26T20:00:00Z");
const told = (rates: Rates, at = 0) => ({ at, begunAt: at - 1000, inFlight: 1, outcome: "through", rates }) as const;

describe("headers of rates", () => {
  test("in Anthropic's form", () => {
    const headers = new Headers({
      "anthropic-ratelimit-requests-limit": "50",
      "anthropic-ratelimit-requests-remaining": "49",
      "anthropic-ratelimit-requests-reset": "2026-11-26T20:00:01Z",
      "anthropic-ratelimit-input-tokens-limit": "40000",
      "anthropic-ratelimit-input-tokens-remaining": "10000",
      "anthropic-ratelimit-input-tokens-reset": "2026-11-26T20:00:45Z",
    });
    expect(ratesOf(headers, now)).toEqual({
      requests: { limit: 50, left: 49, resetMs: 1000 },
      input: { limit: 40_000, left: 10_000, resetMs: 45_000 },
    });
  });

  test.each([
    ["1s", 1000],
    ["6m0s", 360_000],
    ["20ms", 20],
    ["1h2m3.5s", 3_723_500],
    ["0.5", 500],
  ])("in OpenAI's, with a reset of %s", (reset, resetMs) => {
    const headers = new Headers({
      "x-ratelimit-limit-tokens": "150000",
      "x-ratelimit-remaining-tokens": "149984",
      "x-ratelimit-reset-tokens": reset,
    });
    expect(ratesOf(headers, now)).toEqual({ tokens: { limit: 150_000, left: 149_984, resetMs } });
  });

  test.each(["soon", "-1s", "1 fortnight", ""])("a reset of %j says nothing", (reset) => {
    const names = { "x-ratelimit-limit-requests": "9", "x-ratelimit-remaining-requests": "1" };
    expect(ratesOf(new Headers({ ...names, "x-ratelimit-reset-requests": reset }), now)).toBeUndefined();
    expect(ratesOf(new Headers(names), now)).toBeUndefined();
  });
});

describe("what is left of a rate", () => {
  test("[B1] fills as its headers say, up to its limit", () => {
    const state = observe(noRates, told({ requests: { limit: 10, left: 0, resetMs: 10_000 } }));
    expect([room(state, 0), opensAt(state), room(state, 1000), room(state, 5500), room(state, 60_000)]).toEqual([
      ...[0, 1000, 1, 5, 10],
    ]);
  });

  test("[B2] goes with each that begins, by what calls used before", () => {
    const used = { input: 900, output: 100, cached: 0 };
    const rates = { tokens: { limit: 10_000, left: 3500, resetMs: 39_000 } };
    let state = observe(noRates, { ...told(rates), used });
    expect(room(state, 0)).toBe(3);
    for (let i = 0; i < 3; i++) state = begin(state, 0);
    expect([room(state, 0), opensAt(state)]).toEqual([0, 3000]);
  });

  test("[B3] others' use counts, and tokens from the cache don't", () => {
    let state = observe(noRates, told({ requests: { limit: 10, left: 9, resetMs: 1000 } }));
    state = observe(state, told({ requests: { limit: 10, left: 2, resetMs: 8000 } }));
    expect(room(state, 0)).toBe(2);
    const cached = observe(noRates, {
      ...told({ input: { limit: 1000, left: 500, resetMs: 30_000 } }),
      used: { input: 10_100, output: 5, cached: 10_000 },
    });
    expect(room(cached, 0)).toBe(5);
  });

  test("[B3] a provider that counts less than we do is taken at its word, once no call has begun since that one's", () => {
    const used = { input: 100_000, output: 1000, cached: 99_000 };
    const rates = (left: number) => ({ tokens: { limit: 400_000, left, resetMs: 600 } });
    let state = observe(noRates, { ...told(rates(398_000)), used });
    for (const at of [0, 1, 2]) state = begin(state, at);
    expect(room(state, 2)).toBe(0);
    // Their headers may be older than the last one's beginning.
    for (const begunAt of [0, 1]) {
      state = observe(state, { ...told(rates(396_000), 10), begunAt, used });
      expect(room(state, 10)).toBe(0);
    }
    state = observe(state, { ...told(rates(392_000), 10), begunAt: 2, used });
    expect(room(state, 10)).toBe(3);
    // Less than ours is true of whatever call it is told with.
    state = begin(state, 11);
    state = observe(state, { ...told(rates(50_000), 12), begunAt: 3, used });
    expect(room(state, 12)).toBe(0);
  });

  test("[B4] no header bounds nothing", () => {
    expect([room(noRates, 0), opensAt(noRates)]).toEqual([Number.POSITIVE_INFINITY, 0]);
  });
});
