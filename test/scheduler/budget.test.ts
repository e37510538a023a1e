import { describe, expect, test } from "vitest";
import type { Price } from "../../src/prices/price.ts";
import { nextToStart, startableIn } from "../../src/scheduler/attempts.ts";
import {
  freeNanos,
  freeTokens,
  needsReservation,
  type Reservation,
  reserveTokens,
  settleBudget,
} from "../../src/scheduler/budget.ts";
import { completeTask } from "../../src/scheduler/end-task.ts";
import { settle } from "../../src/scheduler/ending.ts";
import type { UsageDelta } from "../../src/scheduler/events.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import { changeBudget, pauseRun, resumeRun } from "../../src/scheduler/run-commands.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { checkState } from "./check.ts";
import { type Leased, Run, states } from "./run.ts";

const reserve = (run: Run, task: Task, inputTokens: number, outputTokens: number): Reservation =>
  run.step((step) => reserveTokens(step, task as Leased, { inputTokens, outputTokens }));

/** Tasks posted and started. */
const started = (run: Run, ...specs: Parameters<Run["post"]>): Leased[] =>
  run.post(...specs).map((task) => run.start(task));

describe("a run's budget", () => {
  test("[B1] what is reserved is not free, and settled with what was used", () => {
    const run = new Run({ tokens: 1000 });
    const [a] = started(run, {});
    expect(reserve(run, a!, 300, 200)).toEqual({ kind: "reserved", outputTokens: 200 });
    expect(freeTokens(run.state)).toBe(500);
    run.turn(a!, 350);
    expect(freeTokens(run.state)).toBe(650);
    checkState(run.state, run.now);
  });

  test("[B1] without any budget nothing needs reserving", () => {
    const run = new Run();
    const [a, b] = started(run, {}, { max_tokens: 100 });
    expect([needsReservation(run.state, a!), needsReservation(run.state, b!)]).toEqual([false, true]);
    const [child] = run.make(b!, {});
    expect(needsReservation(run.state, child!)).toBe(true);
    expect(freeTokens(run.state)).toBeUndefined();
    expect(needsReservation(new Run({ tokens: 1 }).state, a!)).toBe(true);
  });

  test("[B2] what does not fit is parked, and woken as tokens are settled, oldest first", () => {
    const run = new Run({ tokens: 1000 });
    const [a, b, c] = started(run, {}, {}, {});
    reserve(run, a!, 500, 400);
    // Parked in another order than they were created in.
    expect(reserve(run, c!, 100, 100)).toEqual({ kind: "parked" });
    expect(reserve(run, b!, 100, 100)).toEqual({ kind: "parked" });
    expect(states(a!, b!, c!)).toBe("running parked parked");
    run.turn(a!, 700);
    expect(states(b!, c!)).toBe("parked ready");
    checkState(run.state, run.now);
    run.start(c!);
    reserve(run, c!, 100, 100);
    run.turn(c!, 10);
    expect(states(b!)).toBe("ready");
    expect(run.state.header.status).toBe("active");
  });

  test("[B2] a failed, lost, cancelled or given back attempt settles too", () => {
    const run = new Run({ tokens: 100 });
    const [a, b, waiter] = started(run, {}, {}, {});
    for (const end of ["lose", "failTransiently", "giveBack", "cancel"] as const) {
      const task = end === "cancel" ? b! : a!;
      if (task.phase.state !== "running") run.start(task);
      reserve(run, task, 50, 50);
      if (waiter!.phase.state !== "running") run.start(waiter!);
      expect(reserve(run, waiter!, 50, 50)).toEqual({ kind: "parked" });
      run[end](task);
      run.step((step) => settleBudget(step));
      expect(states(waiter!)).toBe("ready");
      run.clock(10_000);
      checkState(run.state, run.now);
    }
  });

  test("[B2] a call for which its subtree has less left by now asks for less, and does not pause the run", () => {
    const run = new Run({ tokens: 1000 });
    const [other, parent] = started(run, {}, { max_tokens: 600 });
    const [a, b] = run.make(parent!, {}, {}).map((task) => run.start(task));
    reserve(run, other!, 300, 200);
    expect(reserve(run, a!, 100, 450)).toEqual({ kind: "parked" });
    reserve(run, b!, 100, 300);
    run.turn(b!, 400);
    expect(states(a!)).toBe("parked");
    // 500 of the run's are left then, and 200 of the parent's: the 550 that were asked for can't be had any more.
    run.turn(other!, 100);
    expect([run.state.header.status, states(a!)]).toEqual(["active", "ready"]);
    expect(reserve(run, run.start(a!), 100, 450)).toEqual({ kind: "reserved", outputTokens: 100 });
    checkState(run.state, run.now);
  });

  test("[B2] one whose subtree has used more than it may needs nothing, and gives nothing to those behind it", () => {
    const run = new Run({ tokens: 1000 });
    const [other, parent, behind] = started(run, {}, { max_tokens: 200 }, {});
    const [a, b] = run.make(parent!, {}, {}).map((task) => run.start(task));
    reserve(run, other!, 500, 400);
    expect(reserve(run, a!, 100, 90)).toEqual({ kind: "parked" });
    expect(reserve(run, behind!, 100, 50)).toEqual({ kind: "parked" });
    reserve(run, b!, 50, 50);
    // The vendor's bill is above what was reserved.
    run.turn(b!, 500);
    expect([freeTokens(run.state), states(a!)]).toEqual([-400, "ready"]);
    run.turn(other!, 450);
    expect(freeTokens(run.state)).toBe(50);
    expect(states(a!, behind!)).toBe("ready parked");
  });

  test("[B2] nothing outstanding and too little: the run pauses, nothing fails, more tokens resume it", () => {
    const run = new Run({ tokens: 100 });
    const [a] = started(run, {});
    expect(reserve(run, a!, 90, 20)).toEqual({ kind: "parked" });
    expect(run.state.header).toMatchObject({ status: "paused", reason: "budget" });
    expect(run.step((step) => resumeRun(step))).toBeUndefined();
    expect(run.state.header.status).toBe("paused");
    expect(run.step((step) => changeBudget(step, { tokens: 105 }))).toBeUndefined();
    expect([run.state.header.status, states(a!)]).toEqual(["paused", "parked"]);
    run.step((step) => changeBudget(step, { tokens: 110 }));
    expect([run.state.header.status, states(a!)]).toEqual(["active", "ready"]);
    expect(run.events("task_ended")).toEqual([]);
    checkState(run.state, run.now);
  });

  test("[B2] a budget below what is spent is refused; one raised while the run was paused by hand wakes on resume", () => {
    const run = new Run({ tokens: 100 });
    const [a, b] = started(run, {}, {});
    reserve(run, a!, 50, 50);
    reserve(run, b!, 50, 50);
    run.step((step) => pauseRun(step));
    run.turn(a!, 80);
    expect(run.step((step) => changeBudget(step, { tokens: 79 }))?.code).toBe("below_spent");
    run.step((step) => changeBudget(step, { tokens: 500 }));
    expect([run.state.header.reason, states(b!)]).toEqual(["asked", "parked"]);
    run.step((step) => resumeRun(step));
    expect(states(b!)).toBe("ready");
  });

  test("[N1] a pause by hand while the run waits for tokens outlasts them, until it is resumed", () => {
    const run = new Run({ tokens: 100 });
    const [a] = started(run, {});
    reserve(run, a!, 90, 20);
    expect(run.state.header.reason).toBe("budget");
    expect(run.step((step) => pauseRun(step))).toBeUndefined();
    expect(run.state.header).toMatchObject({ status: "paused", reason: "asked" });
    run.step((step) => changeBudget(step, { tokens: 500 }));
    expect([run.state.header.status, states(a!)]).toEqual(["paused", "parked"]);
    run.step((step) => resumeRun(step));
    expect([run.state.header.status, states(a!)]).toEqual(["active", "ready"]);
    checkState(run.state, run.now);
  });

  test("[N1] tokens that end while the run is paused by hand are told at its resumption, and more of them end that", () => {
    const run = new Run({ tokens: 100 });
    const [a] = started(run, {});
    run.step((step) => pauseRun(step));
    reserve(run, a!, 90, 20);
    expect(run.state.header.reason).toBe("asked");
    run.step((step) => resumeRun(step));
    expect(run.state.header).toMatchObject({ status: "paused", reason: "budget" });
    run.step((step) => changeBudget(step, { tokens: 500 }));
    expect([run.state.header.status, states(a!)]).toEqual(["active", "ready"]);
  });

  test("[B8] pull workers reserve nothing: the run pauses once all is used up and a task is ready for one, until there is more", () => {
    const run = new Run({ tokens: 100 });
    const [a, b] = run.post({ pool: "p" }, { pool: "p" });
    const [later] = run.post({ pool: "p", after: ["T1", "T2"] });
    expect([run.lease("p"), run.lease("p")]).toEqual([a, b]);
    run.complete(a!, { in: 90, out: 60 });
    // What is under way may end, and until then nothing is held up.
    expect([run.state.header.status, states(b!)]).toEqual(["active", "running"]);
    run.complete(b!, { in: 10, out: 0 });
    expect(run.state.header).toMatchObject({ status: "paused", reason: "budget" });
    expect([run.lease("p"), states(later!)]).toEqual([undefined, "ready"]);
    run.step((step) => resumeRun(step));
    expect(run.state.header).toMatchObject({ status: "paused", reason: "budget" });
    run.step((step) => changeBudget(step, { tokens: 161 }));
    expect(run.state.header.status).toBe("active");
    expect(run.lease("p")).toBe(later);
    checkState(run.state, run.now);
  });

  test("[B8] what is reported in the same step is known to the lease after it; money counts as tokens do", () => {
    const run = new Run({ nanos: 1000 });
    const [a, b] = run.post({ pool: "p" }, { pool: "p" });
    run.lease("p");
    const next = run.step((step) => {
      const usage = { in: 1, out: 0, read: 0, write: 0, nanos: 1000 };
      completeTask(step, a!, (a as Leased).phase.fence, "done", usage);
      settle(step);
      return nextToStart(step, "p");
    });
    expect([next, states(b!), run.state.header.reason]).toEqual([undefined, "ready", "budget"]);
    expect(startableIn(run.state, "p", run.now)).toBe(0);
    checkState(run.state, run.now);
  });

  test("[B8] a run with nothing for pull workers is not paused: hosted tasks ask before each call", () => {
    const run = new Run({ tokens: 100 });
    const [a] = started(run, {});
    run.post({});
    run.turn(a!, 100);
    expect(run.state.header.status).toBe("active");
    run.post({ pool: "p" });
    expect(run.state.header).toMatchObject({ status: "paused", reason: "budget" });
  });

  test("[B2] a retry that cancels a child in mid-call sets its tokens free", () => {
    const run = new Run({ tokens: 100 });
    const [p, waiter] = started(run, {}, {});
    const [loose] = run.make(p!, { detached: true });
    reserve(run, run.start(loose!), 50, 50);
    run.complete(p!);
    reserve(run, waiter!, 50, 50);
    run.step((step) => retryTask(step, p!));
    expect(states(loose!, waiter!)).toBe("cancelled ready");
    expect(run.state.header.reservedTokens).toBe(0);
  });

  test("[B3] a repeated reservation replaces the first, also where both together would not fit", () => {
    const run = new Run({ tokens: 100 });
    const [a] = started(run, { max_tokens: 100 });
    reserve(run, a!, 40, 40);
    expect(reserve(run, a!, 40, 50)).toEqual({ kind: "reserved", outputTokens: 50 });
    expect(run.state.header.reservedTokens).toBe(90);
    expect(reserve(run, a!, 90, 50)).toEqual({ kind: "reserved", outputTokens: 10 });
  });

  test("[B3] a call that parks has nothing reserved any more", () => {
    const run = new Run({ tokens: 100 });
    const [a, b] = started(run, {}, {});
    reserve(run, a!, 20, 20);
    reserve(run, b!, 20, 20);
    expect(reserve(run, b!, 60, 20)).toEqual({ kind: "parked" });
    expect(run.state.header.reservedTokens).toBe(40);
    checkState(run.state, run.now);
  });
});

describe("max_tokens of a subtree", () => {
  test("[B1] it cuts a call's output, and refuses it where nothing is left", () => {
    const run = new Run();
    const [a] = started(run, { max_tokens: 100 });
    expect(reserve(run, a!, 30, 200)).toEqual({ kind: "reserved", outputTokens: 70 });
    run.turn(a!, 60);
    expect(reserve(run, a!, 39, 200)).toEqual({ kind: "reserved", outputTokens: 1 });
    run.turn(a!, 0);
    expect(reserve(run, a!, 40, 200)).toEqual({ kind: "exhausted" });
    expect(states(a!)).toBe("running");
  });

  test("[B1] it holds over the task and all below it, whatever they say themselves", () => {
    const run = new Run();
    const [p] = started(run, { max_tokens: 100 });
    const [a, b] = run.make(p!, { max_tokens: 90 }, {}).map((task) => run.start(task));
    reserve(run, a!, 40, 20);
    expect(reserve(run, b!, 10, 100)).toEqual({ kind: "reserved", outputTokens: 30 });
    run.turn(a!, 60);
    run.turn(b!, 40);
    expect(reserve(run, p!, 1, 1)).toEqual({ kind: "exhausted" });
    checkState(run.state, run.now);
  });

  test("[B2] where only siblings' reservations are in the way the call waits for them, without turning in a circle", () => {
    const run = new Run();
    const [p, other] = started(run, { max_tokens: 100 }, {});
    const [a, b] = run.make(p!, {}, {}).map((task) => run.start(task));
    reserve(run, a!, 50, 50);
    expect(reserve(run, b!, 20, 20)).toEqual({ kind: "parked" });
    expect(states(b!)).toBe("parked");
    run.turn(other!, 10);
    expect(states(b!)).toBe("parked");
    expect(run.state.header.status).toBe("active");
    run.turn(a!, 60);
    expect(states(b!)).toBe("ready");
    expect(reserve(run, run.start(b!), 20, 50)).toEqual({ kind: "reserved", outputTokens: 20 });
    checkState(run.state, run.now);
  });

  test("[B2] where they used it up it is woken to be told so, and does not hold up others", () => {
    const run = new Run({ tokens: 1000 });
    const [p, other] = started(run, { max_tokens: 100 }, {});
    const [a, b] = run.make(p!, {}, {}).map((task) => run.start(task));
    reserve(run, a!, 50, 50);
    reserve(run, b!, 20, 20);
    reserve(run, other!, 900, 100);
    expect(states(b!, other!)).toBe("parked parked");
    run.turn(a!, 100);
    expect(states(b!)).toBe("ready");
    expect(reserve(run, run.start(b!), 20, 20)).toEqual({ kind: "exhausted" });
  });
});

describe("a budget in money", () => {
  const cent = 10_000_000;
  /** A dollar, and five for output, a million tokens; written input is a quarter dearer. */
  const price: Price = { input: 1_000_000, write: 1_250_000, read: 100_000, output: 5_000_000, cacheableFrom: 1024 };
  const ask = (run: Run, task: Task, inputTokens: number, outputTokens: number, at: Price | undefined = price) =>
    run.step((step) => reserveTokens(step, task as Leased, { inputTokens, outputTokens }, at));
  const spend = (run: Run, task: Task, usage: Partial<UsageDelta>) =>
    run.step((step) => {
      const { fence } = (task as Leased).phase;
      const whole = { in: 0, out: 0, read: 0, write: 0, ...usage };
      step.emit({ type: "turn", task: task.n, fence, turn: task.turns + 1, snapshot: "t", usage: whole });
      settleBudget(step);
    });

  test("[B4] the worst price of a call is reserved, and settled with what it cost", () => {
    const run = new Run({ nanos: cent });
    const [a] = started(run, {});
    expect(needsReservation(run.state, a!)).toBe(true);
    // 4,000 × 1.25 + 1,000 × 5 dollars a million: a whole cent.
    expect(ask(run, a!, 4000, 1000)).toEqual({ kind: "reserved", outputTokens: 1000 });
    expect(freeNanos(run.state)).toBe(0);
    checkState(run.state, run.now);
    spend(run, a!, { in: 4000, out: 100, model: "m", nanos: 4_500_000 });
    expect(freeNanos(run.state)).toBe(cent - 4_500_000);
    expect([a!.nanos, run.state.header.nanos]).toEqual([4_500_000, 4_500_000]);
    checkState(run.state, run.now);
  });

  test("[B2] a call for which its subtree has fewer tokens left by now is not held to what it would have cost", () => {
    const run = new Run({ nanos: cent });
    const [other, parent] = started(run, {}, { max_tokens: 7000 });
    const [a, b] = run.make(parent!, {}, {}).map((task) => run.start(task));
    ask(run, other!, 3000, 250);
    expect(ask(run, a!, 1000, 1500)).toEqual({ kind: "parked" });
    ask(run, b!, 3000, 1);
    spend(run, b!, { in: 6000, nanos: 3_000_000 });
    // 1,000 tokens of the parent's are left, and a fifth of the money: what it asked for costs four times as much.
    expect(states(a!)).toBe("ready");
    expect(ask(run, run.start(a!), 100, 300)).toEqual({ kind: "reserved", outputTokens: 300 });
    checkState(run.state, run.now);
  });

  test("[B4] a call that could pass it is parked, and woken oldest first as money is settled", () => {
    const run = new Run({ nanos: cent });
    const [a, b, c] = started(run, {}, {}, {});
    ask(run, a!, 4000, 800);
    expect(ask(run, c!, 4000, 600)).toEqual({ kind: "parked" });
    expect(ask(run, b!, 400, 600)).toEqual({ kind: "parked" });
    spend(run, a!, { in: 100, nanos: 100_000 });
    expect(states(b!, c!)).toBe("parked ready");
    ask(run, run.start(c!), 4000, 600);
    spend(run, c!, { in: 100, nanos: 100_000 });
    expect(states(b!)).toBe("ready");
    checkState(run.state, run.now);
  });

  test("[B4] nothing outstanding and too little: the run pauses, and more dollars resume it", () => {
    const run = new Run({ nanos: cent });
    const [a] = started(run, {});
    spend(run, a!, { in: 9000, nanos: 9_000_000 });
    expect(ask(run, a!, 4000, 1000)).toEqual({ kind: "parked" });
    expect(run.state.header).toMatchObject({ status: "paused", reason: "budget" });
    expect(run.step((step) => changeBudget(step, { nanos: 8_999_999 }))).toMatchObject({
      code: "below_spent",
      detail: "$0.009 is spent.",
    });
    expect(run.step((step) => changeBudget(step, { nanos: 2 * cent }))).toBeUndefined();
    expect([run.state.header.status, states(a!)]).toEqual(["active", "ready"]);
    expect(run.state.header.limits).toMatchObject({ tokens: 0, nanos: 2 * cent });
    expect(run.events("task_ended")).toEqual([]);
  });

  test("[B4] both budgets hold at once; a repeated reservation replaces the first", () => {
    const run = new Run({ tokens: 1000, nanos: cent });
    const [a, b] = started(run, {}, {});
    expect(ask(run, a!, 500, 400)).toMatchObject({ kind: "reserved" });
    expect(ask(run, a!, 500, 400)).toMatchObject({ kind: "reserved" });
    expect(ask(run, b!, 100, 100)).toEqual({ kind: "parked" });
    run.step((step) => changeBudget(step, { tokens: 100_000 }));
    expect(states(b!)).toBe("ready");
    expect(ask(run, run.start(b!), 2000, 1000)).toEqual({ kind: "parked" });
    checkState(run.state, run.now);
  });

  test("[B5] tokens without a price are counted apart, and never as nothing", () => {
    const run = new Run();
    const [a] = started(run, {});
    spend(run, a!, { in: 10, out: 5, model: "who" });
    spend(run, a!, { in: 7, nanos: 70, simulated: true });
    spend(run, a!, {});
    expect(run.state.header).toMatchObject({ unpricedTokens: 15, unpricedModels: ["who"], nanos: 70, simulated: true });
    expect(a).toMatchObject({ unpricedTokens: 15, nanos: 70, simulated: true });
    checkState(run.state, run.now);
    // Nobody can say what is left of a budget then.
    expect(run.step((step) => changeBudget(step, { nanos: cent }))).toMatchObject({ code: "no_price" });
    expect(run.step((step) => changeBudget(step, { tokens: 1000 }))).toBeUndefined();
  });

  test("[B6] a model without a price is refused where tasks are created, and at its call", () => {
    const run = new Run({ nanos: cent });
    const made = run.batch(undefined, [{}, {}], { unpriced: "who" });
    expect(made).toMatchObject({ ok: false, refusal: { code: "no_price", errors: [{ path: "tasks[0].model" }] } });
    expect(run.state.header.taskCount).toBe(0);
    expect(new Run().batch(undefined, [{}], { unpriced: "who" }).ok).toBe(true);
    const [a] = started(run, {});
    expect(run.step((step) => reserveTokens(step, a as Leased, { inputTokens: 1, outputTokens: 1 }))).toEqual({
      kind: "unpriced",
    });
  });
});
