/** What the cron does for tenants: deletions are carried on, and what is too old of the audit log goes. */

import { auditDropMax, auditMs, tenantsPerSweep } from "../limits.ts";
import { dropOldAudit } from "../storage/d1/audit.ts";
import { tenantsToDelete } from "../storage/d1/tenants.ts";
import { deleteTenantStep } from "../tenant-deletion.ts";
import { type Env, gateStub, runStub } from "./env.ts";

export async function sweepTenants(env: Pick<Env, "DB" | "RUNS" | "GATES">): Promise<void> {
  const ports = {
    db: env.DB,
    run: (tenant: string, run: string) => runStub(env, tenant, run),
    gate: (tenant: string) => gateStub(env, tenant),
  };
  for (const tenant of await tenantsToDelete(env.DB, tenantsPerSweep)) {
    try {
      await deleteTenantStep(ports, tenant);
    } catch (error) {
      console.error("tenant was not deleted", { tenant, error: String(error) });
    }
  }
  await dropOldAudit(env.DB, Date.now() - auditMs, auditDropMax);
}
