/** What may bring a run back that had ended: it then lives, and its tenant's quota of live runs holds for it as for a new one. */

import type { RunSchedulerRpc } from "../objects/rpc.ts";
import { reserveLive, setRunStatus } from "../storage/d1/run-index.ts";
import type { HttpEnv } from "./env.ts";
import { ask, runObject } from "./objects.ts";

interface Asked {
  readonly env: HttpEnv;
  readonly tenant: string;
  readonly run: string;
  /** Of live runs; undefined: none. */
  readonly quota: number | undefined;
}

/** @throws Fault quota_exceeded, and whatever `work` throws */
export async function withinQuotaOfRuns<T>(
  { env, tenant, run, quota }: Asked,
  work: (object: RunSchedulerRpc) => Promise<T>,
): Promise<T> {
  const object = runObject(env, tenant, run);
  const name = { tenant, id: run };
  if (quota === undefined || !(await reserveLive(env.DB, name, quota))) return work(object);
  try {
    return await work(object);
  } finally {
    // Nothing was reopened by what was refused, or was a repeat. Where the run says nothing, the sweep asks it.
    const view = await ask(object.run()).catch(() => undefined);
    if (view && view.ended_at !== null) await setRunStatus(env.DB, name, view.status, view.ended_at, view.expires_at);
  }
}
