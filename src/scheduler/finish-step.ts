/** What every command ends with: what came free is handed on, waits that could never end are ended, held tasks let go, rules looked at. */

import { endActorsOfEndedRun } from "./actors.ts";
import { tellAvailability } from "./availability.ts";
import { pauseSpent } from "./budget.ts";
import { failUnfunded } from "./budget-end.ts";
import { breakDeadlock, breakStall } from "./deadlock.ts";
import { holdBack } from "./ending.ts";
import { handOver } from "./hand-over.ts";
import { reportExhaustion } from "./pool-exhaustion.ts";
import { evaluateRules } from "./rules/evaluate.ts";
import type { Step } from "./step.ts";
import { releaseHolds } from "./warming.ts";

/**
 * Call after a command, when all of its effects are decided: a wait that the same reply's next call ends is no deadlock.
 * Afterwards nobody waits for what is there, and nobody waits for ever.
 */
export function finishStep(step: Step): void {
  const { state } = step;
  failUnfunded(step);
  endActorsOfEndedRun(step);
  for (const n of step.readied) {
    step.readied.delete(n);
    holdBack(step, state.task(n));
  }
  const isReplying = state.blocking.hasUnfinished((n) => state.live(n));
  do {
    handOver(step);
    for (const n of state.blocking.fresh) {
      state.blocking.fresh.delete(n);
      const task = state.live(n);
      if (!task) continue;
      breakDeadlock(step, task);
      handOver(step);
    }
  } while (!isReplying && breakStall(step));
  releaseHolds(step);
  tellAvailability(step);
  evaluateRules(step);
  pauseSpent(step);
  reportExhaustion(step);
}
