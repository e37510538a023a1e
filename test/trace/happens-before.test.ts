/** Vector clocks against reachability in a graph that is drawn by plain rules, on small random logs. */

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Clocks } from "../../src/trace/clocks.ts";
import { FindingsFold } from "../../src/trace/findings/findings.ts";
import { HappensBefore } from "../../src/trace/happens-before.ts";
import { Log } from "./lib/log.ts";
import { conflict, type Move, type SharedLog, sharedLog } from "./lib/shared-logs.ts";
import { fold } from "./lib/trace.ts";

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
