/** Has the runs deliver what they have used: those that the cron finds, or a tenant's that asks what it has used. */

import { letOthers } from "./let-others.ts";
import {
  meterPassMs,
  meterQuestionMs,
  meterRunsAtOnce,
  meterRunsPerPass,
  meterRunsPerQuestion,
  sweepCallMs,
  sweepEveryMs,
} from "./limits.ts";
import type { Metered, Reply } from "./objects/rpc.ts";
import type { RunName } from "./storage/d1/run-index.ts";
import { countUnmetered, type MeterScope, noteMetered, unmeteredRuns, type WhollyMetered } from "./storage/d1/usage.ts";
import { within } from "./within.ts";

type MeterOne = (run: RunName) => Promise<Reply<Metered>>;

/** What the cron does: runs of all tenants. */
export const meterRuns = (db: D1Database, meter: MeterOne): Promise<{ isComplete: boolean }> =>
  meterPass(db, meter, {}, { runs: meterRunsPerPass, ms: meterPassMs });

/** For who asks what was used: runs of `scope`. Whether all that they had used, of that time, is counted now. */
export const meterForQuestion = (
  db: D1Database,
  meter: MeterOne,
  scope: MeterScope,
): Promise<{ isComplete: boolean }> => meterPass(db, meter, scope, { runs: meterRunsPerQuestion, ms: meterQuestionMs });

/**
 * One pass over the runs; where there are more than a pass comes to, over the next ones with each minute. Whose turn it is says the clock:
 * to write down who was looked at would be a row of D1 for each run that goes on, every minute of its life. Those that are quiet
 * are noted once, and not asked again until they go on. Each pass begins anywhere among its runs: where its time ends before all have
 * answered, it is not the same ones each time that are left out.
 * What is written is a statement for those that were asked together and are done: an invocation may make a thousand.
 */
async function meterPass(
  db: D1Database,
  meter: MeterOne,
  scope: MeterScope,
  bounds: { readonly runs: number; readonly ms: number },
): Promise<{ isComplete: boolean }> {
  const endsAt = Date.now() + bounds.ms;
  const { runs: found, isAll } = await runsOfPass(db, scope, bounds.runs);
  const first = Math.floor(Math.random() * found.length);
  const runs = [...found.slice(first), ...found.slice(0, first)];
  let isComplete = isAll;
  for (let i = 0; i < runs.length; i += meterRunsAtOnce) {
    if (Date.now() >= endsAt) return { isComplete: false };
    const done: WhollyMetered[] = [];
    await letOthers();
    await Promise.all(
      runs.slice(i, i + meterRunsAtOnce).map(async (name) => {
        try {
          const reply = await within(sweepCallMs, meter(name));
          // A row without an object, of a creation that was cut off, has used nothing.
          const isMetered = reply.ok ? reply.value.upto >= reply.value.last : reply.fault.code === "not_found";
          isComplete &&= isMetered;
          if (!reply.ok || !isMetered) return;
          const { upto, isEnded, isQuiet } = reply.value;
          if (isEnded || isQuiet) done.push({ ...name, isEnded, upto });
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

async function runsOfPass(db: D1Database, scope: MeterScope, limit: number) {
  const first = await unmeteredRuns(db, limit + 1, scope);
  if (first.length <= limit) return { runs: first, isAll: true };
  const passes = Math.ceil((await countUnmetered(db, scope)) / limit);
  const skip = (Math.floor(Date.now() / sweepEveryMs) % passes) * limit;
  return { runs: await unmeteredRuns(db, limit, scope, skip), isAll: false };
}
