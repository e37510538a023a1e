/** Vector clocks against reachability in a graph that is drawn by plain rules, on small random logs. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Clocks } from "../../src/trace/clocks.ts";
import { FindingsFold } from "../../src/trace/findings/findings.ts";
import { HappensBefore } from "../../src/trace/happens-before.ts";
import type { TraceEvent } from "../../src/trace/trace-event.ts";
import { PlanRun, plans } from "../scheduler/plans.ts";
import { World } from "../sim/world.ts";
import { Log } from "./lib/log.ts";
import { conflict, type Move, type SharedLog, sharedLog } from "./lib/shared-logs.ts";
import { fold, traceOf } from "./lib/trace.ts";

const moves: fc.Arbitrary<Move[]> = fc.array(fc.tuple(fc.nat(16), fc.nat(30), fc.nat(1000)), {
  minLength: 20,
  maxLength: 120,
  size: "max",
});

/** Pairs of accesses, by their events, that the clocks order. */
function orderedPairs({ log, accesses }: SharedLog): Set<string> {
  const before = new HappensBefore(new Clocks());
  const by = new Map(accesses.map((access) => [access.seq, access]));
  const times = new Map<number, number>();
  const ordered = new Set<string>();
  let time = 0;
  for (const event of log.events) {
    before.add(event);
    if (event.type !== "variables_used") continue;
    const [use] = event.uses;
    const { task = 0 } = use!;
    for (const [seq, at] of times) if (before.before(by.get(seq)!.task, at, task)) ordered.add(`${seq} ${event.seq}`);
    before.access(task, ++time);
    if (use!.name === "flag") before.useAtomic(task, use!);
    else times.set(event.seq, time);
  }
  return ordered;
}

/**
 * Whoever is at work uses something after each of its events. By what the scheduler itself names as causes, by forks and by dependencies
 * these uses have an order; of the pairs in it, how many there were, and those that the clocks do not have.
 */
function missed(events: readonly TraceEvent[]): { compared: number; pairs: string[] } {
  const before = new HappensBefore(new Clocks());
  const pairs: string[] = [];
  const uses: { readonly task: number; readonly seq: number }[] = [{ task: 0, seq: 0 }];
  /** Uses that are known: to a task, at an event, at a task's end. */
  const known = new Map<number, Set<number>>();
  const at = new Map<number, Set<number>>();
  const ended = new Map<number, Set<number>>();
  const after = new Map<number, readonly number[]>();
  const working = new Set<number>();
  let compared = 0;
  for (const event of events) {
    before.add(event);
    // It stands for its group, and does nothing.
    const task = "task" in event && event.task !== undefined && event.type !== "group_decided" ? event.task : 0;
    const from = [known.get(task), ...(event.causes ?? []).map((seq) => at.get(seq))];
    if (event.type === "task_created") {
      after.set(task, event.after ?? []);
      if (event.parent > 0) from.push(known.get(event.parent));
    }
    if (event.type === "task_started") from.push(...after.get(task)!.map((n) => ended.get(n)));
    const mine = new Set(from.flatMap((some) => [...(some ?? [])]));
    at.set(event.seq, mine);
    if (event.type === "task_ended") ended.set(task, mine);
    if (event.type === "task_started") working.add(task);
    if (["task_parked", "task_ready", "attempt_ended", "task_fell_back", "task_ended"].includes(event.type))
      working.delete(task);
    // Who is only ready has not gone on yet.
    if (task !== 0 && event.type !== "task_ready") known.set(task, mine);
    if (!working.has(task)) continue;
    for (const use of mine) {
      compared++;
      const one = uses[use]!;
      if (!before.before(one.task, use, task)) pairs.push(`${one.task} at ${one.seq}, ${task} at ${event.seq}`);
    }
    const time = uses.push({ task, seq: event.seq }) - 1;
    before.access(task, time);
    known.set(task, new Set(mine).add(time));
  }
  return { compared, pairs };
}

describe("what the scheduler says that an event follows from came before it", () => {
  test("[H1] in worlds of faults, of deadlocks too", () => {
    let all = 0;
    for (const seed of [8, 23, 28, 530]) {
      const world = new World(seed, { scopes: seed % 2 === 0, questions: seed % 4 < 2 });
      for (let step = 0; step < 300; step++) world.step();
      const { compared, pairs } = missed(traceOf(world.log));
      expect(pairs, `seed ${seed}`).toEqual([]);
      all += compared;
    }
    expect(all).toBeGreaterThan(1000);
  });

  test("[H1] in plans whose tasks are skipped, cancelled by their group, stood in for and retried", () => {
    fc.assert(
      fc.property(plans, ({ posted, acts }) => {
        const run = new PlanRun();
        for (const one of posted) run.add(undefined, one);
        for (const one of acts) run.act(one);
        run.drive();
        expect(missed(traceOf(run.log)).pairs).toEqual([]);
      }),
      { numRuns: 60 },
    );
  });

  test("[H1] [R2] who looks after a chain that was skipped follows the failure at its beginning, and no race is found", () => {
    const log = new Log();
    log.add({ type: "variable_created", name: "m", kind: "shared_map" });
    log
      .create(1)
      .create(2, { after: [1] })
      .create(3, { after: [2], run_on_failure: true })
      .start(1);
    log.uses({ task: 1, name: "m", op: "set", key: "state", saw: 0, made: 1 });
    const failed = log.end(1, "failed").events.length;
    log.add({ type: "task_ended", task: 2, state: "skipped" }, [failed]);
    log.ready(3).start(3).uses({ task: 3, name: "m", op: "get", key: "state", saw: 1 });
    expect(fold(new FindingsFold((n) => `T${n}`), log.end(3).events).finish(log.at)).toEqual([]);
  });
});

describe("happens-before", () => {
  test("[H1] [H2] is reachability, for any two accesses", () => {
    let compared = 0;
    fc.assert(
      fc.property(moves, (all) => {
        const shared = sharedLog(all);
        const ordered = orderedPairs(shared);
        for (const [i, a] of shared.accesses.entries()) {
          for (const b of shared.accesses.slice(i + 1)) {
            compared++;
            expect(ordered.has(`${a.seq} ${b.seq}`), `${a.seq} before ${b.seq}`).toBe(
              shared.ancestors.get(b.seq)!.has(a.seq),
            );
          }
        }
      }),
      { numRuns: 300 },
    );
    expect(compared).toBeGreaterThan(5000);
  });

  test("is a partial order of accesses", () => {
    fc.assert(
      fc.property(moves, (all) => {
        const { accesses, ...shared } = sharedLog(all);
        const ordered = orderedPairs({ ...shared, accesses });
        const is = (a: number, b: number) => ordered.has(`${a} ${b}`);
        const seqs = accesses.map(({ seq }) => seq);
        for (const a of seqs) {
          expect(is(a, a)).toBe(false);
          for (const b of seqs) {
            if (!is(a, b)) continue;
            expect(is(b, a)).toBe(false);
            for (const c of seqs) if (is(b, c)) expect(is(a, c)).toBe(true);
          }
        }
      }),
      { numRuns: 100 },
    );
  });

  test("[R2] a variable has a finding when two accesses of it conflict and nothing orders them, and only then", () => {
    const seen = { race: 0, none: 0 };
    fc.assert(
      fc.property(moves, (all) => {
        const { log, accesses, ancestors } = sharedLog(all);
        const found = fold(new FindingsFold((n) => `T${n}`), log.events)
          .finish(log.at)
          .filter(({ kind }) => kind === "race" || kind === "lost_update");
        for (const { kind, evidence } of found.filter((one) => one.kind === "race")) {
          const [a, b] = evidence.map((seq) => accesses.find((one) => one.seq === seq)!);
          expect(conflict(a!.use, b!.use), kind).toBe(true);
          expect(ancestors.get(b!.seq)!.has(a!.seq), `${a!.seq} before ${b!.seq}`).toBe(false);
        }
        for (const name of ["m0", "m1"]) {
          const of = accesses.filter(({ use }) => use.name === name);
          const races = of.some((b, i) =>
            of.slice(0, i).some((a) => conflict(a.use, b.use) && !ancestors.get(b.seq)!.has(a.seq)),
          );
          const isFound = found.some(({ message }) => message.includes(`"${name}"`));
          if (races) expect(isFound, name).toBe(true);
          if (!races)
            expect(found.some(({ kind, message }) => kind === "race" && message.includes(`"${name}"`))).toBe(false);
          seen[races ? "race" : "none"]++;
        }
      }),
      { numRuns: 300 },
    );
    expect(Math.min(seen.race, seen.none)).toBeGreaterThan(50);
  });

  test("of a convoy, or of a wide join, costs little more for each task than of a short one", () => {
    const convoy = (tasks: number) => {
      const log = new Log().create(1);
      for (let n = 2; n <= tasks; n++) log.create(n, { parent: 1 });
      for (let n = 2; n <= tasks; n++) {
        log.add({ type: "lock_granted", task: n, name: "l", token: n, mode: "exclusive" });
        log.uses({ task: n, name: "m", op: "set", key: "k", saw: n - 2, made: n - 1 });
        log.add({ type: "lock_released", task: n, name: "l", token: n, why: "released" });
        log.end(n);
      }
      const targets = Array.from({ length: tasks - 1 }, (_, i) => i + 2);
      log.add({ type: "call_waiting", task: 1, call: "c", targets, mode: "settled" });
      log.add({ type: "call_done", task: 1, call: "c", tool: "await_tasks", why: "settled" });
      for (let n = tasks + 1; n <= 2 * tasks; n++) log.create(n, { parent: 1 });
      const clocks = new Clocks();
      const before = new HappensBefore(clocks);
      for (const event of log.events) {
        before.add(event);
        if (event.type === "variables_used") before.access(event.uses[0]!.task!, event.seq);
      }
      return clocks.made / tasks;
    };
    expect(convoy(8000)).toBeLessThan(1.6 * convoy(500));
  });
});
