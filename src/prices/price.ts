/**
 * What tokens cost. Money is whole numbers everywhere: a price in picodollars a token (which is millionths of a dollar a
 * million tokens), a sum in nanodollars, rounded up once a model call. Dollars are for people and for the wire.
 */

export interface Rates {
  /** Input that the prompt cache has no part in. */
  readonly input: number;
  readonly write: number;
  readonly read: number;
  readonly output: number;
}

export interface Price extends Rates {
  /** The vendor caches no prefix below so many tokens. */
  readonly cacheableFrom: number;
  /** What a call costs whose prompt has more than `over` tokens, cached ones counted. */
  readonly long?: Rates & { readonly over: number };
}

/** Tokens of a call; `read` and `write` are parts of `in`. */
export interface Tokens {
  readonly in: number;
  readonly out: number;
  readonly read: number;
  readonly write: number;
}

export const picosPerUsd = 1_000_000;
export const nanosPerUsd = 1_000_000_000;
const picosPerNano = 1000;

/** Nanodollars to dollars, for the wire. */
export const usdOf = (nanos: number): number => nanos / nanosPerUsd;
export const nanosOf = (usd: number): number => Math.round(usd * nanosPerUsd);

/** The rates of a call with so large a prompt. */
export const ratesAt = (price: Price, promptTokens: number): Rates =>
  price.long && promptTokens > price.long.over ? price.long : price;

/** Nanodollars of one call's tokens, rounded up. */
export function costOf(price: Price, tokens: Tokens): number {
  const { input, write, read, output } = ratesAt(price, tokens.in);
  const uncached = Math.max(0, tokens.in - tokens.read - tokens.write);
  const picos = uncached * input + tokens.write * write + tokens.read * read + tokens.out * output;
  return Math.ceil(picos / picosPerNano);
}

/**
 * The most that a call of at most so many tokens can cost: its whole input at the dearest of the rates. A list may name any, also a
 * cache that is dear to read, and long prompts that cost less than shorter ones.
 */
export function worstCost(price: Price, inputTokens: number, outputTokens: number): number {
  const { long } = price;
  const worst = worstAt(price, long ? Math.min(inputTokens, long.over) : inputTokens, outputTokens);
  return long && inputTokens > long.over ? Math.max(worst, worstAt(long, inputTokens, outputTokens)) : worst;
}

const worstAt = ({ input, write, read, output }: Rates, inputTokens: number, outputTokens: number): number =>
  Math.ceil((inputTokens * Math.max(input, write, read) + outputTokens * output) / picosPerNano);
