import { createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { signedHeaders, toolsSecret } from "../src/signing.ts";

const deployment = "5e".repeat(32);
const call = { id: "run_x_7", atMs: 1_700_000_000_999, body: '{"tool":"shell"}' };

test("a signature is what Standard Webhooks says, by the key that the tenant is shown", async () => {
  const secret = await toolsSecret(deployment, "ten_a");
  expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const expected = createHmac("sha256", key).update(`run_x_7.1700000000.${call.body}`).digest("base64");
  expect(await signedHeaders(deployment, "ten_a", call)).toEqual({
    "webhook-id": "run_x_7",
    "webhook-timestamp": "1700000000",
    "webhook-signature": `v1,${expected}`,
  });
});

test("a key is the tenant's and the deployment's own, and the same each time", async () => {
  const secrets = [
    await toolsSecret(deployment, "ten_a"),
    await toolsSecret(deployment, "ten_b"),
    await toolsSecret("6f".repeat(32), "ten_a"),
  ];
  expect(new Set(secrets).size).toBe(3);
  expect(await toolsSecret(deployment, "ten_a")).toBe(secrets[0]);
});
