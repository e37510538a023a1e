/** Pages of the log for folds. The object copies texts and parses nothing: folds are the door's work, and this is the one thread of a run. */

import { logPageChars, logPageRows } from "../../limits.ts";
import type { LogPage } from "../rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";

export function logPage(run: LoadedRun, after: number, now: number): LogPage {
  const rows: LogPage["rows"][number][] = [];
  let chars = 0;
  for (const row of run.store.log.textsAfter(after, logPageRows)) {
    rows.push(row);
    chars += row.events.length;
    if (chars >= logPageChars) break;
  }
  return { rows, last: run.state.header.seq, now };
}
