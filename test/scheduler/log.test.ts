import { describe, expect, test } from "vitest";
import { reserveTokens } from "../../src/scheduler/budget.ts";
import { runClock } from "../../src/scheduler/clock.ts";
import { cancelTask } from "../../src/scheduler/end-task.ts";
import { settle } from "../../src/scheduler/ending.ts";
import type { SchedulerEvent } from "../../src/scheduler/events.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import { RunState } from "../../src/scheduler/state.ts";
import { Step } from "../../src/scheduler/step.ts";
import { MemoryStore } from "../sim/memory-store.ts";
import { checkState, expectSame } from "./check.ts";
import { newState, Run, states, usualLimits } from "./run.ts";

/** A run whose ended tasks leave memory at each checkpoint. */
function stored(): { run: Run; store: MemoryStore; checkpoint: () => void } {
  const store = new MemoryStore();
  const run = new Run();
  let logged = 0;
  const keep = () => {
    for (const { at, ...decided } of run.log.slice(logged)) store.append([decided], at);
    logged = run.log.length;
  };
  const checkpoint = () => {
    keep();
    store.checkpoint(run.state);
    run.state = store.load();
  };
  run.state = store.load();
  run.log.length = 0;
  run.step((step) => step.emit({ type: "run_created", limits: new Run().state.header.limits, snapshot: "s0" }));
  return { run, store, checkpoint };
}

describe("the log", () => {
  test("[G1] tasks that have left memory come back where a rule needs them", () => {
    const { run, store, checkpoint } = stored();
    const [p, x] = run.post({ key: "p" }, { key: "x", after: ["p"] });
    const [child] = run.make(run.start(p!), { key: "k" });
    run.fail(child!);
    run.fail(p!);
    expect(states(p!, x!, child!)).toBe("failed skipped failed");
    checkpoint();
    expect(run.state.tasks.size).toBe(0);
    run.step((step) => retryTask(step, run.state.task(1)));
    expect(states(run.state.task(1), run.state.task(2))).toBe("ready waiting");
    expect(run.state.task(3)).toMatchObject({ keyFreed: true, observed: true });
    expect(run.state.keyOf(1, "k")).toBeUndefined();
    checkState(run.state, run.now);
    checkpoint();
    expectSame(run.state, store.replay());
    expect(run.make(run.start(run.state.task(1)), { key: "k" })).toHaveLength(1);
  });

  test("[G1] a dependency that has left memory still counts, and a key of such a task is still taken", () => {
    const { run, checkpoint } = stored();
    run.post({ key: "ok" }, { key: "bad" });
    run.succeed(run.state.task(1));
    run.fail(run.state.task(2));
    checkpoint();
    const made = run.post({ after: ["ok"] }, { after: ["bad"] }, { after: ["bad"], on_dependency_failure: "run" });
    expect(states(...made)).toBe("ready skipped ready");
    expect(run.batch(undefined, [{ key: "ok" }])).toMatchObject({ refusal: { code: "duplicate_key" } });
    expect(run.state.header.unhandled).toBe(0);
    checkState(run.state, run.now);
  });

  test("[G1] calls and reservations survive a checkpoint", () => {
    const { run, checkpoint } = stored();
    const [a, b, c] = run.post({}, {}, {});
    run.park(run.start(a!), [c!], "settled", run.now + 500);
    const { fence } = run.start(b!).phase;
    run.step((step) => step.emit({ type: "tokens_reserved", task: 2, fence, tokens: 40 }));
    checkpoint();
    expect(run.state.header.reservedTokens).toBe(40);
    run.clock(500);
    expect(states(run.state.task(1))).toBe("ready");
    checkState(run.state, run.now);
  });

  test("[G1] so does the order of those parked for tokens", () => {
    const { run, checkpoint } = stored();
    run.step((step) => step.emit({ type: "limits_changed", tokens: 100 }));
    const [a, b, c] = run.post({}, {}, {}).map((task) => run.start(task));
    const want = { inputTokens: 50, outputTokens: 40 };
    for (const task of [a!, c!, b!]) run.step((step) => reserveTokens(step, task, want));
    checkpoint();
    run.turn(run.state.task(1), 5);
    expect(states(run.state.task(2), run.state.task(3))).toBe("parked ready");
  });

  test("[G3] a step that settles several times draws each consequence once", () => {
    const run = new Run();
    const [p, other] = run.post({ timeout_ms: 1000 }, {});
    const [child] = run.make(run.start(p!), {});
    run.fail(child!);
    run.now += 1000;
    const step = new Step(run.state, run.now);
    runClock(step);
    expect(states(p!)).toBe("failed");
    cancelTask(step, other!, "");
    settle(step);
    settle(step);
    expect(step.decided.filter(({ event }) => event.type === "finding")).toHaveLength(1);
  });

  test("[G1] a log from before money and lineages replays: its tokens have no known price, and nothing is held", () => {
    const { nanos: _, warmMs: __, ...limits } = usualLimits;
    const usage = { in: 90_000, out: 10, read: 0, write: 90_000 };
    const task = (n: number): SchedulerEvent => ({
      type: "task_created",
      ...{
        task: n,
        parent: 0,
        depth: 1,
        pool: "hosted",
        priority: 5,
        timeout_ms: 1e6,
        retry_limit: 2,
        backoff_ms: 1000,
      },
      ...{ max_turns: 50, snapshot: "s0", fork: "full" },
    });
    const old: SchedulerEvent[] = [
      { type: "run_created", limits, snapshot: "s0" },
      ...[1, 2, 3].map(task),
      { type: "task_started", task: 1, fence: 1, attempt: 1, worker: "w", hosted: true },
      { type: "tokens_reserved", task: 1, fence: 1, tokens: 100_000 },
      { type: "turn", task: 1, fence: 1, turn: 1, snapshot: "s1", usage },
      { type: "limits_changed", tokens: 500_000 },
    ];
    const run = new Run();
    run.state = newState();
    run.step((step) => {
      for (const event of old) step.emit(event);
    });
    checkState(run.state, run.now);
    expect(run.state.header).toMatchObject({ unpricedTokens: 90_010, reservedTokens: 0, limits: { tokens: 500_000 } });
    expect([run.lease()?.n, run.lease()?.n]).toEqual([2, 3]);
    const again = structuredClone(run.state.header);
    expect(new RunState(again, () => undefined).warming.size).toBe(0);
  });

  test("[G2] work is near linear: twice the tasks take about twice the lookups", { timeout: 30_000 }, () => {
    const lookups = (count: number): number => {
      const run = new Run();
      let found = 0;
      const { live } = run.state;
      run.state.live = function (n) {
        found++;
        return live.call(this, n);
      };
      for (let first = 0; first < count; first += 500) {
        const numbers = Array.from({ length: 500 }, (_, i) => first + i);
        run.post(...numbers.map((n) => ({ key: `k${n}`, priority: 1, ...(n > 0 && { after: [`k${n - 1}`] }) })));
      }
      const [top] = run.post({ priority: 9, after: [`k${count - 1}`] });
      run.cancel(top!);
      run.fail(run.state.task(1));
      run.step((step) => retryTask(step, run.state.task(1)));
      return found;
    };
    expect(lookups(8000)).toBeLessThan(2.5 * lookups(4000));
  });
});
