/** The shape of W1: one run, many tasks posted to it, and the wait for all of them. */

import type { Heddle, RunSpec, TaskSpec } from "../../src/client/index.ts";
import { type Counters, used } from "./counters.ts";
import type { Server } from "./server.ts";

const batchMax = 1000;
/** A run that takes longer has broken. */
const capMs = 180_000;

export interface FanOut {
  readonly run: string;
  readonly tasks: number;
  /** The client's clock: from before the first task is posted to the answer that all have ended. */
  readonly wallMs: number;
  /** From there to all results in hand. */
  readonly resultsMs: number;
  readonly counters: Counters;
}

export interface FanOutOptions {
  readonly context?: RunSpec["context"];
  readonly during?: (run: string) => void;
  /** In requests of as many tasks as one takes, and not as the client posts many. */
  readonly inFull?: boolean;
}

/** Runs `specs` at `workers` seats. @throws Error unless every one succeeds and its result is there exactly once */
export async function fanOut(
  server: Server,
  workers: number,
  specs: readonly TaskSpec[],
  { context, during, inFull = false }: FanOutOptions = {},
): Promise<FanOut> {
  const { heddle } = server;
  const pools = [...new Set(specs.flatMap(({ pool }) => pool ?? []))];
  const limits = {
    workers,
    tasks: Math.max(specs.length, 1),
    ...(pools.length > 0 && { pools: ["hosted", ...pools] }),
  };
  const { id } = await heddle.createRun({ limits, ...(context && { context }) });
  const before = await server.counters(id);
  const start = performance.now();
  during?.(id);
  if (inFull) await postTasks(heddle, id, specs);
  else await heddle.runs.get(id).tasks.createMany(specs);
  await heddle.waitFor(id, {}, { signal: AbortSignal.timeout(capMs) });
  const wallMs = performance.now() - start;
  const counters = used(before, await server.counters(id));
  const seen = new Set<string>();
  for await (const task of heddle.tasks(id, { limit: batchMax })) {
    if (task.state !== "succeeded") throw new Error(`task ${task.id} ${task.state}: ${task.error?.message}`);
    seen.add(task.id);
  }
  if (seen.size !== specs.length) throw new Error(`${seen.size} results of ${specs.length}`);
  const resultsMs = performance.now() - start - wallMs;
  await heddle.finishRun(id);
  return { run: id, tasks: specs.length, wallMs, resultsMs, counters };
}

/** Posts `specs` to a run that is paused, so that none starts: what creating them takes by itself. */
export async function postPaused(
  { heddle }: Server,
  specs: readonly TaskSpec[],
  { context }: Pick<RunSpec, "context"> = {},
): Promise<{ run: string; wallMs: number }> {
  const { id } = await heddle.createRun({ limits: { tasks: specs.length }, ...(context && { context }) });
  await heddle.pauseRun(id);
  const start = performance.now();
  await postTasks(heddle, id, specs);
  return { run: id, wallMs: performance.now() - start };
}

async function postTasks(heddle: Heddle, run: string, specs: readonly TaskSpec[]): Promise<void> {
  for (let at = 0; at < specs.length; at += batchMax) {
    await heddle.createTasks(run, { tasks: specs.slice(at, at + batchMax) });
  }
}

/** Tasks whose body is a timer. `extra` words go on the instructions, e.g. an address to tell. */
export const timers = (count: number, ms: number, extra = ""): TaskSpec[] =>
  Array.from({ length: count }, (_, i) => ({ instructions: `timer ${ms} ${i}${extra}` }));
