/** Hundreds who wait for one variable: what one of them costs the others, counted in tasks that are looked at. */

import { describe, expect, test, vi } from "vitest";
import { arrive } from "../../src/scheduler/barriers.ts";
import { pop, push } from "../../src/scheduler/message-queues.ts";
import { acquirePermits, createSemaphore } from "../../src/scheduler/semaphores.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { answerOf, started } from "./blocking.ts";
import { checkState } from "./check.ts";
import { Run } from "./run.ts";

/** How many tasks are looked at while it works. */
function looks(run: Run, work: () => void): number {
  const all = [vi.spyOn(run.state, "task"), vi.spyOn(run.state, "live")];
  work();
  const count = all.reduce((sum, spy) => sum + spy.mock.calls.length, 0);
  for (const spy of all) spy.mockRestore();
  return count;
}

describe("a crowd", () => {
  test("[G1] at a barrier whose members are known: who arrives is not held against each pair of those there", () => {
    const count = 200;
    const run = new Run();
    const tasks = started(run, count);
    const members = tasks.map(({ n }) => n);
    const come = (task: Task) =>
      run.step((step) => arrive(step, task, { call: "c", name: "b", parties: count, members, until: 0 }));
    const costs = tasks.map((task) => looks(run, () => come(task)));
    expect(Math.max(...costs.slice(0, -1))).toBeLessThan(6 * count);
    expect(answerOf(run, tasks[0]!)).toEqual({ kind: "tripped", generation: 0, index: 0 });
    checkState(run.state, run.now);
  });

  /** Permits that are all held, and those who wait for one each. */
  function contended(permits: number, count: number, specOf: (i: number) => { priority?: number; key?: string }) {
    const run = new Run();
    run.step((step) => createSemaphore(step, "s", permits));
    const take = (task: Task) =>
      run.step((step) => acquirePermits(step, task, { call: "c", name: "s", permits: 1, until: 0 }));
    const holders = started(run, permits);
    for (const task of holders) take(task);
    const waiters = run.post(...Array.from({ length: count }, (_, i) => specOf(i))).map((task) => run.start(task));
    for (const task of waiters) take(task);
    return { run, holders, waiters };
  }

  test("[S2] behind a semaphore, the last of a higher priority: a grant is not held against each holder and waiter", () => {
    const { run, holders } = contended(100, 200, (i) => (i === 199 ? { priority: 9 } : {}));
    expect(holders.every(({ effective }) => effective === 9)).toBe(true);
    for (const task of holders.slice(0, 20)) {
      expect(looks(run, () => run.complete(task))).toBeLessThan(6 * (100 + 200));
    }
    checkState(run.state, run.now);
  });

  test("[S2] … nor where their priority is that of a task which waits for them all", () => {
    const { run, holders, waiters } = contended(100, 200, (i) => ({ key: `w${i}` }));
    run.post({ priority: 9, after: waiters.map((_, i) => `w${i}`) });
    expect([...holders, ...waiters].every(({ effective }) => effective === 9)).toBe(true);
    for (const task of holders.slice(0, 20)) {
      expect(looks(run, () => run.complete(task))).toBeLessThan(6 * (100 + 200));
    }
    checkState(run.state, run.now);
    for (const task of waiters) run.cancel(task);
    expect(holders.slice(20).every(({ effective, priority }) => effective === priority)).toBe(true);
    checkState(run.state, run.now);
  });

  test("[Q1] that pops from a queue: a push looks at the first of them", () => {
    const run = new Run();
    const tasks = started(run, 500);
    for (const task of tasks) {
      run.step((step) => pop(step, { task, call: "c", until: 0 }, "q", { max: 1, external: false }));
    }
    let looked = 0;
    for (const waiter of run.state.blocking.line("q", "message_queue").waiters) {
      const { want } = waiter;
      const get = () => {
        looked++;
        return want;
      };
      Object.defineProperty(waiter, "want", { get });
    }
    const caller = { task: undefined, call: "", until: 0 };
    for (let i = 0; i < 5; i++) run.step((step) => push(step, caller, "q", { messages: [i], sizes: [1] }));
    expect(tasks.map((task) => answerOf(run, task)).filter((answer) => answer !== undefined)).toHaveLength(5);
    expect(looked).toBeLessThan(50);
    checkState(run.state, run.now);
  });

  test("[S2] of as many holders as a run may have tasks: they are not the arguments of one call", {
    timeout: 60_000,
  }, () => {
    const count = 130_000;
    const run = new Run({ tasks: 200_000, workers: 200_000 });
    const holders: Task[] = [];
    while (holders.length < count) holders.push(...run.post(...Array.from({ length: 1000 }, () => ({}))));
    const take = { call: "c", name: "s", permits: 1, until: 0 };
    run.step((step) => {
      createSemaphore(step, "s", count);
      for (const task of holders) {
        step.emit({ type: "task_started", task: task.n, fence: task.n, attempt: 1, worker: "w" });
        acquirePermits(step, task, take);
      }
    });
    const late = run.start(run.post({ priority: 9 })[0]!);
    run.step((step) => acquirePermits(step, late, take));
    expect(holders.every(({ effective }) => effective === 9)).toBe(true);
    run.cancel(late);
    expect(holders.every(({ effective }) => effective === 5)).toBe(true);
  });
});
