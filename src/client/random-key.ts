/** A text that nobody else has: for Idempotency-Keys, in browsers and Workers as in Node. */
export function randomKey(): string {
  // A page without https has no randomUUID, and Node 18 no crypto here at all: unlike is enough, secret it need not be.
  const { crypto } = globalThis as { crypto?: { getRandomValues(bytes: Uint8Array): Uint8Array } };
  const bytes = new Uint8Array(16);
  if (crypto) crypto.getRandomValues(bytes);
  else for (const i of bytes.keys()) bytes[i] = Math.random() * 256;
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
