/**
 * The checksum of a run's file (context/line-digest.ts), for every platform: Node's where it is, for its speed, else that of
 * the web, which is async. Node's is asked for under a name that bundlers for browsers and Workers don't see.
 */

/** `line` is without its line break; "" comes before the first. */
export type LineDigest = (before: string, line: string) => string | Promise<string>;

interface NodeCrypto {
  createHash(name: string): { update(text: string, encoding: "utf8"): { digest(encoding: "hex"): string } };
}

const text = (before: string, line: string) => `${before}\n${line}\n`;

/** What this platform has. */
export async function lineDigest(): Promise<LineDigest> {
  const name = "node:crypto";
  try {
    const { createHash } = (await import(/* @vite-ignore */ name)) as NodeCrypto;
    return (before, line) => createHash("sha256").update(text(before, line), "utf8").digest("hex");
  } catch {
    return webDigest;
  }
}

/** The web's. */
export const webDigest: LineDigest = async (before, line) => {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text(before, line)));
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
};
