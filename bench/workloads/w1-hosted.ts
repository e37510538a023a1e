/** W1 on the hosted path: the vendor's SDK against the simulated model over HTTP, one turn a task. */

import { simulated } from "../lib/agents.ts";
import { fanOut } from "../lib/fan-out.ts";
import { least, most, type Outcome } from "../lib/measure.ts";
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

export const hostedPath: readonly Workload[] = [{ name: "W1.hosted", run: hosted }];
