/** `output_schema`: is a result what was asked for, and what to tell the model when it is not. */

import { unfitJson } from "./contract/json-bounds.ts";
import { type Mismatch, mismatches } from "./json-schema/check.ts";
import { unfenced } from "./json-schema/unfenced.ts";

/** What is wrong with a result, for a model to read; undefined when it matches. The schema is JSON text. */
export function schemaViolation(schemaText: string, value: unknown): string | undefined {
  let wrong: readonly Mismatch[];
  try {
    wrong = mismatches(JSON.parse(schemaText), value);
  } catch (error) {
    // A schema that can't be used (a reference to nowhere, say) is the caller's to mend, and no reason to lose the attempt.
    return `The output schema can't be used: ${error instanceof Error ? error.message : String(error)}`;
  }
  return wrong.length === 0 ? undefined : wrong.map(({ at, error }) => `${at}: ${error}`).join("\n");
}

/** A final text as what the schema asks for, or what is wrong with it. */
export function readOutput(
  schemaText: string,
  text: string,
): { ok: true; value: unknown } | { ok: false; violation: string } {
  const parsed = parseJsonText(text);
  const violation = parsed.ok ? schemaViolation(schemaText, parsed.value) : parsed.message;
  return parsed.ok && violation === undefined
    ? { ok: true, value: parsed.value }
    : { ok: false, violation: violation ?? "" };
}

function parseJsonText(text: string): { ok: true; value: unknown } | { ok: false; message: string } {
  let value: unknown;
  try {
    value = JSON.parse(unfenced(text));
  } catch (error) {
    return { ok: false, message: `The text is not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
  // As any JSON that comes from outside.
  const unfit = unfitJson(value);
  return unfit === undefined ? { ok: true, value } : { ok: false, message: `The JSON ${unfit}.` };
}

const repairOpening = "Your result was not accepted: it does not match the output schema.";

export const repairText = (violation: string): string =>
  `${repairOpening}\n${violation}\nAnswer again with nothing but JSON that matches the schema.`;

/** How often the model was told so in this transcript: it is told so often as the rule of `output_invalid` says. */
export const repairsIn = (messages: readonly string[]): number =>
  messages.reduce((count, message) => count + (message.includes(repairOpening) ? 1 : 0), 0);
