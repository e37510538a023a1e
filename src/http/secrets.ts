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

/** @throws Fault not_ready while the deployment has no proper secret */
export function deploymentSecret(env: HttpEnv): string {
  const secret = env.HEDDLE_SECRET ?? "";
  if (secret.length < secretCharsMin) throw new Fault("not_ready", secretMissing);
  return secret;
}

export const secretMissing = `the secret HEDDLE_SECRET (at least ${secretCharsMin} characters)`;
