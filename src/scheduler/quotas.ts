/**
 * The tenant's quota of tokens a day, as far as a run feels it: its gate tells up to which number of tokens it may go.
 *
 * QT1. Beyond what it was told no task begins, in any pool; calls under way go on. Where that is all that the day has, the run pauses
 *     with `reason: quota`, and nothing fails.
 * QT2. It goes on by itself when it is told more: on the next day, or when the quota was raised. Nobody can resume it before.
 */

import { spentTokens } from "./budget.ts";
import type { RunState } from "./state.ts";

/** As the gate tells it; `until`: there are none left before. */
export interface AllowedTokens {
  readonly allowed: number;
  readonly limit: number;
  readonly until?: number;
}

/** What a paused run waits for. */
export interface QuotaPause {
  readonly name: "tokens_per_day";
  readonly limit: number;
  readonly until: number;
}

export const mayUseTokens = (state: RunState): boolean =>
  state.allowed === Number.POSITIVE_INFINITY || spentTokens(state) < state.allowed;

/** What follows for the run; undefined: it goes on as it does. */
export function quotaEvent(state: RunState, tokens: AllowedTokens | undefined) {
  const { header } = state;
  const isGone = tokens?.until !== undefined && spentTokens(state) >= tokens.allowed;
  if (isGone && header.status === "active") {
    const quota: QuotaPause = { name: "tokens_per_day", limit: tokens.limit, until: tokens.until! };
    return { type: "run_paused", reason: "quota", quota } as const;
  }
  return !isGone && header.status === "paused" && header.reason === "quota"
    ? ({ type: "run_resumed" } as const)
    : undefined;
}

/** Why it can't be resumed now. */
export function quotaRefusal({ header }: RunState, now: number) {
  const { quota } = header;
  if (!quota || quota.until <= now) return undefined;
  const detail = `${quota.name}: ${quota.limit}. The run goes on by itself at ${new Date(quota.until).toISOString()}, or when the quota is raised.`;
  return { code: "quota_exceeded", detail, retryAfterS: Math.ceil((quota.until - now) / 1000) } as const;
}
