/** A server that is killed, or replaced, in the middle of a run: nothing is lost, nothing is done twice, it resumes within one lease. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EventView, TaskSpec } from "../../src/client/index.ts";
import { leaseMs } from "../../src/limits.ts";
import { HeddleProcess, until as whenSaid } from "../cli/lib/heddle.ts";
import { eventsOf, logOf, until } from "./lib/log.ts";
import { LocalServer, projectRoot } from "./lib/server.ts";
import { plays, says } from "./lib/sim.ts";
import { contextOf } from "./lib/transcripts.ts";

/** The second one is for what waits for a lease to run out, beside the others, which kill the first one. */
let server: LocalServer;
let second: LocalServer;
const workers: ChildProcess[] = [];

beforeAll(async () => {
  [server, second] = await Promise.all([LocalServer.start(), LocalServer.start()]);
});
afterAll(async () => {
  for (const worker of workers) worker.kill("SIGKILL");
  await Promise.all([server?.stop(), second?.stop()]);
});

const effectsFile = () => join(second.state, "effects.jsonl");

function startWorker(name: string, workMs: number): ChildProcess {
  const script = join(projectRoot, "test/e2e/lib/pull-worker.ts");
  const worker = spawn(process.execPath, [script, second.url, "box", name, String(workMs), effectsFile()], {
    stdio: "inherit",
  });
  workers.push(worker);
  return worker;
}

interface Effect {
  task: string;
  attempt: number;
  worker: string;
  lost?: true;
}

const effects = (): Effect[] =>
  existsSync(effectsFile())
    ? readFileSync(effectsFile(), "utf8")
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line) as Effect)
    : [];

/** Whatever happened in between: each task was created once and ended once, and each turn was logged once. */
function expectEachOnce(events: readonly EventView[], taskCount: number): void {
  const created = eventsOf(events, "task_created").map(({ task }) => task!);
  expect(created).toHaveLength(taskCount);
  expect(new Set(created).size).toBe(taskCount);
  const ended = eventsOf(events, "task_ended").map(({ task }) => task!);
  expect([...ended].sort()).toEqual([...created].sort());
  for (const task of created) {
    const turns = eventsOf(events, "turn", task).map(({ turn }) => turn);
    expect(turns).toEqual(turns.map((_, i) => i + 1));
    const calls = eventsOf(events, "call_done", task).map(({ call }) => call);
    expect(new Set(calls).size).toBe(calls.length);
    const fences = eventsOf(events, "task_started", task).map(({ fence }) => fence as number);
    expect(fences).toEqual([...new Set(fences)].sort((a, b) => a - b));
  }
}

const branchLeaves = 4;
const branches = 6;
/** After so many ended tasks the server dies. Two branches each are done only once it is back: so there is something left to go on with. */
const deaths = [2, 10, 20];
const doneAfter = (death: number) => ({ name: `death-${death}`, op: "await" });
/** Creates its leaves in one reply, thinks, waits for them and for a death of the server, thinks again. */
const branch = (b: number): string =>
  plays([
    {
      calls: [
        {
          tool: "create_task",
          arguments: {
            tasks: Array.from({ length: branchLeaves }, (_, i) => ({
              key: `leaf-${i}`,
              instructions: says(`leaf ${b}.${i}`, { latency_ms: 200 + 150 * i }),
            })),
          },
        },
        { tool: "inspect", arguments: {} },
      ],
    },
    {
      latency_ms: 300,
      calls: [
        { tool: "await_tasks", arguments: { tasks: Array.from({ length: branchLeaves }, (_, i) => `leaf-${i}`) } },
        { tool: "future", arguments: doneAfter(b % deaths.length) },
      ],
    },
    {
      latency_ms: 300,
      text: `${Array.from({ length: branchLeaves }, (_, i) => `{{2.0.tasks.${i}.result}}`).join(" ")}`,
    },
  ]);
const root: TaskSpec = {
  instructions: plays([
    {
      calls: Array.from({ length: branches }, (_, b) => ({
        tool: "create_task",
        arguments: { key: `branch-${b}`, instructions: branch(b) },
      })),
    },
    {
      calls: [{ tool: "await_tasks", arguments: { tasks: Array.from({ length: branches }, (_, b) => `branch-${b}`) } }],
    },
    { text: Array.from({ length: branches }, (_, b) => `{{2.0.tasks.${b}.result}}`).join(" | ") },
  ]),
};
const rootResult = Array.from({ length: branches }, (_, b) =>
  Array.from({ length: branchLeaves }, (_, i) => `leaf ${b}.${i}`).join(" "),
).join(" | ");

describe.concurrent("a server that is killed", () => {
  it.sequential("serves pull workers again, whose leases outlive it; only what a killed worker held is done again", async () => {
    const server = second;
    const { heddle } = server;
    const count = 60;
    const { id } = await heddle.createRun({ name: "pulled", limits: { workers: 32, pools: ["hosted"] } });
    const tasks: TaskSpec[] = Array.from({ length: count }, (_, i) => ({
      key: `t-${i}`,
      pool: "box",
      instructions: i % 20 === 7 ? "fork" : `work ${i}`,
      ...(i >= 40 && { after: [`t-${i - 40}`, `t-${i - 20}`] }),
    }));
    await heddle.createTasks(id, { tasks });
    // Long at each task: it has one when it is killed, and is not between two.
    const victim = startWorker("victim", 3000);
    startWorker("steady", 100);
    startWorker("slow", 700);
    await until("some tasks end", 120_000, async () => (await heddle.run(id)).counts.succeeded >= 12);
    await until("the victim works", 120_000, async () => {
      const { tasks: running } = await heddle.listTasks(id, { state: "running", limit: 1000 });
      return running.filter(({ pool }) => pool === "box").length >= 3;
    });
    victim.kill("SIGKILL");
    await server.kill();
    await server.start();
    await until("more tasks end", leaseMs, async () => (await heddle.run(id)).counts.succeeded >= 20);
    await server.kill();
    await server.start();
    await heddle.waitFor(id, { mode: "settled" });
    const run = await heddle.finishRun(id);
    expect(run).toMatchObject({ status: "succeeded", counts: { succeeded: count + 3 } });

    const events = await logOf(server, id);
    expectEachOnce(events, count + 3);
    const done = effects();
    const lost: unknown[] = [];
    for await (const task of heddle.tasks(id)) {
      // A hosted task's attempt ends with the server, rightly: only what people's own workers hold outlives it.
      if (task.pool !== "box") continue;
      const mine = done.filter((effect) => effect.task === task.id);
      const starts = eventsOf(events, "task_started", task.id);
      expect(task.attempts).toBe(starts.length);
      const ends = eventsOf(events, "attempt_ended", task.id);
      expect(starts).toHaveLength(ends.length + 1);
      lost.push(...ends.map(({ why }, i) => ({ why, worker: starts[i]!.worker })));
      // Exactly one report was taken, and it is the one whose worker the result names. The victim may have died between
      // its report and its own trace of it.
      const taken = mine.filter((effect) => !effect.lost);
      const by = String(task.result).split(" by ")[1];
      if (by === "victim") expect(taken.length).toBeLessThanOrEqual(1);
      else expect(taken).toMatchObject([{ attempt: task.attempts, worker: by }]);
    }
    // What the victim held was lost; the two that lived kept theirs over both restarts.
    expect(lost).toEqual([{ why: "lost", worker: "victim" }]);
  });
});

describe.concurrent("another one", () => {
  describe.sequential("that is killed", () => {
    it("goes on with hosted tasks where their logs end, three times over", async () => {
      const { heddle } = server;
      const { id } = await heddle.createRun({ name: "hosted", root, limits: { workers: 5 } });
      // Somebody outside who may still act: where we come late to kill it, those that are left wait for us, and it is no deadlock.
      await heddle.openActor(id, { ttl_ms: 600_000 });
      for (const [death, endedTasks] of deaths.entries()) {
        await until("some tasks end", 120_000, async () => (await heddle.run(id)).counts.succeeded >= endedTasks);
        await (endedTasks === 10 ? server.killLauncher() : server.kill());
        await server.start();
        const readyAt = Date.now();
        const { last_seq: seen } = await heddle.run(id);
        await heddle.callTool(id, "future", { arguments: { ...doneAfter(death), op: "resolve", value: 1 } });
        await until("it goes on", leaseMs, async () => (await heddle.run(id)).last_seq > seen);
        expect(Date.now() - readyAt).toBeLessThan(leaseMs);
      }
      const { done } = await heddle.waitFor(id, { mode: "settled" });
      expect(done).toBe(true);
      const run = await heddle.run(id);
      expect(run).toMatchObject({ status: "succeeded", counts: { succeeded: 1 + branches * (1 + branchLeaves) } });
      const events = await logOf(server, id);
      expectEachOnce(events, 1 + branches * (1 + branchLeaves));
      const rootTask = await heddle.task(id, run.root!);
      expect(rootTask.result).toBe(rootResult);
      // A restart never counts as a worker's loss. Between the deaths of its processes a model call may have been cut off.
      const whys = new Set(eventsOf(events, "attempt_ended").map(({ why }) => why));
      expect(whys).toContain("restart");
      expect(whys).not.toContain("lost");
      for await (const task of heddle.tasks(id)) await contextOf(server, id, task.id);
    });
  });

  describe.sequential("those who watch a run", () => {
    it("don't notice that the server is killed and comes back: none is lost, none comes twice, by any way", async () => {
      const { heddle } = server;
      const run = (await heddle.createRun({ limits: { pools: ["watched"] } })).id;
      let begin = () => {};
      const begun = new Promise<void>((resolve) => (begin = resolve));
      const watching = [{}, { transport: "websocket" }, { transport: "sse" }].map(async (options) => {
        const seen: EventView[] = [];
        for await (const event of heddle.followEvents(run, {}, options as { transport?: "websocket" | "sse" })) {
          seen.push(event);
          begin();
        }
        return seen;
      });
      const env = { HEDDLE_URL: server.url, HEDDLE_API_KEY: "hdl_local" };
      const logs = new HeddleProcess(["logs", run, "-f", "--json"], { env });
      const top = new HeddleProcess(["top", run, "--json", "--every", "1"], { env });
      await Promise.all([begun, whenSaid(() => logs.stdout !== "" && top.stdout !== "")]);
      await heddle.createTasks(run, {
        tasks: Array.from({ length: 5 }, () => ({ pool: "watched", instructions: "do it" })),
      });
      await server.kill();
      await server.start();
      for (let done = 0; done < 5; ) {
        const [lease] = await heddle.lease("watched", { worker: "w", max: 1, wait_ms: 5000 });
        if (!lease) continue;
        await heddle.complete(lease.id, { result: "done", worker: "w" });
        done++;
      }
      await heddle.finishRun(run);
      const log = await logOf(server, run);
      for (const seen of await Promise.all(watching)) expect(seen).toEqual(log);
      const linesOf = (text: string): unknown[] =>
        text
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line));
      const [logged, shown] = await Promise.all([logs.ended, top.ended]);
      expect(linesOf(logged.stdout)).toEqual(log);
      expect(linesOf(shown.stdout).at(-1)).toMatchObject({
        status: "succeeded",
        counts: { succeeded: 5 },
        parked_on: {},
      });
      expect([logged.status, shown.status]).toEqual([0, 0]);
    });
  });

  describe.sequential("a server that is replaced in mid-run", () => {
    it("goes on with what ran and what was parked; what was paused by hand or for tokens stays so until it is resumed", async () => {
      const { heddle } = server;
      const waits = plays([
        { calls: [{ tool: "atomic", arguments: { op: "add", name: "n", delta: 1 } }] },
        { calls: [{ tool: "create_task", arguments: { key: "c", instructions: says("c", { latency_ms: 5_000 }) } }] },
        { calls: [{ tool: "await_tasks", arguments: { tasks: ["c"] } }] },
        { text: "{{3.0.tasks.0.result}} {{1.0.value}}" },
      ]);
      const limits = { paused: {}, running: {}, tokens: { tokens: 4000 } };
      const runs = await Promise.all(
        Object.entries(limits).map(([name, own]) =>
          heddle.createRun({ name, root: { instructions: waits }, limits: own }),
        ),
      );
      const [paused, running, tokens] = runs.map(({ id }) => id) as [string, string, string];
      const waiting = async (run: string) => (await heddle.run(run)).counts.parked === 1;
      await until("they wait", 30_000, async () => (await waiting(running)) && (await waiting(paused)));
      await heddle.pauseRun(paused);
      await until("no tokens are left", 30_000, async () => (await heddle.run(tokens)).reason === "budget");
      await server.interrupt();
      await server.start();
      expect(await heddle.run(paused)).toMatchObject({ status: "paused", reason: "asked" });
      expect(await heddle.run(tokens)).toMatchObject({ status: "paused", reason: "budget" });
      await heddle.waitFor(running, { mode: "settled" });
      await heddle.setBudget(tokens, { tokens: 1_000_000 });
      await heddle.waitFor(tokens, { mode: "settled" });
      // What the paused run's open model call came to is logged; nothing is begun.
      expect((await heddle.task(paused, runs[0]!.root!)).state).not.toBe("succeeded");
      await heddle.resumeRun(paused);
      await heddle.waitFor(paused, { mode: "settled" });
      for (const { id, root: task } of runs) {
        expect(await heddle.task(id, task!)).toMatchObject({ state: "succeeded", result: "c 1", generation: 1 });
        expect((await heddle.variable(id, "n")).state).toMatchObject({ value: 1 });
        expectEachOnce(await logOf(server, id), 2);
      }
    });
  });
});
