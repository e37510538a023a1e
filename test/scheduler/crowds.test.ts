/** Hundreds who wait for one variable: what one of them costs the others, counted in tasks that are looked at. */

import { describe, expect, test, vi } from "vitest";
import { arrive } from "../../src/scheduler/barriers.ts";
import { reserveTokens } from "../../src/scheduler/budget.ts";
import { BudgetQueue } from "../../src/scheduler/budget-queue.ts";
import { nextClock } from "../../src/scheduler/clock.ts";
import { acquire } from "../../src/scheduler/locks.ts";
import { pop, push } from "../../src/scheduler/message-queues.ts";
import { unmoved } from "../../src/scheduler/movers.ts";
import { exhaustionAt } from "../../src/scheduler/pool-exhaustion.ts";
import { acquirePermits, createSemaphore } from "../../src/scheduler/semaphores.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { answerOf, started } from "./blocking.ts";
import { checkState } from "./check.ts";
import { type Leased, Run } from "./run.ts";

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

  const timedOut = (run: Run) => run.events("call_done").filter(({ why }) => why === "timed_out").length;
  const lock = (run: Run, task: Task, until = 0) =>
    run.step((step) => acquire(step, task, { call: "c", names: ["l"], mode: "exclusive", until }));

  test("[O3] that waits for a lock of somebody less urgent: whose wait times out is not held against all others", () => {
    const count = 300;
    const run = new Run();
    const holder = run.start(run.post({ priority: 1 })[0]!);
    lock(run, holder);
    for (const task of started(run, count)) lock(run, task, run.now + 1000);
    expect(holder.effective).toBe(5);
    expect(looks(run, () => run.clock(1000))).toBeLessThan(40 * count);
    expect([timedOut(run), holder.effective]).toEqual([count, 1]);
    checkState(run.state, run.now);
  });

  test("[O3] that depends on somebody less urgent, and is skipped for another: nor is any of it, in either order", () => {
    const count = 300;
    const run = new Run();
    const [slow, broken] = run.post({ priority: 1, key: "slow" }, { key: "broken" });
    const dependents = run.post(...Array.from({ length: count }, () => ({ after: ["slow", "broken"] })));
    expect(slow!.effective).toBe(5);
    expect(looks(run, () => run.fail(broken!))).toBeLessThan(40 * count);
    expect([dependents.every(({ phase }) => phase.state === "skipped"), slow!.effective]).toEqual([true, 1]);
    const [other] = run.post({ priority: 1, key: "other" });
    const others = run.post(...Array.from({ length: count }, () => ({ after: ["other"] })));
    const cancelled = () => {
      for (const task of others.toReversed()) run.cancel(task);
    };
    expect(looks(run, cancelled)).toBeLessThan(40 * count);
    expect(other!.effective).toBe(1);
    checkState(run.state, run.now);
  });

  test("[O3] in a line that somebody more urgent has left: it is gone through once, and not at each grant", () => {
    const run = new Run();
    const tasks = started(run, 400);
    const [urgent] = started(run, 1, { priority: 9 });
    for (const task of [...tasks, urgent!]) lock(run, task);
    run.cancel(urgent!);
    const served = tasks.slice(0, 20);
    const serve = () => {
      for (const task of served) run.complete(task);
    };
    expect(looks(run, serve)).toBeLessThan(6 * tasks.length);
    checkState(run.state, run.now);
  });

  test("[O3] in a line at whose end somebody more urgent stands: whoever is served has his level without a look at all before him", () => {
    const run = new Run();
    const tasks = started(run, 400);
    const [urgent] = started(run, 1, { priority: 9 });
    for (const task of [...tasks, urgent!]) lock(run, task);
    const served = tasks.slice(0, 20);
    const serve = () => {
      for (const task of served) run.complete(task);
    };
    expect(looks(run, serve)).toBeLessThan(100 * served.length);
    expect(tasks[20]!.effective).toBe(9);
    checkState(run.state, run.now);
  });

  test("[B2] that is parked for tokens: a settlement looks at the first of it", () => {
    const run = new Run({ tokens: 1_000_000, workers: 1000 });
    const tasks = started(run, 500);
    const reserve = (task: Leased, inputTokens: number) =>
      run.step((step) => reserveTokens(step, task, { inputTokens, outputTokens: 1000 }));
    reserve(tasks[0]!, 990_000);
    for (const task of tasks.slice(1)) reserve(task, 20_000);
    const [other] = started(run, 1);
    expect(run.state.budgetQueue.size).toBe(499);
    expect(looks(run, () => run.complete(other!))).toBeLessThan(50);
    checkState(run.state, run.now);
  });

  test("[B2] … and has come from a checkpoint, by its numbers: it goes on in the order in which it was parked", () => {
    const queue = new BudgetQueue();
    for (const [n, seq] of [
      [1, 30],
      [2, 10],
      [3, 20],
    ] as const)
      queue.add(n, seq);
    queue.delete(3);
    expect([...queue]).toEqual([2, 1]);
    queue.add(3, 40);
    expect([[...queue], queue.size, queue.has(2), queue.has(4)]).toEqual([[2, 1, 3], 3, true, false]);
  });

  test("[U1] of which all that run wait, and none is hosted: a command does not go through those that are ready", () => {
    const run = new Run();
    const tasks = run.post(...Array.from({ length: 500 }, () => ({ pool: "p" })));
    for (const task of tasks.slice(0, 4).map((one) => run.start(one)))
      run.step((step) => pop(step, { task, call: "c", until: 0 }, "q", { max: 1, external: false }));
    expect(exhaustionAt(run.state)).toBeGreaterThan(run.now);
    const all = vi.spyOn(run.state.tasks, "values");
    run.step(() => undefined);
    expect(nextClock(run.state)).toBeGreaterThan(run.now);
    expect(all).not.toHaveBeenCalled();
  });

  test("[W3] one behind the other: who awaits the last of them does not go through all", () => {
    const run = new Run();
    const chain = run.post(
      ...Array.from({ length: 1000 }, (_, i) => ({ key: `k${i}`, ...(i > 0 && { after: [`k${i - 1}`] }) })),
    );
    const main = run.start(run.post({})[0]!);
    expect(looks(run, () => run.await(main, [chain.at(-1)!]))).toBeLessThan(500);
    const [last] = run.make(main, { after: [`T${chain.at(-1)!.n}`] });
    expect(run.await(run.start(chain[0]!), [last!])).toMatchObject({ kind: "would_deadlock" });
    checkState(run.state, run.now);
  });

  test("[X1] that depends on one task: that one waits for another without a look at all who wait for it", () => {
    const run = new Run();
    const [hub, other] = run.post({ key: "hub" }, {}).map((task) => run.start(task));
    run.post(...Array.from({ length: 1000 }, () => ({ after: ["hub"] })));
    lock(run, other!);
    expect(looks(run, () => lock(run, hub!))).toBeLessThan(500);
    expect(looks(run, () => run.await(hub!, [other!], "all", 0, "second"))).toBeLessThan(500);
    checkState(run.state, run.now);
  });

  test("[U1] [U2] that waits for one task: whether anything will move it is not looked for in all of it for each", () => {
    const run = new Run();
    const [hub] = run.post({ key: "hub" });
    run.post(...Array.from({ length: 500 }, () => ({ after: ["hub"] })));
    for (const task of started(run, 500)) run.await(task, [hub!]);
    const gone = [vi.spyOn(hub!.dependents, "includes"), vi.spyOn(hub!.awaiters, "includes")];
    expect(unmoved(run.state)).toEqual([]);
    for (const spy of gone) expect(spy).not.toHaveBeenCalled();
    hub!.dependents.pop();
    hub!.awaiters.shift();
    expect(unmoved(run.state).map(({ where }) => where)).toEqual(["waiting", "call"]);
  });

  test("[K1] that shares a lock: a newcomer is not held against each who has it", () => {
    const run = new Run();
    const tasks = started(run, 300);
    const share = (task: Task) =>
      run.step((step) => acquire(step, task, { call: "c", names: ["l"], mode: "shared", until: 0 }));
    for (const task of tasks.slice(0, -1)) share(task);
    const { holders } = run.state.blocking.line("l", "lock");
    let looked = 0;
    holders.values = () => {
      const values = Map.prototype.values.call(holders);
      const next = values.next.bind(values);
      values.next = () => {
        looked++;
        return next();
      };
      return values;
    };
    share(tasks.at(-1)!);
    expect([holders.size, looked]).toEqual([300, 1]);
  });
});
