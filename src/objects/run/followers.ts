/**
 * Those who follow a run's log by long polls: live event streams, one call after the other. What watchers (watchers.ts) get in frames,
 * they get in pages, and it is as little made anew for each of them.
 *
 * L1. They are woken after a commit, but at most once in `followersEveryMs`, and seldomer the more they are: a busy run commits hundreds
 *     of times a second, and each of them is a call of its one thread each time. With `followerMs` for each, all together leave it to the run.
 * L2. A page is read and made once for all who follow the same event.
 */

import type { EventView } from "../../contract/shapes.ts";
import { followerMs, followersEveryMs, followersPagesChars, pageBytesMax } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { Signals } from "./signals.ts";
import { eventView } from "./views.ts";

interface Page {
  /** It was read when this was the log's last. */
  readonly head: number;
  readonly events: readonly EventView[];
}

export class Followers {
  readonly #signals = new Signals();
  /** By the event that they follow and the number of events that they may have; of one life of one run. */
  readonly #pages = new Lru<string, Page>(followersPagesChars);
  #wokenAt = 0;
  /** How many there were then. */
  #woken = 0;
  #waking: ReturnType<typeof setTimeout> | undefined;

  /** Until there is something for one who follows, or for `waitMs`. Who comes between two wakings waits for the second (L1). */
  async wait(waitMs: number, isOver: () => boolean): Promise<void> {
    if (isOver()) {
      if (this.#restMs() === 0) return;
      this.#waking ??= setTimeout(() => this.#wake(), this.#restMs());
    }
    await this.#signals.wait(waitMs, isOver);
  }

  /** To be called after each commit, and when there is more of a text that a model writes. */
  committed(): void {
    if (this.#signals.size === 0) return;
    this.#waking ??= setTimeout(() => this.#wake(), this.#restMs());
  }

  /** Until they may be woken again; a clock that was set back makes it no longer. */
  #restMs(): number {
    const everyMs = Math.max(followersEveryMs, this.#woken * followerMs);
    return Math.min(everyMs, Math.max(0, this.#wokenAt + everyMs - Date.now()));
  }

  /** The memory is dropped, or the run gone: all look again. */
  releaseAll(): void {
    this.#pages.clear();
    this.#signals.releaseAll();
  }

  #wake(): void {
    this.#waking = undefined;
    this.#wokenAt = Date.now();
    this.#woken = this.#signals.size;
    this.#signals.committed([]);
  }

  /** The events that follow `after`, as many as a page has. */
  page(run: LoadedRun, after: number, limit: number): readonly EventView[] {
    const { seq: head } = run.state.header;
    // Of nothing there are as many pages as numbers, and they have no size that would let them go.
    if (after >= head) return [];
    const key = `${after} ${limit}`;
    const known = this.#pages.get(key);
    if (known?.head === head) return known.events;
    const { events, chars } = readPage(run, after, limit);
    this.#pages.set(key, { head, events }, chars);
    return events;
  }
}

function readPage(run: LoadedRun, after: number, limit: number): { events: EventView[]; chars: number } {
  const events: EventView[] = [];
  let chars = 0;
  for (const row of run.store.log.rowsFrom(after + 1, limit + 1)) {
    for (const [i, event] of row.events.entries()) {
      const seq = row.seq + i;
      if (seq <= after || events.length >= limit || chars >= pageBytesMax) continue;
      const view = eventView(run, event, seq, row.at);
      events.push(view);
      // An event may name a thousand tasks.
      chars += JSON.stringify(view).length;
    }
    if (events.length >= limit || chars >= pageBytesMax) break;
  }
  return { events, chars };
}
