/**
 * Delivers what a run has used to D1, exactly once: D1 knows up to where (storage/d1/usage.ts), and so this object needs to remember
 * nothing, and whoever asks twice, or after a crash, changes nothing.
 */

import { meterPageEvents, meterPageRows, meterRowsMax } from "../../limits.ts";
import { Meter } from "../../metering/meter.ts";
import { addUsage, meteredTo } from "../../storage/d1/usage.ts";
import type { Env } from "../env.ts";
import { createdEventOf } from "./bodies.ts";
import { importedEventsName, type LoadedRun } from "./loaded-run.ts";

/** Meters up to `pages` stretches of the log. @throws when D1 does not answer */
export async function meterRun(run: LoadedRun, env: Pick<Env, "DB">, pages: number): Promise<number> {
  const name = { tenant: run.tenant, id: run.id, key: run.store.identity().key ?? "" };
  let at = await meteredTo(env.DB, name);
  // Deleted meanwhile: its tables may be gone, and what D1 says may be of the next run of this id.
  if (run.isGone) return at.upto;
  const imported = Number(run.store.meta(importedEventsName) ?? 0);
  if (at.upto < imported) {
    // Used on another deployment, or by another run of this one: it is not billed again.
    at = await addUsage(env.DB, name, { from: at, to: { upto: imported, at: 0, open: {} }, rows: [] });
  }
  for (let page = 0; page < pages && !run.isGone && at.upto < run.state.header.seq; page++) {
    const { meter, ...end } = stretch(run, at.upto, new Meter(at.open, (n) => factsOf(run, n)));
    at = await addUsage(env.DB, name, { from: at, to: { ...end, open: meter.open }, rows: meter.rows });
  }
  return at.upto;
}

/** As much as one transaction of D1 takes. A row is a whole command, which may have made tasks of a thousand labels: it may end in the middle of one. */
function stretch(run: LoadedRun, from: number, meter: Meter): { upto: number; at: number; meter: Meter } {
  let upto = from;
  let at = 0;
  let events = 0;
  for (const row of run.store.log.rowsFrom(from + 1, meterPageRows)) {
    for (const [i, event] of row.events.entries()) {
      // The row that the last stretch ended with.
      if (row.seq + i <= from) continue;
      meter.add(event, row.at);
      upto = row.seq + i;
      at = row.at;
      events++;
      if (events >= meterPageEvents || meter.size >= meterRowsMax) return { upto, at, meter };
    }
  }
  return { upto, at, meter };
}

function factsOf(run: LoadedRun, n: number) {
  const task = run.state.peek(n);
  // Labels are texts: of a redacted run none is told.
  const labels = task && !run.redact ? createdEventOf(run, task).labels : undefined;
  return { pool: task?.pool ?? "", labels };
}
