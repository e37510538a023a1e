/**
 * Every limit of a run (DESIGN §4), at its default and when it is set: it holds, and the refusal says what to do with it.
 * A fork bomb is the case that they are for.
 */

import { describe, expect, test } from "vitest";
import { problems } from "../../src/errors/codes.ts";
import {
  runChildrenDefault,
  runDepthDefault,
  runStallMsDefault,
  runTasksDefault,
  runTimeoutMsDefault,
  runWorkersDefault,
} from "../../src/limits.ts";
import { limitsOf } from "../../src/objects/run/create-run.ts";
import { compileRules } from "../../src/rules/parse.ts";
import { reserveTokens } from "../../src/scheduler/budget.ts";
import type { Limits } from "../../src/scheduler/events.ts";
import { acquire } from "../../src/scheduler/locks.ts";
import { pop } from "../../src/scheduler/message-queues.ts";
import { replaceRules } from "../../src/scheduler/rules/evaluate.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { checkState } from "./check.ts";
import { type Leased, Run, type Spec, states } from "./run.ts";

const defaults = limitsOf({});
const runWith = (set: Partial<Limits> = {}) => new Run({ ...defaults, ...set });
const many = (count: number, spec: Spec = {}): Spec[] => Array.from({ length: count }, () => spec);

/** The refusal's code; "ok" when there was none. What it says names the limit, and its hint a way on. */
function refusal(run: Run, creator: Task | undefined, specs: Spec[], names: number | string = ""): string {
  const before = run.log.length;
  const outcome = run.batch(creator, specs);
  if (outcome.ok) return "ok";
  const { code, detail } = outcome.refusal;
  expect(run.log).toHaveLength(before);
  expect(detail).toContain(String(names));
  expect(problems[code].hint).toMatch(/\w/);
  return code;
}

/** A chain of tasks, each created by the one before. */
function chain(run: Run, length: number): Task {
  let [task] = run.post({});
  for (let i = 1; i < length; i++) [task] = run.make(run.start(task!), {});
  return run.start(task!);
}

/** A run that its tenant holds to this. */
function heldTo(text: string): Run {
  const run = runWith();
  const compiled = compileRules(text);
  if (!compiled.ok) throw new Error(text);
  run.step((step) => void replaceRules(step, "tenant", compiled.rules));
  return run;
}

describe("limits", () => {
  test("a refusal names the rule that says so, and whose it is", () => {
    const run = heldTo("# Ours\n- at most 3 tasks, depth 1, 1 child per task");
    expect(refusal(run, undefined, many(4), "3 tasks (line 2 of the tenant's rules: at most 3 tasks); 4")).toBe(
      "limit_tasks",
    );
    const [task] = run.post({});
    expect(refusal(run, run.start(task!), [{}], "limited to 1 (line 2 of the tenant's rules: at most depth 1)")).toBe(
      "limit_depth",
    );
    const deep = heldTo("- at most 1 child per task");
    const creator = chain(deep, 1);
    expect(refusal(deep, creator, many(2), "1 children (line 1 of the tenant's rules: at most 1 child per task)")).toBe(
      "limit_children",
    );
    expect(refusal(runWith({ tasks: 1 }), undefined, many(2), "0 of 1 tasks; 2")).toBe("limit_tasks");
  });

  test("[C5] the defaults are the contract's", () => {
    expect(defaults).toEqual({
      workers: 16,
      tasks: 10_000,
      depth: 5,
      children: 100,
      tokens: 0,
      timeoutMs: 24 * 3_600_000,
      holdMs: 0,
      stallMs: 60_000,
      pools: [],
    });
  });

  test.each([undefined, 3])("[O4] workers: %s", (set) => {
    const run = runWith(set === undefined ? {} : { workers: set });
    const workers = set ?? runWorkersDefault;
    run.post(...many(workers + 5));
    const leased = Array.from({ length: workers }, () => run.lease());
    expect(leased).not.toContain(undefined);
    expect(run.lease()).toBeUndefined();
    run.complete(leased[0]!);
    expect(run.lease()).toBeDefined();
    expect(run.lease()).toBeUndefined();
  });

  test.each([undefined, 7])("[C5] tasks: %s, posted and created ones together", (set) => {
    const run = runWith(set === undefined ? {} : { tasks: set });
    const tasks = set ?? runTasksDefault;
    for (let left = tasks - 2; left > 0; left -= 1000) run.post(...many(Math.min(left, 1000)));
    const creator = run.lease()!;
    expect(refusal(run, creator, many(3), tasks)).toBe("limit_tasks");
    expect(refusal(run, creator, many(2))).toBe("ok");
    expect(refusal(run, undefined, many(1), tasks)).toBe("limit_tasks");
    expect(run.state.header.taskCount).toBe(tasks);
  });

  test.each([undefined, 2])("[C5] depth: %s", (set) => {
    const run = runWith(set === undefined ? {} : { depth: set });
    const depth = set ?? runDepthDefault;
    const deepest = chain(run, depth);
    expect(deepest.depth).toBe(depth);
    expect(refusal(run, deepest, many(1), depth)).toBe("limit_depth");
  });

  test.each([undefined, 0, 4])("[C5] children: %s, ever made by one task", (set) => {
    const run = runWith(set === undefined ? {} : { children: set });
    const children = set ?? runChildrenDefault;
    const creator = chain(run, 1);
    if (children > 0) for (const child of run.make(creator, ...many(children))) run.cancel(child);
    expect(refusal(run, creator, many(1), children)).toBe("limit_children");
    // Those that are posted have no parent.
    expect(refusal(run, undefined, many(children + 1))).toBe("ok");
  });

  test.each([undefined, 5_000])("[L6] timeout_ms: %s is default and ceiling", (set) => {
    const run = runWith(set === undefined ? {} : { timeoutMs: set });
    const timeoutMs = set ?? runTimeoutMsDefault;
    const [a, b] = run.post({}, { timeout_ms: 2 * timeoutMs });
    expect([a!.timeoutMs, b!.timeoutMs]).toEqual([timeoutMs, timeoutMs]);
    run.start(a!);
    run.turn(a!);
    run.giveBack(a!);
    run.clock(timeoutMs - 1);
    expect(states(a!)).toBe("ready");
    run.clock(1);
    expect(run.endOf(a!)).toMatchObject({
      state: "failed",
      error: { code: "timeout", message: expect.stringContaining(`${timeoutMs}`) },
    });
  });

  test("[C5] pools: none by default but the creator's own; those that are set", () => {
    const own = runWith();
    const creator = own.start(own.post({ pool: "box" })[0]!);
    expect(refusal(own, creator, many(1, { pool: "gpu" }), "no other")).toBe("pool_not_allowed");
    expect(refusal(own, creator, many(1, { pool: "hosted" }))).toBe("pool_not_allowed");
    expect(own.make(creator, {})[0]!.pool).toBe("box");
    const set = runWith({ pools: ["gpu"] });
    const other = set.start(set.post({ pool: "box" })[0]!);
    expect(refusal(set, other, many(1, { pool: "gpu" }))).toBe("ok");
    expect(refusal(set, other, many(1, { pool: "cpu" }), "gpu")).toBe("pool_not_allowed");
  });

  test("[B2] tokens: none by default; when they are set and used up the run pauses and nothing fails", () => {
    const reserve = (run: Run, task: Task) =>
      run.step((step) => reserveTokens(step, task as Leased, { inputTokens: 900, outputTokens: 200 }));
    const free = runWith();
    expect(reserve(free, chain(free, 1))).toMatchObject({ kind: "reserved" });
    const set = runWith({ tokens: 1000 });
    const task = chain(set, 1);
    expect(reserve(set, task)).toMatchObject({ kind: "parked" });
    expect(set.state.header).toMatchObject({ status: "paused", reason: "budget" });
    expect(states(task)).toBe("parked");
  });

  test("[K6] hold_ms: a lock is held without end by default; when it is set, it is taken back", () => {
    for (const holdMs of [0, 1000]) {
      const run = runWith({ holdMs });
      const holder = chain(run, 1);
      run.step((step) => acquire(step, holder, { call: "c", names: ["l"], mode: "exclusive", until: 0 }));
      run.clock(20_000);
      // Its lease is renewed by nobody here: the task goes on elsewhere, and holds what it held.
      expect(holder.holds).toHaveLength(holdMs === 0 ? 1 : 0);
    }
  });

  test.each([undefined, 2_000])("[B3] stall_ms: %s until a wait that nobody is left to end gets a victim", (set) => {
    const run = runWith(set === undefined ? {} : { stallMs: set });
    const task = chain(run, 1);
    run.step((step) => pop(step, { task, call: "c", until: 0 }, "q", { max: 1, external: false }));
    run.giveBack(task);
    expect(states(task)).toBe("parked");
    run.clock((set ?? runStallMsDefault) - 1);
    expect(states(task)).toBe("parked");
    run.clock(1);
    expect(states(task)).toBe("ready");
  });

  test("[C5] a fork bomb ends by itself at the defaults: every refusal is said, and no more tasks than limits.tasks", () => {
    const run = runWith();
    run.post({});
    const refused: Record<string, number> = {};
    let turns = 0;
    for (let task = run.lease(); task; task = run.lease()) {
      // As many as it may, in ever smaller batches; then it is done.
      for (let batch = defaults.children; batch > 0; ) {
        turns++;
        const outcome = run.batch(task, many(batch));
        if (outcome.ok) continue;
        refused[outcome.refusal.code] = (refused[outcome.refusal.code] ?? 0) + 1;
        batch = outcome.refusal.code === "limit_tasks" ? Math.floor(batch / 2) : 0;
      }
      run.complete(task);
    }
    const { taskCount, counts } = run.state.header;
    expect({ taskCount, counts }).toMatchObject({ taskCount: runTasksDefault, counts: { succeeded: runTasksDefault } });
    expect(Object.keys(refused).sort()).toEqual(["limit_children", "limit_tasks"]);
    // Six events a task, and a call or two of its own for each that creates.
    expect(run.log.length).toBeLessThan(6 * runTasksDefault);
    expect(turns).toBeLessThan(9 * runTasksDefault);
    checkState(run.state, run.now);
  }, 60_000);
});
