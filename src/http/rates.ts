/**
 * Requests per second of tenants that have a quota of them: a bucket each, in this isolate. A deployment has as many isolates as
 * its load makes, so the quota is one of each; to count them together would cost every request a call.
 */

import { rateBucketsMax, rateBurstS } from "../limits.ts";

interface Bucket {
  /** Requests that may still be made. */
  left: number;
  at: number;
}

export class Rates {
  readonly #buckets = new Map<string, Bucket>();

  /** Takes one of the tenant's requests; 0: there was one, else in how many seconds there will be. */
  spend(tenant: string, perSecond: number, now: number): number {
    const most = Math.max(1, perSecond * rateBurstS);
    const bucket = this.#buckets.get(tenant) ?? { left: most, at: now };
    bucket.left = Math.min(most, bucket.left + (Math.max(0, now - bucket.at) / 1000) * perSecond);
    bucket.at = now;
    if (!this.#buckets.has(tenant) && this.#buckets.size >= rateBucketsMax) this.#buckets.clear();
    this.#buckets.set(tenant, bucket);
    if (bucket.left < 1) return Math.ceil((1 - bucket.left) / perSecond);
    bucket.left--;
    return 0;
  }
}
