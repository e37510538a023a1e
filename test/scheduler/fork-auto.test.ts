import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { forkAutoRoomTokens, forkAutoSmallTokens } from "../../src/limits.ts";
import { Prices } from "../../src/prices/prices.ts";
import { listPrices } from "../../src/prices/table.ts";
import { chooseFork, type ForkQuestion } from "../../src/scheduler/fork-auto.ts";

const priceOf = (model: string) => new Prices(listPrices).find(model)!.price;
const usual: ForkQuestion = {
  tokens: 100_000,
  cold: 100_000,
  tail: { turns: 4, tokens: 12_000 },
  siblings: 1,
  price: priceOf("claude-sonnet-4-5"),
  instructions: 100,
  bringsContext: false,
};
const choose = (more: Partial<ForkQuestion>) => chooseFork({ ...usual, ...more });
const tookOf = (more: Partial<ForkQuestion>) => choose(more).fork;

describe("fork auto", () => {
  test("[A1] a small context is forked whole, whatever it costs", () => {
    expect(tookOf({ tokens: forkAutoSmallTokens, cold: forkAutoSmallTokens, bringsContext: true })).toBe("full");
    expect(tookOf({ tokens: forkAutoSmallTokens + 1, cold: forkAutoSmallTokens + 1, price: undefined })).toBe("last");
  });

  test("[A2] a large one is forked whole where that costs five cents a task more at most", () => {
    // 100k cold: 37.5 cents against 4.5. Cached: 3 cents.
    expect(choose({})).toMatchObject({ fork: "last", turns: 4 });
    expect(tookOf({ cold: 500 })).toBe("full");
    // One of sixty-four pays for writing it, and all read.
    expect(tookOf({ siblings: 64 })).toBe("full");
    expect(tookOf({ price: priceOf("gpt-5-nano") })).toBe("full");
    expect(tookOf({ price: priceOf("claude-opus-4-1"), cold: 0, siblings: 1 })).toBe("full");
    expect(tookOf({ price: priceOf("claude-opus-4-1"), siblings: 16 })).toBe("last");
  });

  test("[A3] less is nothing of it for a task that brings its own, and else the newest turns that fit", () => {
    expect(tookOf({ bringsContext: true })).toBe("none");
    expect(tookOf({ instructions: 1000 })).toBe("none");
    expect(tookOf({ instructions: 999 })).toBe("last");
    expect(tookOf({ tail: undefined })).toBe("full");
    expect(tookOf({ tail: undefined, bringsContext: true })).toBe("none");
  });

  test("[A4] one that leaves no room to work is never forked whole if it can be cut", () => {
    const tokens = forkAutoRoomTokens + 1;
    expect(tookOf({ tokens, cold: 0, price: priceOf("gpt-5-nano") })).toBe("last");
    expect(tookOf({ tokens, cold: 0, bringsContext: true })).toBe("none");
  });

  test("[A5] without a price it is whole where nearly all of it is cached", () => {
    expect(tookOf({ price: undefined, cold: 10_000 })).toBe("full");
    expect(tookOf({ price: undefined, cold: 10_001 })).toBe("last");
  });

  test("[A6] it always takes one, says why, and takes a whole context the sooner the more of it is cached", () => {
    const question = fc.record({
      tokens: fc.integer({ min: 1, max: 3_000_000 }),
      siblings: fc.integer({ min: 1, max: 1000 }),
      instructions: fc.nat(5000),
      bringsContext: fc.boolean(),
      tail: fc.option(fc.record({ turns: fc.integer({ min: 1, max: 64 }), tokens: fc.nat(16_000) }), {
        nil: undefined,
      }),
      price: fc.option(fc.constantFrom(...Object.keys(listPrices)).map(priceOf), { nil: undefined }),
      share: fc.double({ min: 0, max: 1, noNaN: true }),
    });
    fc.assert(
      fc.property(question, ({ share, ...asked }) => {
        const cold = Math.floor(asked.tokens * share);
        const { fork, why } = chooseFork({ ...asked, cold });
        expect(why).not.toMatch(/NaN|undefined|Infinity/);
        if (fork === "full") expect(chooseFork({ ...asked, cold: Math.floor(cold / 2) }).fork).toBe("full");
        if (fork === "last") expect(asked.tail).toBeDefined();
      }),
    );
  });
});
