/** Has the runs deliver what they have used: those that the cron finds, or a tenant's that asks what it has used. */

import { letOthers } from "./let-others.ts";
import { meterRunsAtOnce, meterRunsPerPass, sweepCallMs, sweepEveryMs } from "./limits.ts";
import type { Metered, Reply } from "./objects/rpc.ts";
import type { RunName } from "./storage/d1/run-index.ts";
import { countUnmetered, noteMetered, type UnmeteredRun, unmeteredRuns } from "./storage/d1/usage.ts";
import { within } from "./within.ts";

/**
 * One pass over the runs; where there are more than a pass comes to, over the next ones with each minute. Whose turn it is says the clock:
 * to write down who was looked at would be three rows of D1 for each run that goes on, every minute of its life.
 * What is written is a statement for those that were asked together and are done: an invocation may make a thousand.
 */
export async function meterRuns(
  db: D1Database,
  meter: (run: RunName) => Promise<Reply<Metered>>,
  tenant?: string,
): Promise<{ isComplete: boolean }> {
  const { runs, isAll } = await runsOfPass(db, tenant);
  let isComplete = isAll;
  for (let i = 0; i < runs.length; i += meterRunsAtOnce) {
    const done: UnmeteredRun[] = [];
    await letOthers();
    await Promise.all(
      runs.slice(i, i + meterRunsAtOnce).map(async (name) => {
        try {
          const reply = await within(sweepCallMs, meter(name));
          // A row without an object, of a creation that was cut off, has used nothing.
          const isMetered = reply.ok ? reply.value.upto >= reply.value.last : reply.fault.code === "not_found";
          isComplete &&= isMetered;
          if (reply.ok && isMetered && reply.value.isEnded) done.push(name);
        } catch (error) {
          isComplete = false;
          console.error("metering failed", { run: name.id, error: String(error) });
        }
      }),
    );
    if (done.length > 0) await noteMetered(db, done);
  }
  return { isComplete };
}

async function runsOfPass(db: D1Database, tenant: string | undefined) {
  const first = await unmeteredRuns(db, meterRunsPerPass + 1, tenant);
  if (first.length <= meterRunsPerPass) return { runs: first, isAll: true };
  const passes = Math.ceil((await countUnmetered(db, tenant)) / meterRunsPerPass);
  const skip = (Math.floor(Date.now() / sweepEveryMs) % passes) * meterRunsPerPass;
  return { runs: await unmeteredRuns(db, meterRunsPerPass, tenant, skip), isAll: false };
}
