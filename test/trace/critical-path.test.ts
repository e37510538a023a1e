import { describe, expect, test } from "vitest";
import { completeTask } from "../../src/scheduler/end-task.ts";
import { settle } from "../../src/scheduler/ending.ts";
import { acquire, releaseLock } from "../../src/scheduler/locks.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { CausalGraph, earliest, weightOf } from "../../src/trace/causal-graph.ts";
import { type CriticalPath, CriticalPathFold } from "../../src/trace/critical-path.ts";
import { Run } from "../scheduler/run.ts";
import { fold, traceOf } from "./lib/trace.ts";
import { worlds } from "./lib/worlds.ts";

const pathOf = (run: Run): CriticalPath => fold(new CriticalPathFold(), traceOf(run.log)).finish()!;
const shown = ({ path }: CriticalPath) => path.map(({ task, kind, from, to }) => [task, kind, to - from]);

describe("the critical path", () => {
  test("[P1] goes through the dependency that ended last, and names the queue", () => {
    const run = new Run();
    const [short, long, last] = run.post({ key: "a" }, { key: "b" }, { after: ["a", "b"] }) as [Task, Task, Task];
    run.start(short);
    run.now += 10;
    run.start(long);
    run.now += 20;
    run.complete(short);
    run.now += 70;
    run.complete(long);
    run.now += 5;
    run.start(last);
    run.now += 40;
    run.complete(last);
    const found = pathOf(run);
    expect(shown(found)).toEqual([
      [2, "ready", 10],
      [2, "working", 90],
      [3, "ready", 5],
      [3, "working", 40],
    ]);
    // Had everybody had a worker: 90 and 40.
    expect(found.idealMs).toBe(130);
    expect(found.idealPath).toEqual([
      { task: 2, ms: 90 },
      { task: 3, ms: 40 },
    ]);
    expect(Object.fromEntries(found.slackMs)).toEqual({ 1: 60, 2: 0, 3: 0 });
  });

  test("goes back from a parent to the child that it waited for, and to the turn that forked it", () => {
    const run = new Run();
    const [parent] = run.post({}) as [Task];
    const leased = run.start(parent);
    run.now += 30;
    const [quick, slow] = run.make(parent, {}, {}) as [Task, Task];
    run.start(quick);
    run.start(slow);
    run.now += 10;
    run.step((step) => {
      completeTask(step, parent, leased.phase.fence, "done");
      settle(step);
    });
    run.complete(quick);
    run.now += 90;
    run.complete(slow);
    expect(shown(pathOf(run))).toEqual([
      [1, "working", 30],
      [3, "working", 100],
    ]);
  });

  test("goes back to a task that was over when it was awaited: with more workers it would have been waited for", () => {
    const run = new Run({ workers: 1 });
    const [awaited, waiter] = run.post({}, {}) as [Task, Task];
    run.start(awaited);
    run.now += 100;
    run.complete(awaited);
    run.start(waiter);
    run.now += 10;
    expect(run.await(waiter, [awaited])).toMatchObject({ kind: "done" });
    run.now += 50;
    run.complete(waiter);
    const { idealMs, idealPath } = pathOf(run);
    expect([idealMs, idealPath]).toEqual([
      150,
      [
        { task: 1, ms: 100 },
        { task: 2, ms: 50 },
      ],
    ]);
  });

  test("a parent that is retried from a turn still waited for the child that it kept", () => {
    const run = new Run();
    const [parent] = run.post({}) as [Task];
    run.start(parent);
    run.now += 30;
    const [kept] = run.make(parent, {}) as [Task];
    const before = run.state.header.seq + 1;
    run.make(parent, {});
    run.fail(parent);
    run.now += 500;
    const point = { turn: 1, snapshot: "s1", before };
    run.step((step) => retryTask(step, parent, { point, pointsOf: () => new Map() }));
    run.start(kept);
    const leased = run.start(parent);
    run.step((step) => {
      completeTask(step, parent, leased.phase.fence, "done");
      settle(step);
    });
    run.now += 90;
    run.complete(kept);
    expect(shown(pathOf(run)).at(-1)).toEqual([kept.n, "working", 90]);
  });

  test("goes from a grant to who had the lock, and tells the time without it", () => {
    const run = new Run();
    const [first, second] = run.post({}, {}) as [Task, Task];
    run.start(first);
    run.start(second);
    const want = { call: "c", names: ["db"], mode: "exclusive", until: 0 } as const;
    run.step((step) => acquire(step, first, want));
    run.step((step) => acquire(step, second, want));
    const { phase } = second;
    run.step((step) =>
      step.emit({
        type: "task_parked",
        task: second.n,
        fence: phase.state === "running" ? phase.fence : 0,
        on: "calls",
      }),
    );
    run.now += 100;
    run.step((step) => {
      releaseLock(step, first, "db");
      settle(step);
    });
    run.complete(first);
    run.start(second);
    run.now += 50;
    run.complete(second);
    const found = pathOf(run);
    expect(shown(found)).toEqual([
      [1, "working", 100],
      [2, "working", 50],
    ]);
    expect(found.idealMs).toBe(150);
    expect(found.variables).toEqual([{ name: "db", waitedMs: 100, idealMsWithout: 100 }]);
  });

  test("a run in which nothing has ended has none", () => {
    const run = new Run();
    run.post({});
    expect(fold(new CriticalPathFold(), traceOf(run.log)).finish()).toBeUndefined();
  });
});

describe("in worlds of faults", () => {
  test("[P1] the path covers the run without gaps", () => {
    for (const { seed, events } of worlds) {
      const found = fold(new CriticalPathFold(), events).finish();
      if (!found) continue;
      let at = found.startedAt;
      for (const { from, to } of found.path) {
        expect(from, `seed ${seed}`).toBe(at);
        at = to;
      }
      expect(at).toBe(found.endedAt);
    }
  });

  test("[C1] [P2] no chain of events is longer than the ideal run, and no event comes before what it follows from", () => {
    for (const { events } of worlds) {
      const graph = fold(new CausalGraph(), events);
      const { times } = earliest(graph);
      for (const [place, step] of graph.steps.entries()) {
        if (step.prev >= 0) expect(times[place]).toBeGreaterThanOrEqual(times[step.prev]! + weightOf(step));
        for (const edge of step.follows) {
          expect(edge.place).toBeLessThan(place);
          expect(times[place]).toBeGreaterThanOrEqual(times[edge.place]!);
        }
      }
    }
  });

  test("[P3] slack is never negative, and somebody has none", () => {
    for (const { events } of worlds) {
      const found = fold(new CriticalPathFold(), events).finish();
      if (!found) continue;
      const slack = [...found.slackMs.values()];
      expect(Math.min(...slack)).toBe(0);
    }
  });
});
