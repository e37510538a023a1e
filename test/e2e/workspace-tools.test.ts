/** An agent that Heddle hosts gets hands: it fixes a failing test in a repository here, through `heddle tools --workspace`. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { RemoteTool } from "../../src/client/index.ts";
import { HeddleProcess, heddle as heddleCommand } from "../cli/lib/heddle.ts";
import { until } from "./lib/log.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays } from "./lib/sim.ts";

const server = sharedServer();
const { heddle } = server;

const folders: string[] = [];
const started: HeddleProcess[] = [];

/** A repository with a test that fails. One each: most of a test's time is a worker's, or a lease's, and they run beside each other. */
function repository(): string {
  const folder = mkdtempSync(join(tmpdir(), "heddle-e2e-"));
  folders.push(folder);
  const write = (path: string, text: string) => writeFileSync(join(folder, path), text);
  mkdirSync(join(folder, "src"));
  write("package.json", JSON.stringify({ name: "sums", type: "module", scripts: { test: "node --test" } }));
  write("src/sum.js", "export const sum = (numbers) => numbers.reduce((a, b) => a - b, 0);\n");
  write(
    "src/sum.test.js",
    `import { test } from "node:test";\nimport assert from "node:assert";\nimport { sum } from "./sum.js";\ntest("sums", () => assert.equal(sum([1, 2]), 3));\n`,
  );
  execFileSync("git", ["init", "-q"], { cwd: folder });
  return folder;
}
afterAll(() => {
  for (const { child } of started) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

const env = { HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_local" };

function serve(pool: string, ...flags: string[]): HeddleProcess {
  const worker = new HeddleProcess(["tools", "--pool", pool, "--max-load", "100", ...flags], { env });
  started.push(worker);
  return worker;
}

async function declared(pool: string, ...flags: string[]): Promise<RemoteTool[]> {
  const { stdout } = await heddleCommand(["tools", "--pool", pool, ...flags, "--print-tools"], { env });
  return JSON.parse(stdout) as RemoteTool[];
}

/** The results that stand in a task's transcript, in order, parsed. */
async function resultsIn(run: string, task: string, format: "anthropic" | "openai") {
  const { messages } = await heddle.taskContext(run, task);
  const texts = messages.flatMap((message) => {
    if (format === "openai") return message.role === "tool" ? [{ text: message.content as string }] : [];
    const blocks = Array.isArray(message.content) ? message.content : [];
    return blocks
      .filter((block) => block.type === "tool_result")
      .map((block) => ({ text: contentText(block.content), is_error: block.is_error === true }));
  });
  return texts.map(({ text, ...more }) => ({ ...more, value: JSON.parse(text) }));
}

const contentText = (content: string | { text: string }[]): string =>
  typeof content === "string" ? content : content.map(({ text }) => text).join("");

const calls = (tool: string, args: Record<string, unknown>) => ({ calls: [{ tool, arguments: args }] });

describe.concurrent.each(["anthropic", "openai"] as const)(
  "a task of format %s with the tools of a workspace",
  (format) => {
    it("fixes a failing test: reads, runs it, edits, runs it again, finishes", async () => {
      const folder = repository();
      const pool = `files-${format}`;
      const flags = ["--workspace", folder, "--allow-command", "npm test"];
      const worker = serve(pool, ...flags);
      const script = plays([
        {
          calls: [
            { tool: "list_files", arguments: { glob: "**/*.js" } },
            { tool: "read_file", arguments: { path: "src/sum.js" } },
          ],
        },
        calls("run_command", { command: "npm test" }),
        calls("run_command", { command: "npm test && rm -rf src" }),
        calls("read_file", { path: "../../etc/passwd" }),
        calls("edit_file", { path: "src/sum.js", old: "a - b", new: "a + b" }),
        calls("run_command", { command: "npm test" }),
        calls("finish", { result: { fixed: "src/sum.js", exit_code: "{{6.0.exit_code}}" } }),
      ]);
      const { id: run } = await heddle.createRun({
        context: { format },
        tools: await declared(pool, ...flags),
        root: { instructions: script },
      });
      await heddle.waitFor(run, { mode: "settled" });

      const { root, status } = await heddle.run(run);
      const task = await heddle.task(run, root!);
      expect({ status, error: task.error }).toEqual({ status: "succeeded", error: null });
      expect(task.result).toEqual({ fixed: "src/sum.js", exit_code: 0 });
      expect(readFileSync(join(folder, "src/sum.js"), "utf8")).toBe(
        "export const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);\n",
      );

      const results = await resultsIn(run, root!, format);
      expect(results.map(({ value }) => value).slice(0, 7)).toEqual([
        { files: ["src/sum.js", "src/sum.test.js"] },
        expect.objectContaining({ path: "src/sum.js", text: expect.stringContaining("a - b"), lines: 1 }),
        { exit_code: 1, output: expect.stringMatching(/not ok|✖/) },
        expect.objectContaining({ error: expect.anything() }),
        expect.objectContaining({ error: expect.anything() }),
        { path: "src/sum.js", line: 1 },
        { exit_code: 0, output: expect.stringMatching(/pass 1/) },
      ]);
      const said = JSON.stringify(results.slice(3, 5));
      expect(said).toMatch(/commands_not_allowed.*outside_workspace/);
      if (format === "anthropic")
        expect(results.map((result) => "is_error" in result && result.is_error).slice(0, 7)).toEqual([
          false,
          false,
          false,
          true,
          true,
          false,
          false,
        ]);

      worker.child.kill("SIGTERM");
      expect(await worker.ended).toMatchObject({ status: 0 });
      // Named calls, one after another: the worker said so.
      expect(worker.stderr).toMatch(/edit_file for .* succeeded/);
    });
  },
);

describe.concurrent("a worker of a workspace", () => {
  it("shows its load where its pool is looked at, and how far a command is where its task is", async () => {
    const folder = repository();
    const pool = "files-watched";
    const flags = ["--workspace", folder, "--allow-commands"];
    serve(pool, ...flags);
    const wait = `echo half; while [ ! -f go ]; do sleep 0.05; done; echo done`;
    const { id: run } = await heddle.createRun({
      tools: await declared(pool, ...flags),
      root: { instructions: plays([calls("run_command", { command: wait }), { text: "{{1.0.output}}" }]) },
    });
    const { root } = await heddle.run(run);
    await until("the command's progress", 60_000, async () => {
      const { state, waiting_on } = await heddle.task(run, root!);
      expect(state).not.toBe("failed");
      const [call] = waiting_on && "tools" in waiting_on ? waiting_on.tools : [];
      return call?.progress?.message === "half";
    });
    const seen = await until("the worker's load", 60_000, async () => {
      const { workers } = await heddle.pool(pool);
      return workers.find(({ load }) => load !== null);
    });
    expect(seen.load!.cpu >= 0 && seen.load!.cpu <= 1).toBe(true);
    writeFileSync(join(folder, "go"), "");
    await heddle.waitFor(run, { mode: "settled" });
    expect((await heddle.task(run, root!)).result).toBe("half\ndone\n");
  });

  it("that is killed in the middle of a call has it tried again by another", async () => {
    const folder = repository();
    const pool = "files-killed";
    const flags = ["--workspace", folder, "--allow-commands"];
    const first = serve(pool, ...flags);
    // The first one goes on until the folder is gone: nobody is left to stop it.
    const command = "echo x >> tries; [ $(wc -l < tries) -gt 1 ] || while [ -f tries ]; do sleep 0.2; done; cat tries";
    const { id: run } = await heddle.createRun({
      tools: await declared(pool, ...flags),
      root: { instructions: plays([calls("run_command", { command }), { text: "{{1.0.output}}" }]) },
    });
    await until("the command", 60_000, async () => {
      try {
        return readFileSync(join(folder, "tries"), "utf8") !== "";
      } catch {
        return false;
      }
    });
    first.child.kill("SIGKILL");
    await first.ended;
    serve(pool, ...flags);
    await heddle.waitFor(run, { mode: "settled" });
    const { root } = await heddle.run(run);
    expect((await heddle.task(run, root!)).result).toBe("x\nx\n");
  });
});
