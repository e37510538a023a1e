/** What a billing provider's answer to an event means, as Stripe documents its API's errors. */

import { retryAfterMs, safeText } from "../agent/models/faults.ts";

export type Answer =
  | { readonly kind: "taken" }
  /** It must not be sent again as it is. */
  | { readonly kind: "refused"; readonly why: string }
  /** It may be taken later. `isDoubtful`: it may have been taken. */
  | { readonly kind: "later"; readonly why: string; readonly isDoubtful: boolean; readonly afterMs?: number };

/** Nothing was looked at: the key is wrong or lacks a right, which no event is to blame for, or there were too many. */
const unheard: ReadonlySet<number> = new Set([401, 403, 429]);

/** `text`: of the body, cut; `secrets`: what must not stand in a log. */
export function meaningOf(
  { status, headers }: Pick<Response, "status" | "headers">,
  text: string,
  secrets: readonly string[],
): Answer {
  if (status >= 200 && status < 300) return { kind: "taken" };
  const { code, message } = errorIn(text);
  // Not always with its code.
  if (status === 400 && (code === "duplicate_meter_event" || /event already exists with identifier/i.test(message)))
    return { kind: "taken" };
  const why = safeText(`it answered ${status}${message === "" ? "" : `: ${message}`}`, secrets);
  // 409: the same identifier is being worked on, or a lock of theirs timed out.
  if (!(unheard.has(status) || status === 408 || status === 409 || status >= 500)) return { kind: "refused", why };
  const afterMs = retryAfterMs(headers, Date.now());
  return { kind: "later", why, isDoubtful: !unheard.has(status), ...(afterMs !== undefined && { afterMs }) };
}

function errorIn(text: string): { code: string; message: string } {
  try {
    const { error } = JSON.parse(text) as { error?: { code?: unknown; message?: unknown } };
    return { code: String(error?.code ?? ""), message: String(error?.message ?? "") };
  } catch {
    return { code: "", message: text };
  }
}
