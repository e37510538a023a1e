/**
 * W1 to W3 as WORKLOADS.md measured the peers: one after another on one server that has had fifty tasks to warm up, twice,
 * each time on a fresh store, and the mean of both. The workloads by themselves are stricter: each is the first that its
 * server does.
 */

import { fanOut, timers } from "../lib/fan-out.ts";
import type { Outcome } from "../lib/measure.ts";
import { Server } from "../lib/server.ts";
import { mean } from "../lib/stats.ts";
import { schedulerPath } from "./w1-scheduler.ts";
import { chains } from "./w2-chain.ts";
import { graphs } from "./w3-dag.ts";
import type { Bench, Workload } from "./workload.ts";

const order = [...schedulerPath.filter(({ name }) => name !== "W1.curve"), ...chains, ...graphs];

async function inOrder(bench: Bench): Promise<Outcome[]> {
  const once = await all(bench);
  const fresh = await Server.start();
  try {
    await fanOut(fresh, 16, timers(50, 0));
    return meansOf(once, await all({ ...bench, server: fresh }));
  } finally {
    await fresh.stop();
  }
}

async function all(bench: Bench): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const { run } of order) outcomes.push(...(await run({ ...bench, large: false })));
  return outcomes;
}

/** Of two runs of the same workloads. What one of them could not measure is left out. */
function meansOf(one: readonly Outcome[], other: readonly Outcome[]): Outcome[] {
  return one.map(({ workload, measures, details }, i) => ({
    workload: `in order: ${workload}`,
    measures: measures.flatMap((measure) => {
      const again = other[i]?.measures.find(({ name }) => name === measure.name);
      return again ? [{ ...measure, value: mean([measure.value, again.value]) }] : [];
    }),
    details: { runs: [{ measures, details }, other[i]] },
  }));
}

export const peersOrder: readonly Workload[] = [{ name: "W1-W3.in-order", run: inOrder }];
