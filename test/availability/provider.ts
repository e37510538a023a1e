/**
 * A provider with limits that it does not tell, and runs that call it, in virtual time: each run has a limiter of its own and always
 * more work than it may begin, unless it rests. They share what they find, or don't. One seed is one course of events.
 */

import { begin, type Limit, noLimit, observe, opensAt, room, share } from "../../src/availability/limit.ts";
import { LimitBook } from "../../src/availability/limit-book.ts";
import { ratesOf } from "../../src/availability/rate-headers.ts";
import { limitReportEveryMs } from "../../src/limits.ts";
import { Random } from "../sim/random.ts";

export interface Hidden {
  /** Calls at once; absent: any number. */
  readonly concurrent?: number;
  /** Requests a minute, of which so many may come at once. */
  readonly perMinute?: number;
  readonly burst?: number;
  /** How it tells of what is left; absent: not at all. */
  readonly headers?: "anthropic" | "openai";
  readonly retryAfterS?: number;
}

interface Due {
  readonly at: number;
  readonly order: number;
  readonly work: () => void;
}

export interface Counted {
  begun: number;
  through: number;
  refused: number;
}

export class ProviderWorld {
  now = 0;
  hidden: Hidden;
  readonly limits: Limit[];
  readonly counted: Counted[];
  readonly inFlight: number[];
  readonly #random: Random;
  readonly #callMs: (random: Random) => number;
  readonly #workers: number;
  readonly #book: LimitBook | undefined;
  /** Runs that have no work. */
  readonly #resting = new Set<number>();
  readonly #due: Due[] = [];
  readonly #wakes: number[];
  #order = 0;
  #serving = 0;
  #tokens: number;
  #tokensAt = 0;

  constructor(
    seed: number,
    hidden: Hidden,
    {
      runs = 1,
      workers = 64,
      callMs = (random: Random) => random.int(800, 1200),
      shared = false,
      resting = [] as readonly number[],
    } = {},
  ) {
    this.#random = new Random(seed);
    this.hidden = hidden;
    this.#callMs = callMs;
    this.#workers = workers;
    this.#tokens = hidden.burst ?? 0;
    this.limits = Array.from({ length: runs }, () => noLimit);
    this.counted = Array.from({ length: runs }, () => ({ begun: 0, through: 0, refused: 0 }));
    this.inFlight = Array.from({ length: runs }, () => 0);
    this.#wakes = Array.from({ length: runs }, () => -1);
    this.#book = shared ? new LimitBook() : undefined;
    for (const run of resting) this.#resting.add(run);
    for (let run = 0; run < runs; run++) this.#fill(run);
    if (shared)
      for (let run = 0; run < runs; run++) this.#at(this.#random.int(0, limitReportEveryMs), () => this.#tell(run));
  }

  /** It has no more work. */
  rest(run: number): void {
    this.#resting.add(run);
  }

  /** It has work again, which it tells at once. */
  work(run: number): void {
    this.#resting.delete(run);
    this.#report(run);
    this.#fill(run);
  }

  #tell(run: number): void {
    this.#report(run);
    this.#fill(run);
    this.#at(this.now + limitReportEveryMs, () => this.#tell(run));
  }

  #report(run: number): void {
    const { limit: reported, ceiling, why } = this.limits[run]!;
    const inFlight = this.inFlight[run]!;
    const wanted = this.#resting.has(run) ? inFlight : this.#workers;
    const own = { key: "", limiter: "", limit: reported, ceiling, inFlight, wanted, ...(why && { why }) };
    const [told] = this.#book?.report(String(run), [own], this.now) ?? [];
    this.limits[run] = share(this.limits[run]!, { told, reported }, this.now);
  }

  /** Lets so much time pass; answers what happened in it. */
  pass(ms: number): Counted {
    const before = this.counted.map((one) => ({ ...one }));
    const until = this.now + ms;
    for (let next = this.#first(); next && next.at <= until; next = this.#first()) {
      this.#due.splice(this.#due.indexOf(next), 1);
      this.now = next.at;
      next.work();
    }
    this.now = until;
    const sum = { begun: 0, through: 0, refused: 0 };
    for (const [i, one] of this.counted.entries())
      for (const key of ["begun", "through", "refused"] as const) sum[key] += one[key] - before[i]![key];
    return sum;
  }

  #first(): Due | undefined {
    let first: Due | undefined;
    for (const one of this.#due)
      if (!first || one.at < first.at || (one.at === first.at && one.order < first.order)) first = one;
    return first;
  }

  #at(at: number, work: () => void): void {
    this.#due.push({ at, order: this.#order++, work });
  }

  #fill(run: number): void {
    if (this.#resting.has(run)) return;
    while (this.inFlight[run]! < this.#workers && room(this.limits[run]!, this.inFlight[run]!, this.now) > 0)
      this.#call(run);
    const opens = opensAt(this.limits[run]!);
    if (opens <= this.now || this.#wakes[run]! >= opens) return;
    this.#wakes[run] = opens;
    this.#at(opens, () => this.#fill(run));
  }

  #call(run: number): void {
    const begunAt = this.now;
    this.limits[run] = begin(this.limits[run]!, begunAt);
    this.inFlight[run]!++;
    this.counted[run]!.begun++;
    const takenOver = this.#random.int(5, 30);
    this.#at(begunAt + takenOver, () => {
      const isRefused = !this.#admits();
      const headers = this.#headers(isRefused);
      const tookMs = isRefused ? this.#random.int(5, 30) : this.#callMs(this.#random);
      this.#at(this.now + tookMs, () => {
        if (!isRefused) this.#serving--;
        const rates = ratesOf(headers, this.now);
        const { retryAfterS } = this.hidden;
        this.limits[run] = observe(this.limits[run]!, {
          at: this.now,
          begunAt,
          inFlight: this.inFlight[run]!,
          outcome: isRefused ? "rate_limited" : "through",
          ...(isRefused && retryAfterS !== undefined && { retryAfterMs: retryAfterS * 1000 }),
          ...(rates && { rates }),
          ...(!isRefused && { firstMs: 300, used: { input: 900, output: 100, cached: 0 } }),
        });
        this.inFlight[run]!--;
        this.counted[run]![isRefused ? "refused" : "through"]++;
        this.#fill(run);
      });
    });
  }

  #admits(): boolean {
    const { concurrent, perMinute, burst = 1 } = this.hidden;
    if (perMinute !== undefined) {
      this.#tokens = Math.min(burst, this.#tokens + ((this.now - this.#tokensAt) * perMinute) / 60_000);
      this.#tokensAt = this.now;
    }
    if (concurrent !== undefined && this.#serving >= concurrent) return false;
    if (perMinute !== undefined && this.#tokens < 1) return false;
    this.#tokens--;
    this.#serving++;
    return true;
  }

  #headers(_isRefused: boolean): Headers {
    const { headers, perMinute = 0, burst = 1 } = this.hidden;
    if (!headers) return new Headers();
    const left = Math.max(0, Math.floor(this.#tokens));
    const resetMs = ((burst - this.#tokens) / perMinute) * 60_000;
    if (headers === "openai")
      return new Headers({
        "x-ratelimit-limit-requests": String(burst),
        "x-ratelimit-remaining-requests": String(left),
        "x-ratelimit-reset-requests": `${Math.ceil(resetMs)}ms`,
      });
    return new Headers({
      "anthropic-ratelimit-requests-limit": String(burst),
      "anthropic-ratelimit-requests-remaining": String(left),
      "anthropic-ratelimit-requests-reset": new Date(this.now + resetMs).toISOString(),
    });
  }
}
