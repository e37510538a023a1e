/** Starts the next ready task of a pool for a worker, with what the worker needs built in the same step. */

import { nextToStart, openLease } from "../../scheduler/attempts.ts";
import { endOf, endTask } from "../../scheduler/end-task.ts";
import { settle } from "../../scheduler/ending.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Dispatch, LeasedTask } from "./dispatch.ts";

export interface Starter {
  readonly pool: string;
  readonly worker: string;
  /** Identity of the worker's runtime when it can't outlive it; else "". */
  readonly boot: string;
}

/** Undefined when nothing may start. A task whose references can't be resolved fails on the way. */
export function startTask<Work>(
  step: Step,
  { pool, worker, boot }: Starter,
  dispatch: (task: LeasedTask) => Dispatch<Work>,
): Work | undefined {
  for (let task = nextToStart(step, pool); task; task = nextToStart(step, pool)) {
    openLease(step, task, worker, boot);
    const dispatched = dispatch(task as LeasedTask);
    if (dispatched.ok) return dispatched.work;
    const message = `{{${dispatched.missing}}} names a path that the result does not have.`;
    endTask(step, task, endOf("reference_unresolved", message));
    settle(step);
  }
  return undefined;
}
