import { describe, expect, test } from "vitest";
import { awaitFutures } from "../../src/scheduler/futures.ts";
import { reportUnmoved, unmoved } from "../../src/scheduler/movers.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { beginAwait } from "../../src/scheduler/waits.ts";
import { started } from "./blocking.ts";
import { checkState } from "./check.ts";
import { type Leased, Run } from "./run.ts";

const stuck = (run: Run): string[] =>
  unmoved(run.state).map(({ task, call, where }) => `${task} ${call ?? ""} ${where}`);

/** A task that waits for a future by its call `c`, and has given its lease back. */
function parkedForFuture(): { run: Run; task: Task; seq: number } {
  const run = new Run();
  const [task] = started(run, 1) as [Leased];
  run.step((step) =>
    awaitFutures(step, task, { call: "c", names: ["f"], mode: "all", one: true, until: 0, external: true }),
  );
  run.giveBack(task);
  checkState(run.state, run.now);
  const call = task.calls[0]!;
  return { run, task, seq: call.seq };
}

describe("what moves a task", () => {
  test("[U1] a ready task that no queue holds is found", () => {
    const run = new Run();
    const [task] = run.post({ pool: "hosted" }) as [Task];
    expect(stuck(run)).toEqual([]);
    const { phase } = task;
    if (phase.state !== "ready") throw new Error("it is ready");
    run.state.queueOf("hosted").remove(task.n, phase.seq);
    expect(stuck(run)).toEqual(["1  ready"]);
    expect(() => checkState(run.state, run.now)).toThrow("[U1]");
  });

  test("[U1] a task whose dependency does not know of it is found", () => {
    const run = new Run();
    const [first] = run.post({ key: "a" }, { after: ["a"] }) as [Task, Task];
    expect(stuck(run)).toEqual([]);
    first.dependents = [];
    expect(stuck(run)).toEqual(["2  waiting"]);
  });

  test("[U1] a task that is parked without a call that waits, or for children that it does not have, is found", () => {
    const { run, task } = parkedForFuture();
    run.state.setCalls(task, []);
    expect(stuck(run)).toEqual(["1  parked on calls"]);
    run.state.setPhase(task, { state: "parked", on: "children", seq: 1 });
    expect(stuck(run)).toEqual(["1  parked on children"]);
    run.state.setPhase(task, { state: "parked", on: "budget", need: 1, seq: 1 });
    expect(stuck(run)).toEqual([]);
    run.state.budgetQueue.clear();
    expect(stuck(run)).toEqual(["1  parked on budget"]);
  });

  test("[U2] a wait that no line knows is found, whether its task is parked or keeps its lease", () => {
    const { run, seq } = parkedForFuture();
    expect(stuck(run)).toEqual([]);
    run.state.blocking.lineOf("f")!.remove(seq);
    expect(stuck(run)).toEqual(["1 c future"]);
  });

  test("[U4] it is a finding once, and again when it is something else", () => {
    const { run, task, seq } = parkedForFuture();
    const look = (told: string) => run.step((step) => reportUnmoved(step, () => told));
    const told = () => run.events("finding").map(({ kind, subjects }) => [kind, subjects]);
    expect(look("")).toBe("");
    expect(told()).toEqual([]);
    run.state.blocking.lineOf("f")!.remove(seq);
    const first = look("");
    expect(look(first)).toBe(first);
    expect(told()).toEqual([["unmoved", [task.n]]]);
    run.state.setCalls(task, []);
    expect(look(first)).not.toBe(first);
    expect(told()).toHaveLength(2);
  });

  test("[U2] an await of a task that does not know of it is found", () => {
    const run = new Run();
    const [task, other] = started(run, 2) as [Leased, Leased];
    run.step((step) => beginAwait(step, task, { id: "c", targets: [other.n], mode: "all", until: 0 }));
    expect(stuck(run)).toEqual([]);
    other.awaiters = [];
    expect(stuck(run)).toEqual(["1 c call"]);
  });

  test("[U3] a lease or a backoff whose timer is gone, or rings too late, is found", () => {
    const run = new Run();
    const [task] = started(run, 1) as [Leased];
    expect(stuck(run)).toEqual([]);
    // As if an earlier time had been written past the timers.
    task.phase.expiresAt = run.now - 1;
    expect(stuck(run)).toEqual(["1  running"]);
    run.state.setPhase(task, { state: "waiting", pending: 0, until: run.now + 5 });
    expect(stuck(run)).toEqual([]);
    Object.assign(task.phase, { until: run.now + 1 });
    expect(stuck(run)).toEqual(["1  waiting"]);
  });
});
