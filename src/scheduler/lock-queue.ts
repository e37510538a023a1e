/**
 * The index of a lock: who holds it and who waits, first in, first out. A function of the tasks' holds and waiting calls.
 *
 * K1. Exclusive excludes everybody, shared only exclusive; who comes later never overtakes, so nobody starves.
 */

import type { LockMode } from "../variables/ops.ts";

export interface LockWaiter {
  readonly task: number;
  readonly call: string;
  /** Of the event that began the wait: the order of the queue. */
  readonly seq: number;
  readonly names: readonly string[];
  readonly mode: LockMode;
  readonly since: number;
}

export class LockQueue {
  readonly holders = new Map<number, LockMode>();
  /** In the order of `seq`. */
  readonly waiters: LockWaiter[] = [];

  add(waiter: LockWaiter): void {
    this.waiters.splice(this.#placeOf(waiter.seq), 0, waiter);
  }

  remove(seq: number): void {
    const place = this.#placeOf(seq);
    if (this.waiters[place]?.seq === seq) this.waiters.splice(place, 1);
  }

  /** Whether a newcomer of this mode would get it at once. */
  admits(mode: LockMode): boolean {
    return this.waiters.length === 0 && this.allows(mode);
  }

  /** Whether the holders leave room for this mode. */
  allows(mode: LockMode): boolean {
    if (this.holders.size === 0) return true;
    return mode === "shared" && [...this.holders.values()].every((held) => held === "shared");
  }

  /** The tasks that must let go before this waiter gets it; of those before it in the queue the nearest, which wait for the rest. */
  *providersOf({ seq, mode, task }: LockWaiter): Generator<number> {
    for (const [holder, held] of this.holders) if (holder !== task && conflict(held, mode)) yield holder;
    for (let place = this.#placeOf(seq) - 1; place >= 0; place--) {
      const before = this.waiters[place]!;
      if (conflict(before.mode, mode) && before.task !== task) yield before.task;
      if (before.mode === "exclusive") return;
    }
  }

  /** The tasks that stand behind the wait that began at `seq`. */
  *after(seq: number): Generator<number> {
    for (let place = this.#placeOf(seq + 1); place < this.waiters.length; place++) yield this.waiters[place]!.task;
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

const conflict = (a: LockMode, b: LockMode): boolean => a === "exclusive" || b === "exclusive";
