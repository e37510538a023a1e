/** The commands that look at a run: what people read, what programs get, and the status. */

import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RunServer, taskView } from "../lib/contract-server.ts";
import { heddleHere } from "../lib/in-process.ts";

let server: RunServer;
beforeAll(async () => {
  server = await new RunServer().start();
});
beforeEach(() => {
  server.calls.length = 0;
});
afterAll(() => server.stop());

const heddle = (...args: string[]) =>
  heddleHere(args, { HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_test", TZ: "UTC" });
const jsonOf = (text: string) =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

describe("heddle runs", () => {
  const row = (n: number, more: { status?: string; ended_at?: null; name?: string | null } = {}) => ({
    ...{ id: `run_${n}`, name: `job ${n}`, status: "succeeded", created_at: 1000 * n, ended_at: 1000 * n + 1500 },
    ...more,
  });
  const listing = async (args: string[], rows: ReturnType<typeof row>[], pageRows = 2, isOld = false) => {
    const lister = await new RunServer().start();
    const own = lister.handler;
    lister.handler = (call) => {
      const url = new URL(call.path, "http://server");
      if (url.pathname !== "/v1/runs") return own(call);
      const unknown = [...url.searchParams.keys()].filter((name) => !["limit", "cursor"].includes(name));
      if (isOld && unknown.length > 0) {
        const errors = unknown.map((path) => ({ path, message: "unknown field" }));
        return { status: 422, body: { code: "validation_failed", title: "It does not match", errors } };
      }
      const asked = (name: "status" | "name") => url.searchParams.get(name);
      const wanted = rows.filter((run) =>
        (["status", "name"] as const).every((f) => [null, run[f]].includes(asked(f))),
      );
      const [since, until] = (["from", "to"] as const).map((name) => url.searchParams.get(name));
      const within = wanted.filter(
        ({ created_at }) => (!since || created_at >= Number(since)) && (!until || created_at < Number(until)),
      );
      if (url.searchParams.get("order") === "desc") within.reverse();
      const from = Number(url.searchParams.get("cursor") ?? 0);
      const end = from + Math.min(pageRows, Number(url.searchParams.get("limit")));
      return {
        status: 200,
        body: { runs: within.slice(from, end), next_cursor: end < within.length ? String(end) : null },
      };
    };
    try {
      return await heddleHere(["runs", ...args], { HEDDLE_URL: lister.url });
    } finally {
      await lister.stop();
    }
  };
  const rows = [1, 2, 3, 4, 5].map((n) => row(n, n === 2 ? { status: "active", ended_at: null, name: null } : {}));

  it("lists them, the newest last", async () => {
    const { stdout, stderr, status } = await listing([], rows);
    const [head, ...lines] = stdout.trim().split("\n");
    expect(head).toMatch(/^RUN +NAME +STATUS +CREATED +TOOK$/);
    expect(lines.map((line) => line.split(" ")[0])).toEqual(["run_1", "run_2", "run_3", "run_4", "run_5"]);
    expect(lines[0]).toMatch(/^run_1 {2}job 1 {2}succeeded {2}1970-01-0\d \d\d:\d\d:01 {2}1\.5 s$/);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  it("asks for the newest where there are more, and says that there are older ones", async () => {
    const { stdout, stderr } = await listing(["--limit", "2"], rows);
    expect(stdout.match(/run_\d/g)).toEqual(["run_4", "run_5"]);
    expect(stderr).toBe("Older ones are not shown: --all, or --limit N.\n");
    expect((await listing(["--limit", "5"], rows)).stderr).toBe("");
    const many = Array.from({ length: 30 }, (_, i) => row(i + 1));
    expect((await listing([], many)).stdout.match(/run_\d+/g)).toHaveLength(20);
    expect((await listing(["--all", "--json"], many, 7)).stdout.match(/run_\d+/g)).toHaveLength(30);
  });

  it("keeps those of a name", async () => {
    expect((await listing(["--name", "job 4"], rows)).stdout.match(/run_\d/g)).toEqual(["run_4"]);
    expect((await listing(["--name", "job"], rows)).stderr).toBe("There is no such run.\n");
  });

  it("keeps those of a status", async () => {
    expect(jsonOf((await listing(["--status", "active", "--json"], rows)).stdout)).toEqual([rows[1]]);
    const none = await listing(["--status", "paused"], rows);
    expect(none).toMatchObject({ status: 0, stdout: "", stderr: "No run is paused.\n" });
    expect((await listing(["--status", "done"], rows)).stderr).toMatch(
      /--status is "done"; it must be one of active, paused/,
    );
  });

  it("keeps those created in a span of time, and lists nothing of an older server, which knows none", async () => {
    expect((await listing(["--from", "2000", "--to", "4000"], rows)).stdout.match(/run_\d/g)).toEqual([
      "run_2",
      "run_3",
    ]);
    expect((await listing(["--from", "9000"], rows)).stderr).toBe("There is no such run.\n");
    const old = await listing(["--to", "4000"], rows, 2, true);
    expect(old).toMatchObject({ status: 1, stdout: "" });
    expect(old.stderr).toContain("to: unknown field");
  });

  it("reads every page of an older server, which knows neither order nor what is asked for, and keeps the same", async () => {
    for (const args of [
      ["--limit", "2"],
      ["--limit", "5"],
      ["--all", "--json"],
      ["--name", "job 4"],
      ["--status", "active"],
    ])
      expect(await listing(args, rows, 2, true)).toEqual(await listing(args, rows));
  });

  it("is of a terminal's width there, however long and wide the names are", async () => {
    const terminal = { isTTY: process.stdout.isTTY, columns: process.stdout.columns };
    Object.assign(process.stdout, { isTTY: true, columns: 70 });
    try {
      const { stdout } = await listing([], [row(1, { name: `茶壶${"\u001b[2J长".repeat(60)}` })]);
      const plain = stdout.replace(/\u001b\[\d+m/g, "");
      expect(plain).not.toContain("\u001b");
      expect(stdout).toContain("\u001b[32msucceeded\u001b[0m");
      // Wide characters count as two.
      for (const line of plain.trim().split("\n"))
        expect(line.replace(/[\u4e00-\u9fff]/g, "xx").length).toBeLessThanOrEqual(70);
    } finally {
      Object.assign(process.stdout, terminal);
    }
  });
});

describe("heddle show", () => {
  it("shows a run with its tasks", async () => {
    server.tasks = [
      taskView(1),
      taskView(2, {
        state: "running",
        result: null,
        timings: { created_at: 1, ready_at: 1, started_at: Date.now(), ended_at: null },
      }),
      taskView(3, {
        state: "failed",
        title: "The third",
        result: null,
        error: {
          code: "poisoned",
          message: "lost\nthrice",
          cause: { task: "T1-abcdef", error: { code: "x", message: "first" } },
        },
      }),
    ];
    const { stdout, status } = await heddle("show", "run_1");
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^Run run_1 "kettles": active\n {2}tasks {5}2 succeeded, 1 failed\n {2}seats {5}1 open, 2 wanted, 16 at most\n {2}tokens {4}150 \(120 in, 30 out, 100 of the input read from caches\)\n {2}cost {6}\$0\.25\n {2}findings {2}1 as it went; all: heddle findings run_1\n/,
    );
    expect(stdout).not.toContain("questions");
    expect(stdout).toMatch(/^TASK +KEY +TITLE +STATE +TURNS +TIME +OUTCOME$/m);
    expect(stdout).toMatch(/^T1-abcdef {2}task1 +succeeded +1 +1\.5 s {2}result 1$/m);
    expect(stdout).toMatch(/^T3-abcdef {2}task3 {2}The third {2}failed .* {2}poisoned: lost thrice < x: first$/m);
  });

  it("tells of a task why it ended because of others, as one sentence", async () => {
    const first = { code: "no_disk", message: "The disk is gone." };
    const because = { task: "T1-abcdef", key: "a", state: "failed", code: "no_disk" };
    const middle = { code: "dependency_failed", message: "m", because, cause: { task: "T1-abcdef", error: first } };
    const error = {
      ...{ code: "dependency_failed", message: "m", because: { task: "T2-abcdef", state: "skipped", code: "x" } },
      cause: { task: "T2-abcdef", error: middle },
    };
    const { tasks } = server;
    server.tasks = [taskView(3, { state: "skipped", result: null, error })];
    const { stdout } = await heddle("show", "run_1", "T3-abcdef");
    server.tasks = tasks;
    expect(stdout).toMatch(
      /^ {2}why +skipped because task T2-abcdef was skipped because task a failed: no_disk: The disk is gone\.$/m,
    );
  });

  it("is one document for programs, and says what it left out", async () => {
    const [run] = jsonOf((await heddle("show", "run_1", "--json")).stdout);
    expect(run).toMatchObject({ run: { id: "run_1" }, tasks: [{ id: "T1-abcdef" }, {}, {}], tasks_left: 0 });
    const few = await heddle("show", "run_1", "--limit", "1");
    expect(few.stderr).toBe("2 more are not shown: --all, --limit N, or --state STATE.\n");
    expect(jsonOf((await heddle("show", "run_1", "--state", "failed", "--json")).stdout)).toMatchObject([
      { tasks: [{ key: "task3" }], tasks_left: 0 },
    ]);
  });

  it("asks for tasks of a key, label, pool or parent, and does not know how many it left out", async () => {
    const args = ["--key", "k", "--label", "team=red", "--pool", "box", "--parent", "T1-abcdef"];
    const { stderr, status } = await heddle("show", "run_1", ...args, "--limit", "1");
    expect({ stderr, status }).toEqual({ stderr: "More are not shown: --all, or --limit N.\n", status: 0 });
    const asked = new URL(server.calls.at(-1)!.path, "http://server").searchParams;
    expect(Object.fromEntries(asked)).toEqual({
      ...{ key: "k", label: "team=red", pool: "box", parent: "T1-abcdef", limit: "2" },
    });
    const left = async (...more: string[]) =>
      jsonOf((await heddle("show", "run_1", "--pool", "box", "--json", ...more)).stdout)[0].tasks_left;
    expect(await left("--limit", "1")).toBe(null);
    expect(await left("--limit", "0")).toBe(null);
    expect(await left("--limit", "3")).toBe(0);
    expect(await left("--all")).toBe(0);
    server.tasks = [];
    expect((await heddle("show", "run_1", "--pool", "box")).stderr).toBe(
      "No task of the run is one of those asked for.\n",
    );
  });

  it("shows one task with its result, or what it waits for", async () => {
    server.tasks = [
      taskView(1, { result: { litres: 1.7 } }),
      taskView(2, {
        state: "parked",
        result: null,
        waiting_on: { variables: ["deploy"], op: "lock.acquire", since: 1000 },
      }),
    ];
    const first = await heddle("show", "run_1", "task1");
    expect(first.stdout).toMatch(/^Task T1-abcdef "task1": succeeded\n/);
    expect(first.stdout).toMatch(/\n\n\{\n {2}"litres": 1\.7\n\}\n$/);
    expect((await heddle("show", "run_1", "task2")).stdout).toMatch(
      /^ {2}waits for {2}lock\.acquire deploy since \d\d:\d\d:01\.000$/m,
    );
    const usage = { input_tokens: 52_000, output_tokens: 300 };
    server.tasks = [
      taskView(1, {
        ...{ state: "running", result: null },
        progress: { at: 1000, message: "Bash: npm\ntest", fraction: 0.25, turns: 7, usage },
      }),
    ];
    expect((await heddle("show", "run_1", "task1")).stdout).toMatch(
      /^ {2}progress {2}Bash: npm test, 25%, turn 7, 52,300 tokens so far \(\d\d:\d\d:01\.000\)$/m,
    );
    expect((await heddle("show", "run_1")).stdout).toContain("Bash: npm test, 25%, turn 7");
    server.tasks = [taskView(1, { result: { litres: 1.7 } })];
    expect(jsonOf((await heddle("show", "run_1", "task1", "--json")).stdout)).toMatchObject([
      { id: "T1-abcdef", result: { litres: 1.7 } },
    ]);
  });

  it("has status 1 for what is not there, and says how to find it", async () => {
    const { status, stderr } = await heddle("show", "run_2");
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^heddle: there is no such run \(not_found\)\nCheck the id, .*`heddle runs` lists runs, .*\.\n$/,
    );
    expect((await heddle("show", "run_1", "nobody")).status).toBe(1);
  });
});

describe("heddle logs", () => {
  const event = (seq: number, type: string, more: object = {}) => ({ seq, at: 1000 + seq, type, causes: [], ...more });
  beforeAll(() => {
    server.tasks = [taskView(1), taskView(2)];
    server.events = [
      event(1, "run_created", { snapshot: "0123456789abcdef", limits: {} }),
      event(2, "task_created", { task: "T1-abcdef", key: "task1", title: "First\nof all", pool: "hosted" }),
      event(3, "task_created", { task: "T2-abcdef", key: "task2", after: ["T1-abcdef"] }),
      event(4, "turn", {
        task: "T1-abcdef",
        turn: 1,
        usage: { input_tokens: 5, output_tokens: 2, cache_read_tokens: 3 },
      }),
      event(5, "task_ended", { task: "T1-abcdef", state: "failed", error: { code: "x", message: "no" } }),
    ];
  });

  it("prints a line an event, with names for ids", async () => {
    const { stdout, status } = await heddle("logs", "run_1");
    expect(stdout.split("\n").map((line) => line.replace(/^\d\d:\d\d/, ""))).toEqual([
      ":01.001  #1      run_created       snapshot 01234567",
      ":01.002  #2      task_created      First of all (T1-abcdef)  pool hosted",
      ":01.003  #3      task_created      task2 (T2-abcdef)  after [First of all (T1-abcdef)]",
      ":01.004  #4      turn              First of all (T1-abcdef)  turn 1, usage 5 in (3 cached) and 2 out",
      ':01.005  #5      task_ended        First of all (T1-abcdef)  state failed, error {"code":"x","message":"no"}',
      "",
    ]);
    expect(status).toBe(0);
  });

  it.each([
    [
      ["--after", "3"],
      [4, 5],
    ],
    [
      ["--type", "task_*"],
      [2, 3, 5],
    ],
    [
      ["--type", "turn", "--type", "run_?reated"],
      [1, 4],
    ],
    [["--type", "t.*"], []],
    [
      ["--task", "task1"],
      [2, 3, 4, 5],
    ],
    [["--task", "T2-abcdef", "--type", "*_created"], [3]],
  ])("with %j prints those events, as the API has them with --json", async (args, seqs) => {
    const { stdout } = await heddle("logs", "run_1", "--json", ...args);
    const events = stdout === "" ? [] : jsonOf(stdout);
    expect(events).toEqual(server.events.filter(({ seq }) => (seqs as number[]).includes(seq)));
  });

  it("follows over cut connections, each event once, to the run's end", async () => {
    server.eventsPerStream = 2;
    const { stdout, status } = await heddle("logs", "run_1", "-f", "--json");
    expect(jsonOf(stdout).map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5]);
    expect(status).toBe(0);
    expect(server.of("GET", /events/).map(({ headers }) => headers["last-event-id"])).toEqual([
      // The first asks for a WebSocket, which this server has not.
      undefined,
      ...["0", "2", "4"],
    ]);
    server.eventsPerStream = Number.POSITIVE_INFINITY;
  });

  it("says which types there are, where none is the one that is asked for", async () => {
    const types = [...new Set(server.events.map(({ type }) => type))].sort().join(", ");
    expect(await heddle("logs", "run_1", "--type", "taks_*")).toEqual({
      status: 0,
      stdout: "",
      stderr: `None of these events is of such a type: ${types}\n`,
    });
    expect((await heddle("logs", "run_1", "--type", "task_*")).stderr).toBe("");
  });

  it("has status 1 for a run or task that is not there", async () => {
    for (const args of [
      ["logs", "run_2"],
      ["logs", "run_2", "-f"],
      ["logs", "run_1", "--task", "nobody"],
    ])
      expect((await heddle(...args)).status).toBe(1);
  });
});

describe("heddle context", () => {
  it("is readable, of either vendor", async () => {
    server.context = JSON.stringify({
      format: "anthropic",
      model: "m",
      system: "Be brief.",
      messages: [
        { role: "user", content: "Go\u001b[2J on" },
        {
          role: "assistant",
          content: [
            { type: "text", text: "I do." },
            { type: "tool_use", id: "c1", name: "lock", input: { op: "acquire" } },
          ],
        },
        { role: "user", content: [{ type: "tool_result", tool_use_id: "c1", is_error: true, content: "no" }] },
      ],
    });
    expect((await heddle("context", "run_1", "task1")).stdout).toBe(
      'anthropic format, model m, 3 messages\n\n── system\nBe brief.\n\n── user\nGo [2J on\n\n── assistant\nI do.\n[calls lock, c1] {"op":"acquire"}\n\n── user\n[error of c1]\nno\n',
    );
    server.context = JSON.stringify({
      format: "openai",
      messages: [
        {
          role: "assistant",
          content: null,
          tool_calls: [{ id: "c1", type: "function", function: { name: "lock", arguments: '{"op": 1}' } }],
        },
        { role: "tool", tool_call_id: "c1", content: "done" },
      ],
    });
    expect((await heddle("context", "run_1", "task1")).stdout).toBe(
      'openai format, 2 messages\n\n── assistant\n[calls lock, c1] {"op": 1}\n\n── tool\n[result of c1]\ndone\n',
    );
  });

  it("is the text as stored with --json, byte for byte; without a task the run's own", async () => {
    server.context = '{"format": "openai",  "messages": [{"role": "user", "content": "\\u00e9", "n": 1.0}]}';
    for (const args of [["task1", "--json"], ["task1", "--format", "json"], ["--json"]])
      expect((await heddle("context", "run_1", ...args)).stdout).toBe(`${server.context}\n`);
    expect(server.calls.at(-1)!.path).toBe(`/v1/runs/run_1/snapshots/${"5".repeat(32)}`);
  });
});

describe("heddle findings", () => {
  it("tells each with its tasks and events", async () => {
    expect(await heddle("findings", "run_1")).toMatchObject({
      status: 0,
      stdout: "",
      stderr: "There are no findings.\n",
    });
    const finding = {
      id: "F1",
      at: 1000,
      kind: "deadlock",
      severity: "error",
      subjects: ["T1-abcdef"],
      evidence: [4, 7],
      message: "a waits for b\nb for a",
    };
    server.findings = [finding, { ...finding, id: "F2" }, { ...finding, id: "F3" }];
    const { stdout } = await heddle("findings", "run_1");
    expect(stdout).toMatch(
      /^error {2}deadlock {2}1970-01-0\d \d\d:\d\d:01\n {2}a waits for b\n {2}b for a\n {2}tasks T1-abcdef; events #4, #7\n/,
    );
    expect(jsonOf((await heddle("findings", "run_1", "--json")).stdout)).toEqual(server.findings);
  });
});

describe("heddle critical-path", () => {
  const segment = (n: number, kind: string, from: number, to: number) => ({
    ...{ task: `T${n}-abcdef`, key: `task${n}`, kind, from, to, ms: to - from },
  });
  const view = {
    ...{ run: "run_1", as_of: 9, started_at: 0, ended_at: 3000, makespan_ms: 3000, path_left_out_ms: 0 },
    path: [segment(1, "model", 0, 2000), segment(2, "variables", 2000, 2400), segment(2, "working", 2400, 3000)],
    by_kind: { model: 2000, working: 600, variables: 400 },
    ideal: { makespan_ms: 1500, path: [] },
    parallelism: { average: 1.5, peak: 4, speedup_max: 2, curve: [] },
    variables: [{ name: "db\u001b[2J", waited_ms: 400, makespan_without_ms: 1200 }],
    time: { model: 3000, ready: 1000 },
    tasks: [{ task: "T2-abcdef", key: null, slack_ms: 0, by_kind: { model: 500 }, waited_for: {} }],
    tasks_left_out: 1,
  };
  const answers = (body: object) => {
    const own = server.handler;
    server.handler = (call) => (call.path.includes("/critical-path") ? { status: 200, body } : own(call));
    return () => {
      server.handler = own;
    };
  };

  it("tells the path, what more workers could gain, waits and slack", async () => {
    const undo = answers(view);
    const { stdout, status } = await heddle("critical-path", "run_1", "--tasks", "1");
    expect(server.calls.at(-1)?.path).toBe("/v1/runs/run_1/critical-path?limit=1");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^3\.0 s from the first event/);
    expect(stdout).toContain("1.5 s with a worker for every task: 2× as fast at most");
    expect(stdout).toContain("Critical path  model 2.0 s (67 %), working 600 ms (20 %), variables 400 ms (13 %)");
    expect(stdout).toMatch(/^\d\d:\d\d:02\.000 +400 ms {2}variables {2}T2-abcdef task2$/m);
    expect(stdout).toMatch(/^db \[2J +400 ms {2}1\.2 s instead of 1\.5 s$/m);
    expect(stdout).toMatch(/^T2-abcdef +0 ms {2}model 500 ms \(100 %\)\n1 more tasks/m);
    expect(jsonOf((await heddle("critical-path", "run_1", "--json")).stdout)).toEqual([view]);
    undo();
  });

  it("shows the longest segments of a long path, in their order", async () => {
    const undo = answers({ ...view, path: Array.from({ length: 30 }, (_, i) => segment(i, "model", i, i + 1 + i)) });
    const { stdout } = await heddle("critical-path", "run_1");
    expect(stdout.match(/task\d+$/gm)).toEqual(Array.from({ length: 20 }, (_, i) => `task${i + 10}`));
    expect(stdout).toContain("10 shorter ones left out (--all)");
    expect((await heddle("critical-path", "run_1", "--all")).stdout.match(/task\d+$/gm)).toHaveLength(30);
    undo();
  });

  it("says when there is none yet", async () => {
    const undo = answers({ ...view, ended_at: null, path: [] });
    expect((await heddle("critical-path", "run_1")).stderr).toBe("No task has ended yet, so there is no path.\n");
    undo();
    expect((await heddle("critical-path", "run_1", "--tasks", "1001")).status).toBe(2);
  });
});

describe("heddle compare", () => {
  const side = (makespan_ms: number, model: number) => ({
    ...{
      run: "r",
      as_of: 9,
      started_at: 0,
      ended_at: makespan_ms,
      makespan_ms,
      path: [],
      path_left_out_ms: 0,
      by_kind: {},
    },
    ...{ ideal: { makespan_ms: 500, path: [] }, variables: [], time: { model, ready: 0 }, tasks_left_out: 0 },
    parallelism: { average: 1.5, peak: 4, speedup_max: 2, curve: [] },
    tasks: [
      { task: "T1-abcdef", key: "slow", slack_ms: 0, by_kind: { model, dependencies: 9999 }, waited_for: {} },
      { task: "T2-abcdef", key: "same", slack_ms: 0, by_kind: { model: 100 }, waited_for: {} },
      { task: "T3-abcdef", key: null, slack_ms: 0, by_kind: { model: 100 }, waited_for: {} },
    ],
  });

  it("shows figures side by side, and the tasks that changed", async () => {
    const own = server.handler;
    server.handler = (call) => {
      const run = /^\/v1\/runs\/(\w+)\/critical-path/.exec(call.path)?.[1];
      if (run) return { status: 200, body: run === "run_1" ? side(2000, 1000) : side(1500, 500) };
      return own({ ...call, path: call.path.replace("run_2", "run_1") });
    };
    try {
      const { stdout, stderr, status } = await heddle("compare", "run_1", "run_2");
      expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
      expect(stdout).toMatch(/^makespan +2\.0 s +1\.5 s +-25 %$/m);
      expect(stdout).toMatch(/^all tasks: model +1\.0 s +500 ms +-50 %$/m);
      expect(stdout).not.toContain("all tasks: ready");
      expect(stdout).toMatch(/^slow +1\.0 s +500 ms +-50 %$/m);
      expect(stdout).not.toMatch(/^same/m);
      const [json] = jsonOf((await heddle("compare", "run_1", "run_2", "--json")).stdout);
      expect(json.figures[0]).toEqual({ name: "makespan", unit: "ms", before: 2000, after: 1500 });
      expect(json.tasks.map(({ key }: { key: string }) => key)).toEqual(["slow", "same"]);
      expect((await heddle("compare", "run_1")).status).toBe(2);
    } finally {
      server.handler = own;
    }
  });
});

describe("heddle vars", () => {
  it("lists them, and shows one with who has it and who waits", async () => {
    expect((await heddle("vars", "run_1")).stderr).toBe("No variable has been used yet.\n");
    const lock = {
      ...{
        name: "the lock",
        kind: "lock",
        state: { token: 2, waiting: 1, parties: null, contention: 2.520968 },
        ops: { grants: 2 },
        ops_since: null,
        created_at: null,
      },
      holders: [{ task: "T1-abcdef", mode: "exclusive", token: 2, since: 1000 }],
      waiters: [{ task: "T2-abcdef", since: 2000, mode: "exclusive" }],
    };
    server.variables = [lock, { ...lock, name: "b", holders: [], waiters: [] } as typeof lock, { ...lock, name: "c" }];
    const { stdout } = await heddle("vars", "run_1");
    expect(stdout).toMatch(
      /^NAME +KIND +HOLDERS +WAITERS +STATE\nthe lock {2}lock +1 +1 {2}token 2, waiting 1, contention 2.521\n/,
    );
    expect(jsonOf((await heddle("vars", "run_1", "--json")).stdout)).toEqual(server.variables);
    const one = await heddle("vars", "run_1", "the lock");
    expect(one.stdout).toMatch(
      /^the lock, lock\n {2}token {7}2\n {2}waiting {5}1\n {2}contention {2}2\.521\n {2}ops {9}grants 2\nHeld by:\n {2}task T1-abcdef, mode exclusive, token 2, since \d\d:\d\d:01\.000\nWaiting, first in line first:\n {2}task T2-abcdef, since \d\d:\d\d:02\.000, mode exclusive\n$/,
    );
    expect((await heddle("vars", "run_1", "none")).status).toBe(1);
  });
});

describe("heddle questions", () => {
  const wait = {
    ...{ id: "Q7-abcdef", task: "T1-abcdef", key: "deploy", title: null, op: "future.await", variables: ["go"] },
    ...{ wanted: ["go"], since: 1000, until: null, ask: null, actions: ["answer", "decline", "cancel"] },
  };

  it("shows who waits for what, and what a task asks as its own words, without controls", async () => {
    server.questions = [
      { kind: "ask", ...wait, ask: "Ship\u001b[2J it?\nIt costs $5.", until: 61_000 },
      { kind: "ask", ...wait, id: "Q8-abcdef", key: null, op: "message_queue.pop", variables: ["mail"] },
    ] as never;
    const { stdout, status } = await heddle("questions", "run_1");
    expect(status).toBe(0);
    expect(stdout).toBe(`Q7-abcdef  deploy (T1-abcdef) waits in future.await go
  > Ship [2J it?
  > It costs $5.
  since 1970-01-01 00:00:01, until 1970-01-01 00:01:01
Q8-abcdef  T1-abcdef waits in message_queue.pop mail
  since 1970-01-01 00:00:01
`);
    expect(jsonOf((await heddle("questions", "run_1", "--json")).stdout)).toEqual(server.questions);
  });

  it("shows a stall with its waits, and what can be done about each", async () => {
    const waits = [wait, { ...wait, id: "Q9-abcdef", op: "barrier.wait", wanted: [], actions: ["cancel"] }];
    server.questions = [
      { kind: "stall", id: "Q10-abcdef", since: 1000, until: 61_000, waits, waits_total: 3, actions: ["extend"] },
    ] as never;
    expect((await heddle("questions", "run_1")).stdout).toBe(
      `Q10-abcdef  the run stands still: 3 tasks wait, and none is left that could act
  Q7-abcdef  deploy (T1-abcdef) waits in future.await go: answer, decline, cancel
  Q9-abcdef  deploy (T1-abcdef) waits in barrier.wait go: cancel
  and 1 more
  since 1970-01-01 00:00:01; the wait of one of them is ended at 1970-01-01 00:01:01, or later: extend
`,
    );
  });

  it("asks for those of tasks, page by page, and says that there are none", async () => {
    server.questions = [];
    expect(await heddle("questions", "run_1", "a", "T2-abcdef")).toEqual({
      ...{ status: 0, stdout: "", stderr: "There are no open questions.\n" },
    });
    expect(server.calls.at(-1)!.path).toMatch(/^\/v1\/runs\/run_1\/questions\?tasks=a%2CT2-abcdef/);
    expect((await heddle("questions", "run_9")).status).toBe(1);
    expect((await heddle("questions")).status).toBe(2);
  });

  it("is named where a task is shown that waits for its answer", async () => {
    const waiting_on = { variables: ["go"], op: "future.await", since: 1000, external: true, question: "Q7-abcdef" };
    server.tasks = [taskView(2, { state: "parked", result: null, waiting_on })];
    expect((await heddle("show", "run_1", "task2")).stdout).toContain(
      "future.await go since 00:00:01.000: question Q7-abcdef",
    );
  });
});
