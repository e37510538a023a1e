/** Worktrees of tasks, in a real repository: merged, kept as branches, and looked after when their worker is gone. */

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { alone } from "../../../../src/cli/worker/harness/lock-folder.ts";
import { Worktrees } from "../../../../src/cli/worker/harness/worktrees.ts";
import { thisProcess } from "../../../../src/cli/worker/owner.ts";
import { PoolServer } from "../../lib/contract-server.ts";
import { HeddleProcess, until } from "../../lib/heddle.ts";
import { claude, StandIns } from "../../lib/stand-in.ts";

vi.setConfig({ testTimeout: 30_000 });

let running = 0;
let folder: string;
let repo: string;
const git = (...args: string[]): string => execFileSync("git", args, { cwd: repo, encoding: "utf8" }).trim();
const write = (path: string, name: string, text: string) => writeFileSync(join(path, name), text);
const branches = (): string[] =>
  git("branch", "--list", "heddle/*", "--format=%(refname:short)").split("\n").filter(Boolean);
/** What of worktrees is left on the disk. */
const left = (): string[] => {
  const beside = `${repo}.heddle-worktrees`;
  return existsSync(beside) ? readdirSync(beside) : [];
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
  repo = join(folder, "project");
  mkdirSync(repo);
  execFileSync("git", ["init", "--quiet", "--initial-branch=main", repo]);
  git("config", "user.email", "me@localhost");
  git("config", "user.name", "Me");
  write(repo, "a.txt", "one\n");
  git("add", "--all");
  git("commit", "--quiet", "-m", "first");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("a worktree", () => {
  it("[T1] is merged with what nobody had committed, and is gone", async () => {
    const trees = await Worktrees.in(repo, "merge");
    const tree = await trees.open("t.1.1");
    write(tree.cwd, "b.txt", "two\n");
    expect(existsSync(join(repo, "b.txt"))).toBe(false);
    expect(await trees.close(tree, { land: true, message: "b" })).toEqual({
      ...{ kind: "merged", branch: "heddle/t.1.1", into: "main" },
    });
    expect(readFileSync(join(repo, "b.txt"), "utf8")).toBe("two\n");
    expect([branches(), left(), git("worktree", "list").split("\n").length]).toEqual([[], [], 1]);
  });

  it("begins in the folder that corresponds to the worker's own", async () => {
    mkdirSync(join(repo, "src"));
    const trees = await Worktrees.in(join(repo, "src"), "branch");
    const tree = await trees.open("t.1.1");
    expect(tree.cwd.endsWith("t.1.1/src")).toBe(true);
    await trees.close(tree, { land: true, message: "nothing" });
  });

  it.each(["file", "folder"])(
    "[T5] whose .git a task made a %s of its own runs nothing that this names",
    async (kind) => {
      const trees = await Worktrees.in(repo, "merge");
      const tree = await trees.open("t.1.1");
      const own = join(tree.cwd, kind === "file" ? "own" : ".git");
      rmSync(join(tree.cwd, ".git"));
      execFileSync("git", ["clone", "--quiet", "--bare", repo, own]);
      execFileSync("git", ["-C", own, "symbolic-ref", "HEAD", "refs/heads/heddle/t.1.1"]);
      execFileSync("git", ["-C", own, "config", "core.bare", "false"]);
      execFileSync("git", ["-C", own, "config", "filter.own.clean", `touch ${join(folder, "ran")}; cat`]);
      if (kind === "file") write(tree.cwd, ".git", "gitdir: own\n");
      write(tree.cwd, ".gitattributes", "*.txt filter=own\n");
      write(tree.cwd, "b.txt", "two\n");
      expect(await trees.close(tree, { land: true, message: "b" })).toMatchObject({ kind: "merged" });
      expect(existsSync(join(folder, "ran"))).toBe(false);
      expect(readFileSync(join(repo, "b.txt"), "utf8")).toBe("two\n");
      expect([branches(), left(), git("worktree", "list").split("\n").length]).toEqual([[], [], 1]);
    },
  );

  it("that git refuses to merge is kept as its branch, and which step of git it was is said", async () => {
    // Without a name of one's own, so that ours is given along with the step.
    git("config", "--unset", "user.email");
    vi.stubEnv("GIT_CONFIG_GLOBAL", "/dev/null");
    const trees = await Worktrees.in(repo, "merge");
    const tree = await trees.open("t.1.1");
    write(tree.cwd, "a.txt", "two\n");
    write(repo, "a.txt", "mine\n");
    const told = await trees.close(tree, { land: true, message: "a" });
    vi.unstubAllEnvs();
    expect(told).toMatchObject({ kind: "refused", why: expect.stringMatching(/^main: git merge: error: Your local/) });
  });

  it("without a change leaves nothing", async () => {
    const trees = await Worktrees.in(repo, "branch");
    const tree = await trees.open("t.1.1");
    expect(await trees.close(tree, { land: true, message: "nothing" })).toEqual({ kind: "nothing" });
    expect([branches(), left()]).toEqual([[], []]);
  });

  it.each([
    ["merge", false],
    ["branch", true],
  ] as const)("[T1] stays as its branch: %s, wanted %s", async (mode, land) => {
    const trees = await Worktrees.in(repo, mode);
    const tree = await trees.open("t.1.1");
    write(tree.cwd, "b.txt", "two\n");
    expect(await trees.close(tree, { land, message: "b" })).toEqual({ kind: "branch", branch: "heddle/t.1.1" });
    expect([branches(), left(), git("status", "--porcelain")]).toEqual([["heddle/t.1.1"], [], ""]);
    expect(git("show", "heddle/t.1.1:b.txt")).toBe("two");
  });

  it("[T2] that conflicts changes nothing, and its branch is named with the files", async () => {
    const trees = await Worktrees.in(repo, "merge");
    const [one, two] = [await trees.open("one.1.1"), await trees.open("two.1.1")];
    write(one.cwd, "a.txt", "from one\n");
    write(two.cwd, "a.txt", "from two\n");
    expect((await trees.close(one, { land: true, message: "one" })).kind).toBe("merged");
    const refused = await trees.close(two, { land: true, message: "two" });
    expect(refused).toEqual({ kind: "refused", branch: "heddle/two.1.1", why: "main: conflicts in a.txt" });
    expect(git("status", "--porcelain")).toBe("");
    expect([readFileSync(join(repo, "a.txt"), "utf8"), git("show", "heddle/two.1.1:a.txt")]).toEqual([
      "from one\n",
      "from two",
    ]);
  });

  it("[T2] that would overwrite what is not committed is refused, and that stays", async () => {
    const trees = await Worktrees.in(repo, "merge");
    const tree = await trees.open("t.1.1");
    write(tree.cwd, "a.txt", "from the task\n");
    write(repo, "a.txt", "mine\n");
    const refused = await trees.close(tree, { land: true, message: "t" });
    expect(refused).toMatchObject({ kind: "refused", branch: "heddle/t.1.1" });
    expect([readFileSync(join(repo, "a.txt"), "utf8"), branches()]).toEqual(["mine\n", ["heddle/t.1.1"]]);
  });

  it("[T3] merges one at a time, over several workers of a repository", async () => {
    const workers = await Promise.all([1, 2].map(() => Worktrees.in(repo, "merge")));
    const landed = await Promise.all(
      Array.from({ length: 6 }, async (_, n) => {
        const trees = workers[n % 2]!;
        const tree = await trees.open(`t${n}.1.1`);
        write(tree.cwd, `file-${n}.txt`, `${n}\n`);
        return (await trees.close(tree, { land: true, message: `t${n}` })).kind;
      }),
    );
    expect(landed).toEqual(Array(6).fill("merged"));
    expect(readdirSync(repo).filter((name) => name.startsWith("file-"))).toHaveLength(6);
    expect([branches(), left()]).toEqual([[], []]);
  });

  it("[T3] takes away the lock of a worker that is gone, and of nobody else", async () => {
    const self = thisProcess();
    const lock = join(repo, ".git/heddle-merge.lock");
    mkdirSync(lock);
    writeFileSync(join(lock, "owner.json"), JSON.stringify({ ...self, start: `${self.start}0` }));
    const orders = await Promise.all(
      Array.from({ length: 4 }, async () => {
        let inside = 0;
        await alone(lock, async () => {
          running++;
          inside = running;
          await new Promise((resolve) => setTimeout(resolve, 20));
          running--;
        });
        return inside;
      }),
    );
    expect(orders).toEqual([1, 1, 1, 1]);
    expect(readdirSync(join(repo, ".git")).filter((name) => name.startsWith("heddle"))).toEqual([]);
  });

  it("[T1] of a harness that went to a branch of its own is still ours", async () => {
    const trees = await Worktrees.in(repo, "branch");
    const tree = await trees.open("t.1.1");
    execFileSync("git", ["checkout", "--quiet", "-b", "elsewhere"], { cwd: tree.cwd });
    write(tree.cwd, "b.txt", "two\n");
    await trees.close(tree, { land: true, message: "b" });
    expect(git("show", "heddle/t.1.1:b.txt")).toBe("two");
  });

  it("does not run hooks that a task may have left", async () => {
    write(join(repo, ".git/hooks"), "post-merge", `#!/bin/sh\ntouch ${join(folder, "ran")}\n`);
    execFileSync("chmod", ["+x", join(repo, ".git/hooks/post-merge")]);
    const trees = await Worktrees.in(repo, "merge");
    const tree = await trees.open("t.1.1");
    write(tree.cwd, "b.txt", "two\n");
    await trees.close(tree, { land: true, message: "b" });
    expect(existsSync(join(folder, "ran"))).toBe(false);
  });
});

it("[T4] what a killed worker left is kept as its branch, or removed where it is nothing; others' is left alone", async () => {
  const before = await Worktrees.in(repo, "merge");
  const [work, idle, alive] = [
    await before.open("work.1.1"),
    await before.open("idle.1.1"),
    await before.open("alive.1.1"),
  ];
  write(work.cwd, "b.txt", "two\n");
  write(alive.cwd, "c.txt", "three\n");
  for (const { branch } of [work, idle]) {
    const self = thisProcess();
    const owner = { ...self, start: `${self.start}0` };
    writeFileSync(
      join(before.folder, `${branch.slice("heddle/".length)}.owner.json`),
      JSON.stringify({ owner, branch }),
    );
  }
  const told = await (await Worktrees.in(repo, "merge")).recover();
  expect(told).toEqual(["A worker that was killed left work of a task: it is on branch heddle/work.1.1."]);
  expect(git("show", "heddle/work.1.1:b.txt")).toBe("two");
  expect(branches().sort()).toEqual(["heddle/alive.1.1", "heddle/work.1.1"]);
  expect(left().sort()).toEqual(["alive.1.1", "alive.1.1.owner.json"]);
});

describe("heddle work --worktree", () => {
  let server: PoolServer;
  let standIns: StandIns;
  let worker: HeddleProcess | undefined;
  beforeEach(async () => {
    server = await new PoolServer().start();
    standIns = new StandIns(folder);
  });
  afterEach(async () => {
    worker?.child.kill("SIGKILL");
    await server.stop();
  });
  const start = (...flags: string[]): HeddleProcess => {
    const args = ["work", "--pool", "p", "--max-load", "100", "--harness", "claude", ...flags];
    worker = new HeddleProcess(args, {
      env: { HEDDLE_URL: server.url, TMPDIR: folder, PATH: standIns.path },
      cwd: repo,
    });
    return worker;
  };

  it("merges the work of tasks that succeeded, and says so", async () => {
    standIns.plan({ files: { "b.txt": "two\n" }, lines: [claude.done("done")] });
    server.add("t");
    const { stderr } = await start("--worktree", "merge", "--once").ended;
    expect(server.outcomes).toMatchObject([{ task: "t", result: "done" }]);
    expect(standIns.starts[0]!.cwd).not.toBe(repo);
    expect(readFileSync(join(repo, "b.txt"), "utf8")).toBe("two\n");
    expect(stderr).toMatch(/heddle\/t\.1\.1 is merged into main/);
  });

  it("keeps the work of one that failed, and its failure names the branch", async () => {
    standIns.plan({ files: { "b.txt": "two\n" }, lines: [claude.failed({ subtype: "error_max_turns" })] });
    server.add("t");
    await start("--worktree", "merge", "--once").ended;
    expect(server.outcomes[0]!.error!.message).toMatch(/on branch heddle\/t\.1\.1/);
    expect([existsSync(join(repo, "b.txt")), branches()]).toEqual([false, ["heddle/t.1.1"]]);
  });

  it("names the branch also where there is more to say than a failure may", async () => {
    const told = `It broke. ${"so ".repeat(10_000)}`;
    standIns.plan({ files: { "b.txt": "two\n" }, lines: [claude.failed({ subtype: "error", result: told })] });
    server.add("t");
    const { stderr } = await start("--worktree", "merge", "--once").ended;
    expect(server.outcomes, stderr).toMatchObject([{ retryable: false, error: { code: "harness_failed" } }]);
    expect(server.outcomes[0]!.error!.message).toMatch(/It broke[\s\S]*on branch heddle\/t\.1\.1/);
  });

  it("fails a task whose work conflicts in ever so many files", async () => {
    const files = Array.from({ length: 500 }, (_, n) => `${"f".repeat(50)}-${n}.txt`);
    standIns.plan({
      ...{ files: Object.fromEntries(files.map((name) => [name, "task\n"])), lines: [claude.done("done")] },
      commands: [
        `cd ${repo} && for n in $(seq 0 499); do echo mine > ${"f".repeat(50)}-$n.txt; done && git add --all && git commit --quiet -m mine`,
      ],
    });
    server.add("t");
    const { stderr } = await start("--worktree", "merge", "--once").ended;
    expect(server.outcomes, stderr).toMatchObject([{ retryable: false, error: { code: "merge_conflict" } }]);
  });

  it("fails a task whose work conflicts, and names the branch", async () => {
    standIns.plan({
      ...{ files: { "a.txt": "task\n" }, lines: [claude.done("done")] },
      commands: [`cd ${repo} && echo mine > a.txt && git commit --quiet -am mine`],
    });
    server.add("t");
    await start("--worktree", "merge", "--once").ended;
    expect(server.outcomes).toMatchObject([{ retryable: false, error: { code: "merge_conflict" } }]);
    expect(server.outcomes[0]!.error!.message).toMatch(/branch heddle\/t\.1\.1.*conflicts in a\.txt/);
  });

  it("does not merge what was done on a lease that is lost", async () => {
    standIns.plan({ files: { "b.txt": "two\n" }, lines: [claude.done("done")] });
    server.lost.add("t");
    server.add("t");
    await start("--worktree", "merge", "--once").ended;
    expect([existsSync(join(repo, "b.txt")), branches()]).toEqual([false, ["heddle/t.1.1"]]);
  });

  it("finds on its next start what a killed one left", async () => {
    standIns.plan({ files: { "b.txt": "two\n" }, stays: true }, {});
    server.add("t");
    start("--worktree", "merge");
    const written = join(`${repo}.heddle-worktrees`, "t.1.1", "b.txt");
    await until(() => existsSync(written) && readFileSync(written, "utf8") === "two\n");
    worker!.child.kill("SIGKILL");
    await worker!.ended;
    const { stderr } = await start("--worktree", "merge", "--until-idle", "0").ended;
    expect(stderr).toMatch(/it is on branch heddle\/t\.1\.1/);
    expect([git("show", "heddle/t.1.1:b.txt"), left()]).toEqual(["two", []]);
  });

  it("needs a repository", async () => {
    worker = new HeddleProcess(["work", "--pool", "p", "--harness", "claude", "--worktree", "merge"], {
      ...{ env: { HEDDLE_URL: server.url, PATH: standIns.path }, cwd: folder },
    });
    const { status, stderr } = await worker.ended;
    expect({ status, stderr }).toMatchObject({ status: 2, stderr: expect.stringMatching(/needs a git repository/) });
  });
});
