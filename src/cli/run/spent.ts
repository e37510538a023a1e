/** What a run has used, of how much, as several commands say it. */

import type { RunView } from "../../client/replies.ts";
import { oneLine } from "../plain-text.ts";

export const tokensText = ({ usage, limits }: RunView): string =>
  `${usage.tokens}${limits.tokens === null ? "" : ` of ${limits.tokens}`} (${usage.input_tokens} in, ${usage.output_tokens} out, ${usage.cache_read_tokens} of the input read from caches)`;

export function moneyText({ cost, limits, unpriced_models, usage }: RunView): string {
  const of = limits.usd === null || limits.usd === undefined ? "" : ` of $${limits.usd}`;
  // A server from before there were prices names no models.
  const unpriced = oneLine((unpriced_models ?? []).join(", ")) || "some of the tokens";
  if (cost === null) return `unknown: no price for ${unpriced}`;
  return `$${cost.toFixed(cost < 0.1 ? 4 : 2)}${of}${usage.simulated ? " (simulated: nobody is billed)" : ""}`;
}
