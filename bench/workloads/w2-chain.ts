/** W2: a chain of no-op tasks, each after the one before. A hop is a result recorded and the next task started. */

import { fanOut, timers } from "../lib/fan-out.ts";
import { type Measure, most, type Outcome } from "../lib/measure.ts";
import { mean, percentile } from "../lib/stats.ts";
import type { Bench, Workload } from "./workload.ts";

const seats = 16;
const floorHops = 400;

async function chain({ server, quick }: Bench): Promise<Outcome[]> {
  const tasks = quick ? 40 : 200;
  const rounds = quick ? 1 : 3;
  await server.floor(floorHops);
  const floor = mean(await server.floor(floorHops));
  const hops: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const specs = timers(tasks, 0).map((spec, i) => ({
      ...spec,
      key: `t${i}`,
      ...(i > 0 && { after: [`t${i - 1}`] }),
    }));
    const { run } = await fanOut(server, seats, specs);
    const starts: number[] = [];
    for await (const { result } of server.heddle.tasks(run, { limit: 1000 }))
      starts.push((result as { t0: number }).t0);
    hops.push(...starts.slice(1).map((start, i) => start - starts[i]!));
  }
  // The runtime's clock shows whole milliseconds: a mean over all hops says more than a median of so coarse values.
  const hop = mean(hops);
  const measures: Measure[] = [
    { name: "hop, mean", value: hop, unit: "ms", peer: 0.45 },
    { name: "÷ one committed RPC", value: hop / floor, unit: "×", target: most(2) },
  ];
  const percentiles = { p50: percentile(hops, 50), p95: percentile(hops, 95), p99: percentile(hops, 99) };
  return [{ workload: `W2 chain of ${tasks}`, measures, details: { floor, ...percentiles, hops } }];
}

export const chains: readonly Workload[] = [{ name: "W2.chain", run: chain }];
