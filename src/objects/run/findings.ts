/** A page of the run's findings, as of the log's end. */

import type { FindingView, Page } from "../../contract/shapes.ts";
import type { Reply } from "../rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { badCursor, ok, placeOf } from "./replies.ts";

export function findingsPage(
  run: LoadedRun,
  { limit, cursor }: { limit: number; cursor?: string },
): Reply<Page<FindingView>> {
  const after = placeOf(cursor);
  if (after === undefined) return badCursor;
  const rows: FindingView[] = [];
  if (run.state.header.findings === 0) return ok({ rows, nextCursor: null });
  let last = after;
  for (const { seq, at, event, causes } of run.store.log.findings(after)) {
    if (rows.length === limit) return ok({ rows, nextCursor: String(last) });
    const { kind, severity, subjects, message } = event;
    const evidence = [...causes, seq];
    rows.push({ id: `F${seq}`, at, kind, severity, subjects: subjects.map((n) => run.taskId(n)), evidence, message });
    last = seq;
  }
  return ok({ rows, nextCursor: null });
}
