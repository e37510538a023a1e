/** OpenAI's Responses API as the vendor prints it: reply, event stream. Errors are those of its chat completions. */

import { simulatedPiecesMax } from "../../limits.ts";
import { openaiWire } from "./openai-wire.ts";
import { piecesOf, type SimulatedReply } from "./reply.ts";
import { seal } from "./sealed-reasoning.ts";
import type { Wire } from "./wire.ts";

const usageOf = ({ usage }: SimulatedReply) => ({
  input_tokens: usage.input,
  input_tokens_details: { cached_tokens: usage.read, cache_write_tokens: usage.written },
  output_tokens: usage.output,
  output_tokens_details: { reasoning_tokens: 0 },
  total_tokens: usage.input + usage.output,
});

const envelope = (reply: SimulatedReply) => ({
  id: `resp_${reply.id}`,
  object: "response",
  created_at: Math.floor(Date.now() / 1000),
  model: reply.model,
  error: null,
  incomplete_details: null,
  instructions: null,
  max_output_tokens: null,
  metadata: {},
  parallel_tool_calls: true,
  previous_response_id: null,
  store: false,
  temperature: 1,
  text: { format: { type: "text" } },
  tool_choice: "auto",
  tools: [],
  top_p: 1,
  truncation: "disabled",
});

const textPart = (text: string) => ({ type: "output_text", text, annotations: [], logprobs: [] });

const messageItem = ({ id }: SimulatedReply, status: string, content: readonly object[]) => ({
  id: `msg_${id}`,
  type: "message",
  role: "assistant",
  status,
  content,
});

type Call = SimulatedReply["calls"][number];

const callItem = ({ id, name }: Call, status: string, text: string) => ({
  id: `fc_${id}`,
  type: "function_call",
  status,
  call_id: `call_${id}`,
  name,
  arguments: text,
});

type Request = Readonly<Record<string, unknown>>;

const reasoningItems = ({ id }: SimulatedReply, { include }: Request) =>
  Array.isArray(include) && include.includes("reasoning.encrypted_content")
    ? [{ id: `rs_${id}`, type: "reasoning", summary: [], encrypted_content: seal(id) }]
    : [];

const completed = (reply: SimulatedReply, request: Request) => ({
  ...envelope(reply),
  status: "completed",
  output: [
    ...reasoningItems(reply, request),
    ...(reply.text === "" ? [] : [messageItem(reply, "completed", [textPart(reply.text)])]),
    ...reply.calls.map((call) => callItem(call, "completed", call.arguments)),
  ],
  usage: usageOf(reply),
});

export const responsesWire: Wire = {
  requestIdHeader: openaiWire.requestIdHeader,
  ping: openaiWire.ping,

  missing: () => undefined,

  body: completed,

  events(reply, request) {
    const begun = { ...envelope(reply), status: "in_progress", output: [], usage: null };
    const items = [
      ...reasoningItems(reply, request).map((item) => (index: number) => reasoningEvents(item, index)),
      ...(reply.text === "" ? [] : [(index: number) => textEvents(reply, index)]),
      ...reply.calls.map((call) => (index: number) => callEvents(call, index)),
    ];
    return [
      { type: "response.created", response: begun },
      { type: "response.in_progress", response: begun },
      ...items.flatMap((events, index) => events(index)),
      { type: "response.completed", response: completed(reply, request) },
    ].map((event, i) => `event: ${event.type}\ndata: ${JSON.stringify({ ...event, sequence_number: i })}\n\n`);
  },

  error: openaiWire.error,

  tooLong(tokens, window) {
    const message = `The input has ${tokens} tokens, and this model's context window is ${window}.`;
    return { error: { message, type: "invalid_request_error", param: "input", code: "context_length_exceeded" } };
  },

  models: openaiWire.models,
};

const reasoningEvents = (item: object, output_index: number) =>
  ["response.output_item.added", "response.output_item.done"].map((type) => ({ type, output_index, item }));

function textEvents(reply: SimulatedReply, output_index: number): { type: string }[] {
  const { text } = reply;
  const place = { item_id: `msg_${reply.id}`, output_index, content_index: 0 };
  return [
    { type: "response.output_item.added", output_index, item: messageItem(reply, "in_progress", []) },
    { type: "response.content_part.added", ...place, part: textPart("") },
    ...piecesOf(text, simulatedPiecesMax).map((delta) => ({
      type: "response.output_text.delta",
      ...place,
      delta,
      logprobs: [],
    })),
    { type: "response.output_text.done", ...place, text, logprobs: [] },
    { type: "response.content_part.done", ...place, part: textPart(text) },
    { type: "response.output_item.done", output_index, item: messageItem(reply, "completed", [textPart(text)]) },
  ] as { type: string }[];
}

function callEvents(call: Call, output_index: number): { type: string }[] {
  const place = { item_id: `fc_${call.id}`, output_index };
  return [
    { type: "response.output_item.added", output_index, item: callItem(call, "in_progress", "") },
    ...piecesOf(call.arguments, simulatedPiecesMax).map((delta) => ({
      type: "response.function_call_arguments.delta",
      ...place,
      delta,
    })),
    { type: "response.function_call_arguments.done", ...place, name: call.name, arguments: call.arguments },
    { type: "response.output_item.done", output_index, item: callItem(call, "completed", call.arguments) },
  ] as { type: string }[];
}
