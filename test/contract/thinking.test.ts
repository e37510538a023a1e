/** Thinking that leaves no room for an answer is refused where it is certain that the vendor refuses it, and nowhere else. */

import { expect, test } from "vitest";
import { thinkingFits } from "../../src/contract/thinking.ts";

const thinking = { type: "enabled", budget_tokens: 4000 };

test.each([
  [false, "anthropic", { max_tokens: 4000, thinking }],
  [false, "anthropic", { max_tokens: 1, thinking, betas: ["context-1m"] }],
  [true, "anthropic", { max_tokens: 4001, thinking }],
  [true, "anthropic", { thinking }],
  [true, "anthropic", { max_tokens: 4000, thinking, betas: [7, "interleaved-thinking-2025-05-14"] }],
  [true, "anthropic", { max_tokens: 4000, thinking: { type: "adaptive" } }],
  [true, "anthropic", { max_tokens: 4000, thinking: null }],
  [true, "openai", { max_tokens: 4000, thinking }],
  [true, "anthropic", undefined],
])("%s: %s with %j", (fits, format, params) => {
  expect(thinkingFits({ format, ...(params && { params }) })).toBe(fits);
});
