/** The demo's analysis: what it counts, and what it refuses to open. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { analyseFile } from "../../../examples/analyse/analyse-file.mjs";
import { combine, concluded } from "../../../examples/analyse/combine.mjs";
import { sourceFiles } from "../../../scripts/demo/source-files.mjs";
import { projectRoot } from "../../../scripts/lib/wrangler.mjs";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "heddle-test-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function analysed(path: string, content: string) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
  return analyseFile(root, path);
}

describe("a file", () => {
  it("in TypeScript: strings, templates and regular expressions hide nothing and fool nobody", () => {
    const source = [
      "// a comment, with a { brace",
      'import { b } from "./b.ts"; /* import "no" */',
      'import zod from "zod";',
      "export const pattern = /[\"'`{]/;",
      "export function outer(a: { x: number }): string {",
      // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the source that is analysed
      "  const text = `if ${a.x > 1 && [1].map((n) => { return n; }) ? 'for' : \"while\"} {`;",
      "  if (a.x) return text;",
      "  return '// no comment';",
      "}",
      "",
      "class C {",
      "  method(n: number) {",
      "    for (;;) if (n || n) break;",
      "  }",
      "}",
    ].join("\n");
    analysed("b.ts", "export const b = 1;\n");
    const { lines, functions, ...rest } = analysed("a.ts", source);
    expect(lines).toEqual({ total: 15, code: 13, comment: 1, blank: 1 });
    expect(functions.longest.map(({ name, line, lines: n }) => [name, line, n])).toEqual([
      ["outer", 5, 5],
      ["method", 12, 3],
    ]);
    expect(functions.most_complex.map(({ name, complexity }) => [name, complexity])).toEqual([
      ["outer", 4],
      ["method", 4],
    ]);
    expect(rest).toMatchObject({
      language: "TypeScript",
      exports: ["pattern", "outer"],
      packages: ["zod"],
      uses: ["b.ts"],
    });
  });

  it("in Python: indentation ends functions, documentation is comment", () => {
    const source =
      '"""What it is."""\nimport os\nfrom .b import c\n\ndef f(x):\n    # why\n    if x and os:\n        return 1\n\n    return 2\n\nclass K:\n    def g(self):\n        pass\n';
    analysed("pkg/b.py", "c = 1\n");
    const file = analysed("pkg/a.py", source);
    expect(file.lines).toEqual({ total: 14, code: 9, comment: 2, blank: 3 });
    expect(file.functions.longest.map(({ name, lines, complexity }) => [name, lines, complexity])).toEqual([
      ["f", 6, 3],
      ["g", 2, 1],
    ]);
    expect(file).toMatchObject({ exports: ["f", "K"], packages: ["os"], uses: ["pkg/b.py"] });
  });

  it("in Go, Rust and shell: names and imports by each language's own forms", () => {
    expect(
      analysed(
        "a.go",
        'package a\n\nimport (\n\t"fmt"\n)\n\nfunc Do(x int) int {\n\tif x > 1 {\n\t\treturn 2\n\t}\n\treturn 1\n}\n',
      ),
    ).toMatchObject({
      exports: ["Do"],
      packages: ["fmt"],
      functions: { count: 1, longest: [{ name: "Do", lines: 6, complexity: 2 }] },
    });
    expect(
      analysed("a.rs", "use serde::Serialize;\npub fn run<'a>(x: &'a str) -> usize {\n    match x { _ => 1 }\n}\n"),
    ).toMatchObject({
      exports: ["run"],
      packages: ["serde"],
      functions: { count: 1 },
    });
    expect(analysed("run", "#!/bin/sh\n# why\necho '# not'\n")).toMatchObject({
      language: "Shell",
      lines: { code: 1, comment: 2 },
    });
  });

  it("shows notes of things to do, and of a secret only its beginning", () => {
    const note = ["TO", "DO"].join("");
    const secret = `ghp_${"a1B2".repeat(10)}`;
    const file = analysed(
      "a.ts",
      `// ${note}: tidy\nconst ${note} = 1;\nconst t = "${secret}";\nconst password = "example-example-example";\n`,
    );
    expect(file.notes).toEqual({ count: 1, first: [{ kind: note, line: 1, text: "tidy" }] });
    expect(file.secrets).toEqual([{ kind: "GitHub token", line: 3, text: "ghp_a1… (44 characters)" }]);
  });

  it.each(["../outside.ts", "/etc/passwd", "link.ts", "behind/passwd", "."])("is refused at %s", (path) => {
    symlinkSync("/etc/passwd", join(root, "link.ts"));
    symlinkSync("/etc", join(root, "behind"));
    expect(() => analyseFile(root, path)).toThrow(/not in the folder|not a plain file/);
  });

  it("of any bytes is taken", () => {
    expect(analysed("empty.ts", "").lines.total).toBe(0);
    expect(analysed("odd.ts", "`${`${'\\".repeat(50)).lines.total).toBe(1);
    expect(analysed("quote.py", '"""never closed').lines).toMatchObject({ total: 1 });
  });
});

describe("many files", () => {
  const parts = (...values: unknown[]) => values.map((value, i) => ({ name: `f${i}`, value }));

  it("add up over folders, and show what only the whole shows", () => {
    analysed("s/c.ts", "// what imports it must find it\n");
    const a = analysed("s/a.ts", 'import { c } from "./c.ts";\nexport const a = c;\nexport const d = 1;\n');
    const c = analysed("s/c.ts", 'import { a } from "./a.ts";\nexport const c = a;\nexport const e = 1;\n');
    const copy = analysed("t/copy.ts", 'import { a } from "./a.ts";\nexport const c = a;\nexport const e = 1;\n');
    const folder = combine("s", parts(a, c, { error: { code: "command_failed", message: "m" } }));
    const whole = concluded(combine(".", parts(folder, copy)));
    expect(whole).toMatchObject({
      files: 3,
      failed: 1,
      lines: { code: 9 },
      languages: { TypeScript: { files: 3, code: 9 } },
    });
    expect(whole.duplicates).toEqual([["s/c.ts", "t/copy.ts"]]);
    expect(whole.cycles).toEqual([["s/a.ts", "s/c.ts"]]);
    expect(whole.most_used).toEqual([
      { path: "s/a.ts", users: 1 },
      { path: "s/c.ts", users: 1 },
    ]);
    expect(whole.sentence).toMatch(/^The project has 3 files, mostly TypeScript: 9 lines of code/);
    expect(whole).not.toHaveProperty("rows");
  });

  // The demo's own run end to end is of a part of them (test/e2e/demo.test.ts).
  it("are all of this repository's, none of which is refused", () => {
    const { files } = sourceFiles(projectRoot, 2000);
    expect(files.length).toBeGreaterThan(1000);
    const whole = concluded(combine(".", parts(...files.map(({ path }) => analyseFile(projectRoot, path)))));
    expect(whole).toMatchObject({ files: files.length, failed: 0 });
  }, 60_000);

  it("may be none", () => {
    expect(concluded(combine(".", [])).sentence).toBe("The project has no source files.");
  });
});
