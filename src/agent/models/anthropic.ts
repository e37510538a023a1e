/** Calls a model that speaks the Anthropic Messages format, on the vendor's SDK. Loaded only when used: the SDK is large. */

import Anthropic from "@anthropic-ai/sdk";
import type { RawMessageStreamEvent } from "@anthropic-ai/sdk/resources/messages/messages";
import { modelIdleMs } from "../../limits.ts";
import { anthropicFold } from "./anthropic-reply.ts";
import type { ModelOutcome, ModelRequest } from "./port.ts";
import { anthropicBody } from "./request-body.ts";
import { streamedCall } from "./streamed-call.ts";
import { promptCharsOf } from "./token-count.ts";

/** One streamed call. Rejects only with the reason of the request's signal; every other failure is a fault. */
export function callAnthropic(
  request: ModelRequest,
  idleMs = request.provider.idleMs ?? modelIdleMs,
): Promise<ModelOutcome> {
  const { provider } = request;
  return streamedCall<RawMessageStreamEvent>(
    request,
    idleMs,
    ({ fetch, signal }) => {
      const { text, headers } = anthropicBody(request);
      const client = new Anthropic({
        baseURL: provider.baseUrl,
        apiKey: provider.apiKey,
        fetch,
        // The scheduler retries, and it counts.
        maxRetries: 0,
        // Its log lines hold prompts and replies.
        logLevel: "off",
        // Left unset it would be read from the environment.
        webhookKey: null,
      });
      const task = provider.name === "simulated" ? { "x-heddle-task": request.taskId } : {};
      // A string body goes out as it is, if it comes with a content type.
      return client.post<AsyncIterable<RawMessageStreamEvent>>("/v1/messages", {
        body: text,
        stream: true,
        signal,
        headers: { "content-type": "application/json", ...headers, ...task },
      });
    },
    anthropicFold(promptCharsOf(request), request.onText),
  );
}
