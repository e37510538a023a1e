/**
 * A gate's book: who claims seats of it, as each said last, and what they get. The same for a deployment's tenants and a tenant's runs.
 *
 * K1. Nothing of it is stored: whoever has a demand says so again within `claimMs`, and what he says is whole. So a word that is lost,
 *     late or doubled is put right by the next.
 * K2. Who says nothing any more has no claim, but what was used stays in the sum of all until it fades: many short runs use as much as
 *     a long one. What one has used who comes and goes is in it once, as he said it last: his own word has all of it.
 */

import { claimMs, claimsMax } from "../limits.ts";
import { type Claim, divide } from "./divide.ts";
import { noUse, sumOfUse, type Use, useAt } from "./use.ts";

/** Two ways to the same sum of fading parts differ by less. */
const rounding = 1e-9;

interface Entry {
  readonly demand: number;
  readonly use: Use;
  readonly at: number;
}

export class ClaimBook {
  readonly #entries = new Map<string, Entry>();
  /** Of those who have no claim any more (K2), all of it, and what each of the last of them has in it. */
  #gone: Use = noUse;
  readonly #goneOf = new Map<string, Use>();

  claim(id: string, { demand, use }: { readonly demand: number; readonly use: Use }, now: number): void {
    this.#takeBack(id, use, now);
    // Behind all others in the map's order: the first are those that were silent for longest.
    this.#entries.delete(id);
    this.#entries.set(id, { demand, use, at: now });
    if (this.#entries.size > claimsMax) this.#drop(this.#entries.keys().next().value!, now);
  }

  /** He wants nothing any more, and has used that. Of who never claimed anything nothing counts. */
  leave(id: string, use: Use, now: number): void {
    if (!this.#entries.delete(id) && !this.#goneOf.has(id)) return;
    this.#takeBack(id, use, now);
    this.#addGone(id, use, now);
  }

  forget(id: string, now: number): void {
    if (this.#entries.has(id)) this.#drop(id, now);
  }

  clear(): void {
    this.#entries.clear();
    this.#gone = noUse;
    this.#goneOf.clear();
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
    this.#addGone(id, this.#entries.get(id)!.use, now);
    this.#entries.delete(id);
  }

  #addGone(id: string, use: Use, now: number): void {
    this.#gone = sumOfUse([this.#gone, use], now);
    this.#goneOf.delete(id);
    this.#goneOf.set(id, use);
    if (this.#goneOf.size > claimsMax) this.#goneOf.delete(this.#goneOf.keys().next().value!);
  }

  /** `use` says anew what he had used before, unless it is less: then he has lost his memory meanwhile, and what he had used stays. */
  #takeBack(id: string, use: Use, now: number): void {
    const before = this.#goneOf.get(id);
    if (!before) return;
    this.#goneOf.delete(id);
    const [had, has] = [useAt(before, now), useAt(use, now)];
    if (has.cost < had.cost * (1 - rounding)) return;
    const { cost, seatMs } = useAt(this.#gone, now);
    this.#gone = { at: now, cost: Math.max(0, cost - had.cost), seatMs: Math.max(0, seatMs - had.seatMs) };
  }
}
