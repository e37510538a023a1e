/** W3: a random graph of timer tasks, against what its longest path and the seats allow. */

import { fanOut, timers } from "../lib/fan-out.ts";
import { lcg } from "../lib/lcg.ts";
import { most, type Outcome } from "../lib/measure.ts";
import type { Bench, Workload } from "./workload.ts";

const seats = 16;
const ms = 20;
const dependenciesMax = 5;

/** Dependencies of each task, all on earlier ones. */
function randomGraph(tasks: number): number[][] {
  const random = lcg(42);
  return Array.from({ length: tasks }, (_, i) => {
    const draws = i === 0 ? 0 : random(dependenciesMax);
    return [...new Set(Array.from({ length: draws }, () => random(i)))];
  });
}

async function dag({ server, quick }: Bench): Promise<Outcome[]> {
  const graph = randomGraph(quick ? 60 : 500);
  const depths: number[] = [];
  for (const after of graph) depths.push(1 + Math.max(0, ...after.map((n) => depths[n]!)));
  const path = Math.max(...depths);
  const bound = Math.max(path * ms, (graph.length * ms) / seats);
  const specs = timers(graph.length, ms).map((spec, i) => {
    const after = graph[i]!.map((n) => `t${n}`);
    return { ...spec, key: `t${i}`, ...(after.length > 0 && { after }) };
  });
  const done = await fanOut(server, seats, specs);
  const measures = [
    { name: "makespan ÷ bound", value: done.wallMs / bound, unit: "×", target: most(1.15), peer: 1.21 },
  ];
  return [
    { workload: `W3 DAG of ${graph.length}, ${ms} ms, ${seats} seats`, measures, details: { ...done, path, bound } },
  ];
}

export const graphs: readonly Workload[] = [{ name: "W3.dag", run: dag }];
