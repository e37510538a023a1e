/**
 * How a reply of OpenAI's Responses API stands in a message of chat completions, which is what a context keeps: the message has its
 * text and its calls, and the member `response_items` has what that form can't say. With both, the items are again what they were.
 *
 * O1. One entry for each item, in their order. An item that is in the message is named there, with what the message has not (its id, its
 *     phase, how much of the text it has); reasoning stands there whole. Other items come of tools that no context brings.
 * O2. An outline that does not fit its message any more, since somebody changed one of them, is none. Nor is one with anything else in it:
 *     contexts come from outside, and an item may name what the vendor keeps of somebody else.
 */

import { responseItems } from "../../context/reasoning.ts";
import { type Fields, fieldsOf, listOf } from "./fields.ts";

const textsOf = ({ content }: Fields): string =>
  listOf(content)
    .map(({ type, text }) => (type === "output_text" && typeof text === "string" ? text : ""))
    .join("");

/** The text that a reply's items show. */
export const outputText = (items: readonly Fields[]): string =>
  items.map((item) => (item.type === "message" ? textsOf(item) : "")).join("");

/** Calls among a reply's items, as chat completions have them. */
export const outputCalls = (items: readonly Fields[]): Fields[] =>
  items.map(callOf).filter((call) => call !== undefined);

function callOf({ type, call_id: id, name, arguments: args, input }: Fields): Fields | undefined {
  if (type === "function_call") return { id, type: "function", function: { name, arguments: args } };
  return type === "custom_tool_call" ? { id, type: "custom", custom: { name, input } } : undefined;
}

/** The member to go into a reply's message; none where the message says everything. */
export function outlineOf(items: readonly Fields[]): Fields {
  const known = items.filter(({ type }) => type === "message" || type === "reasoning" || isCall(type));
  const isPlain = known.every(({ type, phase }) => type !== "reasoning" && phase === undefined);
  return isPlain ? {} : { [responseItems]: known.map(entryOf) };
}

const isCall = (type: unknown): boolean => type === "function_call" || type === "custom_tool_call";

function entryOf(item: Fields): Fields {
  const { type, id, phase, call_id } = item;
  if (type === "message") return { type, id, ...(phase !== undefined && { phase }), chars: textsOf(item).length };
  return isCall(type) ? { type, id, call_id } : item;
}

/** The items that a message was made of. Undefined: it has no outline, or one that does not fit it. */
export function itemsOf(message: Fields): Fields[] | undefined {
  const outline = message[responseItems];
  if (!Array.isArray(outline)) return undefined;
  const text = typeof message.content === "string" ? message.content : "";
  const calls = new Map(listOf(message.tool_calls).map((call) => [call.id, call]));
  const items: Fields[] = [];
  let at = 0;
  for (const entry of listOf(outline)) {
    const { type, id, phase, chars, call_id } = entry;
    if (type === "message") {
      const end = at + Number(chars);
      const content = [{ type: "output_text", text: text.slice(at, end), annotations: [] }];
      items.push({ type, id, role: "assistant", status: "completed", content, ...(phase !== undefined && { phase }) });
      at = end;
    } else if (isCall(type)) {
      const call = calls.get(call_id);
      if (!call) return undefined;
      calls.delete(call_id);
      items.push({ ...callItem(call), id });
    } else if (type === "reasoning") items.push(entry);
    else return undefined;
  }
  return at === text.length && calls.size === 0 ? items : undefined;
}

/** A call of a message as an item. */
export function callItem({ id: call_id, type, function: called, custom }: Fields): Fields {
  if (type === "custom") {
    const { name, input } = fieldsOf(custom);
    return { type: "custom_tool_call", call_id, name, input };
  }
  const { name, arguments: args } = fieldsOf(called);
  return { type: "function_call", call_id, name, arguments: args };
}
