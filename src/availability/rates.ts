/**
 * What is left of a provider's requests and tokens per minute: one bucket for each kind that its headers tell of.
 *
 * Owns: how much may begin now, and when more may.
 * Does not own: how headers are read (rate-headers.ts), calls under way at once (limit.ts).
 *
 * B1. A bucket fills at the rate that its headers imply: what was missing, over the time until it is full; never beyond its limit.
 * B2. What begins is taken out at once, by what calls used before: many that begin together can't all count on the same rest.
 * B3. The headers' word counts where it is less than ours, and where no call has begun since theirs, so that it has all of them: others
 *     use the same account, and a provider may count otherwise than we do. Of one that counts less (nothing of what its cache had, in `tokens` too)
 *     ours would be used up for ever.
 * B4. Without a header nothing is bounded.
 */

import { rateFullMs, rateSmoothing } from "../limits.ts";
import type { Allowance, Observation, RateKind } from "./observation.ts";

interface Bucket {
  readonly limit: number;
  readonly left: number;
  readonly at: number;
  readonly perMs: number;
}

export interface RateState {
  readonly buckets: { readonly [Kind in RateKind]?: Bucket };
  /** What a call uses, by those that ended. */
  readonly perCall: Readonly<Record<RateKind, number>>;
  /** The last beginning of a call. */
  readonly begunAt: number;
}

export const noRates: RateState = {
  buckets: {},
  perCall: { requests: 1, tokens: 0, input: 0, output: 0 },
  begunAt: Number.NEGATIVE_INFINITY,
};

const kinds = ["requests", "tokens", "input", "output"] as const;

const leftAt = ({ limit, left, at, perMs }: Bucket, now: number): number =>
  Math.min(limit, left + perMs * Math.max(0, now - at));

/** A call begins, or another of the same task's. */
export function begin(state: RateState, now: number): RateState {
  const { perCall } = state;
  const buckets: { [Kind in RateKind]?: Bucket } = {};
  for (const kind of kinds) {
    const bucket = state.buckets[kind];
    if (bucket) buckets[kind] = { ...bucket, left: leftAt(bucket, now) - perCall[kind], at: now };
  }
  return { ...state, buckets, begunAt: now };
}

/** A call has ended, and its headers and usage say how things stand. */
export function observe(state: RateState, { at, begunAt, rates, used }: Observation): RateState {
  const perCall = used ? smoothed(state.perCall, used) : state.perCall;
  if (!rates) return perCall === state.perCall ? state : { ...state, perCall };
  const buckets: { [Kind in RateKind]?: Bucket } = { ...state.buckets };
  for (const kind of kinds) {
    const told = rates[kind];
    if (told) buckets[kind] = bucketOf(told, at, state.buckets[kind], begunAt >= state.begunAt);
  }
  return { ...state, buckets, perCall };
}

function bucketOf(
  { limit, left, resetMs }: Allowance,
  at: number,
  before: Bucket | undefined,
  hasAll: boolean,
): Bucket {
  const missing = limit - left;
  // Nothing, or next to nothing, is missing: then the rest of the reset is rounding.
  const perMs = missing > limit / 20 && resetMs > 0 ? missing / resetMs : (before?.perMs ?? limit / rateFullMs);
  const own = before && !hasAll ? leftAt(before, at) : left;
  return { limit, left: Math.min(own, left), at, perMs };
}

function smoothed(before: RateState["perCall"], used: NonNullable<Observation["used"]>): RateState["perCall"] {
  const mix = (old: number, now: number) => (old === 0 ? now : old + (now - old) * rateSmoothing);
  return {
    requests: 1,
    tokens: mix(before.tokens, used.input + used.output),
    // What is read from the cache does not count against it.
    input: mix(before.input, Math.max(0, used.input - used.cached)),
    output: mix(before.output, used.output),
  };
}

/** How many calls may begin now. */
export function room(state: RateState, now: number): number {
  let calls = Number.POSITIVE_INFINITY;
  for (const kind of kinds) {
    const bucket = state.buckets[kind];
    const each = state.perCall[kind];
    if (!bucket || each <= 0) continue;
    calls = Math.min(calls, Math.floor((leftAt(bucket, now) + roundingOf(each)) / Math.min(each, bucket.limit)));
  }
  return Math.max(0, calls);
}

/** Sums of parts of numbers: what is short by a billionth is there. */
const roundingOf = (each: number): number => each * 1e-9;

/** From when on the next call may begin, unless something else begins before; 0: it may. */
export function opensAt({ buckets, perCall }: RateState): number {
  let at = 0;
  for (const kind of kinds) {
    const bucket = buckets[kind];
    const each = perCall[kind];
    if (!bucket || each <= 0) continue;
    const short = Math.min(each, bucket.limit) - bucket.left;
    if (short > roundingOf(each))
      at = Math.max(at, bucket.at + Math.ceil(bucket.perMs > 0 ? short / bucket.perMs : rateFullMs));
  }
  return at;
}
