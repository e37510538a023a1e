/**
 * Those who wait for one variable, first in, first out. A function of the tasks' waiting calls.
 *
 * Whoever leaves is passed over until half of the line has left: a line of all of a run's tasks is served, or dissolved, in time that grows
 * with their number and not with its square.
 */

import type { Waiter, Want } from "./want.ts";

const nobody: ReadonlySet<number> = new Set();

/** Those who have left are cut off when there are so many, and at least as many as others. */
const goneMin = 1024;

export class WaitLine<W extends Want> {
  /** No waiter's effective priority is higher. It may be too high: then only time is lost. */
  top = 0;
  /** In the order of `seq`, where `#isInOrder`; what stands before `#head` has left. */
  #all: Waiter<W>[] = [];
  #head = 0;
  /** Waits behind `#head` that have left; mostly none, in each of thousands of lines. */
  #gone: ReadonlySet<number> = nobody;
  /** Tasks of a checkpoint come by their numbers. */
  #isInOrder = true;
  /** How many there are of each priority, the waiters' own. */
  readonly #byPriority: number[] = [];

  get size(): number {
    return this.#all.length - this.#head - this.#gone.size;
  }

  get first(): Waiter<W> | undefined {
    this.#sort();
    return this.#all[this.#head];
  }

  /** In the order of `seq`. Linear. */
  get waiters(): readonly Waiter<W>[] {
    this.#sort();
    if (this.#head + this.#gone.size > 0) this.#cut();
    return this.#all;
  }

  add(waiter: Waiter<W>): void {
    const last = this.#all.at(-1);
    if (last && last.seq > waiter.seq) this.#isInOrder = false;
    this.#all.push(waiter);
    this.#byPriority[waiter.priority] = (this.#byPriority[waiter.priority] ?? 0) + 1;
  }

  remove(seq: number): void {
    if (!this.has(seq)) return;
    const { priority } = this.#all[this.#placeOf(seq)]!;
    this.#byPriority[priority] = this.#byPriority[priority]! - 1;
    this.#pass(seq);
    const gone = this.#head + this.#gone.size;
    if (gone === this.#all.length || (gone >= goneMin && 2 * gone >= this.#all.length)) this.#cut();
    if (this.#all.length === 0) this.top = 0;
  }

  has(seq: number): boolean {
    this.#sort();
    return this.#all[this.#placeOf(seq)]?.seq === seq && !this.#gone.has(seq);
  }

  /** Whether somebody's own priority is so high. */
  hasPriority(least: number): boolean {
    for (let priority = this.#byPriority.length - 1; priority >= least; priority--)
      if (this.#byPriority[priority]) return true;
    return false;
  }

  /** Those who stand before the wait that began at `seq`, the nearest first. */
  *before(seq: number): Generator<Waiter<W>> {
    this.#sort();
    for (let place = this.#placeOf(seq) - 1; place >= this.#head; place--) {
      const waiter = this.#all[place]!;
      if (!this.#gone.has(waiter.seq)) yield waiter;
    }
  }

  /** Those who stand behind it. */
  *after(seq: number): Generator<Waiter<W>> {
    this.#sort();
    for (let place = this.#placeOf(seq + 1); place < this.#all.length; place++) {
      const waiter = this.#all[place]!;
      if (!this.#gone.has(waiter.seq)) yield waiter;
    }
  }

  #pass(seq: number): void {
    if (this.#all[this.#head]!.seq === seq && this.#gone === nobody) {
      this.#head++;
      return;
    }
    const left = this.#gone === nobody ? new Set<number>() : (this.#gone as Set<number>);
    left.add(seq);
    while (this.#head < this.#all.length && left.delete(this.#all[this.#head]!.seq)) this.#head++;
    this.#gone = left.size === 0 ? nobody : left;
  }

  #placeOf(seq: number): number {
    let low = this.#head;
    let high = this.#all.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#all[middle]!.seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #sort(): void {
    if (this.#isInOrder) return;
    this.#isInOrder = true;
    this.#all = this.#all.slice(this.#head).sort((one, other) => one.seq - other.seq);
    this.#head = 0;
  }

  /** Whoever still goes through the old list is not disturbed. */
  #cut(): void {
    this.#all = this.#all.slice(this.#head).filter(({ seq }) => !this.#gone.has(seq));
    this.#head = 0;
    this.#gone = nobody;
  }
}
