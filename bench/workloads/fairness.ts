/**
 * Two tenants on sixteen seats: how long one's single task takes while the other has very many ready, and how equal what both use is,
 * in tokens, when a seat of one burns four times what the other's does.
 */

import type { Heddle, TaskSpec } from "../../src/client/index.ts";
import { timers } from "../lib/fan-out.ts";
import { least, most, type Outcome } from "../lib/measure.ts";
import { jainIndex, percentile } from "../lib/stats.ts";
import type { Bench, Workload } from "./workload.ts";

const seats = 16;
const batchMax = 1000;
const taskMs = 250;
const turnMs = 500;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function busyRun(heddle: Heddle, tasks: readonly TaskSpec[]): Promise<string> {
  const { id } = await heddle.createRun({ limits: { workers: 64, tasks: tasks.length } });
  for (let at = 0; at < tasks.length; at += batchMax)
    await heddle.createTasks(id, { tasks: tasks.slice(at, at + batchMax) });
  return id;
}

/** From the post of one task to its end as the client sees it, less what its body takes, in lengths of a task. */
async function delays(heddle: Heddle, count: number): Promise<number[]> {
  const { id } = await heddle.createRun({ limits: { workers: 16 } });
  const found: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    await heddle.createTasks(id, { tasks: timers(1, taskMs) });
    await heddle.waitFor(id, {}, { signal: AbortSignal.timeout(60_000) });
    found.push((performance.now() - start - taskMs) / taskMs);
    await sleep(2 * taskMs);
  }
  await heddle.finishRun(id);
  return found;
}

async function beside({ server, quick, large, say }: Bench): Promise<Outcome[]> {
  const [big, small] = [await server.newTenant("big"), await server.newTenant("small")];
  const ready = large ? 100_000 : quick ? 2000 : 5000;
  const count = quick ? 8 : 40;
  const alone = await delays(small, quick ? 4 : 10);
  const run = await busyRun(big, timers(ready, taskMs));
  const before = (await big.run(run)).counts;
  say(`${before.ready} of ${ready} are ready`);
  const found = await delays(small, count);
  const { counts, seats: theirs } = await big.run(run);
  if (counts.ready === 0) throw new Error("the other tenant had nothing ready any more");
  await big.cancelRun(run);
  return [
    {
      workload: `One task beside ${ready} ready ones of another tenant, ${seats} seats`,
      measures: [
        { name: "delay in task lengths, p50", value: percentile(found, 50), unit: "" },
        { name: "the longest", value: Math.max(...found), unit: "", target: most(3) },
        { name: "alone, p50", value: percentile(alone, 50), unit: "" },
        { name: "seats of the large one meanwhile", value: theirs.open, unit: "" },
      ],
      details: { found, alone, taskMs, before, after: counts, seats: theirs },
    },
  ];
}

/** Tasks of one turn that is billed so many tokens. */
const burning = (count: number, tokens: number): TaskSpec[] =>
  Array.from({ length: count }, () => {
    const turns = [{ text: "done", usage: { input: tokens, output: 0 } }];
    return { instructions: `Answer.\n\`\`\`sim\n${JSON.stringify({ latency_ms: turnMs, turns })}\n\`\`\`` };
  });

async function equal({ server, quick, say }: Bench): Promise<Outcome[]> {
  const burns = [4000, 1000];
  // What was used before anybody knew what each burns fades first: the window is two minutes.
  const [settleS, measureS] = quick ? [60, 20] : [150, 60];
  const each = Math.ceil(((settleS + measureS) * seats * 1000) / turnMs);
  const tenants = await Promise.all(burns.map((_, i) => server.newTenant(`tenant ${i}`)));
  const runs = await Promise.all(tenants.map((heddle, i) => busyRun(heddle, burning(each, burns[i]!))));
  const views = () => Promise.all(tenants.map((heddle, i) => heddle.run(runs[i]!)));
  await sleep(settleS * 1000);
  const from = await views();
  say(`seats: ${from.map(({ seats: { most: share } }) => share).join(" and ")}`);
  const atWork: number[][] = [];
  for (let s = 0; s < measureS; s += 5) {
    await sleep(5000);
    atWork.push((await views()).map(({ seats: { open } }) => open));
  }
  const to = await views();
  if (to.some(({ counts }) => counts.ready === 0)) throw new Error("somebody had nothing ready any more");
  const tokens = to.map(({ usage }, i) => usage.tokens - from[i]!.usage.tokens);
  const tasks = to.map(({ counts }, i) => counts.succeeded - from[i]!.counts.succeeded);
  const used = atWork.map((open) => open.reduce((a, b) => a + b, 0));
  for (const [i, heddle] of tenants.entries()) await heddle.cancelRun(runs[i]!);
  return [
    {
      workload: `Two tenants whose tasks burn ${burns.join(" and ")} tokens, ${seats} seats`,
      measures: [
        { name: "Jain's index of tokens", value: jainIndex(tokens), unit: "", target: least(0.95) },
        { name: "were seats equal it would be", value: jainIndex(burns), unit: "" },
        { name: "tokens, dear ÷ cheap", value: tokens[0]! / tokens[1]!, unit: "" },
        { name: "tasks, dear ÷ cheap", value: tasks[0]! / tasks[1]!, unit: "" },
        { name: "seats at work of all, mean", value: used.reduce((a, b) => a + b, 0) / used.length / seats, unit: "" },
      ],
      details: { tokens, tasks, atWork, shares: to.map(({ seats: view }) => view) },
    },
  ];
}

const variables = { HEDDLE_SEATS: `${seats}` };

export const fairness: readonly Workload[] = [
  { name: "fairness.delay", variables, run: beside },
  { name: "fairness.tokens", variables, run: equal },
];
