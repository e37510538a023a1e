/**
 * Deleting a tenant with everything it has: keys and credentials at once, then its runs with all of their objects, its gate, and
 * what D1 has of it.
 *
 * X1. It begins with one batch in D1, after which none of its keys works and nothing new comes to be: no run, key or credential.
 * X2. Everything else can be repeated, and is until it is done: by whoever asked for it, and by the cron sweep.
 * X3. A run's row goes after its object, so what is not deleted yet is known; a young row may be of an object that is about to be.
 */

import { orphanRowMs, sweepRunsAtOnce, tenantRunsPerStep, tenantStepMs } from "./limits.ts";
import type { RunSchedulerRpc, TenantGateRpc } from "./objects/rpc.ts";
import { deleteRun, listRuns } from "./storage/d1/run-index.ts";
import { endTenantDeletion } from "./storage/d1/tenants.ts";

export interface DeletionPorts {
  readonly db: D1Database;
  readonly run: (tenant: string, run: string) => Pick<RunSchedulerRpc, "deleteRun">;
  readonly gate: (tenant: string) => Pick<TenantGateRpc, "deleteAll">;
}

/** Carries a deletion that was begun on, for a bounded time; true: it is done. */
export async function deleteTenantStep({ db, run, gate }: DeletionPorts, tenant: string): Promise<boolean> {
  const began = Date.now();
  const rows = await listRuns(db, tenant, tenantRunsPerStep);
  const deleteOne = async ({ id, created_at }: (typeof rows)[number]): Promise<void> => {
    try {
      const reply = await run(tenant, id).deleteRun();
      if (!reply.ok && reply.fault.code === "not_found" && created_at < began - orphanRowMs) {
        await deleteRun(db, { tenant, id });
      }
    } catch (error) {
      console.error("tenant's run was not deleted", { run: id, error: String(error) });
    }
  };
  for (let i = 0; i < rows.length && Date.now() - began < tenantStepMs; i += sweepRunsAtOnce) {
    await Promise.all(rows.slice(i, i + sweepRunsAtOnce).map(deleteOne));
  }
  if ((await listRuns(db, tenant, 1)).length > 0) return false;
  await gate(tenant).deleteAll();
  await endTenantDeletion(db, tenant, Date.now());
  return true;
}
