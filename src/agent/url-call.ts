/**
 * One attempt of a call whose tool has a url: a signed POST, and what its answer means. Made in a seat, where waiting is free.
 *
 * U1. Nothing is sent to an address that may not be called, whatever was accepted once (`refusedAddress`), and no redirect is
 *     followed.
 * U2. Every attempt of a call carries the same `webhook-id` and body; only time and signature differ.
 * U3. Busy is who may serve the same request later: 408, 425, 429, 5xx. That, a connection that fails and no answer in time are
 *     tried again, as the rules of their classes have it (errors/faults.ts).
 * U4. An answer over its bound is not read on. What an endpoint says of an error is shown cut, on one line, without what the address's
 *     query holds: it goes into the caller's context, to a model that has not been given the address.
 */

import { unfitJson } from "../contract/json-bounds.ts";
import { refusedAddress, secretsIn } from "../contract/tool-address.ts";
import { fitsUtf8 } from "../contract/utf8.ts";
import type { FaultWith } from "../errors/faults.ts";
import { resultBytesMax, urlAnswerBytesMax, urlAttemptMsMax, urlGraceMs } from "../limits.ts";
import type { RunSchedulerRpc } from "../objects/rpc.ts";
import type { NextTask, SeatReply, SeatRpc, UrlCall, UrlOutcome } from "../objects/seat-rpc.ts";
import { signedHeaders } from "../signing.ts";
import { unreachedText } from "../unreached.ts";
import type { CredentialSecrets } from "./credentials.ts";
import { keepLease } from "./lease.ts";
import { retryAfterMs, safeText } from "./models/faults.ts";

export interface UrlCallPorts {
  readonly scheduler: () => RunSchedulerRpc & SeatRpc;
  readonly tenant: string;
  /** The deployment's, of which the tenant's signing key is made. */
  readonly secret: string | undefined;
  /** Opens the keys of MCP servers. */
  readonly secrets: CredentialSecrets;
  /** On one's own machine. */
  readonly local: boolean;
  readonly next: () => NextTask | undefined;
}

/** Makes the call and reports it; answers what the scheduler said (the next work, if any). */
export async function carryOutUrlCall(work: UrlCall, ports: UrlCallPorts): Promise<SeatReply> {
  const { taskNumber, fence, call } = work;
  const lease = { taskNumber, fence, call };
  const { lost, stop } = keepLease(ports.scheduler, lease);
  try {
    const outcome = await attempt(work, ports, lost);
    return await ports.scheduler().endUrlCall(lease, outcome, ports.next());
  } finally {
    stop();
  }
}

const failed = (fault: EndpointFault, code: string, message: string, secrets: readonly string[] = []) =>
  ({ kind: "error", fault, error: { code, message: safeText(message, secrets) } }) as const;

type EndpointFault = FaultWith<{ readonly at: "tool"; readonly ownCode: true }>;

const refused = (code: string, message: string, secrets?: readonly string[]): UrlOutcome =>
  failed("endpoint_refused", code, message, secrets);

async function attempt(work: UrlCall, ports: UrlCallPorts, lost: AbortSignal): Promise<UrlOutcome> {
  const { url, payload, idempotencyKey, timeoutAt, mcp } = work;
  const why = refusedAddress(url, ports);
  if (why !== undefined) return refused("address_refused", why);
  const atMs = Date.now();
  const timeoutMs = Math.max(1, Math.min(urlAttemptMsMax, timeoutAt - atMs + urlGraceMs));
  if (mcp) {
    // Loaded with the first such call: it brings the protocol's client along.
    const { attemptMcp } = await import("./mcp-call.ts");
    return attemptMcp({ ...work, mcp }, { ...ports, timeoutMs, signal: lost });
  }
  if (!ports.secret) return refused("not_ready", "the deployment has no secret to sign with");
  const signed = await signedHeaders(ports.secret, ports.tenant, { id: idempotencyKey, atMs, body: payload });
  const inTime = AbortSignal.timeout(timeoutMs);
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", accept: "application/json", "user-agent": "heddle", ...signed },
      body: payload,
      redirect: "manual",
      signal: AbortSignal.any([lost, inTime]),
    });
    return meaningOf(response, await readCapped(response), secretsIn(url));
  } catch (error) {
    const message = inTime.aborted ? "it did not answer in time" : unreachedText(error);
    return failed("endpoint_unreachable", "network", message, secretsIn(url));
  }
}

/** The body's text; undefined when it is over the bound. */
async function readCapped(response: Response): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = response.body?.getReader();
  for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
    bytes += part.value.byteLength;
    if (bytes > urlAnswerBytesMax) {
      await reader?.cancel();
      return undefined;
    }
    chunks.push(part.value);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

const busyStatuses = new Set([408, 425, 429]);

/** What an endpoint's answer means; exported for its table of cases. `secrets` are not told, though it repeats them. */
export function meaningOf(
  { status, headers }: Pick<Response, "status" | "headers">,
  text: string | undefined,
  secrets: readonly string[] = [],
): UrlOutcome {
  if (status >= 200 && status < 300) return resultIn(text);
  if (status >= 300 && status < 400)
    return refused("http_status", `it answered ${status}, and redirects are not followed`);
  const message = `it answered ${status}${text ? `: ${text}` : ""}`;
  if (!(status >= 500 || busyStatuses.has(status))) return refused("http_status", message, secrets);
  const wait = retryAfterMs(headers, Date.now());
  return {
    ...failed("endpoint_busy", "http_status", message, secrets),
    ...(wait !== undefined && { retryAfterMs: wait }),
  };
}

function resultIn(text: string | undefined): UrlOutcome {
  if (text === undefined) return refused("bad_answer", `its answer is over ${urlAnswerBytesMax} bytes`);
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    return refused("bad_answer", 'its answer is not JSON; expected {"result": …}');
  }
  if (typeof answer !== "object" || answer === null || !("result" in answer))
    return refused("bad_answer", 'its answer has no result; expected {"result": …, "is_error"?: boolean}');
  const { result, is_error: isError = false } = answer as { result: unknown; is_error?: unknown };
  if (typeof isError !== "boolean") return refused("bad_answer", "is_error in its answer is no boolean");
  const unfit = unfitResult(result);
  return unfit === undefined ? { kind: "result", result, isError } : refused("bad_answer", unfit);
}

/** Why no task can be given this result; undefined: it can. */
export function unfitResult(result: unknown): string | undefined {
  const unfit = unfitJson(result);
  if (unfit !== undefined) return `its result ${unfit}`;
  return fitsUtf8(JSON.stringify(result), resultBytesMax) ? undefined : `its result is over ${resultBytesMax} bytes`;
}
