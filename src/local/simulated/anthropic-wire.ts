/** The Anthropic Messages format as the vendor prints it: reply, event stream, error. */

import { simulatedPiecesMax } from "../../limits.ts";
import { piecesOf, type SimulatedReply } from "./reply.ts";
import type { Wire } from "./wire.ts";

const event = (data: { readonly type: string; readonly [field: string]: unknown }): string =>
  `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`;

const errorTypes: Readonly<Record<number, string>> = {
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  504: "timeout_error",
  529: "overloaded_error",
};

const stopReason = ({ calls }: SimulatedReply): string => (calls.length > 0 ? "tool_use" : "end_turn");

function usageOf({ usage }: SimulatedReply, output: number) {
  return {
    // The vendor counts here only what was neither read from nor written to the cache.
    input_tokens: usage.input - usage.read - usage.written,
    cache_creation_input_tokens: usage.written,
    cache_read_input_tokens: usage.read,
    output_tokens: output,
  };
}

const envelope = (reply: SimulatedReply) => ({
  id: `msg_${reply.id}`,
  type: "message",
  role: "assistant",
  model: reply.model,
});

export const anthropicWire: Wire = {
  requestIdHeader: "request-id",
  ping: event({ type: "ping" }),

  missing(request) {
    const limit = request.max_tokens;
    return Number.isSafeInteger(limit) && (limit as number) > 0
      ? undefined
      : "max_tokens: a positive integer is required";
  },

  body(reply) {
    return {
      ...envelope(reply),
      content: [
        ...(reply.text === "" ? [] : [{ type: "text", text: reply.text }]),
        ...reply.calls.map((call) => ({
          type: "tool_use",
          id: `toolu_${call.id}`,
          name: call.name,
          input: JSON.parse(call.arguments) as unknown,
        })),
      ],
      stop_reason: stopReason(reply),
      stop_sequence: null,
      usage: usageOf(reply, reply.usage.output),
    };
  },

  events(reply) {
    const start = {
      type: "message_start",
      // The vendor counts the first token of output here; the total comes with the end.
      message: {
        ...envelope(reply),
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: usageOf(reply, Math.min(1, reply.usage.output)),
      },
    };
    const blocks = [
      ...(reply.text === "" ? [] : [(index: number) => textEvents(index, reply.text)]),
      ...reply.calls.map((call) => (index: number) => callEvents(index, call)),
    ];
    const end = {
      type: "message_delta",
      delta: { stop_reason: stopReason(reply), stop_sequence: null },
      usage: usageOf(reply, reply.usage.output),
    };
    return [
      event(start),
      anthropicWire.ping,
      ...blocks.flatMap((block, i) => block(i)),
      event(end),
      event({ type: "message_stop" }),
    ];
  },

  error(status, message) {
    const type = errorTypes[status] ?? (status >= 500 ? "api_error" : "invalid_request_error");
    return { type: "error", error: { type, message } };
  },

  tooLong(tokens, window) {
    return anthropicWire.error(400, `prompt is too long: ${tokens} tokens > ${window} maximum`);
  },

  models(ids) {
    const data = ids.map((id) => ({ type: "model", id, display_name: id, created_at: "1970-01-01T00:00:00Z" }));
    return { data, has_more: false, first_id: ids[0] ?? null, last_id: ids.at(-1) ?? null };
  },
};

function textEvents(index: number, whole: string): string[] {
  const deltas = piecesOf(whole, simulatedPiecesMax).map((text) => ({ type: "text_delta", text }));
  return blockEvents(index, { type: "text", text: "" }, deltas);
}

function callEvents(index: number, call: SimulatedReply["calls"][number]): string[] {
  const block = { type: "tool_use", id: `toolu_${call.id}`, name: call.name, input: {} };
  const pieces = piecesOf(call.arguments, simulatedPiecesMax).map((partial_json) => ({
    type: "input_json_delta",
    partial_json,
  }));
  return blockEvents(index, block, pieces);
}

const blockEvents = (index: number, content_block: object, deltas: readonly object[]): string[] => [
  event({ type: "content_block_start", index, content_block }),
  ...deltas.map((delta) => event({ type: "content_block_delta", index, delta })),
  event({ type: "content_block_stop", index }),
];
