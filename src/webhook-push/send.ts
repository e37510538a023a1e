/**
 * One attempt at a message to a webhook: a signed POST, and what its answer means.
 *
 * WP1. Nothing is sent to an address that may not be called, whatever was accepted once (`refusedAddress`), and no redirect is followed.
 * WP2. Every attempt at a message carries the same `webhook-id` and body; only time and signature differ.
 * WP3. Taken is what was answered with 2xx in time: the status says it, whatever becomes of the text behind it. Of that no more is
 *      read than tells a person what is wrong.
 */

import { retryAfterMs, safeText } from "../agent/models/faults.ts";
import { beginningOf } from "../body-text.ts";
import { refusedAddress, secretsIn } from "../contract/tool-address.ts";
import { webhookAnswerBytesMax, webhookAnswerMs } from "../limits.ts";
import type { WebhookMessage } from "../objects/seat-rpc.ts";
import { signedHeaders } from "../signing.ts";
import { unreachedText } from "../unreached.ts";
import { version } from "../version.ts";
import type { Outcome } from "../webhooks/delivery.ts";

export interface Sender {
  readonly tenant: string;
  /** The deployment's, of which the tenant's signing key is made. */
  readonly secret: string | undefined;
  /** On one's own machine. */
  readonly local: boolean;
}

export type Sent = Omit<Outcome, "seq">;

/** One attempt at a message. Never throws. */
export async function send(
  url: string,
  { id, body }: Pick<WebhookMessage, "id" | "body">,
  { tenant, secret, local }: Sender,
): Promise<Sent> {
  const at = Date.now();
  const missed = (why: string, status: number | null = null): Sent => ({
    attempt: { at, ms: Date.now() - at, status, why: safeText(why, secretsIn(url)) },
    taken: false,
  });
  const refused = refusedAddress(url, { local });
  if (refused !== undefined) return missed(refused);
  if (!secret) return missed("the deployment has no secret to sign with");
  const inTime = AbortSignal.timeout(webhookAnswerMs);
  try {
    const signed = await signedHeaders(secret, tenant, { id, atMs: at, body });
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": `heddle/${version}`, ...signed },
      body,
      redirect: "manual",
      signal: inTime,
    });
    const { status, headers } = response;
    if (status >= 200 && status < 300) {
      // Nobody waits for what follows: it may never end, and would have the message sent again.
      await response.body?.cancel().catch(() => undefined);
      return { attempt: { at, ms: Date.now() - at, status }, taken: true };
    }
    const text = await beginningOf(response, webhookAnswerBytesMax).catch(() => "");
    if (status >= 300 && status < 400) return missed(`it answered ${status}, and redirects are not followed`, status);
    const afterMs = retryAfterMs(headers, Date.now());
    return {
      ...missed(`it answered ${status}${text ? `: ${text}` : ""}`, status),
      ...(status === 410 && { gone: true as const }),
      ...(afterMs !== undefined && { afterMs }),
    };
  } catch (error) {
    return missed(inTime.aborted ? "it did not answer in time" : unreachedText(error));
  }
}
