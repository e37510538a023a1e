/** A line that a tool process writes: the result of a call, an error, or how far it is. */

import { errorCharsMax, retryAfterMsMax } from "../../limits.ts";
import { resultVerdict, type Verdict } from "../worker/verdict.ts";

export type Answer =
  | { readonly id: string; readonly verdict: Verdict; readonly retryAfterMs?: number }
  | { readonly id: string; readonly progress: { message?: string; fraction?: number } }
  | { readonly unreadable: string };

/** What the line says. `{"id", "result"}`, `{"id", "error": {code, message}, "retryable"?}` or `{"id", "progress"}` */
export function answerIn(line: string): Answer {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return { unreadable: "is not JSON" };
  }
  if (!isObject(value)) return { unreadable: "is no JSON object" };
  const { id, result, error, progress } = value;
  if (typeof id !== "string") return { unreadable: 'has no "id"' };
  if (isObject(error)) return { id, ...failure(error, value) };
  if (isObject(progress)) return { id, progress: progressOf(progress) };
  if (result !== undefined) return { id, verdict: resultVerdict(result, value.is_error === true) };
  return { unreadable: 'has neither "result", nor an object "error" or "progress"' };
}

/** The id in the beginning of a line that is too long to be read. */
export const idIn = (beginning: string): string | undefined => {
  const text = /"id"\s*:\s*("(?:[^"\\]|\\.){0,200}")/.exec(beginning)?.[1];
  try {
    return text === undefined ? undefined : (JSON.parse(text) as string);
  } catch {
    return undefined;
  }
};

function failure(error: Record<string, unknown>, line: Record<string, unknown>) {
  const code =
    typeof error.code === "string" && /^[a-z][a-z0-9_]{0,63}$/.test(error.code) ? error.code : "tool_process_error";
  const message = (typeof error.message === "string" ? error.message : JSON.stringify(error)).slice(0, errorCharsMax);
  const pause = line.retry_after_ms;
  const verdict: Verdict =
    line.retryable === true
      ? { ok: false, error: { code, message }, retryable: true }
      : resultVerdict({ error: { ...error, code, message } }, true);
  return {
    verdict,
    ...(typeof pause === "number" && pause >= 0 && { retryAfterMs: Math.min(pause, retryAfterMsMax) }),
  };
}

const progressOf = ({ message, fraction }: Record<string, unknown>) => ({
  ...(typeof message === "string" && { message }),
  ...(typeof fraction === "number" && { fraction }),
});

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
