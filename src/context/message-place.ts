/** Where messages to a task stand in its transcript: never between a call and its result, which both vendors refuse. */

import { answeredIds } from "./calls.ts";
import type { Format, MessageText, ToolCall } from "./types.ts";

/**
 * The index in `logged`, which a worker adds to a transcript that ends in the calls `open`, before which messages to the
 * task go: after the results of these calls, before all else. Undefined while a call stays open.
 */
export function placeOfMessages(
  format: Format,
  open: readonly ToolCall[],
  logged: readonly MessageText[],
): number | undefined {
  const left = new Set(open.map(({ id }) => id));
  let at = 0;
  for (; at < logged.length && left.size > 0; at++) {
    const ids = answeredIds(format, logged[at]!);
    if (ids.length === 0) break;
    for (const id of ids) left.delete(id);
  }
  return left.size === 0 ? at : undefined;
}
