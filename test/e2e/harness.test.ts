/** `heddle work --harness` against a real server: a harness with worktrees, the MCP server, tasks of its own; and a worker that is killed. */

import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { HeddleProcess, heddle as heddleCommand } from "../cli/lib/heddle.ts";
import type { Step } from "./lib/claude-stand-in.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { sharedServer } from "./lib/shared.ts";

const server = sharedServer();
const { heddle } = server;
const env = { HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_local" };

const folders: string[] = [];
const workers: HeddleProcess[] = [];
afterAll(async () => {
  for (const { child } of workers) child.kill("SIGKILL");
  await Promise.all(workers.map(({ ended }) => ended));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A repository, a harness and a pool of a test's own: one test waits for a lease, and the other one runs beside it. */
function project(name: string) {
  const folder = mkdtempSync(join(tmpdir(), "heddle-e2e-"));
  folders.push(folder);
  const repo = join(folder, "project");
  const pool = `harness${process.pid}-${name}`;
  const git = (...args: string[]): string => execFileSync("git", args, { cwd: repo, encoding: "utf8" }).trim();
  execFileSync("git", ["init", "--quiet", "--initial-branch=main", repo]);
  git("-c", "user.email=me@localhost", "-c", "user.name=Me", "commit", "--quiet", "--allow-empty", "-m", "first");
  mkdirSync(join(folder, "bin"));
  const program = join(folder, "bin", "claude");
  writeFileSync(
    program,
    `#!/bin/sh\nexec '${process.execPath}' '${join(import.meta.dirname, "lib/claude-stand-in.ts")}' "$@"\n`,
  );
  chmodSync(program, 0o755);
  return {
    ...{ folder, repo, pool, git },
    branches: () => git("branch", "--list", "heddle/*", "--format=%(refname:short)").split("\n").filter(Boolean),
    /** What of worktrees is left on the disk, and what git knows of. */
    left: () => [
      ...(existsSync(`${repo}.heddle-worktrees`) ? readdirSync(`${repo}.heddle-worktrees`) : []),
      ...git("worktree", "list").split("\n").slice(1),
    ],
    work(...flags: string[]): HeddleProcess {
      const own = ["--harness", "claude", "--worktree", "merge", "--max-load", "100", ...flags];
      const worker = new HeddleProcess(["work", "--pool", pool, ...own], {
        env: {
          ...env,
          TMPDIR: folder,
          STAND_IN_SESSIONS: join(folder, "sessions"),
          PATH: `${join(folder, "bin")}${delimiter}${process.env.PATH}`,
        },
        cwd: repo,
      });
      workers.push(worker);
      return worker;
    },
  };
}

interface Said {
  heard: string[];
  answers: Record<string, unknown>[];
}

it.concurrent("two tasks at once share a lock over MCP, tell how far they are, make tasks that go on from their sessions, and are merged", async () => {
  const { folder, repo, pool, git, branches, left, work } = project("two");
  const go = join(folder, "go");
  const childOf = (name: string) => JSON.stringify([{ write: `${name}-child.txt` }] satisfies Step[]);
  const steps = (name: string): Step[] => [
    { call: "barrier", args: { op: "wait", name: "both", parties: 2 } },
    { call: "lock", args: { op: "acquire", name: "ledger" } },
    { call: "atomic", args: { op: "get", name: "count" } },
    { call: "atomic", args: { op: "set", name: "count", value: "$value+1" } },
    { call: "lock", args: { op: "release", name: "ledger" } },
    { write: `${name}.txt` },
    { until: go },
    { call: "create_task", args: { key: "child", instructions: childOf(name), pool } },
    { call: "await_tasks", args: { tasks: ["child"] } },
  ];
  const run = await heddle.createRun({ limits: { pools: [pool] } });
  const created = await heddle.createTasks(run.id, {
    tasks: ["a", "b"].map((key) => ({ key, pool, instructions: JSON.stringify(steps(key)) })),
  });
  const worker = work("--concurrency", "2");

  const seen = await until("both tell that they wait for the file", 60_000, async () => {
    const tasks = await Promise.all(["a", "b"].map((key) => heddle.task(run.id, key)));
    return tasks.every(({ progress }) => progress?.message?.startsWith("Bash: until test")) && tasks;
  });
  for (const { progress, usage } of seen) {
    expect(progress).toMatchObject({ turns: 7, usage: { input_tokens: 7 * 93, output_tokens: 49 } });
    expect(usage.input_tokens).toBe(0);
  }
  const shown = await heddleCommand(["show", run.id, "a"], { env });
  expect(shown.stdout).toMatch(/progress +Bash: until test -e .*, turn 7, 700 tokens so far/);
  writeFileSync(go, "");

  await until("the run's tasks to end", 60_000, async () => (await heddle.wait(run.id, { timeout_ms: 20_000 })).done);
  const count = await heddle.callTool(run.id, "atomic", { arguments: { op: "get", name: "count" } });
  expect(count).toEqual({ result: { value: 2 } });
  const { tasks } = await heddle.listTasks(run.id);
  expect(tasks.map(({ state, attempts, progress }) => [state, attempts, progress])).toEqual(
    Array(4).fill(["succeeded", 1, null]),
  );
  for (const [i, key] of ["a", "b"].entries()) {
    const { result, usage } = await heddle.task(run.id, key);
    expect((result as Said).answers[0]).toMatchObject({ generation: expect.anything() });
    // What was told meanwhile is not counted beside what was told at the end: a reply a step, and the last.
    expect(usage).toMatchObject({ input_tokens: 10 * 93, output_tokens: 10 * 7, cost_usd: 2.5 });
    const child = tasks.find(({ parent }) => parent === created.tasks[i]!.id)!;
    expect((child.result as Said).heard).toEqual([JSON.stringify(steps(key)), childOf(key)]);
    // Nor is what its parent's session had used by then.
    expect((await heddle.task(run.id, child.id)).usage).toMatchObject({ input_tokens: 2 * 93, cost_usd: 0.5 });
    expect(worker.stderr).toMatch(/child: begins with a copy of its parent's session/);
  }
  worker.child.kill("SIGTERM");
  expect((await worker.ended).status).toBe(0);
  expect(
    readdirSync(repo)
      .filter((name) => name !== ".git")
      .sort(),
  ).toEqual([...["a-child.txt", "a.txt", "b-child.txt", "b.txt"]]);
  expect([git("status", "--porcelain"), branches(), left()]).toEqual(["", [], []]);
});

it.concurrent("a worker that is killed loses no task and leaves no worktree: another carries it out, once", async () => {
  const { folder, repo, pool, branches, left, work } = project("killed");
  const go = join(folder, "go");
  const run = await heddle.createRun({ limits: { pools: [pool] } });
  const instructions = JSON.stringify([
    { call: "atomic", args: { op: "add", name: "starts", delta: 1 } },
    { write: "half.txt" },
    { until: go },
  ] satisfies Step[]);
  const { tasks } = await heddle.createTasks(run.id, { tasks: [{ key: "t", pool, instructions }] });
  const first = work();
  await until("it to be in the middle", 60_000, async () => {
    const { progress } = await heddle.task(run.id, "t");
    return progress?.message?.startsWith("Bash: until");
  });
  first.child.kill("SIGKILL");
  await first.ended;
  expect(left().length).toBeGreaterThan(0);

  const second = work("--once");
  await until("the task to run again", 90_000, async () => {
    const { attempts, state } = await heddle.task(run.id, "t");
    return attempts === 2 && state === "running";
  });
  writeFileSync(go, "");
  expect(await second.ended).toMatchObject({ status: 0 });
  expect(second.stderr).toMatch(/worker that was killed left work of a task: it is on branch heddle\//);
  expect(await heddle.task(run.id, "t")).toMatchObject({ state: "succeeded", attempts: 2, progress: null });
  const events = await logOf(server, run.id);
  expect(eventsOf(events, "task_ended")).toHaveLength(1);
  expect(eventsOf(events, "attempt_ended")).toMatchObject([{ why: "lost" }]);
  expect(readdirSync(repo)).toContain("half.txt");
  // What the killed one had done is on its branch; nothing else is left.
  expect([branches(), left()]).toEqual([[`heddle/${tasks[0]!.id}.1.1`], []]);
});
