import fc from "fast-check";
import { expect, test } from "vitest";
import { jsonErrorAt, placeText } from "../../src/context/json-position.ts";

test.each([
  ['{"a": a}', 6],
  ['{"a" 1}', 5],
  ['{"a":1,}', 7],
  ["[1,]", 3],
  ["[1 2]", 3],
  ["{} x", 3],
  ['{"a":"\u0001"}', 6],
  ['{"a":"\\q"}', 6],
  ['{"a":"\\u12g4"}', 6],
  ["[01]", 2],
  ["[1.]", 2],
  ["[+1]", 1],
  ["", 0],
  ['{"a":', 5],
  ['{"a":"b', 7],
  ["{'a':1}", 1],
  ["}", 0],
])("%s stops being JSON at %i", (text, at) => {
  expect(jsonErrorAt(text)).toBe(at);
});

test("the place is where the parser itself says it is, whenever it says so", () => {
  let compared = 0;
  fc.assert(
    fc.property(
      fc.json(),
      fc.nat(),
      fc.constantFrom("", "x", '"', ",", "]", "}", "{", ":", "\\", "1"),
      (json, n, put) => {
        const cut = n % (json.length + 1);
        const text = json.slice(0, cut) + put + json.slice(cut + 1);
        try {
          JSON.parse(text);
        } catch (error) {
          const said = / at position (\d+)/.exec((error as Error).message)?.[1];
          if (said === undefined) return;
          compared++;
          // Within a string the parser names the escape's letter, we the backslash; within a number the digit that is missing.
          expect(Math.abs(jsonErrorAt(text) - Number(said))).toBeLessThanOrEqual(5);
        }
      },
    ),
    { seed: 7, numRuns: 2000 },
  );
  expect(compared).toBeGreaterThan(100);
});

test("depth and length cost neither stack nor patience", () => {
  const deep = "[".repeat(2_000_000);
  expect(jsonErrorAt(deep)).toBe(deep.length);
  const long = `{"a":"${"é\\n".repeat(500_000)}" x`;
  expect(jsonErrorAt(long)).toBe(long.length - 1);
});

test("a place is told in lines and columns", () => {
  expect(placeText('{\n  "a": x\n}', 9)).toBe("line 2, column 8 (position 9)");
});
