/** What a path of a call may lead to. Each attack is one that was tried on a real folder, with a secret beside it. */

import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WorkspacePaths } from "../../../../src/cli/tools/workspace/paths.ts";
import { Refusal } from "../../../../src/cli/tools/workspace/refusal.ts";

let outside: string;
let root: string;
let paths: WorkspacePaths;

beforeEach(() => {
  outside = realpathSync(mkdtempSync(join(tmpdir(), "heddle-test-")));
  root = join(outside, "project");
  mkdirSync(join(root, "src"), { recursive: true });
  writeFileSync(join(outside, "secret"), "s");
  writeFileSync(join(root, "src/a.ts"), "a");
  paths = new WorkspacePaths(root);
});
afterEach(() => rmSync(outside, { recursive: true, force: true }));

const codeOf = async (path: string): Promise<string> => {
  try {
    const place = await paths.resolve(path);
    paths.requireWritable(place);
    return `${place.shown}${place.exists ? "" : " (new)"}`;
  } catch (error) {
    if (error instanceof Refusal) return error.code;
    throw error;
  }
};

describe("a path", () => {
  it.each([
    ["src/a.ts", "src/a.ts"],
    ["./src//a.ts/", "src/a.ts"],
    ["src/new.ts", "src/new.ts (new)"],
    ["a/b/c.txt", "a/b/c.txt (new)"],
    ["..a/b..", "..a/b.. (new)"],
    ["src", "src"],
  ])("%s leads to %s", async (path, to) => {
    expect(await codeOf(path)).toBe(to);
  });

  it.each([
    ["../secret", "outside_workspace"],
    ["src/../../secret", "outside_workspace"],
    ["src/..", "outside_workspace"],
    ["/etc/passwd", "outside_workspace"],
    ["//etc/passwd", "outside_workspace"],
    ["src/a.ts\0.txt", "bad_arguments"],
    ["x/".repeat(4000), "bad_arguments"],
    [`${"x".repeat(300)}`, "bad_arguments"],
    ["src/a.ts/below", "not_there"],
    [".", "not_a_file"],
    ["", "not_a_file"],
    [".git/hooks/pre-commit", "not_permitted"],
    [".GIT/config", "not_permitted"],
    [".git./config", "not_permitted"],
    [".g\u200dit/config", "not_permitted"],
    ["sub/.git", "not_permitted"],
  ])("%j is refused: %s", async (path, code) => {
    expect(await codeOf(path)).toBe(code);
  });

  it("that a link leads out by is refused, whether what it leads to is there or not", async () => {
    symlinkSync(join(outside, "secret"), join(root, "file"));
    symlinkSync(outside, join(root, "folder"));
    symlinkSync("../..", join(root, "src/up"));
    symlinkSync(join(outside, "not-yet"), join(root, "dangling"));
    symlinkSync("loop", join(root, "loop"));
    for (const path of [
      "file",
      "folder",
      "folder/secret",
      "folder/not/yet/there",
      "src/up",
      "src/up/secret",
      "dangling",
      "dangling/new.txt",
      "loop",
      "loop/x",
    ])
      expect([path, await codeOf(path)]).toEqual([path, "outside_workspace"]);
  });

  it("that comes back in by a link that leads out is refused, too", async () => {
    symlinkSync(outside, join(root, "out"));
    expect(await codeOf("out/project/src/a.ts")).toBe("outside_workspace");
    // A folder whose name begins as the workspace's does is outside.
    mkdirSync(join(outside, "project-too"));
    symlinkSync(join(outside, "project-too"), join(root, "too"));
    expect(await codeOf("too")).toBe("outside_workspace");
  });

  it("by a link that stays inside leads to what it points at, and there the same rules hold", async () => {
    symlinkSync("src", join(root, "code"));
    expect(await codeOf("code/a.ts")).toBe("src/a.ts");
    expect(await codeOf("code/new/b.ts")).toBe("src/new/b.ts (new)");
    mkdirSync(join(root, ".git"));
    symlinkSync(".git", join(root, "innocent"));
    expect(await codeOf("innocent/config")).toBe("not_permitted");
  });

  it("of a workspace that is a link itself works", async () => {
    symlinkSync(root, join(outside, "alias"));
    paths = new WorkspacePaths(join(outside, "alias"));
    expect(await codeOf("src/a.ts")).toBe("src/a.ts");
    expect(() => new WorkspacePaths(join(root, "src/a.ts"))).toThrow(/is no folder/);
  });

  it("whose folder was swapped for a link after it was found is seen to be elsewhere", async () => {
    const { path } = await paths.resolve("src/a.ts");
    expect(await paths.isStill(path)).toBe(true);
    rmSync(join(root, "src"), { recursive: true });
    symlinkSync(outside, join(root, "src"));
    writeFileSync(join(outside, "a.ts"), "theirs");
    expect(await paths.isStill(path)).toBe(false);
  });
});
