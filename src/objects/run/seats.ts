/**
 * The seat ledger of a run: which openings are under way, and which idle seats linger for work. Volatile: an object that
 * has lost it opens seats anew, and a seat that nobody needs closes at once.
 *
 * O1. Open seats + openings under way never exceed what ready tasks and the run's limit can use.
 * O2. An opening that is not answered within `seatOpenMs` is sent again, elsewhere, under a new nonce.
 * O3. A nonce opens at most once while the ledger remembers it; what it forgets is refused by there being no ready task.
 */

import { seatOpenMs, seatRememberedMs } from "../../limits.ts";

export class Seats {
  readonly #openings = new Map<string, number>();
  /** Nonce → when it was opened. */
  readonly #opened = new Map<string, number>();
  readonly #lingering: (() => void)[] = [];

  get lingering(): number {
    return this.#lingering.length;
  }

  /** How many seats to open now, for `ready` tasks that may start at once. Wakes lingering seats first. */
  wanted(ready: number, now: number): number {
    for (const [nonce, sentAt] of this.#openings) if (sentAt + seatOpenMs <= now) this.#openings.delete(nonce);
    let left = ready;
    while (left > 0 && this.#lingering.length > 0) {
      this.#lingering.shift()!();
      left--;
    }
    return Math.max(0, left - this.#openings.size);
  }

  sent(nonce: string, now: number): void {
    this.#openings.set(nonce, now);
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
    for (const sentAt of this.#openings.values()) return sentAt + seatOpenMs;
    return undefined;
  }
}
