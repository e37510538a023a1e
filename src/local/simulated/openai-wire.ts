/** The OpenAI chat completions format as the vendor prints it: reply, chunk stream, error. */

import { simulatedPiecesMax } from "../../limits.ts";
import { fieldsOf } from "./conversation.ts";
import { piecesOf, type SimulatedReply } from "./reply.ts";
import type { Wire } from "./wire.ts";

const line = (data: unknown): string => `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;

const finishReason = ({ calls }: SimulatedReply): string => (calls.length > 0 ? "tool_calls" : "stop");

const callId = (id: string): string => `call_${id}`;

const usageOf = ({ usage }: SimulatedReply) => ({
  prompt_tokens: usage.input,
  completion_tokens: usage.output,
  total_tokens: usage.input + usage.output,
  prompt_tokens_details: { cached_tokens: usage.read, cache_write_tokens: usage.written },
});

const envelope = (reply: SimulatedReply, object: string) => ({
  id: `chatcmpl-${reply.id}`,
  object,
  created: Math.floor(Date.now() / 1000),
  model: reply.model,
});

export const openaiWire: Wire = {
  requestIdHeader: "x-request-id",
  // A comment, as gateways of this format send.
  ping: ": ping\n\n",

  missing: () => undefined,

  body(reply) {
    const message = {
      role: "assistant",
      content: reply.text === "" ? null : reply.text,
      refusal: null,
      ...(reply.calls.length > 0 && {
        tool_calls: reply.calls.map((call) => ({
          id: callId(call.id),
          type: "function",
          function: { name: call.name, arguments: call.arguments },
        })),
      }),
    };
    return {
      ...envelope(reply, "chat.completion"),
      choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason(reply) }],
      usage: usageOf(reply),
    };
  },

  events(reply, request) {
    const withUsage = fieldsOf(request.stream_options).include_usage === true;
    const shared = envelope(reply, "chat.completion.chunk");
    const chunk = (delta: object, finish_reason: string | null = null) =>
      line({
        ...shared,
        choices: [{ index: 0, delta, logprobs: null, finish_reason }],
        ...(withUsage && { usage: null }),
      });
    const toolCall = (index: number, rest: object) => chunk({ tool_calls: [{ index, ...rest }] });
    return [
      chunk({ role: "assistant", content: reply.text === "" ? null : "", refusal: null }),
      ...piecesOf(reply.text, simulatedPiecesMax).map((content) => chunk({ content })),
      ...reply.calls.flatMap((call, i) => [
        toolCall(i, { id: callId(call.id), type: "function", function: { name: call.name, arguments: "" } }),
        ...piecesOf(call.arguments, simulatedPiecesMax).map((piece) => toolCall(i, { function: { arguments: piece } })),
      ]),
      chunk({}, finishReason(reply)),
      ...(withUsage ? [line({ ...shared, choices: [], usage: usageOf(reply) })] : []),
      line("[DONE]"),
    ];
  },

  error(status, message) {
    const type = status === 429 ? "rate_limit_exceeded" : status >= 500 ? "server_error" : "invalid_request_error";
    return { error: { message, type, param: null, code: status === 429 ? "rate_limit_exceeded" : null } };
  },

  tooLong(tokens, window) {
    const message = `This model's maximum context length is ${window} tokens. However, your messages resulted in ${tokens} tokens. Please reduce the length of the messages.`;
    const error = { message, type: "invalid_request_error", param: "messages", code: "context_length_exceeded" };
    return { error };
  },

  models(ids) {
    return { object: "list", data: ids.map((id) => ({ id, object: "model", created: 0, owned_by: "heddle" })) };
  },
};
