/** What a new task's first request will begin with: how large it is, how much of it is cached, and which model reads it. */

import { ownToolsText } from "../../contract/tools.ts";
import { cacheableTokensDefault } from "../../limits.ts";
import { ratesAt } from "../../prices/price.ts";
import type { LineageTerms } from "../../scheduler/events.ts";
import type { ContextTree } from "../../storage/run/context-tree.ts";
import type { TaskModel } from "./models.ts";

/** Characters per token: the usual estimate for English text and code; vendors bill what they count. */
const charactersPerToken = 4;

export const tokensOf = (characters: number): number => Math.ceil(characters / charactersPerToken);

/** Of a snapshot with everything that is sent before its messages. */
export function prefixTokens(tree: ContextTree, snapshot: string): number {
  const { format, tools } = tree.head(snapshot);
  return tokensOf(tree.node(snapshot).bytes) + (tools === undefined ? tokensOf(ownToolsText(format).length) : 0);
}

/** The lineage that a hosted task of this snapshot and model belongs to; undefined where the vendor caches nothing of it. */
export function lineageTerms(
  tree: ContextTree,
  snapshot: string,
  used: TaskModel,
  { tokens, cold }: { tokens: number; cold: number },
): LineageTerms | undefined {
  const { format } = tree.head(snapshot);
  const price = used.found?.price;
  if (tokens < (price?.cacheableFrom ?? cacheableTokensDefault)) return undefined;
  // Anthropic caches up to a mark, and that stands on the base's last message; OpenAI whatever comes again.
  if (format === "anthropic" && tree.node(snapshot).messages === 0) return undefined;
  const rates = price && ratesAt(price, tokens);
  const gain = rates ? Math.max(0, rates.write - rates.read) : 0;
  return { snapshot, model: used.model, tokens, cold, gain, ...(format === "openai" && { automatic: true }) };
}
