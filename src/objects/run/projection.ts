/** What a batch will cost, before a token is spent. */

import type { Projection } from "../../contract/shapes.ts";
import { cacheableTokensDefault, projectedOutputTokens } from "../../limits.ts";
import { costOf, usdOf } from "../../prices/price.ts";
import { freeNanos, freeTokens } from "../../scheduler/budget.ts";
import type { ForkedTask } from "./forks.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { tokensOf } from "./prefixes.ts";

/**
 * Each task's first model call. Of a shared prefix one task writes the provider's cache and the others read it; where the
 * creator's own requests have written it already, all read. Money is that of hosted tasks alone: Heddle makes no calls for
 * others.
 */
export function projectionOf(run: LoadedRun, tasks: readonly ForkedTask[], criticalPath: number): Projection {
  const sum = { input: 0, cached: 0, written: 0, output: 0 };
  let nanos: number | null = null;
  let unpriced = false;
  const warm = new Set<string>();
  for (const { base, spec, model, prefix, cold, lineage } of tasks) {
    const context =
      spec.context === undefined
        ? 0
        : typeof spec.context === "string"
          ? spec.context.length
          : spec.context.messages.join("").length;
    const input = prefix + tokensOf(spec.instructions.length + context);
    const name = `${base} ${model?.model ?? ""}`;
    const price = model?.found?.price;
    // A hosted task without a lineage shares no prefix that its vendor caches.
    const shares = !model || lineage !== undefined;
    const read = shares ? (warm.has(name) ? prefix : prefix - cold) : 0;
    warm.add(name);
    sum.input += input;
    sum.cached += read;
    if (!model) continue;
    const write = input < (price?.cacheableFrom ?? cacheableTokensDefault) ? 0 : input - read;
    sum.written += write;
    sum.output += projectedOutputTokens;
    if (price) nanos = (nanos ?? 0) + costOf(price, { in: input, out: projectedOutputTokens, read, write });
    else unpriced = true;
  }
  const money = freeNanos(run.state);
  return {
    input_tokens: sum.input,
    cached_tokens: sum.cached,
    cache_write_tokens: sum.written,
    output_tokens: sum.output,
    cost: nanos === null || unpriced ? null : usdOf(nanos),
    simulated: tasks.some(({ model }) => model?.simulated === true),
    budget_left: freeTokens(run.state) ?? null,
    budget_left_usd: money === undefined ? null : usdOf(money),
    critical_path_tasks: criticalPath,
  };
}
