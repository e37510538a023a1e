/**
 * A gate's book: who claims seats of it, as each said last, and what they get. The same for a deployment's tenants and a tenant's runs.
 *
 * K1. Nothing of it is stored: whoever has a demand says so again within `claimMs`, and what he says is whole. So a word that is lost,
 *     late or doubled is put right by the next.
 * K2. Who says nothing any more has no claim, but what was used stays in the sum of all until it fades: many short runs use as much as
 *     a long one.
 */

import { claimMs, claimsMax } from "../limits.ts";
import { type Claim, divide } from "./divide.ts";
import { noUse, sumOfUse, type Use } from "./use.ts";

interface Entry {
  readonly demand: number;
  readonly use: Use;
  readonly at: number;
}

export class ClaimBook {
  readonly #entries = new Map<string, Entry>();
  /** Of those who have no claim any more (K2). */
  #gone: Use = noUse;

  claim(id: string, { demand, use }: { readonly demand: number; readonly use: Use }, now: number): void {
    // Behind all others in the map's order: the first are those that were silent for longest.
    this.#entries.delete(id);
    this.#entries.set(id, { demand, use, at: now });
    if (this.#entries.size > claimsMax) this.#drop(this.#entries.keys().next().value!, now);
  }

  forget(id: string, now: number): void {
    if (this.#entries.has(id)) this.#drop(id, now);
  }

  clear(): void {
    this.#entries.clear();
    this.#gone = noUse;
  }

  /** How many of `seats` each may have that has a demand. */
  targets(seats: number, now: number): Map<string, number> {
    this.#expire(now);
    return divide(seats, this.#claims(now));
  }

  /** All claims as one. */
  total(now: number): { readonly demand: number; readonly use: Use } {
    this.#expire(now);
    const entries = [...this.#entries.values()];
    const demand = entries.reduce((sum, one) => sum + one.demand, 0);
    return { demand, use: sumOfUse([this.#gone, ...entries.map(({ use }) => use)], now) };
  }

  /** Who has a demand besides `id`. */
  others(id: string, now: number): number {
    this.#expire(now);
    let count = 0;
    for (const [other, { demand }] of this.#entries) if (other !== id && demand > 0) count++;
    return count;
  }

  #claims(now: number): Claim[] {
    return Array.from(this.#entries, ([id, { demand, use }]) => ({ id, demand, use: sumOfUse([use], now) }));
  }

  #expire(now: number): void {
    for (const [id, { at }] of this.#entries) {
      if (at + claimMs > now) break;
      this.#drop(id, now);
    }
  }

  #drop(id: string, now: number): void {
    this.#gone = sumOfUse([this.#gone, this.#entries.get(id)!.use], now);
    this.#entries.delete(id);
  }
}
