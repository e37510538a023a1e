import { expect, test } from "vitest";
import { parsePriceList } from "../../src/contract/price-list.ts";

test("a deployment's list adds models, with what is not said at the input's price", () => {
  const text =
    '{"my-model": {"input": 0.5, "output": 1.5, "cache_read": 0.05}, "gpt-5": {"input": 1, "output": 2, "as_of": "2026-11-01"}}';
  expect(parsePriceList(text)).toEqual({
    ok: true,
    prices: {
      "my-model": { input: 0.5, output: 1.5, cache_read: 0.05, as_of: "undated", source: "HEDDLE_PRICES" },
      "gpt-5": { input: 1, output: 2, as_of: "2026-11-01", source: "HEDDLE_PRICES" },
    },
  });
  for (const none of [undefined, "", "  ", "{}"]) expect(parsePriceList(none)).toEqual({ ok: true, prices: {} });
});

test.each([
  ["{", "no JSON"],
  ["[]", "expected record"],
  ['{"m": {"input": 1}}', "m.output: required"],
  ['{"m": {"input": -1, "output": 1}}', "m.input: Too small"],
  ['{"m": {"input": 0.0000002, "output": 0.000001}}', "m.input: 0, or at least 0.000001"],
  ['{"m": {"input": "1", "output": 1}}', "m.input: expected number"],
  ['{"m": {"input": 1, "output": 1, "cached": 1}}', "m.cached: unknown field"],
  ['{"m": {"input": 1, "output": 1, "as_of": "today"}}', "m.as_of"],
  ['{"m": {"input": 1e999, "output": 1}}', "m.input"],
  [JSON.stringify({ ["m".repeat(70_000)]: 1 }), "over 65536 characters"],
])("%.60s says what is wrong", (text, message) => {
  const parsed = parsePriceList(text);
  expect(parsed.ok ? "accepted" : parsed.message).toContain(message);
});
