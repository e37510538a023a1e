/** Asks the server as it is, problems and all: one attempt, in short time. */

import { doctorAttemptMs } from "../../limits.ts";
import type { Seen } from "./check.ts";

/** Never throws: no answer is an observation too. */
export async function look(url: string, path: string, key?: string): Promise<Seen> {
  const beganAt = Date.now();
  try {
    const response = await fetch(`${url.replace(/\/+$/, "")}${path}`, {
      headers: { accept: "application/json", ...(key !== undefined && { authorization: `Bearer ${key}` }) },
      signal: AbortSignal.timeout(doctorAttemptMs),
    });
    const text = await response.text();
    return { status: response.status, body: parsed(text), tookMs: Date.now() - beganAt };
  } catch (error) {
    return { away: reasonOf(error) };
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** `fetch failed` alone helps nobody: the reason is in its cause. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === "TimeoutError") return `no answer within ${doctorAttemptMs / 1000} s`;
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause;
  return inner instanceof Error ? reasonOf(inner) : error.message || error.name;
}
