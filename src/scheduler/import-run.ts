/** A run that comes from a file: what it was in the middle of where it came from is over, and it waits to be resumed. */

import { endActor } from "./actors.ts";
import { loseLease } from "./attempts.ts";
import { isOpenCall } from "./open-calls.ts";
import { type Leased, loseCall } from "./remote-calls.ts";
import { isRunEnded } from "./state.ts";
import type { Step } from "./step.ts";
import { isActor, isRunning } from "./task.ts";
import { releaseHolds } from "./warming.ts";

/** Ends leases and sessions, begins clocks anew and pauses (N5). Changes nothing of a run that has ended. */
export function takeOver(step: Step): void {
  const { state } = step;
  if (isRunEnded(state)) return;
  step.emit({ type: "run_imported" });
  for (const n of [...state.actors]) endActor(step, state.task(n), "closed");
  for (const task of [...state.tasks.values()]) {
    for (const call of task.calls)
      if (isOpenCall(call) && call.remote.phase.state === "running")
        loseCall(step, { task, call } as Leased, "restart");
    if (!isActor(task) && isRunning(task)) loseLease(step, task, "restart");
  }
  // Nobody reads a prefix here: who was held for it has no one to wait for.
  releaseHolds(step);
  step.emit({ type: "run_paused", reason: "imported" });
}
