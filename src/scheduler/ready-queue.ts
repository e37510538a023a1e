/**
 * The ready order (DESIGN §6), one queue per pool.
 *
 * level = effective priority + whole minutes spent in `ready` (uncapped), then resumed before fresh, then the longest chain
 * of dependents, then first in first out.
 *
 * Tasks that only FIFO tells apart (a batch that was posted together, say) share a class, and the heap is one of classes:
 * a large batch costs little memory, and to put a task there is to append it.
 *
 * Q1. `peek(now)` is the first task in that order at `now`.
 * Q2. Every ready task gains a level a minute, so it starts in bounded time whatever else arrives.
 * Q3. Cost: O(log classes) a change; aging moves each class once a minute.
 */

import { agingStepMs } from "../limits.ts";
import { IndexedHeap } from "./indexed-heap.ts";
import { ReadyClass } from "./ready-class.ts";

export interface ReadyKey {
  readonly effective: number;
  readonly since: number;
  readonly resumed: boolean;
  readonly chain: number;
  /** Order of becoming ready. */
  readonly seq: number;
}

/** Levels of a task at `now`. */
export const levelAt = (key: Pick<ReadyKey, "effective" | "since">, now: number): number =>
  key.effective + Math.max(0, Math.floor((now - key.since) / agingStepMs));

/** The one order: negative when `a` goes first at `now`. */
export function compareReady(a: ReadyKey, b: ReadyKey, now: number): number {
  return levelAt(b, now) - levelAt(a, now) || compareTies(a, b);
}

type Tie = Pick<ReadyKey, "resumed" | "chain" | "seq">;

/** The order within one level. */
const compareTies = (a: Tie, b: Tie): number =>
  Number(b.resumed) - Number(a.resumed) || b.chain - a.chain || a.seq - b.seq;

const nameOf = ({ effective, since, resumed, chain }: ReadyKey): string =>
  `${effective}/${since}/${Number(resumed)}/${chain}`;

export class ReadyQueue {
  /** By number: what the heaps hold. */
  readonly #classes = new Map<number, ReadyClass>();
  readonly #byName = new Map<string, ReadyClass>();
  readonly #classOf = new Map<number, ReadyClass>();
  readonly #order = new IndexedHeap((a, b) => {
    const first = this.#classes.get(a)!;
    const second = this.#classes.get(b)!;
    return (second.level - first.level || compareTies(first, second)) < 0;
  });
  readonly #rising = new IndexedHeap((a, b) => this.#classes.get(a)!.risesAt < this.#classes.get(b)!.risesAt);
  #now = 0;
  #made = 0;

  get size(): number {
    return this.#classOf.size;
  }

  has(n: number): boolean {
    return this.#classOf.has(n);
  }

  /** Adds a task, or takes over its changed key; `seq` stays as it is while the task is ready. */
  put(n: number, key: ReadyKey): void {
    const name = nameOf(key);
    const old = this.#classOf.get(n);
    let of = this.#byName.get(name);
    if (old && old === of) return;
    // Another class: the name's own is not the one that may end here.
    this.remove(n, key.seq);
    if (!of) {
      of = new ReadyClass(++this.#made, name, key);
      this.#byName.set(name, of);
      this.#classes.set(of.id, of);
      this.#age(of);
    }
    of.add(n, key.seq);
    this.#classOf.set(n, of);
    this.#order.touch(of.id);
  }

  remove(n: number, seq: number): void {
    const of = this.#classOf.get(n);
    if (!of) return;
    this.#classOf.delete(n);
    of.remove(seq);
    if (of.size > 0) {
      this.#order.touch(of.id);
      return;
    }
    this.#order.remove(of.id);
    this.#rising.remove(of.id);
    this.#classes.delete(of.id);
    this.#byName.delete(of.name);
  }

  peek(now: number): number | undefined {
    return this.head(now)?.first;
  }

  /** Since when tasks are ready, and how many since then. */
  *waits(): Generator<readonly [since: number, count: number]> {
    for (const { since, size } of this.#classes.values()) yield [since, size];
  }

  /** The class of the task that goes first. */
  head(now: number): ReadyClass | undefined {
    this.#now = Math.max(now, this.#now);
    for (;;) {
      const next = this.#rising.peek();
      if (next === undefined) return undefined;
      const of = this.#classes.get(next)!;
      if (of.risesAt > this.#now) return this.#classes.get(this.#order.peek()!)!;
      this.#age(of);
      this.#order.touch(of.id);
    }
  }

  /** Sets the class's level as of now, and when it gains the next: cached, since a heap whose keys moved all at once would be no heap. */
  #age(of: ReadyClass): void {
    const minutes = Math.max(0, Math.floor((this.#now - of.since) / agingStepMs));
    of.level = levelAt(of, this.#now);
    of.risesAt = of.since + (minutes + 1) * agingStepMs;
    this.#rising.touch(of.id);
  }
}
