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
import { answeredIds, roleOf } from "./calls.ts";
import type { Format, MessageText } from "./types.ts";

/** The messages of the last `n` ≥ 1 turns with the head; all of them when there are no more than n turns. */
export function cutLast(format: Format, messages: readonly MessageText[], n: number): MessageText[] {
  assert(Number.isSafeInteger(n) && n >= 1, "a window holds at least one turn");
  const roles = messages.map(roleOf);
  const turnEnds: number[] = [];
  roles.forEach((role, i) => {
    if (role !== "assistant") return;
    let end = i + 1;
    while (end < messages.length && answeredIds(format, messages[end]!).length > 0) end++;
    turnEnds.push(end);
  });
  if (turnEnds.length <= n) return [...messages];
  const from = turnEnds[turnEnds.length - n - 1]!;
  const systemEnd = format === "openai" ? roles.findIndex((role) => role !== "system" && role !== "developer") : 0;
  const firstUser = roles.indexOf("user");
  return messages.filter((_, i) => i >= from || i < systemEnd || i === firstUser);
}
