/** A harness's final message as a task's result: text, or JSON where the task asks for it. Pure. */

import { type Mismatch, mismatches } from "../../../json-schema/check.ts";
import { unfenced } from "../../../json-schema/unfenced.ts";
import { TooMuchWork } from "../../../json-schema/work.ts";
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
  let wrong: readonly Mismatch[];
  try {
    wrong = mismatches(schema, value);
  } catch (error) {
    if (error instanceof TooMuchWork) return { ok: false, complaint: `${error.message}.` };
    // A schema that can't be used (a reference to nowhere, say) is no fault of the answer.
    return { ok: true, value };
  }
  if (wrong.length === 0) return { ok: true, value };
  const said = wrong.map(({ at, error }) => `${at}: ${error}`).join(" ");
  return { ok: false, complaint: said.slice(0, harnessComplaintCharsMax) };
}
