/** Patterns say what the runtime's engine says, in a bounded number of steps. */

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Pattern } from "../../src/json-schema/pattern.ts";
import { UnboundPattern } from "../../src/json-schema/pattern-program.ts";
import { TooMuchWork, Work } from "../../src/json-schema/work.ts";

const work = (steps = 1_000_000) => new Work(steps);
const says = (source: string, text: string, steps?: number) => new Pattern(source, work(steps)).test(text, work(steps));

/** Regular expressions of few letters, so that texts of the same letters match now and then. */
const { source: sources } = fc.letrec<{ source: string; all: string; part: string; atom: string }>((tie) => ({
  atom: fc.constantFrom(
    ...[
      "a",
      "b",
      "c",
      ".",
      "\\w",
      "\\d",
      "[ab]",
      "[^a]",
      "[\\]a-]",
      "\\u0061",
      "\\u{1F600}",
      "\\uD83D\\uDE00",
      "😀",
      "\\x62",
    ],
    ...["^", "$", "\\b", "\\B", "\\.", "\\p{L}", "[\\p{Lu}a]", "\\s", "\\/"],
  ),
  part: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("atom"),
    fc
      .tuple(
        fc.oneof(
          fc.constantFrom("a", "[ab]", ".", "😀"),
          tie("source").map((inner) => `(?:${inner})`),
          tie("source").map((inner) => `(${inner})`),
        ),
        fc.constantFrom("*", "+", "?", "{2}", "{1,}", "{0,2}", "{1,3}", "{0}"),
        fc.constantFrom("", "?"),
      )
      .map((parts) => parts.join("")),
    fc.tuple(fc.constantFrom("?=", "?!", "?<=", "?<!"), tie("source")).map(([look, inner]) => `(${look}${inner})`),
  ),
  all: fc.array(tie("part"), { maxLength: 4 }).map((parts) => parts.join("")),
  source: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("all"),
    fc.array(tie("all"), { minLength: 2, maxLength: 3 }).map((parts) => parts.join("|")),
  ),
}));

const texts = fc
  .array(fc.constantFrom("a", "b", "c", "1", " ", ".", "😀", "\ud83d", "\n", "A"), { maxLength: 8 })
  .map((parts) => parts.join(""));

describe("a pattern", () => {
  it("says what the runtime's engine says", () => {
    fc.assert(
      fc.property(sources, fc.array(texts, { minLength: 1, maxLength: 6 }), (inner, several) => {
        for (const text of several) {
          // That engine begins in the middle of a character, too, which the language's standard does not.
          const source = /[\ud800-\udfff]/.test(text) ? `^(?:${inner})` : inner;
          expect([source, text, says(source, text)]).toEqual([source, text, new RegExp(source, "u").test(text)]);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ["^(a+)+$", `${"a".repeat(60)}!`],
    ["^(?:[a-z0-9]+-?)*[a-z0-9]+$", `${"a".repeat(60)}!`],
    ["(x+x+)+y", "x".repeat(5000)],
    ["^(?=(a+)+$)", `${"a".repeat(20)}!`],
    ["\\s+$", `${" ".repeat(100_000)}x`],
    ["a*b", "a".repeat(100_000)],
    [".*.*.*=.*", "x".repeat(10_000)],
  ])("like %s, which takes that engine too long, does not match soon", (source, text) => {
    expect(says(source, text, 10_000_000)).toBe(false);
  });

  it.each(["^.{1,9000}?$", "^(?:[a-z]){1,9000}$", "^([a-z])*?$", "^(?:(?:(?:\\w)))+$"])(
    "like %s, of one character, is one step however often",
    (source) => {
      expect(says(source, "x".repeat(8000))).toBe(true);
      expect(says(source, `${"x".repeat(8000)}\n`)).toBe(false);
    },
  );

  it("that leaves too many ways to try says so, before they fill the memory", () => {
    expect(says("^(?:ab?)*$", "a".repeat(200_000), 10_000_000)).toBe(true);
    expect(() => says("^(?:ab?)*$", "a".repeat(1_000_000), 100_000_000)).toThrow(TooMuchWork);
  });

  it("that would take too long all the same says so", () => {
    expect(() => says("^(?=(?:a|a)+$)", `${"a".repeat(60)}!`)).toThrow(TooMuchWork);
    expect(() => says("(?:a{1,500}c?){1,30}b", "a".repeat(1_000_000))).toThrow(TooMuchWork);
  });

  it.each(["(a)\\1", "(?<n>a)\\k<n>", "((((a{99}){99}){99}){99})b"])(
    "like %s can't be bounded, and is refused",
    (source) => {
      expect(() => new Pattern(source, work())).toThrow(UnboundPattern);
    },
  );

  it("that is none is refused as the runtime refuses it", () => {
    for (const source of ["(", "[", "a**", "\\u{110000}", "{1}", "(?<=a)*"])
      expect(() => new Pattern(source, work())).toThrow(SyntaxError);
  });
});
