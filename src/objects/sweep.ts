/** The cron sweep, the last net: every run that has not ended is loaded, so that what is due happens whatever its alarm did. */

import type { RunStatus } from "../contract/shapes.ts";
import { orphanRowMs, sweepCallMs, sweepPageRuns, sweepRunsAtOnce } from "../limits.ts";
import { activeRuns, deleteRun, setRunStatus } from "../storage/d1/run-index.ts";
import { type Env, runStub } from "./env.ts";
import { expireRuns } from "./retention.ts";
import { within } from "./within.ts";

/** Visits all live runs, a few at a time; a row without an object (a creation that was cut off) is removed. */
export async function sweepRuns(env: Pick<Env, "DB" | "RUNS" | "HEDDLE_RETENTION_DAYS">): Promise<void> {
  let after: Awaited<ReturnType<typeof activeRuns>>[number] | undefined;
  do {
    const page = await activeRuns(env.DB, sweepPageRuns, after);
    for (let i = 0; i < page.length; i += sweepRunsAtOnce) {
      await Promise.all(page.slice(i, i + sweepRunsAtOnce).map((name) => sweepOne(env, name)));
    }
    after = page.length === sweepPageRuns ? page.at(-1) : undefined;
  } while (after);
  await expireRuns(env);
}

async function sweepOne(
  env: Pick<Env, "DB" | "RUNS">,
  name: { tenant: string; id: string; status: RunStatus },
): Promise<void> {
  try {
    const reply = await within(sweepCallMs, runStub(env, name.tenant, name.id).sweep());
    if (reply.ok) {
      const { status, ended_at, expires_at } = reply.value;
      // A run that is paused or goes on tells the index itself; when that was lost, this is where it is noticed.
      if (ended_at !== null || status !== name.status) await setRunStatus(env.DB, name, status, ended_at, expires_at);
    } else if (reply.fault.code === "not_found") {
      // A row that is younger may belong to a creation under way.
      await deleteRun(env.DB, name, Date.now() - orphanRowMs);
    }
  } catch (error) {
    console.error("sweep failed", { run: name.id, error: String(error) });
  }
}
