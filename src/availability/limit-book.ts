/**
 * What the runs of a tenant have found that a credential takes of a model, together, and each one's share of it: for runs that call at the
 * same time, each with a limiter of its own (limit.ts).
 *
 * Owns: how much of the sum each may have, and when.
 * Does not own: how the sum moves. That is what their limiters find, refusal by refusal; this only moves it between them.
 *
 * LB1. Shares are equal but for who wants less (max-min), and never below 1: nobody waits for another's report to begin at all.
 * LB2. What is handed out is conserved: who has more than his share gives it up with his own next report, and only then, and only when
 *      the calls that he has beyond it are over, has another more. Two that count on the same place would be refused.
 * LB3. Nothing is stored, and what is told is whole. Who wants nothing more leaves with his report, who is silent for `limitClaimMs` has
 *      left; what they had is others' at once. With the last one all is forgotten.
 * LB4. While nobody was refused there is nothing to share, and nothing is told.
 */

import { limitClaimMs, limitsSharedMax, limitWorthMoving } from "../limits.ts";
import type { Trouble } from "./observation.ts";

/** How one limiter of a run stands. */
export interface LimitReport {
  /** Credential and model: whoever has the same calls the same. */
  readonly key: string;
  /** Which of the run's: the model as its tasks name it; absent: as they don't. */
  readonly limiter?: string;
  /** Infinity: it has none. */
  readonly limit: number;
  /** Where it was refused last; 0: not known. */
  readonly ceiling: number;
  readonly inFlight: number;
  /** Calls that it could have under way if its limit were all, those that are included. */
  readonly wanted: number;
  readonly why?: Trouble;
}

/** What one limiter is to have. */
export interface LimitTerms {
  readonly limiter?: string;
  /** Runs that share, the asking one included. */
  readonly runs: number;
  readonly limit: number;
  readonly ceiling: number;
  readonly why: Trouble;
}

interface Entry extends LimitReport {
  readonly run: string;
  readonly at: number;
}

class KeyBook {
  readonly #entries = new Map<string, Entry>();
  /** Given up and not taken yet; below zero: newcomers' ones, which others have not given up yet (LB1). */
  #spare = 0;
  /** Where limiters were refused, by what they have. */
  #ceiling = 1;
  #why: Trouble = "rate_limited";

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  report(run: string, report: LimitReport, now: number): LimitTerms | undefined {
    this.expire(now);
    const { limiter } = report;
    const id = limiter === undefined ? run : `${run} ${limiter}`;
    if (report.why) this.#why = report.why;
    if (report.wanted === 0) {
      this.#drop(id);
      return undefined;
    }
    const entry = { ...report, run, at: now };
    this.#entries.set(id, entry);
    const all = this.#all();
    // LB4, or alone with all that there is.
    if (all <= 0 || (this.#entries.size === 1 && this.#spare === 0)) return undefined;
    if (this.#limits() > 0) this.#ceiling = this.#ceilings() / this.#limits();
    const limit = this.#move(entry, all);
    const ceiling = this.#ceiling * limit;
    this.#spare += heldBy(entry) - limit;
    if (limit !== report.limit) this.#entries.set(id, { ...entry, limit, ceiling });
    const runs = new Set(Array.from(this.#entries.values(), (one) => one.run)).size;
    return { ...(limiter !== undefined && { limiter }), runs, limit, ceiling, why: this.#why };
  }

  /** LB3 */
  expire(now: number): void {
    for (const [id, { at }] of this.#entries) if (at + limitClaimMs <= now) this.#drop(id);
  }

  forget(run: string): void {
    for (const [id, entry] of this.#entries) if (entry.run === run) this.#drop(id);
  }

  #drop(id: string): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#spare += heldBy(entry);
    this.#entries.delete(id);
    if (this.isEmpty) this.#spare = 0;
  }

  #limits(): number {
    return sumOf(this.#entries, heldBy);
  }

  /** Of whoever knows no ceiling, his limit. */
  #ceilings(): number {
    return sumOf(this.#entries, (entry) => (entry.ceiling > 0 && hasLimit(entry) ? entry.ceiling : heldBy(entry)));
  }

  #all(): number {
    return this.#limits() + this.#spare;
  }

  /** What the entry has from now on. */
  #move(entry: Entry, all: number): number {
    const share = shareOf(entry, [...this.#entries.values()], all);
    const held = heldBy(entry);
    // LB2: places that are given up on paper, and still taken.
    const over = sumOf(this.#entries, (other) => (other === entry ? 0 : Math.max(0, other.inFlight - heldBy(other))));
    const limit = Math.max(1, share <= held ? share : Math.min(share, held + Math.max(0, this.#spare - over)));
    // Limiters differ by a part of a call all the time; whole ones are worth it.
    return hasLimit(entry) && Math.abs(limit - held) < limitWorthMoving ? held : limit;
  }
}

const hasLimit = ({ limit }: Entry): boolean => limit !== Number.POSITIVE_INFINITY;
const heldBy = (entry: Entry): number => (hasLimit(entry) ? entry.limit : 0);

function sumOf(entries: ReadonlyMap<string, Entry>, part: (entry: Entry) => number): number {
  let sum = 0;
  for (const entry of entries.values()) sum += part(entry);
  return sum;
}

/** Of `all`, by LB1; what is left over where all have what they want is room to grow into, equally. */
function shareOf(entry: Entry, entries: readonly Entry[], all: number): number {
  const byWish = entries.toSorted((one, other) => one.wanted - other.wanted);
  let left = all;
  for (const [i, one] of byWish.entries()) {
    const equal = left / (byWish.length - i);
    if (one.wanted > equal) return entry.wanted > equal ? equal : entry.wanted;
    left -= one.wanted;
  }
  return entry.wanted + left / entries.length;
}

export class LimitBook {
  readonly #keys = new Map<string, KeyBook>();

  /** All of a run's limiters that are used, or were until now; answers which are to be otherwise. */
  report(run: string, reports: readonly LimitReport[], now: number): LimitTerms[] {
    const terms: LimitTerms[] = [];
    for (const report of reports) {
      const book = this.#bookOf(report.key, now);
      const told = book?.report(run, report, now);
      if (told) terms.push(told);
      if (book?.isEmpty) this.#keys.delete(report.key);
    }
    return terms;
  }

  forget(run: string): void {
    for (const [key, book] of this.#keys) {
      book.forget(run);
      if (book.isEmpty) this.#keys.delete(key);
    }
  }

  clear(): void {
    this.#keys.clear();
  }

  #bookOf(key: string, now: number): KeyBook | undefined {
    const known = this.#keys.get(key);
    if (known) return known;
    // Models are tasks' own words. Beyond so many, whoever comes goes by what it finds itself.
    if (this.#keys.size >= limitsSharedMax) this.#expire(now);
    if (this.#keys.size >= limitsSharedMax) return undefined;
    const book = new KeyBook();
    this.#keys.set(key, book);
    return book;
  }

  /** A key that nobody reports any more is looked at by no report: those of runs whose objects are gone would keep their places for ever. */
  #expire(now: number): void {
    for (const [key, book] of this.#keys) {
      book.expire(now);
      if (book.isEmpty) this.#keys.delete(key);
    }
  }
}
