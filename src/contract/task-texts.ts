/** Puts the received texts of messages in the place of their parsed values: messages are never printed again (DESIGN §8). */

import type * as z from "zod";
import { rawAt, rawElements } from "../context/json-text.ts";
import type { MessageText } from "../context/types.ts";
import type { TaskSpec, taskSpecSchema } from "./task-spec.ts";

export type ParsedTaskSpec = z.infer<typeof taskSpecSchema>;

/** One validated task, with `text` the JSON text that it was parsed from. */
export function taskWithTexts(parsed: ParsedTaskSpec, text: string): TaskSpec {
  const { context, ...rest } = parsed;
  if (context === undefined || typeof context === "string")
    return { ...rest, ...(context !== undefined && { context }) };
  return { ...rest, context: { messages: messageTexts(text, "context") } };
}

/** A validated batch, with `text` the JSON text of the object whose field `tasks` holds it. Linear in the text, which most need not be gone through for. */
export function tasksWithTexts(parsed: readonly ParsedTaskSpec[], text: string): TaskSpec[] {
  if (!parsed.some(({ context }) => Array.isArray(context))) return parsed.map((task) => taskWithTexts(task, ""));
  const texts = rawElements(rawAt(text, ["tasks"])!);
  return parsed.map((task, i) => taskWithTexts(task, texts[i]!));
}

/** The messages of the array in `field` of the object `text`, byte for byte. */
export const messageTexts = (text: string, field: string): MessageText[] => rawElements(rawAt(text, [field])!);
