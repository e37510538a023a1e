/** Puts Anthropic's cache mark on one block of a message, by text splicing: every other byte stays (DESIGN §8). */

import { elementSpans, memberSpans, rawAt, spanAt, stringAt } from "./json-text.ts";
import type { MessageText } from "./types.ts";

/** How long the vendor keeps what it has cached; undefined: as it does by default, for five minutes. */
export type CacheTime = "1h" | undefined;

const markFor = (time: CacheTime): string =>
  time === undefined ? '"cache_control":{"type":"ephemeral"}' : `"cache_control":{"type":"ephemeral","ttl":"${time}"}`;

/** Blocks that the vendor takes no mark on: signed reasoning, and text without a character. */
function allows(block: string): boolean {
  const type = stringAt(block, ["type"]);
  if (type === undefined || type === "thinking" || type === "redacted_thinking") return false;
  return type !== "text" || (stringAt(block, ["text"]) ?? "") !== "";
}

/**
 * The message with a cache mark on `block` (-1 or beyond the end: the last). A block that may not carry one passes it to
 * the nearest earlier block that may; where there is none, or the block has a mark already, the message is unchanged.
 * A string content counts as one block and becomes one: the vendor defines the two spellings as the same.
 */
export function withCacheMark(message: MessageText, block: number, time?: CacheTime): MessageText {
  const mark = markFor(time);
  const content = spanAt(message, ["content"]);
  if (!content) return message;
  const splice = (start: number, end: number, text: string) => message.slice(0, start) + text + message.slice(end);
  if (message[content.start] === '"') {
    if (content.end - content.start === 2) return message;
    const text = message.slice(content.start, content.end);
    return splice(content.start, content.end, `[{"type":"text","text":${text},${mark}}]`);
  }
  const blocks = elementSpans(message, content.start);
  for (let i = block < 0 || block >= blocks.length ? blocks.length - 1 : block; i >= 0; i--) {
    const { start, end } = blocks[i]!;
    const text = message.slice(start, end);
    if (!allows(text)) continue;
    const present = rawAt(text, ["cache_control"]);
    if (present === undefined) return splice(end - 1, end, `,${mark}}`);
    if (present !== "null") return message;
    const last = memberSpans(text).findLast((member) => member.key === "cache_control")!;
    return splice(start + last.keySpan.start, start + last.value.end, mark);
  }
  return message;
}
