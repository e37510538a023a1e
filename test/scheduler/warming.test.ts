import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cacheTtlMs, lineagesMax } from "../../src/limits.ts";
import { endAttemptsOfOtherBoots, nextClock } from "../../src/scheduler/clock.ts";
import type { LineageTerms } from "../../src/scheduler/events.ts";
import { pauseRun, resumeRun } from "../../src/scheduler/run-commands.ts";
import { isLive, type Task } from "../../src/scheduler/task.ts";
import { expectedFirstTokenMs, firstToken, heldFor, holdMs, savingOfHold } from "../../src/scheduler/warming.ts";
import { allTasks, checkState } from "./check.ts";
import { type Leased, Run, type Spec, states } from "./run.ts";

/** Claude Sonnet's 3.45 dollars a million tokens between writing and reading. */
const gain = 3_450_000;
const terms: LineageTerms = { snapshot: "s0", model: "m", tokens: 100_000, cold: 100_000, gain };
/** Expected after 5.5 s, waited for 22 s. */
const bound = holdMs(terms.tokens, 30_000);

const siblings = (run: Run, count: number, more: Partial<LineageTerms> = {}, spec: Spec = {}): Task[] => {
  const specs = Array.from({ length: count }, () => spec);
  const made = run.batch(undefined, specs, { lineage: { ...terms, ...more } });
  if (!made.ok) throw new Error(JSON.stringify(made.refusal));
  return [...made.tasks];
};
const token = (run: Run, task: Task) => run.step((step) => firstToken(step, task as Leased));
const turn = (run: Run, task: Task, usage: { read?: number; write?: number }) =>
  run.step((step) => {
    const { fence } = (task as Leased).phase;
    const { read = 0, write = 0 } = usage;
    const tokens = { in: 100_000, out: 10, read, write };
    step.emit({ type: "turn", task: task.n, fence, turn: task.turns + 1, snapshot: `t${step.now}`, usage: tokens });
  });
const heldOf = (run: Run, tasks: readonly Task[]) => tasks.filter((task) => run.state.isHeld(task)).map(({ n }) => n);
const whys = (run: Run) => run.events("cache_released").map(({ why }) => why);

describe("whether holding pays", () => {
  test("[H3] cold tokens × (write − read price) × siblings held, less what the delay is worth", () => {
    // 100,000 × 3.45 µ$ × 15 = $5.175, less 5.5 s at $36 an hour.
    expect(savingOfHold({ tokens: 100_000, gain, held: 15 })).toBe(5_175_000_000 - 55_000_000);
    expect(savingOfHold({ tokens: 1024, gain, held: 1 })).toBeLessThan(0);
    expect(savingOfHold({ tokens: 1024, gain, held: 2 })).toBeGreaterThan(0);
    expect(savingOfHold({ tokens: 100_000, gain: 0, held: 1000 })).toBeLessThan(0);
    // A cent a million tokens: not for one sibling, but for many.
    expect(savingOfHold({ tokens: 200_000, gain: 45_000, held: 1 })).toBeLessThan(0);
    expect(savingOfHold({ tokens: 200_000, gain: 45_000, held: 63 })).toBeGreaterThan(0);
  });

  test("[H2] the bound grows with the prefix, up to limits.warm_ms", () => {
    expect(expectedFirstTokenMs(100_000)).toBe(5500);
    expect([holdMs(2000, 30_000), holdMs(100_000, 30_000), holdMs(1_000_000, 30_000)]).toEqual([2400, 22_000, 30_000]);
    expect(holdMs(100_000, 0)).toBe(0);
  });
});

describe("of ready siblings", () => {
  test("[H1] one reads the cold prefix and the rest are held, until its first token", () => {
    const run = new Run();
    const [first, ...rest] = siblings(run, 5);
    expect(run.lease()?.n).toBe(first!.n);
    expect(heldOf(run, rest)).toEqual(rest.map(({ n }) => n));
    expect(run.lease()).toBeUndefined();
    expect(heldFor(run.state, rest[0]!)).toEqual({ warmer: first!.n, until: run.now + bound });
    expect(states(...rest)).toBe("ready ready ready ready");
    checkState(run.state, run.now);
    token(run, first!);
    checkState(run.state, run.now);
    expect(rest.map(() => run.lease()?.n)).toEqual(rest.map(({ n }) => n));
    expect(whys(run)).toEqual(["first_token"]);
  });

  test("[H1] whoever comes while the first one reads is held too, resumed ones as well", () => {
    const run = new Run();
    const [a, b] = siblings(run, 2);
    const early = run.lease()!;
    token(run, early);
    run.lease();
    turn(run, b!, { read: 100_000 });
    run.park(b!, [a!]);
    run.now += cacheTtlMs + 1;
    const late = siblings(run, 2);
    run.lease();
    run.complete(a!);
    expect(states(b!)).toBe("ready");
    expect(heldOf(run, [b!, ...late])).toEqual([b!.n, late[1]!.n]);
    checkState(run.state, run.now);
  });

  test("[H2] none is held longer than the bound, nor again for as long as the vendor keeps a prefix", () => {
    const run = new Run();
    const [, ...rest] = siblings(run, 4);
    run.lease();
    expect(nextClock(run.state)).toBe(run.now + bound);
    run.clock(bound - 1);
    expect(heldOf(run, rest)).toHaveLength(3);
    run.clock(1);
    expect(heldOf(run, rest)).toEqual([]);
    expect(whys(run)).toEqual(["bound"]);
    expect(run.lease()?.n).toBe(rest[0]!.n);
    expect(heldOf(run, rest)).toEqual([]);
    checkState(run.state, run.now);
  });

  test("[H2] another first reader does not move the hold's end", () => {
    const run = new Run();
    const [a, b, c] = siblings(run, 3);
    run.lease();
    run.clock(bound - 1000);
    run.fail(a!);
    expect(run.lease()?.n).toBe(b!.n);
    expect(heldFor(run.state, c!)).toEqual({ warmer: b!.n, until: run.now + 1000 });
    run.clock(1000);
    expect(heldOf(run, [c!])).toEqual([]);
    checkState(run.state, run.now);
  });

  test("[H2] a cold spell that nobody ended is over when the vendor's time has passed since its hold", () => {
    const run = new Run();
    const [a, b, c] = siblings(run, 3);
    run.lease();
    run.step((step) => pauseRun(step));
    run.fail(a!);
    run.clock(bound + cacheTtlMs - 1);
    run.step((step) => resumeRun(step));
    run.giveBack(run.lease()!);
    expect(run.events("cache_warming")).toHaveLength(1);
    run.clock(1);
    run.lease();
    expect(heldOf(run, [b!, c!])).toHaveLength(1);
    expect(nextClock(run.state)).toBe(run.now + bound);
  });

  test.each([
    ["failed", (run: Run, task: Task) => run.fail(task)],
    ["failed for now", (run: Run, task: Task) => run.failTransiently(task)],
    ["was cancelled", (run: Run, task: Task) => run.cancel(task)],
    ["lost its lease", (run: Run, task: Task) => run.lose(task)],
    ["was given back", (run: Run, task: Task) => run.giveBack(task)],
    ["ended without a turn", (run: Run, task: Task) => run.complete(task)],
    ["lived in a runtime that is gone", (run: Run) => run.step((step) => endAttemptsOfOtherBoots(step, "b2"))],
    ["went silent", (run: Run) => run.clock(bound)],
  ])("[H4] the others are let go when the first one %s", (_, end) => {
    const run = new Run();
    const [first, ...rest] = siblings(run, 3);
    run.lease("hosted", "b1");
    expect(heldOf(run, rest)).toHaveLength(2);
    end(run, first!);
    expect(heldOf(run, rest)).toEqual([]);
    expect(run.lease()).toBeDefined();
    checkState(run.state, run.now);
  });

  test("[H4] its logged turn lets them go, whether the vendor tells of a cache or not", () => {
    for (const usage of [{ write: 100_000 }, {}]) {
      const run = new Run();
      const [first, ...rest] = siblings(run, 3);
      run.lease();
      turn(run, first!, usage);
      expect(heldOf(run, rest)).toEqual([]);
      expect(whys(run)).toEqual(["turn"]);
      run.lease();
      expect(heldOf(run, rest)).toEqual([]);
    }
  });

  test("[H4] a late word of a first token, of another attempt, changes nothing", () => {
    const run = new Run();
    const [a, b, c] = siblings(run, 3);
    run.lease();
    const late = { ...a!, phase: { ...a!.phase } };
    run.lose(a!);
    expect(run.lease()?.n).toBe(b!.n);
    token(run, late);
    token(run, { ...b!, phase: { ...(b as Leased).phase, fence: 1 } });
    expect(heldOf(run, [a!, c!])).toHaveLength(2);
    token(run, b!);
    expect(heldOf(run, [a!, c!])).toEqual([]);
  });

  test("[H5] others go on past those that are held, and the order among all stays", () => {
    const run = new Run();
    const held = siblings(run, 3, {}, { priority: 9 });
    const [low, high] = run.post({ priority: 1 }, { priority: 9 });
    run.lease();
    expect([run.lease()?.n, run.lease()?.n]).toEqual([high!.n, low!.n]);
    const [next] = run.post({ priority: 9 });
    token(run, held[0]!);
    expect([run.lease()?.n, run.lease()?.n, run.lease()?.n]).toEqual([held[1]!.n, held[2]!.n, next!.n]);
  });

  test("[H5] a priority that one inherits while it is held counts when it is let go", () => {
    const run = new Run();
    const [first, b, c] = siblings(run, 3, {}, { priority: 1 });
    run.lease();
    run.post({ priority: 9, after: [`T${c!.n}`] });
    checkState(run.state, run.now);
    token(run, first!);
    expect([run.lease()?.n, run.lease()?.n]).toEqual([c!.n, b!.n]);
  });

  test("[H6] nobody is held for a prefix that was read or written within the vendor's time", () => {
    const run = new Run();
    const [first] = siblings(run, 1);
    run.lease();
    turn(run, first!, { write: 100_000 });
    run.now += cacheTtlMs - 1;
    const warm = siblings(run, 3);
    run.lease();
    expect(heldOf(run, warm)).toEqual([]);
    run.now += 2;
    run.lease();
    expect(heldOf(run, warm)).toEqual([warm[2]!.n]);
  });

  test("[H6] what its creator has just cached is not cold, until the vendor has forgotten it", () => {
    const run = new Run();
    const some = siblings(run, 4, { cold: 10 });
    run.lease();
    run.lease();
    expect(heldOf(run, some)).toEqual([]);
    run.now += cacheTtlMs;
    run.lease();
    expect(heldOf(run, some)).toEqual([some[3]!.n]);
  });

  test("[H7] never for one seat, a worthless prefix, warm_ms 0, tasks without a lineage, or another pool", () => {
    const none = (limits: ConstructorParameters<typeof Run>[0], more: Partial<LineageTerms> = {}, spec: Spec = {}) => {
      const run = new Run(limits);
      const some = siblings(run, 3, more, spec);
      run.lease(spec.pool);
      checkState(run.state, run.now);
      return heldOf(run, some).length + run.events("cache_warming").length;
    };
    expect(none({ workers: 1 })).toBe(0);
    expect(none({}, { gain: 0 })).toBe(0);
    expect(none({}, { tokens: 500, cold: 500 })).toBe(0);
    expect(none({ warmMs: 0 })).toBe(0);
    expect(none({})).toBe(3);
    const run = new Run();
    run.post({}, {}, {});
    run.lease();
    expect(run.lease()).toBeDefined();
    expect(run.events("lineage_begun")).toEqual([]);
  });

  test("[H7] prefixes of two snapshots, or of two models, do not hold each other's tasks", () => {
    const run = new Run();
    siblings(run, 2);
    siblings(run, 2, { snapshot: "s9" });
    siblings(run, 2, { model: "n" });
    expect([run.lease()?.n, run.lease()?.n, run.lease()?.n]).toEqual([1, 3, 5]);
    expect(run.lease()).toBeUndefined();
  });

  test("[H8] what a lineage's turns read, wrote and paid in full is counted, and the least used is forgotten first", () => {
    const run = new Run();
    const [a] = siblings(run, 1);
    run.lease();
    turn(run, a!, { read: 60_000, write: 30_000 });
    expect(run.state.header.lineages).toMatchObject([{ n: 1, read: 60_000, write: 30_000, uncached: 10_000 }]);
    for (let i = 1; i < lineagesMax; i++) siblings(run, 1, { snapshot: `x${i}` });
    turn(run, a!, { read: 100_000 });
    siblings(run, 1, { snapshot: "one more" });
    const numbers = run.state.header.lineages!.map(({ n }) => n);
    expect(numbers).toHaveLength(lineagesMax);
    expect([numbers.includes(1), numbers.includes(2)]).toEqual([true, false]);
    checkState(run.state, run.now);
  });
});

describe("whatever comes in whatever order", () => {
  const acts = [
    "post",
    "lease",
    "token",
    "turn",
    "park",
    "end",
    "fail",
    "lose",
    "cancel",
    "pause",
    "resume",
    "clock",
  ] as const;

  test("[H2] [H4] no hold outlasts its bound, and no ready task is left held", () => {
    const act = fc.record({
      what: fc.constantFrom(...acts),
      pick: fc.nat(50),
      cached: fc.boolean(),
      ms: fc.integer({ min: 0, max: 40_000 }),
    });
    fc.assert(
      fc.property(fc.array(act, { maxLength: 60 }), fc.integer({ min: 2, max: 6 }), (list, workers) => {
        const run = new Run({ workers });
        siblings(run, 4);
        /** Since when each task is held without a break. */
        const since = new Map<number, number>();
        const look = () => {
          checkState(run.state, run.now);
          for (const task of allTasks(run.state)) {
            if (!run.state.isHeld(task)) since.delete(task.n);
            else if (!since.has(task.n)) since.set(task.n, run.now);
            const from = since.get(task.n);
            if (from === undefined) continue;
            expect(heldFor(run.state, task)!.until).toBeLessThanOrEqual(from + bound);
            expect(run.now).toBeLessThan(from + bound);
          }
        };
        for (const { what, pick, cached, ms } of list) {
          const running = allTasks(run.state).filter(({ phase }) => phase.state === "running");
          const one = running[pick % Math.max(1, running.length)];
          if (what === "post") siblings(run, 1 + (pick % 3), { snapshot: cached ? "s0" : "s1" });
          else if (what === "lease") run.lease();
          else if (what === "pause") run.step((step) => pauseRun(step));
          else if (what === "resume") run.step((step) => resumeRun(step));
          else if (what === "clock") run.clock(ms);
          else if (one && what === "token") token(run, one);
          else if (one && what === "turn") turn(run, one, { write: cached ? 100_000 : 0 });
          else if (one && what === "park") run.giveBack(one);
          else if (one && what === "end") run.complete(one);
          else if (one && what === "fail") run.failTransiently(one);
          else if (one && what === "lose") run.lose(one);
          else if (one && what === "cancel") run.cancel(one);
          look();
        }
        run.step((step) => resumeRun(step));
        // First readers say nothing any more; everybody else is run to the end.
        for (let rounds = 0; allTasks(run.state).some(isLive); rounds++) {
          expect(rounds).toBeLessThan(200);
          const leased = run.lease();
          if (leased && run.state.warming.size === 0) run.complete(leased);
          else if (!leased) {
            run.clock(bound);
            look();
            for (const { phase, n } of allTasks(run.state))
              if (phase.state === "running") run.complete(run.state.task(n));
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});
