/** The demo's plan for folders of every shape: the server's limits hold, and each task names only earlier ones. */

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { planOf } from "../../../scripts/demo/plan.mjs";
import { sourceFiles } from "../../../scripts/demo/source-files.mjs";
import { substitute } from "../../../src/context/references.ts";
import { taskSpecSchema } from "../../../src/contract/task-spec.ts";
import { afterMax } from "../../../src/limits.ts";

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "heddle-test-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, content: string | Buffer = "x\n"): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

const plan = (paths: string[], simulated = true) =>
  planOf({ root, files: paths.map((path) => ({ path, bytes: 1 })), pool: "p", format: "anthropic", simulated });

describe("the plan", () => {
  it("names files of templates as they are, and not as references", () => {
    const { tasks } = plan(["{{app.name}}/{{{x}}}.ts"]);
    const asked = tasks.filter(({ key }) => /^[fd]\d+/.test(key)).map(({ instructions }) => instructions);
    expect(asked).toHaveLength(3);
    for (const text of asked) {
      const names: string[] = [];
      const shown = substitute(outsideScripts(text), (name) => {
        names.push(name);
        return { ok: true, text: "" };
      });
      expect(names.filter((name) => !/^[fd]\d+/.test(name))).toEqual([]);
      expect(shown).toMatchObject({ text: expect.stringContaining("{{app.name}}") });
    }
  });

  it.each([
    ["no file", []],
    ["one file", ["a.ts"]],
    ["a deep file", ["a/b/c/d.ts"]],
    ["a file deeper than a title is long", [`${"levels/".repeat(60)}d.ts`]],
    ["folders within folders", ["a.ts", "s/a.ts", "s/t/a.ts", "s/t/b.ts", "u/a.ts"]],
    ["more files in a folder than a task may come after", Array.from({ length: 1000 }, (_, i) => `big/${i}.ts`)],
    ["more folders than that", Array.from({ length: 700 }, (_, i) => `d${i}/a.ts`)],
  ])("for %s holds every limit, and ends in root and report", (_, paths) => {
    const { tasks } = plan(paths);
    const known = new Set<string>();
    for (const task of tasks) {
      expect(taskSpecSchema.safeParse(task).error).toBeUndefined();
      const names = [
        ...(task.after ?? []),
        ...[...outsideScripts(task.instructions).matchAll(/\{\{(\w+)/g)].map(([, name]) => name!),
      ];
      expect(new Set(names).size).toBeLessThanOrEqual(afterMax);
      for (const name of names) expect(known.has(name), `${task.key} names ${name}`).toBe(true);
      expect(known.has(task.key)).toBe(false);
      known.add(task.key);
    }
    expect(tasks.at(-1)!.key).toBe("report");
    expect(known.has("root")).toBe(true);
    expect(tasks.filter(({ key }) => /^f\d+$/.test(key))).toHaveLength(paths.length);
    expect(reached(tasks), "every file reaches the root").toEqual(new Set(paths.map((_path, i) => `f${i + 1}`)));
  });

  it("has scripts for the simulated model only where that is what will answer", () => {
    expect(JSON.stringify(plan(["s/a.ts"], true).tasks)).toMatch(/```sim/);
    expect(JSON.stringify(plan(["s/a.ts"], false).tasks)).not.toMatch(/sim/);
  });
});

const outsideScripts = (text: string): string => text.replace(/```sim[\s\S]*?```/g, "");

/** Files whose analysis reaches the task `root` through dependencies. */
function reached(tasks: readonly { key: string; after?: string[] }[]): Set<string> {
  const byKey = new Map(tasks.map((task) => [task.key, task]));
  const files = new Set<string>();
  const open = ["root"];
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    if (/^f\d+$/.test(key)) files.add(key);
    open.push(...(byKey.get(key)!.after ?? []));
  }
  return files;
}

describe("the source files of a folder", () => {
  it("are its texts: nothing binary, huge, generated or behind a link", () => {
    put("a.ts");
    put("deep/b.py");
    put("logo.png", Buffer.from([137, 80, 78, 71, 0, 0]));
    put("huge.txt", "x".repeat(3_000_000));
    put("package-lock.json", "{}");
    put("node_modules/x/index.js");
    put(".hidden/x.js");
    symlinkSync("/etc", join(root, "etc"));
    symlinkSync("/etc/passwd", join(root, "passwd"));
    symlinkSync(root, join(root, "loop"));
    const found = sourceFiles(root, 100);
    expect(found.files.map(({ path }) => path)).toEqual(["a.ts", "deep/b.py"]);
    expect(found).toMatchObject({ binary: 1, large: 1, links: 3, left: 0 });
  });

  it("are at most so many, and how many were left is said", () => {
    for (let i = 0; i < 12; i++) put(`${i}.ts`);
    const { files, left } = sourceFiles(root, 10);
    expect([files.length, left]).toEqual([10, 2]);
  });
});
