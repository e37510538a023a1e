/** What a call that was made anyway tells of whoever served it. */

/** One kind of what a provider grants per minute, as its headers have it. */
export interface Allowance {
  /** Of a full minute, or whatever its time is. */
  readonly limit: number;
  readonly left: number;
  /** Until all of it is there again. */
  readonly resetMs: number;
}

/** `input` and `output` are told beside `tokens`, or in its place. */
export type RateKind = "requests" | "tokens" | "input" | "output";
export type Rates = { readonly [Kind in RateKind]?: Allowance };

/** Why a limit falls: refusals of a provider, or the platform's own trouble. */
export const troubles = [
  "rate_limited",
  "overloaded",
  "timed_out",
  "seats_late",
  "leases_lost",
  "object_slow",
] as const;
export type Trouble = (typeof troubles)[number];

export interface Observation {
  /** When the call ended, and when it began. */
  readonly at: number;
  readonly begunAt: number;
  /** Calls that were under way when it ended, it included. */
  readonly inFlight: number;
  /** `other`: it failed by something that fewer calls would not have helped. */
  readonly outcome: "through" | "other" | Trouble;
  readonly retryAfterMs?: number;
  readonly rates?: Rates;
  /** Until its first token. */
  readonly firstMs?: number;
  readonly used?: { readonly input: number; readonly output: number; readonly cached: number };
}
