import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { WaitMode } from "../../src/contract/shapes.ts";
import { awaitFutures, settleFuture } from "../../src/scheduler/futures.ts";
import { isEnded, type Task } from "../../src/scheduler/task.ts";
import { answerOf, endAll, everyInterleaving, expectRebuilt, rooted, started, waits, whoCanGoOn } from "./blocking.ts";
import { checkState } from "./check.ts";
import { type Leased, Run, states } from "./run.ts";

type Settled = "resolved" | "rejected";

const settle = (run: Run, task: Task | undefined, name: string, state: Settled = "resolved", value: unknown = 1) =>
  run.step((step) => settleFuture(step, name, { task, state, value }));
const wait = (
  run: Run,
  task: Task | undefined,
  names: string | string[],
  { mode = "all", call = "c", until = 0 }: { mode?: WaitMode; call?: string; until?: number } = {},
) =>
  run.step((step) =>
    awaitFutures(step, task, {
      call,
      names: [names].flat(),
      mode,
      one: !Array.isArray(names),
      until,
      external: false,
    }),
  );

describe("futures", () => {
  test("[F1] the first settles it; later ones are refused and change nothing", () => {
    const run = new Run();
    const [a, b] = started(run, 2) as [Leased, Leased];
    expect(settle(run, a, "f", "rejected", { no: 1 })).toBeUndefined();
    const before = run.log.length;
    const refused = { kind: "already_settled", name: "f", state: "rejected" };
    expect(settle(run, b, "f")).toEqual(refused);
    expect(settle(run, undefined, "f", "rejected")).toEqual(refused);
    expect(run.log).toHaveLength(before);
    const { seq } = run.state.blocking.factsOf("f", "future")!;
    expect(run.log[seq - 1]).toMatchObject({
      event: { type: "future_settled", task: a.n },
      body: { value: { no: 1 } },
    });
  });

  test("[F1] a failure is a value: who waits is woken by it", () => {
    const run = new Run();
    const [a, b] = started(run, 2) as [Leased, Leased];
    expect(wait(run, b, "f")).toEqual({ kind: "waiting" });
    run.giveBack(b);
    settle(run, a, "f", "rejected");
    expect(answerOf(run, b)).toEqual({ kind: "futures", names: ["f"], one: true });
    expect(states(b)).toBe("ready");
    expect(run.log.find(({ event }) => event.type === "call_done")?.causes).toEqual([
      run.state.blocking.factsOf("f", "future")!.seq,
    ]);
    checkState(run.state, run.now);
  });

  test.each<[WaitMode, (Settled | undefined)[], boolean]>([
    ["all", ["resolved", undefined], false],
    ["all", ["resolved", "resolved"], true],
    ["all", [undefined, "rejected"], true],
    ["any", ["rejected", undefined], false],
    ["any", [undefined, "resolved"], true],
    ["any", ["rejected", "rejected"], true],
    ["settled", ["rejected", undefined], false],
    ["settled", ["resolved", undefined], false],
    ["settled", ["rejected", "resolved"], true],
  ])("[F2] [B5] %s over %j is over: %j", (mode, settled, isOver) => {
    for (const isEarly of [true, false]) {
      const run = new Run();
      const [a, b] = started(run, 2) as [Leased, Leased];
      const settleAll = () => {
        for (const [i, state] of settled.entries()) if (state) settle(run, b, `f${i}`, state);
      };
      if (isEarly) settleAll();
      const begun = wait(run, a, ["f0", "f1"], { mode });
      expect(begun?.kind).toBe(isEarly && isOver ? "futures" : "waiting");
      if (!isEarly) settleAll();
      expect(waits(a)).toBe(!isOver);
    }
  });

  test("[F2] many wait for one, and one waits for many in several calls", () => {
    const run = new Run();
    const [a, b, c] = started(run, 3) as [Leased, Leased, Leased];
    wait(run, a, "f", { call: "one" });
    wait(run, a, ["f", "g"], { call: "two" });
    wait(run, b, "f");
    run.giveBack(a);
    settle(run, c, "f");
    expect([waits(b), states(a)]).toEqual([false, "parked"]);
    settle(run, c, "g");
    expect(states(a)).toBe("ready");
    expectRebuilt(run, ["f", "g"]);
  });

  test("[B4] a wait ends at its timeout, and the future is as it was", () => {
    const run = new Run();
    const [a] = started(run, 1) as [Leased];
    wait(run, a, ["f", "g"], { until: run.now + 100 });
    run.clock(99);
    expect(waits(a)).toBe(true);
    run.clock(1);
    expect(answerOf(run, a)).toEqual({ kind: "timed_out", names: ["f", "g"] });
    expect(settle(run, a, "f")).toBeUndefined();
    expect(run.events("call_done")).toHaveLength(1);
  });

  test("[F1] [F2] from outside: settles, sees what is over, and never waits", () => {
    const run = new Run();
    expect(wait(run, undefined, "f")).toBeUndefined();
    expect(settle(run, undefined, "f")).toBeUndefined();
    expect(run.events("future_settled")).toEqual([{ type: "future_settled", name: "f", state: "resolved" }]);
    expect(wait(run, undefined, "f")).toEqual({ kind: "futures", names: ["f"], one: true });
    expect(wait(run, undefined, ["f", "g"], { mode: "any" })).toMatchObject({ kind: "futures", one: false });
    expect(run.events("call_waiting")).toEqual([]);
  });

  test("[V3] a repeat by the call's id waits once, and is told what the first was", () => {
    const run = new Run();
    const [a] = started(run, 1) as [Leased];
    wait(run, a, "f");
    expect(wait(run, a, "f")).toEqual({ kind: "waiting" });
    expect(run.events("call_waiting")).toHaveLength(1);
    settle(run, undefined, "f");
    expect(wait(run, a, "f")).toMatchObject({ kind: "done" });
  });
});

const isOver = (settled: ReadonlyMap<string, Settled>, names: readonly string[], mode: WaitMode): boolean => {
  const all = names.map((name) => settled.get(name));
  const count = (state: Settled) => all.filter((one) => one === state).length;
  const open = all.length - count("resolved") - count("rejected");
  if (mode === "settled") return open === 0;
  return mode === "all" ? open === 0 || count("rejected") > 0 : open === 0 || count("resolved") > 0;
};

test("[F1] [F2] any order of ops is as a model says, ends, and replays to the same", () => {
  const all = ["f", "g", "h"];
  const op = fc.record({
    task: fc.nat(3),
    what: fc.constantFrom("wait", "wait", "resolve", "reject", "outside", "park", "end", "lose", "time"),
    names: fc.subarray(all, { minLength: 1 }),
    mode: fc.constantFrom<WaitMode>("all", "any", "settled"),
    timed: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(op, { maxLength: 40 }), (ops) => {
      const run = new Run();
      const tasks: readonly Task[] = started(run, 4);
      const settled = new Map<string, Settled>();
      let line: { task: Task; names: readonly string[]; mode: WaitMode; until: number }[] = [];
      for (const [i, { task: n, what, names, mode, timed }] of ops.entries()) {
        run.now += 10;
        const task = tasks[n]!;
        const [name] = names as [string];
        if (what === "time") run.clock(30);
        else if (what === "outside") {
          expect(wait(run, undefined, names, { mode }) !== undefined).toBe(isOver(settled, names, mode));
          settle(run, undefined, name);
          if (!settled.has(name)) settled.set(name, "resolved");
        } else if (isEnded(task)) continue;
        else if (what === "end") run.cancel(task);
        else {
          if (task.phase.state === "ready") run.start(task);
          if (task.phase.state !== "running") continue;
          if (what === "lose") run.lose(task, "restart");
          else if (what === "park") {
            if (waits(task)) run.giveBack(task);
          } else if (what === "wait") {
            const until = timed ? run.now + 200 : 0;
            const begun = wait(run, task, names, { mode, until, call: `c${i}` });
            expect(begun?.kind).toBe(isOver(settled, names, mode) ? "futures" : "waiting");
            if (begun?.kind === "waiting") line.push({ task, names, mode, until });
          } else {
            const state = what === "resolve" ? "resolved" : "rejected";
            const refused = settle(run, task, name, state);
            const earlier = settled.get(name);
            expect(refused).toEqual(earlier && { kind: "already_settled", name, state: earlier });
            if (!earlier) settled.set(name, state);
          }
        }
        const isRung = (until: number) => what === "time" && until > 0 && until <= run.now;
        line = line.filter((one) => {
          return !isEnded(one.task) && !isOver(settled, one.names, one.mode) && !isRung(one.until);
        });
        for (const each of all) {
          expect(run.state.blocking.line(each, "future").waiters.map((one) => one.task)).toEqual(
            line.filter((one) => one.names.includes(each)).map((one) => one.task.n),
          );
          expect(run.state.blocking.factsOf(each, "future")?.state).toBe(settled.get(each));
        }
        for (const one of tasks) expect(waits(one)).toBe(line.some((waiter) => waiter.task === one));
        checkState(run.state, run.now);
      }
      expectRebuilt(run, all);
      endAll(run);
    }),
    { numRuns: 200 },
  );
});

type Op = readonly ["wait" | "resolve" | "reject", string, WaitMode?];

test.each<[string, readonly (readonly Op[])[]]>([
  [
    "a pair of futures",
    [
      [
        ["wait", "f"],
        ["resolve", "g"],
      ],
      [
        ["resolve", "f"],
        ["wait", "g"],
      ],
      [
        ["resolve", "f"],
        ["wait", "f"],
      ],
    ],
  ],
  [
    "each waits for the other first",
    [
      [
        ["wait", "f"],
        ["resolve", "g"],
      ],
      [
        ["wait", "g"],
        ["resolve", "f"],
      ],
      [
        ["wait", "f"],
        ["reject", "g"],
      ],
    ],
  ],
])("[F1] [B3] every interleaving of three tasks: %s", (_, programs) => {
  const whole = everyInterleaving((schedule) => {
    const run = new Run();
    const tasks = rooted(run, programs.length);
    const done = programs.map(() => 0);
    for (const n of schedule) {
      const task = tasks[n]!;
      const [what, name = ""] = programs[n]![done[n]!++] ?? ["end"];
      if (what === "wait") wait(run, task, name, { call: `c${done[n]}` });
      else if (what === "end") run.complete(task);
      else settle(run, task, name, what === "resolve" ? "resolved" : "rejected");
    }
    for (const name of ["f", "g"]) {
      expect(run.events("future_settled").filter((one) => one.name === name).length).toBeLessThan(2);
      if (run.state.blocking.factsOf(name, "future"))
        expect(run.state.blocking.line(name, "future").waiters, "[B5]").toEqual([]);
    }
    return whoCanGoOn(run, tasks);
  });
  expect(whole).toBeGreaterThan(20);
});
