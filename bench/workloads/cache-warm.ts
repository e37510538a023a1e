/** Siblings of one large cold prefix: what they cost and take with warm one, then release, and without it. */

import type { TaskView } from "../../src/client/index.ts";
import { costOf, usdOf } from "../../src/prices/price.ts";
import { Prices } from "../../src/prices/prices.ts";
import { listPrices, simulatedModel } from "../../src/prices/table.ts";
import { simulated } from "../lib/agents.ts";
import { least, type Measure, most, type Outcome } from "../lib/measure.ts";
import type { Server } from "../lib/server.ts";
import type { Bench, Workload } from "./workload.ts";

const siblings = 64;
/** Until the first token of each reply, cached or not: the simulated model waits before it begins. */
const firstTokenMs = 2000;
const charactersPerToken = 4;
const { price } = new Prices(listPrices).find(simulatedModel)!;

interface Seen {
  readonly run: string;
  readonly wallMs: number;
  readonly usd: number;
  readonly tasks: readonly TaskView[];
  /** Tasks that wrote the prefix. */
  readonly writes: number;
}

/** `salt` makes the prefix one that no cache knows. */
async function siblingsOf({ heddle }: Server, tokens: number, salt: string, warmMs: number): Promise<Seen> {
  const content = `${salt} ${"abcdefg ".repeat((tokens * charactersPerToken) / 8)}`;
  const { id } = await heddle.createRun({
    context: {
      messages: [
        { role: "user", content },
        { role: "assistant", content: "I have read it." },
      ],
    },
    limits: { workers: siblings, warm_ms: warmMs },
  });
  const start = performance.now();
  await heddle.createTasks(id, { tasks: simulated(siblings, firstTokenMs) });
  await heddle.waitFor(id, { mode: "all" });
  const wallMs = performance.now() - start;
  const { cost, counts } = await heddle.run(id);
  if (counts.succeeded !== siblings || cost === null) throw new Error(`${counts.succeeded} succeeded, for ${cost}`);
  const { tasks } = await heddle.listTasks(id, { limit: siblings });
  const writes = tasks.filter(({ usage }) => usage.cache_write_tokens > tokens / 2).length;
  await heddle.finishRun(id);
  return { run: id, wallMs, usd: cost, tasks, writes };
}

/** Of what was sent: the first writes all of it, the others read the shared prefix and write their own end. */
function idealOf(tasks: readonly TaskView[], prefix: number): number {
  const nanos = tasks.reduce((sum, { usage }, i) => {
    const { input_tokens: input, output_tokens: out } = usage;
    const read = i === 0 ? 0 : Math.min(prefix, input);
    return sum + costOf(price, { in: input, out, read, write: input - read });
  }, 0);
  return usdOf(nanos);
}

async function warm({ server, quick, say }: Bench): Promise<Outcome[]> {
  const tokens = quick ? 20_000 : 200_000;
  const salt = `${Date.now()}`;
  await siblingsOf(server, 2000, `${salt} first`, 0);
  const without = await siblingsOf(server, tokens, `${salt} free`, 0);
  const held = await siblingsOf(server, tokens, `${salt} held`, 30_000);
  // The tools stand before the context and are shared too: what the readers read is the prefix.
  const prefix = Math.max(...held.tasks.map(({ usage }) => usage.cache_read_tokens));
  const aboveIdeal = ({ usd, tasks }: Seen) => usd / idealOf(tasks, prefix);
  say(`${held.writes} and ${without.writes} writes, $${held.usd.toFixed(2)} and $${without.usd.toFixed(2)}`);
  const measures: Measure[] = [
    { name: "held: cost ÷ ideal", value: aboveIdeal(held), unit: "×", target: most(1.1) },
    { name: "not held: cost ÷ ideal", value: aboveIdeal(without), unit: "×" },
    { name: "held: makespan", value: held.wallMs / 1000, unit: "s" },
    { name: "not held: makespan", value: without.wallMs / 1000, unit: "s" },
    {
      name: "delay ÷ one first token",
      value: (held.wallMs - without.wallMs) / firstTokenMs,
      unit: "×",
      target: most(1.5),
    },
    { name: "cost not held ÷ held", value: without.usd / held.usd, unit: "×", target: least(1) },
  ];
  const details = { held: { ...held, tasks: siblings }, without: { ...without, tasks: siblings }, prefix };
  return [{ workload: `siblings ×${siblings} on ${tokens / 1000}k tokens`, measures, details }];
}

export const warmCaches: readonly Workload[] = [{ name: "cache.warm", run: warm }];
