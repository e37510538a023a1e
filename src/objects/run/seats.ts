/**
 * The seat ledger of a run: which openings are under way, and which idle seats linger for work. Volatile: an object that
 * has lost it opens seats anew, and a seat that nobody needs closes at once.
 *
 * O1. Open seats + openings under way never exceed what ready tasks and the run's limit can use.
 * O2. An opening that is not answered within `seatOpenMs` is sent again, on another shard, under a new nonce.
 * O3. A nonce opens at most once while the ledger remembers it; what it forgets is refused by there being no ready task.
 */

import { seatOpenMs, seatRememberedMs, seatShards } from "../../limits.ts";
import type { SeatTicket } from "../seat-rpc.ts";

export class Seats {
  readonly #openings = new Map<string, { readonly sentAt: number; readonly shard: number }>();
  /** Nonce → when it was opened. */
  readonly #opened = new Map<string, number>();
  readonly #lingering: (() => void)[] = [];
  /** Seats go to the shards in turn, so that one slow batch holds up few of them; each run begins elsewhere. */
  #spread = Math.floor(Math.random() * seatShards);

  get lingering(): number {
    return this.#lingering.length;
  }

  /** The shards to open seats on now, for `ready` tasks that may start at once. Lingering seats are woken first. */
  wanted(ready: number, now: number): number[] {
    const again: number[] = [];
    for (const [nonce, { sentAt, shard }] of this.#openings) {
      if (sentAt + seatOpenMs > now) continue;
      this.#openings.delete(nonce);
      again.push((shard + 1) % seatShards);
    }
    let left = ready;
    while (left > 0 && this.#lingering.length > 0) {
      this.#lingering.shift()!();
      left--;
    }
    const count = Math.max(0, left - this.#openings.size);
    return Array.from({ length: count }, () => again.pop() ?? this.#spread++ % seatShards);
  }

  sent(ticket: SeatTicket, now: number): void {
    this.#openings.set(ticket.nonce, { sentAt: now, shard: ticket.shard });
  }

  /** False for a duplicate (O3). */
  open(nonce: string, now: number): boolean {
    if (this.#opened.has(nonce)) return false;
    for (const [old, at] of this.#opened) {
      if (at + seatRememberedMs > now) break;
      this.#opened.delete(old);
    }
    this.#openings.delete(nonce);
    this.#opened.set(nonce, now);
    return true;
  }

  close(nonce: string): void {
    this.#opened.delete(nonce);
  }

  /** Resolves true when work may have come, false after `waitMs`. */
  linger(waitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        resolve(true);
      };
      const timer = setTimeout(() => {
        const place = this.#lingering.indexOf(wake);
        if (place >= 0) this.#lingering.splice(place, 1);
        resolve(false);
      }, waitMs);
      this.#lingering.push(wake);
    });
  }

  /** When the oldest opening must be sent again; undefined when none is under way. */
  nextCheck(): number | undefined {
    for (const { sentAt } of this.#openings.values()) return sentAt + seatOpenMs;
    return undefined;
  }
}
