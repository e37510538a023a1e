/** Agents are told when little is left of a budget: once for each threshold, whatever becomes of their attempts. */

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileRules } from "../../src/rules/parse.ts";
import { noteBudgets } from "../../src/scheduler/budget-notes.ts";
import { goesOn, sendMessage } from "../../src/scheduler/inbox.ts";
import { replaceRules } from "../../src/scheduler/rules/evaluate.ts";
import { changeBudget } from "../../src/scheduler/run-commands.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { checkState } from "./check.ts";
import { type Leased, Run } from "./run.ts";

/** A turn that shows all that its worker was given, and what follows when the task goes on. */
function turn(run: Run, task: Task, used: number, nanos?: number): void {
  run.step((step) => {
    const { fence } = (task as Leased).phase;
    const messages = task.inbox.map(({ seq }) => seq);
    const usage = { in: used, out: 0, read: 0, write: 0, ...(nanos !== undefined && { nanos }) };
    step.emit({
      ...{ type: "turn", task: task.n, fence, turn: task.turns + 1, snapshot: "t", usage },
      ...(messages.length > 0 && { messages }),
    });
    noteBudgets(step, task);
  });
}

const turns = (run: Run, task: Task, all: readonly number[]): void => {
  for (const used of all) turn(run, task, used);
};

const told = (run: Run, task: Task) =>
  run
    .events("budget_noted")
    .filter((event) => event.task === task.n)
    .map(({ notes }) => notes.map(({ of, percent }) => `${of} ${percent}`).join(", "));
const texts = (run: Run) =>
  run.log.flatMap(({ event, body }) =>
    event.type === "budget_noted" ? [JSON.parse((body as { message: string }).message).content as string] : [],
  );

describe("a hosted task", () => {
  test("[BN1] is told at 80 % and at 95 % of the run's tokens, once each, and waits with it for its next turn", () => {
    const run = new Run({ tokens: 1000 });
    const task = run.start(run.post({})[0]!);
    turns(run, task, [100, 100, 100, 100, 100, 100, 100, 90]);
    expect(told(run, task)).toEqual([]);
    turn(run, task, 10);
    expect(texts(run)).toEqual([
      "[Heddle] 200 of the run's 1,000 tokens are left (20 %), for all of its tasks. Then the run pauses until somebody raises its budget. Wrap up: do what matters most, begin nothing large, and keep enough to hand in your result.",
    ]);
    expect(task.inbox).toMatchObject([{ note: true }]);
    turn(run, task, 10);
    expect(task.inbox).toEqual([]);
    turn(run, task, 145);
    turn(run, task, 5);
    expect(told(run, task)).toEqual(["tokens 80", "tokens 95"]);
    expect(texts(run)[1]).toContain("45 of the run's 1,000 tokens are left (4 %)");
    expect(texts(run)[1]).toContain("Finish now");
    checkState(run.state, run.now);
  });

  test("[BN1] that was lost before its next turn finds it there again, and not twice", () => {
    const run = new Run({ tokens: 1000 });
    const task = run.start(run.post({})[0]!);
    turn(run, task, 900);
    run.lose(task);
    run.start(task);
    expect(task.inbox.length).toBe(1);
    turn(run, task, 1);
    run.giveBack(task);
    run.start(task);
    expect([task.inbox.length, told(run, task)]).toEqual([0, ["tokens 80"]]);
  });

  test("[BN1] that begins late is told with its first request; a larger budget is told of anew", () => {
    const run = new Run({ tokens: 1000 });
    const [a, b] = run.post({}, {});
    turn(run, run.start(a!), 960);
    run.start(b!);
    expect([told(run, a!), told(run, b!), b!.inbox.length]).toEqual([["tokens 95"], ["tokens 95"], 1]);
    run.step((step) => changeBudget(step, { tokens: 10_000 }));
    turn(run, b!, 10);
    expect(told(run, b!)).toEqual(["tokens 95"]);
    turn(run, b!, 8000);
    expect(told(run, b!)).toEqual(["tokens 95", "tokens 80"]);
  });

  test("of a subtree's, a rule's, its turns and its time it is told too, of several at once in one message", () => {
    const run = new Run();
    run.step((step) => {
      const compiled = compileRules("- budget 1000 tokens per task\n- budget $1, then fail");
      if (compiled.ok) replaceRules(step, "run", compiled.rules);
    });
    const [p] = run.post({ max_tokens: 2000, max_turns: 5, timeout_ms: 100_000 });
    const [child] = run.make(run.start(p!), {});
    run.start(child!);
    for (let i = 0; i < 3; i++) turn(run, p!, 200);
    expect(told(run, p!)).toEqual([]);
    turn(run, p!, 250);
    expect(told(run, p!)).toEqual(["task_tokens 80, turns 80"]);
    expect(texts(run)[0]).toMatch(
      /^\[Heddle\] 150 of your 1,000 tokens are left \(15 %\)\. Then you fail, .* 1 of your 5 turns are left\./,
    );
    turns(
      run,
      child!,
      Array.from({ length: 19 }, () => 40),
    );
    expect(told(run, child!)).toEqual(["max_tokens 80"]);
    expect(texts(run)[1]).toContain(
      "390 of 2,000 tokens are left (19 %) for you and the tasks that share them with you",
    );
    run.clock(90_000);
    turn(run, child!, 1);
    expect(told(run, child!)).toEqual(["max_tokens 80", "time 80"]);
    expect(texts(run)[2]).toContain("10 of your 100 seconds are left.");
    checkState(run.state, run.now);
  });

  test("[BN3] is told early where two calls as large as its newest would not fit, and at 95 % again", () => {
    const run = new Run({ tokens: 1000 });
    const task = run.start(run.post({})[0]!);
    turns(run, task, [300, 200]);
    expect(told(run, task)).toEqual([]);
    turn(run, task, 210);
    expect(texts(run)).toEqual([expect.stringContaining("290 of the run's 1,000 tokens are left (29 %)")]);
    expect(texts(run)[0]).toContain("Wrap up");
    turns(run, task, [210, 40]);
    expect(told(run, task)).toEqual(["tokens 80", "tokens 95"]);
  });

  test("[BN3] in money and in turns as well; not before it has called", () => {
    const run = new Run({ nanos: 1_000_000 });
    const [dear, brief, single] = run.post({}, { max_turns: 2 }, { max_turns: 1 });
    turn(run, run.start(dear!), 10, 500_001);
    expect(told(run, dear!)).toEqual(["usd 80"]);
    turn(run, run.start(brief!), 10, 1);
    expect(told(run, brief!)).toEqual(["turns 80"]);
    expect(texts(run)[1]).toContain("1 of your 2 turns are left.");
    run.start(single!);
    expect(told(run, single!)).toEqual([]);
  });

  test("[BN3] nobody goes on untold whose next two calls would not fit", () => {
    const calls = fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 12 });
    fc.assert(
      fc.property(calls, (sizes) => {
        const run = new Run({ tokens: 1000 });
        const task = run.start(run.post({})[0]!);
        let left = 1000;
        for (const size of sizes) {
          if (size > left) break;
          turn(run, task, size);
          left -= size;
          const isDue = left < 2 * size || left <= 200;
          if (isDue) expect(told(run, task).length).toBeGreaterThan(0);
          // Each threshold is told of once.
          expect(new Set(told(run, task)).size).toBe(told(run, task).length);
        }
      }),
    );
  });

  test("[BN1] of two tasks above it with the same limit it is told once, of the one that has less left", () => {
    const run = new Run();
    const [p] = run.post({ max_tokens: 1000 });
    const [child] = run.make(run.start(p!), { max_tokens: 1000 });
    run.start(child!);
    turns(run, p!, [100, 50]);
    turns(run, child!, [400, 300]);
    expect(told(run, child!)).toEqual(["max_tokens 80"]);
    expect(texts(run)).toEqual([expect.stringContaining("450 of 1,000 tokens are left")]);
  });

  test("[BN2] a note keeps it from no end, takes no room of messages, and is not unread", () => {
    const run = new Run({ tokens: 1000 });
    const task = run.start(run.post({})[0]!);
    turn(run, task, 900);
    expect(goesOn(run.state, task, 1)).toBe(false);
    run.step((step) => sendMessage(step, task, "{}", 2));
    expect(goesOn(run.state, task, 1)).toBe(true);
    run.complete(task);
    expect(run.endOf(task)).toMatchObject({
      unread: [run.log.find(({ event }) => event.type === "message_received")!.seq],
    });
  });

  test("a pull worker's is told nothing; nor is one whose work is done", () => {
    const run = new Run({ tokens: 1000 });
    const [pulled, parent] = run.post({ pool: "box" }, {});
    turn(run, run.start(pulled!), 900);
    run.start(parent!);
    run.make(parent!, {});
    run.complete(parent!);
    run.step((step) => noteBudgets(step, parent!));
    expect([told(run, pulled!), told(run, parent!)]).toEqual([[], ["tokens 80"]]);
  });

  test("a retry begins a generation that is told for itself", () => {
    const run = new Run({ tokens: 1000 });
    const task = run.start(run.post({})[0]!);
    turn(run, task, 900);
    run.fail(task);
    run.retry(task);
    run.start(task);
    expect(told(run, task)).toEqual(["tokens 80", "tokens 80"]);
  });
});
