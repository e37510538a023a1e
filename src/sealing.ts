/**
 * Secrets of tenants, sealed under a secret of the deployment: AES-256-GCM on WebCrypto.
 *
 * L1. What is sealed opens only for the very purpose that it was sealed for (`boundTo`, the associated data): moved to another
 *     tenant, name or address it does not.
 * L2. It names the secret that it was sealed under, by an id that tells nothing of it. So a deployment can change its secret:
 *     old ones still open, and seal nothing.
 */

export interface SealingSecrets {
  /** Seals and opens. */
  readonly HEDDLE_CREDENTIALS_KEY?: string;
  /** Earlier ones, separated by commas or white space: they only open. */
  readonly HEDDLE_CREDENTIALS_KEY_OLD?: string;
}

export interface Sealed {
  /** Nonce and ciphertext, in base64. */
  readonly sealed: string;
  /** The id of the secret. */
  readonly sealed_by: string;
}

const nonceBytes = 12;
const utf8 = new TextEncoder();

/** Seals `text` under the secret, which is long enough to be one. */
export async function seal(secret: string, text: string, boundTo: readonly string[]): Promise<Sealed> {
  const { key, id } = await keyOf(secret);
  const nonce = crypto.getRandomValues(new Uint8Array(nonceBytes));
  const cipher = await crypto.subtle.encrypt(parameters(nonce, boundTo), key, utf8.encode(text));
  return { sealed: toBase64(new Uint8Array([...nonce, ...new Uint8Array(cipher)])), sealed_by: id };
}

/** The text; undefined when none of the secrets sealed it, or not for this. */
export async function unseal(
  secrets: SealingSecrets,
  { sealed, sealed_by }: Sealed,
  boundTo: readonly string[],
): Promise<string | undefined> {
  for (const secret of secretsOf(secrets)) {
    const { key, id } = await keyOf(secret);
    if (id !== sealed_by) continue;
    const bytes = Uint8Array.from(atob(sealed), (c) => c.charCodeAt(0));
    const nonce = bytes.slice(0, nonceBytes);
    try {
      const text = await crypto.subtle.decrypt(parameters(nonce, boundTo), key, bytes.slice(nonceBytes));
      return new TextDecoder().decode(text);
    } catch {
      return undefined;
    }
  }
  return undefined;
}

/** Which secret that is, for whoever looks for what was sealed under another. */
export const secretId = async (secret: string): Promise<string> => (await keyOf(secret)).id;

const secretsOf = ({ HEDDLE_CREDENTIALS_KEY: current = "", HEDDLE_CREDENTIALS_KEY_OLD: old = "" }: SealingSecrets) =>
  [current, ...old.split(/[\s,]+/)].filter((secret) => secret !== "");

async function keyOf(secret: string): Promise<{ readonly key: CryptoKey; readonly id: string }> {
  const root = await crypto.subtle.importKey("raw", utf8.encode(secret), "HKDF", false, ["deriveKey", "deriveBits"]);
  const derived = (purpose: string) => ({
    ...{ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: utf8.encode(purpose) },
  });
  const [key, id] = await Promise.all([
    crypto.subtle.deriveKey(derived("heddle credentials 1"), root, { name: "AES-GCM", length: 256 }, false, [
      "encrypt",
      "decrypt",
    ]),
    crypto.subtle.deriveBits(derived("heddle credentials secret id 1"), root, 64),
  ]);
  return { key, id: Array.from(new Uint8Array(id), (byte) => byte.toString(16).padStart(2, "0")).join("") };
}

const parameters = (iv: Uint8Array<ArrayBuffer>, boundTo: readonly string[]) => ({
  name: "AES-GCM",
  iv,
  additionalData: utf8.encode(JSON.stringify(["heddle credential 1", ...boundTo])),
});

const toBase64 = (bytes: Uint8Array): string => btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
