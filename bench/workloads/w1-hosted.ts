/** W1 on the hosted path: the vendor's SDK against the simulated model over HTTP, one turn a task. */

import { simulated } from "../lib/agents.ts";
import { fanOut } from "../lib/fan-out.ts";
import { least, most, type Outcome } from "../lib/measure.ts";
import { percentile } from "../lib/stats.ts";
import type { Bench, Workload } from "./workload.ts";

const seats = 64;

async function hosted({ server, quick }: Bench): Promise<Outcome[]> {
  const tasks = quick ? 64 : 1000;
  const ms = quick ? 200 : 1000;
  await fanOut(server, seats, simulated(seats, 10));
  const done = await fanOut(server, seats, simulated(tasks, ms));
  const rows = (done.counters.rowsWritten + done.counters.alarmsSet) / tasks;
  const measures = [
    { name: "ideal ÷ actual", value: (tasks * ms) / seats / done.wallMs, unit: "", target: least(0.85) },
    { name: "rows written per task", value: rows, unit: "", target: most(5) },
  ];
  return [{ workload: `W1 hosted, ${ms} ms ×${tasks}, ${seats} seats`, measures, details: { ...done } }];
}

/** What it costs that seats tell how long their model calls took: pairs of runs, so that what changes with time meets both. */
async function workerEvents({ server, quick }: Bench): Promise<Outcome[]> {
  const [tasks, pairs] = quick ? [64, 1] : [1000, 5];
  const took = { on: [] as number[], off: [] as number[] };
  const bytes = { on: 0, off: 0 };
  await fanOut(server, seats, simulated(seats, 10));
  for (let i = 0; i < 2 * pairs; i++) {
    // The order turns with each pair.
    const what = (i + (i >> 1)) % 2 === 0 ? "on" : "off";
    await server.workerExtras(what === "on");
    const { wallMs, counters } = await fanOut(server, seats, simulated(tasks, 0));
    took[what].push(wallMs);
    bytes[what] = counters.databaseBytes / tasks;
  }
  await server.workerExtras(true);
  const ratio = percentile(took.on, 50) / percentile(took.off, 50);
  const measures = [
    { name: "time on ÷ off", value: ratio, unit: "", target: most(1.05) },
    { name: "stored a task, on less off", value: bytes.on - bytes.off, unit: "bytes" },
  ];
  return [{ workload: `W1 hosted ×${tasks}, workers' own times on and off`, measures, details: { took, bytes } }];
}

export const hostedPath: readonly Workload[] = [
  { name: "W1.hosted", run: hosted },
  { name: "W1.worker-events", run: workerEvents },
];
