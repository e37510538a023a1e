/**
 * Calls a model that speaks the OpenAI chat completions format, on the vendor's SDK: OpenAI, Workers AI, OpenRouter, vLLM,
 * Ollama, gateways. Loaded only when used: the SDK is large.
 */

import OpenAI from "openai";
import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import { modelIdleMs } from "../../limits.ts";
import { openaiFold } from "./openai-reply.ts";
import type { ModelOutcome, ModelRequest } from "./port.ts";
import { openaiBody } from "./request-body.ts";
import { streamedCall } from "./streamed-call.ts";

/** One streamed call. Rejects only with the reason of the request's signal; every other failure is a fault. */
export function callOpenai(
  request: ModelRequest,
  idleMs = request.provider.idleMs ?? modelIdleMs,
): Promise<ModelOutcome> {
  const { provider } = request;
  const promptChars = request.messages.reduce((sum, { length }) => sum + length, request.tools?.length ?? 0);
  return streamedCall<ChatCompletionChunk>(
    request,
    idleMs,
    ({ fetch, signal }) => {
      const { text, headers } = openaiBody(request);
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
      const task = provider.name === "simulated" ? { "x-heddle-task": request.taskId } : {};
      // A string body goes out as it is, if it comes with a content type.
      return client.post<AsyncIterable<ChatCompletionChunk>>("/chat/completions", {
        body: text,
        stream: true,
        signal,
        headers: { "content-type": "application/json", ...headers, ...task },
      });
    },
    openaiFold(promptChars, request.onText),
  );
}
