import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { leased } from "../../src/scheduler/attempts.ts";
import { reserveTokens } from "../../src/scheduler/budget.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import { cancelRun, changeBudget, finishRun, type Refusal } from "../../src/scheduler/run-commands.ts";
import { isEnded, type Task } from "../../src/scheduler/task.ts";
import { checkState } from "./check.ts";
import { type Leased, Run, states, why } from "./run.ts";

const retry = (run: Run, task: Task): Refusal | undefined => run.step((step) => retryTask(step, task));

const worked = { after: ["a"], pool: "box" };

describe("retry", () => {
  test("[R1] only of an ended task", () => {
    const run = new Run();
    const [a] = run.post({});
    expect(retry(run, a!)?.code).toBe("task_not_ended");
    run.start(a!);
    const logged = run.log.length;
    expect(retry(run, a!)?.code).toBe("task_not_ended");
    expect(run.log.length).toBe(logged);
  });

  test("[R1] a generation starts anew: clocks, counters, transcript; usage and attempts stay", () => {
    const run = new Run();
    const [a] = run.post({ timeout_ms: 60_000, retries: { limit: 1, backoff_ms: 0 } });
    run.turn(run.start(a!), 70);
    run.failTransiently(a!);
    run.clock(1000);
    run.fail(a!);
    run.clock(100_000);
    expect(retry(run, a!)).toBeUndefined();
    expect(a!).toMatchObject({ generation: 2, turns: 0, failures: 0, losses: 0, clockAt: 0, endedAt: 0, attempts: 2 });
    expect([a!.head, a!.treeTokens]).toEqual([undefined, 70]);
    expect(a!.phase).toMatchObject({ state: "ready", resumed: false });
    run.start(a!);
    run.clock(59_999);
    expect(states(a!)).toBe("ready");
    run.clock(1);
    expect(run.endOf(a!)?.error?.code).toBe("timeout");
    checkState(run.state, run.now);
  });

  test("[R2] its tasks are cancelled, detached ones too, their keys free, their failures seen", () => {
    const run = new Run();
    const [p] = run.post({});
    const [live, bad, loose] = run.make(run.start(p!), { key: "k" }, {}, { detached: true });
    const [below] = run.make(run.start(live!), { key: "k" });
    run.fail(bad!);
    run.fail(below!);
    run.complete(live!);
    run.complete(p!);
    expect(states(p!, live!, bad!, loose!)).toBe("succeeded succeeded failed ready");
    expect([p!.childrenFailed, run.state.header.unhandled]).toEqual([1, 2]);
    expect(retry(run, p!)).toBeUndefined();
    expect(states(p!, live!, bad!, loose!)).toBe("ready succeeded failed cancelled");
    expect([p!.childrenFailed, p!.liveChildren, p!.childrenMade, run.state.header.unhandled]).toEqual([0, 0, 0, 0]);
    const [again] = run.make(run.start(p!), { key: "k" });
    expect(run.state.keyOf(p!.n, "k")).toBe(again!.n);
    checkState(run.state, run.now);
    run.succeed(again!);
    run.complete(p!);
    run.step((step) => finishRun(step, false));
    expect(run.state.header.status).toBe("succeeded");
  });

  test("[R2] a void child that is retried by itself is nobody's child", () => {
    const run = new Run();
    const [p] = run.post({});
    const [child] = run.make(run.start(p!), {});
    run.fail(child!);
    run.fail(p!);
    retry(run, p!);
    expect(retry(run, child!)).toBeUndefined();
    run.complete(run.start(p!));
    expect(states(p!, child!)).toBe("succeeded ready");
    run.fail(child!);
    expect([p!.childrenFailed, run.state.header.unhandled]).toEqual([0, 1]);
    checkState(run.state, run.now);
  });

  test("[R3] skipped dependents return, transitively, and run in order", () => {
    const run = new Run();
    const [a, b, c, d] = run.post(
      { key: "a" },
      { key: "b", after: ["a"] },
      { key: "c", after: ["b"] },
      { after: ["c", "a"] },
    );
    run.fail(a!);
    expect(retry(run, a!)).toBeUndefined();
    expect(states(a!, b!, c!, d!)).toBe("ready waiting waiting waiting");
    expect(run.events("task_retried").map((event) => [event.task, event.why])).toEqual([
      [1, "asked"],
      [2, "dependency_retried"],
      [4, "dependency_retried"],
      [3, "dependency_retried"],
    ]);
    checkState(run.state, run.now);
    run.succeed(a!, b!, c!, d!);
    expect(run.state.header.counts.succeeded).toBe(4);
  });

  test("[R3] one whose other dependency is still failed is skipped again, because of that one", () => {
    const run = new Run();
    const [a, b, c, d] = run.post({ key: "a" }, { key: "b" }, { key: "c", after: ["a", "b"] }, { after: ["c"] });
    run.fail(a!);
    run.fail(b!);
    retry(run, a!);
    expect(states(a!, b!, c!, d!)).toBe("ready failed skipped skipped");
    expect([why(c!), why(d!)]).toEqual([b!.n, c!.n]);
    run.succeed(a!);
    retry(run, b!);
    expect(states(c!, d!)).toBe("waiting waiting");
    run.succeed(b!, c!, d!);
    checkState(run.state, run.now);
  });

  test("[R3] one that was skipped for another cause, or has run, stays", () => {
    const run = new Run();
    const [a, b, c, ran] = run.post(
      { key: "a" },
      { key: "b" },
      { after: ["b", "a"] },
      { after: ["a"], on_dependency_failure: "run" },
    );
    run.fail(b!);
    run.fail(a!);
    run.succeed(ran!);
    retry(run, a!);
    expect(states(a!, b!, c!, ran!)).toBe("ready failed skipped succeeded");
  });

  test("[R3] a void task does not return", () => {
    const run = new Run();
    const [p, x] = run.post({ key: "p" }, { key: "x", after: ["p"] });
    const [child] = run.make(run.start(p!), { detached: true, after: ["x"] });
    run.fail(p!);
    expect(states(p!, x!, child!)).toBe("failed skipped skipped");
    retry(run, p!);
    expect(states(p!, x!, child!)).toBe("ready waiting skipped");
    checkState(run.state, run.now);
  });

  test("[R3] nor does one that was void before", () => {
    const run = new Run();
    const [p, x] = run.post({}, { key: "x" });
    const [child] = run.make(run.start(p!), { after: ["x"] });
    run.fail(x!);
    run.complete(p!);
    expect(states(p!, x!, child!)).toBe("succeeded failed skipped");
    run.retry(p!);
    run.retry(x!);
    expect(states(x!, child!)).toBe("ready skipped");
    checkState(run.state, run.now);
  });

  test("[R3] a chain of 10,000 returns without a stack, each task once", { timeout: 30_000 }, () => {
    const run = new Run();
    const tasks: Task[] = [];
    for (let first = 0; first < 10_000; first += 1000) {
      const numbers = Array.from({ length: 1000 }, (_, i) => first + i);
      tasks.push(...run.post(...numbers.map((n) => ({ key: `k${n}`, ...(n > 0 && { after: [`k${n - 1}`] }) }))));
    }
    run.fail(tasks[0]!);
    const logged = run.log.length;
    retry(run, tasks[0]!);
    expect(run.state.header.counts).toMatchObject({ ready: 1, waiting: 9_999 });
    expect(run.log.length - logged).toBe(10_001);
  });

  test("[R4] a dependent that is ready and has no turn waits for the new result; one that a pull worker holds keeps the old one", () => {
    const run = new Run();
    const [a, fresh, running, begun] = run.post(
      { key: "a" },
      { after: ["a"], priority: 9 },
      { after: ["a"], pool: "box" },
      { after: ["a"] },
    );
    run.succeed(a!);
    run.start(running!);
    run.turn(run.start(begun!));
    run.giveBack(begun!);
    retry(run, a!);
    expect(states(a!, fresh!, running!, begun!)).toBe("ready waiting running ready");
    expect(a!.effective).toBe(9);
    run.succeed(a!);
    expect(states(fresh!)).toBe("ready");
    checkState(run.state, run.now);
  });

  test.each<[string, (run: Run, task: Task) => void]>([
    ["is lost", (run, task) => run.lose(task)],
    ["is cut off by a restart", (run, task) => run.lose(task, "restart")],
    ["is given back", (run, task) => run.giveBack(task)],
    ["fails for now", (run, task) => run.failTransiently(task)],
    [
      "waits for tokens",
      (run, task) =>
        run.step((step) => {
          reserveTokens(step, task as Leased, { inputTokens: 60, outputTokens: 60 });
          changeBudget(step, { tokens: 1000 });
        }),
    ],
  ])(
    "[R4] one that a pull worker holds keeps the old result until its attempt %s without a turn: then it waits for the new one",
    (_, end) => {
      const run = new Run({ tokens: 100 });
      const [a, b] = run.post({ key: "a" }, { ...worked, priority: 9, retries: { limit: 1, backoff_ms: 1000 } });
      run.succeed(a!);
      run.start(b!);
      retry(run, a!);
      expect([states(a!, b!), a!.effective]).toEqual(["ready running", 5]);
      end(run, b!);
      run.clock(2000);
      expect([states(a!, b!), a!.effective]).toEqual(["ready waiting", 9]);
      expect(run.lease()?.n).toBe(a!.n);
      checkState(run.state, run.now);
      run.complete(a!);
      expect(states(b!)).toBe("ready");
      run.succeed(b!);
    },
  );

  test("[R4] a hosted one whose first reply is not logged loses its lease, which counts as no loss, and waits", () => {
    const run = new Run({ tokens: 1000 });
    const [a, b] = run.post({ key: "a" }, { after: ["a"] });
    run.succeed(a!);
    for (let i = 1; i <= 5; i++) {
      const { fence } = run.start(b!).phase;
      run.step((step) => reserveTokens(step, b! as Leased, { inputTokens: 60, outputTokens: 60 }));
      retry(run, a!);
      expect(states(a!, b!)).toBe("ready waiting");
      expect([b!.losses, b!.failures, run.state.header.reservedTokens]).toEqual([0, 0, 0]);
      expect(leased(run.state, b!.n, fence)).toBeUndefined();
      checkState(run.state, run.now);
      run.succeed(a!);
    }
    run.succeed(b!);
    expect(run.events("attempt_ended").map(({ why }) => why)).toEqual(Array(5).fill("held_back"));
  });

  test("[R4] one in a backoff without a turn waits after it, one with a turn goes on with the old result", () => {
    const run = new Run();
    const [a, fresh, begun] = run.post({ key: "a" }, { after: ["a"] }, { after: ["a"] });
    run.succeed(a!);
    run.failTransiently(run.start(fresh!));
    run.turn(run.start(begun!));
    run.failTransiently(begun!);
    retry(run, a!);
    run.clock(10_000);
    expect(states(a!, fresh!, begun!)).toBe("ready waiting ready");
    checkState(run.state, run.now);
  });

  test("[R4] what the retried one came to meanwhile counts: its failure skips one that starts over", () => {
    const run = new Run();
    const [a, skips, runs] = run.post({ key: "a" }, worked, { ...worked, on_dependency_failure: "run" });
    run.succeed(a!);
    run.start(skips!);
    run.start(runs!);
    retry(run, a!);
    run.fail(a!);
    run.lose(skips!);
    run.lose(runs!);
    expect([states(skips!, runs!), why(skips!)]).toEqual(["skipped ready", a!.n]);
    checkState(run.state, run.now);
  });

  test("[R4] one for which the new generation waits by now is skipped, and that goes on", () => {
    const run = new Run();
    const [a, b] = run.post({ key: "a" }, { ...worked, on_dependency_failure: "run" });
    run.succeed(a!);
    run.start(b!);
    retry(run, a!);
    run.park(run.start(a!), [b!], "settled");
    run.lose(b!);
    expect([states(a!, b!), why(b!)]).toEqual(["ready skipped", a!.n]);
    expect(run.endOf(b!)?.error).toMatchObject({ code: "dependency_failed" });
    checkState(run.state, run.now);
  });

  test("[R4] one dependency cancelled and another revived in the same retry: it waits (seed 2707)", () => {
    const run = new Run();
    const [p, x] = run.post({ key: "p" }, { key: "x", after: ["p"] });
    const [loose] = run.make(run.start(p!), { detached: true });
    const [d] = run.post({ after: ["x", `T${loose!.n}`], on_dependency_failure: "run" });
    run.fail(p!);
    expect(states(x!, d!)).toBe("skipped waiting");
    retry(run, p!);
    expect(states(p!, x!, loose!, d!)).toBe("ready waiting cancelled waiting");
    checkState(run.state, run.now);
  });

  test("[R4] a wait that names a retried task goes on until it ends again", () => {
    const run = new Run();
    const [p, a, b] = run.post({ priority: 9 }, {}, {});
    run.cancel(a!);
    run.park(run.start(p!), [a!, b!], "settled");
    retry(run, a!);
    expect(a!.effective).toBe(9);
    run.succeed(b!);
    expect(states(p!)).toBe("parked");
    run.succeed(a!);
    expect(states(p!)).toBe("ready");
    checkState(run.state, run.now);
  });

  test("[R4] a parent that waits for its children waits for a retried one too", () => {
    const run = new Run();
    const [p] = run.post({ priority: 8 });
    const [a, b] = run.make(run.start(p!), { priority: 1 }, {});
    run.fail(a!);
    run.complete(p!);
    expect(p!.childrenFailed).toBe(1);
    retry(run, a!);
    expect([p!.childrenFailed, p!.liveChildren, a!.effective]).toEqual([0, 2, 8]);
    run.succeed(b!);
    expect(states(p!)).toBe("parked");
    run.succeed(a!);
    expect(states(p!)).toBe("succeeded");
    expect(run.events("finding")).toEqual([]);
  });

  test("[R5] it reopens an ended run; with a root the run ends again as the root did", () => {
    const run = new Run();
    const root = run.root();
    const [a] = run.post({});
    run.succeed(root);
    expect(states(a!)).toBe("cancelled");
    retry(run, a!);
    expect(run.state.header).toMatchObject({ status: "active", endedAt: 0, reason: "" });
    run.succeed(a!);
    expect(run.state.header.status).toBe("succeeded");
    const other = new Run();
    const [b] = other.post({});
    other.step((step) => cancelRun(step, "enough"));
    retry(other, b!);
    other.succeed(b!);
    expect(other.state.header.status).toBe("active");
    checkState(other.state, other.now);
  });

  test("[R5] one that would close a cycle is refused and changes nothing", () => {
    const run = new Run();
    const [p, x, gate] = run.post({ key: "p" }, { key: "x", after: ["p"] }, { key: "gate" });
    run.succeed(p!, x!);
    retry(run, p!);
    // In its new generation p makes a child after x, which has ended: nothing wrong with that, until x is retried.
    const [child] = run.make(run.start(p!), { after: ["x", "gate"] });
    expect(states(child!)).toBe("waiting");
    const before = structuredClone([run.state.header, [...run.state.tasks.values()]]);
    expect(retry(run, x!)?.code).toBe("dependency_cycle");
    expect([run.state.header, [...run.state.tasks.values()]]).toEqual(before);
    run.succeed(gate!, child!);
    run.complete(p!);
    expect(retry(run, x!)).toBeUndefined();
    checkState(run.state, run.now);
  });
});

describe("a task that is skipped again at once", () => {
  const chain = (run: Run, length: number) =>
    run.post(...Array.from({ length }, (_, i) => ({ key: `k${i}`, ...(i > 0 && { after: [`k${i - 1}`] }) })));

  test("[R3] takes none of those behind it along: each of a failed chain is tried anew for itself, and the head takes all", () => {
    const run = new Run();
    const tasks = chain(run, 1000);
    run.fail(tasks[0]!);
    const logged = run.log.length;
    for (const task of tasks.slice(1)) expect(retry(run, task)).toBeUndefined();
    // Its generation and its skip, and nobody else's.
    expect(run.log.length - logged).toBe(2 * 999);
    expect(why(tasks[999]!)).toBe(999);
    expect(retry(run, tasks[0]!)).toBeUndefined();
    expect([tasks[0]!.phase.state, ...new Set(tasks.slice(1).map(({ phase }) => phase.state))]).toEqual([
      "ready",
      "waiting",
    ]);
    run.succeed(...tasks);
    expect(run.state.liveCount()).toBe(0);
    checkState(run.state, run.now);
  });

  test("[R3] is none where the other dependency is tried again with it, found later by a longer way", () => {
    const run = new Run();
    const [x, , , , , last] = run.post(
      { key: "x" },
      { key: "a", after: ["x"] },
      { key: "b", after: ["x"] },
      { key: "c", after: ["b"] },
      { key: "d", after: ["a", "c"] },
      { after: ["d"] },
    );
    run.fail(x!);
    expect(retry(run, x!)).toBeUndefined();
    expect(last!.phase.state).toBe("waiting");
    checkState(run.state, run.now);
  });

  test("[R3] with any graph, ends and retries nobody stays skipped whose dependencies have all succeeded or may yet", () => {
    const acts = fc.array(
      fc.record({ what: fc.constantFrom("succeed", "fail", "fail", "retry", "retry"), of: fc.nat() }),
      { maxLength: 60 },
    );
    const edges = fc.array(fc.array(fc.nat(), { maxLength: 3 }), { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(edges, acts, (graph, steps) => {
        const run = new Run();
        const tasks = run.post(
          ...graph.map((after, i) => ({
            key: `k${i}`,
            ...(i > 0 && { after: [...new Set(after.map((n) => `k${n % i}`))] }),
          })),
        );
        for (const { what, of } of steps) {
          const can = tasks.filter((task) => (what === "retry" ? isEnded(task) : task.phase.state === "ready"));
          const task = can[of % can.length];
          if (!task) continue;
          if (what === "retry") expect(retry(run, task)).toBeUndefined();
          else if (what === "fail") run.fail(task);
          else run.succeed(task);
          for (const one of tasks) {
            const failed = one.after.some((n) => /failed|skipped/.test(run.state.task(n).phase.state));
            if (one.phase.state === "skipped") expect(failed).toBe(true);
          }
          checkState(run.state, run.now);
        }
      }),
      { numRuns: 300 },
    );
  });
});
