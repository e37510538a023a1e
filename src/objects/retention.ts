/**
 * The sweep's last part: runs whose time is over are deleted with all that they have.
 *
 * X1. The index only says whom to look at. Whether a run's time is over its own object says, so that one which was reopened, or
 *     is to be kept longer, stays, whatever became of its word to the index.
 * X2. A pass takes a bounded number, the longest due first; one that can't be deleted goes to the back.
 */

import { parseRetention } from "../contract/retention.ts";
import { letOthers } from "../let-others.ts";
import { dayMs, expireAgainMs, expirePassRuns, retentionGraceMs, sweepCallMs, sweepRunsAtOnce } from "../limits.ts";
import {
  deleteRun,
  expireAgain,
  expiredRuns,
  type RunName,
  setExpiries,
  setRunStatus,
} from "../storage/d1/run-index.ts";
import { within } from "../within.ts";
import { type Env, runStub } from "./env.ts";

type SweepEnv = Pick<Env, "DB" | "RUNS" | "HEDDLE_RETENTION_DAYS">;

/** One pass; never throws. */
export async function expireRuns(env: SweepEnv, now = Date.now(), runsMax = expirePassRuns): Promise<void> {
  try {
    const { DB } = env;
    const retention = parseRetention(env.HEDDLE_RETENTION_DAYS);
    if (retention.ok && retention.days !== null) {
      const ms = retention.days * dayMs;
      await setExpiries(DB, { ms, earliest: now + retentionGraceMs, limit: expirePassRuns });
    }
    const due = await expiredRuns(DB, now, runsMax);
    for (let i = 0; i < due.length; i += sweepRunsAtOnce) {
      await letOthers();
      await Promise.all(due.slice(i, i + sweepRunsAtOnce).map((name) => expireOne(env, name, now)));
    }
  } catch (error) {
    console.error("sweep failed", { what: "retention", error: String(error) });
  }
}

async function expireOne(env: SweepEnv, name: RunName, now: number): Promise<void> {
  try {
    const reply = await within(sweepCallMs, runStub(env, name.tenant, name.id).expire());
    // Its object knows of no such run: an earlier deletion did not come to its row.
    if (!reply.ok && reply.fault.code === "not_found") await deleteRun(env.DB, name);
    else if (!reply.ok) await expireAgain(env.DB, name, now + expireAgainMs);
    else if (reply.value)
      await setRunStatus(env.DB, name, reply.value.status, reply.value.ended_at, reply.value.expires_at);
  } catch (error) {
    console.error("sweep failed", { run: name.id, error: String(error) });
    // When this fails too the next pass meets it again.
    await expireAgain(env.DB, name, now + expireAgainMs).catch(() => undefined);
  }
}
