/** Whether a context's `params` ask Anthropic for more thinking than their own output limit has room for: each request would be refused. */

import { isObject } from "../context/is-object.ts";

/** Only what is certain: thinking that is interleaved with calls may take more, since it is counted over all of their requests. */
export function thinkingFits({ format, params = {} }: { format: string; params?: Record<string, unknown> }): boolean {
  const { max_tokens: limit, thinking, betas } = params;
  if (format !== "anthropic" || !isObject(thinking) || thinking.type !== "enabled") return true;
  const { budget_tokens: budget } = thinking;
  if (typeof limit !== "number" || typeof budget !== "number" || budget < limit) return true;
  return Array.isArray(betas) && betas.some((beta) => typeof beta === "string" && beta.startsWith(interleavedBeta));
}

/** How the beta begins that a request names for it. */
export const interleavedBeta = "interleaved-thinking";
