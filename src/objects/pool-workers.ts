/**
 * The pull workers that have asked a tenant's pools for work lately, with the load that each reported last.
 *
 * Kept in memory alone: workers ask again within seconds, so a restart forgets nothing for long, and a poll writes no row.
 */

import type { LoadView, Page, PoolWorkerView } from "../contract/shapes.ts";
import { poolWorkerSeenMs, poolWorkersMax } from "../limits.ts";

interface Seen extends PoolWorkerView {
  /** Rises with each worker that is new to the pool: the order of a list, and its cursor. */
  readonly number: number;
}

export class PoolWorkers {
  /** By pool, by name, in the order in which they were first seen. */
  readonly #pools = new Map<string, Map<string, Seen>>();
  #count = 0;

  /** A worker asked for work; what it did not say about its load is not known. */
  seen(pool: string, worker: string, load: LoadView | undefined, now: number): void {
    let workers = this.#pools.get(pool);
    if (!workers) {
      workers = new Map();
      this.#pools.set(pool, workers);
    }
    const known = workers.get(worker);
    if (!known && workers.size >= poolWorkersMax) dropOldest(workers);
    workers.set(worker, { number: known?.number ?? ++this.#count, worker, load: load ?? null, seen_at: now });
  }

  /** Those seen lately; forgets the others. */
  page(pool: string, { limit, after }: { limit: number; after: number }, now: number): Page<PoolWorkerView> {
    const workers = this.#pools.get(pool) ?? new Map<string, Seen>();
    for (const { worker, seen_at } of workers.values()) if (now - seen_at > poolWorkerSeenMs) workers.delete(worker);
    if (workers.size === 0) this.#pools.delete(pool);
    const following = [...workers.values()].filter(({ number }) => number > after);
    const rows = following.slice(0, limit);
    return {
      rows: rows.map(({ number: _, ...view }) => view),
      nextCursor: following.length > limit ? String(rows.at(-1)!.number) : null,
    };
  }
}

function dropOldest(workers: Map<string, Seen>): void {
  let oldest: Seen | undefined;
  for (const seen of workers.values()) if (!oldest || seen.seen_at < oldest.seen_at) oldest = seen;
  if (oldest) workers.delete(oldest.worker);
}
