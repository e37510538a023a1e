/**
 * What went wrong in a model call, as one of a closed set of classes. Shared by both wire formats: it reads the shape
 * of an SDK's error (status, headers, body) and never its class, so it needs no SDK.
 *
 * 1. It only names the class; whether another attempt helps is the class's rule (errors/faults.ts).
 * 2. A quota that is used up looks like a rate limit to a client that reads only the status, and must not be taken for one.
 * 3. A message is short, one line, and never holds a credential: neither the one used nor anything that looks like one.
 */

import { faultMessageCharsMax, faultReadCharsMax } from "../../limits.ts";
import type { ModelFault, ModelFaultClass } from "./port.ts";

/** The provider's stream broke its own grammar, or ended in the middle. */
export class MalformedStream extends Error {
  override readonly name = "MalformedStream";
}

/** The request can't be made from what the context says; the provider would refuse it. */
export class UnsendableRequest extends Error {
  override readonly name = "UnsendableRequest";
}

/** The fault that an error thrown by a vendor's SDK, or by its stream, stands for. `secrets` are cut out of its message. */
export function faultOf(error: unknown, secrets: readonly string[], now: number = Date.now()): ModelFault {
  if (error instanceof UnsendableRequest) return fault("provider_rejected", error.message, secrets);
  if (error instanceof MalformedStream) return fault("network", error.message, secrets);
  const described = describe(error);
  const { status, message } = described;
  const waits = retryAfterMs(headersOf(error), now);
  const text = status === undefined ? message : `${status} ${message}`;
  return { ...fault(classOf(described), text, secrets), ...(waits !== undefined && { retryAfterMs: waits }) };
}

export const fault = (code: ModelFaultClass, message: string, secrets: readonly string[]): ModelFault => ({
  code,
  message: safeText(message, secrets),
});

function classOf({ status, type, detail, message, spoken }: Described): ModelFaultClass {
  if (status === 402 || quotaTypes.test(type) || quotaDetails.test(detail) || quotaPattern.test(message))
    return "provider_quota";
  if (status === 429 || rateTypes.test(type)) return "provider_rate_limited";
  if (status === undefined) {
    // An error event inside a stream has no status, but it is the provider's word and not the network's.
    const byWords = saysLength(type, message) ? "context_too_long" : byType(type);
    return byWords ?? (spoken ? "provider_unavailable" : "network");
  }
  if (status >= 500 || status in byStatus) return byStatus[status] ?? byType(type) ?? "provider_unavailable";
  // A body that no provider will take is refused for its length before anything is read.
  const isLength = status === 413 || (lengthStatuses.has(status) && saysLength(type, message));
  return isLength ? "context_too_long" : "provider_rejected";
}

const byStatus: Readonly<Record<number, ModelFaultClass>> = {
  401: "provider_auth",
  403: "provider_auth",
  408: "provider_timeout",
  409: "provider_unavailable",
  503: "provider_overloaded",
  504: "provider_timeout",
  529: "provider_overloaded",
};

function byType(type: string): ModelFaultClass | undefined {
  if (type === "overloaded_error") return "provider_overloaded";
  if (type === "timeout_error") return "provider_timeout";
  if (/^(authentication|permission)_/.test(type)) return "provider_auth";
  if (/^(api_error|server_error|internal_error)$/.test(type)) return "provider_unavailable";
  return /^(invalid|not_found|unsupported)_/.test(type) ? "provider_rejected" : undefined;
}

const quotaTypes = /^(insufficient_(quota|balance|credits)|billing_\w+)$/;
/** Anthropic says it with status 429 and the type of a rate limit, and gives what it is as a detail. */
const quotaDetails = /spend_limit_reached$|billing_unavailable$/;
/** … and this with status 400. */
const quotaPattern = /credit balance is too low|reached your specified api usage limits/i;
const rateTypes = /^(rate_limit_error|rate_limit_exceeded)$/;
const lengthStatuses = new Set([400, 413, 422]);
const lengthPattern =
  /context_length_exceeded|prompt is too long|maximum context length|exceeds? (the )?(model'?s |available |maximum )*context|context (length|window|limit)\b.*exceed|exceed(s|ed)? context (length|window|limit)|input (length )?is too long/i;

/** Of its beginning: the pattern takes as long as the square of a text, and whoever serves a tenant's models may send any. */
const saysLength = (type: string, message: string): boolean =>
  lengthPattern.test(`${type.slice(0, faultReadCharsMax)} ${message.slice(0, faultReadCharsMax)}`);

interface Described {
  readonly status: number | undefined;
  readonly type: string;
  /** What Anthropic adds to a type that stands for several things. */
  readonly detail: string;
  readonly message: string;
  /** The provider itself said it, in a body or an event. */
  readonly spoken: boolean;
}

/** Anthropic's error holds the whole body (`{type: "error", error: {…}}`), OpenAI's the inner object. */
function describe(error: unknown): Described {
  const outer = fields(error);
  const body = fields(outer.error);
  const inner = fields(body.error ?? outer.error);
  // Gateways put the status of the provider behind them into an error event's code.
  const status = [outer.status, inner.code].find((code) => typeof code === "number" && code >= 300 && code < 600) as
    | number
    | undefined;
  const own = typeof outer.message === "string" ? outer.message : String(error);
  const cause = fields(outer.cause).message;
  const message = textOf(inner.message) ?? (textOf(cause) ? `${own} ${cause}` : own);
  const type = textOf(inner.code) ?? textOf(inner.type) ?? textOf(outer.code) ?? textOf(outer.type) ?? "";
  const detail = textOf(fields(inner.details).error_code) ?? "";
  return { status, type, detail, message, spoken: typeof outer.error === "object" && outer.error !== null };
}

const fields = (value: unknown): Record<string, unknown> =>
  typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};

const textOf = (value: unknown): string | undefined => (typeof value === "string" && value !== "" ? value : undefined);

function headersOf(error: unknown): Headers | undefined {
  const { headers } = fields(error);
  return headers instanceof Headers ? headers : undefined;
}

/** Milliseconds that the provider asks to wait: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date. */
export function retryAfterMs(headers: Headers | undefined, now: number): number | undefined {
  const exact = numberOf(headers?.get("retry-after-ms"));
  if (exact !== undefined) return exact;
  const text = headers?.get("retry-after")?.trim();
  if (!text) return undefined;
  const seconds = numberOf(text);
  if (seconds !== undefined) return Math.ceil(seconds * 1000);
  const at = Date.parse(text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - now);
}

function numberOf(text: string | null | undefined): number | undefined {
  if (!text || !/^\s*\d+(\.\d+)?\s*$/.test(text)) return undefined;
  return Number(text);
}

/** One line of at most `faultMessageCharsMax` characters, without credentials. */
export function safeText(text: string, secrets: readonly string[]): string {
  let safe = text;
  // Vendors echo a wrong key, whole or masked, in their refusal.
  for (const secret of secrets) if (secret.length >= 4) safe = safe.replaceAll(secret, "[key]");
  safe = safe.replace(/\b(sk|pk|hdl|gsk|xai|key)[-_][\w*.-]{6,}/g, "[key]").replace(/\bBearer\s+\S+/gi, "Bearer [key]");
  safe = safe.replace(/[\s\u0000-\u001f\u007f]+/g, " ").trim();
  return safe.length > faultMessageCharsMax ? `${safe.slice(0, faultMessageCharsMax - 1)}…` : safe;
}
