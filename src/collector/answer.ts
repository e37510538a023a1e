/** What a collector's answer means, by OTLP's own rules (OTLP/HTTP response, failures, partial success, throttling). */

import { retryAfterMs, safeText } from "../agent/models/faults.ts";

export type Answer =
  | { readonly kind: "taken"; readonly rejected: number; readonly why?: string }
  /** The same request may be taken later. */
  | { readonly kind: "later"; readonly why: string; readonly afterMs?: number }
  /** It must not be sent again. */
  | { readonly kind: "refused"; readonly why: string };

const retryable: ReadonlySet<number> = new Set([429, 502, 503, 504]);

/** `text`: of the body, cut; `secrets`: what must not stand in a log, whoever echoes it. */
export function meaningOf(
  { status, headers }: Pick<Response, "status" | "headers">,
  text: string,
  secrets: readonly string[],
): Answer {
  if (status >= 200 && status < 300) return taken(text, secrets);
  const why = safeText(`it answered ${status}${text === "" ? "" : `: ${text}`}`, secrets);
  if (!retryable.has(status)) return { kind: "refused", why };
  const afterMs = retryAfterMs(headers, Date.now());
  return { kind: "later", why, ...(afterMs !== undefined && { afterMs }) };
}

/** An answer that can't be read says nothing against the request. */
function taken(text: string, secrets: readonly string[]): Answer {
  let rejected = 0;
  let message: unknown;
  try {
    const { partialSuccess } = JSON.parse(text) as {
      partialSuccess?: { rejectedSpans?: unknown; errorMessage?: unknown };
    };
    // A 64-bit number, which JSON has as a text.
    rejected = Number(partialSuccess?.rejectedSpans ?? 0);
    message = partialSuccess?.errorMessage;
  } catch {
    return { kind: "taken", rejected: 0 };
  }
  if (!Number.isSafeInteger(rejected) || rejected <= 0) return { kind: "taken", rejected: 0 };
  const why = typeof message === "string" && message !== "" ? message : "it did not say why";
  return { kind: "taken", rejected, why: safeText(`it rejected a part: ${why}`, secrets) };
}
