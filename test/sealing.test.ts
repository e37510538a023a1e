import { expect, test } from "vitest";
import { seal, secretId, unseal } from "../src/sealing.ts";

const first = "the first secret, of 32 characters";
const place = ["ten_a", "main", "anthropic", ""];

test("[L1] what is sealed opens for what it was sealed for, and for nothing else", async () => {
  const sealed = await seal(first, "sk-very-secret", place);
  expect(await unseal({ HEDDLE_CREDENTIALS_KEY: first }, sealed, place)).toBe("sk-very-secret");
  for (let i = 0; i < place.length; i++) {
    const elsewhere = place.with(i, "other");
    expect(await unseal({ HEDDLE_CREDENTIALS_KEY: first }, sealed, elsewhere)).toBeUndefined();
  }
  // Parts that run together are other parts.
  expect(await unseal({ HEDDLE_CREDENTIALS_KEY: first }, sealed, ["ten_am", "ain", "anthropic", ""])).toBeUndefined();
  expect(JSON.stringify(sealed)).not.toContain("sk-very");
});

test("what was changed does not open, and the same text is never sealed alike", async () => {
  const one = await seal(first, "sk", place);
  const two = await seal(first, "sk", place);
  expect(one.sealed).not.toBe(two.sealed);
  const bytes = Buffer.from(one.sealed, "base64");
  for (let i = 0; i < bytes.length; i++) {
    const changed = Buffer.from(bytes);
    changed[i]! ^= 1;
    const text = await unseal({ HEDDLE_CREDENTIALS_KEY: first }, { ...one, sealed: changed.toString("base64") }, place);
    expect(text).toBeUndefined();
  }
});

test("[L2] earlier secrets open and don't seal", async () => {
  const [older, old, present] = ["a", "b", "c"].map((letter) => letter.repeat(32)) as [string, string, string];
  const sealed = await seal(old, "sk-old", place);
  expect(await unseal({ HEDDLE_CREDENTIALS_KEY: present }, sealed, place)).toBeUndefined();
  const secrets = { HEDDLE_CREDENTIALS_KEY: present, HEDDLE_CREDENTIALS_KEY_OLD: `${older},\n${old}` };
  expect(await unseal(secrets, sealed, place)).toBe("sk-old");
  expect(await secretId(old)).toBe(sealed.sealed_by);
  expect(await secretId(present)).not.toBe(sealed.sealed_by);
});
