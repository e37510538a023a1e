/** Pages of the log for folds. The object copies texts and parses nothing, unless the run is redacted: folds are the door's work, and this is the one thread of a run. */

import { logPageChars, logPageRows } from "../../limits.ts";
import { redacted } from "../../scheduler/redaction.ts";
import { packEvent, unpackEvents } from "../../storage/run/event-codec.ts";
import type { LogPage } from "../rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";

export function logPage(run: LoadedRun, after: number, now: number): LogPage {
  const rows: LogPage["rows"][number][] = [];
  let chars = 0;
  for (const row of run.store.log.textsAfter(after, logPageRows)) {
    const shown = run.redact ? { ...row, events: redactedRow(row.events) } : row;
    rows.push(shown);
    chars += shown.events.length;
    if (chars >= logPageChars) break;
  }
  return { rows, last: run.state.header.seq, now };
}

const redactedRow = (text: string): string =>
  `[${unpackEvents(text)
    .map(({ causes = [], ...event }) => packEvent(redacted(event), causes))
    .join(",")}]`;
