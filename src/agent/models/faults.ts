/**
 * What went wrong in a model call, as one of a closed set of task errors. Shared by both wire formats: it reads the shape
 * of an SDK's error (status, headers, body) and never its class, so it needs no SDK.
 *
 * 1. Transient is what the same request may survive: rate limits, overload, 5xx, timeouts, connections, cut streams.
 * 2. Everything else that the provider refuses is permanent. A refusal for length has a code of its own.
 * 3. A message is short, one line, and never holds a credential: neither the one used nor anything that looks like one.
 */

import { faultMessageCharsMax } from "../../limits.ts";
import type { ModelFault } from "./port.ts";

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
  const { status, type, message, spoken } = describe(error);
  const waits = retryAfterMs(headersOf(error), now);
  const text = status === undefined ? message : `${status} ${message}`;
  const wait = waits === undefined ? {} : { retryAfterMs: waits };
  if (status === 429 || type === "rate_limit_error" || type === "rate_limit_exceeded") {
    return { ...fault("provider_rate_limited", text, secrets), ...wait };
  }
  if (status === undefined ? unavailableTypes.test(type) : status >= 500 || waitStatuses.has(status)) {
    return { ...fault("provider_unavailable", text, secrets), ...wait };
  }
  // A body that no provider will take is refused for its length before anything is read.
  const refusedForLength =
    (status === undefined || lengthStatuses.has(status)) && lengthPattern.test(`${type} ${message}`);
  if (status === 413 || refusedForLength) return fault("context_too_long", text, secrets);
  if (status !== undefined || rejectedTypes.test(type)) return fault("provider_rejected", text, secrets);
  // An error event inside a stream has no status, but it is the provider's word and not the network's.
  return fault(spoken ? "provider_unavailable" : "network", text, secrets);
}

type FaultCode =
  | "provider_rate_limited"
  | "provider_unavailable"
  | "provider_rejected"
  | "context_too_long"
  | "network";

const transient: Record<FaultCode, boolean> = {
  provider_rate_limited: true,
  provider_unavailable: true,
  network: true,
  provider_rejected: false,
  context_too_long: false,
};

export function fault(code: FaultCode, message: string, secrets: readonly string[]): ModelFault {
  return { code, message: safeText(message, secrets), transient: transient[code] };
}

const waitStatuses = new Set([408, 409]);
const lengthStatuses = new Set([400, 413, 422]);
const unavailableTypes = /^(overloaded_error|api_error|server_error|timeout_error|internal_error)$/;
const rejectedTypes = /^(invalid|authentication|permission|not_found|billing|insufficient|unsupported)_/;
const lengthPattern =
  /context_length_exceeded|prompt is too long|maximum context length|exceeds? (the )?(model'?s |available |maximum )*context|context (length|window|limit)\b.*exceed|exceed(s|ed)? context (length|window|limit)|input (length )?is too long/i;

interface Described {
  readonly status: number | undefined;
  readonly type: string;
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
  return { status, type, message, spoken: typeof outer.error === "object" && outer.error !== null };
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
