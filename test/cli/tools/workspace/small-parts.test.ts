/** The pure parts of the workspace tools: globs, words of a command line, lines, edits, output. */

import { describe, expect, it } from "vitest";
import { type Allowance, programOf } from "../../../../src/cli/tools/workspace/allowance.ts";
import { edited } from "../../../../src/cli/tools/workspace/edit.ts";
import { globOf } from "../../../../src/cli/tools/workspace/glob.ts";
import { partOf } from "../../../../src/cli/tools/workspace/lines.ts";
import { Output } from "../../../../src/cli/tools/workspace/output.ts";
import { Refusal } from "../../../../src/cli/tools/workspace/refusal.ts";
import { wordsOf } from "../../../../src/cli/tools/workspace/words.ts";
import { commandHeadBytes, commandTailBytes, inlineResultBytesMax } from "../../../../src/limits.ts";

const codeOf = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
};

describe("a glob", () => {
  it.each([
    ["*.ts", ["a.ts", "src/a.ts"], ["a.tsx", "a.ts/b"]],
    ["src/*.ts", ["src/a.ts"], ["a.ts", "src/b/a.ts"]],
    ["src/**/*.ts", ["src/a.ts", "src/b/c/a.ts"], ["lib/src/a.ts"]],
    ["**/test/**", ["test/a", "a/test/b/c"], ["test", "atest/b"]],
    ["/src/?.ts", ["src/a.ts"], ["src/ab.ts"]],
    ["**/*.{js,ts}", ["a.js", "b/c.ts"], ["a.jsx"]],
    ["{a,{b,c}}/x", ["a/x", "b/x", "c/x"], ["d/x"]],
    ["pages/[id].tsx", ["pages/[id].tsx"], ["pages/i.tsx"]],
    ["a*b*c", ["abc", "a-b-b-c"], ["ab"]],
    ["é?", ["é💡"], []],
  ])("%s", (glob, matching, others) => {
    const matches = globOf(glob);
    for (const path of matching) expect([path, matches(path)]).toEqual([path, true]);
    for (const path of others) expect([path, matches(path)]).toEqual([path, false]);
  });

  it("takes no time for what makes others back-track, and refuses what has too many alternatives", () => {
    const matches = globOf(`${"*a".repeat(200)}b`);
    expect(matches("a".repeat(4000))).toBe(false);
    expect(globOf(`${"**/".repeat(300)}x`)(`${"a/".repeat(300)}y`)).toBe(false);
    expect(codeOf(() => globOf("{a,b}".repeat(20)))).toBe("bad_arguments");
  });
});

describe("the words of a command line", () => {
  it.each([
    ["npm  test", ["npm", "test"]],
    [`git commit -m "it's \\"done\\""`, ["git", "commit", "-m", 'it\'s "done"']],
    ["grep 'a $b | c' x", ["grep", "a $b | c", "x"]],
    ["a\\ b \"\" ''", ["a b", "", ""]],
    ['"a\\nb"', ["a\\nb"]],
    ["ls *.ts", ["ls", "*.ts"]],
    ["  ", []],
  ])("%s", (command, words) => {
    expect(wordsOf(command)).toEqual(words);
  });

  it.each([
    "npm test; rm -rf /",
    "npm test && curl x",
    "npm test & x",
    "npm test | sh",
    "npm test\nrm x",
    "npm test > /etc/x",
    "npm test < x",
    "npm test $(rm x)",
    'npm test "$(rm x)"',
    "npm test `rm x`",
    'npm test "`rm x`"',
    "npm test $HOME",
    "(npm test)",
    "npm 'test",
    "npm test\\",
  ])("%j is refused, because it needs a shell", (command) => {
    expect(codeOf(() => wordsOf(command))).toBe("commands_not_allowed");
  });
});

describe("which commands are allowed", () => {
  const some: Allowance = {
    kind: "some",
    beginnings: [
      ["npm", "test"],
      ["git", "diff"],
    ],
  };
  it.each([
    ["npm test", some, ["npm", "test"]],
    ["git diff -- 'a b'", some, ["git", "diff", "--", "a b"]],
    ["npm", some, "commands_not_allowed"],
    ["npm testing", some, "commands_not_allowed"],
    ["X=1 npm test", some, "commands_not_allowed"],
    ["git push", some, "commands_not_allowed"],
    ["npm test; ls", some, "commands_not_allowed"],
    ["npm test; ls", { kind: "all" }, ["sh", "-c", "npm test; ls"]],
    ["ls", { kind: "none" }, "commands_not_allowed"],
    [" ", { kind: "all" }, "bad_arguments"],
    ["ls\0", { kind: "all" }, "bad_arguments"],
  ] as const)("%j of %j", (command, allowance, expected) => {
    expect(codeOf(() => programOf(command, allowance))).toEqual(expected);
  });
});

describe("a part of a text", () => {
  it("is the lines asked for, with their ends", () => {
    const text = "one\r\ntwo\n\nfour";
    expect(partOf(text)).toEqual({ text, from_line: 1, to_line: 4, lines: 4 });
    expect(partOf(text, 2, 3)).toEqual({ text: "two\n\n", from_line: 2, to_line: 3, lines: 4 });
    expect(partOf(text, 4, 99)).toMatchObject({ text: "four", to_line: 4 });
    expect(partOf("")).toEqual({ text: "", from_line: 1, to_line: 0, lines: 0 });
    expect(codeOf(() => partOf(text, 5))).toBe("bad_arguments");
    expect(codeOf(() => partOf(text, 3, 2))).toBe("bad_arguments");
  });

  it("is cut at a line where it is long, so that a model is shown all of it, and says where to read on", () => {
    const text = `${'"quoted" \u0001\n'.repeat(5000)}`;
    let read = "";
    let parts = 0;
    for (let from: number | undefined = 1; from !== undefined; parts++) {
      const part = partOf(text, from);
      expect(Buffer.byteLength(JSON.stringify(part))).toBeLessThan(inlineResultBytesMax);
      expect(part.truncated).toBe(part.next_line === undefined ? undefined : true);
      read += part.text;
      from = part.next_line;
    }
    expect(read === text && parts > 2).toBe(true);
  });

  it("has a line that is too long alone cut, and goes on with the next", () => {
    const part = partOf(`${"é".repeat(100_000)}\nnext\n`);
    expect(part).toMatchObject({ to_line: 1, truncated: true, next_line: 2 });
    expect(part.text).toMatch(/… \(cut: the line has 100001 characters\)\n$/);
  });
});

describe("an edit", () => {
  it("replaces what stands there once, as it is", () => {
    expect(edited("a b c", "b", "$& $1", "f")).toBe("a $& $1 c");
    expect(edited("a b c", " b", "", "f")).toBe("a c");
  });
  it.each([
    ["abab", "ab", "x", "edit_not_unique"],
    ["aaa", "aa", "x", "edit_not_unique"],
    ["abc", "x", "y", "edit_no_match"],
    ["abc", "", "y", "bad_arguments"],
    ["abc", "b", "b", "bad_arguments"],
  ])("of %j, %j by %j is refused: %s", (text, old, replacement, code) => {
    expect(codeOf(() => edited(text, old, replacement, "f"))).toBe(code);
  });
  it("says that the file has other line ends", () => {
    expect(() => edited("a\r\nb", "a\nb", "x", "f")).toThrow(/its lines end in \\r\\n/);
  });
});

describe("output", () => {
  const outputOf = (...parts: string[]) => {
    const output = new Output();
    for (const part of parts) output.write(Buffer.from(part));
    return output;
  };
  it("is kept whole up to its bound", () => {
    const text = "x".repeat(commandHeadBytes + commandTailBytes);
    expect(outputOf(text.slice(0, 5), text.slice(5)).text).toBe(text);
    expect(outputOf(text).omitted).toBe(0);
  });
  it("keeps its beginning and its end beyond, however it arrives", () => {
    const middle = "m".repeat(100_000);
    for (const output of [outputOf(`begin${middle}end`), outputOf("begin", ...middle.match(/.{1,999}/g)!, "end")]) {
      expect(output.text).toMatch(/^begin.*\n\[… \d+ bytes left out …\]\nm*end$/s);
      expect(output.omitted).toBe(100_008 - commandHeadBytes - commandTailBytes);
    }
  });
  it("has a last line", () => {
    expect(outputOf("one\n two\n\n").lastLine).toBe("two");
    expect(outputOf("").lastLine).toBe("");
  });
});
