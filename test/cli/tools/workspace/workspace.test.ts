/** The workspace tools on a real folder, with real commands. */

import { execSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { declarationsOf, type WorkspaceRights } from "../../../../src/cli/tools/workspace/declarations.ts";
import { Workspace, workspaceTools } from "../../../../src/cli/tools/workspace/workspace.ts";
import { lookMsMax, workspaceFileBytesMax } from "../../../../src/limits.ts";
import { until } from "../../lib/heddle.ts";

vi.setConfig({ testTimeout: 30_000 });

const everything: WorkspaceRights = { readOnly: false, commands: { kind: "all" } };
let outside: string;
let root: string;
let workspace: Workspace;
let made = 0;

beforeEach(() => {
  outside = realpathSync(mkdtempSync(join(tmpdir(), "heddle-test-")));
  root = join(outside, "work");
  mkdirSync(root);
  workspace = new Workspace(root, everything);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(outside, { recursive: true, force: true });
});

function put(files: Record<string, string | Buffer>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}
const text = (path: string): string => readFileSync(join(root, path), "utf8");

const progress: unknown[] = [];
const start = (tool: string, args: Record<string, unknown>, { key = `k${++made}`, timeoutMs = 300_000 } = {}) =>
  workspace.start(
    {
      id: key,
      tool,
      arguments: args,
      idempotency_key: key,
      attempt: 1,
      timeout_at: Date.now() + timeoutMs,
      run: "run_1",
      task: { id: "T1", key: null, title: null },
    },
    { rateLimited: () => {}, progress: (report) => progress.push(report) },
  );

// biome-ignore lint/suspicious/noExplicitAny: answers of many tools
type Answer = any;

async function answer(
  tool: string,
  args: Record<string, unknown>,
  more?: { key?: string; timeoutMs?: number },
): Promise<Answer> {
  const verdict = await start(tool, args, more).verdict;
  if (!verdict.ok) throw new Error(JSON.stringify(verdict));
  return verdict.result;
}
const errorOf = async (tool: string, args: Record<string, unknown>): Promise<string> => {
  const verdict = await start(tool, args).verdict;
  expect(verdict).toMatchObject({ ok: true, isError: true });
  const { error } = (verdict as { result: { error: { code: string; message: string; hint: string } } }).result;
  expect(error.hint).not.toBe("");
  return error.code;
};

describe("reading", () => {
  it("a file, and a part of it", async () => {
    put({ "src/a.txt": "one\ntwo\nthree\n" });
    expect(await answer("read_file", { path: "src/a.txt" })).toEqual({
      path: "src/a.txt",
      text: "one\ntwo\nthree\n",
      from_line: 1,
      to_line: 3,
      lines: 3,
    });
    expect(await answer("read_file", { path: "src/a.txt", from_line: 2, to_line: null })).toMatchObject({
      text: "two\nthree\n",
    });
  });

  it("refuses what is no text file, and says what it is", async () => {
    put({ "image.png": Buffer.from([0x89, 0x50, 0]), "latin.txt": Buffer.from([0xe9, 0x0a]), "sub/x": "" });
    put({ "large.txt": Buffer.alloc(workspaceFileBytesMax + 1, "x") });
    symlinkSync("/dev/zero", join(root, "zero"));
    execSync("mkfifo pipe", { cwd: root });
    const socket = createServer().listen(join(root, "socket"));
    await new Promise((resolve) => socket.once("listening", resolve));
    const codes = async (...names: string[]) => Promise.all(names.map((path) => errorOf("read_file", { path })));
    expect(
      await codes("image.png", "latin.txt", "large.txt", "sub", "pipe", "socket", "zero", "none", "/etc/passwd"),
    ).toEqual([
      "binary_file",
      "binary_file",
      "file_too_large",
      "not_a_file",
      "not_a_file",
      "not_a_file",
      "outside_workspace",
      "not_there",
      "outside_workspace",
    ]);
    await new Promise((resolve) => socket.close(resolve));
  });

  it("refuses arguments of another form, and names them", async () => {
    put({ a: "a" });
    const message = async (args: Record<string, unknown>) => (await answer("read_file", args)).error.message;
    expect(await message({})).toBe("path: required");
    expect(await message({ path: 5 })).toBe("path: expected text");
    expect(await message({ path: "a", from_line: 0 })).toMatch(/^from_line: expected a whole number from 1/);
    expect(await message({ path: "a", file: "a" })).toBe("unknown: file; expected path, from_line, to_line");
    expect(await errorOf("frob", {})).toBe("no_such_tool");
  });
});

describe("writing", () => {
  it("makes a file with its folders, and replaces one in a single step, keeping its mode", async () => {
    expect(await answer("write_file", { path: "a/b/c.txt", content: "é\n" })).toEqual({
      path: "a/b/c.txt",
      bytes: 3,
      created: true,
    });
    put({ "run.sh": "old" });
    chmodSync(join(root, "run.sh"), 0o755);
    const before = statSync(join(root, "run.sh")).ino;
    expect(await answer("write_file", { path: "run.sh", content: "new" })).toMatchObject({ created: false });
    expect(text("run.sh")).toBe("new");
    expect(statSync(join(root, "run.sh")).mode & 0o777).toBe(0o755);
    expect(statSync(join(root, "run.sh")).ino, "another file under the same name").not.toBe(before);
    expect(readdirSync(root).sort(), "nothing is left behind").toEqual(["a", "run.sh"]);
  });

  it("never outside: by a link, below one, or to what one leads to that is not there yet", async () => {
    writeFileSync(join(outside, "secret"), "s");
    symlinkSync(join(outside, "secret"), join(root, "link"));
    symlinkSync(outside, join(root, "folder"));
    symlinkSync(join(outside, "later"), join(root, "dangling"));
    for (const path of ["link", "folder/new", "folder/a/b", "dangling", "dangling/x", "../x", join(outside, "x")])
      expect([path, await errorOf("write_file", { path, content: "!" })]).toEqual([path, "outside_workspace"]);
    expect(readdirSync(outside).sort()).toEqual(["secret", "work"]);
    expect(readFileSync(join(outside, "secret"), "utf8")).toBe("s");
  });

  it("through a link that stays inside changes what it points at", async () => {
    put({ "real.txt": "old" });
    symlinkSync("real.txt", join(root, "alias.txt"));
    expect(await answer("write_file", { path: "alias.txt", content: "new" })).toMatchObject({ path: "real.txt" });
    expect(text("real.txt")).toBe("new");
  });

  it("refuses folders, devices, what is too large, and what git would run", async () => {
    mkdirSync(join(root, "sub"));
    execSync("mkfifo pipe", { cwd: root });
    expect(await errorOf("write_file", { path: "sub", content: "" })).toBe("not_a_file");
    expect(await errorOf("write_file", { path: "pipe", content: "" })).toBe("not_a_file");
    expect(await errorOf("write_file", { path: ".", content: "" })).toBe("not_a_file");
    expect(await errorOf("write_file", { path: ".git/hooks/post-commit", content: "" })).toBe("not_permitted");
    const content = "x".repeat(workspaceFileBytesMax + 1);
    expect(await errorOf("write_file", { path: "large", content })).toBe("file_too_large");
    expect(readdirSync(root).sort()).toEqual(["pipe", "sub"]);
  });

  it("a part: it must stand there once, and nothing else changes, not even a byte order mark", async () => {
    put({ "a.ts": "\ufeffconst a = 1;\r\nconst b = 2;\r\n" });
    expect(await answer("edit_file", { path: "a.ts", old: "b = 2", new: "b = 3" })).toEqual({ path: "a.ts", line: 2 });
    expect(text("a.ts")).toBe("\ufeffconst a = 1;\r\nconst b = 3;\r\n");
    expect(await errorOf("edit_file", { path: "a.ts", old: "const", new: "let" })).toBe("edit_not_unique");
    expect(await errorOf("edit_file", { path: "a.ts", old: "nothing", new: "x" })).toBe("edit_no_match");
    expect(await errorOf("edit_file", { path: "none.ts", old: "a", new: "b" })).toBe("not_there");
  });

  it("parts of one file at once loses none of them", async () => {
    const names = Array.from({ length: 20 }, (_, i) => `line-${String.fromCharCode(97 + i)};`);
    put({ "a.txt": names.join("\n") });
    await Promise.all(names.map((old) => answer("edit_file", { path: "a.txt", old, new: old.toUpperCase() })));
    expect(text("a.txt")).toBe(names.map((name) => name.toUpperCase()).join("\n"));
  });

  it("once: a call that is tried again after it was answered gets the same answer", async () => {
    put({ "a.txt": "x" });
    const args = { path: "a.txt", old: "x", new: "xy" };
    const first = await answer("edit_file", args, { key: "same" });
    expect(await answer("edit_file", args, { key: "same" })).toEqual(first);
    expect(text("a.txt")).toBe("xy");
    // Also when its lease was lost while it was under way, and it comes again at once.
    const lost = start("edit_file", { path: "a.txt", old: "y", new: "yz" }, { key: "lost" });
    lost.stop();
    expect(await answer("edit_file", { path: "a.txt", old: "y", new: "yz" }, { key: "lost" })).toMatchObject({
      line: 1,
    });
    expect(await lost.verdict).toMatchObject({ error: { code: "worker_stopped" } });
    expect(text("a.txt")).toBe("xyz");
  });
});

describe("looking", () => {
  beforeEach(() => {
    put({
      "src/a.ts": "const a = 1;\nfunction b() {}\n",
      "src/lib/b.ts": "// a.b\nfunction c() {}\r\n",
      "README.md": "a function\n",
      ".git/config": "function",
      "node_modules/x/index.js": "function",
      "src/node_modules/y.js": "function",
      "data.bin": Buffer.from("function\0"),
    });
    symlinkSync(outside, join(root, "out"));
    symlinkSync("README.md", join(root, "src/readme"));
  });

  it("lists files in order, without those of git and of packages; links are named and not followed", async () => {
    expect((await answer("list_files", {})).files).toEqual([
      "README.md",
      "data.bin",
      "out",
      "src/a.ts",
      "src/lib/b.ts",
      "src/readme",
    ]);
    expect(await answer("list_files", { path: "src", glob: "**/*.ts" })).toEqual({
      files: ["src/a.ts", "src/lib/b.ts"],
    });
    expect(await answer("list_files", { path: "src/a.ts" })).toEqual({ files: ["src/a.ts"] });
  });

  it("says when a list is cut, and only then", async () => {
    expect(await answer("list_files", { limit: 2 })).toEqual({
      files: ["README.md", "data.bin"],
      truncated: true,
      note: "These are the first 2; there are more.",
    });
    expect((await answer("list_files", { limit: 6 })).truncated).toBeUndefined();
  });

  it("searches by pattern and by text, line by line", async () => {
    expect(await answer("search", { pattern: "^function \\w\\(\\)" })).toEqual({
      matches: [
        { path: "src/a.ts", line: 2, text: "function b() {}" },
        { path: "src/lib/b.ts", line: 2, text: "function c() {}" },
      ],
      skipped_files: 1,
    });
    expect((await answer("search", { pattern: "a.b", literal: true })).matches).toEqual([
      { path: "src/lib/b.ts", line: 1, text: "// a.b" },
    ]);
    expect((await answer("search", { pattern: "a", path: "src", limit: 1 })).truncated).toBe(true);
  });

  it("shows of a long line what was found in it", async () => {
    put({ "min.js": `${"x".repeat(5000)}needle${"y".repeat(5000)}` });
    const [match] = (await answer("search", { pattern: "needle", path: "min.js" })).matches;
    expect(match.text.length).toBeLessThan(400);
    expect(match.text).toMatch(/^…x+needley+…$/);
  });

  it("refuses patterns that are none, and looks for nothing outside", async () => {
    expect(await errorOf("search", { pattern: "(" })).toBe("bad_pattern");
    expect(await errorOf("search", { pattern: "" })).toBe("bad_arguments");
    expect(await errorOf("search", { pattern: "x", path: "out" })).toBe("outside_workspace");
    expect(await errorOf("list_files", { path: "none" })).toBe("not_there");
    expect(await errorOf("list_files", { glob: "{a,b}".repeat(20) })).toBe("bad_arguments");
  });

  it("ends a pattern that takes for ever, while other calls go on", async () => {
    put({ "aaa.txt": `${"a".repeat(50_000)}!` });
    const startedAt = Date.now();
    const hostile = errorOf("search", { pattern: "^(a+)+$", path: "aaa.txt" });
    expect(await answer("read_file", { path: "README.md" })).toMatchObject({ text: "a function\n" });
    expect(Date.now() - startedAt).toBeLessThan(lookMsMax / 2);
    expect(await hostile).toBe("search_timed_out");
    expect(Date.now() - startedAt).toBeLessThan(2 * lookMsMax);
  });

  it("ends at once when its lease is lost", async () => {
    put({ "aaa.txt": `${"a".repeat(50_000)}!` });
    const execution = start("search", { pattern: "^(a+)+$", path: "aaa.txt" });
    const startedAt = Date.now();
    execution.stop();
    expect(await execution.verdict).toMatchObject({ ok: false, error: { code: "worker_stopped" } });
    expect(Date.now() - startedAt).toBeLessThan(lookMsMax / 2);
  });
});

describe("commands", () => {
  const node = (program: string) => `${process.execPath} -e '${program}'`;
  const isAlive = (pid: number): boolean => {
    try {
      process.kill(pid, 0);
      return true;
    } catch {
      return false;
    }
  };

  it("answer exit code and output, stdout and stderr together", async () => {
    mkdirSync(join(root, "sub"));
    expect(await answer("run_command", { command: "pwd; echo no >&2; exit 3", cwd: "sub" })).toEqual({
      exit_code: 3,
      output: `${join(root, "sub")}\nno\n`,
    });
    expect(await errorOf("run_command", { command: "ls", cwd: "../.." })).toBe("outside_workspace");
    expect(await errorOf("run_command", { command: "ls", cwd: "none" })).toBe("not_there");
    expect(await errorOf("run_command", { command: " " })).toBe("bad_arguments");
  });

  it("see neither Heddle's variables nor a provider's key", async () => {
    for (const name of ["HEDDLE_API_KEY", "HEDDLE_LEASE", "HEDDLE_ADMIN_SECRET", "ANTHROPIC_API_KEY", "OPENAI_API_KEY"])
      vi.stubEnv(name, "secret");
    vi.stubEnv("OWN", "kept");
    const { output } = await answer("run_command", { command: "env" });
    expect(output).not.toMatch(/secret/);
    expect(output).toMatch(/^OWN=kept$/m);
  });

  it("end at their time with all that they started, and what they wrote is answered", async () => {
    const child = node(
      `require("fs").writeFileSync("pid", String(process.pid)); process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)`,
    );
    const verdict = await start("run_command", { command: `echo begun; ${child}`, timeout_ms: 1500 }).verdict;
    expect(verdict).toMatchObject({
      isError: true,
      result: { exit_code: null, timed_out: true, timeout_ms: 1500, output: "begun\n" },
    });
    await until(() => !isAlive(Number(text("pid"))));
  });

  it("leave nothing behind that runs on", async () => {
    const child = node(`require("fs").writeFileSync("pid", String(process.pid)); setInterval(() => {}, 1000)`);
    await answer("run_command", { command: `(${child}) & while [ ! -s pid ]; do sleep 0.01; done; echo ok` });
    await until(() => !isAlive(Number(text("pid"))));
  });

  it("end before their call does, so that the answer arrives", async () => {
    const startedAt = Date.now();
    const result = await answer("run_command", { command: "sleep 60" }, { timeoutMs: 6000 });
    expect(result).toMatchObject({ timed_out: true });
    expect(Date.now() - startedAt).toBeLessThan(6000);
  });

  it("are stopped when the lease is lost, and may be done again", async () => {
    const execution = start("run_command", { command: "echo $$ > pid; sleep 60" }, { key: "again" });
    await until(() => existsSync(join(root, "pid")) && text("pid") !== "");
    execution.stop();
    expect(await execution.verdict).toMatchObject({ ok: false, retryable: true });
    await until(() => !isAlive(Number(text("pid"))));
    expect(await answer("run_command", { command: "echo done" }, { key: "again" })).toMatchObject({ output: "done\n" });
  });

  it("say how far they are, and of a long output the beginning and the end", async () => {
    progress.length = 0;
    const { output, omitted_bytes } = await answer("run_command", {
      command: node(
        `for (let i = 0; i < 20000; i++) console.log("line " + i); setTimeout(() => console.log("the end"), 2500)`,
      ),
    });
    expect(output).toMatch(/^line 0\n.*\[… \d+ bytes left out …\].*line 19999\nthe end\n$/s);
    expect(omitted_bytes).toBeGreaterThan(100_000);
    expect(progress).toContainEqual({ message: "line 19999" });
  });

  it("are refused unless allowed: none, those that begin so, or with the right to read alone", async () => {
    workspace = new Workspace(root, { readOnly: false, commands: { kind: "none" } });
    expect(await errorOf("run_command", { command: "touch x" })).toBe("commands_not_allowed");
    workspace = new Workspace(root, { readOnly: false, commands: { kind: "some", beginnings: [["echo", "a"]] } });
    expect(await answer("run_command", { command: "echo a '$b' *" })).toEqual({ exit_code: 0, output: "a $b *\n" });
    for (const command of [
      "touch x",
      "echo b",
      "echo a; touch x",
      "echo a > x",
      "echo a $(touch x)",
      "echo a `touch x`",
    ])
      expect([command, await errorOf("run_command", { command })]).toEqual([command, "commands_not_allowed"]);
    workspace = new Workspace(root, { readOnly: false, commands: { kind: "some", beginnings: [["no-such-program"]] } });
    expect(await errorOf("run_command", { command: "no-such-program" })).toBe("command_not_found");
    workspace = new Workspace(root, { readOnly: true, commands: { kind: "none" } });
    for (const [tool, args] of [
      ["run_command", { command: "touch x" }],
      ["write_file", { path: "x", content: "" }],
      ["edit_file", { path: "x", old: "a", new: "b" }],
    ] as const)
      expect(await errorOf(tool, args)).toBe("not_permitted");
    expect(readdirSync(root)).toEqual([]);
  });
});

describe("what models read about the tools", () => {
  it("are declarations of those that the rights allow", () => {
    const names = (rights: WorkspaceRights) => declarationsOf("p", rights).map(({ name }) => name);
    expect(names(everything).sort()).toEqual([...workspaceTools].sort());
    expect(names({ readOnly: false, commands: { kind: "none" } })).not.toContain("run_command");
    expect(names({ readOnly: true, commands: { kind: "none" } })).toEqual(["read_file", "list_files", "search"]);
  });

  it("is this", () => {
    const commands = { kind: "some", beginnings: [["npm", "test"]] } as const;
    expect(declarationsOf("files", { readOnly: false, commands })).toMatchSnapshot();
  });
});
