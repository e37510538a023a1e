/** How many tasks were at work over time. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parallelism } from "../../src/trace/parallelism.ts";

describe("parallelism", () => {
  test("by hand: one task for 10 ms, two for 10, none for 20", () => {
    const levels = [
      { at: 100, working: 1, ready: 1 },
      { at: 110, working: 2, ready: 0 },
      { at: 120, working: 0, ready: 0 },
    ];
    expect(parallelism(levels, 100, 140, 4)).toEqual({
      average: 0.75,
      peak: 2,
      curve: [
        { at: 100, working: 1, ready: 1 },
        { at: 110, working: 2, ready: 0 },
        { at: 120, working: 0, ready: 0 },
        { at: 130, working: 0, ready: 0 },
      ],
    });
  });

  test("a run of no time has no curve", () => {
    expect(parallelism([{ at: 5, working: 3, ready: 0 }], 5, 5, 100)).toEqual({ average: 0, peak: 0, curve: [] });
  });

  test("the curve's mean is the average, whatever its spans", () => {
    const level = fc.record({ ms: fc.integer({ min: 0, max: 50 }), working: fc.nat(9), ready: fc.nat(9) });
    fc.assert(
      fc.property(
        fc.array(level, { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 60 }),
        (steps, points) => {
          let at = 1000;
          const levels = steps.map(({ ms, working, ready }) => {
            const one = { at, working, ready };
            at += ms;
            return one;
          });
          const { average, curve, peak } = parallelism(levels, 1000, at, points);
          if (at === 1000) return curve.length === 0;
          const mean = curve.reduce((sum, { working }) => sum + working, 0) / curve.length;
          const most = Math.max(0, ...steps.filter(({ ms }) => ms > 0).map(({ working }) => working));
          return Math.abs(mean - average) < 0.02 && peak === most;
        },
      ),
    );
  });
});
