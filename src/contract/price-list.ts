/** Price lists on the wire, model → dollars per million tokens: a deployment's (`HEDDLE_PRICES`), and those of its tenants. */

import * as z from "zod";
import { nameCharsMax, pricesTextCharsMax, priceUsdMax, priceUsdMin, tenantPricesMax } from "../limits.ts";
import type { ListPrice } from "../prices/table.ts";
import { mismatchOf } from "./field-errors.ts";
import { namedBy } from "./named.ts";

const isCounted = (price: number) => price === 0 || price >= priceUsdMin;
const usd = z
  .number()
  .min(0)
  .max(priceUsdMax)
  .refine(isCounted, `0, or at least ${priceUsdMin.toFixed(6)}: dollars per million tokens, and not per token`);
const rates = { input: usd, output: usd, cache_write: usd.optional(), cache_read: usd.optional() };

const entry = (source: string) =>
  z.strictObject({
    ...rates,
    cacheable_from: z.int().min(0).describe("Tokens below which the vendor caches no prefix.").optional(),
    long: z
      .strictObject({ over: z.int().min(1), ...rates })
      .describe("Rates of calls whose prompt has more than `over` tokens.")
      .optional(),
    as_of: z.iso.date().default("undated"),
    source: z.string().max(nameCharsMax).default(source),
  });
const listOf = (source: string, most: number) =>
  namedBy(z.string().min(1).max(nameCharsMax), entry(source), { most, what: "models" });
// Its text is bounded.
const priceListSchema = listOf("HEDDLE_PRICES", pricesTextCharsMax);

export const tenantPricesBody = z.strictObject({
  prices: listOf("the operator", tenantPricesMax).describe(
    "All of them, by model: US dollars per million tokens, in place of the deployment's list.",
  ),
});

const shown = entry("").extend({ as_of: z.string(), source: z.string() });

export const tenantPricesView = z
  .strictObject({ prices: z.record(z.string(), shown).describe("The tenant's own, by model.") })
  .meta({ id: "TenantPrices" });

export const pricesView = z
  .strictObject({
    prices: z
      .record(
        z.string(),
        shown.extend({
          from: z.enum(["list", "deployment", "tenant"]).describe("Whose price it is: the nearest one holds."),
        }),
      )
      .describe("By model, US dollars per million tokens: what runs that are created now are counted at."),
  })
  .meta({ id: "Prices" });

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
