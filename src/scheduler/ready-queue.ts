/**
 * The ready order (DESIGN §6), one queue per pool.
 *
 * level = effective priority + whole minutes spent in `ready` (uncapped), then resumed before fresh, then the longest chain
 * of dependents, then first in first out.
 *
 * Q1. `peek(now)` is the first task in that order at `now`.
 * Q2. Every ready task gains a level a minute, so it starts in bounded time whatever else arrives.
 * Q3. Cost: O(log n) a change; aging moves each task once a minute.
 */

import { agingStepMs } from "../limits.ts";
import { IndexedHeap } from "./indexed-heap.ts";

export interface ReadyKey {
  readonly effective: number;
  readonly since: number;
  readonly resumed: boolean;
  readonly chain: number;
  /** Order of becoming ready. */
  readonly seq: number;
}

/** Levels of a task at `now`. */
export const levelAt = (key: ReadyKey, now: number): number =>
  key.effective + Math.max(0, Math.floor((now - key.since) / agingStepMs));

/** The one order: negative when `a` goes first at `now`. */
export function compareReady(a: ReadyKey, b: ReadyKey, now: number): number {
  return levelAt(b, now) - levelAt(a, now) || compareTies(a, b);
}

/** The order within one level. */
const compareTies = (a: ReadyKey, b: ReadyKey): number =>
  Number(b.resumed) - Number(a.resumed) || b.chain - a.chain || a.seq - b.seq;

interface Entry {
  readonly key: ReadyKey;
  /** Cached, and renewed one task at a time: a heap whose keys moved all at once would be no heap. */
  level: number;
  /** When the task gains its next level. */
  risesAt: number;
}

export class ReadyQueue {
  readonly #entries = new Map<number, Entry>();
  readonly #order = new IndexedHeap((a, b) => {
    const first = this.#entries.get(a)!;
    const second = this.#entries.get(b)!;
    return (second.level - first.level || compareTies(first.key, second.key)) < 0;
  });
  readonly #rising = new IndexedHeap((a, b) => this.#entries.get(a)!.risesAt < this.#entries.get(b)!.risesAt);
  #now = 0;

  get size(): number {
    return this.#order.size;
  }

  /** Adds a task, or takes over its changed key. */
  put(n: number, key: ReadyKey): void {
    this.#entries.set(n, this.#entry(key));
    this.#order.touch(n);
    this.#rising.touch(n);
  }

  remove(n: number): void {
    this.#order.remove(n);
    this.#rising.remove(n);
    this.#entries.delete(n);
  }

  peek(now: number): number | undefined {
    this.#now = Math.max(now, this.#now);
    for (;;) {
      const next = this.#rising.peek();
      if (next === undefined || this.#entries.get(next)!.risesAt > this.#now) return this.#order.peek();
      this.put(next, this.#entries.get(next)!.key);
    }
  }

  #entry(key: ReadyKey): Entry {
    const minutes = Math.max(0, Math.floor((this.#now - key.since) / agingStepMs));
    return { key, level: levelAt(key, this.#now), risesAt: key.since + (minutes + 1) * agingStepMs };
  }
}
