/** Pull workers that get their next lease without asking the gate, so that other runs get their turn. */

import { seatServesMs, servedWorkersBytes } from "../../limits.ts";
import { Lru } from "../../lru.ts";

export class ServedWorkers {
  /** Since when each is served. */
  readonly #since = new Lru<string, number>(servedWorkersBytes);

  serves(worker: string, since: number): void {
    this.#since.set(worker, since, worker.length);
  }

  /**
   * Whether a worker gets its next lease without asking the gate, and so without a key. It is known by the name that it leased under,
   * whatever it calls itself now, and after an eviction its time begins anew: so a key that was revoked leases no more after a minute.
   */
  mayGoOn(worker: string, now: number): boolean {
    const since = this.#since.get(worker);
    if (since === undefined) this.serves(worker, now);
    return now - (since ?? now) <= seatServesMs;
  }
}
