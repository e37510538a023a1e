import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LivenessRun, livenessPlans } from "./liveness-plans.ts";

describe("liveness in any plan", () => {
  test("[B2] [B3] [W3] a wait that could never end is refused or ended, and no wait that could still end is", {
    timeout: 60_000,
  }, () => {
    const seen: Record<string, number> = {};
    fc.assert(
      fc.property(livenessPlans, (plan) => {
        const run = new LivenessRun(plan, seen);
        for (const one of plan.acts) if (run.take(one)) run.check();
        run.drive();
        run.checkReplay();
      }),
      // To make a counterexample smaller takes minutes: leave `endOnFailure` out where one is to be read.
      { numRuns: 250, seed: 1, endOnFailure: true },
    );
    // What never came about would have been shown of nothing.
    for (const [what, times] of [
      ["cycle", 50],
      ["stall", 100],
      ["told of a stall", 100],
      ["would deadlock", 50],
      ["dependency cycle", 10],
      ["waits for itself", 5],
      ["await given up", 1],
      ["late release", 10],
      ["reply over two attempts", 1],
      ["retry", 10],
      ["retry from a turn", 2],
    ] as const)
      expect(seen[what] ?? 0, what).toBeGreaterThanOrEqual(times);
  });
});
