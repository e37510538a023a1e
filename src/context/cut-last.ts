/**
 * `{last: n}`: the newest n turns of a transcript, on the head that gives them sense.
 *
 * A turn is one model request and its reply (DESIGN §2): the messages that prompted the reply, the reply, and the results
 * of its calls. It ends where neither a result nor another part of the reply follows. Messages after the last turn wait
 * for a reply; they belong to no turn yet and always stay. A reply whose calls are open is a turn too.
 *
 * Kept from the rest: the leading system and developer messages (OpenAI) and the first user message, at their places. So
 * no call is parted from its result, and a transcript that kept the vendor's rules still keeps them.
 */

import { assert } from "../errors/assert.ts";
import { answeredIds, isPaused, roleOf } from "./calls.ts";
import type { Format, MessageText } from "./types.ts";

/** The messages of the last `n` ≥ 1 turns with the head; all of them when there are no more than n turns. */
export function cutLast(format: Format, messages: readonly MessageText[], n: number): MessageText[] {
  assert(Number.isSafeInteger(n) && n >= 1, "a window holds at least one turn");
  const turnEnds = turnEndsOf(format, messages);
  if (turnEnds.length <= n) return [...messages];
  const from = turnEnds[turnEnds.length - n - 1]!;
  const systemEnd = systemMessagesOf(format, messages).length;
  const firstUser = firstUserOf(format, messages);
  return messages.filter((_, i) => i >= from || i < systemEnd || i === firstUser);
}

/** What a transcript has of the head, where a format keeps it there: the leading system and developer messages (OpenAI). */
export function systemMessagesOf(format: Format, messages: readonly MessageText[]): readonly MessageText[] {
  if (format !== "openai") return [];
  const end = messages.findIndex((message) => !["system", "developer"].includes(roleOf(message) ?? ""));
  return end < 0 ? messages : messages.slice(0, end);
}

/**
 * Where the first user message is that nobody is owed; -1: there is none. A context that the vendor has compacted may begin with a reply,
 * and then with the results of its calls.
 */
export const firstUserOf = (format: Format, messages: readonly MessageText[]): number =>
  messages.findIndex((message) => roleOf(message) === "user" && answeredIds(format, message).length === 0);

/** Of each turn, the index after its last message. */
export function turnEndsOf(format: Format, messages: readonly MessageText[]): number[] {
  const ends: number[] = [];
  for (const [i, message] of messages.entries()) {
    if (roleOf(message) !== "assistant") continue;
    const next = messages[i + 1];
    if (next !== undefined && roleOf(next) === "assistant" && isPaused(format, message)) continue;
    let end = i + 1;
    while (end < messages.length && answeredIds(format, messages[end]!).length > 0) end++;
    ends.push(end);
  }
  return ends;
}
