/**
 * A lineage: the tasks that fork one snapshot on one model, and so send the same prefix first. What is known of its cache.
 *
 * The vendor keeps a prefix for `cacheTtlMs` after each use, and has it only once the first reply to it has begun.
 */

import { cacheTtlMs } from "../limits.ts";
import type { LineageTerms } from "./events.ts";
import type { RunState } from "./state.ts";

export interface Lineage extends LineageTerms {
  readonly n: number;
  readonly begunAt: number;
  /** Until when nobody is held: the prefix is cached, or was waited for long enough. */
  readonly openUntil: number;
  /** The attempt that reads the prefix first; task 0: none. */
  readonly warmer: number;
  readonly warmerFence: number;
  /** When the hold of this cold spell ends; 0: there was none. */
  readonly holdUntil: number;
  /** Tokens that its tasks' turns used. */
  readonly read: number;
  readonly write: number;
  readonly uncached: number;
}

export const findLineage = ({ header }: RunState, n: number): Lineage | undefined =>
  n === 0 ? undefined : header.lineages?.find((one) => one.n === n);

/** Tokens of the prefix that the next call would pay for in full. */
export const coldTokens = ({ tokens, cold, begunAt }: Lineage, now: number): number =>
  now < begunAt + cacheTtlMs ? cold : tokens;
