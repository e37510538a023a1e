/** What a task follows from where it goes through a variable: on the measured path, and in the run that has a worker for everybody. */

import { describe, expect, test } from "vitest";
import { arrive } from "../../src/scheduler/barriers.ts";
import { completeTask } from "../../src/scheduler/end-task.ts";
import { settle } from "../../src/scheduler/ending.ts";
import { acquire, releaseLock } from "../../src/scheduler/locks.ts";
import { createQueue, pop, push } from "../../src/scheduler/message-queues.ts";
import { acquirePermits, createSemaphore } from "../../src/scheduler/semaphores.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { type CriticalPath, CriticalPathFold } from "../../src/trace/critical-path.ts";
import { Run } from "../scheduler/run.ts";
import { fold, traceOf } from "./lib/trace.ts";

const pathOf = (run: Run): CriticalPath => fold(new CriticalPathFold(), traceOf(run.log)).finish()!;
const shown = ({ path }: CriticalPath) => path.map(({ task, kind, from, to }) => [task, kind, to - from]);

let calls = 0;
const call = () => `c${++calls}`;

/** Gives its worker back until its call is answered. */
function park(run: Run, task: Task): void {
  const { phase } = task;
  if (phase.state !== "running") throw new Error(`task ${task.n} is ${phase.state}`);
  run.step((step) => step.emit({ type: "task_parked", task: task.n, fence: phase.fence, on: "calls" }));
}

describe("a barrier", () => {
  const meet = (run: Run, task: Task) =>
    run.step((step) => {
      arrive(step, task, { call: call(), name: "b", parties: 2, members: [], until: 0 });
      settle(step);
    });

  test("is passed when the last one arrives: the path goes on with that one's work", () => {
    const run = new Run();
    const [early, late] = run.post({}, {}) as [Task, Task];
    run.start(early);
    run.now += 10;
    meet(run, early);
    park(run, early);
    run.start(late);
    run.now += 90;
    meet(run, late);
    run.complete(late);
    run.start(early);
    run.now += 50;
    run.complete(early);
    expect(shown(pathOf(run))).toEqual([
      [2, "ready", 10],
      [2, "working", 90],
      [1, "working", 50],
    ]);
  });

  test("keeps the last one waiting for the others where that one had come first with a worker", () => {
    const run = new Run();
    const [slow, quick] = run.post({}, {}) as [Task, Task];
    run.start(slow);
    run.now += 80;
    meet(run, slow);
    park(run, slow);
    run.start(quick);
    run.now += 20;
    meet(run, quick);
    run.now += 50;
    run.complete(quick);
    run.start(slow);
    run.complete(slow);
    // 80 until the barrier, and 50 after it.
    expect(pathOf(run).idealMs).toBe(130);
  });
});

describe("with one worker, one after another", () => {
  test("tasks that fit into a semaphore together did not wait for one another", () => {
    const ideal = (permits: number) => {
      const run = new Run();
      run.step((step) => createSemaphore(step, "s", permits));
      for (const task of run.post({}, {}, {}, {}, {}, {})) {
        run.start(task);
        run.step((step) => acquirePermits(step, task, { call: call(), name: "s", permits: 1, until: 0 }));
        run.now += 10;
        run.complete(task);
      }
      return pathOf(run).idealMs;
    };
    expect([1, 2, 3, 6, 10].map(ideal)).toEqual([60, 30, 20, 10, 10]);
  });

  test("those who share a lock did not either, and who wants it alone waits for all of them", () => {
    const run = new Run();
    const modes = ["exclusive", "shared", "shared", "exclusive"] as const;
    const ms = [10, 30, 20, 5];
    for (const [i, task] of run.post({}, {}, {}, {}).entries()) {
      run.start(task);
      const want = { call: call(), names: ["l"], mode: modes[i]!, until: 0 };
      run.step((step) => acquire(step, task, want));
      run.now += ms[i]!;
      run.step((step) => {
        releaseLock(step, task, "l");
        settle(step);
      });
      run.complete(task);
    }
    const { idealMs, idealPath } = pathOf(run);
    expect(idealMs).toBe(45);
    expect(idealPath).toEqual([
      { task: 1, ms: 10 },
      { task: 2, ms: 30 },
      { task: 4, ms: 5 },
    ]);
  });

  test("who pops follows from the push of what it gets, and not from other messages or who popped them", () => {
    const run = new Run();
    const [maker, ...takers] = run.post({}, {}, {}, {}) as [Task, Task, Task, Task];
    run.start(maker);
    for (let i = 0; i < 3; i++) {
      run.now += 10;
      const messages = { messages: [i], sizes: [1] };
      run.step((step) => push(step, { task: maker, call: call(), until: 0 }, "q", messages));
    }
    run.complete(maker);
    for (const taker of takers) {
      run.start(taker);
      run.step((step) => pop(step, { task: taker, call: call(), until: 0 }, "q", { max: 1, external: false }));
      run.now += 100;
      run.complete(taker);
    }
    const { idealMs, slackMs } = pathOf(run);
    expect(idealMs).toBe(130);
    // The first message was there after 10 ms, the second after 20.
    expect(Object.fromEntries(slackMs)).toEqual({ 1: 0, 2: 20, 3: 10, 4: 0 });
  });
});

test("who waits to push goes on when somebody pops", () => {
  const run = new Run();
  const [maker, taker] = run.post({}, {}) as [Task, Task];
  run.step((step) => createQueue(step, "q", 1));
  run.start(maker);
  run.start(taker);
  const messages = { messages: [0], sizes: [1] };
  for (let i = 0; i < 2; i++) run.step((step) => push(step, { task: maker, call: call(), until: 0 }, "q", messages));
  park(run, maker);
  run.now += 70;
  run.step((step) => {
    pop(step, { task: taker, call: call(), until: 0 }, "q", { max: 1, external: false });
    settle(step);
  });
  run.complete(taker);
  run.start(maker);
  run.now += 5;
  run.complete(maker);
  const found = pathOf(run);
  expect(shown(found)).toEqual([
    [2, "working", 70],
    [1, "working", 5],
  ]);
  expect(found.variables).toEqual([{ name: "q", waitedMs: 70, idealMsWithout: 70 }]);
});

test("a child that comes after what has ended could not have begun before that ended", () => {
  const run = new Run();
  const [dependency, parent] = run.post({ key: "a" }, {}) as [Task, Task];
  run.start(dependency);
  run.now += 100;
  run.complete(dependency);
  const leased = run.start(parent);
  run.now += 10;
  const [child] = run.make(parent, { after: ["T1"] }) as [Task];
  run.start(child);
  run.step((step) => {
    completeTask(step, parent, leased.phase.fence, "done");
    settle(step);
  });
  run.now += 40;
  run.complete(child);
  const { idealMs, idealPath } = pathOf(run);
  expect(idealMs).toBe(140);
  expect(idealPath).toEqual([
    { task: 1, ms: 100 },
    { task: 3, ms: 40 },
  ]);
});
