import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { messagesPerCallMax, popBytesMax, queueCapacityDefault, queuedMessagesMax } from "../../src/limits.ts";
import { closeQueue, createQueue, pop, push, queueOf, queueSize } from "../../src/scheduler/message-queues.ts";
import { isEnded, type Task } from "../../src/scheduler/task.ts";
import type { Begun, MessagesAt } from "../../src/scheduler/wait-outcome.ts";
import {
  answerOf,
  answersOf,
  endAll,
  everyInterleaving,
  expectRebuilt,
  mayAct,
  started,
  waits,
  whoCanGoOn,
} from "./blocking.ts";
import { checkState } from "./check.ts";
import { type Leased, Run, states } from "./run.ts";

interface More {
  readonly call?: string;
  readonly until?: number;
  readonly max?: number;
  readonly sizes?: readonly number[];
}

const send = (
  run: Run,
  task: Task | undefined,
  messages: readonly unknown[],
  { call = "push", until = 0, sizes }: More = {},
) => run.step((step) => push(step, { task, call, until }, "q", { messages, sizes: sizes ?? messages.map(() => 1) }));
const take = (run: Run, task: Task | undefined, { call = "pop", until = 0, max = 1 }: More = {}) =>
  run.step((step) => pop(step, { task, call, until }, "q", { max, external: false }));
const create = (run: Run, capacity: number) => run.step((step) => createQueue(step, "q", capacity));
const close = (run: Run) => run.step((step) => closeQueue(step, "q", undefined));
const size = (run: Run) => queueSize(queueOf(run.state, "q"));

/** The messages that an answer gives, read from the log as the shell reads them. */
const read = (run: Run, at: readonly MessagesAt[]): unknown[] =>
  at.flatMap(({ seq, index, count }) => {
    const { body } = run.log.find((one) => one.seq === seq)!;
    return (body as { messages: unknown[] }).messages.slice(index, index + count);
  });
const got = (run: Run, answer: Begun | undefined): unknown[] => {
  if (answer?.kind !== "popped") throw new Error(`the answer is ${JSON.stringify(answer)}`);
  return read(run, answer.messages);
};
const lastOf = (run: Run, task: Task) => got(run, answerOf(run, task) as Begun);

describe("message queues", () => {
  test("[Q1] first in, first out, across pushes and with several at once", () => {
    const run = new Run();
    const [a, b] = started(run, 2) as [Leased, Leased];
    expect(send(run, a, ["one", "two"])).toEqual({ kind: "pushed", name: "q" });
    send(run, undefined, ["three"]);
    send(run, a, ["four"], { call: "again" });
    expect(got(run, take(run, b))).toEqual(["one"]);
    expect(got(run, take(run, b, { call: "more", max: 2 }))).toEqual(["two", "three"]);
    expect(got(run, take(run, undefined, { max: 100 }))).toEqual(["four"]);
    expect([size(run), take(run, undefined)]).toEqual([0, undefined]);
  });

  test("[Q1] [B5] those who wait get theirs in their order, and a push that is large feeds several", () => {
    const run = new Run();
    const [a, b, c, d] = started(run, 4) as [Leased, Leased, Leased, Leased];
    for (const [task, max] of [
      [a, 2],
      [b, 1],
      [c, 5],
    ] as const) {
      expect(take(run, task, { max })).toEqual({ kind: "waiting" });
      run.giveBack(task);
    }
    send(run, d, [1, 2, 3]);
    expect([lastOf(run, a), lastOf(run, b), states(a, b, c)]).toEqual([[1, 2], [3], "ready ready parked"]);
    send(run, undefined, [4]);
    expect([lastOf(run, c), size(run)]).toEqual([[4], 0]);
    checkState(run.state, run.now);
  });

  test("[Q2] a push waits until all of it fits, and a smaller one waits behind it", () => {
    const run = new Run();
    create(run, 3);
    const [a, b, c] = started(run, 3) as [Leased, Leased, Leased];
    send(run, c, [1, 2]);
    expect(send(run, a, ["x", "y"])).toEqual({ kind: "waiting" });
    expect(send(run, b, ["z"])).toEqual({ kind: "waiting" });
    expect([size(run), send(run, undefined, ["out"])]).toEqual([2, undefined]);
    take(run, c, { call: "first" });
    expect([mayAct(a), mayAct(b), size(run)]).toEqual([true, false, 3]);
    expect(got(run, take(run, c, { call: "rest", max: 9 }))).toEqual([2, "x", "y"]);
    expect([mayAct(b), got(run, take(run, c, { call: "last" }))]).toEqual([true, ["z"]]);
    expect(run.events("messages_pushed").filter(({ from }) => from !== undefined)).toHaveLength(2);
  });

  test("[Q3] a closed queue gives what it has, tells the others, and refuses pushes that wait", () => {
    const run = new Run();
    create(run, 1);
    const [a, b, c] = started(run, 3) as [Leased, Leased, Leased];
    send(run, a, ["kept"]);
    send(run, b, ["late"]);
    close(run);
    expect(answerOf(run, b)).toEqual({ kind: "closed", name: "q", op: "push" });
    expect(send(run, a, ["more"], { call: "more" })).toEqual({ kind: "queue_closed", name: "q" });
    expect(got(run, take(run, c))).toEqual(["kept"]);
    expect(take(run, c, { call: "next" })).toEqual({ kind: "closed", name: "q", op: "pop" });
    close(run);
    expect(run.events("queue_closed")).toHaveLength(1);
  });

  test("[Q3] whoever waits for a message is told of the close", () => {
    const run = new Run();
    const [a, b] = started(run, 2) as [Leased, Leased];
    for (const task of [a, b]) take(run, task);
    send(run, undefined, ["only"]);
    close(run);
    expect([lastOf(run, a), answerOf(run, b)]).toEqual([["only"], { kind: "closed", name: "q", op: "pop" }]);
  });

  test("more than ever fit is refused, and so is another capacity", () => {
    const run = new Run();
    expect(queueOf(run.state, "q").capacity).toBe(queueCapacityDefault);
    create(run, 2);
    expect(send(run, undefined, [1, 2, 3])).toEqual({ kind: "over_capacity", name: "q", asked: 3, size: 2 });
    expect([create(run, 2), create(run, 3)]).toEqual([undefined, { kind: "already_created", name: "q", size: 2 }]);
    expect(size(run)).toBe(0);
  });

  test("a pop ends before it grows too large, and has at least one", () => {
    const run = new Run();
    const half = popBytesMax / 2;
    send(run, undefined, ["a", "b", "c"], { sizes: [half, half, half] });
    send(run, undefined, ["huge", "d"], { sizes: [2 * popBytesMax, 1] });
    expect(got(run, take(run, undefined, { max: 9 }))).toEqual(["a", "b"]);
    expect(got(run, take(run, undefined, { max: 9 }))).toEqual(["c"]);
    expect(got(run, take(run, undefined, { max: 9 }))).toEqual(["huge"]);
    expect(got(run, take(run, undefined, { max: 9 }))).toEqual(["d"]);
  });

  test("[B4] waits end at their time, and take and bring nothing afterwards", () => {
    const run = new Run();
    create(run, 1);
    const [a, b, c] = started(run, 3) as [Leased, Leased, Leased];
    take(run, a, { until: run.now + 100 });
    run.clock(100);
    expect(answerOf(run, a)).toEqual({ kind: "timed_out", names: ["q"] });
    send(run, b, [1]);
    send(run, c, [2], { until: run.now + 100 });
    run.clock(100);
    expect(answerOf(run, c)).toEqual({ kind: "timed_out", names: ["q"] });
    expect([got(run, take(run, b)), size(run)]).toEqual([[1], 0]);
  });

  test("[Q4] the messages of a run are bounded, those of pushes that wait included, until they are popped or given up", () => {
    const run = new Run();
    const [a, b, c] = started(run, 3) as [Leased, Leased, Leased];
    const most = messagesPerCallMax;
    create(run, most);
    for (let i = 0; i * most < queuedMessagesMax; i++) {
      const call = `p${i}`;
      expect(send(run, i % 2 ? a : b, Array(most).fill(0), { call })?.kind).toBe(i === 0 ? "pushed" : "waiting");
    }
    expect([run.state.blocking.queued, size(run)]).toEqual([queuedMessagesMax, most]);
    expect(send(run, c, [1])).toEqual({ kind: "queues_full", name: "q" });
    expectRebuilt(run, ["q"]);
    take(run, c, { max: 1 });
    expect(send(run, c, [1], { call: "one" })?.kind).toBe("waiting");
    expect(send(run, c, [1], { call: "two" })).toEqual({ kind: "queues_full", name: "q" });
    run.cancel(a);
    expect(send(run, c, [1], { call: "two" })?.kind).toBe("waiting");
    run.cancel(b);
    run.cancel(c);
    expect(run.state.blocking.queued).toBe(size(run));
    checkState(run.state, run.now);
  });

  test("[B1] a wait ends with its task, and with a pull worker's lease: nothing goes to one that is gone", () => {
    const run = new Run({ pools: ["desk"] });
    const [gone, next] = started(run, 2) as [Leased, Leased];
    const [pulled] = started(run, 1, { pool: "desk" }) as [Leased];
    take(run, gone);
    take(run, pulled);
    take(run, next);
    run.cancel(gone);
    run.lose(pulled);
    send(run, undefined, ["m"]);
    expect([lastOf(run, next), pulled.calls]).toEqual([["m"], []]);
    // The worker that comes next may use the same call id: it is a wait of its own.
    expect(take(run, run.start(pulled))).toEqual({ kind: "waiting" });
  });

  test("the same call again is the same pop", () => {
    const run = new Run();
    const [a] = started(run, 1) as [Leased];
    expect([take(run, a), take(run, a)]).toEqual([{ kind: "waiting" }, { kind: "waiting" }]);
    send(run, undefined, [1, 2]);
    expect(take(run, a)).toMatchObject({ kind: "done" });
    expect([answersOf(run, a).length, size(run)]).toEqual([1, 1]);
  });
});

test("[Q1] [Q2] any order of ops: each message once and in order, nothing over the capacity, and a replay gives the same", () => {
  const capacity = 3;
  const op = fc.record({
    task: fc.nat(4),
    what: fc.constantFrom("push", "push", "pop", "pop", "outside", "park", "lose", "end", "time"),
    count: fc.integer({ min: 1, max: 3 }),
    timed: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(op, { maxLength: 50 }), (ops) => {
      const run = new Run();
      create(run, capacity);
      const tasks: readonly Task[] = started(run, 5);
      let made = 0;
      for (const [i, { task: n, what, count, timed }] of ops.entries()) {
        run.now += 10;
        const task = tasks[n]!;
        const call = `c${i}`;
        const until = timed ? run.now + 100 : 0;
        const messages = Array.from({ length: count }, () => ++made);
        if (what === "time") run.clock(30);
        else if (what === "outside") {
          if (timed) send(run, undefined, messages);
          else take(run, undefined, { max: count });
        } else if (isEnded(task)) continue;
        else if (what === "end") run.cancel(task);
        else {
          if (task.phase.state === "ready") run.start(task);
          if (task.phase.state !== "running") continue;
          if (what === "lose") run.lose(task, "restart");
          else if (what === "park") {
            if (waits(task)) run.giveBack(task);
          } else if (waits(task)) continue;
          else if (what === "push") send(run, task, messages, { call, until });
          else take(run, task, { call, until, max: count });
        }
        expect(size(run)).toBeLessThanOrEqual(capacity);
        const first = run.state.blocking.line("q", "message_queue").waiters[0];
        if (first?.want.kind === "pop") expect(size(run), "[B5]").toBe(0);
        if (first?.want.kind === "push") expect(size(run) + first.want.sizes.length, "[B5]").toBeGreaterThan(capacity);
        checkState(run.state, run.now);
      }
      // What went in and what came out, in the log's order: the messages out are a beginning of those in.
      const bodyOf = (seq: number) => (run.log.find((one) => one.seq === seq)!.body as { messages: number[] }).messages;
      const went = run.log.flatMap(({ event, seq }) =>
        event.type === "messages_pushed" ? bodyOf(event.from ?? seq) : [],
      );
      const came = run.events("messages_popped").reduce((sum, { count }) => sum + count, 0);
      expect(new Set(went).size).toBe(went.length);
      expect(went.length - came).toBe(size(run));
      const left = queueOf(run.state, "q").parts.flatMap(({ seq, index }) => bodyOf(seq).slice(index));
      expect(left).toEqual(went.slice(came));
      const answered = tasks.flatMap((task) => answersOf(run, task) as Begun[]).filter(({ kind }) => kind === "popped");
      const told = answered.flatMap((answer) => got(run, answer) as number[]);
      expect(new Set(told).size, "nothing to two").toBe(told.length);
      expectRebuilt(run, ["q"]);
      endAll(run);
    }),
    { numRuns: 250 },
  );
});

type Act = readonly [what: "push" | "pop", count: number];

test.each<[string, readonly (readonly Act[])[]]>([
  [
    "two producers and a consumer at a queue of one",
    [
      [
        ["push", 1],
        ["push", 1],
      ],
      [["push", 1]],
      [
        ["pop", 1],
        ["pop", 1],
        ["pop", 1],
      ],
    ],
  ],
  [
    "a producer of two and two consumers",
    [
      [
        ["push", 2],
        ["push", 1],
      ],
      [["pop", 1]],
      [
        ["pop", 1],
        ["pop", 1],
      ],
    ],
  ],
])("[Q1] [Q2] every interleaving of three tasks: %s", (_, programs) => {
  const whole = everyInterleaving((schedule) => {
    const run = new Run();
    create(run, 2);
    const tasks = started(run, programs.length);
    const done = programs.map(() => 0);
    for (const n of schedule) {
      const act = programs[n]![done[n]!++];
      const task = tasks[n]!;
      if (!act) run.complete(task);
      else if (act[0] === "push")
        send(
          run,
          task,
          Array.from({ length: act[1] }, (__, i) => `${n}.${done[n]}.${i}`),
          { call: `c${done[n]}` },
        );
      else take(run, task, { call: `c${done[n]}`, max: act[1] });
    }
    expect(size(run)).toBeLessThanOrEqual(2);
    return whoCanGoOn(run, tasks);
  });
  expect(whole).toBeGreaterThan(20);
});
