/**
 * A run's log as server-sent events: one frame an event (and, if asked for, one a partial text), a comment while nothing
 * happens, a last frame `end` when the run has ended. A stream also ends, without `end`, after a bounded number of calls: the
 * client then resumes after the last id, which every EventSource does by itself.
 */

import type { Place } from "../admission.ts";
import type { EventView, PartialView } from "../contract/shapes.ts";
import { Fault } from "../errors/fault.ts";
import { sseCallsMax, sseHeartbeatMs } from "../limits.ts";
import { problemOf } from "./problem.ts";

export interface EventsRead {
  readonly events: readonly EventView[];
  /** The run has ended and no event follows these. */
  readonly done: boolean;
  /** What models are still writing, and up to where that is now seen. */
  readonly partials?: { readonly upTo: number; readonly texts: readonly PartialView[] };
}

/**
 * The frames after event `after`; `more` waits for events that follow a seq, or partial texts beyond what was seen. These have
 * no id: they are in no log, and nobody resumes after one.
 */
export async function* liveEvents(
  after: number,
  first: EventsRead,
  more: (after: number, partials: number) => Promise<EventsRead>,
): AsyncGenerator<string, void, void> {
  yield "retry: 1000\n\n";
  let last = after;
  let page = first;
  let partials = 0;
  for (let calls = 0; calls < sseCallsMax; calls++) {
    if (page.events.length > 0) {
      last = page.events.at(-1)!.seq;
      yield page.events.map((event) => frame(event.type, event, event.seq)).join("");
    }
    if (page.partials) {
      partials = page.partials.upTo;
      if (page.partials.texts.length > 0) yield page.partials.texts.map((text) => frame("partial", text)).join("");
    }
    if (page.done) {
      yield frame("end", { last_seq: last });
      return;
    }
    const next = more(last, partials);
    try {
      while (!(await settlesWithin(next, sseHeartbeatMs))) yield ": live\n\n";
      page = await next;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      yield frame("problem", problemOf(error.data, `urn:uuid:${crypto.randomUUID()}`));
      return;
    }
  }
}

const frame = (event: string, data: unknown, id?: number): string =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

/** Whether the promise settles in time; its failure is the promise's own to tell, and counts as handled here. */
async function settlesWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  const settled = promise.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([settled, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The frames, with the stream's place held while somebody reads them: a heartbeat comes often enough. */
export async function* held(
  frames: AsyncGenerator<string, void, void>,
  place: Place,
): AsyncGenerator<string, void, void> {
  try {
    for await (const frame of frames) {
      place.extend(Date.now());
      yield frame;
    }
  } finally {
    place.leave();
  }
}

/** Reads on only as the client does, and stops when it goes away. */
export function streamOf(frames: AsyncGenerator<string, void, void>): ReadableStream<Uint8Array> {
  const utf8 = new TextEncoder();
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const { done, value } = await frames.next();
        if (done) controller.close();
        else controller.enqueue(utf8.encode(value));
      },
      async cancel() {
        await frames.return();
      },
    },
    { highWaterMark: 0 },
  );
}
