/**
 * How soon a seat opens through the queues while another tenant's long tasks hold theirs. A local queue runs one batch at a
 * time, which is the worst that Cloudflare's do before they add a consumer.
 */

import { simulated } from "../lib/agents.ts";
import { fanOut } from "../lib/fan-out.ts";
import { most, type Outcome } from "../lib/measure.ts";
import { percentile } from "../lib/stats.ts";
import type { Bench, Workload } from "./workload.ts";

const others = 16;
const longMs = 600_000;
/** Until all of the other tenant's tasks run. */
const startCapMs = 60_000;
const pollMs = 200;
const atOnce = 4;

async function open({ server, quick }: Bench): Promise<Outcome[]> {
  const other = await server.newTenant("other");
  const { id } = await other.createRun({ limits: { workers: others } });
  await other.createTasks(id, { tasks: simulated(others, longMs) });
  for (const end = Date.now() + startCapMs; (await other.run(id)).counts.running < others; ) {
    if (Date.now() > end) throw new Error("the other tenant's tasks did not start");
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  const waits: number[] = [];
  for (let left = quick ? 4 : 60; left > 0; left -= atOnce) {
    await Promise.all(
      Array.from({ length: atOnce }, async () => {
        const { run } = await fanOut(server, 1, simulated(1, 0));
        for await (const { timings } of server.heddle.tasks(run)) waits.push(timings.started_at! - timings.ready_at!);
      }),
    );
  }
  if ((await other.run(id)).counts.running < others)
    throw new Error("the other tenant's tasks did not run all the time");
  await other.cancelRun(id);
  const measures = [50, 95, 100].map((p) => ({
    name: p === 100 ? "the longest" : `a seat opens, p${p}`,
    value: percentile(waits, p) / 1000,
    unit: "s",
    ...(p === 95 && { target: most(5) }),
  }));
  return [{ workload: `Seats beside ${others} tasks of 10 min`, measures, details: { waits } }];
}

export const openings: readonly Workload[] = [{ name: "seats.open", variables: { SEATS: "queue" }, run: open }];
