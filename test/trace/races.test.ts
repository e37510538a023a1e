/** Races, lost updates and hot variables, by logs made by hand: what is told, what is close to it and no fault, and where nobody can tell. */

import { describe, expect, test } from "vitest";
import type { VariableUse } from "../../src/scheduler/events.ts";
import { type Finding, FindingsFold } from "../../src/trace/findings/findings.ts";
import { Races } from "../../src/trace/findings/races.ts";
import { RunFacts } from "../../src/trace/findings/run-facts.ts";
import { Log } from "./lib/log.ts";
import { fold } from "./lib/trace.ts";

const found = ({ events, at }: Log): Finding[] =>
  fold(new FindingsFold((n) => (n < 0 ? `A${-n}` : `T${n}`)), events).finish(at);
const kinds = (log: Log) => found(log).map(({ kind }) => kind);

/** Two tasks that run, and the variables. */
function two(): Log {
  const log = new Log();
  for (const [name, kind] of Object.entries({
    plan: "shared_map",
    steps: "shared_list",
    notes: "shared_memory",
    sum: "atomic",
  }))
    log.add({ type: "variable_created", name, kind });
  return log.create(1, { key: "one" }).create(2, { key: "two" }).start(1).start(2);
}

type Of = Partial<VariableUse> & { readonly task: number };
const get = (of: Of): VariableUse => ({ name: "plan", op: "get", key: "a", saw: 0, ...of });
const set = (of: Of): VariableUse => ({ name: "plan", op: "set", key: "a", saw: 0, made: 1, ...of });
const add = (of: Of): VariableUse => ({ name: "plan", op: "increment", key: "a", saw: 0, made: 1, ...of });

/** Whatever the tasks do one after the other, each op in an event. */
const does = (...uses: VariableUse[]): Log => {
  const log = two();
  for (const use of uses) log.uses(use);
  return log;
};
const grant = (log: Log, task: number, token: number, mode: "exclusive" | "shared" = "exclusive") =>
  log.add({ type: "lock_granted", task, name: "l", token, mode });
const release = (log: Log, task: number, token: number) =>
  log.add({ type: "lock_released", task, name: "l", token, why: "released" });

describe("race", () => {
  test("two blind writes: who, where, by which events, and what to do", () => {
    const log = does(set({ task: 1, turn: 3 }), set({ task: 2, saw: 1, made: 2, turn: 1 }));
    const [race, ...more] = found(log);
    expect(more).toEqual([]);
    const seqs = log.events.filter(({ type }) => type === "variables_used").map(({ seq }) => seq);
    expect(race).toMatchObject({ kind: "race", severity: "warning", subjects: [1, 2], evidence: seqs });
    expect(race!.message).toMatch(
      /^"a" in "plan" was written by T1 \(one\), turn 3 \(set\) and by T2 \(two\), turn 1 \(set\)/,
    );
    expect(race!.message).toContain("if_version");
  });

  test("a read and a blind write are worth knowing, whichever comes first in the log", () => {
    for (const log of [does(get({ task: 1 }), set({ task: 2 })), does(set({ task: 2 }), get({ task: 1, saw: 1 }))]) {
      expect(found(log)).toMatchObject([{ kind: "race", severity: "info" }]);
      expect(found(log)[0]!.message).toMatch(/was read by T1 \(one\) \(get\) and written by T2 \(two\) \(set\)/);
    }
  });

  test("[R1] ops that build on what they find conflict with blind writes alone", () => {
    expect(kinds(does(add({ task: 1 }), add({ task: 2, saw: 1, made: 2 }), get({ task: 1, saw: 2 })))).toEqual([]);
    expect(kinds(does(set({ task: 1, checked: true }), set({ task: 2, saw: 1, made: 2, checked: true })))).toEqual([]);
    expect(kinds(does(set({ task: 1, saw: 3, made: undefined as never, checked: true }), get({ task: 2 })))).toEqual(
      [],
    );
    expect(kinds(does(add({ task: 1 }), set({ task: 2, saw: 1, made: 2 })))).toEqual(["race"]);
    expect(kinds(does(set({ task: 1, checked: true }), set({ task: 2, saw: 1, made: 2 })))).toEqual(["race"]);
    const edits = [1, 2].map((task): VariableUse => ({ task, name: "notes", op: "edit", saw: task - 1, made: task }));
    expect(kinds(does(...edits))).toEqual([]);
    expect(kinds(does(...edits, { task: 1, name: "notes", op: "write", saw: 2, made: 3 }))).not.toEqual([]);
    const appends = [1, 2].map(
      (task): VariableUse => ({ task, name: "steps", op: "append", from: task - 1, to: task }),
    );
    expect(kinds(does(...appends, { task: 1, name: "steps", op: "slice", from: 0, to: 2 }))).toEqual([]);
    const sums = [1, 2].map((task): VariableUse => ({ task, name: "sum", op: "set", saw: task - 1, made: task }));
    expect(kinds(does(...sums))).toEqual([]);
  });

  test("other places are no conflict, and neither is the size", () => {
    expect(kinds(does(set({ task: 1 }), set({ task: 2, key: "b", made: 2 })))).toEqual([]);
    expect(kinds(does(set({ task: 1 }), { task: 2, name: "plan", op: "size" }))).toEqual([]);
    expect(kinds(does(set({ task: 1, key: "x/1" }), { task: 2, name: "plan", op: "entries", prefix: "y/" }))).toEqual(
      [],
    );
    expect(kinds(does(set({ task: 1, key: "c" }), { task: 2, name: "plan", op: "entries", from: "d" }))).toEqual([]);
    expect(kinds(does({ task: 2, name: "plan", op: "entries", to: "b" }, set({ task: 1, key: "b" })))).toEqual([]);
    expect(kinds(does({ task: 2, name: "plan", op: "entries", to: "b" }, set({ task: 1, key: "a" })))).toEqual([
      "race",
    ]);
    const item = (task: number, key: number): VariableUse => ({ task, name: "steps", op: "set", key, saw: 1, made: 2 });
    expect(kinds(does({ task: 1, name: "steps", op: "slice", from: 0, to: 5 }, item(2, 5)))).toEqual([]);
    expect(kinds(does({ task: 1, name: "steps", op: "slice", from: 0, to: 5 }, item(2, 4)))).toEqual(["race"]);
  });

  test("many places of a variable are one finding, the worst of them first", () => {
    const log = does(get({ task: 1, key: "r" }), set({ task: 2, key: "r" }));
    for (const key of ["a", "b"]) for (const task of [1, 2]) log.uses(set({ task, key, saw: task - 1, made: task }));
    expect(found(log)).toMatchObject([{ kind: "race", severity: "warning" }]);
    expect(found(log)[0]!.message).toMatch(/^"a" in "plan" was written.*So it is with 2 more places of "plan"/);
  });

  test("[H1] readers that share a lock follow the writer, and the writer all of them", () => {
    const log = two().create(3).start(3);
    grant(log, 1, 1);
    log.uses(set({ task: 1 }));
    release(log, 1, 1);
    for (const task of [2, 3]) grant(log, task, task, "shared");
    for (const task of [2, 3]) log.uses(get({ task, saw: 1 }));
    for (const task of [2, 3]) release(log, task, task);
    grant(log, 1, 4);
    log.uses(set({ task: 1, saw: 1, made: 2 }));
    expect(kinds(log)).toEqual([]);
  });

  test("a lock that only one of them holds is named", () => {
    const log = two();
    grant(log, 1, 1);
    log.uses(set({ task: 1 }));
    release(log, 1, 1);
    log.uses(set({ task: 2, saw: 1, made: 2 }));
    expect(found(log)[0]!.message).toContain('T1 (one) held lock "l" for it, T2 (two) held none: let both acquire "l"');
  });

  test("a lock that was released in the reply that wrote is named", () => {
    const log = two();
    grant(log, 1, 1);
    log.turn(1, 10);
    release(log, 1, 1);
    grant(log, 2, 2);
    log.uses(set({ task: 1, turn: 1 }));
    log.uses(set({ task: 2, saw: 1, made: 2 }));
    expect(found(log)[0]!.message).toContain('T1 (one) released "l" in the same reply as its set');
  });

  test("[H3] an atomic's version whose writer is not known may be anybody's", () => {
    const flag = (saw: number) =>
      does(set({ task: 1 }), { task: 2, name: "sum", op: "get", saw }, get({ task: 2, saw: 1 }));
    expect(kinds(flag(1))).toEqual([]);
    expect(kinds(flag(0))).toEqual(["race"]);
    expect(kinds(does(set({ task: 1 }), { task: 2, name: "sum", op: "inspect" }, get({ task: 2, saw: 1 })))).toEqual(
      [],
    );
  });

  test("[H3] nothing is compared across a gap in the log", () => {
    const log = does(set({ task: 1 }));
    log.add({ type: "variables_used", uses: [get({ task: 2, saw: 1 })], gap: true });
    expect(kinds(log)).toEqual([]);
    log.uses(set({ task: 1, saw: 1, made: 2 }));
    expect(kinds(log)).toEqual(["race"]);
  });

  test("[H2] who is outside knows all, and tells the tasks that it posts, sends a message or retries", () => {
    const byOutside = { ...set({ task: 0 }), task: -1 };
    expect(kinds(does(set({ task: 1 }), { ...byOutside, saw: 1, made: 2 }))).toEqual([]);
    const later = does(byOutside, get({ task: 1, saw: 1 }));
    expect(found(later)).toMatchObject([{ kind: "race", subjects: [-1, 1] }]);
    expect(found(later)[0]!.message).toContain("written by A1 (set)");
    const posted = does(byOutside);
    posted
      .create(3)
      .start(3)
      .uses(get({ task: 3, saw: 1 }));
    expect(kinds(posted)).toEqual([]);
    const told = does(byOutside);
    const seq = told.add({ type: "message_received", task: 1, bytes: 2 });
    const usage = { in: 1, out: 1, read: 0, write: 0 };
    told.add({ type: "turn", task: 1, fence: told.fence(1), turn: 1, snapshot: "s", usage, messages: [seq] });
    told.uses(get({ task: 1, saw: 1 }));
    expect(kinds(told)).toEqual([]);
    const again = does(set({ task: 1 })).end(2, "failed");
    again.add({ type: "task_retried", task: 2, generation: 2, why: "asked" });
    again.start(2).uses(get({ task: 2, saw: 1 }));
    expect(kinds(again)).toEqual([]);
  });

  test("[H3] an await that was over at once, and what an answer does not name", () => {
    const after = (event: Parameters<Log["add"]>[0]) => {
      const log = does(set({ task: 1 })).end(1);
      log.add(event);
      log.uses(get({ task: 2, saw: 1 }));
      return kinds(log);
    };
    const done = { type: "call_done", task: 2, call: "c" } as const;
    expect(after({ ...done, tool: "await_tasks", why: "settled" })).toEqual([]);
    expect(after({ ...done, tool: "inspect", why: "answered" })).toEqual([]);
    expect(after({ ...done, tool: "create_task", why: "answered" })).toEqual(["race"]);
    expect(after({ ...done, tool: "message_queue", why: "answered" })).toEqual(["race"]);
    const closed = does(set({ task: 1 }));
    closed.add({ type: "queue_closed", name: "q", task: 1 });
    closed.add({ ...done, tool: "message_queue", why: "answered" });
    closed.uses(get({ task: 2, saw: 1 }));
    expect(kinds(closed)).toEqual([]);
  });

  test("[H1] who goes on after a task follows also those that were cancelled with it", () => {
    const log = two().create(3, { parent: 1, depth: 2 }).start(3);
    log.uses(set({ task: 3 }));
    log.end(1, "failed");
    log.add({ type: "task_ended", task: 3, state: "cancelled", error: { code: "x", message: "x", because: 1 } });
    log.create(4, { after: [1], parent: 2, depth: 2 }).start(4);
    log.uses(set({ task: 4, saw: 1, made: 2 }));
    expect(kinds(log).filter((kind) => kind === "race")).toEqual([]);
  });

  test("[H1] a fallback follows what failed, and who goes on follows the fallback", () => {
    const standIn = (why: "fallback" | "compensation") =>
      ({
        parent: 1,
        depth: 2,
        stands_in: { why, seq: 1 },
        ...(why === "compensation" && { detached: true as const }),
      }) as const;
    const log = does(set({ task: 1 }));
    log.add({ type: "task_fell_back", task: 1, error: { code: "x", message: "x" } });
    log.create(3, standIn("fallback")).start(3);
    log.uses(set({ task: 3, saw: 1, made: 2 }));
    log
      .end(3)
      .end(1)
      .create(4, { after: [1] })
      .start(4);
    log.uses(set({ task: 4, saw: 2, made: 3 }));
    expect(kinds(log)).toEqual([]);
    const undone = does(set({ task: 1 })).end(1);
    undone.uses(set({ task: 2, saw: 1, made: 2 }));
    undone.end(2, "failed").create(3, standIn("compensation")).start(3);
    undone.uses(set({ task: 3, key: "a", saw: 2, made: 3 }));
    const [race, ...more] = found(undone);
    expect(more).toEqual([]);
    expect(race).toMatchObject({ kind: "race", subjects: [1, 2] });
  });

  test("says from where on it has not looked", () => {
    const races = new Races(40);
    const log = two();
    for (let i = 0; i < 60; i++) {
      const task = 1 + (i % 2);
      log.uses(set({ task, key: `k${i}` }));
      log.add({ type: "messages_pushed", name: "q", task, sizes: [1] });
    }
    for (const event of log.events) races.event(event);
    const [unchecked] = races.finish(new RunFacts(String));
    expect(unchecked).toMatchObject({ kind: "races_unchecked", severity: "info" });
    expect(unchecked!.message).toContain(`after event ${unchecked!.evidence[0]}`);
    expect(unchecked!.evidence[0]).toBeLessThan(log.events.length);
  });
});

describe("lost_update", () => {
  const read = get({ task: 1, turn: 1 });
  const other = set({ task: 2, turn: 1 });
  const write = set({ task: 1, turn: 2, saw: 1, made: 2 });

  test("somebody else wrote between read and write; it is no race besides", () => {
    const log = does(read, other, write);
    const seqs = log.events.filter(({ type }) => type === "variables_used").map(({ seq }) => seq);
    expect(found(log)).toMatchObject([{ kind: "lost_update", severity: "warning", subjects: [1, 2], evidence: seqs }]);
    expect(found(log)[0]!.message).toMatch(
      /^T1 \(one\) wrote "a" in "plan" in turn 2 without having seen version 1, which T2 \(two\) had made in turn 1: it knew version 0\./,
    );
  });

  test("also where locks were held, but not from reading to writing", () => {
    const log = two();
    for (const [i, use] of [read, other, write].entries()) {
      grant(log, use.task!, i + 1);
      log.uses(use);
      release(log, use.task!, i + 1);
    }
    expect(kinds(log)).toEqual(["lost_update"]);
  });

  test("also of an atomic, a text and an item; each is told what its kind has for it", () => {
    const on = (name: string, op: [string, string], more: object = {}) => {
      const uses: VariableUse[] = [
        { task: 1, name, op: op[0], saw: 0, ...more },
        { task: 2, name, op: op[1], saw: 0, made: 1, ...more },
        { task: 1, name, op: op[1], saw: 1, made: 2, ...more },
      ];
      const [finding, ...rest] = found(does(...uses));
      expect(rest).toEqual([]);
      expect(finding!.kind).toBe("lost_update");
      return finding!.message;
    };
    expect(on("sum", ["get", "set"])).toContain("use add or compare_and_set");
    expect(on("notes", ["read", "write"])).toContain("use edit or append");
    expect(on("steps", ["get", "set"], { key: 3 })).toContain('item 3 of "steps"');
  });

  test("answers that came in another order than their ops are set right by versions", () => {
    expect(kinds(does(other, get({ task: 1, saw: 0 }), write))).toEqual(["lost_update"]);
    expect(kinds(does(other, get({ task: 1, saw: 1 }), write))).toEqual(["race"]);
  });

  test("[L1] not: it names the version, builds on what is there, reads again, or is its own", () => {
    const none = (...uses: VariableUse[]) => expect(kinds(does(...uses))).not.toContain("lost_update");
    none(read, other, { ...write, checked: true });
    none(read, other, add({ task: 1, saw: 1, made: 2 }));
    none(read, other, get({ task: 1, saw: 1 }), write);
    none(read, other, { task: 1, name: "plan", op: "entries" }, write);
    none(read, set({ task: 1 }), write);
    none(other, write);
    none(read, other, { ...write, op: "delete", made: 0 });
  });

  test("[L1] what was deleted meanwhile is an update as well", () => {
    const gone = { task: 2, name: "plan", op: "delete", key: "a", saw: 5, made: 0 } as const;
    expect(kinds(does(get({ task: 1, saw: 5 }), gone, set({ task: 1, saw: 0, made: 6 })))).toEqual(["lost_update"]);
  });

  test("[L2] not: it was told after the other had written", () => {
    const log = does(read, other).end(2);
    log.add({ type: "call_waiting", task: 1, call: "c", targets: [2], mode: "all" });
    log.add({ type: "call_done", task: 1, call: "c", tool: "await_tasks", why: "settled" });
    log.uses(write);
    expect(kinds(log)).not.toContain("lost_update");
    const session = does({ ...read, task: -1 }, other, { ...write, task: -1 });
    expect(kinds(session)).not.toContain("lost_update");
    expect(kinds(does({ ...read, task: -1 }, { ...other, task: -2 }, { ...write, task: -1 }))).toEqual(["lost_update"]);
  });

  test("[L3] not: nobody knows who made the version, or what was read in an earlier life", () => {
    expect(kinds(does(read, write))).toEqual([]);
    const log = does(read, other);
    log.add({ type: "variables_used", uses: [write], gap: true });
    expect(kinds(log)).not.toContain("lost_update");
    const again = does(read, other).end(1, "failed");
    again.add({ type: "task_retried", task: 1, generation: 2, why: "asked" });
    again.start(1).uses(write);
    expect(kinds(again)).not.toContain("lost_update");
  });
});

describe("hot_variable", () => {
  /** `tasks` tasks do `ops` ops of `ms` each, and work a while. */
  const busy = (tasks: number, ops: number, ms: number, workMs: number, more: Partial<VariableUse> = {}) => {
    const log = two();
    for (let n = 3; n <= tasks + 2; n++) log.create(n).start(n);
    for (let n = 3; n <= tasks + 2; n++) {
      log.wait(ms);
      log.uses({ task: n, name: "sum", op: "get", saw: 0, times: ops, ms: ops * ms, ...more });
    }
    log.wait(workMs);
    for (let n = 1; n <= tasks + 2; n++) log.end(n);
    return log;
  };

  test("ops on it took much of all tasks' time", () => {
    const log = busy(4, 100, 20, 4000);
    expect(found(log)).toMatchObject([{ kind: "hot_variable", severity: "warning", subjects: [3, 4, 5, 6] }]);
    expect(found(log)[0]!.message).toMatch(
      /^"sum" had 400 ops of 4 callers, 100 % of all on .*, and they took 8\.0 s, \d+ % /,
    );
    expect(found(log)[0]!.message).toContain("add once with the sum");
  });

  test("its conditional writes are mostly refused", () => {
    const log = busy(5, 5, 1, 4000, { name: "plan", op: "set", key: "a", saw: 1, checked: true });
    expect(kinds(log)).toEqual(["hot_variable"]);
    expect(found(log)[0]!.message).toContain("25 of 25 conditional writes were refused");
    const compared = busy(5, 5, 1, 4000, { op: "compare_and_set", saw: 1 });
    expect(kinds(compared)).toEqual(["hot_variable"]);
  });

  test("not: few callers, little time, a small share of the tasks' time, or few refusals", () => {
    expect(kinds(busy(2, 100, 20, 4000))).toEqual([]);
    expect(kinds(busy(4, 10, 20, 4000))).toEqual([]);
    expect(kinds(busy(4, 100, 20, 60_000))).toEqual([]);
    expect(kinds(busy(4, 4, 1, 4000, { name: "plan", op: "set", key: "a", saw: 1, checked: true }))).toEqual([]);
  });
});
