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
  let wallMs = 0;
  for (let round = 0; round < rounds; round++) {
    const specs = timers(tasks, 0).map((spec, i) => ({
      ...spec,
      key: `t${i}`,
      ...(i > 0 && { after: [`t${i - 1}`] }),
    }));
    const done = await fanOut(server, seats, specs);
    wallMs += done.wallMs;
    const starts: number[] = [];
    for await (const { result } of server.heddle.tasks(done.run, { limit: 1000 }))
      starts.push((result as { t0: number }).t0);
    hops.push(...starts.slice(1).map((start, i) => start - starts[i]!));
  }
  // The runtime's clock shows whole milliseconds: a mean over all hops says more than percentiles of so coarse values, and
  // the client's clock checks it: there, posting the chain and the answer that it has ended are in it too.
  const hop = mean(hops);
  const measures: Measure[] = [
    { name: "hop, mean", value: hop, unit: "ms", peer: 0.45 },
    { name: "÷ one committed RPC", value: hop / floor, unit: "×", target: most(2) },
    { name: "one committed RPC, mean", value: floor, unit: "ms" },
    ...[50, 95, 99].map((p) => ({ name: `hop, p${p}, in whole ms`, value: percentile(hops, p), unit: "ms" })),
    { name: "wall ÷ hops", value: wallMs / rounds / (tasks - 1), unit: "ms" },
  ];
  return [{ workload: `W2 chain of ${tasks}`, measures, details: { hops } }];
}

export const chains: readonly Workload[] = [{ name: "W2.chain", run: chain }];
