import fc from "fast-check";
import { expect, test } from "vitest";
import { type Clock, Clocks, timeOf } from "../../src/trace/clocks.ts";

const parties = [0, 1, 2, 3, 4, 7, 8, 255, 256, 199_999, 200_000];
const party = fc.constantFrom(...parties);
/** Clocks are made by raising one and by joining two of those before. */
const steps = fc.array(
  fc.oneof(
    fc.record({ of: fc.nat(20), party, time: fc.integer({ min: 1, max: 50 }) }),
    fc.record({ of: fc.nat(20), with: fc.nat(20) }),
  ),
  { maxLength: 60 },
);

test("a clock is a map from party to time, and a join the later of both", () => {
  fc.assert(
    fc.property(steps, (all) => {
      const clocks = new Clocks();
      const made: { clock: Clock; model: ReadonlyMap<number, number> }[] = [{ clock: undefined, model: new Map() }];
      for (const step of all) {
        const a = made[step.of % made.length]!;
        const model = new Map(a.model);
        if ("party" in step) {
          model.set(step.party, Math.max(step.time, model.get(step.party) ?? 0));
          made.push({ clock: clocks.raise(a.clock, step.party, step.time), model });
        } else {
          const b = made[step.with % made.length]!;
          for (const [key, time] of b.model) model.set(key, Math.max(time, model.get(key) ?? 0));
          made.push({ clock: clocks.join(a.clock, b.clock), model });
        }
      }
      // Also the first ones: none was changed by what was made of it.
      for (const { clock, model } of made)
        for (const one of parties) expect(timeOf(clock, one)).toBe(model.get(one) ?? 0);
    }),
  );
});

test("[C1] a join with what is held already makes nothing", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(party, fc.integer({ min: 1, max: 9 })), { minLength: 1 }), fc.nat(), (all, cut) => {
      const clocks = new Clocks();
      const grown = (from: Clock, some: typeof all) =>
        some.reduce((clock, [key, time]) => clocks.raise(clock, key, time), from);
      const part = grown(undefined, all.slice(0, cut % (all.length + 1)));
      const whole = grown(part, all);
      const { made } = clocks;
      expect(clocks.join(whole, part)).toBe(whole);
      expect(clocks.join(part, whole)).toBe(whole);
      expect(clocks.made).toBe(made);
    }),
  );
});
