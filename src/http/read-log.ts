/** A run's log for folds, read page by page from its object, so that neither ever holds all of it. */

import { Fault } from "../errors/fault.ts";
import { foldEventsMax } from "../limits.ts";
import type { LogPage, RunSchedulerRpc } from "../objects/rpc.ts";
import { unpackEvents } from "../storage/run/event-codec.ts";
import type { TraceEvent } from "../trace/trace-event.ts";
import { ask } from "./objects.ts";

/** Up to which event the log is read, and what time it is taken to be. */
export interface AsOf {
  readonly upTo: number;
  readonly now: number;
}

/** A reading of the log up to the last event that there was when it began. */
export class LogReading {
  readonly #object: RunSchedulerRpc;
  #first: LogPage | undefined;
  readonly asOf: AsOf;

  private constructor(object: RunSchedulerRpc, first: LogPage, asOf: AsOf) {
    this.#object = object;
    this.#first = first;
    this.asOf = asOf;
  }

  /** `asOf`: of an earlier reading that goes on. @throws Fault `not_found`; `log_too_long` for more than `eventsMax` */
  static async begin(object: RunSchedulerRpc, eventsMax = foldEventsMax, asOf?: AsOf): Promise<LogReading> {
    const first = await ask(object.logPage(0));
    const { upTo, now } = asOf ?? { upTo: first.last, now: first.now };
    if (upTo > eventsMax)
      throw new Fault("log_too_long", `It has ${upTo} events; at most ${eventsMax} are read for this.`);
    return new LogReading(object, first, { upTo, now });
  }

  /** Once. */
  async *pages(): AsyncGenerator<TraceEvent[], void, void> {
    const { upTo } = this.asOf;
    let page = this.#first;
    this.#first = undefined;
    while (page && page.rows.length > 0) {
      const events: TraceEvent[] = [];
      for (const { seq, at, events: text } of page.rows) {
        for (const [i, event] of unpackEvents(text).entries())
          if (seq + i <= upTo) events.push({ ...event, seq: seq + i, at });
      }
      yield events;
      const last = page.rows.at(-1)!.seq;
      if ((events.at(-1)?.seq ?? upTo) >= upTo) return;
      page = await ask(this.#object.logPage(last));
    }
  }
}
