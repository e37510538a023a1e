/** The wire's picture of what tokens cost, and of what caches saved. Reads only. */

import type { CacheView, LineageView, UsageView } from "../../contract/shapes.ts";
import { lineagesShown } from "../../limits.ts";
import { costOf, nanosOf, usdOf } from "../../prices/price.ts";
import type { UsageDelta } from "../../scheduler/events.ts";
import type { Task } from "../../scheduler/task.ts";
import type { ReportedUsage } from "../rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";
import type { ModelUsed } from "./models.ts";

/** A call's usage as the log has it: with its model, and with what it costs by today's prices. */
export function usageDelta(run: LoadedRun, usage: ReportedUsage, used?: ModelUsed): UsageDelta {
  const tokens = {
    in: usage.input_tokens ?? 0,
    out: usage.output_tokens ?? 0,
    read: usage.cache_read_tokens ?? 0,
    write: usage.cache_write_tokens ?? 0,
  };
  // Whoever pays knows best: a subscription, a gateway's discount, another model than the one asked for.
  if (usage.cost_usd !== undefined)
    return { ...tokens, ...(used && { model: used.model }), nanos: nanosOf(usage.cost_usd) };
  if (!used || tokens.in + tokens.out === 0) return tokens;
  const found = run.models.priceOf(used);
  return {
    ...tokens,
    model: used.model,
    ...(found && { nanos: costOf(found.price, tokens) }),
    ...(used.simulated && { simulated: true }),
  };
}

/** Null where a part of it has no known price. */
const costView = (nanos: number, unpricedTokens: number): number | null => (unpricedTokens > 0 ? null : usdOf(nanos));

export const taskUsage = (task: Task): UsageView => ({
  input_tokens: task.inputTokens,
  output_tokens: task.outputTokens,
  cache_read_tokens: task.cacheReadTokens,
  cache_write_tokens: task.cacheWriteTokens,
  cost_usd: costView(task.nanos, task.unpricedTokens),
  simulated: task.simulated,
});

export function runUsage({ state: { header } }: LoadedRun): UsageView {
  return {
    input_tokens: header.inputTokens,
    output_tokens: header.outputTokens,
    cache_read_tokens: header.cacheReadTokens,
    cache_write_tokens: header.cacheWriteTokens,
    cost_usd: costView(header.nanos ?? 0, header.unpricedTokens ?? 0),
    simulated: header.simulated ?? false,
  };
}

const share = (read: number, all: number): number | null =>
  all === 0 ? null : Math.round((read / all) * 10_000) / 10_000;

export function cacheView({ state: { header, warming } }: LoadedRun, now: number): CacheView {
  const { inputTokens, cacheReadTokens: read, cacheWriteTokens: write } = header;
  const lineages = (header.lineages ?? [])
    .map((one): LineageView => {
      const all = one.read + one.write + one.uncached;
      return {
        snapshot: one.snapshot,
        model: one.model,
        tokens: one.tokens,
        read: one.read,
        write: one.write,
        uncached: one.uncached,
        hit_ratio: share(one.read, all),
        warm_until: one.openUntil > now ? one.openUntil : null,
        warming: warming.has(one.n),
      };
    })
    .sort((a, b) => b.read + b.write + b.uncached - (a.read + a.write + a.uncached));
  return {
    read,
    write,
    uncached: Math.max(0, inputTokens - read - write),
    hit_ratio: share(read, inputTokens),
    lineages: lineages.slice(0, lineagesShown),
  };
}
