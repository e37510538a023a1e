/** A run's log for folds, read page by page from its object, so that neither ever holds all of it. */

import { Fault } from "../errors/fault.ts";
import { foldEventsMax } from "../limits.ts";
import type { RunSchedulerRpc } from "../objects/rpc.ts";
import { unpackEvents } from "../storage/run/event-codec.ts";
import type { TraceEvent } from "../trace/trace-event.ts";
import { ask } from "./objects.ts";

/** How far the log was read, and when. */
export interface ReadUpTo {
  readonly seq: number;
  readonly now: number;
}

/**
 * Gives `take` every event up to the last one there was at the beginning.
 * @throws Fault `not_found`; `log_too_long` for more than `eventsMax`, before anything is read
 */
export async function readLog(
  object: RunSchedulerRpc,
  take: (event: TraceEvent) => void,
  eventsMax = foldEventsMax,
): Promise<ReadUpTo> {
  let upTo: ReadUpTo | undefined;
  for (let after = 0; ; ) {
    const { rows, last, now } = await ask(object.logPage(after));
    if (last > eventsMax && !upTo)
      throw new Fault("log_too_long", `It has ${last} events; at most ${eventsMax} are read for this.`);
    upTo ??= { seq: last, now };
    for (const row of rows) {
      let seq = row.seq;
      for (const event of unpackEvents(row.events)) {
        if (seq <= upTo.seq) take({ ...event, seq, at: row.at });
        seq++;
      }
      after = row.seq;
    }
    if (rows.length === 0 || after >= upTo.seq) return upTo;
  }
}
