/**
 * Texts of replies that are still being streamed, for those who follow a run live. Volatile, and in no log: what counts is the
 * turn, whose event follows.
 *
 * U1. Nothing is kept, and no seat sends anything, while nobody follows.
 * U2. Who joins late gets what there is of each reply from its beginning, as far as it is still known.
 * U3. Bounded in all: the oldest replies' texts go first. A follower that is slow gets more at once, and is waited for by nobody.
 * U4. Followers are woken at most once in `partialEveryMs`, however many tasks write.
 */

import { partialEveryMs, partialsCharsMax } from "../../limits.ts";
import { leased } from "../../scheduler/attempts.ts";
import type { EventsAnswer } from "../rpc.ts";
import type { PartialPiece } from "../seat-rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";

interface Reply {
  readonly fence: number;
  readonly turn: number;
  /** Where the first piece stands in the reply's text, and where the last one ends. */
  readonly start: number;
  end: number;
  readonly pieces: { readonly version: number; readonly text: string }[];
}

interface PartialOf extends PartialPiece {
  readonly task: number;
}

export class Partials {
  /** By task; the one that was begun last stands last. */
  readonly #replies = new Map<number, Reply>();
  readonly #wake: () => void;
  readonly #isAwaited: () => boolean;
  #chars = 0;
  /** Rises with each piece, over the object's lives too. */
  #version = 0;
  /** What followers may see. */
  #shown = 0;
  #shownAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #watchedUntil = 0;

  /** `isAwaited`: somebody follows, for as long as that is so. */
  constructor(wake: () => void, isAwaited: () => boolean = () => false) {
    this.#wake = wake;
    this.#isAwaited = isAwaited;
  }

  /** Somebody follows, until then at least. */
  watch(until: number): void {
    this.#watchedUntil = Math.max(this.#watchedUntil, until);
  }

  /** False: then nothing is kept either (U1). */
  isWatched(now: number): boolean {
    if (this.#watchedUntil > now || this.#isAwaited()) return true;
    this.#clear();
    return false;
  }

  add(task: number, fence: number, { turn, offset, text }: PartialPiece, now: number): void {
    if (!this.isWatched(now)) return;
    let reply = this.#replies.get(task);
    if (reply?.fence !== fence || reply.turn !== turn || reply.end !== offset) {
      this.end(task);
      reply = { fence, turn, start: offset, end: offset, pieces: [] };
      this.#replies.set(task, reply);
    }
    this.#version = Math.max(this.#version + 1, now);
    reply.pieces.push({ version: this.#version, text });
    reply.end += text.length;
    this.#chars += text.length;
    for (const oldest of this.#replies.keys()) {
      if (this.#chars <= partialsCharsMax) break;
      this.end(oldest);
    }
    this.#timer ??= setTimeout(() => this.#show(), Math.max(0, this.#shownAt + partialEveryMs - now));
  }

  /** The reply is in the log, or will never be. */
  end(task: number): void {
    const reply = this.#replies.get(task);
    if (!reply) return;
    this.#replies.delete(task);
    this.#chars -= reply.end - reply.start;
  }

  /** Whether there is more to see than what had been shown at `version`. */
  hasNews(version: number): boolean {
    return this.#shown > version;
  }

  /** What has come since, one piece a task; `isOpen`: the attempt that writes it goes on. */
  since(version: number, isOpen: (task: number, fence: number) => boolean): { upTo: number; texts: PartialOf[] } {
    const texts: PartialOf[] = [];
    for (const [task, { fence, turn, start, pieces }] of [...this.#replies]) {
      if (!isOpen(task, fence)) {
        this.end(task);
        continue;
      }
      let offset = start;
      let text = "";
      for (const piece of pieces) {
        if (piece.version > this.#shown) break;
        if (piece.version > version) text += piece.text;
        else offset += piece.text.length;
      }
      if (text !== "") texts.push({ task, turn, offset, text });
    }
    return { upTo: Math.max(version, this.#shown), texts };
  }

  #show(): void {
    this.#timer = undefined;
    this.#shown = this.#version;
    this.#shownAt = Date.now();
    this.#wake();
  }

  /** The run is deleted, with all that was written of it. Versions rise on: the next run of its id begins after them. */
  forget(): void {
    this.#watchedUntil = 0;
    this.#clear();
  }

  #clear(): void {
    this.#replies.clear();
    this.#chars = 0;
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

/** What has come since, as those who follow the run are told. */
export function partialsSince(
  partials: Partials,
  run: LoadedRun,
  version: number,
): NonNullable<EventsAnswer["partials"]> {
  const { upTo, texts } = partials.since(version, (n, fence) => leased(run.state, n, fence) !== undefined);
  return { upTo, texts: texts.map((one) => ({ ...one, task: run.taskId(one.task) })) };
}
