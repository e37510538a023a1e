/** W1 on the pull path: a worker outside leases timer tasks in batches over HTTP. */

import { fanOut, timers } from "../lib/fan-out.ts";
import { least, type Outcome } from "../lib/measure.ts";
import { pullWork } from "../lib/pull-worker.ts";
import type { Bench, Workload } from "./workload.ts";

const lanes = 16;
const ms = 50;
const pool = "bench";

async function pulled({ server, quick }: Bench): Promise<Outcome[]> {
  const tasks = quick ? 160 : 1000;
  const stop = pullWork({ heddle: server.heddle, pool, worker: "bench", lanes });
  // Leases in hand and results on their way count as running; bodies are limited by the worker's lanes.
  const leases = 4 * lanes;
  const specs = (count: number) => timers(count, ms).map((spec) => ({ ...spec, pool }));
  await fanOut(server, leases, specs(lanes));
  const done = await fanOut(server, leases, specs(tasks));
  await stop();
  const value = (tasks * ms) / lanes / done.wallMs;
  const measures = [{ name: "ideal ÷ actual", value, unit: "", target: least(0.85) }];
  return [{ workload: `W1 pull, ${ms} ms ×${tasks}, ${lanes} lanes`, measures, details: { ...done } }];
}

export const pullPath: readonly Workload[] = [{ name: "W1.pull", run: pulled }];
