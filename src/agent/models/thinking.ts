/** Anthropic's `thinking` of a context beside the output limit of a request, of which its `budget_tokens` are a part. */

import { rawAt, spanAt, stringAt } from "../../context/json-text.ts";
import { interleavedBeta } from "../../contract/thinking.ts";
import { thinkingTokensMin } from "../../limits.ts";

/** The tokens that `thinking` (JSON text) asks for; 0 where it names none. */
export function thinkingTokens(thinking: string | undefined): number {
  if (thinking === undefined || stringAt(thinking, ["type"]) !== "enabled") return 0;
  const budget = Number(rawAt(thinking, ["budget_tokens"]));
  return Number.isSafeInteger(budget) && budget > 0 ? budget : 0;
}

/**
 * The same `thinking` where it fits; else with half of what the request may say, since the vendor refuses one without room for an answer,
 * and none where that is less than it takes. The limit of a task or a run lowers what a request may say, and its context knows nothing of
 * that. `betas`: JSON text; with interleaved thinking the budget is none of a single request's, and stays.
 */
export function fittedThinking(thinking: string, limit: number, betas: string | undefined): string {
  if (thinkingTokens(thinking) < limit || betas?.includes(interleavedBeta)) return thinking;
  const fitting = Math.max(thinkingTokensMin, Math.floor(limit / 2));
  if (fitting >= limit) return '{"type":"disabled"}';
  const { start, end } = spanAt(thinking, ["budget_tokens"])!;
  return thinking.slice(0, start) + fitting + thinking.slice(end);
}
