/** A final text as the result that its task's schema asks for: read as any JSON from outside is. */

import { describe, expect, it } from "vitest";
import { jsonDepthMax } from "../src/limits.ts";
import { readOutput } from "../src/output-schema.ts";

const lists = (depth: number) => `${"[".repeat(depth)}${"]".repeat(depth)}`;

describe("a final text", () => {
  it.each([
    ["{}", '```json\n{"n": 4}\n```', { n: 4 }],
    ['{"type":"number"}', " 1e308 ", 1e308],
    ['{"type":"array"}', lists(jsonDepthMax), JSON.parse(lists(jsonDepthMax))],
  ])("under %s is read", (schema, text, value) => {
    expect(readOutput(schema, text)).toEqual({ ok: true, value });
  });

  it.each([
    ["four", /^The text is not JSON/],
    // It would be stored, and shown, as null.
    ["1e999", /^The JSON has a number beyond/],
    ['{"n": [-1e400]}', /^The JSON has a number beyond/],
    // Nothing that prints or carries it recursively may run out of stack: the seat's call to the run did, attempt after attempt.
    [lists(jsonDepthMax + 1), /^The JSON nests deeper than 64 levels/],
    [lists(100_000), /^The JSON nests deeper than 64 levels/],
  ])("like %.20s is told what is wrong with it", (text, violation) => {
    expect(readOutput("{}", text)).toEqual({ ok: false, violation: expect.stringMatching(violation) });
  });
});
