/** Has the runs deliver what they have used: those that the cron finds, or a tenant's that asks what it has used. */

import { meterRunsAtOnce, meterRunsPerPass, sweepCallMs } from "./limits.ts";
import type { Metered, Reply } from "./objects/rpc.ts";
import type { RunName } from "./storage/d1/run-index.ts";
import { type LookedAt, noteMetered, unmeteredRuns } from "./storage/d1/usage.ts";
import { within } from "./within.ts";

/**
 * One pass over the runs that were looked at longest ago; a run that does not answer comes again in its turn. Where a pass comes to all of
 * them there are no turns, and nothing is written of a run that goes on: else an idle one would cost rows of D1 every minute of its life.
 * What is written is a statement for those that were asked together: an invocation may make a thousand.
 */
export async function meterRuns(
  db: D1Database,
  meter: (run: RunName) => Promise<Reply<Metered>>,
  tenant?: string,
): Promise<{ isComplete: boolean }> {
  const runs = await unmeteredRuns(db, meterRunsPerPass + 1, tenant);
  const isAllRuns = runs.length <= meterRunsPerPass;
  let isComplete = isAllRuns;
  const now = Date.now();
  for (let i = 0; i < Math.min(runs.length, meterRunsPerPass); i += meterRunsAtOnce) {
    const lookedAt = await Promise.all(
      runs.slice(i, i + meterRunsAtOnce).map(async (name): Promise<LookedAt> => {
        try {
          const reply = await within(sweepCallMs, meter(name));
          // A row without an object, of a creation that was cut off, has used nothing.
          const isAll = reply.ok ? reply.value.upto >= reply.value.last : reply.fault.code === "not_found";
          isComplete &&= isAll;
          return { ...name, isDone: reply.ok && isAll && reply.value.isEnded };
        } catch (error) {
          isComplete = false;
          console.error("metering failed", { run: name.id, error: String(error) });
          return { ...name, isDone: false };
        }
      }),
    );
    const noted = isAllRuns ? lookedAt.filter(({ isDone }) => isDone) : lookedAt;
    if (noted.length > 0) await noteMetered(db, noted, now);
  }
  return { isComplete };
}
