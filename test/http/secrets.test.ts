import { expect, test, vi } from "vitest";
import { sameSecret } from "../../src/http/secrets.ts";

test("secrets are the same where all of them is, and are compared as hashes alone", async () => {
  const secret = "hdl_0123456789";
  expect(await sameSecret(secret, secret)).toBe(true);
  for (const wrong of [
    "",
    "hdl_",
    "xdl_0123456789",
    "hdl_0123456788",
    `${secret} `,
    secret.toUpperCase(),
    secret.slice(1),
  ]) {
    const digest = vi.spyOn(crypto.subtle, "digest");
    expect(await sameSecret(wrong, secret), wrong).toBe(false);
    // Both, whole, whatever the first one shows: how long it takes says nothing of where they differ.
    expect(digest.mock.calls.map(([, data]) => new TextDecoder().decode(data as Uint8Array))).toEqual([wrong, secret]);
    digest.mockRestore();
  }
});
