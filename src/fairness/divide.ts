/**
 * Who gets how many of a number of seats: the one rule by which a deployment's seats go to its tenants, and a tenant's to its runs.
 *
 * Z1. The targets together are never more than there are seats.
 * Z2. Nothing is left unused that somebody could use: they are all of the seats, or everybody has what he can use. What is left over
 *     then is shared out as room to grow into, so that who needs more at once need not ask first.
 * Z3. Nobody starves: who can use a seat has one, while there are enough; where there are more who want one than seats, those who used
 *     least lately go first, and so all come in turn.
 * Z4. Between those who want more than they can get it is tokens that are made equal, not seats: a seat that burns ten times as many
 *     tokens counts ten times. Who is behind over the window catches up by up to `catchUpMax`, and not by all at once: what was used
 *     while nobody else wanted it is no debt.
 *
 * Max-min fairness by filling up a common level (Bertsekas and Gallager, Data Networks, 6.5), with weights.
 */

import { burnKnownMs, catchUpMax, seatSecondTokens } from "../limits.ts";
import type { Use } from "./use.ts";

export interface Claim {
  readonly id: string;
  /** Seats that it could use now, those at work included. */
  readonly demand: number;
  /** All of one moment. */
  readonly use: Use;
}

/** Of every claim with a demand. The same claims give the same targets, in whatever order they stand. */
export function divide(seats: number, claims: readonly Claim[]): Map<string, number> {
  const wanting = claims.filter(({ demand }) => demand > 0).sort(byUse);
  const wanted = wanting.reduce((sum, { demand }) => sum + demand, 0);
  if (wanted <= seats) return withRoom(seats - wanted, wanting);
  if (wanting.length >= seats) return new Map(wanting.map(({ id }, i) => [id, i < seats ? 1 : 0]));
  const weights = weightsOf(wanting);
  const shareAt = (level: number) => wanting.map(({ demand }, i) => Math.min(demand, Math.max(1, level * weights[i]!)));
  // Sum of shares is continuous and rises with the level, from one seat each to all demands.
  let low = 0;
  let high = Math.max(...wanting.map(({ demand }, i) => demand / weights[i]!));
  for (let round = 0; round < levelRounds; round++) {
    const middle = (low + high) / 2;
    if (sumOf(shareAt(middle)) <= seats) low = middle;
    else high = middle;
  }
  return whole(seats, wanting, shareAt(low));
}

/** Halvings of a level: beyond them the shares differ by less than a double tells. */
const levelRounds = 60;

const sumOf = (numbers: readonly number[]): number => numbers.reduce((sum, one) => sum + one, 0);

/** Who used least goes first; ids decide where that is the same. */
const byUse = (a: Claim, b: Claim): number => a.use.cost - b.use.cost || (a.id < b.id ? -1 : 1);

function withRoom(left: number, wanting: readonly Claim[]): Map<string, number> {
  const each = Math.floor(left / Math.max(1, wanting.length));
  const more = left - each * wanting.length;
  return new Map(wanting.map(({ id, demand }, i) => [id, demand + each + (i < more ? 1 : 0)]));
}

/** A seat's time alone, a millisecond of it. */
const leastBurn = seatSecondTokens / 1000;

/** How many seats each is to have for the same tokens (Z4); only their ratios matter. */
function weightsOf(claims: readonly Claim[]): number[] {
  const burns = claims.map(({ use }) => (use.seatMs >= burnKnownMs ? use.cost / use.seatMs : undefined));
  const known = burns.filter((burn) => burn !== undefined);
  // Nobody knows yet what a newcomer burns: as much as the others do.
  const usual = known.length > 0 ? sumOf(known) / known.length : leastBurn;
  const mean = sumOf(claims.map(({ use }) => use.cost)) / claims.length;
  return claims.map(({ use }, i) => {
    const behind = (mean + 1) / (use.cost + 1);
    return Math.min(catchUpMax, Math.max(1 / catchUpMax, behind)) / Math.max(burns[i] ?? usual, leastBurn);
  });
}

/** Whole seats, as near to the shares as may be: what is left after rounding down goes to the largest rests. */
function whole(seats: number, claims: readonly Claim[], shares: readonly number[]): Map<string, number> {
  const targets = shares.map((share, i) => Math.min(claims[i]!.demand, Math.floor(share + 1e-9)));
  let left = seats - sumOf(targets);
  const rest = (i: number) => shares[i]! - targets[i]!;
  const order = [...claims.keys()].sort((a, b) => rest(b) - rest(a) || a - b);
  // Some may be full already; a second round then finds room with the others.
  while (left > 0) {
    const before = left;
    for (const i of order) {
      if (left === 0 || targets[i]! >= claims[i]!.demand) continue;
      targets[i]!++;
      left--;
    }
    if (left === before) break;
  }
  return new Map(claims.map(({ id }, i) => [id, targets[i]!]));
}
