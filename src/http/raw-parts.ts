/** The parts of a body that are passed on as the text received (DESIGN §8). */

import type * as z from "zod";
import { rawAt, rawElements, rawMembers } from "../context/json-text.ts";
import type { contextSchema } from "../contract/run-requests.ts";
import type { ContextInput } from "../contract/shapes.ts";
import type { callToolBody } from "../contract/task-requests.ts";
import { messageTexts } from "../contract/task-texts.ts";
import type { ToolCallInput } from "../objects/rpc.ts";

/** A run's context; `text` is the JSON text that `parsed` came from. Default: an empty one in Anthropic's format. */
export function contextInput(
  parsed: z.output<typeof contextSchema> | undefined,
  text: string | undefined,
): ContextInput {
  if (!parsed || text === undefined) return { format: "anthropic", messages: [] };
  const raw = new Map(rawMembers(text).map(({ key, value }) => [key, value]));
  const part = (name: "system" | "tools" | "params") => {
    const value = raw.get(name);
    return value === undefined ? {} : { [name]: value };
  };
  return {
    format: parsed.format,
    ...(parsed.model !== undefined && { model: parsed.model }),
    ...part("system"),
    ...part("tools"),
    ...part("params"),
    messages: rawElements(raw.get("messages") ?? "[]"),
  };
}

/** A tool call's envelope; the arguments as the object's text, or as the text that OpenAI's format wraps in a string. */
export function toolCallInput(tool: string, body: z.output<typeof callToolBody>, text: string): ToolCallInput {
  const given = body.arguments;
  const args = given === undefined ? "{}" : typeof given === "string" ? given : rawAt(text, ["arguments"])!;
  return {
    tool,
    arguments: args,
    ...(body.call_id !== undefined && { callId: body.call_id }),
    ...(body.snapshot !== undefined && { snapshot: body.snapshot }),
    ...(body.messages && { messages: messageTexts(text, "messages") }),
    waitMs: body.wait_ms,
    ...(body.actor !== undefined && { actor: body.actor }),
  };
}
