/** Each detector: what it speaks of, by hand-made logs, and what is close to it and no fault. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { type FindingKind, type FindingKnob, findingKinds, knobsOf } from "../../src/rules/finding-kinds.ts";
import { compileRules } from "../../src/rules/parse.ts";
import { type Finding, FindingsFold } from "../../src/trace/findings/findings.ts";
import { RuledThresholds } from "../../src/trace/findings/ruled-thresholds.ts";
import { thresholds } from "../../src/trace/findings/thresholds.ts";
import { Log } from "./lib/log.ts";
import { fold } from "./lib/trace.ts";
import { worlds } from "./lib/worlds.ts";

const found = ({ events, at }: Log): Finding[] => fold(new FindingsFold((n) => `T${n}`), events).finish(at);
const kinds = (log: Log) => found(log).map(({ kind }) => kind);
const range = (count: number, from = 1) => Array.from({ length: count }, (_, i) => from + i);

/** Evidence names events of the log, in their order. */
function isShown(log: Log, { evidence }: Finding): void {
  expect(evidence.length).toBeGreaterThan(0);
  expect(evidence).toEqual([...evidence].sort((a, b) => a - b));
  for (const seq of evidence) expect(log.events[seq - 1]?.seq).toBe(seq);
}

describe("starvation", () => {
  /** Task 1 is ready first; `others` become ready every `gap` ms and are started before it. */
  const overtaken = (others: number, gap: number, priority = 9) => {
    const log = new Log();
    log.create(1, { priority: 3, key: "slow" });
    for (const n of range(others, 2)) log.wait(gap).create(n, { priority }).wait(10).start(n).turn(n, 5).end(n);
    return log.wait(1).start(1).end(1);
  };

  test("twelve that came later were started first", () => {
    const log = overtaken(12, 1000);
    const [finding, ...more] = found(log);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ kind: "starvation", severity: "warning", subjects: [1] });
    expect(finding!.message).toMatch(/^T1 \(slow\) was ready for 12\.1 s while 12 tasks that became ready later/);
    expect(finding!.message).toContain("12 of them had a higher priority than its 3");
    isShown(log, finding!);
  });

  test("not: few overtake, or it does not wait for long, or all wait as long", () => {
    expect(kinds(overtaken(9, 2000))).toEqual([]);
    expect(kinds(overtaken(12, 100))).toEqual([]);
    const fair = new Log();
    for (const n of range(30)) fair.create(n);
    for (const n of range(30)) fair.wait(1000).start(n).turn(n, 900).end(n);
    expect(kinds(fair)).not.toContain("starvation");
  });
});

describe("starvation, as the run went", () => {
  /** Task 1 is ready from `begin` on, and twelve others are taken first. */
  const behind = (begin: (log: Log) => void, between: (log: Log) => void = () => undefined) => {
    const log = new Log();
    begin(log);
    for (const n of range(12, 11)) {
      if (n === 12) between(log);
      log.wait(1000).create(n, { priority: 9 }).wait(10).start(n).turn(n, 5).end(n);
    }
    return log;
  };
  const paused = (log: Log) => {
    log.add({ type: "run_paused", reason: "asked" });
    log.wait(3_600_000).add({ type: "run_resumed" });
  };

  test("a pause is nobody's overtaking, and no part of the wait", () => {
    const short = new Log();
    short.create(1);
    paused(short);
    for (const n of range(12, 11)) short.create(n).wait(10).start(n).turn(n, 5).end(n);
    expect(kinds(short.start(1).end(1))).toEqual([]);
    const long = behind((log) => log.create(1), paused)
      .wait(1)
      .start(1)
      .end(1);
    expect(found(long)[0]!.message).toMatch(/^T1 was ready for 12\.1 s while 12 tasks/);
  });

  test("one whose dependencies had ended, and one that lost its worker, are ready without more ado", () => {
    const after = (log: Log) =>
      log
        .create(2)
        .start(2)
        .end(2)
        .create(1, { after: [2] });
    expect(found(behind(after).start(1).end(1))[0]).toMatchObject({ kind: "starvation", subjects: [1] });
    const lost = (log: Log) =>
      log
        .create(1)
        .start(1)
        .add({ type: "attempt_ended", task: 1, fence: log.fence(1), why: "lost" });
    expect(found(behind(lost).start(1).end(1))[0]).toMatchObject({ kind: "starvation", subjects: [1] });
  });

  test("not: one whose dependency is tried again meanwhile", () => {
    const again = (log: Log) => {
      log
        .create(2)
        .start(2)
        .end(2)
        .create(1, { after: [2] });
      log.add({ type: "task_retried", task: 2, generation: 2, why: "asked" });
    };
    expect(kinds(behind(again))).toEqual([]);
  });

  test("not: one that gave up waiting", () => {
    const error = { code: "timeout", message: "x" };
    const gaveUp = (log: Log) => log.create(1).wait(1).add({ type: "task_fell_back", task: 1, error });
    expect(kinds(behind(gaveUp))).toEqual([]);
  });
});

describe("thresholds that rules set", () => {
  const rules = (text: string, from: "deployment" | "tenant" | "run" = "run") => {
    const compiled = compileRules(text);
    if (!compiled.ok) throw new Error(JSON.stringify(compiled.errors));
    return { type: "rules_set", from, rules: compiled.rules } as const;
  };
  /** Task 1 is overtaken by twelve, for twelve seconds. */
  const starved = (...set: readonly ReturnType<typeof rules>[]) => {
    const log = new Log();
    for (const event of set) log.add(event);
    log.create(1, { priority: 3 });
    for (const n of range(12, 2)) log.wait(1000).create(n).wait(10).start(n).turn(n, 5).end(n);
    return kinds(log.wait(1).start(1).end(1));
  };

  test("a longer time, or more of them, and it is silent; shorter again, and it speaks", () => {
    expect(starved()).toEqual(["starvation"]);
    expect(starved(rules("- finding starvation after 13 s"))).toEqual([]);
    expect(starved(rules("- finding starvation from 13"))).toEqual([]);
    expect(starved(rules("- finding starvation after 12 s, starvation from 12"))).toEqual(["starvation"]);
    expect(starved(rules("- finding starvation after 12 s, contention above 1%"), rules(""))).toEqual(["starvation"]);
    // All that is set of it has to be so.
    expect(starved(rules("- finding starvation after 1 s, starvation from 13"))).toEqual([]);
  });

  test("it is turned off, for itself and no other", () => {
    expect(starved(rules("- no finding starvation"))).toEqual([]);
    expect(starved(rules("- no finding straggler, race"))).toEqual(["starvation"]);
  });

  test("the run's hold before its tenant's, and those before the deployment's; the later line of one file", () => {
    const off = "- no finding starvation";
    const on = "- finding starvation after 12 s";
    expect(starved(rules(off, "deployment"), rules(on, "tenant"))).toEqual(["starvation"]);
    expect(starved(rules(on, "run"), rules(off, "tenant"))).toEqual(["starvation"]);
    expect(starved(rules(off, "run"), rules(on, "deployment"))).toEqual([]);
    expect(starved(rules(`${on}\n${off}`))).toEqual([]);
    expect(starved(rules(`${off}\n${on}`))).toEqual(["starvation"]);
  });

  test("every knob of the grammar changes a number of the detectors", () => {
    for (const kind of Object.keys(findingKinds) as FindingKind[]) {
      for (const knob of Object.keys(knobsOf(kind)) as FindingKnob[]) {
        const value = { after: "59 minutes", above: "99%", from: "987654" }[knob];
        const ruled = new RuledThresholds();
        const before = JSON.stringify(ruled.thresholds);
        ruled.set({ ...rules(`- finding ${kind} ${knob} ${value}`), seq: 1, at: 1 });
        expect(JSON.stringify(ruled.thresholds), `${kind} ${knob}`).not.toBe(before);
        ruled.set({ ...rules(""), seq: 2, at: 2 });
        expect(JSON.stringify(ruled.thresholds)).toBe(before);
      }
    }
  });
});

describe("contention", () => {
  /** `tasks` tasks hold the lock one after another for `ms` each; all ask for it at the beginning. */
  const convoy = (tasks: number, ms: number, workMs = 0) => {
    const log = new Log();
    for (const n of range(tasks)) {
      log.create(n).start(n);
      const want = { kind: "lock", names: ["db"], mode: "exclusive" } as const;
      log.add({ type: "call_waiting", task: n, call: "c", targets: [], mode: "all", want });
      if (n > 1) log.add({ type: "task_parked", task: n, fence: log.fence(n), on: "calls" });
    }
    const from = log.at;
    for (const n of range(tasks)) {
      const waited_ms = log.at - from;
      log.add({ type: "lock_granted", task: n, name: "db", token: n, mode: "exclusive", ...(n > 1 && { waited_ms }) });
      log.add({ type: "call_done", task: n, call: "c", tool: "lock", why: "answered" });
      if (n > 1) log.add({ type: "task_ready", task: n, why: "wake" });
      if (n > 1) log.start(n);
      log.wait(ms);
      log.add({ type: "lock_released", task: n, name: "db", token: n, why: "released" });
    }
    for (const n of range(tasks)) log.wait(n === 1 ? workMs : 0).end(n);
    return log;
  };

  test("six tasks one behind the other", () => {
    const log = convoy(6, 1000);
    const [finding, ...more] = found(log);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ kind: "contention", severity: "warning" });
    // 1 + 2 + 3 + 4 + 5 s of waiting, for 6 s of holding.
    expect(finding!.message).toMatch(/^Tasks waited 15\.0 s for "db", .*granted 6 times and held for 6\.0 s in all/);
    expect(finding!.subjects).toEqual([6, 5, 4, 3, 2]);
    isShown(log, finding!);
  });

  test("not: short, or few wait, or it is little beside the work", () => {
    expect(kinds(convoy(6, 100))).toEqual([]);
    expect(kinds(convoy(3, 2000))).toEqual([]);
    expect(kinds(convoy(6, 300, 30_000))).toEqual([]);
  });
});

describe("contention for permits", () => {
  /** Three tasks, one after the other, hold two permits for two seconds; they get and give them back in these portions. */
  const convoy = (got: readonly number[], given: readonly number[]) => {
    const log = new Log();
    log.add({ type: "semaphore_created", name: "s", permits: 2 });
    for (const n of range(3)) log.create(n).start(n);
    const from = log.at;
    for (const n of range(3)) {
      const waited_ms = log.at - from;
      for (const [i, permits] of got.entries())
        log.add({ type: "permits_granted", task: n, name: "s", permits, ...(n > 1 && i === 0 && { waited_ms }) });
      log.wait(2000);
      for (const permits of given) log.add({ type: "permits_released", task: n, name: "s", permits, why: "released" });
    }
    for (const n of range(3)) log.end(n);
    return log;
  };

  test("they are held until the last of them is given back, in whatever portions", () => {
    // 2 and 4 s of waiting, for 6 s of holding.
    expect(kinds(convoy([2], [2]))).toEqual([]);
    expect(kinds(convoy([2], [1, 1]))).toEqual([]);
    expect(kinds(convoy([1, 1], [2]))).toEqual([]);
  });

  test("held in portions, it is waited for twice as long as it is held", () => {
    const log = new Log();
    log.add({ type: "semaphore_created", name: "s", permits: 2 });
    log.create(1).start(1);
    for (let i = 0; i < 2; i++) log.add({ type: "permits_granted", task: 1, name: "s", permits: 1 });
    log.wait(1000).add({ type: "permits_released", task: 1, name: "s", permits: 2, why: "ended" });
    for (const n of range(4, 2)) {
      log.create(n).start(n).add({ type: "permits_granted", task: n, name: "s", permits: 2, waited_ms: 4000 });
      log.wait(1).add({ type: "permits_released", task: n, name: "s", permits: 2, why: "ended" });
    }
    for (const n of range(5)) log.wait(2000).end(n);
    expect(found(log)[0]!.message).toMatch(/granted 6 times and held for 1\.0 s in all/);
  });
});

test("a pause is no time of a task's that its waits for a lock are a share of", () => {
  const log = new Log();
  for (const n of range(60, 11)) log.create(n);
  log.add({ type: "run_paused", reason: "asked" });
  log.wait(60_000).add({ type: "run_resumed" });
  log
    .create(1)
    .start(1)
    .add({ type: "lock_granted", task: 1, name: "l", token: 1, mode: "exclusive", waited_ms: 4000 });
  log.wait(1000).add({ type: "lock_released", task: 1, name: "l", token: 1, why: "released" });
  for (const n of [1, ...range(60, 11)]) log.end(n);
  expect(kinds(log)).toContain("contention");
});

describe("excessive branching", () => {
  /** Tasks of one creator on two seats, `ms` of work each. */
  const fanOut = (tasks: number, ms: number, seats = 2) => {
    const log = new Log({ workers: seats });
    for (const n of range(tasks)) log.create(n);
    for (let n = 1; n <= tasks; n += seats) {
      const now = range(Math.min(seats, tasks - n + 1), n);
      for (const one of now) log.start(one);
      log.wait(ms);
      for (const one of now) log.turn(one, ms).end(one);
    }
    return log;
  };

  test("sixty tasks on two seats wait many times as long as they work", () => {
    const log = fanOut(60, 200);
    const [finding, ...more] = found(log);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ kind: "excessive_branching", severity: "warning" });
    // The 31st of 60 starts after fifteen rounds.
    expect(finding!.message).toMatch(
      /^Posted together were 60 tasks for 2 seats: half of them waited 3\.0 s .* 200 ms of work/,
    );
    isShown(log, finding!);
  });

  test("not: few tasks, or seats for them", () => {
    expect(kinds(fanOut(40, 200))).toEqual([]);
    expect(kinds(fanOut(60, 200, 30))).toEqual([]);
  });
});

describe("under-parallelism", () => {
  /** A chain of two tasks, `ms` each, before `fan` others that wait for it. */
  const chain = (ms: number, fan: number, afterMs = 100) => {
    const log = new Log();
    log.create(1, { key: "one" }).create(2, { after: [1], key: "two" });
    for (const n of range(fan, 3)) log.create(n, { after: [2] });
    log.start(1).wait(ms).turn(1, ms).end(1).ready(2).wait(5).start(2).wait(ms).turn(2, ms).end(2);
    for (const n of range(fan, 3)) log.ready(n).start(n);
    log.wait(afterMs);
    for (const n of range(fan, 3)) log.turn(n, afterMs).end(n);
    return log;
  };

  test("four tasks wait for a chain", () => {
    const log = chain(8000, 4);
    const [finding, ...more] = found(log);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ kind: "under_parallelism", severity: "info", subjects: [1, 2] });
    expect(finding!.message).toMatch(
      /^For 16\.0 s \(99 % of the run\) at most one task had a worker, of 16 that could/,
    );
    isShown(log, finding!);
  });

  test("not: short, or little of the run, or nobody waits", () => {
    expect(kinds(chain(4000, 4))).toEqual([]);
    expect(kinds(chain(6000, 4, 60_000))).toEqual([]);
    expect(kinds(chain(8000, 2))).toEqual([]);
  });

  test("not: a pause between the two, or an answer that one waits for", () => {
    const chained = (between: (log: Log) => void) => {
      const log = new Log();
      log.create(1).create(2, { after: [1] });
      for (const n of range(4, 3)) log.create(n, { after: [2] });
      log.start(1).wait(4000).turn(1, 4000);
      between(log);
      log.end(1).ready(2).start(2).wait(4000).turn(2, 4000).end(2);
      for (const n of range(4, 3)) log.ready(n).start(n).end(n);
      return log;
    };
    const asks = (log: Log) => {
      const want = { kind: "future", names: ["f"], mode: "all", one: true, external: true } as const;
      log.add({ type: "call_waiting", task: 1, call: "c", targets: [], mode: "all", want });
      log.add({ type: "task_parked", task: 1, fence: log.fence(1), on: "calls" });
      log.wait(3_600_000).add({ type: "future_settled", name: "f", state: "resolved" });
      log.add({ type: "call_done", task: 1, call: "c", tool: "future", why: "settled" });
      log.add({ type: "task_ready", task: 1, why: "wake" });
      log.start(1);
    };
    expect(kinds(chained(asks))).toEqual([]);
    const halts = (log: Log) => {
      log.end(1).ready(2).add({ type: "run_paused", reason: "asked" });
      log.wait(3_600_000).add({ type: "run_resumed" });
    };
    expect(kinds(chained(halts))).toEqual([]);
  });

  test("not: many short tasks one after the other, of which none could be split", () => {
    const log = new Log();
    for (const n of range(60)) log.create(n, n > 1 ? { after: [n - 1] } : {});
    for (const n of range(60)) log.ready(n).start(n).wait(300).turn(n, 300).end(n);
    expect(kinds(log)).toEqual([]);
  });
});

describe("straggler", () => {
  const siblings = (slow: readonly number[], fast: readonly number[], live = false) => {
    const log = new Log();
    const times = [...fast, ...slow];
    for (const [i] of times.entries()) log.create(i + 1).start(i + 1);
    const begun = log.at;
    const order = times.map((ms, i) => ({ ms, n: i + 1 })).sort((a, b) => a.ms - b.ms);
    for (const { ms, n } of order) {
      log.at = begun + ms;
      if (!live || ms < 10_000) log.turn(n, ms).end(n);
    }
    return log;
  };
  const tenFast = Array.from({ length: 10 }, (_, i) => 1000 + i * 50);

  test("one of eleven takes ten times as long, and is told while it goes on", () => {
    const log = siblings([12_000], tenFast);
    const [finding, ...more] = found(log);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ kind: "straggler", severity: "info", subjects: [11] });
    expect(finding!.message).toMatch(/^T11 worked 12\.0 s, its 10 siblings 1\.3 s in the median/);
    isShown(log, finding!);
    expect(found(siblings([12_000], tenFast, true))[0]).toMatchObject({ kind: "straggler", severity: "warning" });
  });

  test("not one that was retried: only its newest generation counts", () => {
    const again = (log: Log, ms: readonly number[]) => {
      for (const [i, took] of ms.entries()) {
        log.add({ type: "task_retried", task: 1, generation: i + 2, why: "asked" });
        log.start(1);
        log.at += took;
        log.turn(1, took).end(1);
      }
      return kinds(log);
    };
    expect(again(siblings([], tenFast), Array(9).fill(1500))).toEqual([]);
    expect(again(siblings([], tenFast), [15_000, 1000])).toEqual([]);
    expect(again(siblings([], tenFast), [1000, 15_000])).toEqual(["straggler"]);
  });

  test("not: a few seconds more, few siblings, or many that are slow", () => {
    expect(kinds(siblings([5500], tenFast))).toEqual([]);
    expect(kinds(siblings([12_000], tenFast.slice(0, 5)))).toEqual([]);
    expect(kinds(siblings([12_000, 12_000, 12_000], tenFast))).toEqual([]);
  });
});

describe("retry storm", () => {
  const failing = (failures: number, gap: number, successes = 0) => {
    const log = new Log();
    for (const n of range(successes, 100)) log.create(n).start(n).turn(n, 1).end(n);
    for (const n of range(4)) log.create(n);
    for (let i = 0; i < failures; i++) {
      const n = (i % 4) + 1;
      log.start(n, i).wait(gap).fail(n, "provider_overloaded");
      log.ready(n);
    }
    for (const n of range(4)) log.start(n).end(n);
    return log;
  };

  test("twelve failures within a minute", () => {
    const log = failing(12, 1000);
    const [finding, ...more] = found(log);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ kind: "retry_storm", severity: "warning" });
    expect(finding!.message).toMatch(/^12 attempts of 4 tasks failed within 11\.0 s \(\d+ % .*provider_overloaded/);
    isShown(log, finding!);
  });

  test("not: few, or over a long time, or few of many", () => {
    expect(kinds(failing(9, 1000))).toEqual([]);
    expect(kinds(failing(12, 10_000))).toEqual([]);
    expect(kinds(failing(12, 100, 40))).toEqual([]);
  });

  test("not: a restart of Heddle, which ends everybody's attempt at once", () => {
    const log = new Log();
    for (const n of range(16)) log.create(n).start(n);
    for (const n of range(16)) log.add({ type: "attempt_ended", task: n, fence: log.fence(n), why: "restart" });
    for (const n of range(16)) log.start(n).end(n);
    expect(kinds(log)).toEqual([]);
  });
});

describe("needs operator", () => {
  const ended = (...codes: string[]) => {
    const log = new Log();
    for (const [i, code] of codes.entries()) {
      log.create(i + 1).start(i + 1);
      log.add({ type: "task_ended", task: i + 1, state: "failed", error: { code, message: "401 bad key" } });
    }
    return log;
  };

  test("tasks that fail for the same reason are one finding, with what the rule says", () => {
    const log = ended("provider_auth", "provider_auth", "provider_quota");
    const [auth, quota, ...more] = found(log);
    expect(more).toEqual([]);
    expect(auth).toMatchObject({ kind: "needs_operator", severity: "error", subjects: [1, 2] });
    expect(auth!.message).toMatch(/^2 tasks have failed with provider_auth: T1 and T2\. .*401 bad key.*Set a key/);
    expect(quota).toMatchObject({ subjects: [3], message: expect.stringContaining("Add credit") });
    isShown(log, auth!);
  });

  test("until the tasks are tried again", () => {
    const log = ended("provider_auth", "provider_auth");
    log.add({ type: "task_retried", task: 1, generation: 2, why: "asked" });
    log.start(1).end(1);
    expect(found(log)).toMatchObject([{ kind: "needs_operator", subjects: [2], evidence: [7] }]);
    log.add({ type: "task_retried", task: 2, generation: 2, why: "asked" });
    expect(kinds(log.start(2).end(2))).toEqual([]);
  });

  test("not: what the request, the model or the task itself is to blame for", () => {
    expect(kinds(ended("provider_rejected", "refusal", "timeout", "a_code_of_a_worker", "toString"))).toEqual([]);
  });
});

describe("cache miss", () => {
  const lineage = { snapshot: "s", model: "m", tokens: 20_000, cold: 0, gain: 1 };
  /** One task warms the prefix; the next reads `read` of it, `later` ms after. */
  const forks = (read: number, later = 1000, overlaps = false) => {
    const log = new Log();
    log.add({ type: "lineage_begun", lineage: 1, ...lineage });
    log.create(1, { lineage: 1 }).create(2, { lineage: 1 }).start(1);
    if (overlaps) log.start(2);
    log.wait(500).turn(1, 500, { in: 20_100, write: 20_000 }).end(1).wait(later);
    if (!overlaps) log.start(2);
    log
      .wait(500)
      .turn(2, overlaps ? later + 1000 : 500, { in: 20_100, read })
      .end(2);
    return log;
  };

  test("a fork reads nothing of what its sibling had just written", () => {
    const log = forks(0);
    const [finding, ...more] = found(log);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ kind: "cache_miss", severity: "warning", subjects: [2] });
    expect(finding!.message).toMatch(/^1 of 2 forks \(50 %\) paid for their prefix of 20000 tokens/);
    isShown(log, finding!);
  });

  test("not: it read it, or the cache was cold again, or it began before", () => {
    expect(kinds(forks(20_000))).toEqual([]);
    expect(kinds(forks(0, 400_000))).toEqual([]);
    expect(kinds(forks(0, 1000, true))).toEqual([]);
  });
});

describe("budget burn", () => {
  const spending = (first: number, tasks = 10) => {
    const log = new Log({ tokens: 10_000 });
    for (const n of range(tasks)) log.create(n);
    log.start(1).wait(10).turn(1, 10, { in: first, out: 100 }).end(1);
    for (const n of range(tasks - 1, 2)) log.start(n).wait(10).turn(n, 10, { in: 100 }).end(n);
    return log;
  };

  test("half of the budget for a tenth of the tasks", () => {
    const log = spending(6000);
    const [finding, ...more] = found(log);
    expect(more).toEqual([]);
    expect(finding).toMatchObject({ kind: "budget_burn", severity: "warning", subjects: expect.arrayContaining([1]) });
    expect(finding!.subjects[0]).toBe(1);
    expect(finding!.message).toMatch(/^61 % of the 10000 tokens were spent when 0 of 10 tasks had ended/);
    isShown(log, finding!);
  });

  test("not: evenly spent, few tasks, or no budget", () => {
    expect(kinds(spending(1000))).toEqual([]);
    expect(kinds(spending(6000, 4))).toEqual([]);
    const unlimited = new Log();
    for (const n of range(10)) unlimited.create(n);
    expect(kinds(unlimited.start(1).turn(1, 1, { in: 1e9 }).end(1))).toEqual([]);
  });
});

describe("what is left behind", () => {
  const queue = (pushed: number, popped: number) => {
    const log = new Log();
    log.create(1).start(1);
    log.add({ type: "messages_pushed", name: "work", task: 1, sizes: Array.from({ length: pushed }, () => 10) });
    log.add({ type: "messages_popped", name: "work", task: 1, count: popped });
    return log.end(1);
  };

  test("messages that nobody popped, once the run has ended", () => {
    const log = queue(3, 1).endRun();
    expect(found(log)).toMatchObject([{ kind: "leaked_variable", severity: "warning", subjects: [1] }]);
    expect(found(log)[0]!.message).toMatch(/2 messages left in "work"/);
    isShown(log, found(log)[0]!);
    expect(kinds(queue(3, 1))).toEqual([]);
    expect(kinds(queue(3, 3).endRun())).toEqual([]);
  });

  const children = (awaited: boolean, detached = false) => {
    const log = new Log();
    log.create(1, { key: "lead" }).start(1);
    log.create(2, { parent: 1, depth: 2, ...(detached && { detached: true as const }) });
    if (awaited) log.add({ type: "call_waiting", task: 1, call: "c", targets: [2], mode: "all" });
    log.add({ type: "task_parked", task: 1, fence: log.fence(1), on: "children" });
    return log.start(2).wait(10).turn(2, 10).end(2).end(1).endRun();
  };

  test("a child's result that nobody read", () => {
    const log = children(false);
    expect(found(log)).toMatchObject([{ kind: "never_awaited", severity: "info", subjects: [1, 2] }]);
    isShown(log, found(log)[0]!);
    expect(kinds(children(true))).toEqual([]);
    expect(kinds(children(false, true))).toEqual([]);
  });
});

describe("a result that was read after all", () => {
  /** Task 1 has child 2, which has ended, and child 3, for which it is parked in the end. */
  const lead = (then: (log: Log) => void) => {
    const log = new Log();
    log.create(1).start(1).create(2, { parent: 1, depth: 2 }).start(2).end(2);
    then(log);
    log.add({ type: "task_parked", task: 1, fence: log.fence(1), on: "children" });
    return log.start(3).end(3).end(1).endRun();
  };
  const awaited = (log: Log) => {
    log.create(3, { parent: 1, depth: 2 });
    log.add({ type: "call_waiting", task: 1, call: "w", targets: [3], mode: "all", until: 1 });
    log.add({ type: "call_done", task: 1, call: "w", tool: "await_tasks", why: "timed_out" });
  };

  test("it was there already when it was awaited, so that nobody waited", () => {
    expect(found(lead(awaited))).toMatchObject([{ kind: "never_awaited", subjects: [1, 2] }]);
    const atOnce = (log: Log) => {
      awaited(log);
      log.add({ type: "call_done", task: 1, call: "d", tool: "await_tasks", why: "settled" });
    };
    expect(kinds(lead(atOnce))).toEqual([]);
    const ofAnother = (log: Log) => {
      awaited(log);
      log.add({ type: "call_done", task: 1, call: "d", tool: "await_tasks", why: "settled", targets: [3] });
    };
    expect(kinds(lead(ofAnother))).toEqual(["never_awaited"]);
  });

  test("it is of a generation that is void", () => {
    const again = (log: Log) => {
      log.end(1, "failed").add({ type: "task_retried", task: 1, generation: 2, why: "asked" });
      awaited(log.start(1));
    };
    expect(kinds(lead(again))).toEqual([]);
  });
});

test("what the run noticed itself stands first, as it was logged, and everything else has evidence", () => {
  for (const { seed, events } of worlds) {
    const all = fold(new FindingsFold((n) => `T${n}`), events).finish(events.at(-1)!.at);
    const logged = events.filter(({ type }) => type === "finding").map(({ seq }) => seq);
    expect(
      all.slice(0, logged.length).map(({ seq }) => seq),
      `seed ${seed}`,
    ).toEqual(logged);
    for (const { evidence, message } of all) {
      expect(evidence.length).toBeGreaterThan(0);
      expect(message.length).toBeGreaterThan(20);
    }
  }
});

describe("docs/findings.md", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/findings.md"), "utf8");
  const rows = new Map([...page.matchAll(/^\| `(\w+)` \|.*$/gm)].map(([row, kind]) => [kind!, row]));

  test.each(Object.entries(thresholds))("has the thresholds of %s", (name, values) => {
    const kind = {
      ...{ branching: "excessive_branching", underParallel: "under_parallelism", retryStorm: "retry_storm" },
      ...{ cacheMiss: "cache_miss", budgetBurn: "budget_burn", hotVariable: "hot_variable" },
    }[name];
    const row = rows.get(kind ?? name);
    for (const [field, value] of Object.entries(values)) {
      const shown = /ms$/i.test(field)
        ? `${value / 1000} s`
        : value < 1
          ? `${value * 100} %`
          : value.toLocaleString("en");
      expect(row, field).toContain(shown);
    }
  });
});
