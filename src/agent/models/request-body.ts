/**
 * The body of a model request, concatenated from stored JSON texts: a prompt is sent with the bytes that it was received
 * with (DESIGN §8), and is never parsed. Only members of `params` that Heddle owns are looked at.
 *
 * 1. `messages`, `model`, `stream`, `system` and `tools` come from the request; `params` can't override them.
 * 2. The output limit is the least of the request's and those that `params` names; thinking fits into it.
 */

import { withCacheMark } from "../../context/fork.ts";
import { rawMembers } from "../../context/json-text.ts";
import { withoutResponseItems } from "../../context/reasoning.ts";
import { anthropicCacheMarksMax } from "../../limits.ts";
import { UnsendableRequest } from "./faults.ts";
import type { ModelRequest } from "./port.ts";
import { fittedThinking } from "./thinking.ts";

interface Member {
  readonly key: string;
  /** JSON text. */
  readonly value: string;
}

interface RequestBody {
  readonly text: string;
  readonly headers: Record<string, string>;
}

const owned = new Set(["messages", "model", "stream", "system", "tools"]);

export function anthropicBody(request: ModelRequest): RequestBody {
  const params = paramsOf(request);
  const betas = params.findLast(({ key }) => key === "betas");
  const limit = outputLimit(request, params, ["max_tokens"]);
  const rest = params
    .filter(({ key }) => !owned.has(key) && key !== "max_tokens" && key !== "betas")
    .map(({ key, value }) => ({ key, value: key === "thinking" ? fittedThinking(value, limit, betas?.value) : value }));
  const members: Member[] = [
    { key: "model", value: JSON.stringify(request.model) },
    { key: "max_tokens", value: String(limit) },
    ...rest,
    { key: "stream", value: "true" },
    ...optional("system", request.head.system),
    ...optional("tools", toolsOf(request)),
    { key: "messages", value: `[${markedMessages(request, params).join(",")}]` },
  ];
  return { text: objectText(members), headers: betas ? { "anthropic-beta": betaHeader(betas.value) } : {} };
}

/** Of chat completions. What a reply of the Responses API has beyond its message is known to that alone. */
export function openaiBody(request: ModelRequest): string {
  const params = paramsOf(request);
  const rest = params.filter(({ key }) => !owned.has(key) && !openaiLimits.includes(key) && key !== "stream_options");
  // `max_tokens` is what servers of this format knew first, `max_completion_tokens` what OpenAI's reasoning models demand.
  const limitKey =
    names(params, "max_tokens") && !names(params, "max_completion_tokens") ? "max_tokens" : "max_completion_tokens";
  const system = request.head.system === undefined ? [] : [`{"role":"system","content":${request.head.system}}`];
  const members: Member[] = [
    { key: "model", value: JSON.stringify(request.model) },
    { key: limitKey, value: String(outputLimit(request, params, openaiLimits)) },
    ...rest,
    // A lineage that brings a key of its own keeps it: its parent's cache is found under that one.
    ...(names(params, "prompt_cache_key")
      ? []
      : [{ key: "prompt_cache_key", value: JSON.stringify(request.cacheKey) }]),
    { key: "stream", value: "true" },
    { key: "stream_options", value: streamOptions(params) },
    ...optional("tools", toolsOf(request)),
    { key: "messages", value: `[${[...system, ...request.messages.map(withoutResponseItems)].join(",")}]` },
  ];
  return objectText(members);
}

const openaiLimits = ["max_tokens", "max_completion_tokens"];

export const paramsOf = ({ head }: ModelRequest): readonly Member[] =>
  head.params === undefined ? [] : rawMembers(head.params);

const names = (params: readonly Member[], name: string): boolean =>
  params.some(({ key, value }) => key === name && value.trim() !== "null");

const optional = (key: string, value: string | undefined): Member[] => (value === undefined ? [] : [{ key, value }]);

const objectText = (members: readonly Member[]): string =>
  `{${members.map(({ key, value }) => `${JSON.stringify(key)}:${value}`).join(",")}}`;

/** OpenAI refuses an empty list of tools, and Anthropic reads one as none. */
export const toolsOf = ({ tools }: ModelRequest): string | undefined =>
  tools === undefined || /^\s*\[\s*\]\s*$/.test(tools) ? undefined : tools;

export function outputLimit(request: ModelRequest, params: readonly Member[], keys: readonly string[]): number {
  const named = params.filter(({ key }) => keys.includes(key)).map(({ value }) => Number(value));
  return Math.min(request.maxOutputTokens, ...named.filter((value) => Number.isSafeInteger(value) && value > 0));
}

function streamOptions(params: readonly Member[]): string {
  const given = params.findLast(({ key }) => key === "stream_options")?.value.trim();
  const kept = given?.startsWith("{") ? rawMembers(given).filter(({ key }) => key !== "include_usage") : [];
  return objectText([...kept, { key: "include_usage", value: "true" }]);
}

function betaHeader(value: string): string {
  const betas: unknown = JSON.parse(value);
  const valid = Array.isArray(betas) && betas.every((beta) => typeof beta === "string" && /^[\w.:-]+$/.test(beta));
  if (!valid) throw new UnsendableRequest("`params.betas` must be an array of beta names.");
  return betas.join(",");
}

/**
 * The messages with the request's cache marks. A context may bring marks of its own, and a request with more than
 * `anthropicCacheMarksMax` in all is refused: those of ours are kept that are wanted most. So is one where a mark of an hour
 * comes after a shorter one, or two of different times meet on the last block: ours last as long as the longest that follows.
 */
function markedMessages(request: ModelRequest, params: readonly Member[]): string[] {
  const messages = [...request.messages];
  const theirs = [request.head.system, toolsOf(request), ...messages].reduce((sum, text) => sum + marksIn(text), 0);
  const automatic = names(params, "cache_control") ? 1 : 0;
  const room = Math.max(0, anthropicCacheMarksMax - theirs - automatic);
  const ofAnHour = params.some(({ key, value }) => key === "cache_control" && hour.test(value));
  const lastOfAnHour = ofAnHour
    ? messages.length
    : theirs === 0
      ? -1
      : messages.findLastIndex((one) => hourMark.test(one));
  for (const mark of room === 0 ? [] : request.marks.slice(-room)) {
    const message = messages[mark.message];
    if (message === undefined) continue;
    messages[mark.message] = withCacheMark(message, mark.block, mark.message <= lastOfAnHour ? "1h" : undefined);
  }
  return messages;
}

const hour = /"ttl"\s*:\s*"1h"/;
const hourMark = /"cache_control"\s*:\s*\{[^{}]*"ttl"\s*:\s*"1h"/;

/** Inside a JSON string its quotes would be escaped, so this text is a key (or, harmlessly, a whole string). */
function marksIn(text: string | undefined): number {
  let count = 0;
  for (let at = text?.indexOf('"cache_control"') ?? -1; at >= 0; at = text?.indexOf('"cache_control"', at + 1) ?? -1)
    count++;
  return count;
}
