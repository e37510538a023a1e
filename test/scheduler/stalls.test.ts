import * as fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { endActor, openActor } from "../../src/scheduler/actors.ts";
import { closeCall, wake } from "../../src/scheduler/calls.ts";
import { nextClock } from "../../src/scheduler/clock.ts";
import { completeTask } from "../../src/scheduler/end-task.ts";
import { settle } from "../../src/scheduler/ending.ts";
import { awaitFutures, settleFuture } from "../../src/scheduler/futures.ts";
import { handOver } from "../../src/scheduler/hand-over.ts";
import { canSomebodyGoOn, findStuck } from "../../src/scheduler/liveness.ts";
import { acquire, releaseLock } from "../../src/scheduler/locks.ts";
import { closeQueue, createQueue, pop, push } from "../../src/scheduler/message-queues.ts";
import { acquirePermits, createSemaphore } from "../../src/scheduler/semaphores.ts";
import type { RunState } from "../../src/scheduler/state.ts";
import { Step } from "../../src/scheduler/step.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { beginAwait } from "../../src/scheduler/waits.ts";
import { MemoryStore } from "../sim/memory-store.ts";
import { answerOf, answersOf, endAll, expectRebuilt, findings, mayAct, rooted, started, victims } from "./blocking.ts";
import { checkState } from "./check.ts";
import { type Leased, Run, states } from "./run.ts";

interface More {
  readonly call?: string;
  readonly until?: number;
  readonly external?: boolean;
}

const popFrom = (run: Run, task: Task, name: string, { call = `c-${name}`, until = 0, external = false }: More = {}) =>
  run.step((step) => pop(step, { task, call, until }, name, { max: 1, external }));
const pushTo = (run: Run, task: Task | undefined, name: string) =>
  run.step((step) => push(step, { task, call: `p-${name}`, until: 0 }, name, { messages: [name], sizes: [3] }));
const awaitFuture = (
  run: Run,
  task: Task,
  name: string,
  { call = `f-${name}`, until = 0, external = false }: More = {},
) => run.step((step) => awaitFutures(step, task, { call, names: [name], mode: "all", one: true, until, external }));
const lock = (run: Run, task: Task, name: string, call = `l-${name}`) =>
  run.step((step) => acquire(step, task, { call, names: [name], mode: "exclusive", until: 0 }));
const victimOf = (task: Task, ...others: Task[]) => ({
  kind: "deadlock_victim",
  cycle: [task, ...others].map(({ n }) => n),
  released: [],
  order: [],
  stall: true,
});

describe("stalls", () => {
  test("[B3] with a root: the youngest of those alike is the victim at once", () => {
    const run = new Run();
    const [root, other] = rooted(run, 2) as [Leased, Leased];
    popFrom(run, root, "q");
    expect(findings(run)).toEqual([]);
    popFrom(run, other, "q");
    expect(answerOf(run, other)).toEqual(victimOf(other, root));
    expect([mayAct(root), mayAct(other), findings(run)]).toEqual([false, true, ["deadlock"]]);
    run.complete(other);
    expect([mayAct(root), findings(run)]).toEqual([true, ["deadlock", "deadlock"]]);
    expectRebuilt(run, ["q"]);
  });

  test("[B3] the victim has the lowest priority, then the fewest tokens", () => {
    for (const [first, second, used, victim] of [
      [3, 7, 0, 0],
      [7, 3, 9, 1],
      [5, 5, 9, 1],
      [5, 5, -9, 0],
    ] as const) {
      const run = new Run();
      const pair = [run.root({ priority: first }), ...run.post({ priority: second, detached: true })];
      for (const task of pair) run.start(task);
      run.turn(pair[used > 0 ? 0 : 1]!, Math.abs(used));
      popFrom(run, pair[0]!, "q");
      awaitFuture(run, pair[1]!, "f");
      expect(victims(run)).toEqual([pair[victim]!.n]);
    }
  });

  test("[B3] without a root: a finding once, and a victim after limits.stall_ms", () => {
    const run = new Run({ stallMs: 5000 });
    const [a, b] = started(run, 2) as [Leased, Leased];
    popFrom(run, a, "q");
    awaitFuture(run, b, "f");
    for (const one of [a, b]) run.giveBack(one);
    expect(run.events("finding")).toMatchObject([{ kind: "stall", subjects: [b.n, a.n] }]);
    expect(nextClock(run.state)).toBe(run.now + 5000);
    run.clock(4999);
    expect([findings(run), victims(run)]).toEqual([["stall"], []]);
    run.clock(1);
    expect([findings(run), victims(run)]).toEqual([["stall", "deadlock"], [b.n]]);
    expect(answerOf(run, b)).toEqual(victimOf(b, a));
    expect(states(a, b)).toBe("parked ready");
    expect(run.state.header.stalledAt).toBe(0);
    checkState(run.state, run.now);
    expectRebuilt(run, ["q", "f"]);
  });

  test("[B3] a call from outside puts the victim off", () => {
    const run = new Run({ stallMs: 5000 });
    const [a] = started(run, 1) as [Leased];
    popFrom(run, a, "q");
    run.giveBack(a);
    run.clock(3000);
    run.state.outsideAt = run.now;
    expect(nextClock(run.state)).toBe(run.now + 5000);
    run.clock(4999);
    expect(victims(run)).toEqual([]);
    run.clock(1);
    expect(victims(run)).toEqual([a.n]);
  });

  test("[B3] `external` and a timeout keep a wait out of it", () => {
    for (const more of [{ external: true }, { until: 1_000_000 + 3000 }]) {
      const run = new Run();
      const [root, a] = rooted(run, 2) as [Leased, Leased];
      popFrom(run, root, "q", more);
      popFrom(run, a, "q2", more);
      expect([findings(run), victims(run)]).toEqual([[], []]);
      checkState(run.state, run.now);
    }
    const run = new Run();
    const [root, a] = rooted(run, 2) as [Leased, Leased];
    popFrom(run, root, "q");
    awaitFuture(run, a, "f", { external: true });
    // Who waits for somebody outside will go on, and may push then.
    expect(findings(run)).toEqual([]);
    run.step((step) => settleFuture(step, "f", { task: undefined, state: "resolved", value: 1 }));
    run.complete(a);
    expect(victims(run)).toEqual([root.n]);
  });

  test("[B3] nor is it one while somebody goes on after a timeout, though it ends only after who waits for it", () => {
    const run = new Run();
    const [root] = rooted(run, 1) as [Leased];
    const [child] = run.make(root, {}) as [Task];
    run.await(root, [child], "all", run.now + 1000);
    run.giveBack(root);
    popFrom(run, run.start(child), "q");
    expect(findings(run)).toEqual([]);
    run.clock(1000);
    pushTo(run, run.start(root), "q");
    expect([mayAct(child), findings(run)]).toEqual([true, []]);
    checkState(run.state, run.now);
  });

  test("[B3] nor while a wait for a lock or for permits times out, or a hold of a lock ends", () => {
    const timed = { call: "c", mode: "exclusive" as const, permits: 1, until: 1_000_000 + 1000 };
    for (const [holdMs, ask] of [
      [0, (step: Step, task: Task) => acquire(step, task, { ...timed, names: ["l"] })],
      [0, (step: Step, task: Task) => acquirePermits(step, task, { ...timed, name: "s" })],
      [1000, (step: Step, task: Task) => acquire(step, task, { ...timed, names: ["l"], until: 0 })],
    ] as const) {
      const run = new Run({ holdMs });
      const [root, other] = rooted(run, 2) as [Leased, Leased];
      lock(run, root, "l");
      run.step((step) => createSemaphore(step, "s", 1));
      run.step((step) => acquirePermits(step, root, { call: "s", name: "s", permits: 1, until: 0 }));
      popFrom(run, root, "q");
      run.step((step) => ask(step, other));
      expect([findings(run), victims(run)]).toEqual([[], []]);
      run.clock(1000);
      expect([mayAct(root), mayAct(other), victims(run)]).toEqual([false, true, []]);
      pushTo(run, other, "q");
      expect(mayAct(root)).toBe(true);
    }
  });

  test("[B3] that none is there is found once, however often somebody asks while nothing happens", () => {
    const run = new Run();
    const [root, ...others] = rooted(run, 51) as [Leased, ...Leased[]];
    lock(run, root, "l");
    for (const one of others)
      run.step((step) =>
        acquire(step, one, { call: "l", names: ["l"], mode: "exclusive", until: run.now + 1000 + one.n }),
      );
    popFrom(run, root, "q");
    const live = vi.spyOn(run.state, "live");
    run.step(() => undefined);
    expect(live.mock.calls.length).toBeLessThan(others.length);
    live.mockRestore();
    run.clock(1000 + others[0]!.n);
    expect([findings(run), mayAct(others[0]!)]).toEqual([[], true]);
    // Each that times out may go on; when the last waits anew, for ever, it is looked for again.
    for (const one of others) {
      run.clock(1);
      popFrom(run, one, "q");
    }
    expect(victims(run)).toHaveLength(1);
    checkState(run.state, run.now);
  });

  test("[B3] what stands in a line for a time only keeps nobody behind it for ever", () => {
    for (const kind of ["lock", "semaphore"] as const) {
      const run = new Run();
      const ask = (task: Task, call: string, until = 0) =>
        run.step((step) =>
          kind === "lock"
            ? acquire(step, task, { call, names: ["v"], mode: "exclusive", until })
            : acquirePermits(step, task, { call, name: "v", permits: 1, until }),
        );
      const [before, behind] = rooted(run, 2) as [Leased, Leased];
      const session = run.step((step) => openActor(step, 60_000, "outside"));
      if (kind === "semaphore") run.step((step) => createSemaphore(step, "v", 1));
      ask(session, "first");
      ask(before, "a", run.now + 1000);
      popFrom(run, before, "q");
      ask(behind, "b");
      expect(findings(run)).toEqual([]);
      run.clock(1000);
      run.step((step) => endActor(step, session, "closed"));
      expect([mayAct(behind), findings(run)]).toEqual([true, []]);
    }
  });

  test("[B3] of a task's several waits, those that keep it are ended together, and no other", () => {
    const run = new Run();
    const [root] = rooted(run, 1) as [Leased];
    const until = run.now + 3000;
    run.step((step) => {
      pop(step, { task: root, call: "timed", until }, "q", { max: 1, external: false });
      pop(step, { task: root, call: "external", until: 0 }, "q", { max: 1, external: true });
      for (const call of ["one", "two", "three"])
        pop(step, { task: root, call, until: 0 }, "q", { max: 1, external: false });
    });
    expect(root.calls.filter(({ state }) => state === "waiting").map(({ id }) => id)).toEqual(["timed", "external"]);
    run.clock(3000);
    run.giveBack(root);
    expect(states(root)).toBe("parked");
    pushTo(run, undefined, "q");
    expect(states(root)).toBe("ready");
  });

  test("[B3] without a root too, after the time of a stall", () => {
    const run = new Run({ stallMs: 1000 });
    const [a] = started(run, 1) as [Leased];
    popFrom(run, a, "q", { call: "one" });
    popFrom(run, a, "q", { call: "two" });
    run.giveBack(a);
    run.clock(999);
    expect(states(a)).toBe("parked");
    run.clock(1);
    expect([states(a), findings(run)]).toEqual(["ready", ["stall", "deadlock"]]);
  });

  test("[B3] a push from outside ends the stall, and the next one is another", () => {
    const run = new Run({ stallMs: 1000 });
    const [a] = started(run, 1) as [Leased];
    popFrom(run, a, "q", { call: "one" });
    run.clock(900);
    pushTo(run, undefined, "q");
    expect([mayAct(a), run.state.header.stalledAt]).toEqual([true, 0]);
    expect(nextClock(run.state)).toBeGreaterThan(run.now + 1000);
    run.clock(100);
    expect(victims(run)).toEqual([]);
    popFrom(run, a, "q", { call: "two" });
    expect(findings(run)).toEqual(["stall", "stall"]);
    run.clock(999);
    expect(victims(run)).toEqual([]);
    run.clock(1);
    expect(victims(run)).toEqual([a.n]);
  });

  test("[B3] it is over too when who waits ends, loses its lease or goes on without an answer: no clock stays behind", () => {
    for (const act of [
      (run: Run, task: Task) => run.cancel(task),
      (run: Run, task: Task) => run.lose(task),
      (run: Run, task: Task) => run.turn(task),
    ]) {
      const run = new Run({ stallMs: 1000 });
      const [a] = started(run, 1) as [Leased];
      popFrom(run, a, "q");
      expect(findings(run)).toEqual(["stall"]);
      act(run, a);
      expect(run.state.header.stalledAt).toBe(0);
      expect(nextClock(run.state)).toBeGreaterThan(run.now + 1000);
      checkState(run.state, run.now);
    }
  });

  test("[B3] one who waits for a lock of a stalled one waits no longer than that", () => {
    const run = new Run({ stallMs: 1000 });
    const [a, b] = run.post({ priority: 7 }, { priority: 7 }).map((task) => run.start(task)) as [Leased, Leased];
    lock(run, a, "l");
    run.turn(b, 9);
    lock(run, b, "l");
    expect(findings(run)).toEqual([]);
    popFrom(run, a, "q");
    expect(run.events("finding")).toMatchObject([{ kind: "stall", subjects: [a.n, b.n] }]);
    for (const one of [a, b]) run.giveBack(one);
    run.clock(1000);
    expect(answerOf(run, a)).toEqual({ ...victimOf(a, b), released: ["l"] });
    expect(answerOf(run, b)).toEqual({ kind: "granted", tokens: { l: 2 } });
    expect(states(a, b)).toBe("ready ready");
  });

  test("[B2] a circle that somebody outside can't undo is found at once, beside a wait that he can", () => {
    const run = new Run();
    const [a, b, c] = started(run, 3) as [Leased, Leased, Leased];
    lock(run, a, "x");
    lock(run, b, "y");
    lock(run, c, "z");
    popFrom(run, c, "q");
    lock(run, a, "y");
    run.step((step) => {
      acquire(step, b, { call: "z", names: ["z"], mode: "exclusive", until: 0 });
      acquire(step, b, { call: "x", names: ["x"], mode: "exclusive", until: 0 });
    });
    expect(run.events("finding")[0]).toMatchObject({ kind: "deadlock", cycle: "x, y" });
    expect([victims(run), mayAct(a)]).toEqual([[b.n], true]);
  });

  test("[B2] a circle through a task in the midst of its reply is one only when all of that is carried out", () => {
    for (const releases of [true, false]) {
      const run = new Run();
      const [a, b] = started(run, 2) as [Leased, Leased];
      lock(run, a, "x");
      lock(run, b, "y");
      run.step((step) => {
        acquire(step, a, { call: "y", names: ["y"], mode: "exclusive", until: 0 });
        run.state.blocking.setUnfinished(a, true);
      });
      // Another's step comes between two of the reply's.
      lock(run, b, "x", "x");
      expect(findings(run)).toEqual([]);
      run.step((step) => {
        if (releases) releaseLock(step, a, "x");
        run.state.blocking.setUnfinished(a, false);
      });
      expect(victims(run)).toEqual(releases ? [] : [b.n]);
      expect([mayAct(a), mayAct(b)]).toEqual([!releases, true]);
    }
  });

  test("[B2] it is one too when the task's lease is lost before, and when it waited before that reply went on", () => {
    const run = new Run();
    const [a, b, c] = started(run, 3) as [Leased, Leased, Leased];
    lock(run, a, "x");
    lock(run, b, "y");
    lock(run, a, "y");
    run.step(() => run.state.blocking.setUnfinished(a, true));
    lock(run, b, "x", "x");
    expect(findings(run)).toEqual([]);
    run.lose(a);
    expect(victims(run)).toEqual([b.n]);
    checkState(run.state, run.now);
    run.complete(c);
  });

  test("[B2] nor is it one before the next attempt has carried out what a lost lease left of the reply", () => {
    for (const releases of [true, false]) {
      const run = new Run();
      const [a, b] = started(run, 2) as [Leased, Leased];
      lock(run, a, "x");
      lock(run, b, "y");
      run.turn(a, 0, true);
      run.step((step) => {
        acquire(step, a, { call: "y", names: ["y"], mode: "exclusive", until: 0 });
        run.state.blocking.setUnfinished(a, true);
      });
      lock(run, b, "x", "x");
      run.lose(a);
      run.start(a);
      run.clock(1000);
      expect(findings(run)).toEqual([]);
      run.step((step) => {
        if (releases) releaseLock(step, a, "x");
        run.state.blocking.setUnfinished(a, false);
      });
      expect(victims(run)).toEqual(releases ? [] : [b.n]);
      checkState(run.state, run.now);
    }
  });

  test("[B2] an attempt that finds nothing left of the reply parks, which says so", () => {
    const run = new Run();
    const [a, b] = started(run, 2) as [Leased, Leased];
    lock(run, a, "x");
    lock(run, b, "y");
    run.turn(a, 0, true);
    lock(run, a, "y");
    lock(run, b, "x", "x");
    run.lose(a);
    run.start(a);
    expect(findings(run)).toEqual([]);
    run.giveBack(a);
    expect(victims(run)).toEqual([b.n]);
  });

  test("[B2] of a task that is retried no reply is left to be carried out", () => {
    const run = new Run();
    const [a, b] = started(run, 2) as [Leased, Leased];
    run.turn(a, 0, true);
    run.fail(a);
    run.retry(a);
    run.start(a);
    lock(run, a, "x");
    lock(run, b, "y");
    lock(run, a, "y");
    lock(run, b, "x", "x");
    expect(victims(run)).toEqual([b.n]);
  });

  test("[W4] an await of mode any is not given up for a target that somebody outside can wake", () => {
    const run = new Run({ stallMs: 1000 });
    const [waiter, a, b] = started(run, 3) as [Leased, Leased, Leased];
    run.park(waiter, [a, b], "any");
    popFrom(run, b, "q");
    run.fail(a);
    expect([states(waiter), findings(run)]).toEqual(["parked", ["stall"]]);
    pushTo(run, undefined, "q");
    run.complete(b);
    expect(states(waiter)).toBe("ready");
  });

  test("[B3] a second call of a reply may await one that somebody outside can wake", () => {
    const run = new Run();
    const [a, b] = started(run, 2) as [Leased, Leased];
    popFrom(run, b, "q");
    popFrom(run, a, "q2");
    expect(run.await(a, [b])).toEqual({ kind: "waiting" });
  });

  test("[B3] a producer's end leaves the consumers' pops to end one after another", () => {
    const run = new Run();
    const [producer, a, b, c] = rooted(run, 4) as [Leased, Leased, Leased, Leased];
    const consumers = [a, b, c];
    for (const one of consumers) popFrom(run, one, "q");
    pushTo(run, producer, "q");
    expect([mayAct(a), mayAct(b)]).toEqual([true, false]);
    popFrom(run, a, "q", { call: "again" });
    run.complete(producer);
    for (let left = consumers.length; left > 0; left--) {
      expect(victims(run)).toHaveLength(4 - left);
      const going = consumers.filter(mayAct);
      expect(going).toHaveLength(1);
      run.complete(going[0]!);
    }
    expect([victims(run), run.state.header.status]).toEqual([[c.n, b.n, a.n], "succeeded"]);
  });

  test.each([
    ["x", "y", "x, y"],
    ["constructor", "constructor", "constructor"],
    ["__proto__", "__proto__", "__proto__"],
  ])("[B2] the same circle of %s and %s for the third time is reported, once", (x, y, cycle) => {
    const run = new Run();
    for (let round = 1; round <= 5; round++) {
      const [a, b] = started(run, 2) as [Leased, Leased];
      if (x === y) {
        // Two that hold some of a semaphore and want the rest.
        run.step((step) => createSemaphore(step, x, 2));
        for (const task of [a, b])
          run.step((step) => acquirePermits(step, task, { call: "one", name: x, permits: 1, until: 0 }));
        for (const task of [a, b])
          run.step((step) => acquirePermits(step, task, { call: "two", name: x, permits: 1, until: 0 }));
      } else {
        lock(run, a, x);
        lock(run, b, y);
        lock(run, a, y);
        lock(run, b, x);
      }
      expect(victims(run)).toHaveLength(round);
      expect(findings(run).filter((kind) => kind === "deadlock_repeated")).toHaveLength(round < 3 ? 0 : 1);
      for (const task of [a, b]) run.complete(task);
    }
    expect(Object.entries(run.state.header.cycles ?? {})).toEqual([[cycle, 5]]);
  });

  test("[B3] a stall that comes again and again is reported as a circle is", () => {
    const run = new Run();
    const [root] = rooted(run, 1) as [Leased];
    for (let round = 1; round <= 5; round++) {
      popFrom(run, root, "q", { call: `c${round}` });
      expect(findings(run).filter((kind) => kind === "deadlock_repeated")).toHaveLength(round < 3 ? 0 : 1);
    }
    expect(answersOf(run, root)).toHaveLength(5);
  });
});

/** Waits that anybody could end: by a message, for room, or by a value. */
const isForAnyone = (kind: string | undefined) => kind === "pop" || kind === "push" || kind === "future";

/**
 * Who is left when everybody who can does all that anybody waits for, and ends: by the engine's own steps, none of which ends
 * a wait for being a deadlock. `outside`: somebody outside pushes, pops and resolves.
 */
function leftOver(state: RunState, outside: boolean): number[] {
  const take = (decide: (step: Step) => void) => {
    const step = new Step(state, 1_000_000);
    decide(step);
    handOver(step);
  };
  const live = () => [...state.tasks.values()].filter(({ n }) => state.live(n));
  /** Whether there were any. */
  const endWaits = (which: (call: { want: string | undefined; until: number; asked: boolean }) => boolean): boolean => {
    let ended = false;
    for (const task of live()) {
      for (const call of task.calls) {
        if (call.state !== "waiting") continue;
        const { id, want, until, seq } = call;
        // Of a queue the first in line gets the next message: nobody outside is asked for another.
        const isNext = want?.kind !== "pop" || state.blocking.line(want.names[0], "message_queue").first?.seq === seq;
        const asked = want !== undefined && "external" in want && want.external && isNext;
        if (!which({ want: want?.kind, until, asked })) continue;
        take((step) => wake(step, task, closeCall(step, task, id, "answered", { kind: "timed_out", names: [] })));
        ended = true;
      }
    }
    return ended;
  };
  const waits = (task: Task) => task.calls.some((call) => call.state === "waiting");
  const canGoOn = (task: Task) => task.phase.state === "running" && !waits(task);
  // A timeout counts for locks and permits only where nobody goes on: what is no cycle waits for it. What ends lets the next in line be
  // asked for.
  const isStill = !outside && !live().some(canGoOn);
  const endsByTime = (want: string | undefined) => isStill || (want !== "lock" && want !== "semaphore");
  const endAsked = () => endWaits(({ want, until, asked }) => asked || (until > 0 && endsByTime(want)));
  while (endAsked());
  if (outside) endWaits(({ want }) => isForAnyone(want));
  if (live().some(canGoOn)) endWaits(({ want }) => isForAnyone(want));
  // Whoever can go on does all that it ever will; it ends with its children.
  for (let one = live().find(canGoOn); one; one = live().find(canGoOn)) {
    const task = one as Leased;
    take((step) => {
      completeTask(step, task, task.phase.fence, "done");
      settle(step);
    });
    if (live().some(canGoOn)) endWaits(({ want }) => isForAnyone(want));
  }
  return live()
    .map(({ n }) => n)
    .sort((a, b) => a - b);
}

test("[B2] [B3] on any small graph, whom liveness holds for stuck is left when all others have ended, and nobody else", () => {
  const op = fc.record({
    task: fc.nat(5),
    what: fc.constantFrom(
      "lock",
      "lock",
      "read",
      "both",
      "permits",
      "permits",
      "pop",
      "pop",
      "push",
      "future",
      "await",
      "any",
      "child",
    ),
    name: fc.nat(2),
    permits: fc.integer({ min: 1, max: 2 }),
    kept: fc.constantFrom("", "", "", "until", "external", "external"),
  });
  let stuckOnes = 0;
  let freeOnes = 0;
  fc.assert(
    fc.property(fc.array(op, { minLength: 4, maxLength: 24 }), (ops) => {
      const run = new Run({ workers: 100 });
      for (const name of ["s0", "s1", "s2"]) run.step((step) => createSemaphore(step, name, 3));
      for (const name of ["q0", "q1", "q2"]) run.step((step) => createQueue(step, name, 1));
      const tasks = started(run, 6);
      // Cycles stay: the steps hand over, and nothing more.
      const take = (decide: (step: Step) => unknown) => {
        const step = new Step(run.state, run.now);
        decide(step);
        handOver(step);
        run.state.blocking.fresh.clear();
        for (const one of step.decided) run.log.push({ ...one, at: run.now });
      };
      for (const [i, { task: n, what, name, permits, kept }] of ops.entries()) {
        const task = tasks[n]!;
        // One reply makes at most two calls that wait.
        if (task.calls.filter(({ state }) => state === "waiting").length > 1) continue;
        const call = `c${i}`;
        const until = kept === "until" ? run.now + 1000 : 0;
        const external = kept === "external";
        const other = (by: number) => tasks[(n + by + name) % 6]!.n;
        if (what === "lock" || what === "read" || what === "both") {
          const names = what === "both" ? ["a", `l${name}`] : [name === 0 ? "a" : `l${name}`];
          const mode = what === "read" ? "shared" : "exclusive";
          take((step) => acquire(step, task, { call, names, mode, until }));
        } else if (what === "permits") {
          take((step) => acquirePermits(step, task, { call, name: `s${name}`, permits, until }));
        } else if (what === "pop") {
          take((step) => pop(step, { task, call, until }, `q${name}`, { max: 1, external }));
        } else if (what === "push") {
          take((step) => push(step, { task, call, until }, `q${name}`, { messages: [i], sizes: [1] }));
        } else if (what === "future") {
          const names = [`f${name}`, `f${permits}`].filter((one, at, all) => all.indexOf(one) === at);
          const mode = permits === 1 ? "any" : "all";
          take((step) => awaitFutures(step, task, { call, names, mode, one: false, until, external }));
        } else if (what === "child") {
          if (task.calls.length > 0) continue;
          const [child] = run.make(task, {}) as [Task];
          tasks.push(run.start(child));
          take((step) => acquire(step, child, { call, names: [`l${name}`], mode: "exclusive", until: 0 }));
        } else {
          const targets = what === "any" ? [other(1), other(2)] : [other(1)];
          if (!targets.includes(task.n))
            take((step) => beginAwait(step, task, { id: call, targets, mode: what === "any" ? "any" : "all", until }));
        }
      }
      const all = [...run.state.tasks.keys()];
      for (const outside of [false, true]) {
        const stuck = [...findStuck(run.state, all, { still: !outside && !canSomebodyGoOn(run.state) }).ending].sort(
          (a, b) => a - b,
        );
        const store = new MemoryStore();
        store.log.push(...run.log);
        expect(stuck).toEqual(leftOver(store.replay(), outside));
        stuckOnes += stuck.length;
        freeOnes += all.length - stuck.length;
      }
      // The next step ends what can't end, and all the others go on.
      run.state.blocking.fresh.clear();
      for (const n of all) run.state.blocking.fresh.add(n);
      run.step((step) => closeQueue(step, "unused", undefined));
      expect([...findStuck(run.state, all).ending]).toEqual([]);
      endAll(run);
    }),
    { numRuns: 1000 },
  );
  expect(stuckOnes).toBeGreaterThan(50);
  expect(freeOnes).toBeGreaterThan(50);
});
