/** A run's log for folds, read page by page from its object, so that neither ever holds all of it. */

import { Fault } from "../errors/fault.ts";
import { foldEventsMax } from "../limits.ts";
import type { LogPage, RunSchedulerRpc } from "../objects/rpc.ts";
import { unpackEvents } from "../storage/run/event-codec.ts";
import type { TraceEvent } from "../trace/trace-event.ts";
import { ask } from "./objects.ts";

/** A reading of the log up to the last event that there was when it began. */
export class LogReading {
  readonly #object: RunSchedulerRpc;
  #first: LogPage | undefined;
  /** `seq` of the last event that is read. */
  readonly upTo: number;
  /** The object's clock at the beginning. */
  readonly now: number;

  private constructor(object: RunSchedulerRpc, first: LogPage) {
    this.#object = object;
    this.#first = first;
    this.upTo = first.last;
    this.now = first.now;
  }

  /** @throws Fault `not_found`; `log_too_long` for more than `eventsMax` */
  static async begin(object: RunSchedulerRpc, eventsMax = foldEventsMax): Promise<LogReading> {
    const first = await ask(object.logPage(0));
    if (first.last > eventsMax)
      throw new Fault("log_too_long", `It has ${first.last} events; at most ${eventsMax} are read for this.`);
    return new LogReading(object, first);
  }

  /** Once. */
  async *pages(): AsyncGenerator<TraceEvent[], void, void> {
    let page = this.#first;
    this.#first = undefined;
    while (page && page.rows.length > 0) {
      const events: TraceEvent[] = [];
      for (const { seq, at, events: text } of page.rows) {
        for (const [i, event] of unpackEvents(text).entries())
          if (seq + i <= this.upTo) events.push({ ...event, seq: seq + i, at });
      }
      yield events;
      const last = page.rows.at(-1)!.seq;
      if ((events.at(-1)?.seq ?? this.upTo) >= this.upTo) return;
      page = await ask(this.#object.logPage(last));
    }
  }
}
