/** What the cron does for tenants: what is too old of the audit log goes. */

import { auditDropMax, auditMs } from "../limits.ts";
import { dropOldAudit } from "../storage/d1/audit.ts";
import type { Env } from "./env.ts";

export async function sweepTenants(env: Pick<Env, "DB">): Promise<void> {
  await dropOldAudit(env.DB, Date.now() - auditMs, auditDropMax);
}
