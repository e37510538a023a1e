import { describe, expect, test } from "vitest";
import { leased } from "../../src/scheduler/attempts.ts";
import { reserveTokens } from "../../src/scheduler/budget.ts";
import { acquire } from "../../src/scheduler/locks.ts";
import { cancelRun } from "../../src/scheduler/run-commands.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { checkState } from "./check.ts";
import { Run, states, why } from "./run.ts";

const on_failure = { task: { instructions: "else" } };
const newest = (run: Run): Task => run.state.task(run.state.header.taskCount);

describe("a task that fails", () => {
  test("[Z1] [Z2] waits for its fallback, and has that one's result", () => {
    const run = new Run();
    const [a, after] = run.post({ key: "a", on_failure }, { after: ["a"] });
    run.fail(a!);
    const fallback = newest(run);
    expect(states(a!, fallback, after!)).toBe("parked ready waiting");
    expect(fallback).toMatchObject({ parent: a!.n, depth: 2, scope: { standsIn: { why: "fallback" } } });
    run.succeed(fallback);
    expect(states(a!, after!)).toBe("succeeded ready");
    expect(run.endOf(a!)).toMatchObject({ result_seq: fallback.phase.state === "succeeded" && fallback.phase.seq });
    expect(run.state.header.unhandled).toBe(0);
    checkState(run.state, run.now);
  });

  test("[Z2] ends as it had failed when its fallback does not succeed, and answers for both", () => {
    for (const how of ["fail", "cancel"] as const) {
      const run = new Run();
      const [a, after] = run.post({ key: "a", on_failure }, { after: ["a"] });
      run.fail(a!);
      const fallback = newest(run);
      run[how](fallback);
      expect(states(a!, after!)).toBe("failed skipped");
      expect(run.endOf(a!)?.error).toEqual({ code: "broken", message: "it broke", because: fallback.n });
      expect(why(after!)).toBe(a!.n);
      expect(run.state.header.unhandled).toBe(1);
      checkState(run.state, run.now);
    }
  });

  test("[Z1] lets go what it holds and ends its children; detached ones go on", () => {
    const run = new Run();
    const [a] = run.post({ on_failure });
    run.start(a!);
    const [child, detached] = run.make(a, {}, { detached: true });
    run.step((step) => acquire(step, a!, { call: "c", names: ["l"], mode: "exclusive", until: 0 }));
    expect(a!.holds).toHaveLength(1);
    run.fail(a!);
    expect(a!.holds).toEqual([]);
    expect(states(child!, detached!)).toBe("cancelled ready");
    expect(run.endOf(child!)?.error).toMatchObject({ code: "parent_ended", because: a!.n });
    run.succeed(newest(run));
    expect(states(a!)).toBe("succeeded");
    checkState(run.state, run.now);
  });

  test("[Z1] falls back from wherever it is: parked, backing off, running; its own clock stops", () => {
    const run = new Run();
    const timed = { timeout_ms: 10_000, on_failure, retries: { backoff_ms: 60_000 } };
    const [other] = run.post({});
    const [parks, backs, runs] = run.post(timed, timed, timed);
    run.park(run.start(parks!), [other!]);
    run.failTransiently(run.start(backs!), 60_000);
    run.start(runs!);
    run.clock(10_000);
    expect(states(parks!, backs!, runs!)).toBe("parked parked parked");
    expect(run.events("task_fell_back").map(({ error }) => error.code)).toEqual(["timeout", "timeout", "timeout"]);
    expect(leased(run.state, runs!.n, 3)).toBeUndefined();
    checkState(run.state, run.now);
    // A stand-in has the same time from its own start.
    const fallbacks = [5, 6, 7].map((n) => run.state.task(n));
    for (const one of fallbacks) run.start(one);
    run.clock(9_000);
    expect(states(...fallbacks)).toBe("running running running");
    run.clock(1_000);
    expect(states(parks!, backs!, runs!)).toBe("failed failed failed");
    checkState(run.state, run.now);
  });

  test("[Z1] what was cancelled or skipped, or never failed, has none", () => {
    const run = new Run();
    const [base] = run.post({ key: "base" });
    const [a, b, c] = run.post({ on_failure }, { on_failure, after: ["base"] }, { on_failure });
    run.cancel(a!);
    run.fail(base!);
    run.succeed(c!);
    expect(states(a!, b!, c!)).toBe("cancelled skipped succeeded");
    expect(run.state.header.taskCount).toBe(4);
  });

  test("[Z1] a task that is cancelled meanwhile takes its fallback with it", () => {
    const run = new Run();
    const [a] = run.post({ on_failure });
    run.fail(a!);
    const fallback = newest(run);
    run.start(fallback);
    run.cancel(a!);
    expect(states(a!, fallback)).toBe("cancelled cancelled");
    checkState(run.state, run.now);
  });

  test("[Z2] whoever awaits it, and its group, see only how it ends", () => {
    const run = new Run();
    const [a, b, waiter] = run.post({ group: "g", on_failure }, { group: "g" }, {});
    run.park(run.start(waiter!), [a!]);
    run.fail(a!);
    expect(states(b!, waiter!)).toBe("ready parked");
    run.succeed(newest(run), b!);
    expect(states(waiter!)).toBe("ready");
    expect(run.events("group_decided")).toMatchObject([{ verdict: "met" }]);
  });

  test("[Z1] a fallback whose dependency waits by now for the task is skipped, and the task fails as it had", () => {
    const run = new Run();
    const [a, b] = run.post({ key: "a" }, { key: "b", after: ["a"], on_failure });
    run.succeed(a!);
    run.turn(run.start(b!));
    run.retry(a!);
    const [child] = run.make(run.start(a!), { after: ["b"], on_dependency_failure: "run" });
    run.complete(a!);
    run.fail(b!);
    const fallback = run.state.task(4);
    expect([states(a!, b!, child!, fallback), why(fallback)]).toEqual(["parked failed ready skipped", a!.n]);
    run.succeed(child!);
    expect(states(a!)).toBe("succeeded");
    checkState(run.state, run.now);
  });

  test("[Z4] a stand-in has the task's priority, and what waits for the task raises it", () => {
    const run = new Run();
    const [a] = run.post({ key: "a", priority: 3, on_failure });
    run.post({ after: ["a"], priority: 8 });
    run.fail(a!);
    expect(newest(run)).toMatchObject({ priority: 3, effective: 8 });
    checkState(run.state, run.now);
  });

  test("[Z4] it has tokens of its own, below those that the task's creator has", () => {
    const run = new Run();
    const [p] = run.post({ max_tokens: 1000 });
    run.start(p!);
    const [a] = run.make(p, { max_tokens: 100, on_failure });
    run.turn(run.start(a!), 100);
    run.fail(a!);
    const fallback = newest(run);
    const reserve = (inputTokens: number) =>
      run.step((step) => reserveTokens(step, fallback as never, { inputTokens, outputTokens: 10 }).kind);
    run.start(fallback);
    expect(reserve(80)).toBe("reserved");
    expect(reserve(100)).toBe("exhausted");
    checkState(run.state, run.now);
  });
});

describe("compensation", () => {
  test("[Z3] [J5] what succeeded is undone when the group has failed and all have ended", () => {
    const run = new Run();
    const terms = { g: { on_failure: "continue" } } as const;
    const [a, b, c] = run.group(terms, { group: "g", on_failure }, { group: "g" }, { group: "g", on_failure });
    run.succeed(a!);
    run.fail(b!);
    expect(run.state.header.taskCount).toBe(3);
    run.succeed(c!);
    const undone = [4, 5].map((n) => run.state.task(n));
    expect(undone.map(({ parent, detached, scope }) => [parent, detached, scope?.standsIn?.why])).toEqual([
      [a!.n, true, "compensation"],
      [c!.n, true, "compensation"],
    ]);
    run.succeed(...undone);
    expect(states(a!, c!)).toBe("succeeded succeeded");
    checkState(run.state, run.now);
  });

  test("[Z3] not twice where several members end at once, nor of one whose fallback ran", () => {
    const run = new Run();
    const [a, b, c, d] = run.post(
      { group: "g", on_failure },
      { group: "g", on_failure },
      { group: "g" },
      { group: "g" },
    );
    run.fail(a!);
    run.succeed(newest(run), b!);
    expect(states(a!)).toBe("succeeded");
    run.fail(c!);
    expect(states(d!)).toBe("cancelled");
    const undo = run.events("task_created").filter(({ stands_in: one }) => one?.why === "compensation");
    expect(undo).toMatchObject([{ parent: b!.n }]);
  });

  test("[Z3] an agent that fails has its finished steps undone, although it has ended", () => {
    const run = new Run();
    const [p] = run.post({});
    run.start(p!);
    const [a, b] = run.make(p, { key: "a", group: "g", on_failure }, { group: "g", after: ["a"] });
    run.succeed(a!);
    run.fail(p!);
    const undo = newest(run);
    expect(states(p!, a!, b!, undo)).toBe("failed succeeded cancelled ready");
    run.succeed(undo);
    checkState(run.state, run.now);
  });

  test("[Z3] the run's root failing leaves time for it, then the run ends", () => {
    const run = new Run();
    const root = run.root();
    run.start(root);
    const [a] = run.make(root, { group: "g", on_failure }, { group: "g" });
    run.succeed(a!);
    run.fail(root);
    expect(run.state.header.status).toBe("active");
    run.succeed(newest(run));
    expect(run.state.header.status).toBe("failed");
  });

  test("[Z3] one that fails is told of: what it was to undo still stands", () => {
    const run = new Run();
    const [a, b] = run.post({ group: "g", on_failure }, { group: "g" });
    run.succeed(a!);
    run.fail(b!);
    const undo = newest(run);
    run.fail(undo);
    expect(run.events("finding")).toMatchObject([{ kind: "not_undone", subjects: [a!.n, undo.n], severity: "error" }]);
  });

  test("[N2] cancelling the run ends compensations too", () => {
    const run = new Run();
    const [a, b] = run.post({ group: "g", on_failure }, { group: "g" });
    run.succeed(a!);
    run.fail(b!);
    const undo = newest(run);
    run.step((step) => cancelRun(step, ""));
    expect(states(undo)).toBe("cancelled");
    checkState(run.state, run.now);
  });
});

describe("retries", () => {
  test("[Y5] a task is retried without what stood in for it, which is void, and may fall back again", () => {
    const run = new Run();
    const [a] = run.post({ on_failure });
    run.fail(a!);
    const first = newest(run);
    run.fail(first);
    expect(run.retry(first)).toMatchObject({ code: "stands_in" });
    expect(run.retry(a!)).toBeUndefined();
    expect(states(a!)).toBe("ready");
    expect(first.keyFreed).toBe(true);
    run.fail(a!);
    const second = newest(run);
    expect(second.n).toBe(first.n + 1);
    run.succeed(second);
    expect(states(a!)).toBe("succeeded");
    checkState(run.state, run.now);
  });

  test("[Y5] a compensation under way ends with the retry, and what was undone is done again", () => {
    const run = new Run();
    const [a, b] = run.post({ group: "g", on_failure }, { group: "g" });
    run.succeed(a!);
    run.fail(b!);
    const undo = newest(run);
    run.start(undo);
    run.retry(b!);
    expect(states(a!, b!, undo)).toBe("ready ready cancelled");
    run.succeed(a!, b!);
    expect(run.events("group_decided").map(({ verdict }) => verdict)).toEqual(["failed", "met"]);
    checkState(run.state, run.now);
  });

  test("[Y5] from a turn: its children up to there are kept, and its stand-in is not", () => {
    const run = new Run();
    const [a] = run.post({ on_failure });
    run.turn(run.start(a!));
    const [kept] = run.make(a, { key: "kept" });
    run.succeed(kept!);
    run.fail(a!);
    const fallback = newest(run);
    run.fail(fallback);
    run.retry(a!, { turn: 1, snapshot: "s1", before: run.state.header.seq + 1 });
    expect(a!.children).toEqual([kept!.n]);
    expect(fallback.keyFreed).toBe(true);
    checkState(run.state, run.now);
  });

  test("[Z5] room for a stand-in is kept from the creation on, and asked for again by a retry", () => {
    const run = new Run({ tasks: 3 });
    expect(run.batch(undefined, [{ on_failure }, { on_failure }])).toMatchObject({ refusal: { code: "limit_tasks" } });
    const [a, b] = run.post({ on_failure }, {});
    expect(run.batch(undefined, [{}])).toMatchObject({ refusal: { code: "limit_tasks" } });
    run.succeed(b!);
    run.fail(a!);
    run.fail(newest(run));
    expect(run.retry(a!)).toMatchObject({ code: "limit_tasks" });
    expect(states(a!)).toBe("failed");
  });
});

describe("creation", () => {
  test("[Z4] a stand-in refers to what its task depends on, and to nothing else", () => {
    const run = new Run();
    const refers = (key: string) => ({ on_failure: { task: { instructions: `see {{${key}}}` } } });
    expect(run.batch(undefined, [{ key: "b" }, refers("b")])).toMatchObject({
      refusal: { code: "unknown_task", errors: [{ path: "tasks[1].on_failure.task.instructions" }] },
    });
    const [b, a] = run.post({ key: "b" }, { ...refers("b"), after: ["b"] });
    run.succeed(b!);
    run.fail(a!);
    expect(newest(run).after).toEqual([b!.n]);
  });

  test("[Z5] refuses one that would be too deep, and one in a pool that the creator may not use", () => {
    const run = new Run({ depth: 2 });
    const [p] = run.post({ on_failure });
    run.start(p!);
    expect(run.batch(p, [{ on_failure }])).toMatchObject({ refusal: { code: "limit_depth" } });
    const wide = new Run();
    const [q] = wide.post({});
    wide.start(q!);
    const elsewhere = { on_failure: { task: { instructions: "else", pool: "laptop" } } };
    expect(wide.batch(q, [elsewhere])).toMatchObject({
      refusal: { code: "pool_not_allowed", errors: [{ path: "tasks[0].on_failure.task.pool" }] },
    });
  });
});
