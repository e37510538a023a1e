/**
 * How many calls of one model, with one credential, are worth having under way at once: state + observation → state.
 * Prior art: additive increase and multiplicative decrease as TCP has it, with CUBIC's memory of where it hurt last.
 *
 * Owns: the limit, when calls may begin again, what is left by the provider's own word (rates.ts).
 * Does not own: who begins (the scheduler), how an outcome is known (agent/models), what is told (scheduler/availability.ts).
 *
 * A1. There is no limit before the first refusal out of a crowd (`refusedCrowdMin` calls): whoever is never refused is never slowed, and
 *     whoever is refused beside few may have met the provider's own bad moment, of which a limit would make an hour. His task waits
 *     for its backoff, and all for a `retry-after`. A limit is never below 1.
 * A2. A refusal (a 429, an overload, a timeout) cuts what was under way by a part, once a round trip: calls that began before the last cut are
 *     of the same burst, and say nothing new. Refused again before anything went through, it is halved.
 * A3. A limit grows by one a round trip, and only while it is used: a call that went through while fewer were under way proves nothing.
 *     Well below the place of the last refusal it grows by one a call.
 * A4. Where it was refused last (the ceiling) it stays, and goes beyond after a number of calls that doubles with each try
 *     that was refused, up to `limitPatienceRounds` round trips: a probe is paid for by many calls. One that goes through for a round
 *     ends the ceiling; a refusal below it says that the world has changed, and ends the patience.
 * A5. `retry-after` closes it until then, at most `retryAfterMsMax` on.
 * A6. At a limit of 1 that is refused still, calls keep a gap, which grows and shrinks as the limit does.
 * A7. While first tokens take more than `slowFirstTokens` times what is usual it does not grow. Alone that cuts nothing: a longer wait
 *     mostly says that prompts are longer; a provider that is really too busy refuses, or times out, and that cuts.
 * A8. What others with the same credential have found counts too (limit-book.ts): a share moves the limit and the ceiling, and says
 *     nothing of when to try beyond it.
 */

import {
  gapMsMax,
  gapMsMin,
  gapPatienceCallsMax,
  limitCut,
  limitPatienceCallsMax,
  limitPatienceCallsMin,
  limitPatienceRounds,
  limitSlowStart,
  refusedCrowdMin,
  retryAfterMsMax,
  slowFirstTokens,
} from "../limits.ts";
import type { Observation, Trouble } from "./observation.ts";
import * as rates from "./rates.ts";

export interface Limit {
  /** Infinity: there is none. Whole calls are its floor. */
  readonly limit: number;
  /** How many were under way when it was refused last; 0: not known. */
  readonly ceiling: number;
  /** Calls that must go through below the ceiling before it is tried, and those that have since the last change. */
  readonly patience: number;
  readonly through: number;
  /** It has gone beyond the ceiling, and waits for a round trip to tell. */
  readonly probing: boolean;
  readonly cutAt: number;
  readonly closedUntil: number;
  /** Between two beginnings, at a limit of 1; 0: none. */
  readonly gapMs: number;
  readonly begunAt: number;
  /** First tokens: what is usual, and of late. */
  readonly firstMs: number;
  readonly lateFirstMs: number;
  readonly rates: rates.RateState;
  /** Ever. */
  readonly calls: number;
  readonly refused: number;
  readonly why: Trouble | undefined;
  readonly retryAfterMs: number | undefined;
  /** Runs that share it, this one included. */
  readonly runs: number;
}

export const noLimit: Limit = {
  limit: Number.POSITIVE_INFINITY,
  ceiling: 0,
  patience: limitPatienceCallsMin,
  through: 0,
  probing: false,
  cutAt: Number.NEGATIVE_INFINITY,
  closedUntil: 0,
  gapMs: 0,
  begunAt: Number.NEGATIVE_INFINITY,
  firstMs: 0,
  lateFirstMs: 0,
  rates: rates.noRates,
  calls: 0,
  refused: 0,
  why: undefined,
  retryAfterMs: undefined,
  runs: 1,
};

/** A call begins. */
export const begin = (state: Limit, now: number): Limit => ({
  ...state,
  begunAt: now,
  rates: rates.begin(state.rates, now),
});

/** A call has ended. */
export function observe(before: Limit, seen: Observation): Limit {
  const state: Limit = {
    ...before,
    calls: before.calls + 1,
    rates: rates.observe(before.rates, seen),
    ...firstTokens(before, seen.firstMs),
  };
  if (seen.outcome === "other") return state;
  return seen.outcome === "through" ? grown(state, seen) : refused(state, seen, seen.outcome);
}

function refused(state: Limit, seen: Observation, why: Trouble): Limit {
  const { at, begunAt, inFlight, retryAfterMs } = seen;
  const closing = retryAfterMs === undefined ? 0 : at + Math.min(retryAfterMs, retryAfterMsMax);
  const makesNone = state.limit === Number.POSITIVE_INFINITY && inFlight < refusedCrowdMin;
  const told = {
    ...state,
    refused: state.refused + 1,
    // Of what changes nothing there is nothing to tell.
    why: makesNone && closing === 0 ? state.why : why,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
    closedUntil: Math.max(state.closedUntil, closing),
  };
  // A2: of the same burst.
  if (makesNone || begunAt <= state.cutAt) return told;
  const reached = Math.max(1, Math.min(Math.floor(state.limit), inFlight));
  const again = state.limit === Number.POSITIVE_INFINITY || state.through === 0;
  const isProbe = state.probing || reached >= state.ceiling;
  // A4: below what had held, so nothing is known any more.
  const patience =
    (isProbe || state.runs > 1) && state.ceiling > 0
      ? Math.min(state.patience * 2, patienceMax(reached))
      : limitPatienceCallsMin;
  const cut = {
    ...told,
    limit: Math.max(1, Math.floor(reached * (again && !state.probing ? 0.5 : limitCut))),
    ceiling: reached,
    patience,
    through: 0,
    probing: false,
    cutAt: at,
  };
  if (reached > 1) return cut;
  // A6
  const gapMs = state.gapMs === 0 ? Math.max(gapMsMin, at - begunAt) : again ? state.gapMs * 2 : state.gapMs / limitCut;
  return { ...cut, gapMs: Math.min(gapMs, gapMsMax), patience: Math.min(patience, gapPatienceCallsMax) };
}

const patienceMax = (limit: number): number =>
  Math.max(limitPatienceCallsMin, Math.min(limitPatienceRounds * limit, limitPatienceCallsMax));

function grown(state: Limit, { begunAt, inFlight }: Observation): Limit {
  const { limit, ceiling, gapMs } = state;
  if (limit === Number.POSITIVE_INFINITY) return state;
  // A3: begun under an older limit, or while there was room, or (A7) into a provider that is slow.
  const isUsed = inFlight >= Math.floor(limit) && begunAt > state.cutAt;
  if (!isUsed || state.lateFirstMs > slowFirstTokens * state.firstMs) return state;
  const through = state.through + 1;
  if (gapMs > 0) {
    if (through < state.patience) return { ...state, through };
    // One that was made smaller and held is far too large.
    const less = gapMs * (state.probing ? 0.5 : limitCut);
    return less < gapMsMin
      ? { ...state, through: 1, gapMs: 0, probing: false, ceiling: 0, patience: limitPatienceCallsMin }
      : { ...state, through: 1, gapMs: less, probing: true };
  }
  if (state.probing) {
    if (through <= Math.floor(limit)) return { ...state, through };
    return { ...state, through, probing: false, ceiling: 0, patience: limitPatienceCallsMin };
  }
  if (ceiling > 0 && Math.floor(limit) >= ceiling - 1) {
    if (through < state.patience) return { ...state, through };
    return { ...state, through: 1, probing: true, limit: Math.floor(limit) + 1 };
  }
  const fast = ceiling > 0 && limit < ceiling * limitSlowStart;
  const more = limit + (fast ? 1 : 1 / Math.max(1, Math.floor(limit)));
  return { ...state, through, limit: ceiling > 0 ? Math.min(more, Math.max(limit, ceiling - 1)) : more };
}

function firstTokens({ firstMs, lateFirstMs }: Limit, now: number | undefined) {
  if (now === undefined) return {};
  const mix = (old: number, part: number) => (old === 0 ? now : old + (now - old) * part);
  return { firstMs: mix(firstMs, 1 / 64), lateFirstMs: mix(lateFirstMs, 1 / 8) };
}

export interface Shared {
  /** As it was when the others were asked. */
  readonly reported: number;
  /** Absent: there is nothing to share. */
  readonly told:
    | { readonly limit: number; readonly ceiling: number; readonly why: Trouble; readonly runs: number }
    | undefined;
}

/** A8: what changed it since it was reported stays. */
export function share(before: Limit, { reported, told }: Shared, now: number): Limit {
  const state = before.runs === (told?.runs ?? 1) ? before : { ...before, runs: told?.runs ?? 1 };
  if (!told || told.limit === reported) return state;
  const shared = {
    ...state,
    ceiling: Math.max(1, Math.round(told.ceiling)),
    why: state.why ?? told.why,
    probing: false,
  };
  if (reported !== Number.POSITIVE_INFINITY) {
    const limit = Math.max(1, state.limit + told.limit - reported);
    return { ...shared, limit, gapMs: limit < 2 ? state.gapMs : 0 };
  }
  // A first limit, which others were refused for. Whoever has found one of his own since is told of it with his next report.
  return state.limit === reported ? { ...shared, limit: told.limit, through: 1, cutAt: now } : state;
}

/** How many more calls may begin now, beside those under way. */
export function room(state: Limit, inFlight: number, now: number): number {
  if (now < state.closedUntil) return 0;
  if (state.gapMs > 0 && now < state.begunAt + state.gapMs) return 0;
  return Math.max(0, Math.min(Math.floor(state.limit) - inFlight, rates.room(state.rates, now)));
}

/** From when on time alone keeps nobody back. */
export function opensAt(state: Limit): number {
  const gap = state.gapMs > 0 ? state.begunAt + state.gapMs : 0;
  return Math.max(state.closedUntil, gap, rates.opensAt(state.rates));
}
