/** Rules in the scheduler: what holds all the time, what fires and ceases to, and what becomes of the run. */

import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { ruleWindowMsDefault } from "../../src/limits.ts";
import { compileRules } from "../../src/rules/parse.ts";
import { apply } from "../../src/scheduler/apply.ts";
import { failAttempt, startableIn } from "../../src/scheduler/attempts.ts";
import { needsReservation, reserveTokens } from "../../src/scheduler/budget.ts";
import { nextClock } from "../../src/scheduler/clock.ts";
import { settle } from "../../src/scheduler/ending.ts";
import type { Limits } from "../../src/scheduler/events.ts";
import { quotaEvent } from "../../src/scheduler/quotas.ts";
import { type RulesRefusal, replaceRules, reportLoad } from "../../src/scheduler/rules/evaluate.ts";
import { boundsUnder, type RulesFrom, workersUnder } from "../../src/scheduler/rules/run-rules.ts";
import { RuleTrial } from "../../src/scheduler/rules/trial.ts";
import { changeBudget, pauseRun, resumeRun } from "../../src/scheduler/run-commands.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { checkState, expectSame } from "./check.ts";
import { type Leased, newState, Run, states } from "./run.ts";

const minute = 60_000;

function placed(text: string) {
  const compiled = compileRules(text);
  if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
  return compiled.rules;
}

const set = (run: Run, text: string, from: RulesFrom = "run"): RulesRefusal | undefined =>
  run.step((step) => replaceRules(step, from, placed(text)));

/** A run with rules, whose limits nobody else named. */
function ruled(text: string, limits: Partial<Limits> = {}): Run {
  const run = new Run(limits);
  // The tests' usual limits are no defaults of runs.
  run.state.header.named = [];
  set(run, text);
  return run;
}

const leaseAll = (run: Run, pool?: string): Leased[] => {
  const leased: Leased[] = [];
  for (let task = run.lease(pool); task; task = run.lease(pool)) leased.push(task);
  return leased;
};

/** The log gives the same state again, and all that is derived from it. */
function check(run: Run): void {
  checkState(run.state, run.now);
  const again = newState();
  for (const { event, seq, at } of run.log) {
    apply(again, event, seq, at);
    if (event.type === "run_created" && run.state.header.named) again.header.named = run.state.header.named;
  }
  expectSame(run.state, again);
}

const fired = (run: Run) => run.events("rule_fired").map(({ line, value, level }) => ({ line, value, level }));
const cleared = (run: Run) => run.events("rule_cleared").map(({ line, value, level }) => ({ line, value, level }));
const by = (run: Run): number | undefined => {
  const { by: place } = workersUnder(run.state.header);
  return place === undefined ? undefined : run.state.header.rules!.rules[place]!.line;
};

describe("limits", () => {
  test.each<[string, string, string, Partial<Limits>, string[], Partial<Limits>]>([
    ["a default is replaced", "- at most 200 workers, 20 tasks", "", {}, [], { workers: 200, tasks: 20, depth: 5 }],
    ["of a named limit the stricter holds", "- at most 200 workers", "", { workers: 20 }, ["workers"], { workers: 20 }],
    ["… whichever that is", "- at most 3 workers", "", { workers: 20 }, ["workers"], { workers: 3 }],
    [
      "… though it is named as it would be anyway",
      "- at most 200 workers",
      "",
      { workers: 16 },
      ["workers"],
      { workers: 16 },
    ],
    ["what stands twice holds as the stricter", "- at most 9 workers\n- at most 7 workers", "", {}, [], { workers: 7 }],
    [
      "budgets are the stricter ones",
      "- budget 900 tokens, 2 dollars",
      "",
      { tokens: 500, nanos: 9e9 },
      [],
      { tokens: 500, nanos: 2e9 },
    ],
    ["those above a run bound it", "- at most 50 workers", "- at most 20 workers", {}, [], { workers: 20 }],
    ["… and replace no default", "", "- at most 200 workers", {}, [], { workers: 16 }],
  ])("[F1] %s", (_, own, above, limits, named, held) => {
    const run = new Run({ tasks: 10_000, ...limits });
    run.state.header.named = named as never;
    set(run, above, "deployment");
    set(run, own);
    expect(run.state.header.limits).toMatchObject(held);
    checkState(run.state, run.now);
    set(run, "");
    set(run, "", "deployment");
    expect(run.state.header.limits).toEqual({ ...run.events("run_created")[0]!.limits });
    expect(run.state.header.rules).toBeUndefined();
  });

  test("[F1] a tenant's rules bound a run as the deployment's do, and which of them binds is known by its source", () => {
    const run = new Run({ workers: 20 });
    set(run, "- at most 8 workers\n- budget 900 tokens", "tenant");
    set(run, "- at most 12 workers\n- budget 900 tokens", "deployment");
    const { rules } = run.state.header;
    const binding = () => rules!.rules[workersUnder(run.state.header).by!];
    expect([binding(), run.state.header.limits.workers]).toEqual([
      { from: "tenant", line: 1, rule: { kind: "workers", max: 8 } },
      8,
    ]);
    set(run, "- at most 8 workers\n- when tokens used > 10: halve workers\n- budget 1000 tokens");
    const bound = () =>
      boundsUnder(run.state.header).map(({ limit, max, by }) => [limit, max, run.state.header.rules!.rules[by]!.from]);
    // Of those that say the same, the one that is nearest to whoever may change it.
    expect(run.state.header.rules!.rules[workersUnder(run.state.header).by!]!.from).toBe("run");
    expect(bound()).toEqual([["tokens", 900, "tenant"]]);
    set(run, "", "tenant");
    expect(bound()).toEqual([["tokens", 900, "deployment"]]);
    expect(run.state.header.limits.workers).toBe(8);
    checkState(run.state, run.now);
  });

  test("[F1] an old log does not say what was named: what differs from its default was", () => {
    const run = new Run({ workers: 20, tasks: 10_000 });
    set(run, "- at most 100 workers, 50 tasks");
    expect(run.state.header.limits).toMatchObject({ workers: 20, tasks: 50 });
  });

  test("[F1] a run without rules has none of this", () => {
    const run = new Run();
    expect(set(run, "# nothing")).toBeUndefined();
    run.succeed(...run.post({ labels: { a: "b" } }));
    expect(run.log.map(({ event }) => event.type)).toEqual([
      "run_created",
      "task_created",
      "task_started",
      "task_ended",
    ]);
    expect([run.state.book, run.state.header.rules]).toEqual([undefined, undefined]);
  });

  test("[F1] a total that a rule would keep from having an effect is refused", () => {
    const run = ruled("# R\n- budget 1,000 tokens");
    const refused = run.step((step) => changeBudget(step, { tokens: 2000 }));
    expect(refused).toEqual({ code: "bound_by_rules", detail: "Line 2 of the run's rules: budget 1,000 tokens." });
    expect(run.step((step) => changeBudget(step, { tokens: 800 }))).toBeUndefined();
    expect(run.state.header.limits.tokens).toBe(800);
    set(run, "");
    expect(run.state.header.limits.tokens).toBe(800);
    check(run);
  });
});

describe("workers of a label, or of a pool", () => {
  test("[F2] tasks of a full label wait, and others go on past them", () => {
    const run = ruled('- at most 2 workers for label "browser"\n- at most 1 worker for label "tool=maps"');
    const tasks = run.post(
      ...[1, 2, 3, 4].map((n) => ({ labels: { browser: String(n) }, priority: 9 })),
      { labels: { tool: "maps" } },
      { labels: { tool: "maps", browser: "" }, priority: 8 },
      { labels: { tool: "hammer" } },
      {},
    );
    expect(startableIn(run.state, "hosted", run.now)).toBeGreaterThan(0);
    const leased = leaseAll(run);
    expect(leased.map(({ n }) => n)).toEqual([1, 2, 5, 7, 8]);
    expect(startableIn(run.state, "hosted", run.now)).toBe(0);
    check(run);
    run.complete(leased[0]!);
    expect(run.lease()?.n).toBe(3);
    run.complete(tasks[4]!);
    expect(run.lease()).toBeUndefined();
    run.complete(tasks[1]!);
    run.complete(tasks[2]!);
    expect(leaseAll(run).map(({ n }) => n)).toEqual([4, 6]);
    check(run);
  });

  test("[F2] a pool has its own number, and what is blocked there uses none", () => {
    const run = ruled('- at most 2 workers for pool "laptop"', { pools: ["laptop"] });
    run.post(...Array.from({ length: 4 }, () => ({ pool: "laptop" })), {}, {}, {});
    const leased = leaseAll(run, "laptop");
    expect(leased).toHaveLength(2);
    expect(leaseAll(run)).toHaveLength(3);
    run.step((step) =>
      step.emit({ type: "call_blocked", task: leased[0]!.n, fence: leased[0]!.phase.fence, blocked: true }),
    );
    expect(leaseAll(run, "laptop")).toHaveLength(1);
    check(run);
  });

  test("[F2] tasks that were there before a rule count, and so do those whose rule is gone", () => {
    const run = new Run();
    run.post(...Array.from({ length: 6 }, () => ({ labels: { browser: "" } })));
    const [first] = [run.lease()!, run.lease()!, run.lease()!];
    set(run, '- at most 2 workers for label "browser"');
    expect(run.lease()).toBeUndefined();
    check(run);
    run.complete(first);
    expect(run.lease()).toBeUndefined();
    set(run, '- at most 4 workers for label "browser"');
    expect(leaseAll(run)).toHaveLength(2);
    set(run, "");
    expect(leaseAll(run)).toHaveLength(1);
    check(run);
  });
});

describe("a budget of each task", () => {
  const reserve = (run: Run, task: Task, inputTokens: number, outputTokens: number) =>
    run.step((step) => reserveTokens(step, task as Leased, { inputTokens, outputTokens }));

  test("[F3] is its own: neither its children's tokens count, nor its creator's", () => {
    const run = ruled("- budget 1,000 tokens per task");
    const [parent] = run.post({});
    run.start(parent!);
    expect(needsReservation(run.state, parent!)).toBe(true);
    expect(reserve(run, parent!, 300, 5000)).toEqual({ kind: "reserved", outputTokens: 700 });
    run.turn(parent!, 900);
    const [child] = run.make(parent!, {});
    run.start(child!);
    expect(reserve(run, child!, 500, 500)).toEqual({ kind: "reserved", outputTokens: 500 });
    run.turn(child!, 1000);
    expect(reserve(run, parent!, 50, 500)).toEqual({ kind: "reserved", outputTokens: 50 });
    expect(reserve(run, parent!, 100, 1)).toEqual({ kind: "exhausted" });
    expect(reserve(run, child!, 1, 1)).toEqual({ kind: "exhausted" });
    check(run);
  });
});

/** By its provider. */
const refuse = (run: Run, task: Task): void =>
  run.step((step) => {
    const fault = "provider_unavailable";
    failAttempt(step, task as Leased, { fault, error: { code: fault, message: "503" } });
  });

describe("a rule with a condition", () => {
  test("[F4] fires when it holds, says what it saw, and holds on until what it sees is a tenth beyond", () => {
    const run = ruled("- budget 1,000 tokens\n- when tokens used > 80%: at most 2 workers");
    run.post({}, {}, {}, {});
    const [a, b, c] = leaseAll(run);
    run.turn(a!, 800);
    expect(fired(run)).toEqual([]);
    run.turn(b!, 1);
    expect(run.events("rule_fired")).toEqual([
      {
        ...{ type: "rule_fired", rule: 1, from: "run", line: 2, value: 80.1 },
        text: "when tokens used > 80%: at most 2 workers",
      },
    ]);
    expect([run.state.workers, by(run)]).toEqual([2, 2]);
    run.complete(a!);
    run.post({}, {});
    expect(run.lease()).toBeUndefined();
    run.complete(b!);
    run.complete(c!);
    expect(run.lease()).toBeDefined();
    expect(run.lease()).toBeUndefined();
    // 801 of 1,100 is 72.8%: below the bound, and not far enough.
    set(run, "- budget 1,100 tokens\n- when tokens used > 80%: at most 2 workers");
    run.clock(2 * minute);
    expect([run.state.workers, cleared(run)]).toEqual([2, []]);
    check(run);
    set(run, "- budget 1,120 tokens\n- when tokens used > 80%: at most 2 workers");
    expect(cleared(run)).toEqual([{ line: 2, value: 71.52, level: undefined }]);
    expect([run.state.workers, by(run)]).toEqual([16, undefined]);
    check(run);
  });

  test("[F4] without a budget there is no part of it", () => {
    const run = ruled("- when tokens used > 1%: pause\n- when tokens used > 500: at most 3 workers");
    run.turn(run.start(run.post({})[0]!), 501);
    expect(fired(run)).toEqual([{ line: 2, value: 501, level: undefined }]);
  });

  test("[F4] of the provider's errors takes five calls within its time, and forgets them after it", () => {
    const run = ruled("- when provider errors > 10% over 1 minute: at most 1 worker");
    const tasks = run.post(...Array.from({ length: 6 }, () => ({ retries: { limit: 9 } })));
    for (const task of tasks.slice(0, 3)) run.turn(run.start(task), 1);
    refuse(run, run.start(tasks[3]!));
    expect(fired(run)).toEqual([]);
    run.now += minute - 1;
    run.turn(tasks[0]!, 1);
    expect(fired(run)).toEqual([{ line: 1, value: 20, level: undefined }]);
    // The first four are forgotten, and one call says nothing.
    expect(run.state.book!.dueAt - run.now).toBe(1);
    run.clock(1);
    expect([cleared(run), run.state.workers]).toEqual([[], 1]);
    run.clock(minute - 1);
    expect([cleared(run), run.state.workers]).toEqual([[{ line: 1, value: undefined, level: undefined }], 16]);
    check(run);
  });

  test("[F4] a call that was refused counts when it was, once, though its task falls back; a pull worker's error never, however he names it", () => {
    const run = ruled("- when provider errors > 1%: pause\n- when model calls >= 100: pause", { pools: ["laptop"] });
    const fault = "provider_unavailable";
    const error = { code: fault, message: "503" };
    const [laptop, falls] = run.post(
      { pool: "laptop", retries: { limit: 0 } },
      { retries: { limit: 0 }, on_failure: { task: { instructions: "else", pool: "laptop" } } },
    );
    run.step((step) => failAttempt(step, run.start(laptop!), { fault: "worker_failed", error }));
    expect([states(laptop!), run.state.header.modelCalls]).toEqual(["failed", undefined]);
    run.step((step) => failAttempt(step, run.start(falls!), { fault: "provider_rejected", error }));
    expect([run.events("task_fell_back").length, run.state.header.modelCalls]).toEqual([1, 1]);
    const fallback = run.state.task(run.state.header.taskCount);
    run.fail(fallback);
    expect([states(falls!, fallback), run.state.header.modelCalls]).toEqual(["failed failed", 1]);
    expect(fired(run)).toEqual([]);
    check(run);
  });

  test("[F4] a task's own failure is not the provider's", () => {
    const run = ruled("- when provider errors > 1%: pause");
    for (const task of run.post(...Array.from({ length: 8 }, () => ({})))) run.fail(task);
    expect(fired(run)).toEqual([]);
  });

  test("[F4] of the time in the queue looks at those that started and at those that wait, by a timer too", () => {
    const run = ruled("- at most 2 workers\n- when queue wait p95 > 30 s: double workers up to 8", {
      pools: ["laptop"],
    });
    run.post(...Array.from({ length: 10 }, () => ({ pool: "laptop" })));
    leaseAll(run, "laptop");
    expect([run.state.workers, fired(run)]).toEqual([2, []]);
    // It looked a moment ago: once a second is enough.
    expect(nextClock(run.state)! - run.now).toBe(1000);
    run.clock(1000);
    expect(run.state.book!.dueAt - run.now).toBe(29_001);
    run.clock(29_001);
    expect([run.state.workers, by(run), fired(run)]).toEqual([4, 2, [{ line: 2, value: 30_001, level: 1 }]]);
    leaseAll(run, "laptop");
    run.clock(minute);
    expect([run.state.workers, fired(run).at(-1)]).toEqual([8, { line: 2, value: 90_001, level: 2 }]);
    // Those that began have lost their leases: of hosted ones that would be trouble with seats, too.
    expect(leaseAll(run, "laptop")).toHaveLength(8);
    run.clock(minute);
    // It can't go further.
    expect([run.state.workers, fired(run).length]).toEqual([8, 2]);
    check(run);
  });

  test("[F4] of workers' loads is about the pool that it names, and forgets who says nothing", () => {
    const run = ruled('- when worker load > 90%: at most 1 worker for pool "laptop"', { pools: ["laptop"] });
    const load = (pool: string, worker: string, percent: number) =>
      run.step((step) => reportLoad(step, { pool, worker, percent }));
    load("desk", "d", 100);
    load("laptop", "a", 95);
    expect(fired(run)).toEqual([{ line: 1, value: 95, level: undefined }]);
    run.post(...Array.from({ length: 3 }, () => ({ pool: "laptop" })));
    expect(leaseAll(run, "laptop")).toHaveLength(1);
    // The same again is no news.
    load("laptop", "a", 96);
    expect(run.events("worker_load")).toHaveLength(1);
    run.now += ruleWindowMsDefault / 2;
    load("laptop", "a", 96);
    load("laptop", "b", 60);
    expect([run.events("worker_load").length, cleared(run)]).toEqual([3, []]);
    run.clock(ruleWindowMsDefault);
    expect(cleared(run)).toEqual([{ line: 1, value: undefined, level: undefined }]);
    // The first one's lease is lost by now.
    expect(leaseAll(run, "laptop")).toHaveLength(3);
    check(run);
  });

  test("[F6] halves again while it holds, and doubles back when it does not", () => {
    const run = ruled("- at most 9 workers\n- when tokens used > 500: halve workers");
    const [a] = run.post({});
    run.turn(run.start(a!), 501);
    expect(run.state.workers).toBe(4);
    run.clock(minute - 1);
    expect(run.state.workers).toBe(4);
    run.clock(1);
    expect(run.state.workers).toBe(2);
    run.clock(minute);
    run.clock(minute);
    run.clock(minute);
    expect([run.state.workers, run.state.header.rules!.firings[1]]).toMatchObject([
      1,
      { level: 3, on: true, times: 3 },
    ]);
    check(run);
  });

  test("[F6] a limit that the run's creator named is not doubled away", () => {
    const run = new Run({ workers: 6 });
    run.state.header.named = ["workers"];
    set(run, "- at most 4 workers\n- when tokens used >= 0: double workers");
    expect([run.state.workers, by(run)]).toEqual([6, undefined]);
    set(run, "- at most 3 workers\n- when tokens used >= 0: double workers up to 5");
    expect([run.state.workers, by(run)]).toEqual([5, 2]);
  });

  test("[F7] pauses a run, which is resumed by hand, and not again before it was false", () => {
    const run = ruled("- budget 1,000 tokens\n- when tokens used > 95%: pause");
    const [a] = run.post({}, {});
    run.turn(run.start(a!), 960);
    expect(run.state.header).toMatchObject({ status: "paused", reason: "rule" });
    expect(run.lease()).toBeUndefined();
    run.step((step) => resumeRun(step));
    run.clock(5 * minute);
    expect(run.state.header.status).toBe("active");
    expect(run.lease()).toBeDefined();
    set(run, "- budget 2,000 tokens\n- when tokens used > 95%: pause");
    expect(cleared(run)).toHaveLength(1);
    run.turn(a!, 950);
    expect(run.state.header.status).toBe("active");
    run.clock(minute);
    expect([run.state.header.status, fired(run).length]).toEqual(["paused", 2]);
    check(run);
  });

  test("[F7] model calls can be a budget: those that were refused count, those of pull workers don't", () => {
    const run = ruled("- when model calls >= 3: pause");
    const [a, b, c] = run.post({}, {}, { pool: "laptop" });
    run.turn(run.start(a!));
    run.step((step) => {
      const error = { code: "provider_rate_limited", message: "429" };
      failAttempt(step, run.start(b!), { fault: "provider_rate_limited", error });
    });
    run.turn(run.start(c!));
    run.step((step) => {
      const error = { code: "provider_rate_limited", message: "the worker's own words" };
      failAttempt(step, c as Leased, { fault: "worker_failed", error });
    });
    expect([run.state.header.modelCalls, run.state.header.status]).toEqual([2, "active"]);
    run.turn(a!);
    expect([fired(run), run.state.header.status]).toEqual([[{ line: 1, value: 3, level: undefined }], "paused"]);
    check(run);
    // Rules that come later look at all calls since the run began.
    set(run, "- when model calls > 3: pause");
    run.step((step) => resumeRun(step));
    expect(run.state.header.status).toBe("active");
    run.turn(a!);
    expect(run.state.header).toMatchObject({ status: "paused", reason: "rule", modelCalls: 4 });
    check(run);
  });

  test("[F7] [F4] a call that failed counts once: when its task falls back, not when that ends, and not as a pull worker's", () => {
    const run = ruled("- when model calls > 9: pause\n- when provider errors > 50% over 1 minute: at most 1 worker");
    const otherwise = { on_failure: { task: { instructions: "else" } } };
    const [a, b] = run.post(otherwise, { pool: "laptop" });
    const error = { code: "provider_rejected", message: "400" };
    const fail = (task: Task) =>
      run.step((step) => {
        failAttempt(step, run.start(task), { fault: "provider_rejected", error });
        settle(step);
      });
    fail(b!);
    const counted = () => [run.state.header.modelCalls, run.state.header.rules!.calls[minute]!.map(([, all]) => all)];
    expect(counted()).toEqual([undefined, []]);
    fail(a!);
    expect(counted()).toEqual([1, [1]]);
    run.now += 10_000;
    const standIn = run.state.task(a!.children[0]!);
    fail(standIn);
    expect([a!.phase.state, ...counted()]).toEqual(["failed", 2, [1, 1]]);
    check(run);
  });

  test("[F7] a run's time can be one, to the millisecond, without anything happening", () => {
    const run = ruled("- when run time > 2 hours: pause\n- when run time < 1 minute: at most 1 worker");
    run.post({}, {});
    expect([workersUnder(run.state.header).max, by(run)]).toEqual([1, 2]);
    expect(nextClock(run.state)! - run.state.header.createdAt).toBe(minute + 1);
    run.clock(minute + 1);
    expect([cleared(run), nextClock(run.state)! - run.now]).toEqual([[], minute / 10]);
    // A tenth beyond the bound (F4).
    run.clock(minute / 10);
    expect([cleared(run).map(({ line }) => line), by(run)]).toEqual([[2], undefined]);
    const left = () => run.state.header.createdAt + 120 * minute - run.now;
    run.clock(left());
    expect(run.state.header.status).toBe("active");
    run.clock(1);
    expect(run.state.header).toMatchObject({ status: "paused", reason: "rule" });
    check(run);
  });

  test("[F7] a pause by hand stays one", () => {
    const run = ruled("- when tokens used > 95: pause");
    const [a] = run.post({});
    run.start(a!);
    run.step((step) => pauseRun(step));
    run.turn(a!, 96);
    expect([run.state.header.reason, fired(run).length]).toEqual(["asked", 1]);
  });

  test("[F7] takes the place of a pause for the tenant's quota, which would end by itself", () => {
    const run = ruled("- when run time > 2 hours: pause");
    const [a] = run.post({});
    const dry = { allowed: 0, limit: 100, until: run.now + 600 * minute };
    run.step((step) => step.emit(quotaEvent(run.state, dry)!));
    expect(run.state.header.reason).toBe("quota");
    run.clock(121 * minute);
    expect([run.state.header.status, run.state.header.reason]).toEqual(["paused", "rule"]);
    // The quota is raised.
    expect(quotaEvent(run.state, { allowed: 500, limit: 500 })).toBeUndefined();
    run.step((step) => resumeRun(step));
    expect([run.state.header.status, run.lease()?.n]).toEqual(["active", a!.n]);
    check(run);
  });
});

describe("rules that are replaced", () => {
  test("[F9] a rule that stays keeps what became of it; a new one looks at once", () => {
    const run = ruled("- at most 8 workers\n- when tokens used > 500: halve workers");
    run.turn(run.start(run.post({})[0]!), 501);
    run.clock(minute);
    expect(run.state.workers).toBe(2);
    set(
      run,
      "- at most 12 workers\n\n- when tokens used > 400: at most 5 workers\n- when tokens used > 500: halve workers",
    );
    expect([run.state.workers, by(run)]).toEqual([3, 4]);
    expect(fired(run).at(-1)).toEqual({ line: 3, value: 501, level: undefined });
    check(run);
    set(run, "- at most 12 workers");
    expect([run.state.workers, by(run)]).toEqual([12, 1]);
    check(run);
  });

  test("[F9] a run that waits for its budget goes on when the rules give it more", () => {
    const run = ruled("- budget 100 tokens");
    const [a] = run.post({});
    run.start(a!);
    run.step((step) => reserveTokens(step, a as Leased, { inputTokens: 200, outputTokens: 10 }));
    expect(run.state.header).toMatchObject({ status: "paused", reason: "budget" });
    set(run, "- budget 150 tokens");
    expect(run.state.header).toMatchObject({ status: "paused", reason: "budget" });
    set(run, "");
    expect([run.state.header.status, states(a!)]).toEqual(["active", "ready"]);
    check(run);
  });

  test("[F9] an ended run has the rules that it had; money needs prices", () => {
    const run = new Run();
    run.turn(run.start(run.post({})[0]!), 5);
    expect(set(run, "# R\n- budget 5 dollars")).toMatchObject({
      code: "no_price",
      detail: expect.stringContaining("line 2"),
    });
    run.step((step) => step.emit({ type: "run_ended", status: "cancelled" }));
    expect(set(run, "- at most 5 workers")).toEqual({ code: "run_ended" });
  });
});

describe("rules that are tried on a log", () => {
  const trial = (run: Run, text: string) => {
    const tried = new RuleTrial(placed(text));
    for (const { event, seq, at } of run.log) tried.add(event, seq, at);
    return tried
      .finish(run.now)
      .map(({ line, fired: times, tasks, firstAt }) => ({ line, times, tasks: [...tasks], firstAt }));
  };

  test("say how often they would have fired, and for which tasks", () => {
    const run = ruled("- budget 2,000 tokens\n- when tokens used > 100: at most 1 worker");
    const tasks = run.post(
      { labels: { browser: "" }, priority: 1 },
      { labels: { browser: "" }, priority: 9 },
      { pool: "laptop" },
      {},
    );
    for (const task of tasks.slice(0, 3)) run.start(task);
    run.turn(tasks[0]!, 600);
    run.clock(1000);
    run.start(tasks[3]!);
    const at = run.now;
    expect(
      trial(
        run,
        [
          "- at most 2 workers",
          '- at most 1 worker for label "browser"',
          '- at most 1 worker for pool "laptop"',
          "- at most 3 tasks",
          "- budget 500 tokens per task",
          '- use model "m" for priority below 5',
          "- when tokens used > 500: pause",
          "- when tokens used > 900: pause",
        ].join("\n"),
      ),
    ).toEqual([
      { line: 1, times: 0, tasks: [3, 4], firstAt: at - 1000 },
      { line: 2, times: 0, tasks: [2], firstAt: at - 1000 },
      { line: 3, times: 0, tasks: [], firstAt: 0 },
      { line: 4, times: 0, tasks: [4], firstAt: at - 1000 },
      { line: 5, times: 0, tasks: [1], firstAt: at - 1000 },
      { line: 6, times: 0, tasks: [1], firstAt: at - 1000 },
      { line: 7, times: 1, tasks: [4], firstAt: at - 1000 },
      { line: 8, times: 0, tasks: [], firstAt: 0 },
    ]);
  });

  test("fire by time alone, too, and a run's own rules say the same of it again", () => {
    const text = "- at most 2 workers\n- when queue wait p95 > 30 s: double workers up to 8";
    const run = ruled(text);
    run.post({}, {}, {}, {});
    leaseAll(run);
    run.clock(30_001);
    run.clock(minute);
    expect(fired(run)).toHaveLength(2);
    expect(trial(run, text)).toMatchObject([{}, { times: 2 }]);
    expect(trial(run, "- when queue wait p95 > 85 s over 2 minutes: pause")).toMatchObject([{ times: 1 }]);
  });
});

describe("[F5] whatever hovers at a bound", () => {
  it("changes a rule no more often than once in its time", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("at most 2 workers", "halve workers", "double workers up to 64"),
        fc.constantFrom(">", ">=", "<", "<="),
        fc.integer({ min: 1, max: 180 }),
        fc.array(fc.tuple(fc.integer({ min: 0, max: 100_000 }), fc.integer({ min: 0, max: 100 })), {
          minLength: 1,
          maxLength: 60,
        }),
        (action, op, seconds, told) => {
          const run = ruled(`- when worker load ${op} 60% over ${seconds} s: ${action}`);
          for (const [ms, percent] of told) {
            run.clock(ms);
            run.step((step) => reportLoad(step, { pool: "laptop", worker: "a", percent }));
            checkState(run.state, run.now);
          }
          const changes = run.log.filter(({ event }) => event.type === "rule_fired" || event.type === "rule_cleared");
          for (const [i, { at }] of changes.entries()) {
            const before = changes[i - 1];
            if (before) expect(at - before.at).toBeGreaterThanOrEqual(seconds * 1000);
          }
          // Fired where it has to be: the first time that it holds, at the latest.
          const holds = (value: number) =>
            op === ">" ? value > 60 : op === ">=" ? value >= 60 : op === "<" ? value < 60 : value <= 60;
          expect(changes.length > 0).toBe(run.events("worker_load").some(({ percent }) => holds(percent)));
        },
      ),
      { numRuns: 200 },
    );
  });

  it("and with nobody left to say anything everything is as it was before", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom("halve workers", "double workers"),
        (times, action) => {
          const run = ruled(`- at most 40 workers\n- when worker load > 60%: ${action}`);
          for (let i = 0; i < times; i++) {
            run.clock(minute);
            run.step((step) => reportLoad(step, { pool: "p", worker: "a", percent: 90 }));
          }
          for (let i = 0; i < 30 && nextClock(run.state)! - run.now < 10 * minute; i++)
            run.clock(nextClock(run.state)! - run.now);
          expect(run.state.workers).toBe(40);
          expect(run.state.book!.dueAt).toBe(Number.POSITIVE_INFINITY);
          check(run);
        },
      ),
      { numRuns: 30 },
    );
  });
});
