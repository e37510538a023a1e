/** A harness's final message as a task's result: text, or JSON where the task asks for it. Pure. */

import { Validator } from "@cfworker/json-schema";
import { harnessComplaintCharsMax } from "../../../limits.ts";
import { resultOf } from "../result.ts";

export type Answer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly complaint: string };

export function answerOf(text: string, schema: Readonly<Record<string, unknown>> | undefined): Answer {
  if (schema === undefined) return { ok: true, value: resultOf(text) };
  let value: unknown;
  try {
    value = JSON.parse(unfenced(text));
  } catch (error) {
    return { ok: false, complaint: `it is not JSON (${(error as Error).message}).` };
  }
  let outcome: ReturnType<Validator["validate"]>;
  try {
    outcome = new Validator(schema as object, "2020-12", false).validate(value);
  } catch {
    // A schema that can't be used (a reference to nowhere, say) is no fault of the answer.
    return { ok: true, value };
  }
  const { valid, errors } = outcome;
  if (valid) return { ok: true, value };
  const said = errors.map(({ instanceLocation, error }) => `${instanceLocation}: ${error}`).join(" ");
  return { ok: false, complaint: said.slice(0, harnessComplaintCharsMax) };
}

/** Models like to put JSON into a fenced block. */
const unfenced = (text: string): string => /^\s*```(?:json)?\s*\n([\s\S]*?)\n\s*```\s*$/.exec(text)?.[1] ?? text;
