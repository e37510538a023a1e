/**
 * List prices of the vendors in US dollars per million tokens: standard tier, five-minute cache writes, no regional
 * surcharge. A model that is not here costs `null`, never nothing; `HEDDLE_PRICES` adds to the list and replaces
 * entries, and so do a tenant's own prices.
 */

export interface ListRates {
  readonly input: number;
  readonly output: number;
  /** Absent: as `input`, where the vendor charges nothing for writing its cache. */
  readonly cache_write?: number | undefined;
  /** Absent: as `input`, where the vendor has no cache. */
  readonly cache_read?: number | undefined;
}

export interface ListPrice extends ListRates {
  /** Tokens from which on the vendor caches a prefix; absent: 1,024. */
  readonly cacheable_from?: number | undefined;
  /** What calls cost whose prompt is longer than `over` tokens. */
  readonly long?: (ListRates & { readonly over: number }) | undefined;
  /** The day on which the price was read. */
  readonly as_of: string;
  readonly source: string;
}

/** The vendor's page, and for the newest models public price lists that name it. */
const anthropicPage = { as_of: "2026-10-24", source: "https://platform.claude.com/docs/en/about-claude/pricing" };
/** Not read from the vendor's page itself, but from public price lists that name it. */
const openaiPage = { as_of: "2026-10-27", source: "lists after https://developers.openai.com/api/docs/pricing" };

/** Five-minute writes are 1.25 times the input at Anthropic, and reads a tenth unless `read` says otherwise. */
const anthropic = (
  input: number,
  output: number,
  { from = 1024, read = input / 10 }: { from?: number; read?: number } = {},
): ListPrice => ({
  input,
  output,
  cache_write: input * 1.25,
  cache_read: read,
  cacheable_from: from,
  ...anthropicPage,
});

/** Until GPT-5.5 writing the cache is free of charge; from GPT-5.6 on it costs 1.25 times the input. */
const openai = (input: number, output: number, read: number, more: Partial<ListPrice> = {}): ListPrice => ({
  input,
  output,
  cache_read: read,
  ...openaiPage,
  ...more,
});

const openaiLong = (input: number, output: number, read: number, write = input) => ({
  long: { over: 272_000, input: input * 2, output: output * 1.5, cache_read: read * 2, cache_write: write * 2 },
});

export const simulatedModel = "simulated";

/** Names as requests have them; a dated or regional name is found by the longest one that it begins with. */
export const listPrices: Readonly<Record<string, ListPrice>> = {
  "claude-fable-5-1": anthropic(10, 50, { from: 4096, read: 0.25 }),
  "claude-fable-5": anthropic(10, 50, { from: 4096 }),
  "claude-mythos-5-1": anthropic(10, 50, { from: 4096, read: 0.25 }),
  "claude-mythos-5": anthropic(10, 50, { from: 4096 }),
  "claude-opus-5-5": anthropic(4, 20, { from: 4096, read: 0.2 }),
  "claude-opus-5": anthropic(5, 25, { from: 4096 }),
  "claude-opus-4-8": anthropic(5, 25, { from: 4096 }),
  "claude-opus-4-7": anthropic(5, 25, { from: 4096 }),
  "claude-opus-4-6": anthropic(5, 25, { from: 4096 }),
  "claude-opus-4-5": anthropic(5, 25, { from: 4096 }),
  "claude-opus-4-1": anthropic(15, 75),
  "claude-opus-4": anthropic(15, 75),
  "claude-sonnet-5-5": anthropic(2, 10, { read: 0.1 }),
  "claude-sonnet-5": anthropic(2, 10),
  "claude-sonnet-4-6": anthropic(3, 15, { from: 2048 }),
  "claude-sonnet-4-5": anthropic(3, 15),
  "claude-sonnet-4": anthropic(3, 15),
  "claude-3-7-sonnet": anthropic(3, 15),
  "claude-haiku-5-5": {
    ...anthropic(0.1, 0.5, { from: 4096 }),
    long: { over: 100_000, input: 0.5, output: 2.5, cache_write: 0.625, cache_read: 0.05 },
  },
  "claude-haiku-4-5": anthropic(1, 5, { from: 4096 }),
  "claude-3-5-haiku": anthropic(0.8, 4, { from: 2048 }),

  // What prompts over 272,000 tokens cost with GPT-6 is not known here: they are counted at the usual price.
  "gpt-6.1-sol": openai(2, 10, 0.1, { cache_write: 2.5 }),
  "gpt-6.1-terra": openai(1, 5, 0.05, { cache_write: 1.25 }),
  "gpt-6-astra": openai(10, 50, 1, { cache_write: 12.5 }),
  "gpt-6-sol": openai(2, 10, 0.2, { cache_write: 2.5 }),
  "gpt-6-luna": openai(0.1, 0.5, 0.01, { cache_write: 0.125 }),
  "gpt-5.6-sol": openai(5, 30, 0.5, { cache_write: 6.25, ...openaiLong(5, 30, 0.5, 6.25) }),
  "gpt-5.6-terra": openai(2, 12, 0.2, { cache_write: 2.5, ...openaiLong(2, 12, 0.2, 2.5) }),
  "gpt-5.6-luna": openai(0.2, 1.2, 0.02, { cache_write: 0.25, ...openaiLong(0.2, 1.2, 0.02, 0.25) }),
  "gpt-5.5-pro": openai(30, 180, 30),
  "gpt-5.5": openai(5, 30, 0.5, openaiLong(5, 30, 0.5)),
  "gpt-5.4-pro": openai(30, 180, 30),
  "gpt-5.4-mini": openai(0.75, 4.5, 0.075),
  "gpt-5.4-nano": openai(0.2, 1.25, 0.02),
  "gpt-5.4": openai(2.5, 15, 0.25, openaiLong(2.5, 15, 0.25)),
  "gpt-5.3-codex": openai(1.75, 14, 0.175),
  "gpt-5.2": openai(1.75, 14, 0.175),
  "gpt-5.1": openai(1.25, 10, 0.125),
  "gpt-5-pro": openai(15, 120, 15),
  "gpt-5-mini": openai(0.25, 2, 0.025),
  "gpt-5-nano": openai(0.05, 0.4, 0.005),
  "gpt-5": openai(1.25, 10, 0.125),
  "gpt-4.1-mini": openai(0.4, 1.6, 0.1),
  "gpt-4.1-nano": openai(0.1, 0.4, 0.025),
  "gpt-4.1": openai(2, 8, 0.5),
  "gpt-4o-mini": openai(0.15, 0.6, 0.075),
  "gpt-4o": openai(2.5, 10, 1.25),
  o3: openai(2, 8, 0.5),
  "o3-mini": openai(1.1, 4.4, 0.55),
  "o4-mini": openai(1.1, 4.4, 0.275),

  // Declared, not charged: what local runs show, marked as simulated. The proportions are the usual ones.
  [simulatedModel]: {
    input: 1,
    output: 5,
    cache_write: 1.25,
    cache_read: 0.1,
    cacheable_from: 1024,
    as_of: "2026-11-26",
    source: "declared by Heddle; nobody is billed",
  },
};
