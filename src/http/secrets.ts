/** Hashes and comparisons of secrets, on WebCrypto. */

import { Fault } from "../errors/fault.ts";
import { secretCharsMin } from "../limits.ts";
import type { HttpEnv } from "./env.ts";

const utf8 = new TextEncoder();

export const sha256 = async (data: string | Uint8Array<ArrayBuffer>): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.digest("SHA-256", typeof data === "string" ? utf8.encode(data) : data));

export const hex = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** Whether two secrets are equal, in a time that tells nothing about where they differ. */
export async function sameSecret(given: string, expected: string): Promise<boolean> {
  const [a, b] = await Promise.all([sha256(given), sha256(expected)]);
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}

/** A key for HMAC-SHA-256 that is good for `purpose` only. */
export async function deriveKey(secret: string, purpose: string): Promise<CryptoKey> {
  const root = await hmacKey(utf8.encode(secret));
  return hmacKey(await crypto.subtle.sign("HMAC", root, utf8.encode(purpose)));
}

const hmacKey = (raw: BufferSource): Promise<CryptoKey> =>
  crypto.subtle.importKey("raw", raw, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);

export const hmac = async (key: CryptoKey, text: string): Promise<Uint8Array> =>
  new Uint8Array(await crypto.subtle.sign("HMAC", key, utf8.encode(text)));

export const hmacMatches = (key: CryptoKey, signature: Uint8Array<ArrayBuffer>, text: string): Promise<boolean> =>
  crypto.subtle.verify("HMAC", key, signature, utf8.encode(text));

/** @throws Fault not_ready while the deployment has no proper secret */
export function deploymentSecret(env: HttpEnv): string {
  const secret = env.HEDDLE_SECRET ?? "";
  if (secret.length < secretCharsMin) throw new Fault("not_ready", secretMissing);
  return secret;
}

export const secretMissing = `the secret HEDDLE_SECRET (at least ${secretCharsMin} characters)`;
