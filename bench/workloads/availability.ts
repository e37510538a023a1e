/**
 * A provider that takes ten calls at once and does not say so: what a run with 64 workers gets of it, or two runs that share its
 * credential, and what is refused.
 */

import type { TaskSpec } from "../../src/client/index.ts";
import { fanOut } from "../lib/fan-out.ts";
import { least, type Measure, most, type Outcome } from "../lib/measure.ts";
import type { Server } from "../lib/server.ts";
import { jainIndex } from "../lib/stats.ts";
import type { Bench, Workload } from "./workload.ts";

const concurrent = 10;

interface Call {
  readonly at: number;
  readonly refused: boolean;
  readonly run: string;
}

async function availability({ server, quick }: Bench, runs: number): Promise<Outcome> {
  const seats = 64 / runs;
  const tasks = (quick ? 60 : 600) / runs;
  const ms = quick ? 200 : 1000;
  const script = JSON.stringify({ latency_ms: ms, concurrent, turns: [{ text: "done" }] });
  const specs: TaskSpec[] = Array.from({ length: tasks }, () => ({
    // Runs share the limit of a model that they name (docs/availability.md).
    model: "limited",
    instructions: `Answer.\n\`\`\`sim\n${script}\n\`\`\``,
  }));
  const done = await Promise.all(Array.from({ length: runs }, () => fanOut(server, seats, specs)));
  const calls = (await Promise.all(done.map(({ run }) => callsOf(server, run)))).flat();
  calls.sort((one, other) => one.at - other.at);
  const through = calls.filter(({ refused }) => !refused);
  // The first quarter is where the limit is found; the last calls of a run have nothing left to fill their places.
  const from = through[Math.floor((tasks * runs) / 4)]!.at;
  const lasts = done.map(({ run }) => through.filter((call) => call.run === run)[Math.floor((tasks * 95) / 100)]!.at);
  const until = Math.min(...lasts);
  const late = calls.filter(({ at }) => at > from && at <= until);
  const refused = late.filter((call) => call.refused).length;
  const best = ((until - from) * concurrent) / ms;
  const shares = done.map(({ run }) => late.filter((call) => !call.refused && call.run === run).length);
  const wallMs = Math.max(...done.map((one) => one.wallMs));
  const measures: Measure[] = [
    {
      name: "through ÷ the best there is, when it is found",
      value: (late.length - refused) / best,
      unit: "",
      target: least(0.9),
    },
    { name: "refused then", value: refused / late.length, unit: "", target: most(0.02) },
    { name: "best ÷ actual, in all", value: (tasks * runs * ms) / concurrent / wallMs, unit: "" },
  ];
  if (runs > 1) measures.push({ name: "Jain's index of the runs' shares then", value: jainIndex(shares), unit: "" });
  const who = runs === 1 ? `${seats} workers` : `${runs} runs of ${seats} workers`;
  return {
    workload: `availability: ${tasks * runs} × ${ms} ms, ${who}, ${concurrent} at once are taken`,
    measures,
    details: { refusedInAll: calls.length - through.length, wallMs, shares, foundMs: from - calls[0]!.at },
  };
}

async function callsOf(server: Server, run: string): Promise<Call[]> {
  const calls: Call[] = [];
  for (let after = 0; ; ) {
    const { events } = await server.heddle.events(run, { after, limit: 1000 });
    if (events.length === 0) return calls;
    after = events.at(-1)!.seq;
    for (const { type, at } of events)
      if (type === "turn" || type === "attempt_ended") calls.push({ at, refused: type === "attempt_ended", run });
  }
}

export const providers: readonly Workload[] = [
  { name: "availability", run: async (bench) => [await availability(bench, 1)] },
  { name: "availability.shared", run: async (bench) => [await availability(bench, 2)] },
];
