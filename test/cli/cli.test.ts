/** What a user sees who mistypes: one message that says what is wrong and what to do, and the right exit status. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { commands } from "../../src/cli/commands.ts";
import { heddle as heddleProcess } from "./lib/heddle.ts";
import { heddleHere } from "./lib/in-process.ts";

vi.setConfig({ testTimeout: 30_000 });
const folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const heddle = (args: readonly string[], { env = {} }: { env?: Record<string, string> } = {}) => heddleHere(args, env);

const nowhere = { HEDDLE_URL: "http://127.0.0.1:1" };

describe("heddle", () => {
  it.each([
    [["frob"], /Unknown command "frob"\. See: heddle --help/],
    [["help", "frob"], /There is no command "frob"/],
    [["rn"], /Unknown command "rn"\. Did you mean "run"\? See: heddle --help/],
    [["help", "wacth"], /There is no command "wacth"\. Did you mean "watch"\?/],
    [["import", "/no/such/file"], /^heddle: \/no\/such\/file can't be read: there is no such file\.\n$/],
    [["import", "/"], /can't be read: it is a folder/],
    [
      ["import", "package.json"],
      /^heddle: package\.json is no file that heddle export has saved\. .*heddle run FILE\n$/,
    ],
    [["run"], /Name one file/],
    [["run", "a", "b"], /Name one file/],
    [["run", "/no/such/file"], /\/no\/such\/file can't be read: there is no such file/],
    [["run", "/"], /can't be read: it is a folder/],
    [["run", "x.json", "--wait-ms", "soon"], /--wait-ms is "soon"; it must be a whole number/],
    [["run", "x.json", "--workspace", ".", "--detach"], /does not go with --detach/],
    [["run", "x.json", "--allow-commands"], /--allow-commands goes with --workspace DIR only/],
    [["run", "x.json", "--jsn"], /Unknown flag --jsn\. Did you mean --json\?\nSee: heddle help run/],
    [["work"], /--pool is missing/],
    [["work", "--pool"], /--pool needs a value/],
    [["work", "--pool", "Big", "--", "ls"], /--pool is "Big"; a pool's name/],
    [["work", "--pool", "hosted", "--", "ls"], /served by Heddle itself/],
    [["work", "--pool", "p"], /The command is missing/],
    [["work", "--pool", "p", "ls"], /The command stands after "--"/],
    [["work", "--pool", "p", "--once=1", "--", "ls"], /--once takes no value/],
    [["work", "--pool", "p", "--once", "--until-idle", "1", "--", "ls"], /--once runs one task/],
    [["work", "--pool", "p", "--concurrency", "0", "--", "ls"], /--concurrency is "0"/],
    [["work", "--pool", "p", "--", "no-such-command-here"], /There is no command "no-such-command-here" on the PATH/],
    [["work", "--pool", "p", "--", "./package.json"], /is not executable/],
    [["work", "--pool", "p", "--max-load", "0", "--", "ls"], /--max-load is "0"/],
    [["tools"], /--pool is missing/],
    [["tools", "--pool", "p"], /The command is missing/],
    [["tools", "--pool", "p", "--read-only", "--", "ls"], /--read-only goes with --workspace DIR only/],
    [["tools", "--pool", "p", "--workspace", "/no/such"], /--workspace is "\/no\/such": there is no such folder/],
    [["tools", "--pool", "p", "--workspace", "package.json"], /is no folder/],
    [["tools", "--pool", "p", "--workspace", ""], /--workspace is empty/],
    [["tools", "--pool", "p", "--workspace", ".", "--", "ls"], /takes no command/],
    [["tools", "--pool", "p", "--workspace", ".", "--tool", "rm"], /a workspace has read_file, /],
    [["tools", "--pool", "p", "--workspace", ".", "--read-only", "--allow-commands"], /a command can write/],
    [["tools", "--pool", "p", "--workspace", ".", "--allow-commands", "--allow-command", "ls"], /Leave one of the two/],
    [["tools", "--pool", "p", "--workspace", ".", "--allow-command", "a; b"], /";" is a second command/],
    [["tools", "--workspace", "."], /--pool is missing/],
    [["tools", "--print-tools"], /--print-tools prints the tools of a workspace/],
    [["tools", "--pool", "p", "ls"], /The command stands after "--"/],
    [["tools", "--pool", "p", "--tool", "a b", "--", "ls"], /--tool is "a b"; a tool's name/],
    [["tools", "--pool", "p", "--", "no-such-command-here"], /There is no command "no-such-command-here" on the PATH/],
    [["tool"], /Give a tool's name/],
    [["tool", "inspect"], /HEDDLE_LEASE is not set/],
    [["watch"], /Name one run/],
    [["show", ""], /^heddle: RUN is empty; is a variable of the shell not set\?\nSee: heddle help show/],
    [["runs", "all"], /It takes no words, only flags/],
    [["runs", "--limit", "0"], /--limit is "0"/],
    [["logs", "r", "-x"], /Unknown flag -x\.\n/],
    [["context", "r", "--format", "xml"], /--format is "xml"; it must be one of text, json/],
    [["completion"], /Name your shell/],
    [["delete", "r"], /--yes says that you mean it/],
  ])("%j says what is wrong, with status 2", async (args, message) => {
    const { status, stderr, stdout } = await heddle(args, { env: nowhere });
    expect(stderr).toMatch(message);
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(stdout).toBe("");
    expect(status).toBe(2);
  });

  it.each([
    ['{"tasks": [1,}', /job.json is not JSON: unexpected "}" at line 1, column 14/],
    ['{\n  "tasks": [\n', /it ends too early at line 3, column 1/],
    ["[]", /expected an object/],
    [
      '{"task": []}',
      /unknown field "task"; expected name, context, credential, limits, policy, redact, retention_days, rules, tools, root, webhook, tasks, groups, defaults\. Did you mean "tasks"\?/,
    ],
    ['{"tasks": {}}', /"tasks" must be an array/],
    ['{"tasks": []}', /there is nothing to do/],
  ])("run refuses %j with its place", async (input, message) => {
    const path = join(folder, "job.json");
    writeFileSync(path, input);
    const { status, stderr } = await heddle(["run", path], { env: nowhere });
    expect(stderr).toMatch(message);
    expect(status).toBe(2);
  });

  it("names the environment variable that is wrong", async () => {
    const bad = await heddle(["watch", "r"], { env: { HEDDLE_URL: "localhost:8787" } });
    expect(bad.stderr).toMatch(/HEDDLE_URL is "localhost:8787"/);
    expect(bad.status).toBe(2);
    const dashboards = await heddle(["runs"], { env: { HEDDLE_URL: "http://127.0.0.1:1/dashboard#/runs/r" } });
    expect(dashboards.stderr).toContain('HEDDLE_URL has a "?" or "#" in it');
    expect(dashboards.status).toBe(2);
    const spaced = await heddle(["runs"], { env: { HEDDLE_URL: " http://127.0.0.1:1 \r" } });
    expect(spaced.stderr).toContain("http://127.0.0.1:1 can't be reached");
    const secret = await heddle(["runs"], { env: { HEDDLE_URL: "http://me:s3cret@127.0.0.1" } });
    expect(secret).toMatchObject({ status: 2, stderr: expect.stringContaining("HEDDLE_API_KEY") });
    expect(secret.stderr).not.toContain("s3cret");
  });

  it("has status 3 for a server that it can't reach", async () => {
    const { status, stderr } = await heddle(["watch", "run_x"], { env: nowhere });
    expect(stderr).toMatch(/127\.0\.0\.1:1 can't be reached.*\nIs it running\?/);
    expect(status).toBe(3);
  });

  it("prints help and version on stdout, with status 0", async () => {
    for (const args of [[], ["--help"], ["help"]]) expect((await heddle(args)).stdout).toMatch(/^heddle: .*\n\nUsage:/);
    for (const { name: command, flags = {}, hidden, raw } of commands) {
      const { stdout, status } = await heddle(["help", command]);
      expect(stdout).toMatch(new RegExp(`^heddle ${command}\\b`));
      for (const flag of Object.keys(flags)) expect(stdout).toMatch(new RegExp(`^ .*--${flag}\\b`, "m"));
      expect(Math.max(...stdout.split("\n").map((line) => line.length)), command).toBeLessThanOrEqual(130);
      expect((await heddle([])).stdout.includes(`  heddle ${command} `)).toBe(!hidden);
      if (!raw) expect(stdout).toBe((await heddle([command, "--help"])).stdout);
      expect(status).toBe(0);
    }
    expect((await heddle(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it("prints the tools of a workspace as a run declares them, without a server", async () => {
    const print = async (...flags: string[]) => {
      const { stdout, status } = await heddle(["tools", "--workspace", folder, "--print-tools", ...flags], {
        env: nowhere,
      });
      expect(status).toBe(0);
      return JSON.parse(stdout) as { name: string; pool: string }[];
    };
    expect((await print("--pool", "p", "--read-only")).map(({ name, pool }) => `${pool} ${name}`)).toEqual([
      "p read_file",
      "p list_files",
      "p search",
    ]);
    expect((await print("--allow-commands")).at(-1)).toMatchObject({ name: "run_command", pool: "workspace" });
    expect((await print("--tool", "search", "--tool", "read_file")).map(({ name }) => name)).toEqual([
      "read_file",
      "search",
    ]);
  });

  it("is a process with that exit status, and reads stdin for -", async () => {
    const { status, stderr } = await heddleProcess(["run", "-"], { env: nowhere, input: "{" });
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: "heddle: stdin is not JSON: it ends too early at line 1, column 2 (position 1).\n",
    });
  });

  it("leaves --help of a command to the command", async () => {
    const { stderr } = await heddle(["work", "--pool", "p", "--", "no-such-command-here", "--help"], { env: nowhere });
    expect(stderr).toMatch(/There is no command/);
  });
});
