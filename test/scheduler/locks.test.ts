import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loseLease } from "../../src/scheduler/attempts.ts";
import { endTask } from "../../src/scheduler/end-task.ts";
import { settle } from "../../src/scheduler/ending.ts";
import { findStuck } from "../../src/scheduler/liveness.ts";
import { acquire, releaseLock, tryAcquire } from "../../src/scheduler/locks.ts";
import type { Task } from "../../src/scheduler/task.ts";
import type { LockWant } from "../../src/scheduler/want.ts";
import { MemoryStore } from "../sim/memory-store.ts";
import { allTasks, checkState } from "./check.ts";
import { type Leased, Run, states } from "./run.ts";

type Mode = "exclusive" | "shared";

const take = (
  run: Run,
  task: Task,
  names: string | string[],
  more: { mode?: Mode; call?: string; until?: number } = {},
) =>
  run.step((step) => {
    const { mode = "exclusive", call = `c-${[names].flat().join()}`, until = 0 } = more;
    return acquire(step, task, { call, names: [names].flat().sort(), listed: Array.isArray(names), mode, until });
  });
/** Whether the task's newest call waits still: a step ends waits that could never end. */
const isWaiting = (task: Task) => task.calls.at(-1)?.state === "waiting";
const free = (run: Run, task: Task, name: string, token?: number) =>
  run.step((step) => releaseLock(step, task, name, token));
const holds = (task: Task) => task.holds.map(({ name }) => name);
const started = (run: Run, count: number, spec = {}): Leased[] =>
  run.post(...Array.from({ length: count }, () => spec)).map((task) => run.start(task));
const lastBody = (run: Run) => run.log.findLast(({ event }) => event.type === "call_done")?.body;

describe("locks", () => {
  test("[K1] [K2] exclusive, in the order of asking, with rising tokens", () => {
    const run = new Run();
    const [a, b, c] = started(run, 3) as [Leased, Leased, Leased];
    expect(take(run, a, "l")).toEqual({ kind: "granted", tokens: { l: 1 } });
    expect(take(run, b, "l")).toEqual({ kind: "waiting" });
    expect(take(run, c, "l")).toEqual({ kind: "waiting" });
    run.giveBack(b);
    expect(states(b)).toBe("parked");
    expect(free(run, a, "l")).toBeUndefined();
    expect([holds(a), holds(b), holds(c)]).toEqual([[], ["l"], []]);
    expect(states(b)).toBe("ready");
    expect(lastBody(run)).toEqual({ wait: { kind: "granted", tokens: { l: 2 } } });
    expect(free(run, a, "l")).toEqual({ kind: "not_holder", name: "l" });
    expect(free(run, b, "l", 1)).toEqual({ kind: "not_holder", name: "l", token: 2 });
    expect(free(run, b, "l", 2)).toBeUndefined();
    expect(c.holds).toMatchObject([{ name: "l", token: 3 }]);
    checkState(run.state, run.now);
  });

  test("[K1] readers together, and no reader overtakes a writer that waits", () => {
    const run = new Run();
    const [a, b, w, c, d] = started(run, 5) as [Leased, Leased, Leased, Leased, Leased];
    for (const reader of [a, b]) expect(take(run, reader, "l", { mode: "shared" }).kind).toBe("granted");
    take(run, w, "l");
    for (const reader of [c, d]) expect(take(run, reader, "l", { mode: "shared" }).kind).toBe("waiting");
    expect(run.step((step) => tryAcquire(step, started(run, 1)[0]!, "l", "shared"))).toBeUndefined();
    free(run, a, "l");
    expect(holds(w)).toEqual([]);
    free(run, b, "l");
    expect([holds(w), holds(c)]).toEqual([["l"], []]);
    free(run, w, "l");
    expect([holds(c), holds(d)]).toEqual([["l"], ["l"]]);
  });

  test("[K3] several at one moment, or none", () => {
    const run = new Run();
    const [a, b, c] = started(run, 3) as [Leased, Leased, Leased];
    take(run, a, "y");
    expect(take(run, b, ["x", "y"]).kind).toBe("waiting");
    expect(holds(b)).toEqual([]);
    expect(take(run, c, "x").kind).toBe("waiting");
    free(run, a, "y");
    expect([holds(b), holds(c)]).toEqual([["x", "y"], []]);
    expect(take(run, b, "x")).toMatchObject({ kind: "already_held", token: 1 });
    expect(take(run, b, ["a", "z"])).toEqual({ kind: "holds_locks", names: ["a", "z"], held: "x" });
    expect(take(run, b, ["a"])).toEqual({ kind: "holds_locks", names: ["a"], held: "x" });
    expect(take(run, b, "a").kind).toBe("granted");
  });

  test("[K4] an end, done work and a failure release; a lost lease does not", () => {
    const run = new Run();
    const [a, b, c, d] = started(run, 4) as [Leased, Leased, Leased, Leased];
    take(run, a, "l");
    for (const one of [b, c, d]) take(run, one, "l");
    run.step((step) => loseLease(step, a, "lost"));
    expect(holds(a)).toEqual(["l"]);
    run.complete(run.start(a));
    expect(holds(b)).toEqual(["l"]);
    run.fail(b);
    expect(holds(c)).toEqual(["l"]);
    run.make(c, {});
    run.complete(c);
    expect(c.phase).toMatchObject({ state: "parked", on: "children" });
    expect([holds(c), holds(d)]).toEqual([[], ["l"]]);
    expect(run.events("lock_released").map(({ why }) => why)).toEqual(["ended", "ended", "ended"]);
  });

  test("[K5] two that take two locks in opposite orders: the younger one's wait fails, and the other goes on", () => {
    const run = new Run();
    const [a, b] = started(run, 2) as [Leased, Leased];
    take(run, a, "x");
    take(run, b, "y");
    expect(take(run, a, "y").kind).toBe("waiting");
    take(run, b, "x");
    expect(isWaiting(b)).toBe(false);
    expect(run.log.map(({ body }) => body).find((body) => JSON.stringify(body)?.includes("victim"))).toEqual({
      wait: { kind: "deadlock_victim", cycle: [b.n, a.n], released: ["y"], order: ["x", "y"] },
    });
    expect([holds(a), holds(b)]).toEqual([["x", "y"], []]);
    expect(run.events("finding")).toMatchObject([{ kind: "deadlock", subjects: [b.n, a.n] }]);
  });

  test("[K5] the victim has the lowest priority, then the fewest tokens", () => {
    for (const [first, second, victim] of [
      [{ priority: 3 }, { priority: 7 }, 0],
      [{ priority: 7 }, { priority: 3 }, 1],
    ] as const) {
      const run = new Run();
      const pair = run.post(first, second).map((task) => run.start(task)) as [Leased, Leased];
      take(run, pair[0], "x");
      take(run, pair[1], "y");
      take(run, pair[0], "y");
      take(run, pair[1], "x");
      expect(holds(pair[victim]!)).toEqual([]);
      expect(holds(pair[1 - victim]!).toSorted()).toEqual(["x", "y"]);
    }
  });

  test("[K5] through an await: a child asks for what its waiting parent holds", () => {
    const run = new Run();
    const [parent] = started(run, 1) as [Leased];
    take(run, parent, "l");
    const [child] = run.make(parent, {}) as [Task];
    run.await(parent, [child]);
    run.giveBack(parent);
    take(run, run.start(child), "l");
    expect(isWaiting(child)).toBe(false);
    expect([holds(parent), holds(child)]).toEqual([["l"], []]);
    run.complete(child);
    expect(states(parent)).toBe("ready");
  });

  test("[K5] a child asks for what its parent holds and will release: no deadlock, whatever the parent joins in the end", () => {
    const run = new Run();
    const [parent] = started(run, 1) as [Leased];
    take(run, parent, "l");
    const [child] = run.make(parent, {}) as [Task];
    take(run, run.start(child), "l");
    expect(isWaiting(child)).toBe(true);
    expect(run.events("finding")).toEqual([]);
    free(run, parent, "l");
    expect(holds(child)).toEqual(["l"]);
  });

  test("a holder that backs off for long is a finding, and keeps what it holds", () => {
    const run = new Run();
    const [a] = started(run, 1) as [Leased];
    take(run, a, "l");
    run.failTransiently(a, 20_000);
    expect(run.events("finding")).toEqual([]);
    run.clock(30_000);
    run.failTransiently(run.start(a), 31_000);
    expect(run.events("finding")).toMatchObject([{ kind: "holder_backing_off", subjects: [a.n] }]);
    expect(holds(a)).toEqual(["l"]);
  });

  test("[K6] a wait times out, and a hold ends at limits.hold_ms", () => {
    const run = new Run({ holdMs: 1000 });
    const [a, b, c] = started(run, 3) as [Leased, Leased, Leased];
    take(run, a, "l");
    take(run, b, "l", { until: run.now + 100 });
    take(run, c, "l");
    run.clock(100);
    expect(lastBody(run)).toEqual({ wait: { kind: "timed_out", names: ["l"] } });
    expect(holds(a)).toEqual(["l"]);
    run.clock(900);
    expect([holds(a), holds(c)]).toEqual([[], ["l"]]);
    expect(run.events("finding")).toMatchObject([{ kind: "hold_expired", subjects: [a.n] }]);
  });

  test("[K7] the same call is one wait; another call of the same task takes its place", () => {
    const run = new Run();
    const [a, b] = started(run, 2) as [Leased, Leased];
    take(run, a, "l");
    take(run, b, "l", { call: "one" });
    expect(take(run, b, "l", { call: "one" })).toEqual({ kind: "waiting" });
    expect(run.events("call_waiting")).toHaveLength(1);
    take(run, b, "l", { call: "two" });
    free(run, a, "l");
    expect(b.holds).toHaveLength(1);
    expect(b.calls.map(({ id, state }) => [id, state])).toEqual([
      ["one", "done"],
      ["two", "done"],
    ]);
  });
});

/** What must hold of locks between any two steps, from the tasks alone. */
function checkLocks(run: Run): void {
  const tasks = allTasks(run.state);
  const held = Map.groupBy(
    tasks.flatMap((task) => task.holds.map((hold) => ({ ...hold, task }))),
    ({ name }) => name,
  );
  for (const [name, all] of held) {
    if (all.some(({ mode }) => mode === "exclusive")) expect(all, `[K1] ${name} has one holder`).toHaveLength(1);
    for (const { task } of all) expect(["succeeded", "failed", "cancelled"], "[K4]").not.toContain(task.phase.state);
  }
  for (const task of tasks) {
    for (const call of task.calls) {
      if (call.state !== "waiting" || !call.want) continue;
      for (const name of call.want.names) {
        const queue = run.state.blocking.line(name, "lock");
        expect(queue.waiters.filter((one) => one.task === task.n)).toHaveLength(1);
      }
      const isFirst = call.want.names.every(
        (name) => run.state.blocking.line(name, "lock").waiters[0]?.task === task.n,
      );
      const isFree = call.want.names.every((name) =>
        run.state.blocking.line(name, "lock").allows((call.want as LockWant).mode),
      );
      expect(isFirst && isFree, "nobody waits for what could be had").toBe(false);
    }
  }
  expect(
    [
      ...findStuck(
        run.state,
        tasks.map(({ n }) => n),
      ).ending,
    ],
    "[K5] no deadlock outlives a step",
  ).toEqual([]);
}

test("[K1] [K4] [K5] any order of ops keeps the rules, ends, and replays to the same", () => {
  const names = ["a", "b", "c"];
  const op = fc.record({
    task: fc.nat(5),
    what: fc.constantFrom(
      "take",
      "take",
      "take",
      "several",
      "try",
      "free",
      "await",
      "any",
      "park",
      "park",
      "end",
      "lose",
      "turn",
    ),
    name: fc.constantFrom(...names),
    mode: fc.constantFrom<Mode>("exclusive", "shared"),
  });
  fc.assert(
    fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
      const run = new Run();
      const tasks = run.post(...Array.from({ length: 6 }, (_, i) => ({ priority: i % 3 })));
      for (const [i, { task: n, what, name, mode }] of ops.entries()) {
        run.now += 10;
        const task = tasks[n]!;
        if (task.phase.state === "ready") run.start(task);
        if (task.phase.state !== "running") continue;
        const lease = task as Leased;
        const call = `c${i}`;
        if (what === "take") take(run, task, name, { mode, call });
        else if (what === "several")
          take(
            run,
            task,
            ["a", name].filter((one, at, all) => all.indexOf(one) === at),
            { call },
          );
        else if (what === "try") run.step((step) => tryAcquire(step, task, name, mode));
        else if (what === "free") free(run, task, name);
        else if (what === "await") run.await(task, [tasks[(n + 1 + (i % 5)) % 6]!], "all", 0, call);
        else if (what === "any") run.await(task, [tasks[(n + 1 + (i % 5)) % 6]!, tasks[(n + 2) % 6]!], "any", 0, call);
        else if (what === "park") {
          if (task.calls.some((one) => one.state === "waiting")) run.giveBack(task);
        } else if (what === "lose") run.step((step) => loseLease(step, lease, "restart"));
        else if (what === "turn") {
          run.step((step) => {
            const usage = { in: 1, out: n, read: 0, write: 0 };
            step.emit({
              type: "turn",
              task: task.n,
              fence: lease.phase.fence,
              turn: task.turns + 1,
              snapshot: `s${i}`,
              usage,
            });
          });
        } else {
          run.step((step) => {
            endTask(step, task, { state: "cancelled", error: { code: "cancelled", message: "" } });
            settle(step);
          });
        }
        checkLocks(run);
        checkState(run.state, run.now);
      }
      // A checkpoint at any time gives the same queues as the log.
      const store = new MemoryStore();
      store.log.push(...run.log);
      const loaded = store.load();
      expect(loaded.header).toEqual(run.state.header);
      expect(loaded.blocking.facts).toEqual(run.state.blocking.facts);
      store.checkpoint(loaded);
      for (const state of [loaded, store.load()]) {
        for (const name of names) {
          expect([...state.blocking.line(name, "lock").holders].sort()).toEqual(
            [...run.state.blocking.line(name, "lock").holders].sort(),
          );
          expect(state.blocking.line(name, "lock").waiters).toEqual(run.state.blocking.line(name, "lock").waiters);
        }
      }
      // Whoever ends lets others in: nobody is left waiting.
      for (let left = tasks.length * 20; left > 0 && run.state.liveCount() > 0; left--) {
        for (const task of tasks) {
          if (task.phase.state === "ready") run.start(task);
          if (task.phase.state === "running" && !task.calls.some((one) => one.state === "waiting")) run.complete(task);
        }
      }
      expect(run.state.liveCount()).toBe(0);
    }),
    { numRuns: 300 },
  );
});

type Op = readonly [what: "take" | "free", name: string, mode?: Mode];

/** Carries out a schedule: whose next op comes when. Answers who could come next; nobody when all have ended. */
function play(programs: readonly (readonly Op[])[], schedule: readonly number[]): number[] {
  const run = new Run();
  const tasks = started(run, programs.length);
  const done = programs.map(() => 0);
  const canGoOn = (n: number) =>
    tasks[n]!.phase.state === "running" && !tasks[n]!.calls.some((call) => call.state === "waiting");
  for (const n of schedule) {
    const task = tasks[n]!;
    const op = programs[n]![done[n]!++];
    if (!op) run.complete(task);
    else if (op[0] === "take") take(run, task, op[1], { mode: op[2] ?? "exclusive", call: `c${done[n]}` });
    else free(run, task, op[1]);
  }
  // What came before the last op was a schedule of its own.
  checkLocks(run);
  const next = programs.flatMap((_, n) => (canGoOn(n) ? [n] : []));
  expect(next.length > 0 || run.state.liveCount() === 0, "somebody can go on until all have ended").toBe(true);
  return next;
}

test.each<[string, readonly (readonly Op[])[]]>([
  [
    "two locks in a circle",
    [
      [
        ["take", "a"],
        ["take", "b"],
      ],
      [
        ["take", "b"],
        ["take", "a"],
      ],
      [
        ["take", "a"],
        ["free", "a"],
      ],
    ],
  ],
  [
    "three in a circle",
    [
      [
        ["take", "a"],
        ["take", "b"],
      ],
      [
        ["take", "b"],
        ["take", "c"],
      ],
      [
        ["take", "c"],
        ["take", "a"],
      ],
    ],
  ],
  [
    "readers and a writer",
    [
      [
        ["take", "a", "shared"],
        ["free", "a"],
      ],
      [
        ["take", "a", "shared"],
        ["take", "b"],
      ],
      [
        ["take", "b"],
        ["take", "a"],
      ],
    ],
  ],
])(
  "[K1] [K5] every interleaving of three tasks: %s",
  (_, programs) => {
    const schedules: number[][] = [[]];
    let whole = 0;
    for (let schedule = schedules.pop(); schedule; schedule = schedules.pop()) {
      const next = play(programs, schedule);
      if (next.length === 0) whole++;
      for (const n of next) schedules.push([...schedule, n]);
    }
    expect(whole).toBeGreaterThan(100);
  },
  30_000,
);
