/**
 * What a provider's headers say of requests and tokens per minute, in the forms of both vendors.
 *
 * Anthropic: `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}`, the reset an RFC 3339 time.
 * OpenAI: `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, the reset a time to wait as "1m0.5s", "20ms", or seconds alone.
 * Whatever is not whole, or no number, is left out: no bound is better than a wrong one.
 */

import { rateResetMsMax } from "../limits.ts";
import type { Allowance, RateKind, Rates } from "./observation.ts";

interface Named {
  get(name: string): string | null;
}

const anthropicNames: Readonly<Record<RateKind, string>> = {
  requests: "requests",
  tokens: "tokens",
  input: "input-tokens",
  output: "output-tokens",
};

/** Undefined where they say nothing. */
export function ratesOf(headers: Named, now: number): Rates | undefined {
  const rates: { [Kind in RateKind]?: Allowance } = {};
  for (const [kind, name] of Object.entries(anthropicNames) as [RateKind, string][]) {
    const of = (part: string) => headers.get(`anthropic-ratelimit-${name}-${part}`);
    const other = (part: string) => headers.get(`x-ratelimit-${part}-${name}`);
    const told =
      allowance(of("limit"), of("remaining"), timeUntil(of("reset"), now)) ??
      allowance(other("limit"), other("remaining"), durationOf(other("reset")));
    if (told) rates[kind] = told;
  }
  return Object.keys(rates).length > 0 ? rates : undefined;
}

function allowance(limitText: string | null, leftText: string | null, resetMs: number | undefined) {
  const limit = countOf(limitText);
  const left = countOf(leftText);
  if (limit === undefined || left === undefined || limit <= 0 || resetMs === undefined) return undefined;
  return { limit, left: Math.min(left, limit), resetMs: Math.min(resetMs, rateResetMsMax) };
}

const countOf = (text: string | null): number | undefined =>
  text !== null && /^\s*\d{1,15}\s*$/.test(text) ? Number(text) : undefined;

function timeUntil(text: string | null, now: number): number | undefined {
  const at = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** As Go prints durations; a number alone is seconds. */
function durationOf(text: string | null): number | undefined {
  const given = text?.trim();
  if (!given) return undefined;
  if (/^\d+(\.\d+)?$/.test(given)) return Math.ceil(Number(given) * 1000);
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(given)) return undefined;
  let ms = 0;
  for (const [, number, unit] of given.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) ms += Number(number) * unitMs[unit!]!;
  return Math.ceil(ms);
}
