/** Tool calls and their results in both vendors' messages: found by span, written anew only where Heddle is the author. */

import { rawAt, rawElements, stringAt } from "./json-text.ts";
import type { Format, MessageText, ToolCall, ToolResult } from "./types.ts";

/** The role of a message; undefined when it has none. */
export const roleOf = (message: MessageText): string | undefined => stringAt(message, ["role"]);

const parts = (message: MessageText): string[] => rawElements(rawAt(message, ["content"]) ?? "");

function anthropicCall(block: string): ToolCall | undefined {
  if (stringAt(block, ["type"]) !== "tool_use") return undefined;
  const id = stringAt(block, ["id"]);
  const name = stringAt(block, ["name"]);
  if (id === undefined || name === undefined) return undefined;
  return { id, name, arguments: rawAt(block, ["input"]) ?? "{}" };
}

function openaiCall(call: string): ToolCall | undefined {
  const id = stringAt(call, ["id"]);
  if (id === undefined) return undefined;
  const custom = rawAt(call, ["custom"]);
  // A custom tool takes free text: as JSON text that is a string, so that every call's arguments read the same way.
  if (custom !== undefined && rawAt(call, ["function"]) === undefined)
    return { id, name: stringAt(custom, ["name"]) ?? "", arguments: rawAt(custom, ["input"]) ?? '""' };
  const name = stringAt(call, ["function", "name"]);
  if (name === undefined) return undefined;
  return { id, name, arguments: stringAt(call, ["function", "arguments"]) ?? "" };
}

/**
 * The calls of an assistant message, in order; empty for any other message. `arguments` is JSON text: Anthropic's `input`
 * as it stands, OpenAI's string as decoded (the model wrote it; it may be malformed), a custom tool's input as a JSON string.
 * Server tools (run by the vendor) are no calls: nobody here answers them.
 */
export function toolCalls(format: Format, message: MessageText): ToolCall[] {
  if (roleOf(message) !== "assistant") return [];
  const found =
    format === "anthropic"
      ? parts(message).map(anthropicCall)
      : rawElements(rawAt(message, ["tool_calls"]) ?? "").map(openaiCall);
  return found.filter((call) => call !== undefined);
}

/** The ids of the calls that a message answers; empty for a message without results. */
export function answeredIds(format: Format, message: MessageText): string[] {
  const role = roleOf(message);
  if (format === "openai") {
    const id = role === "tool" ? stringAt(message, ["tool_call_id"]) : undefined;
    return id === undefined ? [] : [id];
  }
  if (role !== "user") return [];
  return parts(message)
    .filter((block) => stringAt(block, ["type"]) === "tool_result")
    .map((block) => stringAt(block, ["tool_use_id"]))
    .filter((id) => id !== undefined);
}

/**
 * The unanswered calls that a transcript ends in: those of its last reply, less what result messages after it answer.
 * Empty when anything but results follows the reply.
 */
export function openCalls(format: Format, messages: readonly MessageText[]): ToolCall[] {
  const answered = new Set<string>();
  for (let i = messages.length - 1; i >= 0; i--) {
    const message = messages[i]!;
    if (roleOf(message) === "assistant") return toolCalls(format, message).filter((call) => !answered.has(call.id));
    const ids = answeredIds(format, message);
    if (ids.length === 0) return [];
    for (const id of ids) answered.add(id);
  }
  return [];
}

/** The messages that answer calls: one user message with all results (Anthropic), or one tool message each (OpenAI). */
export function toolResultMessages(format: Format, results: readonly ToolResult[]): MessageText[] {
  if (format === "openai")
    return results.map(({ id, text }) => JSON.stringify({ role: "tool", tool_call_id: id, content: text }));
  if (results.length === 0) return [];
  const content = results.map(({ id, text, isError }) => ({
    type: "tool_result",
    tool_use_id: id,
    // An empty text block is refused; a result without content is not.
    ...(text !== "" && { content: text }),
    ...(isError && { is_error: true }),
  }));
  return [JSON.stringify({ role: "user", content })];
}

/** A user message of this text; both formats write it alike. Anthropic refuses an empty or blank text. */
export const userMessage = (_format: Format, text: string): MessageText =>
  JSON.stringify({ role: "user", content: text });

/** Blocks in which a vendor's own tools speak, or its compaction does. */
const vendorBlocks = /^(server_tool_use|mcp_tool_use|compaction|\w+_tool_result)$/;

/**
 * Whether a reply ends in what the vendor's own tools do, without a word of the model after it: the vendor paused it there, and says the
 * rest when it is sent back as it is (`pause_turn`). Until then nothing else may follow.
 */
export function isPaused(format: Format, message: MessageText): boolean {
  if (format !== "anthropic" || roleOf(message) !== "assistant") return false;
  const types = parts(message).map((block) => stringAt(block, ["type"]) ?? "");
  return vendorBlocks.test(types.at(-1) ?? "") && !types.includes("tool_use");
}

/** The visible text of an assistant message, its text parts joined; empty when it has none. Reasoning is not visible. */
export function assistantText(_format: Format, message: MessageText): string {
  return (
    stringAt(message, ["content"]) ??
    parts(message)
      .filter((part) => stringAt(part, ["type"]) === "text")
      .map((part) => stringAt(part, ["text"]) ?? "")
      .join("")
  );
}

/** Stands in for the text of a reply that has none, or ends in reasoning: Anthropic takes neither back, nor do some servers of OpenAI's format the first. */
export const noText = "(no text)";

/** The visible text of the reply that a transcript ends in, all of its parts joined (`isPaused`); empty where it ends in no reply. */
export function textSaid(format: Format, messages: readonly MessageText[]): string {
  let text = "";
  for (let i = messages.length - 1; i >= 0 && roleOf(messages[i]!) === "assistant"; i--) {
    const part = assistantText(format, messages[i]!);
    text = (part.endsWith(noText) ? part.slice(0, -noText.length) : part) + text;
  }
  return text;
}
