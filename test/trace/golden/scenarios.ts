/** Runs whose logs are kept: one for each kind of finding, and clean ones that must have none. `record.ts` plays them. */

import type { RunSpec, TaskSpec } from "../../../src/client/index.ts";
import { atomic, barrier, lock, type Op, queue, sharedMap } from "../../e2e/lib/ops.ts";
import { plays, type SimTurn } from "../../e2e/lib/sim.ts";

export interface Scenario {
  readonly run: RunSpec;
  readonly tasks?: readonly TaskSpec[];
  /** It is finished when all tasks have ended: what is left behind shows then. */
  readonly finish?: true;
  /** Kinds of findings, in their order. */
  readonly finds: readonly string[];
}

const works = (latency_ms: number, more: Omit<SimTurn, "latency_ms"> = {}): string =>
  plays([{ text: "done", latency_ms, ...more }]);
const many = (count: number, spec: (i: number) => TaskSpec): TaskSpec[] =>
  Array.from({ length: count }, (_, i) => spec(i));
const turn = (op: Op, latency_ms = 50): SimTurn => ({ calls: [op], latency_ms });
const inTurns = (...ops: (Op | readonly Op[])[]): string =>
  plays([...ops.map((op) => ({ calls: [op].flat(), latency_ms: 100 })), { text: "done" }]);
const get = (key: string): Op => sharedMap("get", "plan", { key });
const set = (key: string, more: object = {}): Op => sharedMap("set", "plan", { key, value: "x", ...more });
/** Acquires, works, releases, works on. */
const holds = (name: string, heldMs: number, thenMs = 50): string =>
  plays([turn(lock("acquire", name)), turn(lock("release", name), heldMs), { text: "done", latency_ms: thenMs }]);
const forks = (child: TaskSpec, ...then: SimTurn[]): string =>
  plays([{ calls: [{ tool: "create_task", arguments: { tasks: [child] } }] }, ...then]);
const large = {
  messages: [
    { role: "user", content: `Read this. ${"The office is in Oslo. ".repeat(4000)}` },
    { role: "assistant", content: "I have." },
  ],
};

export const scenarios: Readonly<Record<string, Scenario>> = {
  "clean-chain": {
    run: {},
    tasks: ["a", "b", "c"].map((key, i, all) => ({
      key,
      instructions: works(300),
      ...(i > 0 && { after: [all[i - 1]!] }),
    })),
    finds: [],
  },
  "clean-fan-out": { run: {}, tasks: many(30, () => ({ instructions: works(500) })), finds: [] },
  "clean-map-reduce": {
    run: {},
    tasks: [
      ...many(8, (i) => ({ key: `map-${i}`, instructions: works(400 + 50 * i) })),
      {
        key: "reduce",
        instructions: works(300),
        after: many(8, (i) => ({ instructions: `map-${i}` })).map((one) => one.instructions),
      },
    ],
    finds: [],
  },
  "clean-locks": { run: {}, tasks: many(4, () => ({ instructions: holds("db", 50, 2000) })), finds: [] },
  "clean-queue": {
    run: {},
    tasks: [
      { instructions: plays([turn(queue("push", "work", { messages: ["a", "b", "c"] })), { text: "pushed" }]) },
      {
        instructions: plays([turn(queue("pop", "work", { max: 3 })), turn(queue("close", "work")), { text: "popped" }]),
      },
    ],
    finish: true,
    finds: [],
  },
  "clean-root": {
    run: {
      root: {
        instructions: forks(
          { key: "child", instructions: works(300) },
          { calls: [{ tool: "await_tasks", arguments: { tasks: ["child"] } }] },
          { text: "both" },
        ),
      },
    },
    finds: [],
  },
  "clean-retry": {
    run: {},
    tasks: [{ retries: { limit: 3, backoff_ms: 200 }, instructions: works(100, { fail: { status: 500, times: 2 } }) }],
    finds: [],
  },
  "clean-cache": { run: { context: large }, tasks: many(6, () => ({ instructions: works(300) })), finds: [] },
  "clean-guarded": {
    run: {},
    tasks: many(4, () => ({
      instructions: inTurns(lock("acquire", "l"), get("a"), set("a"), lock("release", "l")),
    })),
    finds: [],
  },
  "clean-ordered": {
    run: {},
    tasks: [
      { key: "a", instructions: inTurns(set("a"), set("b")) },
      { key: "b", after: ["a"], instructions: inTurns(get("a"), set("a")) },
      { key: "c", after: ["a"], instructions: inTurns(get("b"), set("b")) },
      { after: ["b", "c"], instructions: inTurns(sharedMap("entries", "plan"), set("a")) },
    ],
    finds: [],
  },
  "clean-handed-over": {
    run: {},
    tasks: [
      { instructions: inTurns(set("a"), queue("push", "work", { messages: ["a"] })) },
      { instructions: inTurns(queue("pop", "work", { max: 1 }), get("a"), set("a")) },
    ],
    finish: true,
    finds: [],
  },
  "clean-barrier": {
    run: {},
    tasks: many(3, (i) => ({
      instructions: inTurns(
        set(`part-${i}`),
        barrier("wait", "all", { parties: 3 }),
        sharedMap("entries", "plan"),
        barrier("wait", "all", { parties: 3 }),
        set(`part-${(i + 1) % 3}`),
      ),
    })),
    finds: [],
  },
  "clean-compared": {
    run: {},
    tasks: many(3, () => ({
      instructions: inTurns(
        get("a"),
        set("a", { if_version: 0 }),
        get("a"),
        sharedMap("increment", "plan", { key: "n", delta: 1 }),
        atomic("get", "sum"),
        atomic("add", "sum", { delta: 2 }),
      ),
    })),
    finds: [],
  },
  "clean-flag": {
    run: {},
    tasks: [
      { instructions: inTurns(set("a"), atomic("set", "is-there", { value: true })) },
      {
        instructions: plays([turn(atomic("get", "is-there"), 1500), turn(get("a")), turn(set("a")), { text: "done" }]),
      },
    ],
    finds: [],
  },
  "clean-fork-data": {
    run: {
      root: {
        instructions: plays([
          turn(set("goal")),
          {
            calls: [
              {
                tool: "create_task",
                arguments: {
                  tasks: many(3, (i) => ({ key: `c${i}`, instructions: inTurns(get("goal"), set(`part-${i}`)) })),
                },
              },
            ],
          },
          { calls: [{ tool: "await_tasks", arguments: { tasks: ["c0", "c1", "c2"] } }] },
          turn(sharedMap("entries", "plan")),
          turn(set("goal")),
          { text: "done" },
        ]),
      },
    },
    finds: [],
  },
  race: {
    run: {},
    tasks: many(2, (i) => ({ key: `writer-${i}`, instructions: inTurns(set(`own-${i}`), set("a")) })),
    finds: ["race"],
  },
  "race-of-a-reader": {
    run: {},
    tasks: [
      { key: "writer", instructions: inTurns(set("a")) },
      { key: "reader", instructions: inTurns(sharedMap("entries", "plan"), sharedMap("entries", "plan")) },
    ],
    finds: ["race"],
  },
  "clean-release-in-reply": {
    run: {},
    // The write comes first in the reply, and so it is carried out before the release.
    tasks: many(2, () => ({ instructions: inTurns(lock("acquire", "l"), [set("a"), lock("release", "l")]) })),
    finds: [],
  },
  "lost-update": {
    run: {},
    tasks: [
      { key: "slow", instructions: plays([turn(get("a")), turn(set("a"), 900), { text: "done" }]) },
      { key: "fast", instructions: plays([turn(get("a")), turn(set("a"), 200), { text: "done" }]) },
    ],
    finds: ["lost_update"],
  },
  "hot-variable": {
    run: {},
    // All but the first are refused, as by a version that is old.
    tasks: many(8, () => ({ instructions: inTurns(...Array.from({ length: 4 }, () => set("a", { if_version: 0 }))) })),
    finds: ["hot_variable"],
  },
  deadlock: {
    run: {},
    tasks: [
      ["a", "b"],
      ["b", "a"],
    ].map(([first, second]) => ({
      instructions: plays([turn(lock("acquire", first!)), turn(lock("acquire", second!), 500), { text: "done" }]),
    })),
    finds: ["deadlock"],
  },
  "unobserved-failure": {
    run: {
      root: {
        instructions: forks(
          { key: "child", instructions: plays([{ fail: { status: 400, times: 1 } }]) },
          { text: "done" },
        ),
      },
    },
    finds: ["unobserved_failure"],
  },
  "hold-expired": {
    run: { limits: { hold_ms: 1500 } },
    tasks: [{ instructions: holds("db", 4000) }],
    finds: ["hold_expired"],
  },
  starvation: {
    run: { limits: { workers: 1 } },
    tasks: [
      { key: "c0", priority: 9, instructions: works(1000) },
      { key: "low", priority: 0, instructions: works(100) },
      ...many(14, (i) => ({ key: `c${i + 1}`, priority: 9, after: [`c${i}`], instructions: works(1000) })),
    ],
    finds: ["starvation"],
  },
  contention: { run: {}, tasks: many(6, () => ({ instructions: holds("db", 1500) })), finds: ["contention"] },
  "excessive-branching": {
    run: { limits: { workers: 2 } },
    tasks: many(60, () => ({ instructions: works(300) })),
    finds: ["excessive_branching"],
  },
  "under-parallelism": {
    run: {},
    tasks: [
      { key: "one", instructions: works(7000) },
      { key: "two", after: ["one"], instructions: works(7000) },
      ...many(4, () => ({ after: ["two"], instructions: works(300) })),
    ],
    finds: ["under_parallelism"],
  },
  straggler: {
    run: {},
    tasks: many(11, (i) => ({ key: `s${i}`, instructions: works(i === 4 ? 9000 : 700) })),
    finds: ["straggler"],
  },
  "retry-storm": {
    run: {},
    tasks: many(4, () => ({
      retries: { limit: 6, backoff_ms: 300 },
      instructions: works(50, { fail: { status: 500, times: 4 } }),
    })),
    finds: ["retry_storm"],
  },
  "budget-burn": {
    run: { limits: { tokens: 200_000, workers: 1 } },
    tasks: many(10, (i) => ({ instructions: works(100, i === 0 ? { usage: { input: 120_000 } } : {}) })),
    finds: ["budget_burn"],
  },
  "leaked-messages": {
    run: {},
    tasks: [
      {
        key: "push",
        instructions: plays([turn(queue("push", "work", { messages: ["a", "b", "c"] })), { text: "pushed" }]),
      },
      { after: ["push"], instructions: plays([turn(queue("pop", "work", { max: 1 })), { text: "popped" }]) },
    ],
    finish: true,
    finds: ["leaked_variable"],
  },
  "never-awaited": {
    run: { root: { instructions: forks({ key: "child", instructions: works(800) }, { text: "done" }) } },
    finds: ["never_awaited"],
  },
};
