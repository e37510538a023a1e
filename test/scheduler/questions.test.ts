import * as fc from "fast-check";
import { expect, test } from "vitest";
import { openActor } from "../../src/scheduler/actors.ts";
import { arrive } from "../../src/scheduler/barriers.ts";
import { nextClock } from "../../src/scheduler/clock.ts";
import { awaitFutures } from "../../src/scheduler/futures.ts";
import { acquire } from "../../src/scheduler/locks.ts";
import { closeQueue, pop, push, queueOf, queueSize } from "../../src/scheduler/message-queues.ts";
import { type Answer, answerQuestion, openAsks, openStall, waitedFor } from "../../src/scheduler/questions.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { MemoryStore } from "../sim/memory-store.ts";
import { answerOf, answersOf, expectRebuilt, findings, mayAct, rooted, started, victims } from "./blocking.ts";
import { checkState } from "./check.ts";
import { type Leased, Run, states } from "./run.ts";

interface More {
  readonly external?: boolean;
  readonly ask?: string;
  readonly mode?: "all" | "any" | "settled";
  readonly until?: number;
}

const awaits = (run: Run, task: Task, names: readonly string[], more: More = {}) => {
  const { external = true, mode = "all", until = 0, ask } = more;
  const wait = { call: `f-${names.join()}`, names, mode, one: names.length === 1, until, external };
  run.step((step) => awaitFutures(step, task, { ...wait, ...(ask !== undefined && { ask }) }));
};
const pops = (run: Run, task: Task, { external = true, ask, until = 0 }: More = {}) =>
  run.step((step) =>
    pop(step, { task, call: "pop", until }, "q", { max: 1, external, ...(ask !== undefined && { ask }) }),
  );
const answer = (run: Run, seq: number, given: Answer) => run.step((step) => answerQuestion(step, seq, given));
const yes = (name?: string): Answer => ({
  ...{ action: "answer", value: "yes", bytes: 5 },
  ...(name !== undefined && { name }),
});
const seqs = (run: Run) => openAsks(run.state).map(({ call }) => call.seq);
/** Everything about the run that an answer could change. */
const whole = (run: Run) => [run.log.length, run.state.header.seq];

test("[QU1] external waits of tasks are questions, the oldest first; others and a session's are none", () => {
  const run = new Run();
  const [a, b, c, d] = started(run, 4) as [Leased, Leased, Leased, Leased];
  awaits(run, a, ["inside"], { external: false });
  awaits(run, b, ["later"]);
  awaits(run, c, ["plan", "money"], { ask: "How much may it cost?" });
  pops(run, d);
  const actor = run.step((step) => openActor(step, 60_000, "person"));
  awaits(run, actor, ["hers"]);
  expect(openAsks(run.state).map(({ task, names, offers }) => [task.n, names, offers])).toEqual([
    [b.n, ["later"], ["answer", "decline", "cancel"]],
    [c.n, ["plan", "money"], ["answer", "decline", "cancel"]],
    [d.n, ["q"], ["answer", "decline", "cancel"]],
  ]);
  // What it asks stands in the log, and not in the state.
  expect(run.events("call_waiting").map(({ ask }) => ask)).toEqual([
    undefined,
    undefined,
    "How much may it cost?",
    undefined,
    undefined,
  ]);
  expect(JSON.stringify([...run.state.tasks.values()])).not.toContain("How much");
  expectRebuilt(run, ["plan", "q"]);
  const store = new MemoryStore();
  store.log.push(...run.log);
  store.checkpoint(store.load());
  for (const state of [store.load(), store.replay()])
    expect(openAsks(state).map(({ call }) => call.seq)).toEqual(seqs(run));
});

test("[QU1] of a queue only the first in line asks, since it is the one that a message goes to", () => {
  const run = new Run();
  const [a, b, inside] = started(run, 3) as [Leased, Leased, Leased];
  pops(run, a);
  pops(run, b);
  const [first] = seqs(run) as [number];
  expect(openAsks(run.state).map(({ task }) => task.n)).toEqual([a.n]);
  expect(answer(run, first, yes())).toEqual({ kind: "done" });
  expect([mayAct(a), mayAct(b), openAsks(run.state)[0]?.task.n]).toEqual([true, false, b.n]);
  run.cancel(b);
  pops(run, inside, { external: false });
  run.complete(a);
  const [later] = started(run, 1) as [Leased];
  pops(run, later);
  expect(openAsks(run.state)).toEqual([]);
});

test("[QU3] an answer settles the future, names the question as its cause, and counts once", () => {
  const run = new Run();
  const [a] = started(run, 1) as [Leased];
  awaits(run, a, ["plan"]);
  run.giveBack(a);
  const [seq] = seqs(run) as [number];
  expect(answer(run, seq, { ...yes(), value: { go: true } } as Answer)).toEqual({ kind: "done" });
  expect(run.log.find(({ event }) => event.type === "future_settled")).toMatchObject({
    event: { name: "plan", state: "resolved" },
    causes: [seq],
    body: { value: { go: true } },
  });
  expect([states(a), openAsks(run.state)]).toEqual(["ready", []]);
  const before = whole(run);
  for (const given of [yes(), { action: "decline" }, { action: "cancel" }, { action: "extend" }] as Answer[])
    expect(answer(run, seq, given)).toEqual({ kind: "late" });
  for (const other of [0, seq + 1, 999_999]) expect(answer(run, other, yes())).toEqual({ kind: "late" });
  expect(whole(run)).toEqual(before);
  checkState(run.state, run.now);
});

test("[QU3] of several futures one is named for each answer, until the wait is over", () => {
  const run = new Run();
  const [a] = started(run, 1) as [Leased];
  awaits(run, a, ["plan", "money"]);
  const [seq] = seqs(run) as [number];
  const before = whole(run);
  expect(answer(run, seq, yes())).toEqual({ kind: "unnamed", names: ["plan", "money"] });
  expect(answer(run, seq, yes("other"))).toEqual({ kind: "unnamed", names: ["plan", "money"] });
  expect(whole(run)).toEqual(before);
  expect(answer(run, seq, yes("money"))).toEqual({ kind: "done" });
  // Not `unnamed`: it was asked for, and somebody else was faster.
  expect(answer(run, seq, yes("money"))).toEqual({ kind: "late" });
  expect(answer(run, seq, yes("other"))).toEqual({ kind: "unnamed", names: ["plan"] });
  expect(openAsks(run.state)[0]?.names).toEqual(["plan"]);
  // The last one needs no name.
  expect(answer(run, seq, yes())).toEqual({ kind: "done" });
  expect([mayAct(a), answer(run, seq, yes())]).toEqual([true, { kind: "late" }]);
  expect(run.events("future_settled")).toHaveLength(2);
});

test("[QU3] an answer to a wait that has timed out is late, and no message stays behind", () => {
  const run = new Run();
  const [a] = started(run, 1) as [Leased];
  pops(run, a, { until: run.now + 1000 });
  const [seq] = seqs(run) as [number];
  run.clock(1000);
  expect(answerOf(run, a)).toMatchObject({ kind: "timed_out" });
  expect(answer(run, seq, yes())).toEqual({ kind: "late" });
  expect(queueSize(queueOf(run.state, "q"))).toBe(0);
});

test("[QU4] who declines rejects the futures that are asked for, with the reason", () => {
  const run = new Run();
  const [a, b] = started(run, 2) as [Leased, Leased];
  awaits(run, a, ["plan", "money"], { mode: "any" });
  awaits(run, b, ["plan"], { external: false });
  const [seq] = seqs(run) as [number];
  expect(answer(run, seq, { action: "decline", reason: "Too dear." })).toEqual({ kind: "done" });
  expect(run.log.filter(({ event }) => event.type === "future_settled").map(({ body }) => body)).toEqual([
    { value: { code: "declined", message: "Too dear." } },
    { value: { code: "declined", message: "Too dear." } },
  ]);
  expect([mayAct(a), mayAct(b)]).toEqual([true, true]);
});

test("[QU4] a declined pop ends alone: the queue and whoever waits behind it are as they were", () => {
  const run = new Run();
  const [a, b] = started(run, 2) as [Leased, Leased];
  pops(run, a);
  pops(run, b);
  run.giveBack(a);
  const [seq] = seqs(run) as [number];
  expect(answer(run, seq, { action: "decline" })).toEqual({ kind: "done" });
  expect(answerOf(run, a)).toEqual({ kind: "declined", names: ["q"] });
  expect([states(a), mayAct(b), queueOf(run.state, "q").closed]).toEqual(["ready", false, false]);
  expect(openAsks(run.state).map(({ task }) => task.n)).toEqual([b.n]);
  checkState(run.state, run.now);
});

test("[QU3] the asking task can be cancelled in answer, with all under it, and nobody else", () => {
  const run = new Run();
  const [a, other] = started(run, 2) as [Leased, Leased];
  const [child] = run.make(a, {}) as [Task];
  awaits(run, a, ["plan"]);
  const [seq] = seqs(run) as [number];
  expect(answer(run, seq, { action: "cancel", reason: "Not needed." })).toEqual({ kind: "done" });
  expect(states(a, child, other)).toBe("cancelled cancelled running");
  expect(run.endOf(a)?.error).toMatchObject({ code: "cancelled", message: "Not needed." });
  expect(run.state.blocking.facts.has("plan")).toBe(false);
});

test("[QU2] a stall is a question with the waits that keep it, and each offers what can be done", () => {
  const run = new Run({ stallMs: 5000 });
  const [a, b, c, d] = started(run, 4) as [Leased, Leased, Leased, Leased];
  awaits(run, a, ["plan"], { external: false });
  pops(run, b, { external: false });
  pops(run, c, { external: false });
  expect(openStall(run.state)).toBeUndefined();
  run.step((step) => arrive(step, d, { call: "b", name: "all", parties: 3, members: [], until: 0 }));
  const told = run.log.findLast(({ event }) => event.type === "finding")!;
  const stall = openStall(run.state)!;
  expect(stall).toMatchObject({ seq: told.seq, since: run.now, until: run.now + 5000 });
  expect(stall.waits.map(({ task, names, offers }) => [task.n, names, offers])).toEqual([
    [a.n, ["plan"], ["answer", "decline", "cancel"]],
    [b.n, ["q"], ["answer", "decline", "cancel"]],
    [c.n, [], ["decline", "cancel"]],
    [d.n, [], ["cancel"]],
  ]);
  const before = whole(run);
  expect(answer(run, stall.seq, yes())).toEqual({ kind: "not_offered", offers: ["extend"] });
  expect(answer(run, stall.waits[3]!.call.seq, yes())).toEqual({ kind: "not_offered", offers: ["cancel"] });
  expect(answer(run, stall.waits[2]!.call.seq, yes())).toMatchObject({ kind: "not_offered" });
  expect(answer(run, stall.waits[0]!.call.seq, { action: "extend" })).toMatchObject({ kind: "not_offered" });
  expect(whole(run)).toEqual(before);
  // One that goes on may help the others: what was asked is over, and so is what was offered.
  const second = stall.waits[1]!.call.seq;
  expect(answer(run, second, yes())).toEqual({ kind: "done" });
  expect([mayAct(b), openStall(run.state)]).toEqual([true, undefined]);
  expect(answer(run, second, yes())).toEqual({ kind: "late" });
  expect(answer(run, stall.waits[0]!.call.seq, yes())).toEqual({ kind: "late" });
  expect(answer(run, stall.seq, { action: "extend" })).toEqual({ kind: "late" });
  expect(queueSize(queueOf(run.state, "q"))).toBe(0);
});

test("[QU2] the task of a stalled wait can be cancelled; where that helps nobody, the stall is another", () => {
  const run = new Run();
  const [a, b] = started(run, 2) as [Leased, Leased];
  pops(run, a, { external: false });
  awaits(run, b, ["plan"], { external: false });
  const first = openStall(run.state)!;
  expect(answer(run, first.waits[0]!.call.seq, { action: "cancel" })).toEqual({ kind: "done" });
  const second = openStall(run.state)!;
  expect([states(a), second.waits.map(({ task }) => task.n), findings(run)]).toEqual([
    "cancelled",
    [b.n],
    ["stall", "stall"],
  ]);
  expect(second.seq).toBeGreaterThan(first.seq);
  expect(answer(run, first.seq, { action: "extend" })).toEqual({ kind: "late" });
});

test("[QU2] with a root nobody is asked, since a victim was taken at once; an external wait stalls nobody", () => {
  const run = new Run();
  const [root, other] = rooted(run, 2) as [Leased, Leased];
  pops(run, root, { external: false });
  awaits(run, other, ["plan"], { external: false });
  expect([victims(run), openStall(run.state)]).toEqual([[other.n], undefined]);
  const second = new Run();
  const [a, b] = started(second, 2) as [Leased, Leased];
  pops(second, a, { external: false });
  awaits(second, b, ["plan"]);
  expect([findings(second), openStall(second.state)]).toEqual([[], undefined]);
});

test("[QU2] who asks of a queue behind one who can't be asked is no way on: it stands still, and both are shown", () => {
  const run = new Run({ stallMs: 5000 });
  const [inside, asker, other] = started(run, 3) as [Leased, Leased, Leased];
  pops(run, inside, { external: false });
  pops(run, asker);
  pops(run, other, { until: run.now + 1000 });
  for (const task of [inside, asker, other]) run.giveBack(task);
  expect(openAsks(run.state)).toEqual([]);
  run.clock(1000);
  run.start(other);
  run.complete(other);
  const stall = openStall(run.state)!;
  expect(stall.waits.map(({ task, offers }) => [task.n, offers.includes("answer")])).toEqual([
    [inside.n, true],
    [asker.n, false],
  ]);
  run.clock(5000);
  expect([victims(run), openAsks(run.state).map(({ task }) => task.n)]).toEqual([[inside.n], [asker.n]]);
  checkState(run.state, run.now);
});

test("[QU2] nor is one behind such a one where somebody who is asked stands first, whose answer lets nobody go on", () => {
  const run = new Run({ stallMs: 5000 });
  const [first, inside, asker] = started(run, 3) as [Leased, Leased, Leased];
  const lock = (task: Leased) =>
    run.step((step) => acquire(step, task, { call: "lock", names: ["l"], mode: "exclusive", until: 0 }));
  lock(asker);
  pops(run, first);
  pops(run, inside, { external: false });
  pops(run, asker);
  // Until here an answer to the first one helps: it could push for the others.
  expect([openAsks(run.state).map(({ task }) => task.n), openStall(run.state)]).toEqual([[first.n], undefined]);
  lock(first);
  for (const task of [first, inside, asker]) run.giveBack(task);
  expect(openStall(run.state)!.waits.map(({ task, call }) => [task.n, call.id])).toContainEqual([inside.n, "pop"]);
  run.clock(5000);
  expect(victims(run)).toEqual([inside.n]);
  checkState(run.state, run.now);
});

test("[QU5] more time begins when it is asked for, once more for each, and outlives memory; the stall is as old as it is", () => {
  const run = new Run({ stallMs: 5000 });
  const [a] = started(run, 1) as [Leased];
  pops(run, a, { external: false });
  run.giveBack(a);
  const { seq, since } = openStall(run.state)!;
  run.clock(4000);
  expect(answer(run, seq, { action: "extend" })).toEqual({ kind: "done" });
  expect(openStall(run.state)!.since).toBe(since);
  expect([openStall(run.state)!.seq, openStall(run.state)!.until, nextClock(run.state)]).toEqual([
    seq,
    run.now + 5000,
    run.now + 5000,
  ]);
  const store = new MemoryStore();
  store.log.push(...run.log);
  store.checkpoint(store.load());
  for (const state of [store.load(), store.replay()]) expect(openStall(state)?.until).toBe(run.now + 5000);
  run.clock(4999);
  expect(victims(run)).toEqual([]);
  run.clock(1);
  expect(victims(run)).toEqual([a.n]);
  expect(answer(run, seq, { action: "extend" })).toEqual({ kind: "late" });
});

test("[QU5] more time is given in full though the session leaves that kept the run's root from a victim", () => {
  const run = new Run({ stallMs: 5000 });
  const [root, other] = rooted(run, 2) as [Leased, Leased];
  run.step((step) => openActor(step, 1000, "person"));
  pops(run, root, { external: false });
  awaits(run, other, ["plan"], { external: false });
  const { seq } = openStall(run.state)!;
  expect(answer(run, seq, { action: "extend" })).toEqual({ kind: "done" });
  run.clock(4999);
  expect([victims(run), openStall(run.state)?.until, nextClock(run.state)]).toEqual([[], run.now + 1, run.now + 1]);
  run.clock(1);
  expect(victims(run)).toEqual([other.n]);
});

test("questions are of those that a task waits for, through locks, children and dependencies; or of all, where anybody may help it", () => {
  const run = new Run();
  const [waiter, dependency, parent, alone] = run.post({}, { key: "d" }, {}, {}) as [Task, Task, Task, Task];
  const [dependent] = run.post({ after: ["d"] }) as [Task];
  for (const task of [waiter, dependency, parent, alone]) run.start(task);
  const [child] = run.make(parent, {}) as [Task];
  const of = (...tasks: Task[]) => {
    const found = waitedFor(
      run.state,
      tasks.map(({ n }) => n),
    );
    return found && [...found].sort((a, b) => a - b);
  };
  expect(of(dependent)).toEqual([dependency.n, dependent.n]);
  expect(of(parent)).toEqual([parent.n, child.n]);
  run.await(waiter, [dependent, parent]);
  expect(of(waiter)).toEqual([waiter.n, dependency.n, parent.n, dependent.n, child.n]);
  run.step((step) => pop(step, { task: dependency, call: "pop", until: 0 }, "q", { max: 1, external: false }));
  expect([of(waiter), of(alone)]).toEqual([undefined, [alone.n]]);
  run.succeed(child);
  run.complete(alone);
  expect(of(alone)).toEqual([]);
});

test("[QU1] [QU3] whatever comes in whatever order, a question ends once, each message and value reaches its asker alone", () => {
  const op = fc.record({
    task: fc.nat(4),
    what: fc.constantFrom("pop", "await", "answer", "answer", "decline", "push", "again", "cancel"),
    name: fc.nat(2),
  });
  let answered = 0;
  let late = 0;
  fc.assert(
    fc.property(fc.array(op, { minLength: 8, maxLength: 40 }), (ops) => {
      const run = new Run({ workers: 100 });
      const tasks = started(run, 5);
      const used: number[] = [];
      let pushed = 0;
      for (const [i, { task: n, what, name }] of ops.entries()) {
        const task = tasks[n]!;
        const open = seqs(run);
        if (what === "pop" || what === "await") {
          if (!mayAct(task)) continue;
          if (what === "pop")
            run.step((step) => pop(step, { task, call: `c${i}`, until: 0 }, `q${name}`, { max: 1, external: true }));
          else awaits(run, task, [`f${i}`]);
        } else if (what === "push") {
          const caller = { task: undefined, call: "", until: 0 };
          run.step((step) => push(step, caller, `q${name}`, { messages: [`m${i}`], sizes: [4] }));
          pushed++;
        } else if (what === "again") {
          const seq = used[name % Math.max(1, used.length)];
          if (seq === undefined) continue;
          const before = whole(run);
          expect(answer(run, seq, yes())).toEqual({ kind: "late" });
          expect(whole(run)).toEqual(before);
          late++;
        } else if (open.length > 0) {
          const seq = open[n % open.length]!;
          const asker = openAsks(run.state).find(({ call }) => call.seq === seq)!.task;
          const count = answersOf(run, asker).length;
          const given = what === "answer" ? yes() : { action: what };
          expect(answer(run, seq, given as Answer)).toEqual({ kind: "done" });
          used.unshift(seq);
          expect(seqs(run)).not.toContain(seq);
          if (what !== "cancel") expect(answersOf(run, asker)).toHaveLength(count + 1);
          answered++;
        }
        checkState(run.state, run.now);
      }
      const taken = run.events("messages_popped").reduce((sum, { count }) => sum + count, 0);
      const left = ["q0", "q1", "q2"].reduce((sum, one) => sum + queueSize(queueOf(run.state, one)), 0);
      const sent = run.events("messages_pushed").reduce((sum, { sizes }) => sum + sizes.length, 0);
      expect([taken + left, sent >= pushed]).toEqual([sent, true]);
      // Nobody asks for what is there.
      for (const { names } of openAsks(run.state))
        for (const one of names) if (one.startsWith("q")) expect(queueSize(queueOf(run.state, one))).toBe(0);
      run.step((step) => closeQueue(step, "q0", undefined));
      expect(openAsks(run.state).some(({ names }) => names.includes("q0"))).toBe(false);
    }),
    { numRuns: 300 },
  );
  expect([answered > 100, late > 50]).toEqual([true, true]);
});
