/** Logs of the scheduler's own tests, as folds take them. */

import type { SchedulerEvent } from "../../../src/scheduler/events.ts";
import type { TraceEvent } from "../../../src/trace/trace-event.ts";

interface Logged {
  readonly seq: number;
  readonly at: number;
  readonly event: SchedulerEvent;
  readonly causes: readonly number[];
}

export const traceOf = (log: readonly Logged[]): TraceEvent[] =>
  log.map(({ seq, at, event, causes }) => ({ ...event, seq, at, ...(causes.length > 0 && { causes }) }));

export function fold<Fold extends { add(event: TraceEvent): void }>(into: Fold, events: readonly TraceEvent[]): Fold {
  for (const event of events) into.add(event);
  return into;
}
