/**
 * Ready tasks that only the order of becoming ready tells apart: a line, by `seq`.
 * Tasks that leave from its middle are passed over once they come to its head.
 */

import type { ReadyKey } from "./ready-queue.ts";

/** Passed entries are cut off when there are so many, and at least as many as others. */
const passedMin = 1024;

export class ReadyClass {
  readonly id: number;
  readonly name: string;
  readonly effective: number;
  readonly since: number;
  readonly resumed: boolean;
  readonly chain: number;
  /** Kept by the queue: the level of its tasks, and when they gain the next. */
  level = 0;
  risesAt = 0;
  /** Two columns, by seq; what stands before `#head` is passed. */
  #tasks: number[] = [];
  #seqs: number[] = [];
  #head = 0;
  /** Sequence numbers of entries that have left and are not passed yet. */
  readonly #gone = new Set<number>();

  constructor(id: number, name: string, { effective, since, resumed, chain }: ReadyKey) {
    this.id = id;
    this.name = name;
    this.effective = effective;
    this.since = since;
    this.resumed = resumed;
    this.chain = chain;
  }

  get size(): number {
    return this.#tasks.length - this.#head - this.#gone.size;
  }

  /** The task that goes first; call it on a class that has one. */
  get first(): number {
    return this.#tasks[this.#head]!;
  }

  get seq(): number {
    return this.#seqs[this.#head]!;
  }

  /** Constant time for the newest, which nearly all are. */
  add(n: number, seq: number): void {
    // It may come back to where it was: its entry is still there.
    if (this.#gone.delete(seq)) return;
    let place = this.#seqs.length;
    if (place > this.#head && seq < this.#seqs[place - 1]!) place = this.#placeOf(seq);
    this.#tasks.splice(place, 0, n);
    this.#seqs.splice(place, 0, seq);
  }

  remove(seq: number): void {
    this.#gone.add(seq);
    while (this.#head < this.#tasks.length && this.#gone.delete(this.#seqs[this.#head]!)) this.#head++;
    if (this.#head < passedMin || 2 * this.#head < this.#tasks.length) return;
    this.#tasks = this.#tasks.slice(this.#head);
    this.#seqs = this.#seqs.slice(this.#head);
    this.#head = 0;
  }

  /** Where `seq` belongs among those that are not passed. */
  #placeOf(seq: number): number {
    let low = this.#head;
    let high = this.#seqs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#seqs[middle]! < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
