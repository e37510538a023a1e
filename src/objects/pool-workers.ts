/**
 * The pull workers that have asked a tenant's pools for work lately, with the load that each reported last.
 *
 * Kept in memory alone: workers ask again within seconds, so a restart forgets nothing for long, and a poll writes no row.
 */

import type { LoadView, Page, PoolWorkerView } from "../contract/shapes.ts";
import { poolWorkerSeenMs, poolWorkersMax } from "../limits.ts";
import { firstOf } from "./run/replies.ts";

interface Seen extends PoolWorkerView {
  readonly pool: string;
  /** Rises with each worker that is new to its pool: the order of a list, and its cursor. */
  readonly number: number;
}

export class PoolWorkers {
  /** By pool and name, in the order in which they were first seen. */
  readonly #seen = new Map<string, Seen>();
  #count = 0;

  /** A worker asked for work; what it did not say about its load is not known. */
  seen(pool: string, worker: string, load: LoadView | undefined, now: number): void {
    // A pool's name has no slash.
    const name = `${pool}/${worker}`;
    const known = this.#seen.get(name);
    if (!known && this.#seen.size >= poolWorkersMax) this.#dropOldest();
    this.#seen.set(name, { pool, number: known?.number ?? ++this.#count, worker, load: load ?? null, seen_at: now });
  }

  /** Those of the pool that were seen lately. */
  page(pool: string, { limit, after }: { limit: number; after: number }, now: number): Page<PoolWorkerView> {
    for (const [name, { seen_at }] of this.#seen) if (now - seen_at > poolWorkerSeenMs) this.#seen.delete(name);
    const following = [...this.#seen.values()].filter((one) => one.pool === pool && one.number > after);
    const { rows, nextCursor } = firstOf(following, limit, ({ number }) => number);
    return { rows: rows.map(({ worker, load, seen_at }) => ({ worker, load, seen_at })), nextCursor };
  }

  #dropOldest(): void {
    let oldest: [string, number] | undefined;
    for (const [name, { seen_at }] of this.#seen) if (!oldest || seen_at < oldest[1]) oldest = [name, seen_at];
    if (oldest) this.#seen.delete(oldest[0]);
  }
}
