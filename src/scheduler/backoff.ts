/** When a failed attempt is tried again, as its fault's rule has it (errors/faults.ts). */

import { type FaultClass, ruleOf } from "../errors/faults.ts";
import { backoffMsMax, retryAfterMsMax } from "../limits.ts";

export interface Tried {
  /** Tells one task from another. */
  readonly seed: number;
  /** Failures that used up a retry so far, and how many may. */
  readonly failures: number;
  readonly retryLimit: number;
  /** The first backoff. */
  readonly backoffMs: number;
}

/**
 * Milliseconds until the next attempt; undefined: there is none. `retryable`: whoever failed says that another may help;
 * `retryAfterMs`: what the other side asks for.
 */
export function retryWaitMs(
  failure: { readonly fault: FaultClass; readonly retryable?: boolean; readonly retryAfterMs?: number },
  tried: Tried,
): number | undefined {
  const { retry } = ruleOf(failure.fault);
  const isTried = retry.kind === "attempt" || (retry.kind === "if_said" && failure.retryable === true);
  if (!isTried || tried.failures >= tried.retryLimit) return undefined;
  const asked = retry.kind === "attempt" && retry.retryAfter ? failure.retryAfterMs : undefined;
  const patience = retry.kind === "attempt" && asked === undefined ? retry.patience : 1;
  const backoff = backoffMs({ ...tried, backoffMs: tried.backoffMs * patience });
  return Math.max(backoff, Math.min(asked ?? 0, retryAfterMsMax));
}

/** Doubles per failure; spread by ±20 % (a hash, not chance: the core replays) so that a burst does not come back as one. */
function backoffMs(of: Pick<Tried, "seed" | "failures" | "backoffMs">): number {
  const doubled = Math.min(of.backoffMs * 2 ** of.failures, backoffMsMax);
  const spread = (Math.imul(of.seed * 31 + of.failures, 2654435761) >>> 0) / 2 ** 32;
  return Math.round(doubled * (0.8 + 0.4 * spread));
}
