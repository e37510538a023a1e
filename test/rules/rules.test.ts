/** Rules in Markdown: what is understood, what is refused and how, and that docs/rules.md says the same. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { ruleCharsMax, rulesCharsMax, rulesErrorsMax, rulesMax } from "../../src/limits.ts";
import { distance } from "../../src/nearest.ts";
import { compileRules } from "../../src/rules/parse.ts";
import { sentenceOf } from "../../src/rules/print.ts";
import type { Rule } from "../../src/rules/rule.ts";
import { withTables } from "../../src/rules/rules-page.ts";
import { actionForms, conditionForms, limitForms } from "../../src/rules/table.ts";
import { rule } from "./rules-of.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/rules.md"), "utf8");
const example = /```md\n(.*?)```/s.exec(page)![1]!;

function rulesOf(text: string): Rule[] {
  const compiled = compileRules(text);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  return compiled.rules.map((placed) => placed.rule);
}

/** Of one bullet. */
const only = (text: string) => rulesOf(`- ${text}`);

function errorsOf(text: string) {
  const compiled = compileRules(text);
  return compiled.ok ? [] : compiled.errors;
}

describe("a file of rules", () => {
  it("[P2] of the documents is understood, with the line of each rule", () => {
    const compiled = compileRules(example);
    expect(compiled).toMatchObject({ ok: true, notes: [] });
    if (!compiled.ok) return;
    expect(compiled.rules.map(({ line, rule }) => `${line} ${sentenceOf(rule)}`)).toEqual([
      "4 at most 8 workers",
      "5 at most 500 tasks",
      "5 at most depth 4",
      "5 at most 50 children per task",
      '6 at most 2 workers for label "browser"',
      "7 budget 2,000,000 tokens",
      "7 budget 5 dollars",
      "8 budget 60,000 tokens per task",
      '9 use model "claude-haiku-4-5" for priority below 3',
      "10 when tokens used > 80%: at most 2 workers",
      "11 when provider errors > 10% over 1 minute: halve workers",
      "12 when queue wait p95 > 30 s over 1 minute: double workers up to 32",
      '13 when worker load > 90% over 1 minute: at most 1 worker for pool "laptop"',
      "14 when tokens used > 95%: pause",
    ]);
  });

  it("[M1] finds every bullet, of all marks and depths, and nothing else", () => {
    const text = [
      "# at most 1 worker",
      "* at most 8 workers",
      "  + at most 500 tasks",
      "        - at most depth 4",
      "",
      "---",
      "- - -",
      "***",
      "> - at most 1 worker",
      "Setext",
      "-----",
      "1. a numbered item",
      "```sh",
      "- code, and no rule",
      "```",
      "~~~~",
      "~~~",
      "- code",
      "~~~~~",
      "<!-- a comment -->",
      "<!--",
      "- commented out",
      "-->",
      "-\tpause all the same, when it is no rule",
    ].join("\r\n");
    expect(errorsOf(text).map(({ line }) => line)).toEqual([24]);
    expect(rulesOf(text.split("\r\n").slice(0, -1).join("\n")).map(sentenceOf)).toEqual([
      "at most 8 workers",
      "at most 500 tasks",
      "at most depth 4",
    ]);
  });

  it("[M1] takes ends of lines that are none in Markdown as characters, and loses no bullet to them", () => {
    expect(only("at most 8\u2028workers").map(sentenceOf)).toEqual(["at most 8 workers"]);
    expect(errorsOf("\n- at most 8 workers\u2028- budget 5 tokens")).toMatchObject([{ line: 2 }]);
    expect(rulesOf("~~~ a\u2029b\n- no rule\n~~~\n- budget 5 tokens").map(sentenceOf)).toEqual(["budget 5 tokens"]);
  });

  it("[M2] has bullets that go on over indented lines, and no further", () => {
    expect(only("when tokens used > 95%:\n  pause").map(sentenceOf)).toEqual(["when tokens used > 95%: pause"]);
    expect(only("at most 8 workers\nbecause it is small").map(sentenceOf)).toEqual(["at most 8 workers"]);
    expect(only("at most 8 workers\n\n  because it is small").map(sentenceOf)).toEqual(["at most 8 workers"]);
    expect(errorsOf("- at most 8 workers\n  because it is small")).toEqual([
      {
        line: 1,
        message: 'after "at most 8 workers" comes the end, "for label" or "for pool", and not "because"',
      },
    ]);
  });

  it.each([
    ["```\n- at most 8 workers", "this code is never closed: end it with ```"],
    ["~~~~\n~~~", "this code is never closed: end it with ~~~~"],
    ["<!-- x\n- at most 8 workers", "this comment is never closed: end it with -->"],
  ])("[M3] is refused where nothing closes what was begun: %j", (text, message) => {
    expect(errorsOf(`\n${text}`)).toEqual([{ line: 2, message }]);
  });

  it("[P3] is told all its errors at once, each with its line, and gives no rules then", () => {
    const errors = errorsOf("- at most 8 workers\n- at most 8 wrkers\n\n- budget 5\n");
    expect(errors.map(({ line }) => line)).toEqual([2, 4]);
  });

  it("[P1] has bounds", () => {
    const many = errorsOf("- no rule\n".repeat(1000));
    expect(many).toHaveLength(rulesErrorsMax);
    expect(many.at(-1)!.message).toContain("and more");
    expect(errorsOf("- at most 8 workers\n".repeat(rulesMax))).toEqual([]);
    expect(errorsOf("- at most 8 workers\n".repeat(rulesMax + 1))).toMatchObject([{ line: rulesMax + 1 }]);
    expect(errorsOf("x".repeat(rulesCharsMax))).toEqual([]);
    expect(errorsOf("x".repeat(rulesCharsMax + 1))).toMatchObject([{ line: 1 }]);
    expect(errorsOf(`- at most 8 ${"x".repeat(ruleCharsMax)}`)[0]!.message).toContain("prose is no bullet");
  });

  it("is empty when it has no bullets", () => {
    expect(rulesOf("")).toEqual([]);
    expect(rulesOf("# Nothing\nto say\n")).toEqual([]);
  });
});

describe("a bullet", () => {
  test.each([
    ["AT MOST 8 Workers.", "at most 8 workers"],
    ["**at most** 1 worker", "at most 1 worker"],
    ["at most 1_000 workers", "at most 1,000 workers"],
    ["at most 1'000 workers", "at most 1,000 workers"],
    ["at most 1.5k tasks", "at most 1,500 tasks"],
    ["budget 2.3 million tokens", "budget 2,300,000 tokens"],
    ["budget 2M tokens and $0.50", "budget 2,000,000 tokens; budget 0.5 dollars"],
    ["budget 1 usd", "budget 1 dollar"],
    ["at most 0 children", "at most 0 children per task"],
    ["at most 2 workers for label “a b”", 'at most 2 workers for label "a b"'],
    ["at most 2 workers for label `b-1`", 'at most 2 workers for label "b-1"'],
    ['at most 2 workers for label "say \\"a\\""', 'at most 2 workers for label "say \\"a\\""'],
    ['at most 2 workers for label "a, b", 3 workers', 'at most 2 workers for label "a, b"; at most 3 workers'],
    ['use model "M" for priority above 7', 'use model "M" for priority above 7'],
    ["when tokens used ≥ 12.5 percent then pause", "when tokens used >= 12.5%: pause"],
    ["when tokens used at least 1M: pause", "when tokens used >= 1,000,000: pause"],
    ["when money used above $4: halve workers", "when money used > 4 dollars: halve workers"],
    ["when queue wait p95 < 500ms over 1 h: halve workers", "when queue wait p95 < 500 ms over 1 hour: halve workers"],
    ["when provider errors more than 5% over 90 s: pause", "when provider errors > 5% over 90 s: pause"],
  ])("%j is understood as %j", (text, sentences) => {
    expect(only(text).map(sentenceOf).join("; ")).toBe(sentences);
  });

  test.each([
    [
      "at most 8 wrkers",
      'after "at most 8" comes "workers", "tasks" or "children", and not "wrkers"',
      "at most 8 workers",
    ],
    ["max 8 workers", undefined, "at most 8 workers"],
    ["no more than 8 agents", undefined, "at most 8 workers"],
    ["budget of 2M tokens", undefined, "budget 2,000,000 tokens"],
    ["budgte 5 dollras", undefined, "budget 5 dollars"],
    [
      "at most 2 workers for label browser",
      'the label stands in quotes: "browser"',
      'at most 2 workers for label "browser"',
    ],
    ["whne tokens used > 80%: pause", undefined, "when tokens used > 80%: pause"],
    ["when tokens > 80%: stop", 'after "when tokens" comes "used", and not ">"', "when tokens used > 80%: pause"],
    ["when tokens used over 80%: pause", undefined, "when tokens used > 80%: pause"],
    ["when tokens used > 80% pause", undefined, "when tokens used > 80%: pause"],
    [
      "when provider errors > 10% every 1 minute: half workers",
      undefined,
      "when provider errors > 10% over 1 minute: halve workers",
    ],
    ["if the error rate > 10%: halve workers", undefined, "when provider errors > 10% over 1 minute: halve workers"],
    [
      "be nice",
      'a rule begins with "when", "at most", "budget", "use model", "no finding" or "finding", and not "be"',
      undefined,
    ],
    [
      "finding starvatoin after 2 minutes",
      '"starvatoin" is no finding that a rule can be about (docs/findings.md)',
      "finding starvation after 2 minutes",
    ],
    ["no finding stragler, race", undefined, "no finding straggler, no finding race"],
    ["ignore finding race", undefined, "no finding race"],
    ["finding race after 3 s", 'race has no threshold: say "no finding race", or nothing', undefined],
    ["finding retry storm after 5 s", 'retry_storm can be set with "above N%" or "from N"', undefined],
    ["finding straggler after 3", 'after "finding straggler after" comes a time, as 30 s, and not "3"', undefined],
    ["no finding deadlock", '"deadlock" is no finding that a rule can be about (docs/findings.md)', undefined],
    ["at most", 'after "at most" comes a whole number or "depth", and it ends', undefined],
    ["at most 5000 workers", '"at most … workers" takes 1 at least, 1,000 at most, and not 5,000', undefined],
    ["at most 0 workers", '"at most … workers" takes 1 at least, 1,000 at most, and not 0', undefined],
    ["at most 1.5 workers", "1.5 is no whole number", undefined],
    ["at most 1,5 workers", '"1,5" is no number: write 2,000,000 or 1.5', undefined],
    ["budget 60.000 tokens per task", "60.000 is no whole number: a comma parts thousands, as in 60,000", undefined],
    ["at most 1.000 tasks", "1.000 is no whole number: a comma parts thousands, as in 1,000", undefined],
    ["at most 1.000.000 tasks", '"1.000.000" is no number: write 2,000,000 or 1.5', undefined],
    ["at most -3 workers", 'after "at most" comes a whole number or "depth", and not "-"', undefined],
    [`budget ${"9".repeat(400)} tokens`, `"${"9".repeat(400)}" is no number: write 2,000,000 or 1.5`, undefined],
    ["budget 0 dollars", '"budget …" takes more than nothing, 1,000,000 dollars at most, and not 0 dollars', undefined],
    ["budget: 5 dollars", undefined, "budget 5 dollars"],
    ["when tokens usd > 80%: pause", undefined, "when tokens used > 80%: pause"],
    ["budget 5 euros", '"euros": money is in dollars', undefined],
    ['at most 1 worker for pool "My Laptop"', "a pool's name is [a-z][a-z0-9_-]{0,63}", undefined],
    ['at most 1 worker for label ""', "a name has 1 to 129 characters", undefined],
    ['use model "m" for priority below 12', "priorities are 0 to 9, and not 12", undefined],
    ["when tokens used > 180%: pause", "180% is more than everything: a part is at most 100%", undefined],
    [
      "when tokens used > 80%",
      'after the condition comes ":" and what is done, as in "when tokens used > 80%: at most 2 workers"',
      undefined,
    ],
    [
      "when tokens used > 80%:",
      'after ":" comes "at most", "halve workers", "double workers" or "pause", and it ends',
      undefined,
    ],
    [
      "when tokens used > 80% over 1 minute: pause",
      'after "when tokens used > 80 %" comes the end, and not "over"',
      undefined,
    ],
    ["when run time > 31 days: pause", "a time is between 1 ms and 30 days, and not 31 days", undefined],
    ["when queue wait p95 > 2 h: pause", "a time is between 1 ms and 1 hour, and not 2 h", undefined],
    ["when worker load > 9% over 5 ms: pause", "a condition is looked at over 1 s at least", undefined],
    [
      "when tokens used > 80%: at most 1 worker, pause",
      "a condition has one action: write a bullet with the condition for each",
      undefined,
    ],
    ["at most 8 workers, when tokens used > 80%: pause", "a condition is a bullet of its own", undefined],
    ["", "this bullet is empty: say a rule, or take it away", undefined],
    ["**", "this bullet says nothing", undefined],
    ['at most 2 workers for label "a', undefined, undefined],
    ["[ ] at most 8 workers", undefined, undefined],
    ["at most 8 workers\0", undefined, undefined],
  ])("%j is refused", (text, message, suggestion) => {
    const [error, ...more] = errorsOf(`- ${text}`);
    expect(more).toEqual([]);
    expect(error!.suggestion).toBe(suggestion);
    const shown = error!.message.replace(/\. Did you mean: .*$/, "");
    if (message !== undefined) expect(shown).toBe(message);
    expect(error!.message.endsWith(`. Did you mean: ${suggestion}`)).toBe(suggestion !== undefined);
    if (suggestion !== undefined) expect(only(suggestion).map(sentenceOf).join(", ")).toBe(suggestion);
  });
});

describe("a note", () => {
  it("says that a limit stands there twice, and that a rule has no bullet", () => {
    expect(
      compileRules("- at most 8 workers\n- at most 9 workers\n\n1. at most 10 workers\nor at most many\n"),
    ).toMatchObject({
      notes: [
        { line: 2, message: "line 1 is about the same: the stricter holds" },
        { line: 4, message: 'this is a comment, since it has no bullet: write "- at most 10 workers" if it is a rule' },
      ],
    });
  });

  it.each(["•", "• ", "– ", "-", "--", "+", "\u200b- ", "1) "])(
    "says so of %j, which is no bullet in Markdown",
    (mark) => {
      const message = 'this is a comment, since it has no bullet: write "- at most 8 workers" if it is a rule';
      expect(compileRules(`${mark}at most 8 workers`)).toEqual({ ok: true, rules: [], notes: [{ line: 1, message }] });
      expect(compileRules(`${mark}prose`)).toEqual({ ok: true, rules: [], notes: [] });
    },
  );

  it("says that a part of a budget needs one", () => {
    const missing = compileRules("- when tokens used > 80%: pause\n- when money used > 4 dollars: pause");
    expect(missing).toMatchObject({
      notes: [{ line: 1, message: expect.stringContaining("no rule here gives a budget") }],
    });
    expect(compileRules("- when tokens used > 80%: pause\n- budget 5 tokens")).toMatchObject({ notes: [] });
  });
});

describe("what is understood", () => {
  it("[P4] is printed as sentences that give the same rules again", () => {
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 20 }), (rules) => {
        expect(rulesOf(rules.map((one) => `- ${sentenceOf(one)}`).join("\n"))).toEqual(rules);
      }),
    );
  });

  it("is what the table's own examples say", () => {
    for (const { example: text } of limitForms) expect(only(text).map(sentenceOf)).toEqual([text]);
    for (const { example: text, pattern } of conditionForms) {
      const over = pattern.includes("[over") && !text.includes("over") ? " over 1 minute" : "";
      expect(only(`when ${text}: pause`).map(sentenceOf)).toEqual([`when ${text}${over}: pause`]);
    }
    for (const { example: text } of actionForms)
      expect(only(`when tokens used > 1: ${text}`).map(sentenceOf)).toEqual([`when tokens used > 1: ${text}`]);
  });

  it("stands in docs/rules.md (npm run docs:rules writes it)", () => {
    expect(withTables(page)).toBe(page);
    expect(page).toContain("### Conditions");
  });
});

describe("[P1] whatever the text,", () => {
  const words = example.split(/\s+/).filter((word) => word !== "");
  const soup = fc
    .array(fc.oneof(fc.constantFrom(...words, "\n- ", "\n", " ", "```", "<!--", "-->", ">", '"', ","), fc.string()), {
      maxLength: 60,
    })
    .map((parts) => parts.join(" "));
  const edited = fc
    .tuple(fc.nat(example.length), fc.nat(6), fc.string({ maxLength: 6 }))
    .map(([at, gone, put]) => example.slice(0, at) + put + example.slice(at + gone));

  it("it ends, throws nothing and says something of bounded size", () => {
    fc.assert(
      fc.property(fc.oneof(soup, edited, fc.string({ unit: "binary", maxLength: 400 })), (text) => {
        const compiled = compileRules(text);
        if (compiled.ok) {
          expect(compiled.rules.length).toBeLessThanOrEqual(rulesMax);
          const again = rulesOf(compiled.rules.map((one) => `- ${sentenceOf(one.rule)}`).join("\n"));
          expect(again).toEqual(compiled.rules.map((one) => one.rule));
          return;
        }
        const lines = text.split(/\r\n|\r|\n/).length;
        expect(compiled.errors.length).toBeGreaterThan(0);
        expect(compiled.errors.length).toBeLessThanOrEqual(rulesErrorsMax);
        for (const { line, message, suggestion } of compiled.errors) {
          expect(line).toBeGreaterThanOrEqual(1);
          expect(line).toBeLessThanOrEqual(lines);
          expect(message.length).toBeLessThan(4 * ruleCharsMax);
          if (suggestion !== undefined) only(suggestion);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("it takes no longer than its length", () => {
    for (const text of [
      "- at most 8 wrkers ".repeat(3000),
      `- ${"a ".repeat(249)}\n`.repeat(120),
      `- ${'"'.repeat(490)}\n`.repeat(130),
    ])
      expect(errorsOf(text.slice(0, rulesCharsMax)).length).toBeGreaterThan(0);
  });
});

test.each([
  ["", "", 0],
  ["workers", "workers", 0],
  ["wrkers", "workers", 1],
  ["wokrers", "workers", 1],
  ["kitten", "sitting", 3],
  ["", "abc", 3],
])("from %j to %j it is %d letters", (a, b, letters) => {
  expect(distance(a, b)).toBe(letters);
  expect(distance(b, a)).toBe(letters);
});
