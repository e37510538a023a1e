/** Random plans of groups, retries and stand-ins, as folds see them. */

import fc from "fast-check";
import { expect, test } from "vitest";
import { CriticalPathFold } from "../../src/trace/critical-path.ts";
import { PerfettoTrace } from "../../src/trace/perfetto.ts";
import { PlanRun, plans } from "../scheduler/plans.ts";
import { fold, traceOf } from "./lib/trace.ts";
import { faultsOf } from "./lib/trace-event-format.ts";

const taskId = (n: number) => `T${n}`;

test("[P1] [P2] the path has no gap, the ideal run is no longer than the real one, and arrows go from slice to slice", () => {
  fc.assert(
    fc.property(plans, ({ posted, acts, failFast, room }) => {
      const run = new PlanRun({ ...(room && { tasks: room }) }, undefined, failFast ? { fail_fast: true } : {});
      for (const one of posted) run.add(undefined, one);
      for (const [i, one] of acts.entries()) {
        run.now += (i * 7) % 31;
        run.act(one);
      }
      const events = traceOf(run.log);
      const trace = fold(new PerfettoTrace({ run: "run", name: null, taskId }), events);
      trace.finish(run.now);
      expect(faultsOf(trace.head() + trace.take(true) + trace.tail)).toEqual([]);
      const found = fold(new CriticalPathFold(), events).finish();
      if (!found) return;
      let at = found.startedAt;
      for (const { from, to } of found.path) {
        expect(from).toBe(at);
        at = to;
      }
      expect(at).toBe(found.endedAt);
      expect(found.idealMs).toBeLessThanOrEqual(found.endedAt - found.startedAt);
      expect(found.idealPath.reduce((sum, { ms }) => sum + ms, 0)).toBe(found.idealMs);
      expect(Math.min(...found.slackMs.values())).toBe(0);
    }),
    { numRuns: 60, seed: 1000 },
  );
});
