/** What `heddle top` shows: whole screens, of states that are made by hand, and states that events make. */

import { describe, expect, it } from "vitest";
import { TopState } from "../../../src/cli/top/top-state.ts";
import { topJson, topLine, topLines } from "../../../src/cli/top/top-view.ts";
import type { EventView, FindingView, RunView, TaskView } from "../../../src/client/replies.ts";
import { watchIdleEveryMs } from "../../../src/limits.ts";

const begun = Date.UTC(2026, 10, 26, 12, 0, 0);
const now = begun + 245_000;
const counts = { waiting: 0, ready: 0, running: 0, parked: 0, succeeded: 0, failed: 0, cancelled: 0, skipped: 0 };
const usage = {
  input_tokens: 0,
  output_tokens: 0,
  cache_read_tokens: 0,
  cache_write_tokens: 0,
  cost_usd: 0,
  simulated: false,
  tokens: 0,
};
const limits = { workers: 16, tokens: null, usd: null } as unknown as RunView["limits"];

const runWith = (more: Partial<RunView> = {}): RunView =>
  ({
    id: "run_cyssb8xk96qbb2gr588x",
    name: null,
    status: "active",
    reason: null,
    counts,
    seats: { open: 0, target: 0, most: 16, bound_by: "limits" },
    quota: null,
    limits,
    usage,
    cost: 0,
    findings: 0,
    questions: 0,
    last_seq: 1,
    created_at: begun,
    ended_at: null,
    ...more,
  }) as RunView;

const taskWith = (n: number, more: Partial<TaskView>): TaskView =>
  ({
    id: `T${n}-cyssb8`,
    key: null,
    title: null,
    turns: 0,
    waiting_on: null,
    timings: { created_at: begun, ready_at: begun, started_at: begun, ended_at: null },
    ...more,
  }) as TaskView;

const busy = runWith({
  name: "kettles",
  counts: { ...counts, waiting: 222, ready: 30, running: 3, parked: 12, succeeded: 118, failed: 2 },
  seats: { open: 3, target: 16, most: 16, bound_by: "limits" },
  limits: { ...limits, tokens: 2_000_000, usd: 5 },
  usage: { ...usage, input_tokens: 1_200_345, output_tokens: 45_120, cache_read_tokens: 972_279, tokens: 1_245_465 },
  cost: 1.23456,
  findings: 7,
  questions: 2,
  last_seq: 12_345,
});
const started = (at: number) => ({ created_at: begun, ready_at: begun, started_at: at, ended_at: null });
const busyTasks = [
  taskWith(7, { state: "running", key: "slogan", turns: 2, timings: started(now - 12_300) }),
  taskWith(8, {
    state: "running",
    title: "Which kettle is the largest of all that we have ever sold, and why?",
    timings: started(now - 75_000),
  }),
  taskWith(9, { state: "running", timings: started(now - 400), turns: 11 }),
  taskWith(10, { state: "parked", waiting_on: { variables: ["db"], op: "lock.acquire", since: begun } }),
  taskWith(11, { state: "parked", waiting_on: { variables: ["db"], op: "lock.acquire", since: begun } }),
  taskWith(12, { state: "parked", waiting_on: { children: 3 } }),
  taskWith(13, { state: "parked", waiting_on: { tools: [{ tool: "search" }] } as unknown as TaskView["waiting_on"] }),
];
const found = (n: number): FindingView => ({
  id: `F${n}`,
  at: begun,
  kind: "deadlock",
  severity: n % 2 === 0 ? "warning" : "error",
  subjects: [],
  evidence: [],
  message: `Cycle ${n}: T1 waits for T2, which waits for T1, and so on and on and on.`,
});
const busyState = () => new TopState(busy, { tasks: busyTasks, findings: [1, 2, 3, 4, 5, 6, 7].map(found), now });

describe("the screen", () => {
  it("of a busy run, on a terminal of 80 columns", () => {
    expect(topLines(busyState(), { columns: 80, rows: 24 }, now).join("\n")).toBe(
      [
        'Run run_cyssb8xk96qbb2gr588x "kettles": active, 4 min 5 s',
        "[#########---------------------] 120/387 ended (2 failed)",
        "seats   3 used of 16, 16 wanted",
        "tasks   3 running, 30 ready, 12 parked, 222 waiting",
        "parked  2 on lock db, 1 on children, 1 on tool search",
        "asks    2 wait for an answer: heddle questions run_cyssb8xk96qbb2gr588x",
        "tokens  1,200,345 in (81% from caches), 45,120 out, 754,535 left",
        "cost    $1.2346, $3.7654 left",
        "events  0.0/s, the last #12345",
        "",
        "TASK       NAME                                                 WORKS FOR  TURNS",
        "T8-cyssb8  Which kettle is the largest of all that we have e…  1 min 15 s      0",
        "T7-cyssb8  slogan                                                  12.3 s      2",
        "T9-cyssb8                                                          400 ms     11",
        "",
        "FINDINGS, the last 5 of 7",
        "error deadlock: Cycle 3: T1 waits for T2, which waits for T1, and so on and on …",
        "warning deadlock: Cycle 4: T1 waits for T2, which waits for T1, and so on and o…",
        "error deadlock: Cycle 5: T1 waits for T2, which waits for T1, and so on and on …",
        "warning deadlock: Cycle 6: T1 waits for T2, which waits for T1, and so on and o…",
        "error deadlock: Cycle 7: T1 waits for T2, which waits for T1, and so on and on …",
      ].join("\n"),
    );
  });

  it("of a run that has just begun has nothing that it has not", () => {
    const state = new TopState(runWith(), { tasks: [], findings: [], now: begun });
    expect(topLines(state, { columns: 80, rows: 24 }, begun + 1500).join("\n")).toBe(
      [
        "Run run_cyssb8xk96qbb2gr588x: active, 1.5 s",
        "[------------------------------] 0/0 ended",
        "seats   0 used of 16, 0 wanted",
        "tasks   0 running, 0 ready, 0 parked, 0 waiting",
        "events  0.0/s, the last #1",
      ].join("\n"),
    );
  });

  it("says why a run pauses, when it ended, and for how long the server has not answered", () => {
    const first = (run: RunView, at: number) =>
      topLines(new TopState(run, { tasks: [], findings: [], now }), { columns: 100, rows: 24 }, at)[0];
    const quiet = watchIdleEveryMs + 3000;
    expect(first(runWith({ status: "paused", reason: "budget" }), now)).toContain(": paused (budget), 4 min 5 s");
    expect(first(runWith(), now + quiet)).not.toContain("no answer");
    expect(first(runWith(), now + quiet + 1)).toContain("no answer for 8.0 s");
    const ended = runWith({ status: "failed", reason: "root_failed", ended_at: begun + 9000 });
    expect(first(ended, now + 60_000)).toBe("Run run_cyssb8xk96qbb2gr588x: failed (root_failed), 9.0 s");
  });

  it("never is wider or higher than the terminal, whatever its size, its colours included", () => {
    const painted = (text: string, colour?: string) => (colour === undefined ? text : `<${text}>`);
    for (let columns = 20; columns <= 90; columns += 7) {
      for (let rows = 4; rows <= 30; rows++) {
        const lines = topLines(busyState(), { columns, rows }, now, painted);
        expect(lines.length).toBeLessThanOrEqual(rows);
        for (const line of lines) expect(line.replace(/[<>]/g, "").length).toBeLessThanOrEqual(columns);
      }
    }
  });

  it("shows no control characters of names and messages", () => {
    const tasks = [taskWith(1, { state: "running", title: "a\u001b[2Jb\r\nc" })];
    const state = new TopState(runWith({ name: "\u001b]0;x\u0007" }), {
      tasks,
      findings: [{ ...found(1), message: "\u001b[31mred" }],
      now,
    });
    expect(topLines(state, { columns: 80, rows: 24 }, now).join("")).not.toMatch(/[\u0000-\u001f]/);
  });
});

it("one line, for a log", () => {
  expect(topLine(busyState(), now)).toBe(
    "active 4 min 5 s; 120/387 ended (2 failed); 3 running, 30 ready, 12 parked, 222 waiting; seats 3/16; " +
      "1,200,345 in (81% from caches), 45,120 out, 754,535 left; $1.2346, $3.7654 left; 0.0 events/s; 7 findings; 2 questions",
  );
});

it("one object, for programs", () => {
  expect(topJson(busyState(), now)).toMatchObject({
    at: now,
    status: "active",
    seats: { open: 3, target: 16, most: 16, bound_by: "limits", limit: 16 },
    parked_on: { "lock db": 2, children: 1, "tool search": 1 },
    left: { tokens: 754_535 },
    working: [{ id: "T8-cyssb8" }, { id: "T7-cyssb8", name: "slogan", turns: 2 }, { id: "T9-cyssb8", name: null }],
    findings: 7,
  });
});

describe("the fold", () => {
  let seq = 1;
  const event = (type: string, task: number, more: object = {}): EventView => ({
    seq: ++seq,
    at: now,
    type,
    causes: [],
    task: `T${task}-cyssb8`,
    ...more,
  });
  const folded = (...events: EventView[]): TopState => {
    const state = new TopState(runWith(), { tasks: [], findings: [], now });
    for (const one of events) state.add(one, now);
    return state;
  };
  const lock = { targets: [], mode: "all", want: { kind: "lock", names: ["db"], mode: "exclusive" } };

  it("shows what pull workers tell of their tasks, while the attempt that told it goes on", () => {
    const state = folded(
      event("task_started", 1, { hosted: true }),
      event("task_started", 2),
      event("task_started", 3),
    );
    expect(state.pulled(5)).toEqual(["T2-cyssb8", "T3-cyssb8"]);
    expect(state.pulled(1)).toEqual(["T2-cyssb8"]);
    state.looked({ id: "T2-cyssb8", progress: { at: now, message: "Bash: npm test", turns: 3 } });
    state.looked({ id: "T3-cyssb8", progress: { at: now, fraction: 0.5, turns: 1 } });
    expect(topLines(state, { columns: 80, rows: 24 }, now).slice(-4)).toEqual([
      "TASK       WORKS FOR  TURNS  PROGRESS",
      "T1-cyssb8       0 ms      0",
      "T2-cyssb8       0 ms      3  Bash: npm test",
      "T3-cyssb8       0 ms      1  50%",
    ]);
    state.looked({ id: "T3-cyssb8", progress: null });
    state.add(event("attempt_ended", 2), now);
    state.add(event("task_started", 2), now);
    expect(state.working().map(({ progress, turns }) => [progress, turns])).toEqual([
      ["", 0],
      ["", 0],
      ["", 0],
    ]);
  });

  it("follows a task through its work, its waits and its end", () => {
    const created = event("task_created", 1, { key: "one" });
    const start = event("task_started", 1);
    const turn = event("turn", 1, { turn: 1 });
    const waiting = event("call_waiting", 1, { call: "c", ...lock });
    const parked = event("task_parked", 1, { on: "calls" });
    const done = event("call_done", 1, { call: "c" });
    const again = [event("task_ready", 1), event("task_started", 1)];
    expect(folded(created).working()).toEqual([]);
    const works = { id: "T1-cyssb8", name: "one", since: now, turns: 1, progress: "" };
    expect(folded(created, start, turn).working()).toEqual([works]);
    const stands = folded(created, start, turn, waiting, parked);
    expect([stands.working(), stands.parkedOn()]).toEqual([[], [["lock db", 1]]]);
    const goesOn = folded(created, start, turn, waiting, parked, done, ...again);
    expect([goesOn.working().length, goesOn.parkedOn()]).toEqual([1, []]);
    const ended = folded(created, start, turn, event("task_ended", 1, { state: "succeeded" }));
    expect([ended.working(), ended.parkedOn()]).toEqual([[], []]);
  });

  it("names what tasks are parked on: variables of each kind, tools, tasks, children, the budget", () => {
    const parkedBy = (more: object) =>
      folded(
        event("call_waiting", 1, { call: "c", ...more }),
        event("task_parked", 1, { on: "calls" }),
      ).parkedOn()[0]![0];
    const want = (kind: string, ...names: string[]) => ({ want: { kind, names } });
    expect(parkedBy(want("lock", "a", "b"))).toBe("lock a, b");
    expect(parkedBy(want("pop", "inbox"))).toBe("message_queue inbox");
    expect(parkedBy(want("future", "f"))).toBe("future f");
    expect(parkedBy({ remote: { tool: "search", pool: "p", retries: 0 } })).toBe("tool search");
    expect(parkedBy({ targets: ["T2-cyssb8"] })).toBe("tasks");
    for (const on of ["children", "budget"])
      expect(folded(event("task_parked", 1, { on })).parkedOn()).toEqual([[on, 1]]);
  });

  it("of events that the tasks had seen already comes to the same", () => {
    const tasks = [taskWith(1, { state: "running", key: "one", turns: 1, timings: started(now) })];
    const events = [event("task_created", 1, { key: "one" }), event("task_started", 1), event("turn", 1, { turn: 1 })];
    const state = new TopState(runWith(), { tasks, findings: [], now });
    const before = state.working();
    for (const one of events) state.add(one, now);
    expect(state.working()).toEqual(before);
  });

  it("asks for names that no event has told, once each", () => {
    const state = folded(
      event("task_started", 1),
      event("task_started", 2),
      event("task_created", 3, { key: "three" }),
      event("task_started", 3),
    );
    expect(state.nameless(1)).toEqual(["T1-cyssb8"]);
    state.named("T1-cyssb8", "one");
    state.named("T2-cyssb8", null);
    expect(state.nameless(5)).toEqual([]);
    expect(state.working().map(({ name }) => name)).toEqual(["one", "", "three"]);
  });

  it("counts events a second over the last ten, and keeps the latest findings", () => {
    const state = new TopState(runWith(), { tasks: [], findings: [], now });
    for (let i = 0; i < 300; i++) state.add(event("turn", 1, { turn: 1 }), now + i * 100);
    expect(state.rate(now + 30_000)).toBeCloseTo(9, 0);
    expect(state.rate(now + 60_000)).toBe(0);
    for (let n = 1; n <= 9; n++) state.add({ ...event("finding", 1), ...found(n), task: undefined! } as EventView, now);
    expect(state.findings.map(({ message }) => message.slice(0, 7))).toEqual([5, 6, 7, 8, 9].map((n) => `Cycle ${n}`));
  });
});
