/** What a rule's condition looks at, read from the state. */

import { unreachable } from "../../errors/assert.ts";
import { ruleSamplesMin, ruleWaitsEveryMs } from "../../limits.ts";
import type { When } from "../../rules/rule.ts";
import { spentTokens } from "../budget.ts";
import type { RunState } from "../state.ts";

export interface Reading {
  /** In the condition's unit; undefined: there is nothing to tell it from. */
  readonly value: number | undefined;
  /** When it may become another although nothing happens. */
  readonly changesAt: number;
}

const never = Number.POSITIVE_INFINITY;

export function read(state: RunState, rule: When, now: number): Reading {
  const { header } = state;
  const rules = header.rules!;
  switch (rule.metric) {
    case "tokens_used": {
      const spent = spentTokens(state);
      return { value: rule.unit === "tokens" ? spent : part(spent, header.limits.tokens), changesAt: never };
    }
    case "money_used": {
      const { nanos = 0 } = header;
      return { value: rule.unit === "nanos" ? nanos : part(nanos, header.limits.nanos ?? 0), changesAt: never };
    }
    case "model_calls":
      return { value: header.modelCalls ?? 0, changesAt: never };
    case "run_time":
      return { value: now - header.createdAt, changesAt: nextAfter(now, header.createdAt, rule.value) };
    case "provider_errors": {
      const window = rule.windowMs!;
      const calls = rules.calls[window]!.filter(([at]) => at > now - window);
      const all = calls.reduce((sum, [, count]) => sum + count, 0);
      const failed = calls.reduce((sum, [, , count]) => sum + count, 0);
      // A few calls say nothing of a provider.
      const value = all < ruleSamplesMin ? undefined : part(failed, all);
      return { value, changesAt: calls.length > 0 ? calls[0]![0] + window : never };
    }
    case "queue_wait_p95":
      return waits(state, rule, now);
    case "worker_load": {
      const window = rule.windowMs!;
      const pool = rule.action.kind === "workers" ? rule.action.pool : undefined;
      const loads = Object.values(rules.loads).filter(
        (load) => load.at > now - window && (pool === undefined || load.pool === pool),
      );
      if (loads.length === 0) return { value: undefined, changesAt: never };
      const value = loads.reduce((sum, { percent }) => sum + percent, 0) / loads.length;
      return { value, changesAt: Math.min(...loads.map(({ at }) => at)) + window };
    }
    default:
      return unreachable(rule.metric);
  }
}

/** When a time that began then has next passed the bound, or by so much that the rule is cleared (evaluate.ts, F4). */
const nextAfter = (now: number, began: number, bound: number): number =>
  [bound, bound + Math.ceil(bound / 10)].map((ms) => began + ms + 1).find((at) => at > now) ?? never;

const part = (some: number, all: number): number | undefined => (all > 0 ? (some / all) * 100 : undefined);

/** Looks at every class of ready tasks, so no more often than once in `ruleWaitsEveryMs`. */
function waits(state: RunState, { windowMs, value: bound }: When, now: number): Reading {
  const window = windowMs!;
  const { book } = state;
  const seen = book?.waitsSeen.get(window);
  if (seen && seen.at <= now && now < seen.at + ruleWaitsEveryMs)
    return { value: seen.value, changesAt: Math.max(now, seen.at + ruleWaitsEveryMs) };
  const started = state.header.rules!.starts[window]!.filter(([at]) => at > now - window);
  const samples: [waited: number, count: number][] = started.map(([, waited]) => [waited, 1]);
  let oldest = now;
  for (const [pool, queue] of state.ready) {
    if (state.roomIn(pool) <= 0) continue;
    for (const [since, count] of queue.waits(state.roomAt(now))) {
      samples.push([Math.max(0, now - since), count]);
      oldest = Math.min(oldest, since);
    }
  }
  const value = p95(samples);
  const expires = started.length > 0 ? started[0]![0] + window : never;
  const isReady = samples.length > started.length;
  // What waits grows older: until the oldest has waited so long, the bound can't be passed by that.
  const grows = isReady
    ? Math.max(now + ruleWaitsEveryMs, value !== undefined && value > bound ? 0 : oldest + bound + 1)
    : never;
  const changesAt = Math.min(expires, grows);
  book?.waitsSeen.set(window, { at: now, value, changesAt });
  return { value, changesAt };
}

/** The least that 95% of them do not exceed. */
function p95(samples: (readonly [value: number, count: number])[]): number | undefined {
  if (samples.length === 0) return undefined;
  samples.sort(([a], [b]) => a - b);
  const all = samples.reduce((sum, [, count]) => sum + count, 0);
  let upTo = 0;
  for (const [value, count] of samples) {
    upTo += count;
    if (upTo >= 0.95 * all) return value;
  }
  return samples.at(-1)![0];
}
