/** Messages of chat completions as input items of OpenAI's Responses API. */

import type { MessageText } from "../../context/types.ts";
import { type Fields, fieldsOf, listOf } from "./fields.ts";
import { callItem, itemsOf } from "./responses-outline.ts";

/**
 * `sealed`: replies of this API are again what they were, with their reasoning, which whoever has sealed it alone can open. The same
 * messages give the same items each time, so that the vendor finds its prefix again.
 */
export function inputOf(messages: readonly MessageText[], sealed: boolean): Fields[] {
  /** Calls whose results have a type of their own. */
  const custom = new Set<unknown>();
  return messages.flatMap((text) => {
    const message = JSON.parse(text) as Fields;
    const { role, content, tool_call_id: call_id } = message;
    if (role === "assistant") {
      for (const { type, id } of listOf(message.tool_calls)) if (type === "custom") custom.add(id);
      return (sealed ? itemsOf(message) : undefined) ?? replyItems(message);
    }
    if (role !== "tool") return [{ role, content: contentFor(content) }];
    const type = custom.has(call_id) ? "custom_tool_call_output" : "function_call_output";
    return [{ type, call_id, output: contentFor(content) }];
  });
}

function replyItems({ role, content, refusal, tool_calls }: Fields): Fields[] {
  const parts = typeof content === "string" ? [{ text: content }] : listOf(content);
  const said = [...parts, { refusal }].flatMap(({ text, refusal: no }): Fields[] => {
    if (typeof text === "string" && text !== "") return [{ type: "output_text", text, annotations: [] }];
    return typeof no === "string" ? [{ type: "refusal", refusal: no }] : [];
  });
  return [...(said.length > 0 ? [{ role, content: said }] : []), ...listOf(tool_calls).map(callItem)];
}

const contentFor = (content: unknown): unknown =>
  typeof content === "string" ? content : listOf(content).map(partFor);

function partFor(part: Fields): Fields {
  if (part.type === "text") return { type: "input_text", text: part.text };
  if (part.type === "image_url") {
    const { url, detail = "auto" } = fieldsOf(part.image_url);
    return { type: "input_image", image_url: url, detail };
  }
  // What the API can't take, it refuses in its own words.
  return part.type === "file" ? { type: "input_file", ...fieldsOf(part.file) } : part;
}
