/** An event of the log as folds read it: task numbers, no texts. Folds take them one by one, in the order of `seq`. */

import type { SchedulerEvent } from "../scheduler/events.ts";

export type TraceEvent = SchedulerEvent & {
  readonly seq: number;
  /** Epoch milliseconds. */
  readonly at: number;
  /** Events that this one follows from, beyond the task's own earlier ones. */
  readonly causes?: readonly number[];
};

export type Of<Type extends SchedulerEvent["type"]> = Extract<TraceEvent, { type: Type }>;
