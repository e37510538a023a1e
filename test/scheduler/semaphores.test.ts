import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { acquire } from "../../src/scheduler/locks.ts";
import { acquirePermits, createSemaphore, releasePermits } from "../../src/scheduler/semaphores.ts";
import { isEnded, type Task } from "../../src/scheduler/task.ts";
import {
  answerOf,
  endAll,
  everyInterleaving,
  expectRebuilt,
  findings,
  mayAct,
  started,
  victims,
  waits,
  whoCanGoOn,
} from "./blocking.ts";
import { allTasks, checkState } from "./check.ts";
import { type Leased, Run, states } from "./run.ts";

const create = (run: Run, name: string, permits: number) => run.step((step) => createSemaphore(step, name, permits));
const take = (run: Run, task: Task, permits: number, more: { name?: string; call?: string; until?: number } = {}) =>
  run.step((step) => {
    const { name = "s", call = `c-${name}`, until = 0 } = more;
    return acquirePermits(step, task, { call, name, permits, until });
  });
const give = (run: Run, task: Task, permits: number, name = "s") =>
  run.step((step) => releasePermits(step, task, name, permits));
const lock = (run: Run, task: Task, name: string) =>
  run.step((step) => acquire(step, task, { call: `l-${name}`, names: [name], mode: "exclusive", until: 0 }));
const has = (task: Task, name = "s") => task.permits.find((one) => one.name === name)?.permits ?? 0;

/** A run with a semaphore and so many running tasks. */
function began<Tasks extends Leased[]>(permits: number, count: Tasks["length"]): [Run, ...Tasks] {
  const run = new Run();
  create(run, "s", permits);
  return [run, ...(started(run, count) as Tasks)];
}

describe("semaphores", () => {
  test("[S1] [S3] what is held and what is free add up, and only what is held is released", () => {
    const [run, a, b] = began<[Leased, Leased]>(5, 2);
    expect(take(run, a, 2)).toEqual({ kind: "permits", permits: 2 });
    expect(take(run, a, 1, { call: "more" })).toEqual({ kind: "permits", permits: 1 });
    expect(take(run, b, 2)).toEqual({ kind: "permits", permits: 2 });
    expect([has(a), has(b), run.state.blocking.line("s", "semaphore").held]).toEqual([3, 2, 5]);
    expect(give(run, b, 3)).toEqual({ kind: "not_holder", name: "s", permits: 2 });
    expect(give(run, b, 1, "other")).toEqual({ kind: "not_holder", name: "other", permits: 0 });
    expect(give(run, a, 2)).toBeUndefined();
    expect([has(a), has(b), run.state.blocking.line("s", "semaphore").held]).toEqual([1, 2, 3]);
    checkState(run.state, run.now);
  });

  test("[S1] `create` says how many, once", () => {
    const [run] = began<[]>(2, 0);
    expect(create(run, "s", 2)).toBeUndefined();
    expect(create(run, "s", 3)).toEqual({ kind: "already_created", name: "s", size: 2 });
    expect(run.events("semaphore_created")).toHaveLength(1);
  });

  test("[S2] [B5] a wait for many is not overtaken by waits for few, and all that fits is handed on in one step", () => {
    const [run, a, b, many, few, one] = began<[Leased, Leased, Leased, Leased, Leased]>(3, 5);
    take(run, a, 1);
    take(run, b, 1);
    expect(take(run, many, 3).kind).toBe("waiting");
    expect(take(run, few, 1).kind).toBe("waiting");
    expect(take(run, one, 1).kind).toBe("waiting");
    run.giveBack(many);
    give(run, a, 1);
    expect([has(many), has(few)]).toEqual([0, 0]);
    run.now += 70;
    give(run, b, 1);
    expect([has(many), has(few), states(many)]).toEqual([3, 0, "ready"]);
    expect(answerOf(run, many)).toEqual({ kind: "permits", permits: 3 });
    expect(run.state.blocking.factsOf("s", "semaphore")).toMatchObject({ grants: 3, waitedMs: 70, heldMs: 70 });
    give(run, run.start(many), 3);
    expect([has(few), has(one)]).toEqual([1, 1]);
    checkState(run.state, run.now);
  });

  test("[S4] what could never be granted is refused, and nothing waits", () => {
    const [run, a, b] = began<[Leased, Leased]>(3, 2);
    expect(take(run, a, 1, { name: "none" })).toEqual({ kind: "not_created", name: "none" });
    expect(take(run, a, 4)).toEqual({ kind: "over_capacity", name: "s", asked: 4, size: 3 });
    take(run, a, 2);
    expect(take(run, a, 2, { call: "again" })).toEqual({ kind: "waits_for_itself", name: "s", permits: 2 });
    expect(take(run, b, 2).kind).toBe("waiting");
    expect(run.events("call_waiting")).toHaveLength(1);
  });

  test("[S4] what it waits for in another call of the same reply counts as held", () => {
    const [run, a, b] = began<[Leased, Leased]>(3, 2);
    take(run, a, 3);
    expect(take(run, b, 2, { call: "one" }).kind).toBe("waiting");
    expect(take(run, b, 2, { call: "two" })).toEqual({ kind: "waits_for_itself", name: "s", permits: 2 });
    expect(take(run, b, 1, { call: "three" }).kind).toBe("waiting");
    give(run, a, 3);
    expect([has(b), mayAct(b)]).toEqual([3, true]);
  });

  test("[B1] an end, done work and a failure release; a lost lease does not", () => {
    const [run, a, b, c, d] = began<[Leased, Leased, Leased, Leased]>(2, 4);
    take(run, a, 2);
    for (const one of [b, c, d]) take(run, one, 2);
    run.lose(a);
    expect([has(a), has(b)]).toEqual([2, 0]);
    run.complete(run.start(a));
    expect([has(a), has(b)]).toEqual([0, 2]);
    run.fail(b);
    expect(has(c)).toBe(2);
    run.make(c, {});
    run.complete(c);
    expect(c.phase).toMatchObject({ state: "parked", on: "children" });
    expect([has(c), has(d)]).toEqual([0, 2]);
    run.cancel(d);
    expect(run.state.blocking.line("s", "semaphore").held).toBe(0);
    expect(run.events("permits_released").map(({ why }) => why)).toEqual(["ended", "ended", "ended", "ended"]);
  });

  test("[B1] a pull worker's wait ends with its lease, and what comes free goes past it", () => {
    const run = new Run({ pools: ["gpu"] });
    create(run, "s", 1);
    const [a, b] = started(run, 2) as [Leased, Leased];
    const [pulled] = started(run, 1, { pool: "gpu" }) as [Leased];
    take(run, a, 1);
    take(run, pulled, 1);
    take(run, b, 1);
    run.lose(pulled);
    expect([states(pulled), pulled.calls]).toEqual(["ready", []]);
    give(run, a, 1);
    expect([has(pulled), has(b)]).toEqual([0, 1]);
    expect(take(run, run.start(pulled), 1).kind).toBe("waiting");
    checkState(run.state, run.now);
  });

  test("[B4] [B5] a wait ends at its timeout, and lets those behind it by", () => {
    const [run, a, many, few] = began<[Leased, Leased, Leased]>(2, 3);
    take(run, a, 1);
    take(run, many, 2, { until: run.now + 100 });
    take(run, few, 1);
    run.giveBack(many);
    run.clock(99);
    expect([states(many), has(few)]).toEqual(["parked", 0]);
    run.clock(1);
    expect(answerOf(run, many)).toEqual({ kind: "timed_out", names: ["s"] });
    expect([states(many), has(few)]).toEqual(["ready", 1]);
  });

  test("[V3] a repeat by the call's id waits once, is told once and takes nothing more", () => {
    const [run, a, b] = began<[Leased, Leased]>(2, 2);
    take(run, a, 1);
    take(run, b, 2, { call: "one" });
    expect(take(run, b, 2, { call: "one" })).toEqual({ kind: "waiting" });
    expect(run.events("call_waiting")).toHaveLength(1);
    give(run, a, 1);
    expect(take(run, b, 2, { call: "one" })).toMatchObject({ kind: "done" });
    expect(has(b)).toBe(2);
  });

  test("[B2] two semaphores in opposite orders: the younger one's wait fails, and the other goes on", () => {
    const [run, a, b] = began<[Leased, Leased]>(1, 2);
    create(run, "t", 1);
    take(run, a, 1);
    take(run, b, 1, { name: "t" });
    take(run, a, 1, { name: "t" });
    take(run, b, 1);
    expect(answerOf(run, b)).toEqual({ kind: "deadlock_victim", cycle: [b.n, a.n], released: ["t"], order: [] });
    expect([has(a), has(a, "t"), has(b, "t"), mayAct(a)]).toEqual([1, 1, 0, true]);
    expect(run.events("finding")).toMatchObject([{ kind: "deadlock", subjects: [b.n, a.n], cycle: "s, t" }]);
  });

  test("[B2] one semaphore: two that hold some of it and want the rest", () => {
    const [run, a, b, c] = began<[Leased, Leased, Leased]>(3, 3);
    for (const one of [a, b, c]) take(run, one, 1);
    take(run, a, 1, { call: "more" });
    take(run, b, 1, { call: "more" });
    expect(findings(run)).toEqual([]);
    take(run, c, 1, { call: "more" });
    // Two of the three are a circle already.
    expect(victims(run)).toEqual([b.n]);
    expect([has(a), has(b), has(c)]).toEqual([2, 0, 1]);
  });

  test("[B2] a semaphore and a lock", () => {
    const [run, a, b] = began<[Leased, Leased]>(2, 2);
    take(run, a, 2);
    lock(run, b, "l");
    lock(run, a, "l");
    take(run, b, 1);
    expect(answerOf(run, b)).toMatchObject({ kind: "deadlock_victim", released: ["l"], order: ["l"] });
    expect([a.holds.length, b.holds.length, mayAct(a)]).toEqual([1, 0, true]);
    expect(run.events("finding")).toMatchObject([{ kind: "deadlock", cycle: "l, s" }]);
  });

  test("[B2] it is no deadlock that one before in line goes on late, when there are permits for both", () => {
    const [run, holder, before, behind] = began<[Leased, Leased, Leased]>(3, 3);
    take(run, holder, 2);
    lock(run, behind, "l");
    run.step((step) => {
      acquirePermits(step, before, { call: "p", name: "s", permits: 2, until: 0 });
      acquire(step, before, { call: "l", names: ["l"], mode: "exclusive", until: 0 });
    });
    expect(take(run, behind, 1).kind).toBe("waiting");
    expect(findings(run)).toEqual([]);
    run.complete(holder);
    expect([has(before), has(behind), mayAct(before), mayAct(behind)]).toEqual([2, 1, false, true]);
    run.complete(behind);
    expect(mayAct(before)).toBe(true);
  });

  test("[B2] it is one when there are not", () => {
    const [run, holder, before, behind] = began<[Leased, Leased, Leased]>(2, 3);
    take(run, holder, 1);
    lock(run, behind, "l");
    run.step((step) => {
      acquirePermits(step, before, { call: "p", name: "s", permits: 2, until: 0 });
      acquire(step, before, { call: "l", names: ["l"], mode: "exclusive", until: 0 });
    });
    take(run, behind, 1);
    expect(victims(run)).toEqual([behind.n]);
  });

  test("[S2] in a long line each newcomer and each grant costs about the same, whatever they hold", () => {
    const looksIn = (length: number): number => {
      const run = new Run({ workers: length + 1 });
      create(run, "s", 1);
      create(run, "other", length + 1);
      const tasks = started(run, length + 1) as Leased[];
      for (const [i, task] of tasks.entries()) {
        take(run, task, 1, { name: "other" });
        lock(run, task, `own-${i}`);
      }
      const looks = vi.spyOn(run.state, "task");
      for (const task of tasks) take(run, task, 1);
      for (const task of tasks) give(run, task, 1);
      expect(run.events("permits_granted").filter(({ name }) => name === "s")).toHaveLength(length + 1);
      return looks.mock.calls.length;
    };
    expect(looksIn(800) / looksIn(200)).toBeLessThan(5);
  });

  test("[O3] who waits lends its priority to those who hold", () => {
    const run = new Run();
    create(run, "s", 2);
    const [low, high] = run.post({ priority: 1 }, { priority: 8 }).map((task) => run.start(task)) as [Leased, Leased];
    take(run, low, 2);
    take(run, high, 1);
    expect(low.effective).toBe(8);
    give(run, low, 1);
    expect(low.effective).toBe(1);
  });
});

interface Share {
  readonly name: string;
  readonly task: number;
  readonly permits: number;
}

/** Semaphores as lists of who holds and of who waits. */
class Model {
  held: Share[] = [];
  line: Share[] = [];
  readonly #sizes: Readonly<Record<string, number>>;

  constructor(sizes: Readonly<Record<string, number>>) {
    this.#sizes = sizes;
  }

  free(name: string): number {
    return this.held.reduce((free, one) => (one.name === name ? free - one.permits : free), this.#sizes[name]!);
  }

  /** Grants what can be, first in first. */
  settle(): void {
    for (const name of Object.keys(this.#sizes)) {
      for (let first = this.#first(name); first && first.permits <= this.free(name); first = this.#first(name)) {
        this.line.splice(this.line.indexOf(first), 1);
        this.held.push(first);
      }
    }
  }

  #first(name: string): Share | undefined {
    return this.line.find((one) => one.name === name);
  }

  /** Who is left when everybody who can has ended. */
  stuck(): number[] {
    const copy = new Model(this.#sizes);
    copy.held = [...this.held];
    copy.line = [...this.line];
    for (let before = -1; before !== copy.line.length + copy.held.length; ) {
      before = copy.line.length + copy.held.length;
      copy.held = copy.held.filter(({ task }) => copy.line.some((one) => one.task === task));
      copy.settle();
    }
    return copy.line.map(({ task }) => task);
  }

  sumOf(task: number, name: string): number {
    return this.held.reduce((sum, one) => (one.task === task && one.name === name ? sum + one.permits : sum), 0);
  }
}

/** What must hold between any two steps, from the tasks alone. */
function checkPermits(run: Run, sizes: Readonly<Record<string, number>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    const line = run.state.blocking.line(name, "semaphore");
    const held = allTasks(run.state).reduce((sum, task) => sum + has(task, name), 0);
    expect(line.held, "[S1]").toBe(held);
    expect(held <= size, "[S1] no more are held than there are").toBe(true);
    if (line.first) expect(line.first.want.permits > size - held, "[B5]").toBe(true);
  }
  for (const task of allTasks(run.state)) if (isEnded(task)) expect(task.permits, "[B1]").toEqual([]);
}

test("[S1] [S2] [S3] [B1] [B2] any order of ops is as a ten-line model says, ends, and replays to the same", () => {
  const sizes = { s: 4, t: 2 };
  const op = fc.record({
    task: fc.nat(4),
    what: fc.constantFrom("take", "take", "take", "give", "park", "end", "fail", "lose", "time"),
    name: fc.constantFrom<"s" | "t">("s", "t"),
    permits: fc.integer({ min: 1, max: 3 }),
    timed: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
      const run = new Run({ pools: ["gpu"] });
      for (const [name, size] of Object.entries(sizes)) create(run, name, size);
      const tasks = run.post({}, {}, { priority: 3 }, { priority: 1 }, { pool: "gpu" });
      const model = new Model(sizes);
      const drop = (task: Task) => {
        model.line = model.line.filter((one) => one.task !== task.n);
      };
      const release = (task: Task) => {
        model.held = model.held.filter((one) => one.task !== task.n);
      };
      for (const [i, { task: n, what, name, permits, timed }] of ops.entries()) {
        run.now += 10;
        const from = run.state.header.seq;
        const task = tasks[n]!;
        if (what === "time") {
          run.clock(40);
          for (const { event } of run.log.filter(({ seq }) => seq > from)) {
            if (event.type === "call_done" && event.why === "timed_out") drop(run.state.task(event.task));
          }
        } else if (isEnded(task)) continue;
        else if (what === "end" || what === "fail") {
          if (what === "end" || task.phase.state === "parked") run.cancel(task);
          else run.fail(task);
          drop(task);
          release(task);
        } else {
          if (task.phase.state === "ready") run.start(task);
          if (task.phase.state !== "running") continue;
          if (what === "lose") {
            run.lose(task, "restart");
            if (n === 4) drop(task);
          } else if (waits(task)) {
            if (what === "park") run.giveBack(task);
          } else if (what === "take") {
            const share = { name, task: task.n, permits };
            const mine = model.sumOf(task.n, name);
            const isFree = permits <= model.free(name) && !model.line.some((one) => one.name === name);
            const expected = permits > sizes[name] ? "over_capacity" : isFree ? "permits" : "waiting";
            const until = timed ? run.now + 200 : 0;
            const { kind } = take(run, task, permits, { name, call: `c${i}`, until });
            expect(kind).toBe(permits <= sizes[name] && mine + permits > sizes[name] ? "waits_for_itself" : expected);
            if (kind === "permits") model.held.push(share);
            else if (kind === "waiting") model.line.push(share);
          } else if (what === "give") {
            const mine = model.sumOf(task.n, name);
            const refused = give(run, task, permits, name);
            expect(refused === undefined).toBe(permits <= mine);
            if (!refused) {
              model.held = model.held.filter((one) => one.task !== task.n || one.name !== name);
              if (mine > permits) model.held.push({ name, task: task.n, permits: mine - permits });
            }
          }
        }
        model.settle();
        for (const victim of victims(run, from)) {
          expect(model.stuck(), "[B2] only one that could never end is a victim").toContain(victim);
          drop(run.state.task(victim));
          release(run.state.task(victim));
          model.settle();
        }
        expect(model.stuck(), "[B2] no deadlock outlives a step").toEqual([]);
        for (const one of ["s", "t"] as const) {
          expect(tasks.map((each) => has(each, one))).toEqual(tasks.map((each) => model.sumOf(each.n, one)));
          const waiters = run.state.blocking.line(one, "semaphore").waiters;
          expect(waiters.map((each) => [each.task, each.want.permits])).toEqual(
            model.line.filter((each) => each.name === one).map((each) => [each.task, each.permits]),
          );
        }
        checkPermits(run, sizes);
        checkState(run.state, run.now);
      }
      expectRebuilt(run, ["s", "t"]);
      endAll(run);
    }),
    { numRuns: 300 },
  );
});

type Op = readonly ["take" | "give" | "lock", string, number?];

test.each<[string, readonly (readonly Op[])[]]>([
  [
    "two semaphores in opposite orders",
    [
      [
        ["take", "s", 2],
        ["take", "t", 1],
      ],
      [
        ["take", "t", 1],
        ["take", "s", 1],
      ],
      [
        ["take", "s", 1],
        ["give", "s", 1],
      ],
    ],
  ],
  [
    "one semaphore in parts",
    [
      [
        ["take", "s", 1],
        ["take", "s", 1],
      ],
      [
        ["take", "s", 1],
        ["take", "s", 1],
        ["give", "s", 2],
      ],
      [["take", "s", 2]],
    ],
  ],
  [
    "a semaphore and a lock",
    [
      [
        ["take", "s", 2],
        ["lock", "l"],
      ],
      [
        ["lock", "l"],
        ["take", "s", 1],
      ],
      [
        ["take", "s", 1],
        ["take", "t", 1],
      ],
    ],
  ],
])("[S1] [B2] [B5] every interleaving of three tasks: %s", (_, programs) => {
  const sizes = { s: 2, t: 1 };
  const whole = everyInterleaving((schedule) => {
    const run = new Run();
    for (const [name, size] of Object.entries(sizes)) create(run, name, size);
    const tasks = started(run, programs.length);
    const done = programs.map(() => 0);
    for (const n of schedule) {
      const task = tasks[n]!;
      const [what, name = "", permits = 0] = programs[n]![done[n]!++] ?? ["end"];
      if (what === "take") take(run, task, permits, { name, call: `c${done[n]}` });
      else if (what === "give") give(run, task, permits, name);
      else if (what === "lock") lock(run, task, name);
      else run.complete(task);
    }
    checkPermits(run, sizes);
    return whoCanGoOn(run, tasks);
  });
  expect(whole).toBeGreaterThan(50);
});
