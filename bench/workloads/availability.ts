/** A provider that takes ten calls at once and does not say so: what a run with 64 workers gets of it, and what is refused. */

import type { TaskSpec } from "../../src/client/index.ts";
import { fanOut } from "../lib/fan-out.ts";
import { least, most, type Outcome } from "../lib/measure.ts";
import type { Bench, Workload } from "./workload.ts";

const seats = 64;
const concurrent = 10;

async function availability({ server, quick }: Bench): Promise<Outcome[]> {
  const tasks = quick ? 60 : 600;
  const ms = quick ? 200 : 1000;
  const script = JSON.stringify({ latency_ms: ms, concurrent, turns: [{ text: "done" }] });
  const specs: TaskSpec[] = Array.from({ length: tasks }, () => ({
    instructions: `Answer.\n\`\`\`sim\n${script}\n\`\`\``,
  }));
  const { run, wallMs } = await fanOut(server, seats, specs);
  const calls: { readonly at: number; readonly refused: boolean }[] = [];
  for (let after = 0; ; ) {
    const { events } = await server.heddle.events(run, { after, limit: 1000 });
    if (events.length === 0) break;
    after = events.at(-1)!.seq;
    for (const { type, at } of events)
      if (type === "turn" || type === "attempt_ended") calls.push({ at, refused: type === "attempt_ended" });
  }
  // The first quarter is where the limit is found; the last calls have nothing left to fill their places.
  const through = calls.filter(({ refused }) => !refused);
  const from = through[Math.floor(tasks / 4)]!.at;
  const until = through[Math.floor((tasks * 95) / 100)]!.at;
  const late = calls.filter(({ at }) => at > from && at <= until);
  const refused = late.filter((call) => call.refused).length;
  const best = ((until - from) * concurrent) / ms;
  return [
    {
      workload: `availability: ${tasks} × ${ms} ms, ${seats} workers, ${concurrent} at once are taken`,
      measures: [
        {
          name: "through ÷ the best there is, when it is found",
          value: (late.length - refused) / best,
          unit: "",
          target: least(0.9),
        },
        { name: "refused then", value: refused / late.length, unit: "", target: most(0.02) },
        { name: "best ÷ actual, in all", value: (tasks * ms) / concurrent / wallMs, unit: "" },
      ],
      details: { refusedInAll: calls.length - through.length, wallMs },
    },
  ];
}

export const providers: readonly Workload[] = [{ name: "availability", run: availability }];
