/** Contexts as texts: what was sent, what is stored, and what a fork must look like (DESIGN §5). */

import { expect } from "vitest";
import { openCalls, toolCalls } from "../../../src/context/calls.ts";
import { findForkText } from "../../../src/context/fork-text.ts";
import { rawAt, rawElements } from "../../../src/context/json-text.ts";
import { checkMessages } from "../../../src/context/message-rules.ts";
import type { Format } from "../../../src/context/types.ts";
import type { LocalServer } from "./server.ts";

/** A message as no JSON printer of Heddle's would write it: spaces, an escaped é. What comes back must be the same bytes. */
export const oddly = (message: unknown): string => JSON.stringify(message, null, 1).replaceAll("é", "\\u00e9");

export interface RawContext {
  format: Format;
  messages: string[];
  text: string;
}

/**
 * A task's transcript, its messages as the bytes that came. It keeps the vendor's rules; a last reply whose calls nobody will
 * answer (`finish` is one) was no part of a request.
 */
export async function contextOf(server: LocalServer, run: string, task: string): Promise<RawContext> {
  const { status, text, json } = await server.call("GET", `/v1/runs/${run}/tasks/${task}/context`);
  expect(status).toBe(200);
  const context = { format: json.format as Format, messages: rawElements(rawAt(text, ["messages"]) ?? "[]"), text };
  const open = openCalls(context.format, context.messages.slice(-1)).length > 0;
  const requested = open ? json.messages.slice(0, -1) : json.messages;
  expect(checkMessages(context.format, requested)).toEqual([]);
  return context;
}

const otherCall = "carried out by the parent; not your work";

interface ForkExpected {
  /** The texts before the reply. */
  base: readonly string[];
  /** The reply's text. */
  reply: string;
  /** The call that made the child. */
  call: string;
  task: string;
  instructions: string;
}

/** Asserts that the context goes on from base and reply as the fork that returns twice; answers what follows the fork. */
export function expectFork(context: RawContext, { base, reply, call, task, instructions }: ForkExpected): string[] {
  const { format, messages } = context;
  expect(messages.slice(0, base.length)).toEqual(base);
  expect(messages[base.length]).toBe(reply);
  const calls = toolCalls(format, reply).map(({ id }) => id);
  const others = calls.filter((id) => id !== call);
  const after = messages.slice(base.length + 1);
  const results = format === "anthropic" ? anthropicResults(after[0]!) : after.slice(0, calls.length).map(openaiResult);
  // Every call is answered once, the others in their order with the fixed text, the own one last.
  expect(results.map(({ id }) => id)).toEqual([...others, call]);
  expect(results.slice(0, -1).map(({ text }) => text)).toEqual(others.map(() => otherCall));
  const own = results.at(-1)!.text;
  expect(own.startsWith(`you are task ${task}, forked; do: `)).toBe(true);
  expect(findForkText(own)).toEqual({ taskId: task, instructions });
  return after.slice(format === "anthropic" ? 1 : calls.length);
}

interface Result {
  id: string;
  text: string;
}

function anthropicResults(text: string): Result[] {
  const { role, content } = JSON.parse(text) as {
    role: string;
    content: { type: string; tool_use_id: string; content: string }[];
  };
  expect(role).toBe("user");
  for (const block of content) expect(block.type).toBe("tool_result");
  return content.map(({ tool_use_id, content: own }) => ({ id: tool_use_id, text: own }));
}

function openaiResult(text: string): Result {
  const { role, tool_call_id, content } = JSON.parse(text) as { role: string; tool_call_id: string; content: string };
  expect(role).toBe("tool");
  return { id: tool_call_id, text: content };
}
