import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { priceUsdMax, reportedTokensMax } from "../../src/limits.ts";
import { costOf, nanosOf, type Price, usdOf, worstCost } from "../../src/prices/price.ts";
import { Prices } from "../../src/prices/prices.ts";
import { listPrices } from "../../src/prices/table.ts";

const prices = new Prices(listPrices);
const named = (model: string) => prices.find(model)?.name;

describe("a model's price", () => {
  test("is that of its name, then of the longest name that it begins with", () => {
    expect(named("claude-sonnet-4-5")).toBe("claude-sonnet-4-5");
    expect(named("claude-sonnet-4-5-20250929")).toBe("claude-sonnet-4-5");
    expect(named("claude-sonnet-4-20250514")).toBe("claude-sonnet-4");
    expect(named("claude-haiku-4-5@20251001")).toBe("claude-haiku-4-5");
    expect(named("gpt-5-mini-2025-08-07")).toBe("gpt-5-mini");
    expect(named("gpt-5-2025-08-07")).toBe("gpt-5");
  });

  test("is unknown where a longer name is another model's, or no name fits", () => {
    for (const model of ["gpt-5.9", "gpt-50", "gpt", "openai/gpt-5", "anthropic.claude-sonnet-4-5", "llama", ""])
      expect(named(model)).toBeUndefined();
  });

  test("is the model's own on the simulated one where it is known, else the declared one", () => {
    expect(prices.simulated("gpt-5")?.name).toBe("gpt-5");
    expect(prices.simulated("anything")?.name).toBe("simulated");
    expect(new Prices({}).simulated("anything")).toBeUndefined();
  });

  test("of each entry has a day, a source, and rates in their usual order", () => {
    for (const [name, listed] of Object.entries(listPrices)) {
      const { price } = prices.find(name)!;
      expect(listed.as_of, name).toMatch(/^\d{4}-\d\d-\d\d$/);
      expect(listed.source.length, name).toBeGreaterThan(0);
      expect(price.read, name).toBeLessThanOrEqual(price.input);
      expect(price.write, name).toBeGreaterThanOrEqual(price.input);
      expect(price.output, name).toBeGreaterThan(price.input);
      for (const rate of [price.input, price.write, price.read, price.output])
        expect(Number.isSafeInteger(rate), name).toBe(true);
    }
  });
});

describe("a call's cost", () => {
  const price = prices.find("claude-sonnet-4-5")!.price;

  test("counts each kind of input once, at its own rate", () => {
    // 1,000 uncached, 2,000 written, 10,000 read, 100 out: 0.003 + 0.0075 + 0.003 + 0.0015 dollars.
    const nanos = costOf(price, { in: 13_000, out: 100, read: 10_000, write: 2000 });
    expect(usdOf(nanos)).toBe(0.015);
  });

  test("is rounded up to whole nanodollars, and never negative where a vendor's counts disagree", () => {
    const cheap: Price = { input: 1, write: 1, read: 1, output: 1, cacheableFrom: 0 };
    expect(costOf(cheap, { in: 1, out: 0, read: 0, write: 0 })).toBe(1);
    expect(costOf(cheap, { in: 0, out: 0, read: 5000, write: 0 })).toBe(5);
    expect(nanosOf(0.1 + 0.2)).toBe(300_000_000);
  });

  test("is a whole number that can be told from the next, at the dearest price and with the most tokens", () => {
    const dear = new Prices({
      m: { input: priceUsdMax, output: priceUsdMax, cache_read: priceUsdMax, as_of: "", source: "" },
    }).find("m")!.price;
    const most = reportedTokensMax;
    expect(Number.isSafeInteger(costOf(dear, { in: most, out: most, read: most, write: most }))).toBe(true);
  });

  test("of a long prompt is at the long rates, all of it", () => {
    const haiku = prices.find("claude-haiku-5-5")!.price;
    expect(usdOf(costOf(haiku, { in: 100_000, out: 0, read: 0, write: 0 }))).toBe(0.01);
    expect(usdOf(costOf(haiku, { in: 100_001, out: 1000, read: 0, write: 0 }))).toBeCloseTo(0.0525005, 9);
  });

  test("is never above the worst that was reserved for as many tokens", () => {
    for (const { price: one } of Object.keys(listPrices).map((name) => prices.find(name)!)) {
      for (const [read, write] of [
        [0, 0],
        [0, 150_000],
        [150_000, 0],
        [1000, 149_000],
      ] as const)
        expect(costOf(one, { in: 150_000, out: 700, read, write })).toBeLessThanOrEqual(worstCost(one, 150_000, 700));
    }
  });

  test("is not above it either where a tenant's list has rates as no vendor would", () => {
    const rate = fc.nat(1000);
    const rates = fc.record({ input: rate, write: rate, read: rate, output: rate });
    const long = fc.tuple(rates, fc.integer({ min: 1, max: 2000 })).map(([all, over]) => ({ ...all, over }));
    const listed = fc
      .tuple(rates, fc.option(long, { nil: undefined }))
      .map(([all, one]): Price => ({ ...all, cacheableFrom: 1024, ...(one && { long: one }) }));
    // Input that is read, is written, is neither, and was reserved without need; then output, and what was reserved without need.
    const tokens = fc.array(fc.nat(1000), { minLength: 6, maxLength: 6 });
    fc.assert(
      fc.property(listed, tokens, (one, [read, write, plain, spareIn, out, spareOut]) => {
        const input = read! + write! + plain!;
        const cost = costOf(one, { in: input, out: out!, read: read!, write: write! });
        expect(cost).toBeLessThanOrEqual(worstCost(one, input + spareIn!, out! + spareOut!));
      }),
    );
  });
});
