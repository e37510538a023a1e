/**
 * Fork returns twice (DESIGN §5): builds what a child's context has beyond its base.
 *
 * Owns: the messages that a fork appends, and where the cache mark stands. Neighbours own the fork's text (fork-text.ts),
 * the window (cut-last.ts), the mark's splicing (cache-mark.ts) and relocation (reasoning.ts); all are exported here.
 *
 * Invariants
 * - K1 Base messages are never touched: a fork only appends.
 * - K2 Every call of the forked reply is answered exactly once, so a valid base gives a valid transcript.
 * - K3 The own answer comes last and all else is fixed by the reply and the call: the children of one call differ only in
 *   that last text, and the mark stands on the last block that they share.
 */

import { assert } from "../errors/assert.ts";
import { toolCalls, toolResultMessages, userMessage } from "./calls.ts";
import type { CacheMark, Format, MessageText, ToolResult } from "./types.ts";

export { withCacheMark } from "./cache-mark.ts";
export { cutLast, systemMessagesOf } from "./cut-last.ts";
export { findForkText, forkText } from "./fork-text.ts";
export { stripReasoning, withoutReasoning } from "./reasoning.ts";

/** What a child reads as the result of every call that is not its own. Contract: it never changes. */
export const otherCallText = "carried out by the parent; not your work";

export interface ForkMessages {
  /** To append to the base; the base of a fork by call ends in the assistant message. */
  readonly messages: MessageText[];
  /** Relative to `messages`: 0 is the first of them, -1 the base's last message (there is none in an empty base). Block -1: the last. */
  readonly mark: CacheMark;
}

/**
 * The fork as the answer to call `callId` of `assistant`, which is the last message of the base. Results that the base
 * may already hold after it are the parent's and don't belong in the child's base.
 */
export function forkByCall(format: Format, assistant: MessageText, callId: string, text: string): ForkMessages {
  const ids = new Set(toolCalls(format, assistant).map((call) => call.id));
  assert(ids.delete(callId), "a fork by call answers a call of its assistant message");
  const results: ToolResult[] = Array.from(ids, (id) => ({ id, text: otherCallText, isError: false }));
  results.push({ id: callId, text, isError: false });
  const messages = toolResultMessages(format, results);
  const lastShared = results.length - 2;
  if (lastShared < 0) return { messages, mark: { message: -1, block: -1 } };
  return {
    messages,
    mark: format === "anthropic" ? { message: 0, block: lastShared } : { message: lastShared, block: 0 },
  };
}

/** The fork without a call: the task's own context messages, then one new user message, merged into nothing. */
export function forkByMessage(
  format: Format,
  text: string,
  contextMessages: readonly MessageText[] = [],
): ForkMessages {
  return { messages: [...contextMessages, userMessage(format, text)], mark: { message: -1, block: -1 } };
}
