/** Takes the reasoning out of a message for a relocated fork: it is signed for, or private to, the model that wrote it. */

import { roleOf } from "./calls.ts";
import { elementSpans, memberSpans, type Span, spanAt, stringAt } from "./json-text.ts";
import type { Format, MessageText } from "./types.ts";

/** What a reply of OpenAI's Responses API has beyond a message of chat completions: a list of its items. */
export const responseItems = "response_items";

/** Members in which OpenAI-compatible servers return reasoning; the format itself has none. */
const openaiReasoning = new Set(["reasoning", "reasoning_content", "reasoning_details", responseItems]);

/** What stands for a reply that was nothing but reasoning: the vendor refuses an empty message. */
const reasoningOnlyText = "(reasoning only)";

/** The text without the items that `drop` names; each goes with the comma that parted it from a neighbour that stays. */
function without(text: string, items: readonly Span[], drop: (index: number) => boolean): string {
  const kept = items.filter((_, i) => !drop(i));
  if (kept.length === items.length) return text;
  const first = items[0]!.start;
  const last = items.at(-1)!.end;
  return text.slice(0, first) + kept.map((item) => text.slice(item.start, item.end)).join(",") + text.slice(last);
}

/** The message without reasoning blocks or members; unchanged, byte for byte, when it has none or is no assistant's. */
export function stripReasoning(format: Format, message: MessageText): MessageText {
  if (roleOf(message) !== "assistant") return message;
  if (format === "openai") return withoutMembers(message, (key) => openaiReasoning.has(key));
  const content = spanAt(message, ["content"]);
  if (!content || message[content.start] !== "[") return message;
  const blocks = elementSpans(message, content.start);
  const isReasoning = blocks.map(({ start, end }) => {
    const type = stringAt(message.slice(start, end), ["type"]);
    return type === "thinking" || type === "redacted_thinking";
  });
  if (blocks.length > 0 && isReasoning.every(Boolean))
    return `${message.slice(0, content.start)}${JSON.stringify(reasoningOnlyText)}${message.slice(content.end)}`;
  return without(message, blocks, (i) => isReasoning[i]!);
}

/** Messages of a transcript: from one place up to another, that one left out. */
export type Part = readonly [from: number, to: number];

/** The transcript with the messages of these parts without their reasoning; all others byte for byte. */
export const withoutReasoning = (
  format: Format,
  messages: readonly MessageText[],
  parts: readonly Part[],
): readonly MessageText[] =>
  parts.length === 0
    ? messages
    : messages.map((message, i) =>
        parts.some(([from, to]) => i >= from && i < to) ? stripReasoning(format, message) : message,
      );

function withoutMembers(message: MessageText, drop: (key: string) => boolean): MessageText {
  const members = memberSpans(message);
  const spans = members.map((member) => ({ start: member.keySpan.start, end: member.value.end }));
  return without(message, spans, (i) => drop(members[i]!.key));
}

/** Inside a JSON string its quotes would be escaped, so most messages need no second look. */
const mayHaveResponseItems = (message: MessageText): boolean => message.includes(`"${responseItems}"`);

/** Whether a message is a reply of the Responses API. */
export const hasResponseItems = (message: MessageText): boolean =>
  mayHaveResponseItems(message) && memberSpans(message).some(({ key }) => key === responseItems);

/** The message as chat completions take it. */
export const withoutResponseItems = (message: MessageText): MessageText =>
  mayHaveResponseItems(message) ? withoutMembers(message, (key) => key === responseItems) : message;
