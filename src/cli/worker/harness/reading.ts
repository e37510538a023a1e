/** What is known of a harness's run, from its output: the same whichever harness it is. */

import type { Usage } from "../../../context/types.ts";
import { reportedTokensMax, reportedUsdMax } from "../../../limits.ts";

/** Input tokens are all of them, those that caches gave or took included. */
export interface HarnessUsage extends Usage {
  /** What the harness says that it cost; absent: it does not say. */
  readonly cost_usd?: number;
}

export type FailureKind = "rate_limited" | "overloaded" | "not_logged_in" | "quota" | "max_turns" | "failed";

export interface HarnessFailure {
  readonly kind: FailureKind;
  readonly message: string;
  readonly retryAfterMs?: number;
}

export interface Reading {
  readonly session: string | undefined;
  /** Its final message. */
  readonly result: string | undefined;
  /** So far, until the harness has told its own sum at the end. */
  readonly usage: HarnessUsage | undefined;
  /** Replies of its model so far; undefined where its stream does not tell them apart. */
  readonly turns: number | undefined;
  /** Why it gave up; undefined: it came to its end. */
  readonly failure: HarnessFailure | undefined;
}

/** Reads a harness's stream, one JSON value after the other. Never throws: what it does not know it passes over. */
export interface Reader {
  /** What the harness does now, if the event tells; in one line. */
  add(event: unknown, now: number): string | undefined;
  readonly reading: Reading;
}

export function addUsage(a: HarnessUsage | undefined, b: HarnessUsage | undefined): HarnessUsage | undefined {
  if (!a || !b) return a ?? b;
  const cost = a.cost_usd === undefined && b.cost_usd === undefined ? undefined : (a.cost_usd ?? 0) + (b.cost_usd ?? 0);
  return {
    input_tokens: a.input_tokens + b.input_tokens,
    output_tokens: a.output_tokens + b.output_tokens,
    cache_read_tokens: a.cache_read_tokens + b.cache_read_tokens,
    cache_write_tokens: a.cache_write_tokens + b.cache_write_tokens,
    ...(cost !== undefined && { cost_usd: cost }),
  };
}

/** What of it a server takes: a number that can be none is no reason to refuse what it stands beside. */
export function reportable(usage: HarnessUsage): HarnessUsage {
  const { cost_usd: cost = -1, ...tokens } = usage;
  const within = (count: number) => Math.min(count, reportedTokensMax);
  return {
    input_tokens: within(tokens.input_tokens),
    output_tokens: within(tokens.output_tokens),
    cache_read_tokens: within(tokens.cache_read_tokens),
    cache_write_tokens: within(tokens.cache_write_tokens),
    ...(cost >= 0 && cost <= reportedUsdMax && { cost_usd: cost }),
  };
}

/** What kind of failure an error's text speaks of, and for how long to wait; harnesses say it in prose. */
export function failureOf(message: string, { status, now }: { status?: number; now: number }): HarnessFailure {
  const kind = kindOf(message, status);
  const retryAfterMs = kind === "rate_limited" || kind === "overloaded" ? retryAfterIn(message, now) : undefined;
  return { kind, message, ...(retryAfterMs !== undefined && { retryAfterMs }) };
}

function kindOf(text: string, status: number | undefined): FailureKind {
  if (status === 401 || status === 403) return "not_logged_in";
  if (status === 402) return "quota";
  if (/insufficient_quota|credit balance|billing|exceeded your current quota|specified api usage limits/i.test(text))
    return "quota";
  if (status === 429) return "rate_limited";
  if (status === 408 || (status !== undefined && status >= 500)) return "overloaded";
  if (
    /not logged in|log ?in again|\/login|invalid api key|authentication|unauthorized|\b401\b|missing api key/i.test(
      text,
    )
  )
    return "not_logged_in";
  if (/rate.?limit|usage limit|too many requests|hit your limit|\b429\b/i.test(text)) return "rate_limited";
  if (busy.test(text) || (unreached.test(text) && !/incomplete response returned/i.test(text))) return "overloaded";
  return "failed";
}

const busy = /overloaded|at capacity|high demand|\bstatus:? 5\d\d\b|\b529\b|\b503\b|service unavailable/i;
/** The provider, or the network before it: another attempt may find it there. */
const unreached =
  /stream disconnected|connection (?:error|refused|reset|failed|closed)|error sending request|unable to connect|ECONN\w+|ETIMEDOUT|ENOTFOUND|EAI_AGAIN/i;

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `try again in 2 hours 5 minutes`, `retry after 20s`, `limit reached|1764190800` (epoch seconds), `try again at 9:06 PM`. */
export function retryAfterIn(text: string, now: number): number | undefined {
  const epoch = /\|(\d{10})\b/.exec(text)?.[1];
  if (epoch !== undefined) return Math.max(0, Number(epoch) * 1000 - now);
  const clock = /try again at (?:([A-Z][a-z]{2} \d{1,2})[a-z]{2}, (\d{4}) )?(\d{1,2}:\d{2} [AP]M)/.exec(text);
  if (clock !== null) return untilClock(clock, now);
  const said =
    /(?:try again|retry|retrying|resets?)\s*(?:in|after|-after:?)\s*((?:\d+(?:\.\d+)?\s*[a-z]*[\s,]*(?:and\s+)?)+)/i.exec(
      text,
    )?.[1];
  if (said === undefined) return undefined;
  let ms = 0;
  for (const [, number, unit = ""] of said.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]*)/gi)) {
    const name = /^(ms|milli)/i.test(unit) ? "ms" : (unit[0]?.toLowerCase() ?? "s");
    ms += Number(number) * (units[name] ?? 0);
  }
  return ms > 0 ? Math.round(ms) : undefined;
}

/** This machine's own time; without a day it is today's. It is told without its seconds. */
function untilClock([, day, year, time]: RegExpExecArray, now: number): number | undefined {
  const date = day === undefined ? new Date(now).toDateString() : `${day}, ${year}`;
  const at = Date.parse(`${date} ${time}`);
  return Number.isNaN(at) ? undefined : Math.max(0, at + 60_000 - now);
}

// ---- JSON of unknown shape -------------------------------------------------------------------------------------------

export type Fields = Readonly<Record<string, unknown>>;

export const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
export const textOf = (value: unknown): string | undefined => (typeof value === "string" ? value : undefined);
export const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
export const countOf = (value: unknown): number =>
  typeof value === "number" && Number.isFinite(value) && value > 0 ? Math.round(value) : 0;

/** `Bash: npm test` */
export function callText(name: string, input: Fields): string {
  const told = ["command", "file_path", "filePath", "path", "pattern", "query", "url", "description", "op", "prompt"]
    .map((field) => textOf(input[field]))
    .find((text) => text !== undefined);
  return told === undefined ? name : `${name}: ${told}`;
}
