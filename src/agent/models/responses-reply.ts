/**
 * The events of OpenAI's Responses API → one reply, as a message of chat completions (responses-outline.ts).
 *
 * 1. What an item is in the end its `done` event says; the last event repeats all of them, and alone has the usage.
 * 2. `input_tokens` are all input tokens, as in chat completions; cache reads and writes are parts of them.
 */

import type { ResponseStreamEvent } from "openai/resources/responses/responses";
import { noText } from "../../context/calls.ts";
import type { ToolCall } from "../../context/types.ts";
import { MalformedStream } from "./faults.ts";
import { type Fields, fieldsOf, listOf } from "./fields.ts";
import type { ModelReply } from "./port.ts";
import { outlineOf, outputCalls, outputText } from "./responses-outline.ts";
import type { Fold } from "./streamed-call.ts";
import { estimatedUsage, tokenCount, toldOr } from "./token-count.ts";

/** An error that the stream tells of, in the shape of one that the SDK throws. */
class StreamError extends Error {
  override readonly name = "StreamError";
  readonly error: Fields;

  constructor(error: Fields) {
    super(typeof error.message === "string" ? error.message : "The provider's stream told of an error.");
    this.error = error;
  }
}

/** `promptChars` stands in for what servers don't report of the usage. */
export function responsesFold(
  promptChars: number,
  onText: (text: string) => void = () => {},
): Fold<ResponseStreamEvent> {
  const done = new Map<number, Fields>();
  let response: Fields | undefined;

  return {
    add(event) {
      const fields = event as unknown as Fields;
      switch (fields.type) {
        case "response.output_text.delta":
          if (typeof fields.delta === "string") onText(fields.delta);
          break;
        case "response.output_item.done":
          done.set(Number(fields.output_index), fieldsOf(fields.item));
          break;
        case "response.completed":
        case "response.incomplete":
          response = fieldsOf(fields.response);
          break;
        case "response.failed":
          throw new StreamError(fieldsOf(fieldsOf(fields.response).error));
        case "error":
          throw new StreamError({ ...fields, ...fieldsOf(fields.error) });
        default:
      }
    },
    reply() {
      if (!response) return undefined;
      const whole = listOf(response.output);
      const items = whole.length > 0 ? whole : [...done].sort(([a], [b]) => a - b).map(([, item]) => item);
      const reply = replyOf(items, fieldsOf(response.incomplete_details).reason);
      const estimated = estimatedUsage(promptChars, reply.message.length);
      return { ...reply, usage: usageOf(fieldsOf(response.usage), estimated) };
    },
  };
}

/**
 * One that says nothing is the model's word that it is done, after the results of its calls mostly. Its reasoning goes then, which the
 * vendor takes back only before what followed from it.
 */
function replyOf(items: readonly Fields[], incomplete: unknown): Omit<ModelReply, "usage"> {
  const text = outputText(items);
  const refusal = refusalIn(items);
  const refused = refusal !== "" || incomplete === "content_filter";
  const cut = incomplete !== undefined && !refused;
  // A call that was cut has half of its arguments; a filter cuts too.
  const tool_calls = incomplete === undefined ? outputCalls(items) : [];
  if (text.trim() === "" && tool_calls.length === 0 && !refused && !cut)
    return { message: JSON.stringify({ role: "assistant", content: noText }), text: "", calls: [], stop: "end" };
  const message = {
    role: "assistant",
    content: text === "" && (tool_calls.length > 0 || refusal !== "") ? null : text,
    ...(refusal !== "" && { refusal }),
    ...(tool_calls.length > 0 && { tool_calls }),
    ...(!cut && !refused && outlineOf(items)),
  };
  return {
    message: JSON.stringify(message),
    text: text + refusal,
    calls: tool_calls.map(toolCall),
    stop: refused ? "refusal" : cut ? "output_limit" : tool_calls.length > 0 ? "calls" : "end",
  };
}

const refusalIn = (items: readonly Fields[]): string =>
  items
    .flatMap(({ content }) => listOf(content))
    .map(({ refusal }) => (typeof refusal === "string" ? refusal : ""))
    .join("");

/** @throws MalformedStream for a call that can't be carried out or answered */
function toolCall({ id, function: called, custom }: Fields): ToolCall {
  const { name, arguments: args, input } = fieldsOf(called ?? custom);
  const text = called ? args : input;
  if (typeof id !== "string" || typeof name !== "string" || name === "" || typeof text !== "string")
    throw new MalformedStream("The provider's reply calls a tool without an id, a name or arguments.");
  return { id, name, arguments: text };
}

const usageOf = (usage: Fields, estimated: ModelReply["usage"]): ModelReply["usage"] => {
  const details = fieldsOf(usage.input_tokens_details);
  return {
    input_tokens: toldOr(usage.input_tokens, estimated.input_tokens),
    output_tokens: toldOr(usage.output_tokens, estimated.output_tokens),
    cache_read_tokens: tokenCount(details.cached_tokens),
    cache_write_tokens: tokenCount(details.cache_write_tokens),
  };
};
