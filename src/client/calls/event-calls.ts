/** The log of a run, in pages or live. */

import { type FollowOptions, type FollowQuery, follow } from "../follow.ts";
import type { EventsPage, EventView, PartialText, WatchTicket } from "../replies.ts";
import type { CallOptions } from "../transport.ts";
import { at } from "./calls.ts";
import { LeaseCalls } from "./lease-calls.ts";

/** The log of a run, in pages or live. */
export class EventCalls extends LeaseCalls {
  /** A page of the log. */
  events(run: string, query: { after?: number; limit?: number } = {}, options: CallOptions = {}): Promise<EventsPage> {
    return this.getJson(`${at(run)}/events`, { ...query }, options);
  }

  /**
   * The run's events after `after`, live, each once and in order, until the run has ended and all of them were seen.
   * Through a WebSocket, or server-sent events where there is none; resumes by itself when the line is cut.
   * @throws HeddleUnreachable when the server stays away, HeddleProblem for what waiting does not mend
   * With `partial`, between them: texts that models are still writing (`isPartial` tells which). They come once, or again from
   * the start, or not at all; what counts is the turn's event.
   */
  followEvents(
    run: string,
    query: FollowQuery & { readonly partial: true },
    options?: FollowOptions,
  ): AsyncGenerator<EventView | PartialText>;
  followEvents(
    run: string,
    query?: FollowQuery & { readonly partial?: false },
    options?: FollowOptions,
  ): AsyncGenerator<EventView>;
  followEvents(
    run: string,
    query: FollowQuery = {},
    options: FollowOptions = {},
  ): AsyncGenerator<EventView | PartialText> {
    return follow(this.transport, `${at(run)}/events`, query, options);
  }

  /** What a page may follow this run with, and nothing else, for `ttl_ms` (a minute); the key stays on the server that asks. */
  watchTicket(run: string, body: { ttl_ms?: number } = {}, options: CallOptions = {}): Promise<WatchTicket> {
    return this.postJson(`${at(run)}/events/ticket`, body, options);
  }
}
