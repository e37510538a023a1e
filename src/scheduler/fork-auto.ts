/** `fork: "auto"`: how much of a context a task gets, from the context's size, its price and the task. One pure function. */

import {
  forkAutoColdShare,
  forkAutoExtraNanos,
  forkAutoOwnTokens,
  forkAutoRoomTokens,
  forkAutoSmallTokens,
} from "../limits.ts";
import { type Price, ratesAt } from "../prices/price.ts";

export interface ForkQuestion {
  /** Tokens of the whole context, and those of them that no cache has. */
  readonly tokens: number;
  readonly cold: number;
  /** The newest turns that would be kept, and their tokens with the head; undefined where nothing can be cut off. */
  readonly tail: { readonly turns: number; readonly tokens: number } | undefined;
  /** Tasks of the batch that ask the same: they share the cache. */
  readonly siblings: number;
  readonly price: Price | undefined;
  /** Tokens of the instructions, and whether the task brings a `context`. */
  readonly instructions: number;
  readonly bringsContext: boolean;
}

export type ForkChoice = { readonly why: string } & (
  | { readonly fork: "full" | "none" }
  | { readonly fork: "last"; readonly turns: number }
);

const thousands = (tokens: number): string => (tokens < 1000 ? `${tokens}` : `${Math.round(tokens / 1000)}k`);
const dollars = (nanos: number): string => `$${(nanos / 1e9).toFixed(nanos < 1e7 ? 4 : 2)}`;

/**
 * Full where the context is small or cheap; else the task's own words where it brings enough of them, or the newest turns.
 * 1. up to `forkAutoSmallTokens`: full.
 * 2. A task with a `context`, or instructions of `forkAutoOwnTokens`, could do without (none); others with the newest turns.
 * 3. over `forkAutoRoomTokens`: that.
 * 4. full where it costs at most `forkAutoExtraNanos` a task more, cached parts at the price of reads; without a price,
 *    where at most `forkAutoColdShare` of it is cold.
 */
export function chooseFork(asked: ForkQuestion): ForkChoice {
  const { tokens, cold, tail, price, bringsContext, instructions } = asked;
  const size = `the context has about ${thousands(tokens)} tokens`;
  if (tokens <= forkAutoSmallTokens) return { fork: "full", why: `${size}, which is little` };
  const own = bringsContext || instructions >= forkAutoOwnTokens;
  if (!own && !tail) return { fork: "full", why: `${size}, and no turn of it can be left out` };
  const less = (why: string): ForkChoice => {
    if (own)
      return {
        fork: "none",
        why: `${why}, and the task brings ${bringsContext ? "a context" : "long instructions"} of its own`,
      };
    const { turns } = tail!;
    return { fork: "last", turns, why: `${why}; the last ${turns === 1 ? "turn fits" : `${turns} turns fit`}` };
  };
  if (tokens > forkAutoRoomTokens) return less(`${size}, which leaves little room to work`);
  if (!price) {
    return cold <= tokens * forkAutoColdShare
      ? { fork: "full", why: `${size}, nearly all of it cached` }
      : less(`${size}, most of it not cached, and its model has no known price`);
  }
  const extra = meanCost(asked, tokens, cold) - (own ? 0 : meanCost(asked, tail!.tokens, tail!.tokens));
  if (extra <= forkAutoExtraNanos)
    return { fork: "full", why: `${size} and costs ${dollars(Math.max(0, extra))} a task more than less of it` };
  return less(`${size} and costs ${dollars(extra)} a task more`);
}

/** Nanodollars of the first call's prefix, a task: one sibling pays for what is cold, all others read. */
function meanCost({ siblings, price }: ForkQuestion, tokens: number, cold: number): number {
  const { read, write } = ratesAt(price!, tokens);
  const picos = siblings * tokens * read + cold * (write - read);
  return Math.round(picos / siblings / 1000);
}
