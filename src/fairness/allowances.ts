/**
 * A tenant's tokens of a day, handed out to its runs in blocks, so that no task asks for them.
 *
 * B1. What is spent today and what is handed out and not spent are together at most the quota.
 * B2. A run says how many tokens it has used in all, and is told up to which number it may: so a report that is lost, late or doubled
 *     counts nothing twice.
 * B3. Who wants no tokens any more gives back what it has not spent.
 * B4. The overrun is what runs spend beyond what they were told: calls that were under way.
 */

import { dayMs, tokenBlockMin, tokenBlocksPerQuota } from "../limits.ts";

/** Of one run, over its whole life. */
export interface Account {
  readonly spent: number;
  readonly allowed: number;
}

export interface Day {
  /** Since 1970, in UTC. */
  readonly day: number;
  /** By all runs of the tenant, as they have said. */
  readonly spent: number;
}

export interface TokenReport {
  readonly spent: number;
  /** All of it is of today, and no gate has counted it yet. */
  readonly isFresh: boolean;
  readonly wants: boolean;
}

export interface TokenTerms {
  /** Up to so many, of the run's whole life. */
  readonly allowed: number;
  readonly limit: number;
  /** There are none left for who wants some: when there are again. */
  readonly until?: number;
}

export const dayOf = (now: number): number => Math.floor(now / dayMs);

export class TokenLedger {
  #day: Day;
  readonly #accounts: Map<string, Account>;
  #open = 0;

  constructor(day: Day, accounts: Iterable<readonly [string, Account]>) {
    this.#day = day;
    this.#accounts = new Map(accounts);
    for (const { spent, allowed } of this.#accounts.values()) this.#open += Math.max(0, allowed - spent);
  }

  get day(): Day {
    return this.#day;
  }

  account(run: string): Account | undefined {
    return this.#accounts.get(run);
  }

  /** Of today, by now. */
  spentToday(now: number): number {
    return this.#day.day === dayOf(now) ? this.#day.spent : 0;
  }

  report(run: string, { spent, isFresh, wants }: TokenReport, limit: number, now: number): TokenTerms {
    if (this.#day.day < dayOf(now)) this.#day = { day: dayOf(now), spent: 0 };
    const base = isFresh ? { spent: 0, allowed: 0 } : { spent, allowed: spent };
    const known = this.#accounts.get(run) ?? base;
    const total = Math.max(known.spent, spent);
    this.#day = { ...this.#day, spent: this.#day.spent + total - known.spent };
    this.#put(run, { spent: total, allowed: Math.max(total, known.allowed) });
    const { allowed } = this.#accounts.get(run)!;
    if (!wants) this.#put(run, { spent: total, allowed: total });
    else {
      const block = Math.max(tokenBlockMin, Math.floor(limit / tokenBlocksPerQuota), 2 * (total - known.spent));
      if (allowed - total < block / 2) {
        const free = Math.max(0, limit - this.#day.spent - this.#open);
        this.#put(run, { spent: total, allowed: allowed + Math.min(free, total + block - allowed) });
      }
    }
    const told = this.#accounts.get(run)!.allowed;
    const isGone = wants && told <= total && this.#day.spent + this.#open >= limit;
    return { allowed: told, limit, ...(isGone && { until: (this.#day.day + 1) * dayMs }) };
  }

  /** It is deleted: what it has spent stays spent. */
  forget(run: string): void {
    this.#put(run, { spent: 0, allowed: 0 });
    this.#accounts.delete(run);
  }

  #put(run: string, account: Account): void {
    const before = this.#accounts.get(run);
    this.#open += account.allowed - account.spent - (before ? before.allowed - before.spent : 0);
    this.#accounts.set(run, account);
  }
}
