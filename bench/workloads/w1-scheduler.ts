/** W1 on the scheduler's own path: seats whose body is a timer. What they lose against the ideal is Heddle's overhead. */

import type { TaskState } from "../../src/contract/shapes.ts";
import { callCount } from "../lib/counters.ts";
import { type FanOut, fanOut, postPaused, timers } from "../lib/fan-out.ts";
import { least, type Measure, most, type Outcome } from "../lib/measure.ts";
import { pricePerMillion } from "../lib/price.ts";
import type { Server } from "../lib/server.ts";
import type { Bench, Workload } from "./workload.ts";

const noopSeats = 16;
const largeTasks = 100_000;
const timedMs = 50;

async function noops({ server, quick, large }: Bench): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  let first: number | undefined;
  for (const tasks of quick ? [200] : [1000, 10_000, ...(large ? [largeTasks] : [])]) {
    const done = await fanOut(server, noopSeats, timers(tasks, 0));
    const perTask = done.wallMs / tasks;
    first ??= perTask;
    const bill = pricePerMillion(done.counters, { tasks, busyMs: done.wallMs, httpRequests: 0 });
    const peer = tasks >= 10_000 ? 0.21 : 0.31;
    const measures: Measure[] = [{ name: "time per task", value: perTask, unit: "ms", peer }];
    if (tasks > 1000)
      measures.push({ name: "÷ that of 1,000 tasks", value: perTask / first, unit: "×", target: most(1.2) });
    measures.push(
      ...costs(done),
      { name: "list price of a million", value: bill.total, unit: "$", target: most(5) },
      { name: "memory of the server", value: server.residentMb(), unit: "MB", ...(tasks === 10_000 && { peer: 238 }) },
      ...(await heap("heap of the worker", server, tasks)),
    );
    if (tasks >= largeTasks) {
      measures.push(...(await coldStart(server, done.run, tasks, "succeeded")));
      // What the next figures are of is one run, and not that and this one.
      await server.heddle.deleteRun(done.run);
      await server.killAndRestart();
      measures.push(...(await allReady(server, tasks)));
    }
    outcomes.push({ workload: `W1 no-op ×${tasks}, ${noopSeats} seats`, measures, details: { ...done, bill } });
  }
  return outcomes;
}

/** The isolate's, code included: no measure where it can't be read. */
async function heap(name: string, server: Server, tasks: number): Promise<Measure[]> {
  const value = await server.heapMb();
  if (value === undefined) return [];
  return [{ name, value, unit: "MB", ...(tasks >= largeTasks && { target: most(40) }) }];
}

/** The first call after a `kill -9`: the run's object loads what it needs, and nothing else has been asked yet. */
async function coldStart(server: Server, run: string, tasks: number, state: TaskState): Promise<Measure[]> {
  await server.killAndRestart();
  const start = performance.now();
  const { counts } = await server.heddle.run(run);
  const seconds = (performance.now() - start) / 1000;
  if (counts[state] !== tasks) throw new Error(`${counts[state]} of ${tasks} tasks came back`);
  return [
    { name: `first call after a restart, all ${state}`, value: seconds, unit: "s", target: most(2) },
    ...(await heap(`heap, all ${state}`, server, tasks)),
  ];
}

/** Ended tasks leave memory: the most that a run of this size can hold is when none has started. */
async function allReady(server: Server, tasks: number): Promise<Measure[]> {
  const { run } = await postPaused(server, timers(tasks, 0));
  const before = await heap("heap, all just posted", server, tasks);
  const measures = [...before, ...(await coldStart(server, run, tasks, "ready"))];
  await server.heddle.cancelRun(run);
  return measures;
}

/** Rows and calls of a task with a timer body. */
const costs = ({ counters, tasks }: FanOut): Measure[] => [
  {
    name: "rows written per task",
    value: (counters.rowsWritten + counters.alarmsSet) / tasks,
    unit: "",
    target: most(3),
  },
  { name: "calls of the object per task", value: callCount(counters) / tasks, unit: "" },
];

async function timed({ server, quick }: Bench): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const points = [
    { seats: 16, target: 0.95, peer: 0.95 },
    { seats: 64, target: 0.85, peer: 0.85 },
  ];
  for (const { seats, target, peer } of points) {
    const tasks = quick ? 160 : 1000;
    const ideal = (tasks * timedMs) / seats;
    // The floor is taken right beside, since what the machine gives changes from minute to minute.
    const floorMs = await server.floorTasks({ tasks, seats, ms: timedMs });
    const done = await fanOut(server, seats, timers(tasks, timedMs));
    const inFull = await fanOut(server, seats, timers(tasks, timedMs), { inFull: true });
    const measures = [
      { name: "ideal ÷ actual", value: ideal / done.wallMs, unit: "", target: least(target), peer },
      { name: "posted in one request, ideal ÷ actual", value: ideal / inFull.wallMs, unit: "" },
      { name: "a committed RPC each, ideal ÷ actual", value: ideal / floorMs, unit: "" },
      { name: "ours ÷ that of a committed RPC each", value: floorMs / done.wallMs, unit: "×" },
      ...costs(done),
    ];
    outcomes.push({ workload: `W1 ${timedMs} ms ×${tasks}, ${seats} seats`, measures, details: { ...done, floorMs } });
  }
  return outcomes;
}

/** Tasks of one point of the curve: some two seconds of ideal time, and at least a few rounds of all seats. */
const pointMs = 2000;
const roundsMin = 4;
const pointTasksMax = 1000;

async function curve({ server, quick }: Bench): Promise<Outcome[]> {
  const seatCounts = quick ? [4] : [1, 4, 16, 64, 128];
  const latencies = quick ? [20] : [0, 20, 50, 200];
  const measures: Measure[] = [];
  const points: Record<string, unknown>[] = [];
  for (const seats of seatCounts) {
    for (const ms of latencies) {
      const rounds = Math.max(roundsMin, Math.ceil((quick ? 200 : pointMs) / Math.max(ms, 1)));
      const tasks = Math.min(pointTasksMax, seats * rounds);
      const { wallMs } = await fanOut(server, seats, timers(tasks, ms));
      const ideal = (Math.ceil(tasks / seats) * ms) / wallMs;
      points.push({ seats, ms, tasks, wallMs, ideal });
      if (ms === 0) measures.push({ name: `${seats} seats, 0 ms: per task`, value: wallMs / tasks, unit: "ms" });
      else measures.push({ name: `${seats} seats, ${ms} ms: ideal ÷ actual`, value: ideal, unit: "" });
    }
  }
  return [{ workload: "W1 curve over seats and latency", measures, details: { points } }];
}

export const schedulerPath: readonly Workload[] = [
  { name: "W1.noop", run: noops },
  { name: "W1.50ms", run: timed },
  { name: "W1.curve", run: curve },
];
