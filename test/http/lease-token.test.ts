import { expect, test } from "vitest";
import { signLease, verifyLease } from "../../src/http/lease-token.ts";

const secret = "a secret of thirty-two characters";
const claim = { tenant: "ten_a", run: "run_0123456789abcdefghjk", taskNumber: 12, fence: 3 };

test("a lease proves what it was signed for", async () => {
  const token = await signLease(secret, claim);
  expect(token).toMatch(/^lse_[\w-]+\.[\w-]{43}$/);
  expect(token.length).toBeLessThan(160);
  expect(await verifyLease(secret, token)).toEqual(claim);
});

test("every other text is a lost lease", async () => {
  const token = await signLease(secret, claim);
  const [payload, signature] = token.slice(4).split(".") as [string, string];
  const forged = btoa(JSON.stringify(["ten_b", claim.run, 12, 3])).replace(/=+$/, "");
  const others = [
    "",
    "lse_",
    "lse_.",
    "hello",
    payload,
    token.slice(4),
    `${token}.`,
    `${token}x`,
    `lse_${forged}.${signature}`,
    `lse_${payload}.${signature.replace(/^./, (c) => (c === "A" ? "B" : "A"))}`,
    `lse_${payload}.`,
    `lse_.${signature}`,
    `lse_${payload}.ä`,
    `lse_${"a".repeat(10_000)}.${signature}`,
    await signLease(`${secret}!`, claim),
    await signLease(secret, { ...claim, run: "../other" }),
  ];
  for (const other of others)
    await expect(verifyLease(secret, other)).rejects.toMatchObject({ data: { code: "lease_lost" } });
});
