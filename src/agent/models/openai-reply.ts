/**
 * The chunks of an OpenAI-format chat completion → one reply. Many servers speak this format, each a little differently;
 * what is tolerated here is what they were seen to do.
 *
 * 1. `message` holds what the server takes back: role, content, refusal, tool calls, and reasoning fields of its own
 *    (`reasoning_content`, `reasoning_details`, a call's `extra_content`), without which some refuse the next turn.
 * 2. Arguments stay the text that was streamed, malformed or not.
 * 3. `input_tokens` are all input tokens, as the format has it; cache reads and writes are parts of them.
 */

import type { ChatCompletionChunk } from "openai/resources/chat/completions";
import { noText } from "../../context/calls.ts";
import { isObject } from "../../context/is-object.ts";
import type { ToolCall, Usage } from "../../context/types.ts";
import { MalformedStream } from "./faults.ts";
import { type Fields, fieldsOf, isJson } from "./fields.ts";
import type { ModelReply } from "./port.ts";
import type { Fold } from "./streamed-call.ts";
import { estimatedUsage, tokenCount, toldOr } from "./token-count.ts";

interface Call {
  /** Everything but the streamed parts. */
  readonly fields: Record<string, unknown>;
  id: string;
  type: string;
  name: string;
  arguments: string;
}

/** Only in replies: sent back, they are refused or mean something else. */
const replyOnly = new Set(["role", "content", "refusal", "tool_calls", "function_call", "annotations", "audio"]);

/** `promptChars` stands in for what servers don't report of the usage. */
export function openaiFold(promptChars: number, onText: (text: string) => void = () => {}): Fold<ChatCompletionChunk> {
  let content = "";
  let refusal = "";
  const others: Record<string, unknown> = {};
  const calls = new Calls();
  let finish: string | undefined;
  let usage: Fields = {};

  return {
    add(chunk) {
      const fields = fieldsOf(chunk);
      if (isObject(fields.usage)) usage = fields.usage;
      const choices = Array.isArray(fields.choices) ? fields.choices.map(fieldsOf) : [];
      const choice = choices.find(({ index }) => (index ?? 0) === 0);
      if (!choice) return;
      if (typeof choice.finish_reason === "string") finish = choice.finish_reason;
      const delta = fieldsOf(choice.delta);
      if (typeof delta.content === "string" && delta.content !== "") {
        content += delta.content;
        onText(delta.content);
      }
      if (typeof delta.refusal === "string") refusal += delta.refusal;
      if (Array.isArray(delta.tool_calls)) for (const call of delta.tool_calls) calls.add(fieldsOf(call));
      for (const [key, value] of Object.entries(delta)) if (!replyOnly.has(key)) addField(others, key, value);
    },
    reply() {
      if (finish === undefined) return undefined;
      const refused = refusal !== "" || finish === "content_filter";
      const cut = finish === "length";
      // Half of a call is none: whoever goes on from here would carry it out.
      const all = cut || finish === "content_filter" ? calls.all.filter(isWhole) : calls.all;
      const isSilent = content.trim() === "" && all.length === 0 && !refused && !cut;
      // The model is done, after the results of its calls mostly; any other end says that there is something.
      if (isSilent && finish !== "stop") throw new MalformedStream("The provider's reply is empty.");
      const text = isSilent ? "" : content + refusal;
      const ids = new Set<string>();
      for (const call of all) settle(call, ids);
      const message = JSON.stringify({
        role: "assistant",
        content: isSilent ? noText : content === "" && (all.length > 0 || refusal !== "") ? null : content,
        ...(refusal !== "" && { refusal }),
        ...others,
        ...(all.length > 0 && { tool_calls: all.map(callFields) }),
      });
      return {
        message,
        text,
        calls: all.map((call): ToolCall => ({ id: call.id, name: call.name, arguments: call.arguments })),
        usage: usageOf(usage, estimatedUsage(promptChars, message.length)),
        stop: refused ? "refusal" : cut ? "output_limit" : all.length > 0 ? "calls" : "end",
      } satisfies ModelReply;
    },
  };
}

/** Strings and lists grow, other values replace; null says nothing. */
function addField(into: Record<string, unknown>, key: string, value: unknown): void {
  const before = into[key];
  if (value === null || value === undefined) return;
  if (typeof value === "string" && typeof before === "string") into[key] = before + value;
  // In place: a stream has as many pieces as whoever serves it likes.
  else if (Array.isArray(value) && Array.isArray(before)) for (const one of value) before.push(one);
  else into[key] = value;
}

/** The calls of a reply, each from its pieces. */
class Calls {
  readonly all: Call[] = [];
  readonly #byIndex = new Map<number, Call>();
  readonly #byId = new Map<string, Call>();

  add(delta: Fields): void {
    const id = typeof delta.id === "string" ? delta.id : "";
    const call = this.#callOf(typeof delta.index === "number" ? delta.index : undefined, id);
    if (typeof delta.type === "string") call.type = delta.type;
    const body = fieldsOf(delta[call.type] ?? delta.function);
    if (typeof body.name === "string" && call.name === "") call.name = body.name;
    const piece = body.arguments ?? body.input;
    // Servers that don't stream a call may send its arguments as an object.
    if (piece !== null && piece !== undefined)
      call.arguments += typeof piece === "string" ? piece : JSON.stringify(piece);
    for (const [key, value] of Object.entries(delta)) {
      if (!["index", "id", "type", call.type].includes(key)) addField(call.fields, key, value);
    }
  }

  #callOf(index: number | undefined, id: string): Call {
    let call = index === undefined ? this.all.at(-1) : this.#byIndex.get(index);
    // Some servers give every parallel call the same index, or none; an id of its own then tells them apart, and what has none is of the
    // last one.
    if (call && id !== "" && call.id !== "" && call.id !== id) call = this.#byId.get(id);
    if (!call) {
      call = { fields: {}, id: "", type: "function", name: "", arguments: "" };
      this.all.push(call);
    }
    if (index !== undefined) this.#byIndex.set(index, call);
    if (id !== "") call.id = id;
    if (id !== "" && !this.#byId.has(id)) this.#byId.set(id, call);
    return call;
  }
}

/** Of a reply that was cut: whether its last call was not. What is free text may have ended anywhere. */
function isWhole(call: Call, i: number, all: readonly Call[]): boolean {
  return call.type === "function" ? isJson(call.arguments) : i < all.length - 1;
}

/**
 * What the server left out and needs back. `ids`: of the calls before it. Some servers give parallel calls one id, by which the second
 * would be taken for the first, and never be carried out. @throws MalformedStream for a call without a name.
 */
function settle(call: Call, ids: Set<string>): void {
  if (call.name === "") throw new MalformedStream("The provider's reply calls a tool without a name.");
  if (call.id === "" || ids.has(call.id)) call.id = `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`;
  ids.add(call.id);
  if (call.arguments === "" && call.type === "function") call.arguments = "{}";
}

function callFields(call: Call): Fields {
  const body = call.type === "custom" ? { input: call.arguments } : { arguments: call.arguments };
  return { id: call.id, type: call.type, [call.type]: { name: call.name, ...body }, ...call.fields };
}

function usageOf(usage: Fields, estimated: Usage): Usage {
  const details = fieldsOf(usage.prompt_tokens_details);
  return {
    input_tokens: toldOr(usage.prompt_tokens, estimated.input_tokens),
    output_tokens: toldOr(usage.completion_tokens, estimated.output_tokens),
    cache_read_tokens: tokenCount(details.cached_tokens ?? usage.prompt_cache_hit_tokens),
    cache_write_tokens: tokenCount(details.cache_write_tokens),
  };
}
