/** Writes what a test's conversation holds: sim blocks, and messages of either format. */

import type { Format } from "../../../src/context/types.ts";

export const sim = (script: unknown, fence = "```"): string =>
  `${fence}sim\n${typeof script === "string" ? script : JSON.stringify(script)}\n${fence}`;

export type Message = Record<string, unknown>;

export const user = (text: string): Message => ({ role: "user", content: text });

/** An assistant message with calls by id. */
export function calling(format: Format, ...ids: string[]): Message {
  return format === "anthropic"
    ? { role: "assistant", content: ids.map((id) => ({ type: "tool_use", id, name: "t", input: {} })) }
    : {
        role: "assistant",
        content: null,
        tool_calls: ids.map((id) => ({ id, type: "function", function: { name: "t", arguments: "{}" } })),
      };
}

/** The results of calls, in order: one message in Anthropic's format, one each in OpenAI's. */
export function results(format: Format, byId: Readonly<Record<string, string>>): Message[] {
  const entries = Object.entries(byId);
  return format === "anthropic"
    ? [{ role: "user", content: entries.map(([id, content]) => ({ type: "tool_result", tool_use_id: id, content })) }]
    : entries.map(([tool_call_id, content]) => ({ role: "tool", tool_call_id, content }));
}
