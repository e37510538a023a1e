import { describe, expect, test, vi } from "vitest";
import { agingStepMs, chainLengthMax } from "../../src/limits.ts";
import { nextReady } from "../../src/scheduler/attempts.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import { pauseRun } from "../../src/scheduler/run-commands.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { checkState } from "./check.ts";
import { Run, type Spec } from "./run.ts";

/** The order in which the ready tasks would start now. */
function order(run: Run): number[] {
  const started: number[] = [];
  for (let task = run.lease(); task; task = run.lease()) started.push(task.n);
  return started;
}

const levels = (...tasks: Task[]): number[] => tasks.map((task) => task.effective);

describe("the ready order", () => {
  test("[O1] higher priority first, then first in, first out", () => {
    const run = new Run();
    run.post({ priority: 4 }, { priority: 6 }, {}, { priority: 6 });
    expect(order(run)).toEqual([2, 4, 3, 1]);
  });

  test("[O1] a whole minute in ready is a level, without a cap", () => {
    const run = new Run();
    run.post({ priority: 0 });
    run.now += 9 * agingStepMs;
    run.post({ priority: 9 });
    expect(nextReady(run.state, "hosted", run.now)?.n).toBe(1);
    run.now += 5 * agingStepMs;
    run.post({ priority: 9 });
    expect(order(run)).toEqual([1, 2, 3]);
    const other = new Run();
    other.post({ priority: 0 });
    other.now += 9 * agingStepMs - 1;
    other.post({ priority: 9 });
    expect(order(other)).toEqual([2, 1]);
  });

  test("[O2] resumed before fresh", () => {
    const run = new Run();
    const [a, b] = run.post({}, {});
    run.turn(run.start(b!), 0);
    run.giveBack(b!);
    expect(order(run)).toEqual([b!.n, a!.n]);
  });

  test("[O2] given back before its first turn it is fresh", () => {
    const run = new Run();
    const [a, b] = run.post({}, {});
    run.start(b!);
    run.giveBack(b!);
    expect(order(run)).toEqual([a!.n, b!.n]);
  });

  test("[O2] the longer chain of dependents first, also when it grows later", () => {
    const run = new Run();
    const [a, b, c] = run.post({}, { key: "b" }, { key: "c" });
    run.post({ key: "b2", after: ["b"] });
    run.post({ key: "c2", after: ["c"] }, { key: "c3", after: ["c2"] });
    expect([a!, b!, c!].map((task) => task.chain)).toEqual([1, 2, 3]);
    expect(order(run)).toEqual([c!.n, b!.n, a!.n]);
  });

  test("[O2] chains count up to a bound", () => {
    const run = new Run();
    const keys = Array.from({ length: chainLengthMax + 50 }, (_, i) => `k${i}`);
    const tasks = run.post(...keys.map((key, i): Spec => ({ key, ...(i > 0 && { after: [keys[i - 1]!] }) })));
    expect(tasks[0]!.chain).toBe(chainLengthMax);
    expect(tasks.at(-2)!.chain).toBe(2);
  });

  test("[O2] a batch in which each task depends on all before it costs a few looks at each dependency", () => {
    const run = new Run();
    const count = 120;
    const live = vi.spyOn(run.state, "live");
    const keys = Array.from({ length: count }, (_, i) => `k${i}`);
    const tasks = run.post(...keys.map((key, i): Spec => ({ key, after: keys.slice(0, i) })));
    expect(tasks.map((task) => task.chain)).toEqual(keys.map((_, i) => count - i));
    expect(live.mock.calls.length).toBeLessThan((3 * count * count) / 2);
    const [late] = run.post({ after: [tasks.at(-1)!.key!] });
    expect([late!, ...tasks.toReversed()].map((task) => task.chain)).toEqual(keys.concat("late").map((_, i) => 1 + i));
  });

  test("[O3] a dependency has at least the priority of what waits for it, all the way down, until it ends", () => {
    const run = new Run();
    const [a, b, c, d] = run.post(
      { key: "a", priority: 1 },
      { key: "b", priority: 2, after: ["a"] },
      { key: "c", priority: 9, after: ["b"] },
      { priority: 5, after: ["a"] },
    );
    expect(levels(a!, b!, c!, d!)).toEqual([9, 9, 9, 5]);
    run.cancel(c!);
    expect(levels(a!, b!)).toEqual([5, 2]);
    run.cancel(d!);
    expect(levels(a!, b!)).toEqual([2, 2]);
  });

  test("[O3] an awaited task has its awaiter's, for as long as the await lasts", () => {
    const run = new Run();
    const [p, a, b] = run.post({ priority: 8 }, { key: "a", priority: 1 }, { priority: 1, after: ["a"] });
    run.park(run.start(p!), [b!], "all", run.now + 1000);
    expect(levels(a!, b!)).toEqual([8, 8]);
    run.clock(1000);
    expect(levels(a!, b!)).toEqual([1, 1]);
  });

  test("[O3] children have their parent's when it waits for them, detached ones do not", () => {
    const run = new Run();
    const [p] = run.post({ priority: 7 });
    const [a, d] = run.make(run.start(p!), { priority: 2 }, { priority: 2, detached: true });
    expect(levels(a!, d!)).toEqual([2, 2]);
    run.complete(p!);
    expect(levels(a!, d!)).toEqual([7, 2]);
  });

  test("[O3] waits of mode any in a circle do not keep a level alive", () => {
    const run = new Run();
    const [a, b, free, boss] = run.post({ priority: 1 }, { priority: 1 }, { priority: 1 }, { priority: 9 });
    run.park(run.start(a!), [b!, free!], "any");
    run.park(run.start(b!), [a!, free!], "any");
    run.park(run.start(boss!), [a!]);
    expect(levels(a!, b!, free!)).toEqual([9, 9, 9]);
    run.cancel(boss!);
    expect(levels(a!, b!, free!)).toEqual([1, 1, 1]);
    checkState(run.state, run.now);
  });

  test("[O3] a retried task inherits from what waits for it again, and lends to what it waits for", () => {
    const run = new Run();
    const [a, b] = run.post({ key: "a", priority: 1 }, { key: "b", priority: 1, after: ["a"] });
    const [top] = run.post({ priority: 9, after: ["b"] });
    run.fail(a!);
    run.step((step) => retryTask(step, a!));
    expect(levels(a!, b!, top!)).toEqual([9, 9, 9]);
    checkState(run.state, run.now);
  });

  test("[G2] a raise walks 10,000 dependencies without a stack", { timeout: 30_000 }, () => {
    const run = new Run();
    run.post({ key: "k0", priority: 1 });
    for (let n = 1; n < 10_000; n++) run.post({ key: `k${n}`, priority: 1, after: [`k${n - 1}`] });
    const [top] = run.post({ priority: 9, after: ["k9999"] });
    expect(run.state.task(1).effective).toBe(9);
    run.cancel(top!);
    expect(run.state.task(1).effective).toBe(1);
  });

  test("[O4] pools have queues of their own, and share the workers", () => {
    const run = new Run({ workers: 2 });
    const [a, b] = run.post({ pool: "laptop" }, {}, {});
    expect(run.lease("laptop")).toBe(a);
    expect(run.lease("laptop")).toBeUndefined();
    expect(run.lease()).toBe(b);
    expect(run.lease()).toBeUndefined();
    run.complete(a!);
    expect(run.lease()?.n).toBe(3);
  });

  test("[O4] a blocked lease uses no worker; a paused or ended run leases nothing", () => {
    const run = new Run({ workers: 1 });
    const [a] = run.post({ pool: "laptop" }, {}, {});
    const { fence } = run.start(a!).phase;
    expect(run.lease()).toBeUndefined();
    run.step((step) => step.emit({ type: "call_blocked", task: a!.n, fence, blocked: true }));
    run.step((step) => pauseRun(step));
    expect(run.lease()).toBeUndefined();
    run.step((step) => step.emit({ type: "run_resumed" }));
    expect(run.lease()?.n).toBe(2);
    checkState(run.state, run.now);
  });
});
