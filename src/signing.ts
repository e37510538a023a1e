/** HMAC-SHA-256 on WebCrypto: keys of the deployment's secret, and the signatures of calls that Heddle makes (Standard Webhooks). */

const utf8 = new TextEncoder();

/** A key for HMAC-SHA-256 that is good for `purpose` only. */
export async function deriveKey(secret: string, purpose: string): Promise<CryptoKey> {
  const root = await hmacKey(utf8.encode(secret));
  return hmacKey(await crypto.subtle.sign("HMAC", root, utf8.encode(purpose)));
}

const hmacKey = (raw: BufferSource): Promise<CryptoKey> =>
  crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);

export const hmac = async (key: CryptoKey, text: string): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8.encode(text)));

export const hmacMatches = (key: CryptoKey, signature: Uint8Array<ArrayBuffer>, text: string): Promise<boolean> =>
  crypto.subtle.verify("HMAC", key, signature, utf8.encode(text));

const toolsPurpose = "heddle tool calls 1";

/** The tenant's signing key, of 32 bytes; whoever knows it can tell Heddle's calls from others, and make them. */
const toolsKey = async (secret: string, tenant: string): Promise<Uint8Array<ArrayBuffer>> =>
  hmac(await deriveKey(secret, toolsPurpose), tenant);

/** The signing key as the tenant is shown it, and as libraries for Standard Webhooks take it. */
export const toolsSecret = async (secret: string, tenant: string): Promise<string> =>
  `whsec_${base64(await toolsKey(secret, tenant))}`;

/** The headers that a signed request carries; `id` is the same for each attempt of a call. */
export async function signedHeaders(
  secret: string,
  tenant: string,
  { id, atMs, body }: { readonly id: string; readonly atMs: number; readonly body: string },
): Promise<Record<string, string>> {
  const timestamp = Math.floor(atMs / 1000);
  const key = await hmacKey(await toolsKey(secret, tenant));
  const signature = base64(await hmac(key, `${id}.${timestamp}.${body}`));
  return { "webhook-id": id, "webhook-timestamp": String(timestamp), "webhook-signature": `v1,${signature}` };
}

const base64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
