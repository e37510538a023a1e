/** Each command as a person types it: the built `heddle`, against a real server. */

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { version } from "../../src/version.ts";
import { Endpoint } from "./lib/endpoint.ts";
import { until } from "./lib/log.ts";
import { lock } from "./lib/ops.ts";
import { projectRoot } from "./lib/server.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays, says } from "./lib/sim.ts";

const server = sharedServer();
const main = join(projectRoot, "dist/cli/main.js");
const folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  status: number | null;
  stdout: string;
  stderr: string;
}

interface Typed extends Ended {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

const env = { ...process.env, HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_local" };

function started(args: readonly string[], more: Record<string, string> = {}, input = ""): Typed {
  const child = spawn(process.execPath, [main, ...args], { cwd: folder, env: { ...env, ...more } });
  const typed = { child, status: null, stdout: "", stderr: "" } as unknown as Typed & { ended: Promise<Ended> };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]!.setEncoding("utf8").on("data", (text: string) => {
      typed[name] += text;
    });
  }
  child.stdin!.end(input);
  typed.ended = new Promise((resolve) => {
    child.once("close", (status) => resolve({ status, stdout: typed.stdout, stderr: typed.stderr }));
  });
  return typed;
}

const heddle = (...args: string[]) => started(args).ended;

/** What it printed, where it must succeed. */
async function printed(...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await heddle(...args);
  expect({ args, status, stderr }).toMatchObject({ status: 0 });
  return stdout;
}

const documents = async (...args: string[]) =>
  (await printed(...args, "--json"))
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/** A run from a Markdown file, whose tasks are its sections. */
async function runOf(
  sections: Record<string, { settings?: string; text: string }>,
  name = "commands",
): Promise<string> {
  const parts = Object.entries(sections).map(
    ([key, { settings = "", text }]) => `## ${key}\n\n${settings}\n\n${text}\n`,
  );
  const file = join(folder, "run.md");
  writeFileSync(file, `---\nname: ${JSON.stringify(name)}\n---\n\nWe sell kettles.\n\n${parts.join("\n")}`);
  return (await printed("run", file, "--detach")).trim();
}

describe("a run that is over", () => {
  let run: string;
  beforeAll(async () => {
    run = await runOf(
      { one: { text: says("first") }, two: { settings: "- after: one\n- priority: 8", text: says("second") } },
      "茶壶 \u001b[31mkettles",
    );
    expect(await printed("wait", run)).toBe("2 succeeded\n");
    expect(await printed("finish", run)).toMatch(/ is succeeded/);
  });

  it("is listed, the newest last", async () => {
    const runs = await documents("runs", "--all");
    const own = runs.findIndex(({ id }) => id === run);
    expect(runs[own]).toMatchObject({ status: "succeeded", created_at: expect.any(Number) });
    expect(runs.map(({ created_at }) => created_at)).toEqual(
      runs.map(({ created_at }) => created_at).toSorted((a, b) => a - b),
    );
    const table = await printed("runs", "--limit", "1000");
    expect(table.split("\n").find((line) => line.startsWith(run))).toMatch(
      / {2}茶壶 {2}\[31mkettles {2,}succeeded {2}/,
    );
    expect(table).not.toContain("\u001b");
  });

  it("is shown with its tasks, and each task by key or id", async () => {
    const text = await printed("show", run);
    expect(text).toMatch(/: succeeded \(finished\)\n {2}tasks +2 succeeded\n/);
    expect(text).toMatch(/^T2-\S+ {2}two +succeeded .* second$/m);
    const [shown] = await documents("show", run);
    expect(shown).toMatchObject({
      run: { id: run },
      tasks: [{ key: "one" }, { key: "two", priority: 8 }],
      tasks_left: 0,
    });
    expect(await printed("show", run, "two")).toMatch(/^Task T2-\S+ "two": succeeded\n[\s\S]*\n\nsecond\n$/);
    expect(await documents("show", run, shown.tasks[1].id)).toEqual([expect.objectContaining({ result: "second" })]);
  });

  it("has a log, all of it or a part", async () => {
    expect(await printed("logs", run)).toMatch(
      / {2}#1 {6}run_created [\s\S]* {2}task_ended +two \(T2-\S+\) {2}state succeeded\n[\s\S]* {2}run_ended /,
    );
    const events = await documents("logs", run, "--type", "task_*", "--task", "two");
    expect(new Set(events.map(({ type }) => type))).toEqual(
      new Set(["task_created", "task_ready", "task_started", "task_ended"]),
    );
    // Following a run that has ended ends.
    const all = await documents("logs", run, "-f");
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, i) => i + 1));
    expect(await documents("logs", run, "--after", String(all.length - 1))).toEqual([all.at(-1)]);
  });

  it("has transcripts, readable and as stored", async () => {
    expect(await printed("context", run, "two")).toMatch(
      /── user\nWe sell kettles\.\n[\s\S]*<result of="one">[\s\S]*── assistant\nsecond\n$/,
    );
    const stored = await server.call("GET", `/v1/runs/${run}/tasks/two/context`);
    expect(await printed("context", run, "two", "--format", "json")).toBe(`${stored.text}\n`);
    expect(await printed("context", run)).toMatch(/^anthropic format, 1 messages\n\n── user\nWe sell kettles\.\n$/);
  });

  it("has neither findings nor variables", async () => {
    expect(await heddle("findings", run)).toEqual({ status: 0, stdout: "", stderr: "There are no findings.\n" });
    expect(await heddle("vars", run)).toEqual({ status: 0, stdout: "", stderr: "No variable has been used yet.\n" });
  });

  it("is watched to its end, which it has reached", async () => {
    expect(await printed("watch", run)).toMatch(/succeeded[\s\S]*2 succeeded/);
  });

  it("is deleted only by who says so", async () => {
    expect((await heddle("delete", run)).stderr).toMatch(/^heddle: There is no terminal to ask on; --yes/);
    // A terminal, where the machine has a tool that makes one; the question itself is tested without (test/cli/steer).
    if (spawnSync("script", ["--version"]).status === 0) {
      const command = `'${process.execPath}' '${main}' delete ${run}`;
      const asked = spawn("script", ["-qec", command, "/dev/null"], { env });
      let screen = "";
      asked.stdout.setEncoding("utf8").on("data", (text: string) => {
        if (!screen.includes("[y/N]") && (screen + text).includes("[y/N]")) asked.stdin.write("n\r");
        screen += text;
      });
      expect(await new Promise((resolve) => asked.once("close", resolve))).toBe(1);
      expect(screen).toMatch(/\(succeeded; 2 succeeded\) for good\? \[y\/N\] [\s\S]*Nothing was deleted\./);
    }
    expect(await printed("delete", run, "--yes")).toBe(`${run} is deleted.\n`);
    expect(await heddle("show", run)).toMatchObject({
      status: 1,
      stdout: "",
      stderr: expect.stringMatching(/\(not_found\)\n/),
    });
  });
});

describe("a run under way", () => {
  it("is steered: paused, resumed, a task cancelled and begun anew, finished; its log is followed to the end", async () => {
    const slow = plays([{ calls: [lock("acquire", "deploy")] }, { text: "held", latency_ms: 600_000 }]);
    const run = await runOf({
      holder: { text: slow },
      waiter: { settings: "- priority: 1", text: slow },
      quick: { text: says("done") },
    });
    const following = started(["logs", run, "--follow", "--json", "--type", "run_*", "--type", "task_ended"]);
    await until("one holds and one waits", 60_000, async () => {
      const { waiters } = await server.heddle.variable(run, "deploy").catch(() => ({ waiters: [] }));
      return waiters.length === 1;
    });
    expect(await printed("vars", run)).toMatch(/^NAME +KIND +HOLDERS +WAITERS +STATE\ndeploy +lock +1 +1 +token 1/);
    expect(await printed("vars", run, "deploy")).toMatch(
      /^deploy, lock\n[\s\S]*Held by:\n {2}task T1-[\s\S]*Waiting, first in line first:\n {2}task T2-/,
    );
    expect(await printed("show", run, "waiter")).toMatch(/: parked\n[\s\S]* {2}waits for +lock\.acquire deploy since /);
    expect(await printed("wait", run, "quick")).toMatch(/^T3-\S+ {2}quick {2}succeeded {2}done$/m);
    expect(await heddle("wait", run, "holder", "--timeout", "0")).toMatchObject({
      status: 1,
      stderr: "Not over within 0 s; the tasks go on.\n",
    });

    expect(await printed("pause", run)).toBe(`${run} is paused (asked).\n`);
    expect(await printed("resume", run)).toBe(`${run} is active.\n`);
    expect((await heddle("resume", run)).stderr).toMatch(/run_not_paused/);
    expect((await heddle("finish", run)).stderr).toMatch(/tasks_live/);
    expect((await heddle("retry", run, "holder")).stderr).toMatch(/task_not_ended/);
    expect(await printed("cancel", run, "holder", "--reason", "too slow")).toMatch(
      /^holder \(T1-\S+\) is cancelled\.\n$/,
    );
    expect(await documents("retry", run, "quick")).toMatchObject([{ key: "quick", generation: 2 }]);
    expect(await printed("wait", run, "quick")).toMatch(/quick {2}succeeded/);
    expect(await printed("finish", run, "--cancel")).toMatch(new RegExp(`^${run} is `));

    const { status, stdout } = await following.ended;
    expect(status).toBe(0);
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(events[0]).toMatchObject({ seq: 1, type: "run_created" });
    expect(events.at(-1)).toMatchObject({ type: "run_ended" });
    expect(events.filter(({ type }) => type === "task_ended").length).toBe(4);
    expect(await printed("cancel", await runOf({ slow: { text: slow } }))).toMatch(/ is cancelled/);
  });

  it("has findings, which name their tasks", async () => {
    const takes = (first: string, second: string) =>
      plays([
        { calls: [lock("acquire", first)] },
        { calls: [{ tool: "barrier", arguments: { op: "wait", name: "both", parties: 2 } }] },
        { calls: [lock("acquire", second)] },
        { text: "both" },
      ]);
    const run = await runOf({ a: { text: takes("x", "y") }, b: { text: takes("y", "x") } });
    await heddle("wait", run, "--mode", "settled");
    const [finding] = await documents("findings", run);
    expect(finding).toMatchObject({
      kind: "deadlock",
      subjects: [expect.stringMatching(/^T\d-/), expect.stringMatching(/^T\d-/)],
    });
    expect(await printed("findings", run)).toMatch(
      /^\S+ {2}deadlock {2}\d{4}-\d\d-\d\d [\s\S]*tasks T\d-.*; events #\d/,
    );
  });

  it("goes on when whoever follows it leaves", async () => {
    const run = await runOf({ slow: { text: says("late", { latency_ms: 600_000 }) } });
    const typed = started(["logs", run, "-f"]);
    await until("the first event", 20_000, async () => typed.stdout.includes("run_created"));
    typed.child.kill("SIGINT");
    expect((await typed.ended).status).toBe(130);
    expect((await server.heddle.run(run)).status).toBe("active");
    await printed("cancel", run);
  });
});

describe("a run's webhook", () => {
  it("is set, tested, told of, sent again and taken away", async () => {
    let status = 204;
    await using endpoint = await Endpoint.start(() => ({ status, body: status === 204 ? "" : "no such page" }));
    const run = await runOf({ hello: { text: says("Hello.") } }, "hooked");
    expect(await heddle("webhook", run)).toEqual({
      status: 1,
      stdout: "",
      stderr: `${run} has no webhook: heddle webhook ${run} set URL\n`,
    });
    const url = `${endpoint.url}?key=s3cret`;
    const set = await printed("webhook", run, "set", url, "--event", "task.retried", "--event", "run.*");
    expect(set).toMatch(/^ +url +\S+\?key=…\n +events +task\.retried, run\.\*\n +state +on\n +messages +0 delivered, /);
    expect(await printed("webhook", run, "test")).toMatch(/^It was taken: 204, after \d+ ms\.\n$/);
    await printed("wait", run);
    await server.heddle.retryTask(run, "hello");
    const log = () => printed("webhook", run, "log");
    await until("told", 10_000, async () => /task\.retried +delivered +1 /.test(await log()));
    const [first] = await documents("webhook", run, "log");
    expect(await printed("webhook", run, "replay", first.id)).toBe("1 message is sent again.\n");
    await until("told again", 10_000, async () => /task\.retried +delivered +2 /.test(await log()));
    status = 404;
    expect(await heddle("webhook", run, "test")).toMatchObject({
      status: 1,
      stdout: "It was not taken: it answered 404: no such page.\n",
    });
    expect(await printed("webhook", run, "off")).toBe(`${run} has no webhook any more.\n`);
    for (const wrong of [["set"], ["test", "x"], ["show", "--state", "failed"], ["replay", "m", "--state", "failed"]])
      expect((await heddle("webhook", run, ...wrong)).status, String(wrong)).toBe(2);
    expect((await heddle("webhook", run, "set", "http://10.0.0.1/")).stderr).toContain("private address");
  });
});

describe("run files", () => {
  it.each(["kettles.json", "kettles.yaml", "kettles.md"])("examples/%s runs as it stands", async (name) => {
    const { status, stdout } = await heddle("run", join(projectRoot, "examples", name));
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: expect.stringMatching(/Alp, 1\.7 litres\. Hot water, no waiting\./),
    });
  });

  it("are refused with the line of the task, by what the server says of it", async () => {
    writeFileSync(join(folder, "bad.md"), `## a\n\n- priority: 12\n\n${says("x")}\n`);
    expect(await heddle("run", "bad.md")).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^heddle: The server refuses the file: tasks\[0\]\.priority \(line 1\): Too big/),
    });
    writeFileSync(join(folder, "rules.yaml"), "rules: '- at most 8 wrkers'\ntasks: [{instructions: a}]\n");
    expect((await heddle("run", "rules.yaml")).stderr).toMatch(
      /line 1: after "at most 8" comes .* Did you mean: at most 8 workers \(rules_invalid\)/,
    );
  });

  it("come from stdin too", async () => {
    const { status, stdout } = await started(
      ["run", "-", "--format", "markdown", "--json"],
      {},
      `## a\n\n${says("from stdin")}\n`,
    ).ended;
    expect(status).toBe(0);
    expect(JSON.parse(stdout.trim().split("\n").at(-1)!)).toMatchObject({
      event: "end",
      succeeded: [{ key: "a", result: "from stdin" }],
    });
  });
});

describe("the rest of the table", () => {
  it("works for a pool, and its command calls tools", async () => {
    const run = await runOf({ files: { settings: "- pool: commands-e2e", text: "count" } });
    const script = `const {execFileSync: x} = require("child_process"); x(process.execPath, [${JSON.stringify(main)}, "tool", "finish", JSON.stringify({result: {n: 3}})])`;
    expect(
      await printed("work", "--pool", "commands-e2e", "--once", "--json", "--", process.execPath, "-e", script),
    ).toMatch(/"event":"succeeded"/);
    expect(await documents("show", run, "files")).toMatchObject([{ result: { n: 3 } }]);
    expect(await heddle("tool", "inspect")).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/HEDDLE_LEASE is not set/),
    });
    await printed("finish", run);
  });

  it("finds nothing wrong with this setup, and what is wrong with others", async () => {
    const { checks, ok } = (await documents("doctor"))[0];
    expect({ ok, wrong: checks.filter(({ state }: { state: string }) => state === "wrong") }).toEqual({
      ok: true,
      wrong: [],
    });
    expect(checks.map(({ name }: { name: string }) => name)).toEqual([
      "node",
      "server",
      "key",
      "scopes",
      "version",
      "models",
      "clock",
      "harnesses",
      "terminal",
    ]);
    const refused = await started(["doctor"], { HEDDLE_API_KEY: "hdl_unknown" }).ended;
    expect(refused).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^wrong +key +refused: .*\n +→ Set HEDDLE_API_KEY/m),
    });
    expect((await started(["doctor"], { HEDDLE_URL: "http://127.0.0.1:1" }).ended).status).toBe(1);
  });

  it("completes ids of the server's runs and tasks", async () => {
    const run = await runOf({ alone: { text: says("x") } });
    expect(await printed("__complete", "show", run.slice(0, 10))).toMatch(
      new RegExp(`^${run}\\t(active|paused), commands\\n`),
    );
    expect(await printed("__complete", "show", run, "a")).toMatch(/^alone\t\w+\n$/);
    for (const shell of ["bash", "zsh", "fish"]) expect(await printed("completion", shell)).toContain("__complete");
  });

  it("has help, a version, and statuses for what is wrong", async () => {
    expect(await printed("--version")).toBe(`${version}\n`);
    expect(await printed("help", "logs")).toMatch(/^heddle logs RUN \[-f, --follow\]/);
    expect((await heddle("shwo")).status).toBe(2);
    expect(await started(["runs"], { HEDDLE_API_KEY: "hdl_unknown" }).ended).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/\(unauthorized\)\nSet HEDDLE_API_KEY/),
    });
    expect((await started(["runs"], { HEDDLE_URL: "http://127.0.0.1:1" }).ended).status).toBe(3);
  });
});

describe("heddle admin", () => {
  const admin = (args: readonly string[], more: Record<string, string> = {}, input = "") =>
    started(["admin", ...args], more, input).ended;

  it("makes a tenant with keys and a credential, tells of it, and deletes it with all it has", async () => {
    const tenant = (await admin(["tenants", "create", "by hand"])).stdout.trim();
    const created = await admin(["keys", "create", tenant, "--scope", "tenant_admin", "--scope", "runs"]);
    expect(created.stderr).toMatch(/^That is key_\w+ \(tenant_admin, runs\)\. It is not shown again\.\n$/);
    const own = { HEDDLE_API_KEY: created.stdout.trim() };
    const id = /key_\w+/.exec(created.stderr)![0];
    const [rotated, set] = await Promise.all([
      admin(["keys", "rotate", tenant, id, "--overlap", "1h", "--json"]),
      admin(["credentials", "set", "main", "--format", "anthropic"], own, "sk-by-hand-0000-WXYZ\n"),
    ]);
    expect(JSON.parse(rotated.stdout)).toMatchObject({ replaces: { id }, key: expect.stringMatching(/^hdl_/) });
    expect(set).toMatchObject({ status: 0, stdout: expect.stringContaining('ends in "WXYZ"') });
    const quotas = await admin(["tenants", "quotas", tenant, "--set", "runs=9", "--set", "seats=3"]);
    expect(quotas).toMatchObject({ status: 0, stdout: "runs=9 seats=3\n" });
    // Of an MCP server's key, and prices of the tenant's own.
    const mcp = ["credentials", "set", "files", "--format", "mcp", "--base-url", "http://127.0.0.1:9/mcp"];
    expect(await admin(mcp, own, "key-of-a-server\n")).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^files is set/),
    });
    const prices = await admin(["prices", "set", "-", "--tenant", tenant], {}, '{"m": {"input": 1, "output": 2}}');
    expect(prices).toMatchObject({ status: 0, stdout: expect.stringContaining("1 price of its own") });
    expect((await admin(["prices"], own)).stdout).toMatch(/^m +1 +1 +1 +2 +undated +tenant$/m);
    expect((await admin(["prices", "delete", "--tenant", tenant])).status).toBe(0);
    expect((await admin(["credentials", "delete", "files"], own)).status).toBe(0);
    // Of a short key nothing is shown, and so nothing is said of its end.
    const short = await admin(["credentials", "set", "short", "--format", "anthropic"], own, "sk\n");
    expect(short).toMatchObject({ status: 0, stdout: "short is set.\n" });
    expect((await admin(["credentials", "delete", "short"], own)).status).toBe(0);
    const log = (await admin(["audit"], own)).stdout;
    expect(log).toMatch(/^AT +BY +ACT +ON +DETAIL$/m);
    expect(log).toMatch(/ tenant_admin,runs$| scopes=tenant_admin,runs$/m);
    expect(log).not.toMatch(/[_a-z0-9]+=( |$)|(until|_at)=\d{13}|\["/m);
    const [list, audit, wrong] = await Promise.all([
      admin(["credentials", "--tenant", tenant, "--json"]),
      admin(["audit", "--json"], own),
      admin(["tenants"], { HEDDLE_ADMIN_SECRET: "wrong" }),
    ]);
    expect(JSON.parse(list.stdout)).toMatchObject({ name: "main", last4: "WXYZ", default: true });
    const acts = audit.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line).act as string);
    expect(acts.sort()).toEqual([
      ...["credential_deleted", "credential_deleted", "credential_set", "credential_set", "credential_set"],
      ...["key_created", "key_rotated"],
      ...["prices_deleted", "prices_set", "quotas_set", "tenant_created"],
    ]);
    expect(wrong).toMatchObject({ status: 1, stderr: expect.stringContaining("HEDDLE_ADMIN_SECRET") });

    const [asked, gone] = [
      await admin(["tenants", "delete", tenant]),
      await admin(["tenants", "delete", tenant, "--yes"]),
    ];
    expect(asked).toMatchObject({ status: 2, stderr: expect.stringContaining("--yes") });
    expect(gone).toMatchObject({ status: 0, stdout: `${tenant} is deleted.\n` });
    expect((await admin(["audit"], own)).status).toBe(1);
  });

  it("tells how the cron sweep is doing", async () => {
    const { status, stdout } = await admin(["sweep", "--json"]);
    expect(JSON.parse(stdout)).toMatchObject({ passes: expect.any(Array), failing_count: 0, failing: [] });
    expect(status).toBe(0);
    expect(await admin(["sweep"], { HEDDLE_ADMIN_SECRET: "wrong" })).toMatchObject({ status: 1 });
  });

  it.each([
    [["tenants", "show", "ten_x"], "heddle admin tenants` lists the tenants"],
    [["keys", "revoke", "ten_x", "key_x"], "heddle admin keys list TENANT` lists"],
  ])("says where what is not there is listed: %j", async (args, text) => {
    expect(await admin(args)).toMatchObject({ status: 1, stderr: expect.stringContaining(text) });
  });

  it.each([
    [["tenants", "quotas", "t", "--set", "run=1"], 'There is no quota "run". Did you mean "runs"?'],
    [["tenants", "rotate"], '"tenants" has no "rotate"; it has list, create, show, quotas, delete'],
    [["keys", "create"], "heddle admin keys create takes TENANT"],
    [["keys", "rotate", "t", "k", "--overlap", "soon"], '--overlap is "soon"'],
    [["credentials", "set", "x", "--format", "anthropic"], "There is no key on stdin"],
    [["credentials", "set", "x"], "--format is missing"],
    [["prices", "set", "x.json"], "--tenant is missing"],
    [["tenants", "quotas", "t", "--set", "runs"], '--set is "runs"'],
  ])("says what is wrong with %j", async (args, text) => {
    expect(await admin(args)).toMatchObject({ status: 2, stdout: "", stderr: expect.stringContaining(text) });
  });
});
