/** For receivers of webhooks, and endpoints of tools: whether a request comes from Heddle, by its signature (Standard Webhooks). */

import { webhookToleranceMs } from "../limits.ts";

/** A request that Heddle did not sign with this secret, or signed too long ago. */
export class WebhookRefused extends Error {
  override readonly name = "WebhookRefused";
}

/** The headers of a request, as `fetch` or Node have them. */
export type ReceivedHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

/** How a request is checked. */
export interface VerifyOptions {
  /** How old a signature may be, and how far ahead of this machine's clock; default: five minutes. */
  readonly toleranceMs?: number;
}

/** The parsed body of a request that Heddle has signed. */
export interface Verified<Body> {
  /** The same in every attempt: what was done for it once need not be done again. */
  readonly id: string;
  readonly body: Body;
}

/**
 * What Heddle sent: checks the signature over `body`, the text as it came, before it is parsed.
 * `secret`: as `heddle.signingSecret()` tells it; several while one takes the other's place. @throws WebhookRefused
 */
export async function verifyWebhook<Body = unknown>(
  request: { readonly headers: ReceivedHeaders; readonly body: string },
  secret: string | readonly string[],
  { toleranceMs = webhookToleranceMs }: VerifyOptions = {},
): Promise<Verified<Body>> {
  const [id, timestamp, signatures] = ["webhook-id", "webhook-timestamp", "webhook-signature"].map((name) =>
    headerOf(request.headers, name),
  );
  if (!id || !timestamp || !signatures) throw new WebhookRefused("It has no signature of a webhook.");
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(Date.now() - Number(timestamp) * 1000) > toleranceMs)
    throw new WebhookRefused("It was not signed just now, by this machine's clock.");
  const text = Uint8Array.from(new TextEncoder().encode(`${id}.${timestamp}.${request.body}`));
  const given = signatures.split(" ").flatMap((one) => (one.startsWith("v1,") ? (bytesOf(one.slice(3)) ?? []) : []));
  for (const key of typeof secret === "string" ? [secret] : secret)
    if (await isSigned(text, given, key)) return { id, body: JSON.parse(request.body) as Body };
  throw new WebhookRefused("Its signature is not of this secret.");
}

function headerOf(headers: ReceivedHeaders, name: string): string | undefined {
  if (headers instanceof Headers) return headers.get(name) ?? undefined;
  const value = (headers as Readonly<Record<string, string | readonly string[] | undefined>>)[name];
  return typeof value === "string" ? value : value?.[0];
}

/** The comparison is WebCrypto's, whose time tells nothing. */
async function isSigned(
  text: Uint8Array<ArrayBuffer>,
  given: readonly Uint8Array<ArrayBuffer>[],
  secret: string,
): Promise<boolean> {
  const raw = bytesOf(secret.replace(/^whsec_/, ""));
  if (!raw) throw new TypeError("The secret is not whsec_ and base64: heddle.signingSecret() tells it.");
  if (typeof crypto === "undefined")
    throw new TypeError("This runtime has no WebCrypto (in Node it came with version 20).");
  const key = await crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  for (const signature of given) if (await crypto.subtle.verify("HMAC", key, signature, text)) return true;
  return false;
}

function bytesOf(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
  } catch {
    return undefined;
  }
}
