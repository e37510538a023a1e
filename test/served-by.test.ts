/** The models where nobody names one: what the vendor's SDK says of them, and that their price is known. */

import { readFileSync } from "node:fs";
import Anthropic from "@anthropic-ai/sdk";
import { expect, it, vi } from "vitest";
import { Prices } from "../src/prices/prices.ts";
import { listPrices } from "../src/prices/table.ts";
import { defaultModel } from "../src/served-by.ts";

/** What the SDK warns of when it asks for the model. */
async function warningsOf(model: string): Promise<string> {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  const fetch = async () => Response.json({ content: [] });
  try {
    const client = new Anthropic({ apiKey: "x", baseURL: "http://127.0.0.1:9", fetch, maxRetries: 0 });
    await client.messages.create({ model, max_tokens: 1, messages: [{ role: "user", content: "x" }] });
    return warn.mock.calls.flat().join("\n");
  } finally {
    warn.mockRestore();
  }
}

it("Anthropic's does not come to its end of life, as far as the SDK knows", async () => {
  expect(await warningsOf("claude-sonnet-4-5"), "one that does is warned of").toMatch(/end-of-life/);
  expect(await warningsOf(defaultModel("anthropic"))).toBe("");
});

it("OpenAI's has no date of its shutdown, as far as the SDK knows", () => {
  const types = readFileSync("node_modules/openai/resources/shared.d.ts", "utf8");
  const dated = [...types.matchAll(/^ \* - ("[^:]*):\s[\s*]*Announced\s[\s*]*shutdown\s/gm)]
    .map(([, names]) => names!)
    .join();
  expect(dated, "one that has is found").toContain('"gpt-5"');
  expect(dated).not.toContain(`"${defaultModel("openai")}"`);
});

it.each(["anthropic", "openai"] as const)("%s: its price is listed", (format) => {
  expect(new Prices(listPrices).find(defaultModel(format))?.name).toBe(defaultModel(format));
});
