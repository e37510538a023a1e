/**
 * Contexts that this isolate has seen, by snapshot: a context travels to it once, however many of its forks run here.
 *
 * N1. Entries are immutable and named by hash; the key holds the run, so tenants never share one.
 * N2. Arrays share their strings: a fork of a context costs its own messages, and pointers.
 */

import type { MessageText } from "../context/types.ts";
import { snapshotCacheBytes } from "../limits.ts";
import { Lru } from "../lru.ts";

/** Snapshots of a run that a seat tells the scheduler it has. */
const haveMax = 16;

export class SnapshotCache {
  readonly #entries = new Lru<string, readonly MessageText[]>(snapshotCacheBytes);
  readonly #byRun = new Map<string, string[]>();

  get(run: string, hash: string): readonly MessageText[] | undefined {
    return this.#entries.get(`${run} ${hash}`);
  }

  /** Adds what a snapshot appended to `before`; answers the whole transcript. */
  add(
    run: string,
    hash: string,
    before: readonly MessageText[],
    messages: readonly MessageText[],
  ): readonly MessageText[] {
    const whole = [...before, ...messages];
    let units = 64 + whole.length * 8;
    for (const message of messages) units += message.length;
    this.#entries.set(`${run} ${hash}`, whole, units);
    const recent = this.#byRun.get(run)?.filter((one) => one !== hash) ?? [];
    this.#byRun.delete(run);
    this.#byRun.set(run, [...recent.slice(1 - haveMax), hash]);
    if (this.#byRun.size > haveMax) this.#byRun.delete(this.#byRun.keys().next().value!);
    return whole;
  }

  /** Newest last. */
  have(run: string): string[] {
    return (this.#byRun.get(run) ?? []).filter((hash) => this.#entries.get(`${run} ${hash}`) !== undefined);
  }
}
