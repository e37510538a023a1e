import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { arrive } from "../../src/scheduler/barriers.ts";
import { acquire } from "../../src/scheduler/locks.ts";
import { isEnded, isWorking, type Task } from "../../src/scheduler/task.ts";
import {
  answerOf,
  answersOf,
  endAll,
  everyInterleaving,
  expectRebuilt,
  findings,
  mayAct,
  rooted,
  started,
  victims,
  waits,
  whoCanGoOn,
} from "./blocking.ts";
import { allTasks, checkState } from "./check.ts";
import { type Leased, Run, states } from "./run.ts";

interface More {
  readonly name?: string;
  readonly call?: string;
  readonly members?: readonly Task[];
  readonly until?: number;
}

const come = (run: Run, task: Task, parties: number, { name = "b", call = "c", members = [], until = 0 }: More = {}) =>
  run.step((step) => arrive(step, task, { call, name, parties, members: members.map(({ n }) => n), until }));
/** Tasks that pull workers run. */
const pulled = (run: Run, count: number): Leased[] =>
  run.post(...Array.from({ length: count }, () => ({ pool: "box" }))).map((task) => run.start(task));
const lock = (run: Run, task: Task, name: string) =>
  run.step((step) => acquire(step, task, { call: `l-${name}`, names: [name], mode: "exclusive", until: 0 }));
const broken = (by: Task, why: string, generation = 0, name = "b") => ({
  kind: "broken",
  name,
  generation,
  by: by.n,
  why,
});

describe("barriers", () => {
  test("[G1] all pass in the step in which the last one arrives, and the next are another generation", () => {
    const run = new Run();
    const [a, b, c] = started(run, 3) as [Leased, Leased, Leased];
    for (const one of [a, b]) expect(come(run, one, 3)).toEqual({ kind: "waiting" });
    for (const one of [a, b]) run.giveBack(one);
    run.now += 30;
    const before = run.state.header.seq;
    expect(come(run, c, 3)).toEqual({ kind: "tripped", generation: 0, index: 2 });
    expect(run.log.filter(({ seq, event }) => seq > before && event.type === "call_done")).toHaveLength(2);
    expect([answerOf(run, a), answerOf(run, b)]).toEqual([
      { kind: "tripped", generation: 0, index: 0 },
      { kind: "tripped", generation: 0, index: 1 },
    ]);
    expect(states(a, b)).toBe("ready ready");
    expect(run.events("barrier_tripped")).toMatchObject([{ tasks: [a.n, b.n, c.n], waited_ms: 60 }]);
    expect(come(run, c, 2, { call: "next" })).toEqual({ kind: "waiting" });
    expect(come(run, run.start(a), 2, { call: "next" })).toEqual({ kind: "tripped", generation: 1, index: 1 });
    expect(run.state.blocking.factsOf("b", "barrier")).toMatchObject({ generation: 2, broken: 0, waitedMs: 60 });
    checkState(run.state, run.now);
  });

  test("[G1] one alone passes", () => {
    const run = new Run();
    const [a] = started(run, 1) as [Leased];
    expect(come(run, a, 1)).toEqual({ kind: "tripped", generation: 0, index: 0 });
  });

  test("[G2] it breaks when one that has arrived ends, fails or times out, and the others are told by whom", () => {
    for (const [why, act] of [
      ["ended", (run: Run, task: Leased) => run.cancel(task)],
      ["ended", (run: Run, task: Leased) => run.fail(task)],
      ["timed_out", (run: Run) => run.clock(100)],
    ] as const) {
      const run = new Run();
      const [a, b, c] = started(run, 3) as [Leased, Leased, Leased];
      come(run, a, 4);
      come(run, b, 4, { until: run.now + 100 });
      come(run, c, 4);
      run.giveBack(a);
      act(run, b);
      expect([answerOf(run, a), answerOf(run, c)]).toEqual([broken(b, why), broken(b, why)]);
      expect([states(a), mayAct(c)]).toEqual(["ready", true]);
      if (why === "timed_out") expect(answersOf(run, b)).toEqual([{ kind: "timed_out", names: ["b"] }]);
      expect(come(run, c, 2, { call: "next" })).toEqual({ kind: "waiting" });
      expect(run.state.blocking.factsOf("b", "barrier")).toMatchObject({ generation: 1, broken: 1 });
      checkState(run.state, run.now);
      expectRebuilt(run, ["b"]);
    }
  });

  test("[G2] it breaks when a member ends, or its work does, and at once when one had ended", () => {
    const run = new Run();
    const [a, b, member] = started(run, 3) as [Leased, Leased, Leased];
    const members = [a, b, member];
    for (const one of [a, b]) come(run, one, 3, { members });
    run.make(member, {});
    run.complete(member);
    expect(member.phase).toMatchObject({ state: "parked", on: "children" });
    expect([answerOf(run, a), answerOf(run, b)]).toEqual([broken(member, "ended"), broken(member, "ended")]);
    expect(come(run, a, 3, { members, call: "late" })).toEqual(broken(member, "ended", 1));
    expect(come(run, a, 3, { call: "open" }).kind).toBe("waiting");
    expect(come(run, b, 3, { members, call: "late" })).toEqual(broken(member, "ended", 2));
    expect(answerOf(run, a)).toEqual(broken(member, "ended", 2));
    expect([waits(a), waits(b)]).toEqual([false, false]);
    checkState(run.state, run.now);
  });

  test("[G2] an end that is no member's breaks nothing", () => {
    const run = new Run();
    const [a, other, last] = started(run, 3) as [Leased, Leased, Leased];
    come(run, a, 2);
    run.cancel(other);
    expect(waits(a)).toBe(true);
    expect(come(run, last, 2).kind).toBe("tripped");
  });

  test("[G4] one whose worker is lost has not arrived; its next attempt does, under another call", () => {
    const run = new Run();
    const [a] = pulled(run, 1) as [Leased];
    const [b, c] = started(run, 2) as [Leased, Leased];
    come(run, a, 3);
    come(run, b, 3);
    run.lose(a);
    expect(run.state.blocking.line("b", "barrier").waiters.map(({ task }) => task)).toEqual([b.n]);
    expect(come(run, c, 3).kind).toBe("waiting");
    expectRebuilt(run, ["b"]);
    expect(come(run, run.start(a), 3, { call: "again" })).toEqual({ kind: "tripped", generation: 0, index: 2 });
    run.fail(a);
    expect(run.events("barrier_broken")).toEqual([]);
    checkState(run.state, run.now);
  });

  test("[G4] when it ends without having come back the others are told", () => {
    for (const [why, leave] of [
      ["lost", (run: Run, task: Leased) => run.lose(task)],
      ["tried again", (run: Run, task: Leased) => run.failTransiently(task)],
      ["with a turn", (run: Run, task: Leased) => run.turn(task)],
    ] as const) {
      const run = new Run();
      const [a] = pulled(run, 1) as [Leased];
      const [b] = started(run, 1) as [Leased];
      come(run, a, 3);
      come(run, b, 3);
      leave(run, a);
      expect([waits(b), run.events("barrier_broken").length], why).toEqual([true, 0]);
      expectRebuilt(run, ["b"]);
      run.cancel(a);
      expect(answerOf(run, b), why).toEqual(broken(a, "ended"));
      checkState(run.state, run.now);
    }
  });

  test("[G4] it is expected in its own generation only, and not when somebody came in its place", () => {
    const run = new Run();
    const [a] = pulled(run, 1) as [Leased];
    const [b, c, d] = started(run, 3) as [Leased, Leased, Leased];
    come(run, a, 2);
    run.lose(a);
    come(run, b, 2);
    expect(come(run, c, 2).kind).toBe("tripped");
    come(run, d, 2);
    run.cancel(a);
    expect([waits(d), run.events("barrier_broken").length]).toEqual([true, 0]);
  });

  test("[G3] all who wait together gave the same `parties`", () => {
    const run = new Run();
    const [a, b] = started(run, 2) as [Leased, Leased];
    come(run, a, 3);
    expect(come(run, b, 2)).toEqual({ kind: "parties_mismatch", name: "b", parties: 3, arrived: 1 });
    expect([waits(a), waits(b)]).toEqual([true, false]);
  });

  test("[G3] a task is counted once: another call takes the place of its first, the same call is the first", () => {
    const run = new Run();
    const [a, b, c] = started(run, 3) as [Leased, Leased, Leased];
    come(run, a, 3, { call: "one" });
    expect(come(run, a, 3, { call: "one" })).toEqual({ kind: "waiting" });
    expect(come(run, a, 3, { call: "two" })).toEqual({ kind: "waiting" });
    expect(answersOf(run, a)).toEqual([{ kind: "superseded", names: ["b"] }]);
    come(run, b, 3);
    expect(waits(b)).toBe(true);
    expect(come(run, c, 3).kind).toBe("tripped");
    expect(come(run, b, 3)).toMatchObject({ kind: "done" });
    expect(run.events("barrier_tripped")[0]?.tasks).toEqual([a.n, b.n, c.n]);
  });

  test("[B2] a member that waits for a lock of one that has arrived is a circle, found at once", () => {
    for (const isLockFirst of [true, false]) {
      const run = new Run();
      const [a, b] = started(run, 2) as [Leased, Leased];
      lock(run, a, "l");
      const steps = [() => lock(run, b, "l"), () => come(run, a, 2, { members: [a, b] })];
      for (const step of isLockFirst ? steps : steps.toReversed()) step();
      expect(findings(run)).toEqual(["deadlock"]);
      expect(run.events("finding")).toMatchObject([{ subjects: [b.n, a.n], cycle: "b, l" }]);
      expect([waits(a), mayAct(b)]).toEqual([true, true]);
      expect(come(run, b, 2, { members: [a, b] }).kind).toBe("tripped");
    }
  });

  test("[G2] [B2] the victim's barrier breaks for the others", () => {
    const run = new Run();
    const [b] = run.post({ priority: 9 }).map((task) => run.start(task)) as [Leased];
    const [a, c] = started(run, 2) as [Leased, Leased];
    lock(run, a, "l");
    run.turn(c, 50);
    come(run, c, 3, { members: [a, b, c] });
    come(run, a, 3, { members: [a, b, c] });
    lock(run, b, "l");
    expect(answerOf(run, a)).toMatchObject({ kind: "deadlock_victim", released: ["l"] });
    expect(answerOf(run, c)).toEqual(broken(a, "deadlock"));
    expect([mayAct(a), mayAct(b), mayAct(c), b.holds.length]).toEqual([true, true, true, 1]);
    expectRebuilt(run, ["b", "l"]);
  });

  test("[B2] it is none while enough members can come, though they end only after one who waits", () => {
    const run = new Run();
    const [a, member] = started(run, 2) as [Leased, Leased];
    lock(run, a, "l");
    const [child] = run.make(member, {}) as [Task];
    lock(run, run.start(child), "l");
    expect(come(run, a, 2, { members: [a, member] }).kind).toBe("waiting");
    expect(findings(run)).toEqual([]);
    expect(come(run, member, 2, { members: [a, member] }).kind).toBe("tripped");
    run.complete(a);
    expect(mayAct(child)).toBe(true);
  });

  test("[B3] at a barrier that nobody else comes to: a stall where members are not known", () => {
    const run = new Run();
    const [a, b] = rooted(run, 2) as [Leased, Leased];
    come(run, a, 3);
    expect(findings(run)).toEqual([]);
    come(run, b, 3);
    expect(victims(run)).toEqual([b.n]);
    expect(answerOf(run, a)).toEqual(broken(b, "deadlock"));
    expect([mayAct(a), mayAct(b)]).toEqual([true, true]);
  });
});

/** What must hold between any two steps. */
function checkBarriers(run: Run, names: readonly string[]): void {
  for (const name of names) {
    const { waiters } = run.state.blocking.line(name, "barrier");
    const parties = new Set(waiters.map(({ want }) => want.parties));
    expect(parties.size, "[G3]").toBeLessThan(2);
    for (const one of parties) expect(waiters.length, "[G1]").toBeLessThan(one);
    expect(new Set(waiters.map(({ task }) => task)).size, "[G3]").toBe(waiters.length);
    for (const { want } of waiters) {
      for (const n of want.members) expect(isWorking(run.state.task(n)), "[G2]").toBe(true);
    }
  }
  for (const task of allTasks(run.state)) if (isEnded(task)) expect(task.calls, "[B1]").toEqual([]);
}

/** By the log alone: a generation's arrivals pass together, or are all told that it broke. */
function checkGenerations(run: Run): void {
  const open = new Map<string, Map<string, number>>();
  const numbers = new Map<string, number>();
  for (const { event } of run.log) {
    if (event.type === "call_waiting" && event.want?.kind === "barrier") {
      const [name] = event.want.names;
      open.set(name, (open.get(name) ?? new Map<string, number>()).set(`${event.task} ${event.call}`, event.task));
    } else if (event.type === "call_done") {
      // What ends before its generation does, was replaced or is what broke it.
      for (const arrivals of open.values()) arrivals.delete(`${event.task} ${event.call}`);
    } else if (event.type === "task_ended") {
      for (const arrivals of open.values()) for (const [key, n] of arrivals) if (n === event.task) arrivals.delete(key);
    } else if (event.type === "barrier_tripped" || event.type === "barrier_broken") {
      expect(event.generation, "one generation after another").toBe(numbers.get(event.name) ?? 0);
      numbers.set(event.name, event.generation + 1);
      if (event.type !== "barrier_tripped") continue;
      const waited = [...(open.get(event.name)?.values() ?? [])];
      expect(event.tasks.slice(0, -1), "[G1] those who waited, and the last").toEqual(waited);
    }
  }
  for (const [name, arrivals] of open) {
    expect([...arrivals.values()], "nobody is left over").toEqual(
      run.state.blocking.line(name, "barrier").waiters.map(({ task }) => task),
    );
  }
}

test("[G1] [G2] [G3] any order of ops passes all of a generation or none, ends, and replays to the same", () => {
  const names = ["open", "known", "pair"];
  const op = fc.record({
    task: fc.nat(3),
    what: fc.constantFrom(
      ...Array<"come">(8).fill("come"),
      "lock",
      "lock",
      "park",
      "park",
      "end",
      "fail",
      "lose",
      "time",
    ),
    name: fc.constantFrom<"open" | "known" | "pair">("open", "known", "pair"),
    timed: fc.boolean(),
  });
  let tripped = 0;
  let broke = 0;
  fc.assert(
    fc.property(fc.array(op, { maxLength: 50, size: "max" }), (ops) => {
      const run = new Run();
      const tasks: Task[] = started(run, 4);
      const kinds = {
        open: { parties: 2, members: [] },
        known: { parties: 3, members: tasks.slice(0, 3) },
        pair: { parties: 2, members: tasks.slice(1, 3) },
      };
      for (const [i, { task: n, what, name, timed }] of ops.entries()) {
        run.now += 10;
        const task = tasks[n]!;
        if (what === "time") run.clock(30);
        else if (isEnded(task)) continue;
        else if (what === "end") run.cancel(task);
        else {
          if (task.phase.state === "ready") run.start(task);
          if (task.phase.state !== "running") continue;
          if (what === "fail") run.fail(task);
          else if (what === "lose") run.lose(task, "restart");
          else if (waits(task)) {
            if (what === "park") run.giveBack(task);
          } else if (what === "lock") lock(run, task, name === "open" ? "l" : "k");
          else {
            const { parties, members } = kinds[name];
            const from = run.state.header.seq;
            const line = run.state.blocking.line(name, "barrier");
            const arrived = line.waiters.map((one) => run.state.task(one.task));
            const gone = members.find((one) => isEnded(one));
            const begun = come(run, task, parties, { name, members, call: `c${i}`, until: timed ? run.now + 100 : 0 });
            const isLast = arrived.length + 1 === parties;
            expect(begun.kind).toBe(gone ? "broken" : isLast ? "tripped" : "waiting");
            if (begun.kind === "tripped") {
              for (const [index, one] of arrived.entries()) {
                expect(answersOf(run, one, from)).toEqual([{ ...begun, index }]);
              }
            }
          }
        }
        checkBarriers(run, names);
        checkState(run.state, run.now);
      }
      checkGenerations(run);
      expectRebuilt(run, [...names, "l", "k"]);
      endAll(run);
      checkGenerations(run);
      tripped += run.events("barrier_tripped").length;
      broke += run.events("barrier_broken").length;
    }),
    { numRuns: 250 },
  );
  expect([tripped > 100, broke > 100]).toEqual([true, true]);
});

type Op = readonly ["come", string, number, boolean?] | readonly ["lock", string];

test.each<[string, readonly (readonly Op[])[]]>([
  [
    "two generations",
    [0, 1, 2].map(
      () =>
        [
          ["come", "b", 3],
          ["come", "b", 3],
        ] as const,
    ),
  ],
  [
    "one comes once, the others twice",
    [
      [
        ["come", "b", 3, true],
        ["come", "b", 3, true],
      ],
      [["come", "b", 3, true]],
      [
        ["come", "b", 3, true],
        ["come", "b", 3, true],
      ],
    ],
  ],
  [
    "two barriers in opposite orders",
    [
      [
        ["come", "b", 2],
        ["come", "c", 2],
      ],
      [
        ["come", "c", 2],
        ["come", "b", 2],
      ],
      [["come", "b", 2]],
    ],
  ],
  [
    "a lock on the way",
    [
      [
        ["lock", "l"],
        ["come", "b", 3, true],
      ],
      [
        ["lock", "l"],
        ["come", "b", 3, true],
      ],
      [["come", "b", 3, true]],
    ],
  ],
])("[G1] [G2] [B2] [B3] every interleaving of three tasks: %s", (_, programs) => {
  const whole = everyInterleaving((schedule) => {
    const run = new Run();
    const tasks = rooted(run, programs.length);
    const done = programs.map(() => 0);
    for (const n of schedule) {
      const task = tasks[n]!;
      const op = programs[n]![done[n]!++];
      if (!op) run.complete(task);
      else if (op[0] === "lock") lock(run, task, op[1]);
      else come(run, task, op[2], { name: op[1], members: op[3] ? tasks : [], call: `c${done[n]}` });
    }
    checkBarriers(run, ["b", "c"]);
    checkGenerations(run);
    return whoCanGoOn(run, tasks);
  });
  expect(whole).toBeGreaterThan(20);
});
