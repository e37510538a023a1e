/**
 * What somebody has used lately: tokens, and the time of seats, both fading. A window that fades needs two numbers and no history,
 * sums of several are again one, and a report of it may be lost or come twice without harm.
 */

import { fairWindowMs, seatSecondTokens } from "../limits.ts";

export interface Use {
  /** When the two numbers held. */
  readonly at: number;
  /** In tokens; a seat's time counts too, or who only waits on it would seem to use nothing. */
  readonly cost: number;
  readonly seatMs: number;
}

export const noUse: Use = { at: 0, cost: 0, seatMs: 0 };

/** As it has faded since; clocks that went back change nothing. */
export function useAt(use: Use, now: number): Use {
  const left = Math.exp(-Math.max(0, now - use.at) / fairWindowMs);
  return { at: Math.max(now, use.at), cost: use.cost * left, seatMs: use.seatMs * left };
}

/** With what has been used up to `now`. */
export function addUse(
  use: Use,
  now: number,
  { tokens, seatMs }: { readonly tokens: number; readonly seatMs: number },
): Use {
  const faded = useAt(use, now);
  return {
    at: faded.at,
    cost: faded.cost + tokens + (seatMs / 1000) * seatSecondTokens,
    seatMs: faded.seatMs + seatMs,
  };
}

export function sumOfUse(uses: Iterable<Use>, now: number): Use {
  let cost = 0;
  let seatMs = 0;
  for (const use of uses) {
    const faded = useAt(use, now);
    cost += faded.cost;
    seatMs += faded.seatMs;
  }
  return { at: now, cost, seatMs };
}
