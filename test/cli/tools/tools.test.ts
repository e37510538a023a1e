/** `heddle tools` as a process: what commands and tool processes get and answer, and what happens when one of them goes. */

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PoolServer } from "../lib/contract-server.ts";
import { HeddleProcess, until } from "../lib/heddle.ts";

/** Each test starts a few processes, on machines that may have more to do. */
vi.setConfig({ testTimeout: 30_000 });

let server: PoolServer;
let folder: string;
const started: HeddleProcess[] = [];

beforeEach(async () => {
  server = await new PoolServer().start();
  folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
});
afterEach(async () => {
  for (const worker of started.splice(0)) worker.child.kill("SIGKILL");
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A worker whose command is a Node program; `folder` is its argument and its temporary folder. */
function tools(program: string, flags: string[] = [], env: Record<string, string> = {}): HeddleProcess {
  const args = ["tools", "--pool", "p", "--max-load", "100", ...flags, "--", process.execPath, "-e", program, folder];
  const worker = new HeddleProcess(args, { env: { HEDDLE_URL: server.url, TMPDIR: folder, ...env } });
  started.push(worker);
  return worker;
}

/** Carries out what waits, and ends. */
async function outcomesOf(program: string, flags: string[] = [], env: Record<string, string> = {}) {
  const { status, stderr } = await tools(program, ["--until-idle", "0", ...flags], env).ended;
  expect({ status, stderr }).toMatchObject({ status: 0 });
  return server.outcomes;
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};
const pidIn = async (name: string): Promise<number> => {
  await until(() => existsSync(join(folder, name)) && readFileSync(join(folder, name), "utf8") !== "");
  return Number(readFileSync(join(folder, name), "utf8"));
};

describe("a command for each call", () => {
  it("gets the arguments on stdin and in a file, the tool and the call's key, and none of Heddle's secrets", async () => {
    server.addCall("c1", "lookup", { name: "é", n: [1] });
    const outcomes = await outcomesOf(
      `const fs = require("fs"); const { HEDDLE_TOOL_FILE: file, HEDDLE_REPORT_FILE: report, ...env } = process.env;
       console.log(JSON.stringify({ stdin: JSON.parse(fs.readFileSync(0, "utf8")), file: JSON.parse(fs.readFileSync(file, "utf8")),
         mode: fs.statSync(file).mode & 0o777, env: Object.fromEntries(Object.entries(env).filter(([name]) => /HEDDLE|API_KEY/.test(name))) }))`,
      [],
      { HEDDLE_SECRET: "s", HEDDLE_LEASE: "another's", ANTHROPIC_API_KEY: "a", OPENAI_API_KEY: "o" },
    );
    expect(outcomes).toMatchObject([
      { task: "c1", result: { stdin: { name: "é", n: [1] }, file: { name: "é", n: [1] }, mode: 0o600 } },
    ]);
    expect((outcomes[0]!.result as { env: object }).env).toEqual({
      HEDDLE_URL: server.url,
      HEDDLE_TOOL: "lookup",
      HEDDLE_TOOL_CALL: "key-c1",
      HEDDLE_RUN: "run_1",
      HEDDLE_TASK_ID: "T1",
      HEDDLE_TASK_KEY: "caller",
    });
    expect(readdirSync(folder), "files are gone when the worker is").toEqual([]);
  });

  it("answers text, a result that is an error, or a failure that may be tried again, by its exit status", async () => {
    for (const tool of ["text", "bad", "quiet", "later"]) server.addCall(tool, tool);
    const program = `const tool = process.env.HEDDLE_TOOL; if (tool === "text") console.log("[not json");
      if (tool === "bad") { console.error("x".repeat(9000) + "the end"); process.exitCode = 2; }
      if (tool === "quiet") { console.log("on stdout"); process.exitCode = 1; }
      if (tool === "later") process.exitCode = 75;`;
    const outcomes = new Map((await outcomesOf(program)).map((outcome) => [outcome.task, outcome]));
    expect(outcomes.get("text")).toEqual({ task: "text", result: "[not json" });
    expect(outcomes.get("bad")).toMatchObject({ is_error: true, result: { error: { code: "command_failed" } } });
    const { message } = (outcomes.get("bad")!.result as { error: { message: string } }).error;
    expect(message).toMatch(/^exit status 2\nx+the end$/);
    expect(message.length).toBeLessThan(5000);
    expect(outcomes.get("quiet")).toMatchObject({
      is_error: true,
      result: { error: { message: "exit status 1\non stdout" } },
    });
    expect(outcomes.get("later")).toMatchObject({ retryable: true, error: { code: "command_failed" } });
  });

  it("takes calls of the tools that are named, and tasks never", async () => {
    server.add("task");
    server.addCall("other", "other");
    server.addCall("mine", "mine");
    server.addCall("second", "second");
    await outcomesOf("console.log(1)", ["--tool", "mine", "--tool", "second"]);
    expect(server.outcomes.map(({ task }) => task).sort()).toEqual(["mine", "second"]);
    expect(server.of("POST", /pools/)[0]!.body).toMatchObject({ kinds: ["tool_call"], tools: ["mine", "second"] });
  });

  it("is stopped with its children when the lease is lost, and nothing is delivered", async () => {
    server.addCall("c", "slow");
    const child = `require("fs").writeFileSync(process.argv[1] + "/pid", String(process.pid)); setTimeout(() => {}, 60000)`;
    const worker = tools(
      `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(child)}, process.argv[1]]); setTimeout(() => {}, 60000)`,
    );
    const pid = await pidIn("pid");
    server.lost.add("c");
    await until(() => /slow for caller lost its lease/.test(worker.stderr));
    await until(() => !isAlive(pid));
    expect(server.outcomes).toEqual([]);
  });

  it("leaves nothing behind when the worker is killed", async () => {
    server.addCall("c", "slow");
    const worker = tools(
      `require("fs").writeFileSync(process.argv[1] + "/pid", String(process.pid)); setTimeout(() => {}, 60000)`,
    );
    const pid = await pidIn("pid");
    worker.child.kill("SIGKILL");
    await until(() => !isAlive(pid));
    await until(() => !readdirSync(folder).some((name) => name.startsWith("heddle-work-")));
  });

  it("is stopped by force at the second signal, and its call given back", async () => {
    server.addCall("c", "slow");
    const worker = tools(
      `require("fs").writeFileSync(process.argv[1] + "/pid", String(process.pid)); setTimeout(() => {}, 60000)`,
    );
    const pid = await pidIn("pid");
    worker.child.kill("SIGINT");
    await until(() => /Stopping; what still runs may finish \(1\)/.test(worker.stderr));
    worker.child.kill("SIGINT");
    expect((await worker.ended).status).toBe(130);
    expect(isAlive(pid)).toBe(false);
    expect(server.outcomes).toMatchObject([{ task: "c", retryable: true, error: { code: "worker_stopped" } }]);
  });

  it("is told of in JSON lines with --json", async () => {
    server.addCall("c", "lookup");
    const { stdout } = await tools("process.exit(3)", ["--json", "--until-idle", "0"]).ended;
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ event }) => event)).toEqual(["note", "started", "succeeded"]);
    expect(lines[0].text).toMatch(/untrusted input/);
    expect(lines[2]).toMatchObject({ tool_call: "c", tool: "lookup", run: "run_1", task: "T1", is_error: true });
  });
});

describe("one process for all calls", () => {
  const lines = ["--json-lines"];
  /** A program of `on(call, say)`; each of its lives leaves its pid. */
  const answering = (on: string, more = "") => `
    const fs = require("fs"); const folder = process.argv[1]; fs.appendFileSync(folder + "/lives", process.pid + "\\n");
    const say = (line) => process.stdout.write((typeof line === "string" ? line : JSON.stringify(line)) + "\\n");
    const on = ${on};
    require("readline").createInterface({ input: process.stdin }).on("line", (line) => on(JSON.parse(line), say)); ${more}`;
  const lives = () => readFileSync(join(folder, "lives"), "utf8").trim().split("\n").map(Number);

  it("gets calls as lines, answers in any order, as many at once as it may", async () => {
    for (const id of ["a", "b", "c"]) server.addCall(id, "echo", { id });
    const program = answering(`(() => { const held = []; return (call, say) => {
      held.push(call);
      if (held.length === 3) for (const one of held.reverse()) say({ id: one.id, result: one });
    } })()`);
    await outcomesOf(program, [...lines, "--concurrency", "3"]);
    expect(server.outcomes.map(({ task }) => task).sort()).toEqual(["a", "b", "c"]);
    const a = server.outcomes.find(({ task }) => task === "a")!;
    expect(a.result).toEqual({
      id: "a",
      tool: "echo",
      arguments: { id: "a" },
      idempotency_key: "key-a",
      attempt: 1,
      timeout_at: expect.any(Number),
      run: "run_1",
      task: { id: "T1", key: "caller", title: null },
    });
    expect(lives()).toHaveLength(1);
  });

  it("answers errors and failures, and says how far it is", async () => {
    server.addCall("no", "no");
    server.addCall("later", "later");
    server.addCall("far", "far");
    const program = answering(`({ id, tool }, say) => {
      if (tool === "no") say({ id, error: { code: "no_row", message: "none" } });
      if (tool === "later") say({ id, error: { code: "busy", message: "later" }, retryable: true });
      if (tool === "far") { say({ id, progress: { message: "half", fraction: 0.5 } }); setTimeout(() => say({ id, result: "there" }), 2500); }
    }`);
    await outcomesOf(program, [...lines, "--concurrency", "3"]);
    const of = (id: string) => server.outcomes.find(({ task }) => task === id);
    expect(of("no")).toMatchObject({ is_error: true, result: { error: { code: "no_row", message: "none" } } });
    expect(of("later")).toMatchObject({ retryable: true, error: { code: "busy", message: "later" } });
    expect(of("far")).toMatchObject({ result: "there" });
    expect(server.progress).toEqual([{ message: "half", fraction: 0.5 }]);
  });

  it("may write what is no answer: it is told of and skipped", async () => {
    server.addCall("c", "c");
    const program = answering(
      `({ id }, say) => { console.error("a note"); say("debug!"); say({ id: "stranger", result: 1 }); say(""); say({ id }); say({ id, result: "ok" }); say({ id, result: "twice" }); }`,
    );
    const { stderr } = await tools(program, [...lines, "--until-idle", "0"]).ended;
    expect(server.outcomes).toEqual([{ task: "c", result: "ok" }]);
    expect(stderr).toMatch(/wrote a line that is not JSON; it is skipped: debug!/);
    expect(stderr).toMatch(/is for no open call; it is skipped: {"id":"stranger"/);
    expect(stderr).toMatch(/has neither "result"/);
    expect(stderr).toMatch(/: a note$/m);
  });

  it("that dies is started again; its open calls fail as retryable, what it had answered counts", async () => {
    for (const id of ["answered", "open"]) server.addCall(id, "t");
    const program = answering(`(() => { let seen = 0; return ({ id }, say) => {
      if (id === "answered" || id === "later") say({ id, result: "by " + process.pid });
      if (++seen === 2) { console.error("I give up"); process.exit(3); }
    } })()`);
    const worker = tools(program, [...lines, "--concurrency", "2"]);
    await until(() => server.outcomes.length === 2);
    const open = server.outcomes.find(({ task }) => task === "open")!;
    expect(open).toMatchObject({ retryable: true, error: { code: "worker_failed" } });
    expect(open.error!.message).toMatch(/exit status 3\nI give up$/);
    expect(server.outcomes.find(({ task }) => task === "answered")).toMatchObject({ result: `by ${lives()[0]}` });
    server.addCall("later", "t");
    await until(() => server.outcomes.length === 3);
    expect(server.outcomes[2]).toEqual({ task: "later", result: `by ${lives()[1]}` });
    expect(worker.stderr).toMatch(/The tool process ended: exit status 3 I give up\. It is started again in 0\.5 s\./);
    worker.child.kill("SIGTERM");
    expect((await worker.ended).status).toBe(0);
    for (const pid of lives()) expect(isAlive(pid)).toBe(false);
  });

  it("is told to drop a call whose lease is lost; other calls go on, and the late answer is passed over", async () => {
    server.addCall("c", "slow");
    const program = answering(`(call, say) => {
      if (call.cancel) { say({ id: call.id, result: "too late" }); fs.writeFileSync(folder + "/cancelled", "1"); }
      if (call.tool === "quick") say({ id: call.id, result: call.id });
    }`);
    const worker = tools(program, [...lines, "--concurrency", "2"]);
    await until(() => server.of("POST", /pools/).length > 1);
    server.lost.add("c");
    await until(() => existsSync(join(folder, "cancelled")));
    server.addCall("d", "quick");
    await until(() => server.outcomes.length === 1);
    expect(server.outcomes).toEqual([{ task: "d", result: "d" }]);
    expect(worker.stderr).not.toMatch(/skipped/);
    // The same call, tried again here.
    server.lost.delete("c");
    server.addCall("c", "quick", {}, { attempt: 2 });
    await until(() => server.outcomes.length === 2);
    expect(server.outcomes[1]).toEqual({ task: "c", result: "c" });
    worker.child.kill("SIGTERM");
    expect((await worker.ended).status).toBe(0);
    expect(lives()).toHaveLength(1);
  });

  it("with an answer over the bound fails that call, and serves the next", async () => {
    server.addCall("large", "large");
    server.addCall("small", "small");
    const program = answering(`({ id, tool }, say) => say({ id, result: tool === "large" ? "x".repeat(3e6) : "ok" })`);
    await outcomesOf(program, lines);
    expect(server.outcomes).toMatchObject([
      { task: "large", retryable: false, error: { code: "result_too_large" } },
      { task: "small", result: "ok" },
    ]);
  });

  it("ends with the worker, also one that does not care for the end of its input", async () => {
    server.addCall("c", "c");
    const program = answering(`({ id }, say) => say({ id, result: 1 })`, "setInterval(() => {}, 1000)");
    const worker = tools(program, [...lines, "--until-idle", "0"]);
    expect((await worker.ended).status).toBe(0);
    expect(isAlive(lives()[0]!)).toBe(false);
    expect(readdirSync(folder)).toEqual(["lives"]);
  });

  it("ends with a worker that is killed, whatever it does with its input", async () => {
    server.addCall("c", "c");
    const worker = tools(answering(`({ id }, say) => say({ id, result: 1 })`, "setInterval(() => {}, 1000)"), lines);
    await until(() => server.outcomes.length === 1);
    worker.child.kill("SIGKILL");
    await until(() => !isAlive(lives()[0]!));
  });
});

describe("a workspace", () => {
  const workspace = (...flags: string[]): HeddleProcess => {
    const args = ["tools", "--pool", "p", "--max-load", "100", "--workspace", folder, ...flags];
    const worker = new HeddleProcess(args, { env: { HEDDLE_URL: server.url } });
    started.push(worker);
    return worker;
  };

  it("has ready-made tools, and takes calls of no others", async () => {
    server.addCall("other", "other");
    server.addCall("write", "write_file", { path: "a/b.txt", content: "hi" });
    server.addCall("out", "read_file", { path: "../x" });
    server.addCall("run", "run_command", { command: "echo yes" });
    const { status, stderr } = await workspace("--until-idle", "0", "--allow-command", "echo").ended;
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const of = (id: string) => server.outcomes.find(({ task }) => task === id);
    expect(of("write")).toMatchObject({ result: { path: "a/b.txt", created: true } });
    expect(readFileSync(join(folder, "a/b.txt"), "utf8")).toBe("hi");
    expect(of("out")).toMatchObject({ is_error: true, result: { error: { code: "outside_workspace" } } });
    expect(of("run")).toMatchObject({ result: { exit_code: 0, output: "yes\n" } });
    expect(of("other")).toBeUndefined();
    expect(stderr).toMatch(/reading, writing, and commands that begin with: echo\), 1 at once/);
  });

  it("leaves no command behind at the third signal", async () => {
    server.addCall("run", "run_command", { command: "trap '' TERM; echo $$ > pid; while :; do sleep 1; done" });
    const worker = workspace("--allow-commands");
    const pid = await pidIn("pid");
    worker.child.kill("SIGINT");
    await until(() => /Stopping/.test(worker.stderr));
    const killing = setInterval(() => worker.child.kill("SIGINT"), 100);
    expect((await worker.ended).status).toBe(130);
    clearInterval(killing);
    await until(() => !isAlive(pid));
  });

  it("leaves no command behind when it is killed", async () => {
    server.addCall("run", "run_command", { command: "echo $$ > pid; while :; do sleep 1; done" });
    const worker = workspace("--allow-commands");
    const pid = await pidIn("pid");
    worker.child.kill("SIGKILL");
    await until(() => !isAlive(pid));
  });
});
