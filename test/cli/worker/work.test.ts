/** `heddle work` as a process: what commands get and answer, and what happens when a lease, the server or the user goes. */

import { type ChildProcess, spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { thisProcess } from "../../../src/cli/worker/owner.ts";
import { PoolServer } from "../lib/contract-server.ts";
import { HeddleProcess, until } from "../lib/heddle.ts";

/** Each test starts a few processes, on machines that may have more to do. */
vi.setConfig({ testTimeout: 30_000 });

const guardMain = join(import.meta.dirname, "../../../src/cli/worker/guard-main.ts");
let server: PoolServer;
let folder: string;
const started: HeddleProcess[] = [];

beforeEach(async () => {
  server = await new PoolServer().start();
  folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
});
afterEach(async () => {
  for (const worker of started.splice(0)) worker.child.kill("SIGKILL");
  vi.unstubAllEnvs();
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** A worker whose command is a Node program; `folder` is its argument and its temporary folder. */
function work(program: string, ...flags: string[]): HeddleProcess {
  // The load of the machine that tests share is not what they are about; those of load/ are.
  const args = ["work", "--pool", "p", "--max-load", "100", ...flags, "--", process.execPath, "-e", program, folder];
  const worker = new HeddleProcess(args, { env: { HEDDLE_URL: server.url, TMPDIR: folder } });
  started.push(worker);
  return worker;
}

/** Works off what is in the pool, and ends. */
async function outcomesOf(program: string, ...ids: string[]) {
  for (const id of ids) server.add(id);
  const { status, stderr } = await work(program, "--until-idle", "0").ended;
  expect({ status, stderr }).toMatchObject({ status: 0 });
  return server.outcomes;
}

const slow =
  "process.on('SIGTERM', () => {}); setTimeout(() => console.log('done'), 60000); require('fs').writeFileSync(process.argv[1] + '/pid', String(process.pid))";
const pidOf = async (): Promise<number> => {
  await until(() => existsSync(join(folder, "pid")) && readFileSync(join(folder, "pid"), "utf8") !== "");
  return Number(readFileSync(join(folder, "pid"), "utf8"));
};
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

const foldersLeft = (): string[] => readdirSync(folder).filter((name) => name.startsWith("heddle-work-"));
it("gives the command messages to its task at the end of the context", async () => {
  server.add("t", "do", [{ role: "user", content: "and be quick" }]);
  const read = "JSON.parse(require('fs').readFileSync(0)).context.messages.map(({ content }) => content)";
  const outcomes = await outcomesOf(`console.log(JSON.stringify(${read}))`);
  expect(outcomes).toEqual([{ task: "t", result: ["héllo", "and be quick"] }]);
});

describe("the command's answer", () => {
  it("is JSON when all of stdout is an object or array", async () => {
    const outcomes = await outcomesOf("console.log(JSON.stringify({ a: [1, 'é'] }, null, 2))", "t");
    expect(outcomes).toEqual([{ task: "t", result: { a: [1, "é"] } }]);
  });

  it("is text without its last newline otherwise", async () => {
    const outcomes = await outcomesOf("process.stdout.write('{not json}\\n\\n')", "t");
    expect(outcomes).toEqual([{ task: "t", result: "{not json}\n" }]);
  });

  it("is a failure with status and the end of stderr for another exit status", async () => {
    const outcomes = await outcomesOf("console.error('x'.repeat(9000) + 'the end'); process.exit(3)", "t");
    expect(outcomes[0]).toMatchObject({ task: "t", retryable: false, error: { code: "command_failed" } });
    expect(outcomes[0]!.error!.message).toMatch(/^exit status 3\nx+the end$/);
    expect(outcomes[0]!.error!.message.length).toBeLessThan(5000);
  });

  it("is a retryable failure for exit status 75", async () => {
    expect(await outcomesOf("process.exit(75)", "t")).toMatchObject([
      { retryable: true, error: { code: "command_failed" } },
    ]);
  });

  it("is a failure that names the signal", async () => {
    const outcomes = await outcomesOf("process.kill(process.pid, 'SIGKILL')", "t");
    expect(outcomes[0]!.error!.message).toBe("ended by SIGKILL (9)");
  });

  it("is there when the command has ended, though a server that it left in the background keeps its pipes", async () => {
    const server = `require("fs").writeFileSync(process.argv[1] + "/pid", String(process.pid)); setTimeout(() => {}, 60000)`;
    const program = `
      const options = { detached: true, stdio: ["ignore", 1, 2] };
      require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(server)}, process.argv[1]], options).unref();
      require("fs").writeSync(1, "started");`;
    const left = pidOf();
    try {
      expect(await outcomesOf(program, "t")).toEqual([{ task: "t", result: "started" }]);
      expect(isAlive(await left)).toBe(true);
    } finally {
      process.kill(await left, "SIGKILL");
    }
  });

  it("is refused when it is over 1 MiB, without waiting for its end", async () => {
    const outcomes = await outcomesOf("setInterval(() => process.stdout.write('y'.repeat(100000)), 1)", "t");
    expect(outcomes).toMatchObject([{ retryable: false, error: { code: "result_too_large" } }]);
  });
});

describe("a result that the server does not take", () => {
  it("fails the task with the reason, and is not left to be made again", async () => {
    const answer = server.handler;
    const errors = [{ path: "result", message: "no match" }];
    const body = { code: "validation_failed", detail: "result: no match", errors };
    server.handler = async (call) => (/complete/.test(call.path) ? { status: 422, body } : answer(call));
    expect(await outcomesOf("console.log('x')", "t")).toMatchObject([
      {
        ...{ task: "t", retryable: false },
        error: {
          code: "output_invalid",
          message: expect.stringMatching(/^result: no match\nThe result is text: .* goes to stderr\.$/),
        },
      },
    ]);
    expect(server.of("POST", /complete/)).toHaveLength(1);
    const json = { code: "output_invalid", message: "result: no match" };
    expect((await outcomesOf("console.log('{}')", "u")).at(-1)).toMatchObject({ task: "u", error: json });
  });
});

describe("the command's surroundings", () => {
  it("are the task on stdin and in private files, its lease, and neither the worker's key nor a deployment's secrets", async () => {
    const names = ["ADMIN_SECRET", "SECRET", "CREDENTIALS_KEY", "CREDENTIALS_KEY_OLD", "BILLING_KEY"];
    for (const name of names) vi.stubEnv(`HEDDLE_${name}`, "s3cret");
    const outcomes = await outcomesOf(
      `const fs = require("fs"); const read = (path) => JSON.parse(fs.readFileSync(path, "utf8"));
       const { HEDDLE_TASK_FILE: task, HEDDLE_CONTEXT_FILE: context, ...env } = process.env;
       console.log(JSON.stringify({ stdin: read(0), task: read(task), context: read(context), mode: fs.statSync(task).mode & 0o777,
         env: Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith("HEDDLE_"))) }))`,
      "t",
    );
    const { stdin, task, context, mode, env } = outcomes[0]!.result as Record<string, Record<string, unknown>>;
    expect(stdin).toMatchObject({ id: "t", instructions: "do", context: { messages: [{ content: "héllo" }] } });
    expect(task).toEqual(stdin);
    expect(context).toEqual(stdin!.context);
    expect(mode).toBe(0o600);
    expect(env).toEqual({
      HEDDLE_URL: server.url,
      HEDDLE_LEASE: "lease-t",
      HEDDLE_TASK_ID: "t",
      HEDDLE_TASK_KEY: "t",
      HEDDLE_REPORT_FILE: expect.stringContaining(folder),
    });
    expect(readdirSync(folder), "files are gone when the worker is").toEqual([]);
  });

  it("need a folder for files that is there, and say so in a line", async () => {
    const env = { HEDDLE_URL: server.url, TMPDIR: join(folder, "none") };
    const { status, stderr } = await new HeddleProcess(["work", "--pool", "p", "--", "true"], { env }).ended;
    expect(stderr).toBe(
      `heddle: ${env.TMPDIR} takes no files for the commands (ENOENT). Set TMPDIR to a folder that you may write to.\n`,
    );
    expect(status).toBe(2);
  });

  it("need not be read: a command that ignores a large stdin succeeds", async () => {
    server.add("t", "z".repeat(1_000_000));
    expect(await outcomesOf("process.stdin.destroy(); console.log('ok')")).toEqual([{ task: "t", result: "ok" }]);
  });
});

describe("leases", () => {
  it("come in batches as large as the free places, and one after another with completions", async () => {
    for (const id of ["a", "b", "c", "d", "e"]) server.add(id);
    await work("setTimeout(() => console.log('ok'), 50)", "--until-idle", "0", "--concurrency", "2").ended;
    expect(server.outcomes.map(({ task }) => task).sort()).toEqual(["a", "b", "c", "d", "e"]);
    expect(server.of("POST", /pools/)[0]!.body).toMatchObject({ max: 2 });
    // Five tasks with two places: the other three came with completions and not by asking for them.
    expect(server.of("POST", /complete/).filter(({ body }) => body.next).length).toBeGreaterThanOrEqual(3);
    expect(server.of("POST", /pools/).length).toBeLessThanOrEqual(4);
  });

  it("that come with completions take the place that is left, and no place more", async () => {
    for (const id of ["a", "b", "c", "d"]) server.add(id);
    const program = `const fs = require("fs"); const place = process.argv[1] + "/place";
      try { fs.mkdirSync(place); setTimeout(() => { fs.rmdirSync(place); console.log("alone"); }, 200); } catch { console.log("beside another"); }`;
    await work(program, "--until-idle", "0").ended;
    expect(server.outcomes.map(({ result }) => result)).toEqual(["alone", "alone", "alone", "alone"]);
  });

  it("that are lost stop the command and its children, and nothing is delivered", async () => {
    server.add("t");
    const worker = work(
      `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(slow)}, process.argv[1]]); setTimeout(() => {}, 60000)`,
    );
    const grandchild = await pidOf();
    server.lost.add("t");
    await until(() => /lost its lease/.test(worker.stderr));
    await until(() => !isAlive(grandchild));
    expect(server.outcomes).toEqual([]);
    expect(server.of("POST", /renew/).length).toBeGreaterThan(0);
  });

  it.each([
    ["succeeded", 1, 0, /^t succeeded in/m],
    ["succeeded", 2, 1, /^t lost its lease/m], // another attempt's success
    ["failed", 1, 1, /^t failed after .*: gave up/m],
    ["cancelled", 1, 1, /^t lost its lease/m],
  ])("that the command ended itself: the task is %s in attempt %i", async (state, attempts, status, said) => {
    const answer = server.handler;
    const error = state === "failed" ? { code: "own", message: "gave up" } : null;
    server.handler = (call) =>
      /^\/v1\/runs\/.*\/tasks\/t$/.test(call.path)
        ? { status: 200, body: { id: "t", state, generation: 1, attempts, result: "r", error, waiting_on: null } }
        : answer(call);
    server.lost.add("t");
    server.add("t");
    const ended = await work("console.log('too late')", "--once").ended;
    expect(ended.stderr).toMatch(said);
    expect(ended.status).toBe(status);
    expect(server.outcomes).toEqual([]);
  });

  it("of a command that blocks in a tool call make room for one more", async () => {
    server.add("parent");
    server.blocked.add("parent");
    const program = `const id = process.env.HEDDLE_TASK_ID; const fs = require("fs"); const done = process.argv[1] + "/done";
      if (id === "child") { fs.writeFileSync(done, ""); console.log("ok"); }
      else setInterval(() => { if (fs.existsSync(done)) { console.log("ok"); process.exit(); } }, 20)`;
    const worker = work(program, "--concurrency", "1");
    await until(() => server.of("GET", /tasks\/parent/).length > 0);
    server.add("child");
    await until(() => server.outcomes.length === 2);
    expect(server.outcomes.map(({ task }) => task).sort()).toEqual(["child", "parent"]);
    worker.child.kill("SIGTERM");
    expect((await worker.ended).status).toBe(0);
  });
});

describe("a server that goes away", () => {
  it("gets the result when it is back, once", async () => {
    server.add("t");
    const worker = work(
      "setTimeout(() => console.log('kept'), 300); require('fs').writeFileSync(process.argv[1] + '/pid', '1')",
    );
    await pidOf();
    await server.stop();
    await new Promise((resolve) => setTimeout(resolve, 800)); // the command ends while nobody listens
    await server.start();
    await until(() => server.outcomes.length > 0);
    expect(server.outcomes).toEqual([{ task: "t", result: "kept" }]);
    worker.child.kill("SIGTERM");
    expect((await worker.ended).status).toBe(0);
  });

  it("that cuts the line after a completion gets the same Idempotency-Key again", async () => {
    server.add("t");
    const answer = server.handler;
    let cut = false;
    server.handler = async (call) => {
      const answered = await answer(call);
      if (!/complete/.test(call.path) || cut) return answered;
      cut = true;
      return undefined;
    };
    const worker = work("console.log('once')");
    await until(() => server.of("POST", /complete/).length === 2);
    const [first, second] = server.of("POST", /complete/);
    expect(second!.headers["idempotency-key"]).toBe(first!.headers["idempotency-key"]);
    expect(server.outcomes).toEqual([{ task: "t", result: "once" }]);
    worker.child.kill("SIGTERM");
    expect((await worker.ended).status).toBe(0);
  });
});

describe("a busy machine", () => {
  /** Runs until the file that its task is named by is there. */
  const waits = `const fs = require("fs"); const go = process.argv[1] + "/go-" + process.env.HEDDLE_TASK_ID;
    setInterval(() => { if (fs.existsSync(go)) { console.log("ok"); process.exit(); } }, 20)`;

  it("gets no new task while one runs, and the next when none does", async () => {
    server.add("a");
    // There is no machine that uses less than 1 % of its memory.
    const worker = work(waits, "--max-load", "1", "--concurrency", "2", "--until-idle", "0");
    await until(() =>
      /No new tasks for now: the machine is busy \(.*memory \d+ %.*\)\. --max-load says/.test(worker.stderr),
    );
    // A request that was under way when the machine was found busy still gets what comes.
    await until(() => server.openPolls === 0);
    const asked = server.of("POST", /pools/).length;
    server.add("b");
    server.add("c");
    writeFileSync(join(folder, "go-b"), "");
    writeFileSync(join(folder, "go-c"), "");
    writeFileSync(join(folder, "go-a"), "");
    expect((await worker.ended).status).toBe(0);
    expect(server.outcomes.map(({ task }) => task)).toEqual(["a", "b", "c"]);
    // One after another, each with the completion of the one before: nobody was asked for more than one meanwhile.
    expect(
      server
        .of("POST", /pools/)
        .slice(asked)
        .every(({ body }) => body.max <= 1),
    ).toBe(true);
  });

  it("does not keep a command that blocks in a tool call from the task that it waits for", async () => {
    server.add("parent");
    const worker = work(waits, "--max-load", "1", "--concurrency", "2", "--until-idle", "0");
    await until(() => /the machine is busy/.test(worker.stderr));
    await until(() => server.openPolls === 0);
    server.add("child");
    writeFileSync(join(folder, "go-child"), "");
    server.blocked.add("parent");
    await until(() => server.outcomes.length === 1);
    writeFileSync(join(folder, "go-parent"), "");
    expect((await worker.ended).status).toBe(0);
    expect(server.outcomes.map(({ task }) => task)).toEqual(["child", "parent"]);
  });

  it("is told of with lease requests, and by some that lease nothing where none is due", async () => {
    server.add("a");
    const worker = work(waits);
    await until(() => server.of("POST", /pools/).some(({ body }) => body.max === 0));
    const { body } = server.of("POST", /pools/).find(({ body }) => body.max === 0)!;
    expect(body.load).toEqual({ cpu: expect.any(Number), memory: expect.any(Number) });
    writeFileSync(join(folder, "go-a"), "");
    await until(() => server.of("POST", /pools/).some(({ body }) => body.max > 0 && body.load));
    worker.child.kill("SIGTERM");
    expect((await worker.ended).status).toBe(0);
  });

  it("is also one whose command has met a rate limit: nothing is leased until that has passed", async () => {
    server.add("a");
    server.add("b");
    const program = `const fs = require("fs"); const id = process.env.HEDDLE_TASK_ID;
      fs.writeFileSync(process.argv[1] + "/" + id, String(Date.now())); if (id === "b") console.log("ok");
      else { fs.appendFileSync(process.env.HEDDLE_REPORT_FILE, '{"retry_after_ms": 1500}\\n'); process.exitCode = 75; }`;
    const worker = work(program, "--json");
    await until(() => server.outcomes.length === 2);
    const [limitedAt, goneOnAt] = ["a", "b"].map((id) => Number(readFileSync(join(folder, id), "utf8")));
    expect(goneOnAt! - limitedAt!).toBeGreaterThanOrEqual(1500);
    expect(server.outcomes).toMatchObject([
      { task: "a", retryable: true },
      { task: "b", result: "ok" },
    ]);
    expect(worker.stdout).toMatch(/"event":"load".*"holding":"rate_limit"/);
    worker.child.kill("SIGTERM");
    expect((await worker.ended).status).toBe(0);
  });
});

describe("stopping", () => {
  it("lets the running command finish, delivers it, and leases nothing more", async () => {
    server.add("t");
    const worker = work(
      "require('fs').writeFileSync(process.argv[1] + '/pid', '1'); setTimeout(() => console.log('finished'), 500)",
    );
    await pidOf();
    worker.child.kill("SIGTERM");
    await until(() => /Stopping/.test(worker.stderr));
    server.add("later");
    expect((await worker.ended).status).toBe(0);
    expect(server.outcomes).toEqual([{ task: "t", result: "finished" }]);
    expect(server.queue).toHaveLength(1);
  });

  it("by force stops the command and gives its task back", async () => {
    server.add("t");
    const worker = work(
      "require('fs').writeFileSync(process.argv[1] + '/pid', String(process.pid)); setTimeout(() => {}, 60000)",
    );
    const pid = await pidOf();
    worker.child.kill("SIGINT");
    await until(() => /Stopping/.test(worker.stderr));
    worker.child.kill("SIGINT");
    const { status, stderr } = await worker.ended;
    expect(status).toBe(130);
    expect(stderr).toMatch(/^t was given back after /m);
    expect(isAlive(pid)).toBe(false);
    expect(server.outcomes).toMatchObject([{ task: "t", retryable: true, error: { code: "worker_stopped" } }]);
  });

  it("at the third signal leaves no command behind, not even one that does not care", async () => {
    server.add("t");
    const worker = work(
      "process.on('SIGTERM', () => {}); require('fs').writeFileSync(process.argv[1] + '/pid', String(process.pid)); setTimeout(() => {}, 60000)",
    );
    const pid = await pidOf();
    worker.child.kill("SIGINT");
    await until(() => /Stopping/.test(worker.stderr));
    const killing = setInterval(() => worker.child.kill("SIGINT"), 100);
    expect((await worker.ended).status).toBe(130);
    clearInterval(killing);
    await until(() => !isAlive(pid));
    expect(server.outcomes).toEqual([]);
  });

  it("after --once has the status of the task", async () => {
    server.add("good");
    server.add("bad");
    const program = "process.exit(process.env.HEDDLE_TASK_ID === 'bad' ? 1 : 0)";
    expect((await work(program, "--once").ended).status).toBe(0);
    expect((await work(program, "--once").ended).status).toBe(1);
    expect(server.outcomes).toHaveLength(2);
  });
});

describe("a worker that is killed", () => {
  it("leaves neither its command behind, not even one that does not care, nor its files", async () => {
    server.add("t");
    const worker = work(
      `require("child_process").spawn(process.execPath, ["-e", ${JSON.stringify(slow)}, process.argv[1]]); setTimeout(() => {}, 60000)`,
    );
    const grandchild = await pidOf();
    worker.child.kill("SIGKILL");
    await until(() => !isAlive(grandchild));
    await until(() => foldersLeft().length === 0);
  });

  it("is guarded for the commands that run: those that have ended are nobody's business", async () => {
    const [forgotten, watched] = [0, 1].map(() =>
      spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { detached: true, stdio: "ignore" }),
    ) as [ChildProcess, ChildProcess];
    const guard = spawn(process.execPath, [guardMain, join(folder, "heddle-work-x")], {
      stdio: ["pipe", "inherit", "inherit"],
    });
    guard.stdin!.end(`+${forgotten.pid}\n+${watched.pid}\n-${forgotten.pid}\n`);
    try {
      expect(await new Promise((resolve) => guard.once("exit", resolve))).toBe(0);
      expect([isAlive(forgotten.pid!), watched.signalCode ?? isAlive(watched.pid!)]).toEqual([true, "SIGTERM"]);
    } finally {
      for (const child of [forgotten, watched]) child.kill("SIGKILL");
    }
  });

  it("together with its guard, is cleaned up after by the next one, which touches nobody else's folders", async () => {
    const left = (name: string, owner: unknown) => {
      mkdirSync(join(folder, `heddle-work-${name}`), { mode: 0o700 });
      writeFileSync(join(folder, `heddle-work-${name}`, "owner.json"), JSON.stringify(owner));
      writeFileSync(join(folder, `heddle-work-${name}`, "1-task.json"), "{}");
    };
    const self = thisProcess();
    left("alive", self);
    left("reused", { ...self, start: `${self.start}0` });
    left("elsewhere", { ...self, start: `${self.start}0`, space: "another machine" });
    left("unknown", null);
    mkdirSync(join(folder, "heddle-work-new"));
    await work("", "--until-idle", "0").ended;
    const names = ["alive", "elsewhere", "new", "unknown"].map((name) => `heddle-work-${name}`);
    expect(foldersLeft().sort()).toEqual(names);
  });
});

describe("output", () => {
  it("is JSON lines on stdout with --json", async () => {
    server.add("t");
    const { stdout } = await work("console.log('ok')", "--json", "--until-idle", "0").ended;
    const lines = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.map(({ event }) => event)).toEqual(["note", "started", "succeeded"]);
    expect(lines[2]).toMatchObject({ task: "t", key: "t" });
    expect(lines[0].text).toMatch(/untrusted input/);
  });

  it("that nobody reads any more ends the worker in good order", async () => {
    server.add("t");
    const worker = work("console.log('ok')", "--json");
    worker.child.stdout!.destroy();
    expect(await worker.ended).toMatchObject({ status: 0, stderr: "" });
  });

  it("says at the start that instructions are untrusted input", async () => {
    const { stderr } = await work("", "--until-idle", "0").ended;
    expect(stderr).toMatch(/untrusted input/);
  });
});

describe("a server that refuses for good", () => {
  it("ends the worker with its reason", async () => {
    const answer = server.handler;
    server.handler = (call) =>
      /pools/.test(call.path)
        ? { status: 403, body: { code: "forbidden", title: "The key lacks a scope", hint: "Use another key." } }
        : answer(call);
    const { status, stderr } = await work("console.log(1)").ended;
    expect(status).toBe(1);
    expect(stderr).toMatch(/The key lacks a scope \(forbidden\)\nUse a key with that scope: `heddle doctor`/);
  });
});

it("keeps its folder to itself", async () => {
  server.add("t");
  work("require('fs').writeFileSync(process.argv[1] + '/pid', '1'); setTimeout(() => {}, 3000)");
  await pidOf();
  const [name] = readdirSync(folder).filter((entry) => entry.startsWith("heddle-work-"));
  expect(statSync(join(folder, name!)).mode & 0o777).toBe(0o700);
});
