/** What a tenant has used: the question. */

import * as z from "zod";
import * as limits from "../limits.ts";
import { hour } from "./moments.ts";
import { pageQuery } from "./paging.ts";

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
  from: hour.describe("From this hour on; default: 30 days back.").exactOptional(),
  to: hour.describe("Up to this hour, without it; default: with the present one.").exactOptional(),
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
