/** A request's prompt in the order in which vendors cache it (tools, system, messages), cut into blocks with their sizes. */

import type { Format } from "../../context/types.ts";
import { blocksOf, type Fields, fieldsOf, listOf } from "./conversation.ts";

export interface PromptBlock {
  /** What tells the block apart but is no text of it: its place, role, type, ids. Not counted. */
  readonly seal: string;
  /** What counts as characters. */
  readonly text: string;
  /** Anthropic: carries `cache_control`. */
  readonly marked: boolean;
}

export const promptOf = (format: Format, body: Fields): PromptBlock[] =>
  format === "anthropic" ? anthropicPrompt(body) : openaiPrompt(body);

function anthropicPrompt(body: Fields): PromptBlock[] {
  const blocks = [
    ...listOf(body.tools).map((tool) => blockOf("tool", tool)),
    ...blocksOf(body.system).map((block) => blockOf("system", block)),
    ...listOf(body.messages).flatMap(({ role, content }, i) =>
      blocksOf(content).map((block) => blockOf(`${i} ${role}`, block)),
    ),
  ];
  // A request may leave it to the vendor to mark its last block.
  const last = blocks.at(-1);
  return last && isMark(body.cache_control) ? [...blocks.slice(0, -1), { ...last, marked: true }] : blocks;
}

const isMark = (value: unknown): boolean => value !== undefined && value !== null;

/** The mark is no part of the block: a context is cached alike wherever the marks stood when it was sent. */
function blockOf(place: string, block: Fields): PromptBlock {
  const { cache_control, ...rest } = block;
  const marked = isMark(cache_control);
  if (rest.type === "text" && typeof rest.text === "string") return { seal: `${place} text`, text: rest.text, marked };
  if (rest.type === "tool_use") {
    return { seal: `${place} call ${rest.id}`, text: `${rest.name}${JSON.stringify(rest.input)}`, marked };
  }
  if (rest.type === "tool_result") {
    const parts = blocksOf(rest.content).map((part) => blockOf("part", part).text);
    return { seal: `${place} result ${rest.tool_use_id} ${rest.is_error === true}`, text: parts.join(""), marked };
  }
  return { seal: place, text: JSON.stringify(rest), marked };
}

function openaiPrompt(body: Fields): PromptBlock[] {
  return [
    ...listOf(body.tools).map((tool) => ({ seal: "tool", text: JSON.stringify(tool), marked: false })),
    ...listOf(body.messages).flatMap(({ role, content, tool_calls, tool_call_id }, i) => [
      ...blocksOf(content).map((block) => ({ ...blockOf(`${i} ${role} ${tool_call_id ?? ""}`, block), marked: false })),
      ...listOf(tool_calls).map((call) => {
        const { name, arguments: text } = fieldsOf(call.function);
        return { seal: `${i} call ${call.id}`, text: `${name}${text}`, marked: false };
      }),
    ]),
  ];
}
