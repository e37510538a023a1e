/** `heddle work --harness`: what a harness is given, and what is made of its output, with stand-ins for the real programs. */

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PoolServer } from "../../lib/contract-server.ts";
import { type Ended, HeddleProcess, until } from "../../lib/heddle.ts";
import { type Act, claude, codex, opencode, StandIns } from "../../lib/stand-in.ts";

vi.setConfig({ testTimeout: 30_000 });

let server: PoolServer;
let folder: string;
let standIns: StandIns;
let worker: HeddleProcess | undefined;

beforeEach(async () => {
  server = await new PoolServer().start();
  folder = mkdtempSync(join(tmpdir(), "heddle-test-"));
  standIns = new StandIns(folder);
});
afterEach(async () => {
  worker?.child.kill("SIGKILL");
  await server.stop();
  rmSync(`${folder}.heddle-worktrees`, { recursive: true, force: true });
  rmSync(folder, { recursive: true, force: true });
});

function start(harness: string, ...flags: string[]): HeddleProcess {
  const args = ["work", "--pool", "p", "--max-load", "100", "--harness", harness, ...flags];
  worker = new HeddleProcess(args, {
    env: { HEDDLE_URL: server.url, TMPDIR: folder, PATH: standIns.path },
    cwd: folder,
  });
  return worker;
}

/** One task, whose harness does `acts`, one a start. */
async function outcomeOf(harness: string, acts: Act[], { flags = [] as string[], more = {} } = {}): Promise<Ended> {
  standIns.plan(...acts);
  server.add("t", "Count the kettles.", [], more);
  const ended = await start(harness, "--once", ...flags).ended;
  expect(server.outcomes, ended.stderr).toHaveLength(1);
  return ended;
}

const outcome = () => server.outcomes[0]!;

describe("a harness is given", () => {
  it("claude: the task on stdin, and Heddle's MCP server with the lease as its token", async () => {
    const acts = [{ lines: [claude.init, claude.tool("Bash", { command: "ls" }), claude.done("three")] }];
    const { stderr } = await outcomeOf("claude", acts, { flags: ["--", "--permission-mode", "acceptEdits"] });
    const [{ args, stdin, env, mcp }] = standIns.starts as [(typeof standIns.starts)[0]];
    const file = env.HEDDLE_MCP_FILE!;
    expect(args).toEqual([
      ...["-p", "--output-format", "stream-json", "--verbose", "--mcp-config", file, "--allowedTools", "mcp__heddle"],
      ...["--permission-mode", "acceptEdits"],
    ]);
    expect(JSON.parse(mcp!)).toEqual({
      mcpServers: {
        heddle: { type: "http", url: `${server.url}/mcp`, headers: { Authorization: "Bearer lease-t" } },
      },
    });
    expect(env).toMatchObject({ HEDDLE_LEASE: "lease-t", HEDDLE_URL: server.url, HEDDLE_TASK_ID: "t" });
    expect(env).not.toHaveProperty("HEDDLE_API_KEY");
    expect(stdin).toMatch(
      /task t of Heddle[\s\S]*<context>\nuser:\nhéllo\n<\/context>[\s\S]*Do this now:\nCount the kettles\.\n$/,
    );
    expect(stderr, "the command line is shown before it runs").toMatch(
      /with: claude -p .*--permission-mode acceptEdits/,
    );
    expect(outcome()).toEqual({
      ...{ task: "t", result: "three" },
      usage: { input_tokens: 314, output_tokens: 20, cache_read_tokens: 300, cache_write_tokens: 4, cost_usd: 0.25 },
    });
    expect(readdirSync(folder).filter((name) => name.startsWith("heddle-work-"))).toEqual([]);
  });

  it("codex: the MCP server on its command line, the token by its variable", async () => {
    await outcomeOf("codex", [{ lines: [codex.started, codex.command("ls"), codex.message("three"), codex.done] }], {
      flags: ["--", "--sandbox", "workspace-write"],
    });
    const [{ args, env }] = standIns.starts as [(typeof standIns.starts)[0]];
    expect(args).toEqual([
      ...["exec", "--json", "-c", `mcp_servers.heddle.url="${server.url}/mcp"`],
      ...["-c", 'mcp_servers.heddle.bearer_token_env_var="HEDDLE_LEASE"'],
      ...["-c", 'mcp_servers.heddle.default_tools_approval_mode="approve"', "--sandbox", "workspace-write", "-"],
    ]);
    expect(env.HEDDLE_LEASE).toBe("lease-t");
    expect(args.join()).not.toContain("lease-t");
    const usage = { input_tokens: 500, output_tokens: 30, cache_read_tokens: 400, cache_write_tokens: 6 };
    expect(outcome()).toEqual({ task: "t", result: "three", usage });
  });

  it("opencode: a configuration with the MCP server in its environment; its last message is the result", async () => {
    const lines = [
      ...[opencode.text("I look.", "msg_0"), opencode.tool("bash", { command: "ls" }), opencode.stepOf("tool-calls")],
      ...[opencode.text("three"), opencode.text("in all"), opencode.step],
    ];
    await outcomeOf("opencode", [{ lines }]);
    const [{ args, mcp }] = standIns.starts as [(typeof standIns.starts)[0]];
    expect(args).toEqual(["run", "--format", "json"]);
    expect(JSON.parse(mcp!)).toEqual({
      mcp: {
        heddle: {
          ...{ type: "remote", url: `${server.url}/mcp`, enabled: true },
          headers: { Authorization: "Bearer lease-t" },
        },
      },
      experimental: { continue_loop_on_deny: true },
    });
    const usage = {
      input_tokens: 116,
      output_tokens: 10,
      cache_read_tokens: 100,
      cache_write_tokens: 2,
      cost_usd: 0.02,
    };
    expect(outcome()).toEqual({ task: "t", result: "three\nin all", usage });
  });

  it.each([
    ["claude", ["--resume", "main-1", "--fork-session"], claude.done("ok")],
    ["opencode", ["--session", "main-1", "--fork"], opencode.text("ok")],
  ])("%s: a copy of the session that is named, and no context besides", async (harness, args, line) => {
    await outcomeOf(harness, [{ lines: [line] }], { flags: ["--session", "main-1"] });
    expect(standIns.starts[0]!.args.join(" ")).toContain(args.join(" "));
    expect(standIns.starts[0]!.stdin).not.toContain("<system>");
    expect(standIns.starts[0]!.stdin).toContain("Count the kettles.");
  });

  it("codex: no session, since nobody could say what a copy of it has used", async () => {
    const { status, stderr } = await start("codex", "--session", "main-1").ended;
    expect(status).toBe(2);
    expect(stderr).toMatch(/Codex tells of a copied session's tokens/);
  });

  it("opencode: no session where each task has a folder of its own, since its copy would wait there for ever", async () => {
    const { status, stderr } = await start("opencode", "--session", "main-1", "--worktree", "branch").ended;
    expect(status).toBe(2);
    expect(stderr).toMatch(/only in the folder that the session is of/);
  });

  it("claude: the names of files as names, and not what stands in them", async () => {
    standIns.plan({ lines: [claude.init, claude.done("ok")] });
    server.add("t", 'Compare @/etc/passwd, a@b.c and\n@"~/my file"\u3002@x.');
    await start("claude", "--once").ended;
    expect(standIns.starts[0]!.stdin).toMatch(/^In this text \\@ stands for @\.\n\nYou carry out task t/);
    expect(standIns.starts[0]!.stdin).toContain('Compare \\@/etc/passwd, a@b.c and\n\\@"~/my file"\u3002\\@x.');
  });

  it("the others: their texts as they are", async () => {
    standIns.plan({ lines: [codex.message("ok"), codex.done] });
    server.add("t", "Compare @/etc/passwd.");
    await start("codex", "--once").ended;
    expect(standIns.starts[0]!.stdin).toContain("Compare @/etc/passwd.");
  });
});

describe("what was used", () => {
  const once = { input_tokens: 314, output_tokens: 20, cache_read_tokens: 300, cache_write_tokens: 4, cost_usd: 0.25 };
  const twice = { input_tokens: 628, output_tokens: 40, cache_read_tokens: 600, cache_write_tokens: 8, cost_usd: 0.5 };
  const { cost_usd: _, ...untold } = twice;

  it.each([
    ["of a session's copy is what came since", [claude.done("ok", { sums: 9 })], once],
    ["of each of its turns", [claude.done("I wait."), claude.done("ok", { index: 1, sums: 2 })], twice],
    ["by versions that tell sums of their start", [claude.olderDone("I wait.", 1), claude.olderDone("ok", 2)], twice],
    [
      "by versions that tell sums of their session: no cost",
      [claude.betweenDone("I wait.", { sums: 8 }), claude.betweenDone("ok", { index: 1, sums: 9 })],
      untold,
    ],
  ])("claude: %s", async (_, lines, usage) => {
    await outcomeOf("claude", [{ lines: [claude.init, ...lines] }]);
    expect(outcome()).toEqual({ task: "t", result: "ok", usage });
  });

  it.each([
    [{ input_tokens: 1e15, output_tokens: 7 }, { total_cost_usd: 1e9 }, { input_tokens: 1e9, output_tokens: 7 }],
    [{ input_tokens: -5, output_tokens: 1.4 }, { total_cost_usd: -0.01 }, { input_tokens: 0, output_tokens: 1 }],
  ])("is bounded by what a server takes, and costs no result: %j %j", async (usage, cost, told) => {
    const line = {
      type: "result",
      subtype: "success",
      is_error: false,
      session_id: "s",
      result: "three",
      usage,
      ...cost,
    };
    await outcomeOf("claude", [{ lines: [claude.init, line] }]);
    const all = { ...told, cache_read_tokens: 0, cache_write_tokens: 0 };
    expect(outcome()).toEqual({ task: "t", result: "three", usage: all });
  });

  it("codex: what its thread had used before is not counted again", async () => {
    const acts = [
      { lines: [codex.started, codex.message("three"), codex.done] },
      { lines: [codex.started, codex.message('{"n": 3}'), codex.doneAfter(2)] },
    ];
    await outcomeOf("codex", acts, { more: { output_schema: { type: "object" } } });
    const usage = { input_tokens: 1000, output_tokens: 60, cache_read_tokens: 800, cache_write_tokens: 12 };
    expect(outcome()).toEqual({ task: "t", result: { n: 3 }, usage });
  });
});

describe("a task of a task", () => {
  const child = { parent: "t" };

  /** A parent and then its child, by one worker. */
  async function family(harness: string, acts: Act[], more: object, flags: string[] = []): Promise<string> {
    standIns.plan(...acts);
    server.add("t");
    server.add("c", "Count again.", [], more);
    const { stderr } = await start(harness, "--until-idle", "0", ...flags).ended;
    expect(server.outcomes.map(({ task }) => task)).toEqual(["t", "c"]);
    return stderr;
  }

  it.each([
    ["claude", [claude.init, claude.done("ok")], ["--resume", "ses-1", "--fork-session"]],
    ["opencode", [opencode.text("ok")], ["--session", "ses_oc", "--fork"]],
  ])("%s: begins with a copy of its parent's session, of no other", async (harness, lines, args) => {
    const stderr = await family(harness, [{ lines }], child, ["--session", "main-1"]);
    expect(standIns.starts.map((one) => one.args.includes("main-1"))).toEqual([true, false]);
    expect(standIns.starts[1]!.args.join(" ")).toContain(args.join(" "));
    expect(standIns.starts[1]!.stdin).toContain("Count again.");
    expect(stderr).toContain(`c: begins with a copy of its parent's session ${args[1]}`);
  });

  it.each<[string, string, Act, object]>([
    ["a harness can't copy a session", "codex", { lines: [codex.started, codex.message("ok"), codex.done] }, child],
    [
      "its context is not all of its parent's",
      "claude",
      { lines: [claude.init, claude.done("ok")] },
      { ...child, fork: { mode: "none" } },
    ],
    ["its parent was carried out elsewhere", "claude", { lines: [claude.init, claude.done("ok")] }, { parent: "x" }],
  ])("is told its context as text where %s", async (_, harness, act, more) => {
    await family(harness, [act], more);
    expect(standIns.starts[1]!.args.join(" ")).not.toMatch(/resume|session/);
    expect(standIns.starts[1]!.stdin).toContain("<context>");
  });

  it("of opencode is told its context as text where it works in a folder of its own", async () => {
    execFileSync("git", ["init", "--quiet"], { cwd: folder });
    const author = ["-c", "user.email=me@localhost", "-c", "user.name=Me"];
    execFileSync("git", [...author, "commit", "--quiet", "--allow-empty", "-m", "first"], { cwd: folder });
    await family("opencode", [{ lines: [opencode.text("ok")] }], child, ["--worktree", "branch"]);
    expect(standIns.starts[1]!.args.join(" ")).not.toContain("--session");
    expect(standIns.starts[1]!.stdin).toContain("<context>");
  });

  it("begins anew where the session is gone", async () => {
    const done = { lines: [claude.init, claude.done("ok")] };
    const message = "No conversation found with session ID: ses-1";
    const none = { ...claude.failed({ subtype: "error_during_execution", errors: [message] }), usage: {} };
    const gone = { lines: [{ ...none, model_usage_since_last_result: {} }], stderr: message, status: 1 };
    expect(await family("claude", [done, gone, done], child)).toContain("could not be copied; it begins anew");
    expect(server.outcomes[1]).toMatchObject({ result: "ok" });
    expect(standIns.starts[2]!.args).not.toContain("--resume");
    expect(standIns.starts[2]!.stdin).toContain("<context>");
  });

  it("fails as any other once its model had begun", async () => {
    const broken = { lines: [claude.init, claude.tool("Bash", {})], stderr: "it broke", status: 1 };
    await family("claude", [{ lines: [claude.init, claude.done("ok")] }, broken], child);
    expect(server.outcomes[1]).toMatchObject({ error: { code: "harness_failed" } });
    expect(standIns.starts).toHaveLength(2);
  });
});

describe("a result that has to match a schema", () => {
  const more = { output_schema: { type: "object", required: ["n"], properties: { n: { type: "integer" } } } };

  it("is JSON, fenced or not, and the harness is told of the schema", async () => {
    await outcomeOf("claude", [{ lines: [claude.init, claude.done('```json\n{"n": 3}\n```')] }], { more });
    expect(outcome().result).toEqual({ n: 3 });
    expect(standIns.starts[0]!.stdin).toContain(JSON.stringify(more.output_schema));
  });

  it.each([
    ["claude", [claude.init, claude.done("three")], [claude.done('{"n": 3}')], ["--resume", "ses-1"]],
    [
      "codex",
      [codex.started, codex.message("three"), codex.done],
      [codex.message('{"n": 3}'), codex.done],
      ["resume", "0199-thread", "-"],
    ],
    ["opencode", [opencode.text("three")], [opencode.text('{"n": 3}')], ["--session", "ses_oc"]],
  ])("%s is told once more what is wrong, in its own session", async (harness, first, second, args) => {
    await outcomeOf(harness, [{ lines: first }, { lines: second }], { more });
    expect(outcome().result).toEqual({ n: 3 });
    expect(standIns.starts[1]!.args.join(" ")).toContain(args.join(" "));
    expect(standIns.starts[1]!.args).not.toContain("--fork-session");
    expect(standIns.starts[1]!.stdin).toMatch(/not what was asked for: it is not JSON/);
  });

  it("fails the task when it is wrong again, with the tokens of both", async () => {
    await outcomeOf("claude", [{ lines: [claude.init, claude.done('{"n": "x"}')] }], { more });
    expect(standIns.starts).toHaveLength(2);
    expect(outcome()).toMatchObject({
      retryable: false,
      error: { code: "output_invalid" },
      usage: { output_tokens: 40 },
    });
    expect(outcome().error!.message).toMatch(/n/);
  });
});

describe("a failure", () => {
  it.each<[string, string, Act, { code: string; retryable: boolean; message: RegExp }]>([
    [
      "of a login",
      "claude",
      { lines: [claude.failed({ subtype: "success", result: "Invalid API key · Please run /login" })], status: 1 },
      {
        code: "harness_not_logged_in",
        retryable: false,
        message: /Claude Code is not logged in[\s\S]*Run `claude` once/,
      },
    ],
    [
      "of a login, on stderr alone",
      "codex",
      { stderr: "ERROR: unexpected status 401 Unauthorized", status: 1 },
      { code: "harness_not_logged_in", retryable: false, message: /codex login/ },
    ],
    [
      "of a login at a provider",
      "opencode",
      { lines: [opencode.error("ProviderAuthError", { message: "no key" })] },
      { code: "harness_not_logged_in", retryable: false, message: /opencode auth login/ },
    ],
    [
      "of turns",
      "claude",
      { lines: [claude.init, claude.failed({ subtype: "error_max_turns", is_error: false })] },
      { code: "harness_max_turns", retryable: false, message: /used all of its turns/ },
    ],
    [
      "of credit",
      "claude",
      { lines: [claude.failed({ subtype: "success", result: "Credit balance is too low" })], status: 1 },
      { code: "harness_quota", retryable: false, message: /nothing left/ },
    ],
    [
      "of the provider's room",
      "claude",
      { lines: [claude.failed({ subtype: "success", result: "API Error", api_error_status: 529 })], status: 1 },
      { code: "harness_overloaded", retryable: true, message: /overloaded/ },
    ],
    [
      "of a provider",
      "claude",
      { lines: [claude.failed({ subtype: "success", result: "API Error: 500 Oh", api_error_status: 500 })], status: 1 },
      { code: "harness_overloaded", retryable: true, message: /500 Oh/ },
    ],
    [
      "of a provider in the middle of a reply",
      "claude",
      {
        lines: [
          claude.told("server_error", "API Error: Server error mid-response."),
          claude.failed({ subtype: "success", result: "API Error: Server error mid-response." }),
        ],
        status: 1,
      },
      { code: "harness_overloaded", retryable: true, message: /mid-response/ },
    ],
    [
      "of a provider that it gave up to try",
      "opencode",
      { lines: [opencode.error("APIError", { message: "Oh", isRetryable: true })], status: 1 },
      { code: "harness_overloaded", retryable: true, message: /Oh/ },
    ],
    [
      "of a call that it might not make",
      "opencode",
      {
        lines: [
          ...[opencode.text("I look."), opencode.refused("read", {}, "The user rejected permission")],
          opencode.stepOf("tool-calls"),
        ],
      },
      { code: "harness_failed", retryable: false, message: /stopped after a tool call: The user rejected permission/ },
    ],
    [
      "of the output limit",
      "opencode",
      { lines: [opencode.text("It is th"), opencode.stepOf("length")] },
      { code: "harness_failed", retryable: false, message: /cut off at the output limit/ },
    ],
    ["of a kill", "claude", { signal: "SIGKILL" }, { code: "harness_killed", retryable: true, message: /SIGKILL/ }],
    [
      "of anything else",
      "codex",
      { stderr: "Not inside a trusted directory", status: 1 },
      { code: "harness_failed", retryable: false, message: /exit status 1[\s\S]*trusted directory/ },
    ],
    [
      "without a result",
      "opencode",
      {},
      { code: "harness_failed", retryable: false, message: /without a final message/ },
    ],
  ])("%s is told as one", async (_, harness, act, { code, retryable, message }) => {
    await outcomeOf(harness, [act]);
    expect(outcome()).toMatchObject({ retryable, error: { code } });
    expect(outcome().error!.message).toMatch(message);
  });

  it("of a rate limit is tried again, and nothing is leased until it has passed", async () => {
    const limited = codex.failed("Rate limit reached for requests. Please try again in 1.5s.");
    standIns.plan({ lines: [codex.started, limited], status: 1 }, { lines: [codex.message("ok"), codex.done] });
    server.add("a");
    server.add("b");
    const at = Date.now();
    start("codex", "--json");
    await until(() => server.outcomes.length === 2);
    expect(server.outcomes).toMatchObject([
      { task: "a", retryable: true, error: { code: "harness_rate_limited" } },
      { task: "b", result: "ok" },
    ]);
    expect(Date.now() - at).toBeGreaterThanOrEqual(1500);
    expect(worker!.stdout).toMatch(/"holding":"rate_limit"/);
  });
});

it("keeps its lease where the server does not take what it tells, as an older one", async () => {
  const answer = server.handler;
  const errors = [{ path: "progress", message: "unknown field" }];
  server.handler = (call) =>
    /renew/.test(call.path) && (call.body as { progress?: object } | undefined)?.progress
      ? { status: 422, body: { code: "validation_failed", detail: "progress: unknown field", errors } }
      : answer(call);
  standIns.plan({ lines: [claude.init, claude.tool("Bash", { command: "npm test" })], stays: true });
  server.add("t");
  start("claude");
  await until(() => server.of("POST", /renew/).some(({ body }) => body?.progress === undefined));
  expect(worker!.stderr).not.toContain("progress");
});

it("tells what it does while it does it", async () => {
  standIns.plan({ lines: [claude.init, claude.tool("Bash", { command: "npm test" })], stays: true });
  server.add("t");
  start("claude", "--json");
  await until(() => /"event":"doing","task":"t","key":"t","text":"Bash: npm test"/.test(worker!.stdout));
});

it.each([
  [
    "claude",
    // A reply with two blocks comes as two events with one usage.
    [claude.init, claude.tool("Read", { path: "a" }), claude.tool("Bash", { command: "ls" })].concat(
      claude.tool("Bash", { command: "npm test" }, { id: "msg_2" }),
    ),
    { input_tokens: 86, output_tokens: 10, cache_read_tokens: 80, cache_write_tokens: 2 },
    2,
  ],
  [
    "opencode",
    [opencode.step, opencode.tool("Bash", { command: "npm test" })],
    { input_tokens: 58, output_tokens: 5, cache_read_tokens: 50, cache_write_tokens: 1, cost_usd: 0.01 },
    1,
  ],
  ["codex", [codex.started, codex.command("Bash: npm test")], undefined, undefined],
] as const)(
  "%s: tells the server how far the task is, and gives its tokens back with a stop",
  async (harness, lines, usage, turns) => {
    standIns.plan({ lines, stays: true });
    server.add("t");
    const { child, ended } = start(harness);
    await until(() => server.progress.length > 0);
    expect(server.progress[0]).toEqual({
      message: "Bash: npm test",
      ...(turns !== undefined && { turns }),
      ...(usage && { usage }),
    });
    child.kill("SIGINT");
    await until(() => /Stopping/.test(worker!.stderr));
    child.kill("SIGINT");
    await ended;
    expect(outcome()).toEqual({
      ...{ task: "t", retryable: true, error: expect.objectContaining({ code: "worker_stopped" }) },
      ...(usage && { usage }),
    });
  },
);

it("--print shows command line and files, and runs nothing", async () => {
  const { status, stdout } = await start("claude", "--print", "--", "--model", "opus").ended;
  expect(status).toBe(0);
  expect(stdout.split("\n")[0]).toBe(
    "claude -p --output-format stream-json --verbose --mcp-config $HEDDLE_MCP_FILE --allowedTools mcp__heddle --model opus",
  );
  expect(stdout).toContain(`"url": "${server.url}/mcp"`);
  expect(standIns.starts).toEqual([]);
  expect(server.calls).toEqual([]);
});

it.each([
  [["--session", "x", "--", "true"], /--session goes with --harness/],
  [["--harness", "emacs"], /must be one of claude, codex, opencode/],
  [["--harness", "claude", "--worktree", "yes"], /must be one of merge, branch/],
  [["--harness", "claude", "--session", "--x"], /--session/],
])("refuses %j", async (flags, said) => {
  worker = new HeddleProcess(["work", "--pool", "p", ...flags], {
    env: { HEDDLE_URL: server.url, PATH: standIns.path },
  });
  const { status, stderr } = await worker.ended;
  expect({ status, stderr }).toEqual({ status: 2, stderr: expect.stringMatching(said) });
});
