/**
 * Texts that prove by themselves what they say: a prefix + a JSON array + an HMAC over that, under a key for their purpose alone. Whoever
 * has one can read it, and nobody but the deployment can have written it.
 */

import { signedTokenCharsMax } from "../limits.ts";
import { deriveKey, hmac, hmacMatches } from "../signing.ts";
import { fromBase64url, toBase64url } from "./base64url.ts";

export interface TokenKind {
  readonly prefix: string;
  readonly purpose: string;
}

export async function signToken(
  secret: string,
  { prefix, purpose }: TokenKind,
  claim: readonly unknown[],
): Promise<string> {
  const payload = toBase64url(new TextEncoder().encode(JSON.stringify(claim)));
  const signature = await hmac(await deriveKey(secret, purpose), payload);
  return `${prefix}${payload}.${toBase64url(signature)}`;
}

/** What the token was signed for; undefined for whatever this deployment has not signed as one of this kind. */
export async function readToken<Claim extends readonly unknown[]>(
  secret: string,
  { prefix, purpose }: TokenKind,
  token: string,
): Promise<Claim | undefined> {
  if (!token.startsWith(prefix) || token.length > signedTokenCharsMax) return undefined;
  const [payload = "", signatureText = "", ...more] = token.slice(prefix.length).split(".");
  const signature = fromBase64url(signatureText);
  const claim = fromBase64url(payload);
  if (!signature || !claim || more.length > 0) return undefined;
  if (!(await hmacMatches(await deriveKey(secret, purpose), signature, payload))) return undefined;
  return JSON.parse(new TextDecoder().decode(claim)) as Claim;
}
