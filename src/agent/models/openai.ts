/**
 * Calls a model of a context in OpenAI's format, on the vendor's SDK: OpenAI, Workers AI, OpenRouter, vLLM, Ollama, gateways.
 * Loaded only when used: the SDK is large.
 *
 * Everybody who has the format speaks chat completions, so these are asked for first. Some of OpenAI's own models take tools and
 * reasoning by its Responses API alone, and say so in a refusal that costs nothing: they are asked again by that, and by nothing else
 * from then on.
 */

import OpenAI from "openai";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import type { ResponseStreamEvent } from "openai/resources/responses/responses";
import { hasResponseItems } from "../../context/reasoning.ts";
import { modelIdleMs, responsesModelsBytes, responsesOutputTokensMin } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import { openaiFold } from "./openai-reply.ts";
import type { ModelFault, ModelOutcome, ModelRequest } from "./port.ts";
import { openaiBody } from "./request-body.ts";
import { responsesBody, responsesLimit } from "./responses-body.ts";
import { responsesFold } from "./responses-reply.ts";
import { streamedCall } from "./streamed-call.ts";
import { promptCharsOf } from "./token-count.ts";

/**
 * Addresses, each with a key and a model, that want to be asked by the Responses API. What one tenant's key was told is no other's business:
 * a refusal may have its words from the request.
 */
const byResponses = new Lru<string, true>(responsesModelsBytes);

/** One reply. Rejects only with the reason of the request's signal; every other failure is a fault. */
export async function callOpenai(
  request: ModelRequest,
  idleMs = request.provider.idleMs ?? modelIdleMs,
): Promise<ModelOutcome> {
  const { baseUrl, apiKey } = request.provider;
  const place = JSON.stringify([baseUrl, apiKey, request.model]);
  // A reply of that API in the context tells it too, whoever has forgotten it since.
  if (byResponses.get(place) || request.messages.some(hasResponseItems)) {
    const outcome = await callResponses(request, idleMs);
    // Served by another now, who knows no such thing.
    if (outcome.ok || !isNotThere(outcome.fault)) return outcome;
    return callChat(request, idleMs);
  }
  const outcome = await callChat(request, idleMs);
  if (outcome.ok || !wantsResponses(outcome.fault)) return outcome;
  const other = await callResponses(request, idleMs);
  if (other.ok) byResponses.set(place, true, place.length);
  return other.ok || !isNotThere(other.fault) ? other : outcome;
}

const wantsResponses = ({ code, message }: ModelFault): boolean =>
  code === "provider_rejected" && /\bv1\/responses\b/.test(message);

const isNotThere = ({ code, message }: ModelFault): boolean => code === "provider_rejected" && /^40[45] /.test(message);

/** Sealed reasoning of an organisation, or a model, that is not this one. */
const cannotOpen = ({ code, message }: ModelFault): boolean =>
  code === "provider_rejected" && /encrypted[ _]content/i.test(message);

function callChat(request: ModelRequest, idleMs: number): Promise<ModelOutcome> {
  return streamedCall<ChatCompletionChunk>(
    request,
    idleMs,
    (wire) => opened(request, wire, "/chat/completions", openaiBody(request)),
    openaiFold(promptCharsOf(request), request.onText),
  );
}

async function callResponses(request: ModelRequest, idleMs: number): Promise<ModelOutcome> {
  // Fewer tokens than the API takes for a limit are not enough for a reply.
  if (responsesLimit(request) < responsesOutputTokensMin) return { ok: true, reply: cutAtOnce };
  const ask = (sealed: boolean) =>
    streamedCall<ResponseStreamEvent>(
      request,
      idleMs,
      (wire) => opened(request, wire, "/responses", responsesBody(request, sealed)),
      responsesFold(promptCharsOf(request), request.onText),
    );
  const outcome = await ask(true);
  return outcome.ok || !cannotOpen(outcome.fault) ? outcome : ask(false);
}

const cutAtOnce = {
  message: '{"role":"assistant","content":""}',
  text: "",
  calls: [],
  usage: { input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0 },
  stop: "output_limit",
} as const;

function opened<Event>(
  { provider, taskId }: ModelRequest,
  { fetch, signal }: Parameters<Parameters<typeof streamedCall>[2]>[0],
  path: string,
  body: string,
): Promise<AsyncIterable<Event>> {
  const client = new OpenAI({
    baseURL: provider.baseUrl,
    apiKey: provider.apiKey,
    fetch,
    // The scheduler retries, and it counts.
    maxRetries: 0,
    // Its log lines hold prompts and replies.
    logLevel: "off",
    // Left unset these would be read from the environment.
    adminAPIKey: null,
    organization: null,
    project: null,
    webhookSecret: null,
  });
  const task = provider.name === "simulated" ? { "x-heddle-task": taskId } : {};
  // A string body goes out as it is, if it comes with a content type.
  return client.post<AsyncIterable<Event>>(path, {
    body,
    stream: true,
    signal,
    headers: { "content-type": "application/json", ...task },
  });
}
