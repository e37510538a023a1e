/**
 * The cron sweep, the last net: it visits every run that has not ended, so that what is due happens whatever its alarm did, and
 * once more each run that has ended since. Another pass is one more entry of `passes`.
 */

import { orphanRowMs, sweepFailuresNamed, sweepFailuresReported } from "../../limits.ts";
import {
  activeRuns,
  deleteRun,
  markChecked,
  type SweptRow,
  setRunStatus,
  uncheckedRuns,
} from "../../storage/d1/run-index.ts";
import { countFailures, listFailures } from "../../storage/d1/sweep-state.ts";
import { type BehindRow, findTenantRules, runsBehind } from "../../storage/d1/tenant-rules.ts";
import { compiledRow, holdRun } from "../../tenant-rules.ts";
import { runStub } from "../env.ts";
import { type Pass, runPass, type SweepEnv } from "./pass.ts";

const passes: readonly Pass<SweptRow>[] = [
  { name: "live", page: activeRuns, visit: visitRun },
  // A live run that the index has as ended is in no other pass: its newest word was overtaken by an older one.
  { name: "ended", page: uncheckedRuns, visit: visitRun },
];

/** Live runs that their tenant's rules have not come to. */
const rulesPass: Pass<BehindRow> = { name: "rules", page: runsBehind, visit: visitBehind };

/** Makes each pass once; one that breaks off does not keep the others from theirs. Never throws. */
export async function sweepRuns(env: SweepEnv): Promise<void> {
  for (const pass of passes) await quietly(pass.name, () => runPass(env, pass));
  await quietly(rulesPass.name, () => runPass(env, rulesPass));
  await quietly("report", () => reportFailures(env));
}

async function quietly(part: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    console.error("sweep failed", { part, error: String(error) });
  }
}

/** The run does what is due, and the index has its word; a row without an object (a creation that was cut off) is removed. */
async function visitRun(env: SweepEnv, row: SweptRow): Promise<void> {
  const reply = await runStub(env, row.tenant, row.id).sweep({ indexed: row.status });
  if (reply.ok) {
    const { status, ended_at, expires_at } = reply.value;
    const isWrong = status !== row.status || ended_at !== row.ended_at;
    if (isWrong) await setRunStatus(env.DB, row, status, ended_at, expires_at);
    else if (ended_at !== null) await markChecked(env.DB, row);
  } else if (reply.fault.code === "not_found") {
    // A row that is younger may belong to a creation under way.
    await deleteRun(env.DB, row, Date.now() - orphanRowMs);
  } else throw new Error(reply.fault.detail ?? reply.fault.code);
}

/** Its tenant's rules have changed since it had them. */
async function visitBehind(env: SweepEnv, row: BehindRow): Promise<void> {
  const ports = { db: env.DB, run: (tenant: string, run: string) => runStub(env, tenant, run) };
  await holdRun(ports, row, compiledRow(await findTenantRules(env.DB, row.tenant)));
}

/** The operator's line, as often as the sweep comes and while there are any: docs/operating.md. */
async function reportFailures({ DB }: SweepEnv): Promise<void> {
  const named = await listFailures(DB, sweepFailuresReported, sweepFailuresNamed);
  if (named.length === 0) return;
  const count = await countFailures(DB, sweepFailuresReported);
  console.error("runs can't be visited", {
    count,
    first: named.map(({ tenant, id, passes, error }) => ({ tenant, run: id, passes, error })),
  });
}
