/** `HEDDLE_PRICES`, a deployment's own price list: JSON of model → dollars per million tokens. */

import * as z from "zod";
import { nameCharsMax, pricesTextCharsMax, priceUsdMax } from "../limits.ts";
import type { ListPrice } from "../prices/table.ts";
import { mismatchOf } from "./field-errors.ts";

const usd = z.number().min(0).max(priceUsdMax);
const rates = { input: usd, output: usd, cache_write: usd.optional(), cache_read: usd.optional() };

const priceListSchema = z.record(
  z.string().min(1).max(nameCharsMax),
  z.strictObject({
    ...rates,
    cacheable_from: z.int().min(0).optional(),
    long: z.strictObject({ over: z.int().min(1), ...rates }).optional(),
    as_of: z.iso.date().default("undated"),
    source: z.string().max(nameCharsMax).default("HEDDLE_PRICES"),
  }),
);

export type ParsedPriceList =
  | { readonly ok: true; readonly prices: Readonly<Record<string, ListPrice>> }
  | { readonly ok: false; readonly message: string };

/** Reads the variable's text; absent or empty is an empty list. */
export function parsePriceList(text: string | undefined): ParsedPriceList {
  if (text === undefined || text.trim() === "") return { ok: true, prices: {} };
  if (text.length > pricesTextCharsMax) return { ok: false, message: `over ${pricesTextCharsMax} characters` };
  try {
    const parsed = priceListSchema.safeParse(JSON.parse(text));
    if (parsed.success) return { ok: true, prices: parsed.data };
    const errors = mismatchOf(parsed.error).errors.map(({ path, message }) => `${path}: ${message}`);
    return { ok: false, message: errors.join("; ") };
  } catch (error) {
    return { ok: false, message: `no JSON (${(error as SyntaxError).message})` };
  }
}
