/**
 * A run's log, live: through a WebSocket where there is one, else as server-sent events.
 *
 * F1  Each event comes once and in order, whatever breaks in between: whoever comes again says which event it had last.
 * F2  It ends when the run has ended and all events were seen, and else throws: a problem that waiting does not mend, or
 *     HeddleUnreachable when the server stays away for `retryMs`.
 * F3  A server or proxy that takes no WebSockets is followed by its stream of events.
 * F4  A line that says nothing any more is given up for another: a server's stream has a word at least every `sseHeartbeatMs`.
 */

import { clientBackoffMsMax, clientBackoffMsMin } from "../limits.ts";
import { HeddleProblem, HeddleUnreachable } from "./errors.ts";
import { now, steadyMsSince } from "./moment.ts";
import type { EventView, PartialText, PartialView } from "./replies.ts";
import { unlessAborted } from "./signals.ts";
import { sleep } from "./sleep.ts";
import { type Frame, Line } from "./socket.ts";
import { serverEvents } from "./sse.ts";
import type { CallOptions, Transport } from "./transport.ts";

/** A stream that ended without an event is opened again after this. */
const reopenMs = 500;

/** From where on a run is followed. */
export interface FollowQuery {
  /** Only events after this one. */
  readonly after?: number;
  readonly partial?: boolean;
}

/** How a run is followed. */
export interface FollowOptions extends CallOptions {
  /** Default: a WebSocket, and where that can't be had, `sse`. */
  readonly transport?: "websocket" | "sse";
  /**
   * In place of the client's key: of `watchTicket`, or whatever gets another one whenever the line has to be opened anew.
   * A ticket opens a WebSocket and nothing else.
   */
  readonly ticket?: string | (() => string | Promise<string>);
}

type Followed = AsyncGenerator<EventView | PartialText, void, void>;

/** As `Heddle.followEvents`; `path` is the run's events. */
export async function* follow(
  transport: Transport,
  path: string,
  query: FollowQuery,
  options: FollowOptions,
): Followed {
  const only = options.transport ?? (options.ticket === undefined ? undefined : "websocket");
  const place: Place = { seen: query.after ?? 0 };
  if (only !== "sse" && (only === "websocket" || transport.prefersSockets)) {
    if (yield* bySocket(transport, path, place, { ...options, partial: query.partial === true, only })) return;
  }
  yield* byStream(transport, path, place, { ...options, partial: query.partial === true });
}

/** Where the reader is. */
interface Place {
  seen: number;
}

/** True when the run's end was seen; false when no WebSocket can be had here. */
async function* bySocket(
  transport: Transport,
  path: string,
  place: Place,
  { only, partial, ticket, signal, retryMs }: FollowOptions & { partial: boolean; only: string | undefined },
): AsyncGenerator<EventView | PartialText, boolean, void> {
  let isKnown = only === "websocket";
  let stoodAt = now();
  for (let backoffMs = clientBackoffMsMin; ; backoffMs = Math.min(2 * backoffMs, clientBackoffMsMax)) {
    signal?.throwIfAborted();
    const token = typeof ticket === "function" ? await unlessAborted(Promise.resolve(ticket()), signal) : ticket;
    const socket = transport.socket(path, { after: place.seen, ...(partial && { partial: "true" }) }, token);
    const line = new Line(socket, signal);
    let problem: HeddleProblem | undefined;
    for await (const frame of line.frames()) {
      if (frame.end) return true;
      if (frame.again) break;
      if (frame.problem) {
        problem = new HeddleProblem(Number(frame.problem.status), frame.problem);
        break;
      }
      stoodAt = now();
      backoffMs = clientBackoffMsMin;
      yield* newsOf(frame, place);
    }
    signal?.throwIfAborted();
    if (problem && !problem.retryable) throw problem;
    if (line.isOpened) isKnown = true;
    else if (!isKnown) return false;
    if (line.isOpened && !problem) stoodAt = now();
    const pauseMs = backoffMs * (0.5 + Math.random() / 2);
    if (steadyMsSince(stoodAt) + pauseMs > (retryMs ?? transport.retryMs))
      throw problem ?? new HeddleUnreachable(transport.url, new Error("its WebSocket closes before it opens"));
    await sleep(pauseMs, signal);
  }
}

function* newsOf({ events = [], partials = [] }: Frame, place: Place): Generator<EventView | PartialText> {
  for (const event of events) {
    if (event.seq <= place.seen) continue;
    place.seen = event.seq;
    yield event;
  }
  for (const partial of partials) yield { type: "partial", ...partial };
}

async function* byStream(
  transport: Transport,
  path: string,
  place: Place,
  { partial, ...options }: FollowOptions & { partial: boolean },
): Followed {
  let stoodAt = now();
  for (;;) {
    const before = place.seen;
    let problem: HeddleProblem | undefined;
    const { response, leave } = await transport.stream({
      ...options,
      method: "GET",
      path,
      query: { after: place.seen, ...(partial && { partial: "true" }) },
      accept: "text/event-stream",
      headers: { "last-event-id": String(place.seen) },
    });
    try {
      for await (const { id, event: name, data } of serverEvents(response.body!)) {
        if (id === undefined && name === "end") return;
        if (id === undefined && name === "problem") {
          problem = problemIn(data);
          break;
        }
        if (id === undefined && name === "partial") {
          yield { type: "partial", ...(JSON.parse(data) as PartialView) };
          continue;
        }
        const event = JSON.parse(data) as EventView;
        if (typeof event.seq !== "number" || event.seq <= place.seen) continue;
        place.seen = event.seq;
        yield event;
      }
    } finally {
      leave();
    }
    options.signal?.throwIfAborted();
    // Streams end, and break; only one that says so has come to its end.
    const pauseMs = place.seen === before ? reopenMs * (1 + Math.random()) : 0;
    if (!problem) stoodAt = now();
    else if (!problem.retryable || steadyMsSince(stoodAt) + pauseMs > (options.retryMs ?? transport.retryMs))
      throw problem;
    await sleep(pauseMs, options.signal);
  }
}

/** A problem that a stream ends with: its headers had already said 200. */
function problemIn(data: string): HeddleProblem {
  const body = JSON.parse(data) as Record<string, unknown>;
  return new HeddleProblem(typeof body.status === "number" ? body.status : 500, body);
}
