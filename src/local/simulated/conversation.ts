/** What both wire formats say alike: who spoke, what a person wrote, what was called, and what came back. */

import type { Format } from "../../context/types.ts";

export interface Said {
  readonly role: "user" | "assistant" | "other";
  /** Texts that a person (or whoever plays one) wrote; empty for any role but `user`. */
  readonly texts: readonly string[];
  readonly results: readonly { readonly id: string; readonly text: string }[];
  /** Ids of the tool calls, in order. */
  readonly calls: readonly string[];
}

/** One entry a message, in order. What is malformed is left out: the rules' check has its say before. */
export function readMessages(format: Format, messages: readonly unknown[]): Said[] {
  return messages.map((message) =>
    format === "anthropic" ? readAnthropic(fieldsOf(message)) : readOpenai(fieldsOf(message)),
  );
}

export type Fields = Readonly<Record<string, unknown>>;

export const fieldsOf = (value: unknown): Fields =>
  typeof value === "object" && value !== null ? (value as Fields) : {};
export const listOf = (value: unknown): readonly Fields[] => (Array.isArray(value) ? value.map(fieldsOf) : []);

/** A content's blocks; a string stands for one text block, as both vendors define it. */
export const blocksOf = (content: unknown): readonly Fields[] =>
  typeof content === "string" ? [{ type: "text", text: content }] : listOf(content);

const textsOf = (content: unknown): string[] =>
  blocksOf(content).flatMap(({ type, text }) => (type === "text" && typeof text === "string" ? [text] : []));

const idsOf = (calls: readonly Fields[]): string[] => calls.flatMap(({ id }) => (typeof id === "string" ? [id] : []));

const roleOf = (role: unknown): Said["role"] => (role === "user" || role === "assistant" ? role : "other");

function readAnthropic({ role, content }: Fields): Said {
  const blocks = blocksOf(content);
  return {
    role: roleOf(role),
    texts: role === "user" ? textsOf(blocks) : [],
    results: blocks.flatMap((block) =>
      block.type === "tool_result" && typeof block.tool_use_id === "string"
        ? [{ id: block.tool_use_id, text: textsOf(block.content).join("") }]
        : [],
    ),
    calls: role === "assistant" ? idsOf(blocks.filter(({ type }) => type === "tool_use")) : [],
  };
}

function readOpenai({ role, content, tool_call_id, tool_calls }: Fields): Said {
  return {
    role: roleOf(role),
    texts: role === "user" ? textsOf(content) : [],
    results:
      role === "tool" && typeof tool_call_id === "string"
        ? [{ id: tool_call_id, text: textsOf(content).join("") }]
        : [],
    calls: role === "assistant" ? idsOf(listOf(tool_calls)) : [],
  };
}
