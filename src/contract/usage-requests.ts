/** What a tenant has used: the question. */

import * as z from "zod";
import * as limits from "../limits.ts";
import { pageQuery } from "./paging.ts";

const hourMs = 3_600_000;

/** A day (2026-11-26), a time (2026-11-26T10:00:00Z) or epoch ms; whole hours of UTC count. */
export const moment = z
  .string()
  .min(1)
  .max(40)
  .transform((text) => Math.floor((/^\d{1,15}$/.test(text) ? Number(text) : isoMs(text)) / hourMs) * hourMs)
  .pipe(z.int('expected a day like "2026-11-26", a time in UTC, or epoch ms').min(0));

const isoMs = (text: string): number =>
  /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z)?$/.test(text) ? Date.parse(text) : Number.NaN;

const usageBy = ["hour", "day", "run", "key", "model", "pool"] as const;

const labelled = /^label:([^"\\]+)$/;

const oneOf = (names: readonly string[]) =>
  z.string().refine(
    (text) => {
      const label = labelled.exec(text)?.[1];
      return label === undefined ? names.includes(text) : label.length <= limits.labelCharsMax;
    },
    `expected ${names.join(", ")} or label:NAME`,
  );

export const usageQuery = pageQuery.extend({
  from: moment.describe("From this hour on; default: 30 days back.").exactOptional(),
  to: moment.describe("Up to this hour, without it; default: with the present one.").exactOptional(),
  by: oneOf(usageBy).default("day").describe("What the sums are told apart by; label:NAME is a label of tasks."),
  format: z.enum(["json", "csv"]).default("json"),
});

/** Of all tenants, by the operator. */
export const allUsageQuery = usageQuery.extend({
  by: oneOf(["tenant", ...usageBy])
    .default("tenant")
    .describe("What the sums are told apart by; label:NAME is a label of tasks."),
});

/** What sums are told apart by, as `by` of the query says it. */
export type UsageBy = string;
