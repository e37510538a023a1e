/**
 * A tenant's rules on their way from D1 to its runs: a new run has them from its first event on, live ones are visited.
 *
 * T1. They hold for a new run as they are when it is asked for; whoever changes them afterwards finds its row behind.
 * T2. Live runs are held to them by whoever changes them, as far as a bounded time goes, and for the rest by the cron sweep. A run
 *     never goes back to earlier rules, whichever of the two comes late.
 */

import { Fault } from "./errors/fault.ts";
import { sweepCallMs, sweepRunsAtOnce, tenantRulesRunsPerStep, tenantRulesStepMs } from "./limits.ts";
import type { RunSchedulerRpc, TenantRules } from "./objects/rpc.ts";
import { compileRules } from "./rules/parse.ts";
import { findTenantRules, markHeld, runsBehindOf, type TenantRulesRow } from "./storage/d1/tenant-rules.ts";
import { within } from "./within.ts";

export interface RulesPorts {
  readonly db: D1Database;
  readonly run: (tenant: string, run: string) => Holdable;
}

type Holdable = Pick<RunSchedulerRpc, "holdToTenant">;

/** @throws Fault not_ready for a text that a later version of Heddle took */
export function compiledRow({ version, rules }: TenantRulesRow): TenantRules {
  const compiled = compileRules(rules ?? "");
  if (compiled.ok) return { version, rules: compiled.rules };
  const { line, message } = compiled.errors[0]!;
  throw new Fault("not_ready", `the tenant's rules, line ${line}: ${message}; set them anew`);
}

/** @throws Fault not_ready */
export const tenantRulesOf = async (db: D1Database, tenant: string): Promise<TenantRules> =>
  compiledRow(await findTenantRules(db, tenant));

/** Holds a live run to them, and answers whether it is; one that is not there yet, or has ended, stays behind. */
export async function holdRun(run: Holdable, rules: TenantRules): Promise<boolean> {
  const reply = await run.holdToTenant(rules);
  if (!reply.ok && reply.fault.code !== "not_found") throw new Error(reply.fault.detail ?? reply.fault.code);
  return reply.ok && reply.value;
}

/** Visits live runs of the tenant that are behind, for a bounded time. What it does not come to, or can't visit, is left to the sweep. */
export async function holdRuns(ports: RulesPorts, tenant: string, rules: TenantRules): Promise<void> {
  const endsAt = Date.now() + tenantRulesStepMs;
  const names = await runsBehindOf(ports.db, tenant, rules.version, tenantRulesRunsPerStep);
  let next = 0;
  const lane = async () => {
    while (next < names.length && Date.now() < endsAt) {
      const name = names[next++]!;
      const hold = async () => {
        if (await holdRun(ports.run(name.tenant, name.id), rules))
          await markHeld(ports.db, [{ ...name, version: rules.version }]);
      };
      await within(sweepCallMs, hold()).catch((error: unknown) =>
        console.error("run was not held to its tenant's rules", { run: name.id, error: String(error) }),
      );
    }
  };
  await Promise.all(Array.from({ length: sweepRunsAtOnce }, lane));
}
