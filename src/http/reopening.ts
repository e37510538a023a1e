/** What may bring a run back that had ended: it then lives, and its tenant's quota of live runs holds for it as for a new one. */

import { Fault, type FaultData } from "../errors/fault.ts";
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

/**
 * `full`: there is no room, and this is the refusal should the run have to be reopened. The run itself gives it, which alone knows whether
 * the call is a repeat: that has its first answer, also behind a quota that is used up since. @throws whatever `work` throws
 */
export async function withinQuotaOfRuns<T>(
  { env, tenant, run, quota }: Asked,
  work: (object: RunSchedulerRpc, full: FaultData | undefined) => Promise<T>,
): Promise<T> {
  const object = runObject(env, tenant, run);
  const name = { tenant, id: run };
  const place = quota === undefined ? "needless" : await reserveLive(env.DB, name, quota);
  if (place !== "reserved") return work(object, place instanceof Fault ? place.data : undefined);
  try {
    return await work(object, undefined);
  } finally {
    // Nothing was reopened by what was refused, or was a repeat. Where the run says nothing, the sweep asks it.
    const view = await ask(object.run()).catch(() => undefined);
    if (view && view.ended_at !== null) await setRunStatus(env.DB, name, view.status, view.ended_at, view.expires_at);
  }
}
