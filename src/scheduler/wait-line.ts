/** Those who wait for one variable, first in, first out. A function of the tasks' waiting calls. */

import type { Waiter, Want } from "./want.ts";

export class WaitLine<W extends Want> {
  /** In the order of `seq`. */
  readonly waiters: Waiter<W>[] = [];
  /** No waiter's effective priority is higher. It may be too high: then only time is lost. */
  top = 0;

  add(waiter: Waiter<W>): void {
    this.waiters.splice(this.#placeOf(waiter.seq), 0, waiter);
  }

  remove(seq: number): void {
    const place = this.#placeOf(seq);
    if (this.waiters[place]?.seq === seq) this.waiters.splice(place, 1);
    if (this.waiters.length === 0) this.top = 0;
  }

  has(seq: number): boolean {
    return this.waiters[this.#placeOf(seq)]?.seq === seq;
  }

  get first(): Waiter<W> | undefined {
    return this.waiters[0];
  }

  /** Those who stand before the wait that began at `seq`, the nearest first. */
  *before(seq: number): Generator<Waiter<W>> {
    for (let place = this.#placeOf(seq) - 1; place >= 0; place--) yield this.waiters[place]!;
  }

  /** Those who stand behind it. */
  *after(seq: number): Generator<Waiter<W>> {
    for (let place = this.#placeOf(seq + 1); place < this.waiters.length; place++) yield this.waiters[place]!;
  }

  #placeOf(seq: number): number {
    let low = 0;
    let high = this.waiters.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.waiters[middle]!.seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
