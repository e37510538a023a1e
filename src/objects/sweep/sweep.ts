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
  setNameAndAge,
  setRunAwake,
  setRunStatus,
  uncheckedRuns,
} from "../../storage/d1/run-index.ts";
import { countFailures, listFailures } from "../../storage/d1/sweep-state.ts";
import { type BehindRow, markHeld, runsBehind } from "../../storage/d1/tenant-rules.ts";
import { holdRun, tenantRulesOf } from "../../tenant-rules.ts";
import { runStub } from "../env.ts";
import type { TenantRules } from "../rpc.ts";
import { type Pass, runPass, type SweepEnv } from "./pass.ts";

const passes: readonly Pass<SweptRow>[] = [
  { name: "live", page: activeRuns, visit: visitRun },
  // A live run that the index has as ended is in no other pass: its newest word was overtaken by an older one.
  { name: "ended", page: uncheckedRuns, visit: visitRun, settle: markChecked },
];

/** Makes each pass once; one that breaks off does not keep the others from theirs. Never throws. */
export async function sweepRuns(env: SweepEnv): Promise<void> {
  for (const pass of passes) await quietly(pass.name, () => runPass(env, pass));
  await quietly("rules", () => runPass(env, rulesPass()));
  await quietly("report", () => reportFailures(env));
}

async function quietly(part: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    console.error("sweep failed", { part, error: String(error) });
  }
}

/**
 * The run does what is due, and the index has its word; a row without an object (a creation that was cut off) is removed. Answers whether
 * the index has it right that the run has ended.
 */
async function visitRun(env: SweepEnv, row: SweptRow): Promise<boolean> {
  const reply = await runStub(env, row.tenant, row.id).sweep({ indexed: row.status });
  if (reply.ok) {
    const { status, ended_at, expires_at, last_seq, imported } = reply.value;
    if (imported && (imported.name !== row.name || imported.created_at !== row.created_at))
      await setNameAndAge(env.DB, row, imported);
    const isWrong = status !== row.status || ended_at !== row.ended_at;
    if (!isWrong && row.quiet_at !== null && last_seq !== row.quiet_at) await setRunAwake(env.DB, row);
    if (!isWrong) return ended_at !== null;
    await setRunStatus(env.DB, row, status, ended_at, expires_at);
  } else if (reply.fault.code === "not_found") {
    // A row that is younger may belong to a creation under way.
    await deleteRun(env.DB, row, Date.now() - orphanRowMs);
  } else throw new Error(reply.fault.detail ?? reply.fault.code);
  return false;
}

/** Live runs that their tenant's rules, which have changed since, have not come to. A tenant's are read once in a pass. */
function rulesPass(): Pass<BehindRow> {
  const known = new Map<string, Promise<TenantRules>>();
  const rulesOf = (db: D1Database, tenant: string): Promise<TenantRules> => {
    let rules = known.get(tenant);
    if (!rules) {
      rules = tenantRulesOf(db, tenant);
      known.set(tenant, rules);
    }
    return rules;
  };
  return {
    name: "rules",
    page: runsBehind,
    visit: async (env, { tenant, id, version }) => {
      const rules = await rulesOf(env.DB, tenant);
      // They may have changed once more since they were read: then another pass comes.
      return (await holdRun(runStub(env, tenant, id), rules)) && rules.version >= version;
    },
    settle: markHeld,
  };
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
