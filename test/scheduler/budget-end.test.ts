/** The end of a run's budget by rule: tasks fail, and the run does not pause. Whatever comes in whatever order, nothing is overrun. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Price } from "../../src/prices/price.ts";
import { compileRules } from "../../src/rules/parse.ts";
import { reserveTokens, settleBudget, spentTokens, tokensLeft } from "../../src/scheduler/budget.ts";
import { failUsedUp } from "../../src/scheduler/budget-end.ts";
import { completeTask } from "../../src/scheduler/end-task.ts";
import { settle } from "../../src/scheduler/ending.ts";
import { replaceRules } from "../../src/scheduler/rules/evaluate.ts";
import { changeBudget, pauseRun, resumeRun } from "../../src/scheduler/run-commands.ts";
import { isEnded, type Task } from "../../src/scheduler/task.ts";
import { checkState } from "./check.ts";
import { type Leased, Run, states } from "./run.ts";

const price: Price = { input: 1_000_000, write: 1_250_000, read: 100_000, output: 5_000_000, cacheableFrom: 1024 };

const set = (run: Run, text: string) =>
  run.step((step) => {
    const compiled = compileRules(text);
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
    return replaceRules(step, "run", compiled.rules);
  });

function failing(budget: string): Run {
  const run = new Run();
  set(run, `- ${budget}, then fail`);
  return run;
}

const reserve = (run: Run, task: Task, inputTokens: number, outputTokens: number) =>
  run.step((step) => reserveTokens(step, task as Leased, { inputTokens, outputTokens }, price));

const errorOf = (run: Run, task: Task) =>
  run.events("task_ended").find((event) => event.task === task.n)?.error ?? undefined;

describe("budget, then fail", () => {
  test("[B7] a call that can never fit fails its task with what is left and what it needs; the run goes on", () => {
    const run = failing("budget 100 tokens");
    const [a, b] = run.post({}, {}).map((task) => run.start(task));
    expect(reserve(run, a!, 90, 20)).toEqual({ kind: "parked" });
    expect(errorOf(run, a!)).toEqual({
      code: "budget_exhausted",
      message:
        "The run's budget leaves 100 tokens, and its next model call may need 110. By a rule it fails here, and the run does not pause.",
    });
    expect(reserve(run, b!, 50, 50)).toMatchObject({ kind: "reserved" });
    expect([states(a!, b!), run.state.header.status]).toEqual(["failed running", "active"]);
    checkState(run.state, run.now);
  });

  test("[B7] while something is reserved it waits, since that may come back", () => {
    const run = failing("budget 100 tokens");
    const [a, b, c] = run.post({}, {}, {}).map((task) => run.start(task));
    reserve(run, a!, 50, 50);
    reserve(run, b!, 80, 20);
    reserve(run, c!, 20, 20);
    expect(states(a!, b!, c!)).toBe("running parked parked");
    run.turn(a!, 60);
    // The oldest can't have it any more; the next one can.
    expect(states(b!, c!)).toBe("failed ready");
    checkState(run.state, run.now);
  });

  test("[B7] one for which its subtree has less left by now asks for less, and does not fail for what it asked before", () => {
    const run = failing("budget 1000 tokens");
    const [other, first, second, parent] = run.post({}, {}, {}, { max_tokens: 600 }).map((task) => run.start(task));
    const [a, b] = run.make(parent!, {}, {}).map((task) => run.start(task));
    reserve(run, other!, 500, 400);
    for (const [task, output] of [
      [first, 100],
      [second, 300],
      [a, 450],
    ] as const)
      expect(reserve(run, task!, 100, output)).toEqual({ kind: "parked" });
    reserve(run, b!, 50, 50);
    run.turn(b!, 400);
    // 500 of the run's are left then, and 200 of the parent's: not the 550 that it asked for, and more than it can have by now.
    run.turn(other!, 100);
    expect(states(first!, second!, a!)).toBe("ready ready parked");
    for (const [task, output] of [
      [first, 100],
      [second, 300],
    ] as const) {
      reserve(run, run.start(task!), 100, output);
      run.turn(task!, 100);
    }
    expect(states(a!)).toBe("ready");
    checkState(run.state, run.now);
  });

  test("[B7] dependents and children get what they get of any failure", () => {
    const run = failing("budget 100 tokens");
    const [a] = run.post({ key: "a" }).map((task) => run.start(task));
    const [skipped, runs] = run.post({ after: ["T1"] }, { after: ["T1"], on_dependency_failure: "run" });
    const [child] = run.make(a!, {});
    reserve(run, run.start(child!), 10, 10);
    reserve(run, a!, 100, 1);
    expect(states(a!, child!)).toBe("parked running");
    run.turn(child!, 1);
    expect(states(a!, child!, skipped!, runs!)).toBe("failed cancelled skipped ready");
    checkState(run.state, run.now);
  });

  test("[B7] for money too; and set on a run that waits for its budget it ends the waiting", () => {
    const run = new Run({ nanos: 10_000_000 });
    const [a] = run.post({}).map((task) => run.start(task));
    reserve(run, a!, 40_000, 1000);
    expect(run.state.header).toMatchObject({ status: "paused", reason: "budget" });
    set(run, "- budget then fail");
    expect([states(a!), run.state.header.status]).toEqual(["failed", "active"]);
    expect(errorOf(run, a!)!.message).toContain("leaves $0.01, and its next model call may cost $0.05");
    expect(run.state.liveCount()).toBe(0);
  });

  test("[B8] tasks of pull workers, which reserve nothing, fail once all is used up; a fallback there too", () => {
    const run = failing("budget 100 tokens");
    const [a, b, c] = run.post(
      { pool: "p", key: "a" },
      { pool: "p", on_failure: { task: { instructions: "instead" } } },
      { pool: "p", after: ["a"] },
    );
    run.start(a!);
    run.complete(a!, { in: 90, out: 10 });
    expect(states(a!, b!, c!)).toBe("succeeded failed failed");
    expect(errorOf(run, c!)).toEqual({
      code: "budget_exhausted",
      message: "The run's budget is used up. By a rule it fails here, and the run does not pause.",
    });
    expect([run.state.header.status, run.state.liveCount()]).toEqual(["active", 0]);
    checkState(run.state, run.now);
  });

  test("[B7] while the run is paused by hand nobody fails; with more budget nobody does at all", () => {
    const run = failing("budget 1000 tokens");
    run.step((step) => changeBudget(step, { tokens: 100 }));
    const [a, b] = run.post({}, {}).map((task) => run.start(task));
    run.step((step) => pauseRun(step));
    reserve(run, a!, 150, 50);
    expect([states(a!), run.state.header.reason]).toEqual(["parked", "asked"]);
    run.step((step) => changeBudget(step, { tokens: 500 }));
    run.step((step) => resumeRun(step));
    expect(states(a!)).toBe("ready");
    reserve(run, b!, 600, 1);
    expect(states(b!)).toBe("failed");
    expect(errorOf(run, b!)!.code).toBe("budget_exhausted");
  });
});

describe("the tokens of a pull worker's task", () => {
  const usedUp = {
    code: "max_tokens",
    message: "What it used has reached max_tokens, its own or an ancestor's, or a rule's budget of each task.",
  };
  const late = (run: Run, task: Task) =>
    run.step((step) => failUsedUp(step, task, { in: 30, out: 0, read: 0, write: 0 }));

  test("[B9] used up by a turn it takes no other: it fails, and what that one used counts", () => {
    const run = new Run();
    const [a, b] = run.post({ pool: "p", max_tokens: 100 }, { pool: "p", max_tokens: 100 });
    expect([run.lease("p"), run.lease("p")]).toEqual([a, b]);
    run.turn(a!, 99);
    expect(late(run, a!)).toBe(false);
    run.turn(a!, 1);
    expect(late(run, a!)).toBe(true);
    expect(run.endOf(a!)).toMatchObject({ state: "failed", error: usedUp, usage: { in: 30 } });
    expect(spentTokens(run.state)).toBe(130);
    // A result that the last turn paid for is taken.
    run.turn(b!, 150);
    run.complete(b!);
    expect(states(a!, b!)).toBe("failed succeeded");
    checkState(run.state, run.now);
  });

  test("[B9] one that is ready fails when a worker asks for it: after a lost lease, and below an ancestor; the next is given", () => {
    const run = new Run();
    const [parent] = run.post({ pool: "p", max_tokens: 100 });
    run.lease("p");
    const [child, detached] = run.make(parent, { pool: "p" }, { pool: "p", priority: 0, detached: true });
    const [other] = run.post({ pool: "p", priority: 0 });
    run.turn(parent!, 100);
    run.lose(parent!);
    expect(run.lease("p")).toBe(other);
    expect(states(parent!, child!, detached!)).toBe("failed cancelled failed");
    expect([run.endOf(parent!)?.error, run.endOf(detached!)?.error]).toEqual([usedUp, usedUp]);
    checkState(run.state, run.now);
  });

  test("[B9] a rule's budget of each task is held, too; a hosted task's asks before its calls", () => {
    const run = new Run();
    set(run, "- budget 100 tokens per task");
    const [pulled, hosted] = run.post({ pool: "p" }, {});
    run.turn(run.lease("p")!, 100);
    run.turn(run.lease()!, 100);
    for (const task of [pulled!, hosted!]) run.lose(task);
    expect([run.lease("p"), run.lease()]).toEqual([undefined, hosted]);
    expect(run.endOf(pulled!)?.error).toEqual(usedUp);
    expect(reserve(run, hosted!, 1, 1)).toEqual({ kind: "exhausted" });
    checkState(run.state, run.now);
  });

  test("[B9] what is left is what its next turn is held to: the least of max_tokens, an ancestor's and a rule's; without a bound nothing is said", () => {
    const run = new Run();
    const [parent, free] = run.post({ pool: "p", max_tokens: 100 }, { pool: "p" });
    const left = (task: Task) => tokensLeft(run.state, task);
    expect([run.lease("p"), run.lease("p")]).toEqual([parent, free]);
    const [child] = run.make(parent, { pool: "p", max_tokens: 80 });
    expect([left(parent!), left(free!), left(child!)]).toEqual([100, undefined, 80]);
    run.turn(parent!, 30);
    expect([left(parent!), left(free!), left(child!)]).toEqual([70, undefined, 70]);
    set(run, "- budget 50 tokens per task");
    expect([left(parent!), left(free!), left(child!)]).toEqual([20, 50, 50]);
    for (const task of [parent!, free!]) run.turn(task, 60);
    expect([left(parent!), left(free!), left(child!)]).toEqual([0, 0, 10]);
    expect(late(run, free!)).toBe(true);
  });

  test("[B9] it ends as any failure does: what stands in for it begins", () => {
    const run = new Run();
    const [a] = run.post({ pool: "p", max_tokens: 10, on_failure: { task: { instructions: "instead", pool: "p" } } });
    run.turn(run.lease("p")!, 10);
    expect(late(run, a!)).toBe(true);
    const standIn = run.lease("p")!;
    expect([states(a!), standIn.parent]).toEqual(["parked", a!.n]);
    run.complete(standIn, { in: 5, out: 5 });
    expect(states(a!)).toBe("succeeded");
  });
});

describe("any order of calls", () => {
  const act = fc.record({
    what: fc.constantFrom(
      "start",
      "reserve",
      "reserve",
      "turn",
      "turn",
      "lose",
      "cancel",
      "make",
      "complete",
      "clock",
      "raise",
    ),
    which: fc.nat(100),
    input: fc.integer({ min: 1, max: 400 }),
    output: fc.integer({ min: 1, max: 400 }),
    /** Of what is reserved, how much the vendor bills. */
    bill: fc.double({ min: 0, max: 1, noNaN: true }),
  });

  test.each(["pause", "fail"] as const)(
    "[B1] [B4] [B7] no bill above its reservation overruns a budget: then %s",
    (end) => {
      fc.assert(
        fc.property(fc.array(act, { maxLength: 120 }), fc.boolean(), (acts, isMoney) => {
          const run = new Run({ workers: 1000, ...(isMoney ? { nanos: 9_000_000 } : { tokens: 2000 }) });
          if (end === "fail") set(run, "- budget then fail");
          run.post({}, {}, { max_tokens: 600 }, {});
          const all = () => Array.from({ length: run.state.header.taskCount }, (_, i) => run.state.task(i + 1));
          const pick = (state: string, which: number) => {
            const some = all().filter(({ phase }) => phase.state === state);
            return some[which % Math.max(1, some.length)];
          };
          const turn = (task: Task, bill: number, last = false) =>
            run.step((step) => {
              const tokens = Math.floor(task.reserved * bill);
              const nanos = Math.floor(task.reservedNanos * bill);
              const usage = { in: tokens, out: 0, read: 0, write: 0, nanos };
              const { fence } = (task as Leased).phase;
              step.emit({ type: "turn", task: task.n, fence, turn: task.turns + 1, snapshot: "t", usage });
              settleBudget(step);
              if (!last) return;
              completeTask(step, task, fence, "done");
              settle(step);
              settleBudget(step);
            });
          const holds = () => {
            const { limits, nanos = 0, reservedNanos = 0, reservedTokens, status } = run.state.header;
            if (limits.tokens > 0) expect(spentTokens(run.state) + reservedTokens).toBeLessThanOrEqual(limits.tokens);
            if (limits.nanos) expect(nanos + reservedNanos).toBeLessThanOrEqual(limits.nanos);
            if (end === "fail") expect(status).not.toBe("paused");
            else expect(run.events("task_ended").filter(({ error }) => error?.code === "budget_exhausted")).toEqual([]);
          };
          for (const { what, which, input, output, bill } of acts) {
            const running = pick("running", which);
            const ready = pick("ready", which);
            if (what === "start" && ready && run.state.header.status === "active") run.start(ready);
            else if (what === "reserve" && running) reserve(run, running, input, output);
            else if (what === "turn" && running && running.reserved > 0) turn(running, bill);
            else if (what === "complete" && running) run.complete(running);
            else if (what === "lose" && running) run.lose(running);
            else if (what === "cancel" && running) run.cancel(running);
            else if (what === "make" && running && run.state.header.taskCount < 30) run.make(running, {});
            else if (what === "clock") run.clock(30_000);
            else if (what === "raise" && run.state.header.status !== "succeeded") {
              const { limits } = run.state.header;
              run.step((step) =>
                changeBudget(
                  step,
                  isMoney ? { nanos: limits.nanos! + input * 1000 } : { tokens: limits.tokens + input },
                ),
              );
            }
            holds();
            checkState(run.state, run.now);
          }
          if (end === "pause") return;
          // Everybody asks for a little until it is done: nobody is left waiting for a budget that never comes.
          for (let rounds = 0; run.state.liveCount() > 0 && rounds < 400; rounds++) {
            for (const task of all()) {
              if (task.phase.state === "ready") run.start(task);
              if (task.phase.state === "running" && reserve(run, task, 30, 30).kind === "reserved") turn(task, 1, true);
              else if (task.phase.state === "running") run.fail(task);
            }
            run.clock(60_000);
            holds();
          }
          expect(all().filter((task) => !isEnded(task))).toEqual([]);
        }),
        { numRuns: 150, seed: 7 },
      );
    },
  );
});
