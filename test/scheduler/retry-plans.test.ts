import fc from "fast-check";
import { describe, test } from "vitest";
import { PlanRun, plans } from "./plans.ts";

describe("retry in any plan", () => {
  test("[Y5] those begin again that the rules name, and nobody else; groups, stand-ins and skips are as they must be, and all ends", {
    timeout: 60_000,
  }, () => {
    fc.assert(
      fc.property(plans, ({ posted, acts, failFast, room }) => {
        const run = new PlanRun(
          { depth: 6, children: 30, workers: 100, pools: ["box"], ...(room !== null && { tasks: room }) },
          undefined,
          failFast ? { fail_fast: true } : {},
        );
        for (const one of posted) run.add(undefined, one);
        for (const one of acts) if (run.act(one)) run.check();
        run.drive();
        run.check();
        run.checkReplay();
      }),
      // To make a counterexample smaller takes minutes: leave `endOnFailure` out where one is to be read.
      { numRuns: 300, seed: 1, endOnFailure: true },
    );
  });
});
