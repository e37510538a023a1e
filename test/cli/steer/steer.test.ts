/** The commands that change a run, or wait for it. */

import { PassThrough } from "node:stream";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { agreed } from "../../../src/cli/steer/delete.ts";
import { isAsAsked } from "../../../src/cli/steer/wait.ts";
import type { WaitMode, WaitView } from "../../../src/client/index.ts";
import { RunServer, taskView } from "../lib/contract-server.ts";
import { HeddleProcess, until } from "../lib/heddle.ts";
import { heddleHere } from "../lib/in-process.ts";

let server: RunServer;
beforeAll(async () => {
  server = await new RunServer().start();
});
beforeEach(() => {
  server.calls.length = 0;
});
afterAll(() => server.stop());

const heddle = (...args: string[]) => heddleHere(args, { HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_test" });

it.each([
  [["cancel", "run_1"], "/v1/runs/run_1/cancel", {}, "run_1 is cancelled.\n"],
  [["cancel", "run_1", "--reason", "late"], "/v1/runs/run_1/cancel", { reason: "late" }, "run_1 is cancelled.\n"],
  [["cancel", "run_1", "task2"], "/v1/runs/run_1/tasks/task2/cancel", {}, "task2 (T2-abcdef) is cancelled.\n"],
  [
    ["retry", "run_1", "T1-abcdef"],
    "/v1/runs/run_1/tasks/T1-abcdef/retry",
    {},
    "task1 (T1-abcdef) is ready, generation 2.\n",
  ],
  [["pause", "run_1"], "/v1/runs/run_1/pause", {}, "run_1 is paused.\n"],
  [["resume", "run_1"], "/v1/runs/run_1/resume", {}, "run_1 is active.\n"],
  [["finish", "run_1"], "/v1/runs/run_1/finish", {}, "run_1 is succeeded.\n"],
  [["finish", "run_1", "--cancel"], "/v1/runs/run_1/finish", { cancel: true }, "run_1 is succeeded.\n"],
])("heddle %j asks for it and says what is now", async (args, path, body, said) => {
  expect(await heddle(...args)).toEqual({ status: 0, stdout: said, stderr: "" });
  expect(server.calls.at(-1)).toMatchObject({ method: "POST", path, body });
  expect(JSON.parse((await heddle(...args, "--json")).stdout)).toMatchObject({
    id: expect.stringMatching(/^(run_1|T\d-abcdef)$/),
  });
});

it.each([["cancel"], ["pause"], ["resume"], ["finish"], ["wait"], ["retry"]])(
  "heddle %s without a run is a slip, and of an unknown one fails",
  async (command) => {
    expect((await heddle(command)).stderr).toMatch(new RegExp(`^heddle: Name one run.*\nSee: heddle help ${command}`));
    expect((await heddle(command)).status).toBe(2);
    expect((await heddle(command, "run_9", ...(command === "retry" ? ["t"] : []))).status).toBe(1);
    expect((await heddle("retry", "run_1")).status).toBe(2);
  },
);

it("heddle retain says how long the run is kept, and knows a number of days", async () => {
  const before = await heddle("retain", "run_1", "90");
  expect(before).toEqual({ status: 0, stdout: "run_1 is kept for 90 days after its end.\n", stderr: "" });
  expect(server.calls.at(-1)).toMatchObject({ method: "POST", path: "/v1/runs/run_1/retain", body: { days: 90 } });
  server.run.expires_at = 90 * 86_400_000;
  expect((await heddle("retain", "run_1", "1")).stdout).toMatch(
    /^run_1 is kept until 1970-0\d-\d\d [\d:]+, a day after its end\.\n$/,
  );
  expect((await heddle("show", "run_1")).stdout).toMatch(
    /\n {2}kept until {2}1970-0\d-\d\d [\d:]+; longer: heddle retain run_1 DAYS\n/,
  );
  server.run.expires_at = null;
  for (const days of ["0", "3651", "-1", "1.5", "soon"]) {
    const { status, stderr } = await heddle("retain", "run_1", "--", days);
    expect([status, stderr]).toEqual([2, expect.stringContaining(`DAYS is "${days}"; it must be a whole number`)]);
  }
  expect((await heddle("retain", "run_1")).status).toBe(2);
  expect((await heddle("retain", "run_9", "1")).status).toBe(1);
});

it("heddle budget shows what is spent, sets new totals, and heddle show says how a paused run goes on", async () => {
  expect((await heddle("budget", "run_1")).stdout).toBe(
    "run_1 is active.\nIt has no budget: --tokens N or --usd N sets one.\n  tokens  150 (120 in, 30 out, 100 of the input read from caches)\n  cost    $0.25\n",
  );
  const { ended_at } = server.run;
  Object.assign(server.run, { ended_at: 1_790_000_000_000 });
  expect((await heddle("budget", "run_1")).stdout).toContain("\nIt had no budget.\n");
  Object.assign(server.run, { ended_at });
  expect((await heddle("budget", "run_1", "--tokens", "9000", "--usd", "0.5")).status).toBe(0);
  expect(server.calls.at(-1)).toMatchObject({ path: "/v1/runs/run_1/budget", body: { tokens: 9000, usd: 0.5 } });
  Object.assign(server.run, { status: "paused", reason: "budget" });
  Object.assign(server.run.limits, { tokens: 200, usd: 2 });
  const shown = (await heddle("show", "run_1")).stdout;
  expect(shown).toContain("  tokens    150 of 200 (120 in,");
  expect(shown).toContain("  cost      $0.25 of $2\n");
  expect(shown).toContain("  goes on   with a larger budget: heddle budget run_1 --tokens N\n");
  Object.assign(server.run, { reason: "quota", quota: { name: "tokens_per_day", limit: 300, until: 86_400_000 } });
  expect((await heddle("show", "run_1")).stdout).toMatch(
    / {2}goes on +by itself at 1970-01-0\d [\d:]+, or when the tenant's quota tokens_per_day is above 300: heddle quotas\n/,
  );
  const { tasks } = server;
  server.tasks = [taskView(1, { state: "parked", waiting_on: { budget: true, needs: { tokens: 8209, usd: 0.0431 } } })];
  expect((await heddle("show", "run_1", "task1")).stdout).toContain(
    "waits for  budget: 8209 tokens, $0.0431 may be needed\n",
  );
  server.tasks = tasks;
  Object.assign(server.run, { status: "active", reason: null, quota: null });
  Object.assign(server.run.limits, { tokens: null, usd: null });
  for (const [flag, value] of [
    ["tokens", "0"],
    ["tokens", "1.5"],
    ["usd", "0"],
    ["usd", "five"],
    ["usd", "1e3"],
  ])
    expect(await heddle("budget", "run_1", `--${flag}=${value}`)).toMatchObject({
      ...{ status: 2, stderr: expect.stringContaining(`--${flag} is "${value}"`) },
    });
  expect((await heddle("budget", "run_9")).status).toBe(1);
});

describe("heddle answer", () => {
  const ask = (...args: string[]) => heddle("answer", "run_1", "Q7-abcdef", ...args);

  beforeEach(() => {
    server.questions = [{ id: "Q7-abcdef" }];
  });

  it.each([
    [["yes"], { action: "answer", value: "yes" }, "answered"],
    [["true"], { action: "answer", value: true }, "answered"],
    [['{"go": [1]}'], { action: "answer", value: { go: [1] } }, "answered"],
    [["true", "--text"], { action: "answer", value: "true" }, "answered"],
    [["9007199254740991"], { action: "answer", value: 9007199254740991 }, "answered"],
    [["1234567890123456789"], { action: "answer", value: "1234567890123456789" }, "answered"],
    [["red", "--of", "colour"], { action: "answer", value: "red", variable: "colour" }, "answered"],
    [["--decline"], { action: "decline" }, "declined"],
    [["--decline", "--reason", "No.", "--of", "go"], { action: "decline", variable: "go", reason: "No." }, "declined"],
    [["--cancel", "--reason", "late"], { action: "cancel", reason: "late" }, "answered: its task is cancelled"],
    [["--extend"], { action: "extend" }, "given more time"],
  ])("%j says so, and what it came to", async (args, body, said) => {
    expect(await ask(...args)).toEqual({ status: 0, stdout: `Q7-abcdef is ${said}.\n`, stderr: "" });
    const path = "/v1/runs/run_1/questions/Q7-abcdef/answer";
    expect(server.calls.at(-1)).toMatchObject({ method: "POST", path, body });
    expect(JSON.parse((await ask(...args, "--json")).stdout)).toMatchObject({ id: "Q7-abcdef", action: body.action });
  });

  it.each([
    [[], /Give one of ANSWER, --decline, --cancel and --extend/],
    [["yes", "--decline"], /Give one of ANSWER/],
    [["yes", "--reason", "x"], /--reason is for --decline and --cancel/],
    [["--extend", "--of", "x"], /--of is for ANSWER and --decline/],
    [["--cancel", "--text"], /--text is for ANSWER/],
  ])("%j is a slip", async (args, why) => {
    const { status, stderr } = await ask(...args);
    expect([status, stderr]).toEqual([2, expect.stringMatching(why)]);
    expect(server.calls).toEqual([]);
  });

  it("takes a text from stdin, without the line break that a shell adds", async () => {
    const env = { HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_test" };
    const child = new HeddleProcess(["answer", "run_1", "Q7-abcdef", "-"], { env, input: "Fine.\nGo on.\n" });
    expect((await child.ended).status).toBe(0);
    expect(server.calls.at(-1)!.body).toEqual({ action: "answer", value: "Fine.\nGo on." });
  });

  it("fails where somebody was faster", async () => {
    server.questions = [];
    const { status, stderr } = await ask("yes");
    expect([status, stderr]).toEqual([1, expect.stringContaining("(question_closed)")]);
  });
});

describe("heddle delete", () => {
  it("is refused where nobody can be asked", async () => {
    const { status, stderr } = await heddle("delete", "run_1");
    expect({ status, stderr }).toEqual({
      status: 2,
      stderr: "heddle: There is no terminal to ask on; --yes says that you mean it.\nSee: heddle help delete\n",
    });
    expect(server.of("DELETE", /./)).toEqual([]);
  });

  it("does so with --yes", async () => {
    expect(await heddle("delete", "run_1", "--yes")).toEqual({ status: 0, stdout: "run_1 is deleted.\n", stderr: "" });
    expect(server.calls.at(-1)).toMatchObject({ method: "DELETE", path: "/v1/runs/run_1" });
    expect((await heddle("delete", "run_1", "--yes", "--json")).stdout).toBe('{"deleted":"run_1"}\n');
    expect((await heddle("delete", "run_2", "--yes")).status).toBe(1);
  });

  it.each([
    ["y\n", true],
    ["Yes \n", true],
    ["\n", false],
    ["n\n", false],
    ["yesterday\n", false],
    ["", false],
  ])("asks, and takes the answer %j for yes: %s", async (answer, yes) => {
    const input = new PassThrough();
    const output = new PassThrough();
    const asked = agreed({ ...server.run, status: "active" }, { input, output });
    input.end(answer);
    expect(await asked).toBe(yes);
    expect(String(output.read()).trim()).toBe('Delete run_1 "kettles" (active; 2 succeeded, 1 failed) for good? [y/N]');
  });
});

describe("heddle wait", () => {
  beforeEach(() => {
    server.tasks = [
      taskView(1),
      taskView(2, { state: "failed", result: null, error: { code: "x", message: "no" } }),
      taskView(3, { state: "running", result: null }),
    ];
  });

  it("prints what became of the tasks named, in their order", async () => {
    const { stdout, status } = await heddle("wait", "run_1", "task2", "task1", "--mode", "settled");
    expect(stdout).toMatch(
      /^TASK +KEY +STATE +OUTCOME\nT2-abcdef {2}task2 {2}failed {5}x: no\nT1-abcdef {2}task1 {2}succeeded {2}result 1\n$/,
    );
    expect(status).toBe(0);
    expect(server.calls.at(-1)!.body).toMatchObject({ tasks: ["task2", "task1"], mode: "settled" });
    expect((await heddle("wait", "run_1", "task1", "task2")).status).toBe(1);
    expect((await heddle("wait", "run_1", "task1", "task2", "--mode", "any")).status).toBe(0);
    expect((await heddle("wait", "run_1", "nobody")).status).toBe(1);
  });

  it("prints the counts of all tasks where none is named", async () => {
    expect(await heddle("wait", "run_1")).toMatchObject({
      status: 1,
      stdout: "2 succeeded, 1 failed\nfailed: T3-abcdef\n",
    });
    expect(JSON.parse((await heddle("wait", "run_1", "--json")).stdout)).toMatchObject({
      done: true,
      failed: ["T3-abcdef"],
    });
  });

  it("is over at the first success of all tasks, with --mode any", async () => {
    expect((await heddle("wait", "run_1", "--mode", "any")).status).toBe(0);
    expect(server.calls.at(-1)!.body).toEqual({ mode: "any", timeout_ms: 0 });
  });

  it("gives up after its time, and says so", async () => {
    const { status, stdout, stderr } = await heddle("wait", "run_1", "task3", "--timeout", "0", "--json");
    expect(JSON.parse(stdout)).toMatchObject({ done: false, tasks: [{ state: "running" }] });
    expect({ status, stderr }).toEqual({ status: 1, stderr: "Not over within 0 s; the tasks go on.\n" });
  });

  it("gives up in its time though the server has gone meanwhile", async () => {
    const leaving = await new RunServer().start();
    const own = leaving.handler;
    leaving.handler = (call) => (call.path.endsWith("/wait") ? undefined : own(call));
    try {
      const startedAt = performance.now();
      const env = { HEDDLE_URL: leaving.url, HEDDLE_API_KEY: "hdl_test" };
      const { status, stderr } = await heddleHere(["wait", "run_1", "--timeout", "1"], env);
      expect(status).toBe(3);
      expect(stderr).toMatch(/can't be reached/);
      expect(performance.now() - startedAt).toBeLessThan(12_000);
    } finally {
      await leaving.stop();
    }
  });

  it("says on stderr that the run is paused, why, and the command that ends it, once", async () => {
    const paused = await new RunServer().start();
    const own = paused.handler;
    let polls = 0;
    paused.handler = (call) => {
      if (!call.path.endsWith("/wait")) return own(call);
      const answers = [{ done: false }, { done: false, paused: "budget" }, { done: false, paused: "budget" }];
      return { status: 200, body: { counts: paused.run.counts, failed: [], ...(answers[polls++] ?? { done: true }) } };
    };
    Object.assign(paused.run, { status: "paused", reason: "budget" });
    const { stderr, status } = await heddleHere(["wait", "run_1"], { HEDDLE_URL: paused.url, HEDDLE_API_KEY: "hdl_t" });
    expect(stderr).toBe(
      "The run is paused (budget). It goes on with a larger budget: heddle budget run_1 --tokens N\n",
    );
    expect(status).toBe(1); // one of its tasks failed
    const waits = paused.of("POST", /wait/).map(({ body }) => body.timeout_ms);
    // Not a minute late.
    expect(waits).toEqual([0, 5000, 5000, 5000]);
    polls = 1;
    const short = await heddleHere(["wait", "run_1", "--timeout", "0"], { HEDDLE_URL: paused.url });
    expect(short.stderr).toMatch(/^Not over within 0 s; the tasks wait for the run\.$/m);
    await paused.stop();
  });

  it("ends at Ctrl-C with status 130", async () => {
    const waiting = await new RunServer().start();
    const own = waiting.handler;
    waiting.handler = (call) => (call.path.endsWith("/wait") ? new Promise<never>(() => undefined) : own(call));
    const process = new HeddleProcess(["wait", "run_1"], { env: { HEDDLE_URL: waiting.url } });
    await until(() => waiting.of("POST", /wait/).length > 0);
    process.child.kill("SIGINT");
    expect((await process.ended).status).toBe(130);
    await waiting.stop();
  });

  const tasks = (...states: string[]) =>
    ({ done: true, tasks: states.map((state, i) => taskView(i + 1, { state })) }) as unknown as WaitView;
  const counts = (succeeded: number, failed: number) =>
    ({ done: true, counts: { succeeded, failed } }) as unknown as WaitView;
  it.each([
    ["all", tasks("succeeded", "succeeded"), true],
    ["all", tasks("succeeded", "skipped"), false],
    ["all", counts(2, 0), true],
    ["all", counts(2, 1), false],
    ["any", tasks("failed", "succeeded"), true],
    ["any", tasks("failed", "cancelled"), false],
    ["any", counts(0, 1), false],
    ["any", counts(0, 0), true],
    ["settled", tasks("failed"), true],
  ] as [WaitMode, WaitView, boolean][])("of mode %s, with %j, is as asked: %s", (mode, seen, is) =>
    expect(isAsAsked(seen, mode)).toBe(is),
  );
});
