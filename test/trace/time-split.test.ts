import { describe, expect, test } from "vitest";
import { apply } from "../../src/scheduler/apply.ts";
import { failAttempt } from "../../src/scheduler/attempts.ts";
import { completeTask } from "../../src/scheduler/end-task.ts";
import { settle } from "../../src/scheduler/ending.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import { cancelRun, pauseRun, resumeRun } from "../../src/scheduler/run-commands.ts";
import type { RunState } from "../../src/scheduler/state.ts";
import { hasFallenBack, type Task } from "../../src/scheduler/task.ts";
import type { Interval } from "../../src/trace/intervals.ts";
import type { Kind } from "../../src/trace/kinds.ts";
import { TimeSplitFold } from "../../src/trace/time-split.ts";
import { type Leased, newState, Run } from "../scheduler/run.ts";
import { World } from "../sim/world.ts";
import { fold, traceOf } from "./lib/trace.ts";

const splitOf = (run: Run) => fold(new TimeSplitFold(), traceOf(run.log)).finish(run.now);
const timeOf = (run: Run, task: Task) => splitOf(run).tasks.find((one) => one.task === task.n)!;

/** A turn whose model call took the last `model_ms`. */
function turn(run: Run, task: Leased, model_ms: number): void {
  const { fence } = task.phase;
  const usage = { in: 0, out: 0, read: 0, write: 0 };
  run.step((step) =>
    step.emit({ type: "turn", task: task.n, fence, turn: task.turns + 1, snapshot: "s1", usage, model_ms }),
  );
}

describe("the time of a task", () => {
  test("[V1] is what it did, from its creation to its end", () => {
    const run = new Run();
    const [first, second] = run.post({ key: "a" }, { key: "b", after: ["a"] }) as [Task, Task];
    run.now += 100;
    const leased = run.start(first);
    run.now += 1000;
    turn(run, leased, 900);
    run.now += 20;
    run.complete(first);
    run.now += 7;
    run.start(second);
    run.now += 50;
    run.complete(second);
    expect(timeOf(run, first).byKind).toEqual({ ready: 100, working: 120, model: 900 });
    expect(timeOf(run, second).byKind).toEqual({ dependencies: 1120, ready: 7, working: 50 });
  });

  test("an attempt that came to nothing is lost, up to its last turn, and its backoff is told apart", () => {
    const run = new Run();
    const [task] = run.post({ retries: { limit: 1, backoff_ms: 1000 } }) as [Task];
    const leased = run.start(task);
    run.now += 300;
    turn(run, leased, 300);
    run.now += 200;
    run.step((step) => failAttempt(step, leased, { fault: "network", error: { code: "network", message: "" } }));
    const { phase } = task;
    const backoff = phase.state === "waiting" ? phase.until - run.now : 0;
    expect(backoff).toBeGreaterThan(0);
    run.clock(backoff);
    run.now += 5;
    run.complete(run.start(task));
    expect(timeOf(run, task).byKind).toEqual({ model: 300, lost: 200, retrying: backoff, ready: 5 });
  });

  test("one that is retried from a turn is ready at once, whatever becomes of its dependencies", () => {
    const run = new Run();
    const [first, task] = run.post({ key: "a" }, { after: ["a"] }) as [Task, Task];
    run.succeed(first);
    turn(run, run.start(task), 0);
    run.now += 100;
    run.fail(task);
    run.now += 1000;
    const point = { turn: 1, snapshot: "s1", before: run.state.header.seq + 1 };
    run.step((step) => retryTask(step, first));
    run.step((step) => retryTask(step, task, { point, pointsOf: () => new Map() }));
    run.now += 7;
    run.start(task);
    run.now += 50;
    run.complete(task);
    expect(timeOf(run, task).byKind).toEqual({ lost: 100, ready: 7, working: 50 });
  });

  test("a pause is nobody's queue", () => {
    const run = new Run();
    const [task] = run.post({}) as [Task];
    run.now += 10;
    run.step((step) => pauseRun(step));
    run.now += 500;
    run.step((step) => resumeRun(step));
    run.now += 3;
    run.complete(run.start(task));
    expect(timeOf(run, task).byKind).toEqual({ ready: 13, paused: 500 });
  });

  test("nor is one that a run was cancelled in, once the run is reopened", () => {
    const run = new Run();
    const [task] = run.post({}) as [Task];
    run.now += 10;
    run.step((step) => pauseRun(step));
    run.now += 500;
    run.step((step) => cancelRun(step, ""));
    run.now += 1000;
    run.step((step) => retryTask(step, task));
    run.now += 7;
    run.complete(run.start(task));
    expect(timeOf(run, task).byKind).toEqual({ ready: 17, paused: 500 });
  });

  test("who was ready, and whose dependency is tried again, waits for it", () => {
    const run = new Run();
    const [first, second] = run.post({ key: "a" }, { after: ["a"] }) as [Task, Task];
    run.succeed(first);
    run.now += 10;
    run.step((step) => retryTask(step, first));
    run.now += 300;
    run.succeed(first);
    run.now += 7;
    run.complete(run.start(second));
    expect(timeOf(run, second).byKind).toEqual({ ready: 17, dependencies: 300 });
  });

  test("its own work done, it waits for children", () => {
    const run = new Run();
    const [parent] = run.post({}) as [Task];
    const leased = run.start(parent);
    const [child] = run.make(parent, {}) as [Task];
    run.now += 10;
    run.step((step) => {
      completeTask(step, parent, leased.phase.fence, "done");
      settle(step);
    });
    run.now += 90;
    run.complete(run.start(child));
    expect(timeOf(run, parent).byKind).toEqual({ working: 10, children: 90 });
    expect(timeOf(run, child).byKind).toEqual({ ready: 100 });
  });

  test("levels tell how many had a worker, and how many could have", () => {
    const run = new Run();
    const [one, two] = run.post({}, {}) as [Task, Task];
    const start = run.now;
    run.start(one);
    run.now += 10;
    run.start(two);
    run.now += 10;
    run.complete(one);
    run.complete(two);
    expect(splitOf(run).levels).toEqual([
      { at: start, working: 1, ready: 1 },
      { at: start + 10, working: 2, ready: 0 },
      { at: start + 20, working: 0, ready: 0 },
    ]);
  });
});

/** What a task that does not work may be doing by the scheduler's own state; undefined: it is with a worker, or has ended. */
function waitsFor(state: RunState, task: Task): readonly Kind[] | undefined {
  const { phase } = task;
  switch (phase.state) {
    case "waiting":
      return [phase.until > 0 ? "retrying" : "dependencies"];
    case "ready":
      return [state.header.status === "paused" ? "paused" : state.isHeld(task) ? "cache_warming" : "ready"];
    case "parked":
      if (hasFallenBack(task)) return ["fallback"];
      return phase.on === "calls" ? ["variables", "tools", "tasks"] : [phase.on];
    default:
      return undefined;
  }
}

test("in worlds of faults, it is at every moment what the scheduler has the task wait for", () => {
  let compared = 0;
  for (const seed of [7, 41, 142, 159, 163]) {
    const world = new World(seed, { remoteTools: seed % 3 === 0, scopes: seed % 2 === 0, questions: seed % 4 < 2 });
    for (let step = 0; step < 300; step++) world.step();
    const intervals: Interval[] = [];
    fold(new TimeSplitFold((interval) => intervals.push(interval)), traceOf(world.log)).finish();
    const byTask = Map.groupBy(intervals, ({ task }) => task);
    const state = newState();
    for (const [i, { event, seq, at }] of world.log.entries()) {
      apply(state, event, seq, at);
      if ((world.log[i + 1]?.at ?? at) === at) continue;
      for (const task of state.tasks.values()) {
        const kinds = task.n > 0 && waitsFor(state, task);
        if (!kinds) continue;
        const doing = byTask.get(task.n)!.find(({ from, to }) => from <= at && to > at);
        expect(kinds, `seed ${seed}, task ${task.n}, event ${seq}`).toContain(doing?.kind);
        compared++;
      }
    }
  }
  expect(compared).toBeGreaterThan(1000);
});

test("[V1] in worlds of faults, kinds sum to the time between creation and end", () => {
  for (let seed = 1; seed <= 30; seed++) {
    const world = new World(seed, { remoteTools: seed % 3 === 0 });
    for (let step = 0; step < 200; step++) world.step();
    const events = traceOf(world.log);
    const last = events.at(-1)!.at;
    const wall = new Map<number, number>();
    const since = new Map<number, number>();
    for (const event of events) {
      if (event.type === "task_created" || event.type === "task_retried") since.set(event.task, event.at);
      else if (event.type === "task_ended") {
        wall.set(event.task, (wall.get(event.task) ?? 0) + event.at - since.get(event.task)!);
        since.delete(event.task);
      }
    }
    for (const [task, at] of since) wall.set(task, (wall.get(task) ?? 0) + last - at);
    const { tasks } = fold(new TimeSplitFold(), events).finish();
    expect(tasks.length).toBe(wall.size);
    for (const { task, byKind } of tasks) {
      const sum = Object.values(byKind).reduce((total, ms) => total + ms, 0);
      expect(sum, `seed ${seed}, task ${task}`).toBe(wall.get(task));
    }
  }
});
