/** Classic problems, played by simulated agents on a real server: what each must end in, told by results and by the log. */

import { describe, expect, it } from "vitest";
import type { TaskSpec } from "../../src/client/index.ts";
import { levels, lockPeaks, messagesHeld, permitsTaken } from "./lib/held.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import {
  answersOf,
  asks,
  barrier,
  fromOutside,
  lock,
  type Op,
  queue,
  semaphore,
  sharedMap,
  sharedMemory,
} from "./lib/ops.ts";
import { result } from "./lib/outcome.ts";
import { LocalServer } from "./lib/server.ts";
import { sharedServer } from "./lib/shared.ts";
import { plays } from "./lib/sim.ts";

const shared = sharedServer();

/** Runs the tasks to their ends, all of which must be good; `during` may do its worst meanwhile. */
async function playAll(
  tasks: TaskSpec[],
  workers: number,
  server = shared,
  during?: (run: string) => Promise<void>,
): Promise<string> {
  const { id } = await server.heddle.createRun({ limits: { workers } });
  await server.heddle.createTasks(id, { tasks });
  await during?.(id);
  const { counts } = await server.heddle.waitFor(id, { mode: "settled" });
  expect(counts).toMatchObject({ succeeded: tasks.length, failed: 0 });
  const { findings } = await server.heddle.findings(id);
  expect(findings.filter(({ kind }) => kind === "race" || kind === "lost_update")).toEqual([]);
  return id;
}

const times = <T>(count: number, make: (n: number) => T): T[] => Array.from({ length: count }, (_, n) => make(n));

/** Makes these calls, a turn each; `pause` before the next, while it holds what it has. */
const steps = (...list: { ops: Op[]; pause?: number }[]): string =>
  plays([...list.map(({ ops, pause }) => ({ calls: ops, ...(pause && { latency_ms: pause }) })), { text: "done" }]);

describe.concurrent("classic problems", () => {
  const server = shared;

  it.sequential("philosophers who take the lower fork first all eat, and there is no deadlock", async () => {
    const count = 5;
    const philosopher = (n: number) => {
      const forks = [n, (n + 1) % count].sort((a, b) => a - b).map((fork) => `fork-${fork}`) as [string, string];
      return steps(
        { ops: [lock("acquire", forks[0])] },
        { ops: [lock("acquire", forks[1])], pause: 200 },
        { ops: [sharedMap("increment", "meals", { key: `p${n}`, delta: 1 })] },
        { ops: [lock("release", forks[0]), lock("release", forks[1])] },
      );
    };
    const id = await playAll(
      times(count, (n) => ({ key: `p${n}`, instructions: philosopher(n) })),
      8,
    );
    const meals = result(await fromOutside(server, id, sharedMap("entries", "meals")));
    expect((meals.entries as { value: number }[]).map(({ value }) => value)).toEqual(times(count, () => 1));
    expect((await server.heddle.findings(id)).findings).toEqual([]);
  });

  it.sequential("readers together, writers alone", async () => {
    const visit = (mode: string) =>
      steps({ ops: [lock("acquire", "book", { mode })] }, { ops: [lock("release", "book")], pause: 300 });
    const id = await playAll(
      times(6, (n) => ({ instructions: visit(n % 3 === 2 ? "exclusive" : "shared") })),
      6,
    );
    const peaks = lockPeaks(await logOf(server, id), "book");
    expect(peaks).toMatchObject({ writers: 1, overlapped: false, grants: 6, left: 0 });
    expect(peaks.readers).toBeGreaterThan(1);
  });

  it.sequential("a simulation in step: 8 tasks × 20 rounds at a barrier, with seats for four", async () => {
    const [parties, rounds] = [8, 20];
    const member = steps(
      ...times(rounds, (round) => [
        { ops: [sharedMap("increment", "done", { key: `r${round}`, delta: 1 })] },
        { ops: [barrier("wait", "step", { parties })] },
      ]).flat(),
    );
    const id = await playAll(
      times(parties, () => ({ instructions: member })),
      4,
    );
    const done = result(await fromOutside(server, id, sharedMap("entries", "done")));
    expect((done.entries as { value: number }[]).map(({ value }) => value)).toEqual(times(rounds, () => parties));
    const tripped = eventsOf(await logOf(server, id), "barrier_tripped");
    expect(tripped.map(({ generation }) => generation)).toEqual(times(rounds, (n) => n));
    for (const { tasks } of tripped) expect(new Set(tasks as string[]).size).toBe(parties);
    expect(await server.heddle.variable(id, "step")).toMatchObject({ ops: { passed: rounds, broken: 0 }, waiters: [] });
  });

  it.sequential("words mapped to a shared map and reduced to a report that a lock guards", async () => {
    const texts = [
      ["warp", "weft", "warp"],
      ["weft", "weft", "loom"],
      ["loom", "warp", "weft"],
    ];
    const mapper = (words: string[]) =>
      steps({ ops: words.map((key) => sharedMap("increment", "counts", { key, delta: 1 })) });
    const reducer = (word: string) =>
      steps(
        { ops: [lock("acquire", "report"), sharedMap("get", "counts", { key: word })] },
        {
          ops: [
            sharedMemory("append", "text", {
              text: `${word}: {{1.1.value}}\n`,
              fence: { lock: "report", token: "{{1.0.token}}" },
            }),
          ],
          pause: 100,
        },
        { ops: [lock("release", "report")] },
      );
    const mappers = texts.map((words, n) => ({ key: `m${n}`, instructions: mapper(words) }));
    const after = mappers.map(({ key }) => key);
    const reducers = ["loom", "warp", "weft"].map((word) => ({ key: word, after, instructions: reducer(word) }));
    const id = await playAll([...mappers, ...reducers], 6);
    const { text } = result(await fromOutside(server, id, sharedMemory("read", "text"))) as { text: string };
    expect(text.trimEnd().split("\n").sort()).toEqual(["loom: 2", "warp: 3", "weft: 4"]);
    expect(lockPeaks(await logOf(server, id), "report")).toMatchObject({ writers: 1, grants: 3, left: 0 });
  });

  it.sequential("eight at two permits: never three at once, and all of them in the end", async () => {
    const visitor = steps({ ops: [semaphore("acquire", "gate")] }, { ops: [semaphore("release", "gate")], pause: 100 });
    const id = await playAll(
      [
        { key: "gate", instructions: steps({ ops: [semaphore("create", "gate", { permits: 2 })] }) },
        ...times(8, () => ({ after: ["gate"], instructions: visitor })),
      ],
      8,
    );
    expect(levels(await logOf(server, id), permitsTaken)).toEqual({ highest: 2, lowest: 0, left: 0 });
    expect((await server.heddle.variable(id, "gate")).ops).toEqual({ grants: 8 });
  });
});

// Beside the others, since its server is killed: one of its own.
describe.concurrent("classic problems over a kill", () => {
  it("producers and consumers at a queue of three: each message once, through a kill -9 in mid-run", async ({
    onTestFinished,
  }) => {
    const server = await LocalServer.start();
    onTestFinished(() => server.stop());
    const message = (producer: number, n: number) => `${producer}.${n}`;
    const producer = (p: number) =>
      steps(
        ...times(3, (n) => ({
          ops: [queue("push", "belt", { messages: [message(p, 2 * n), message(p, 2 * n + 1)] })],
        })),
      );
    // As many pops as there are messages, and one that finds it closed.
    const consumer = asks(...times(19, () => queue("pop", "belt")));
    const tasks: TaskSpec[] = [
      { key: "belt", instructions: steps({ ops: [queue("create", "belt", { capacity: 3 })] }) },
      ...times(3, (p) => ({ key: `p${p}`, after: ["belt"], instructions: producer(p) })),
      { key: "end", after: ["p0", "p1", "p2"], instructions: steps({ ops: [queue("close", "belt")] }) },
      ...times(2, (c) => ({ key: `c${c}`, after: ["belt"], instructions: consumer })),
    ];
    const id = await playAll(tasks, 3, server, async (run) => {
      await until(
        "some were taken",
        60_000,
        async () => eventsOf(await logOf(server, run), "messages_popped").length >= 4,
      );
      await server.kill();
      await server.start();
    });
    const answers = [...(await answersOf(server, id, "c0")), ...(await answersOf(server, id, "c1"))] as {
      messages?: string[];
      closed?: true;
    }[];
    const taken = answers.flatMap(({ messages }) => messages ?? []);
    expect(taken.toSorted()).toEqual(times(18, (i) => message(Math.floor(i / 6), i % 6)));
    expect(answers.filter(({ closed }) => closed)).toHaveLength(2 * 19 - 18);
    expect(levels(await logOf(server, id), messagesHeld)).toEqual({ highest: 3, lowest: 0, left: 0 });
  });
});
