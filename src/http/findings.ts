/**
 * What is found out about a run: what it noticed itself as it went, and what only its whole log shows, folded here at the door.
 *
 * A page's cursor says as of which event the list is, so that pages fit together while the run goes on.
 */

import { pageQuery } from "../contract/paging.ts";
import { findingsPage } from "../contract/responses.ts";
import type { FindingView } from "../contract/shapes.ts";
import { Fault } from "../errors/fault.ts";
import { ownerIdOf, type RunId } from "../ids.ts";
import { traceEventsMax } from "../limits.ts";
import type { RunSchedulerRpc } from "../objects/rpc.ts";
import { FindingsFold } from "../trace/findings/findings.ts";
import { badCursor } from "./cursor.ts";
import { ask } from "./objects.ts";
import { type AsOf, LogReading } from "./read-log.ts";
import { keyRoute } from "./route.ts";

export const findingRoutes = [
  keyRoute(
    ["runs"],
    {
      method: "GET",
      path: "/v1/runs/:run/findings",
      summary: "List the run's findings: deadlocks, races, contention, stragglers, failures that nobody saw and more",
      query: pageQuery,
      answer: { status: 200, schema: findingsPage },
    },
    ({ theRun, params, query }) => listFindings(theRun(), params.run as RunId, query),
  ),
];

interface Query {
  readonly limit: number;
  readonly cursor?: string;
}

interface FindingsAnswer {
  readonly findings: readonly FindingView[];
  readonly next_cursor: string | null;
}

/** Of a log with more than `eventsMax` events only what the run noticed itself. @throws Fault */
export async function listFindings(
  object: RunSchedulerRpc,
  run: RunId,
  { limit, cursor }: Query,
  eventsMax = traceEventsMax,
): Promise<FindingsAnswer> {
  const place = cursor === undefined ? undefined : readCursor(cursor);
  // No reading is as of event 0: it is a cursor of the list below.
  if (place?.asOf.upTo === 0) return loggedFindings(object, limit, place.from);
  let reading: LogReading;
  try {
    reading = await LogReading.begin(object, eventsMax, place?.asOf);
  } catch (error) {
    if (!(error instanceof Fault) || error.data.code !== "log_too_long") throw error;
    return loggedFindings(object, limit);
  }
  const fold = new FindingsFold((n) => ownerIdOf(run, n));
  for await (const events of reading.pages()) for (const event of events) fold.add(event);
  const all = views(run, fold.finish(reading.asOf.now));
  const from = place?.from ?? 0;
  const { upTo, now } = reading.asOf;
  const next = from + limit < all.length ? `${upTo}.${now}.${from + limit}` : null;
  return { findings: all.slice(from, from + limit), next_cursor: next };
}

/** Its own findings are an index of the log, however long that is. */
async function loggedFindings(object: RunSchedulerRpc, limit: number, after?: number): Promise<FindingsAnswer> {
  const { rows, nextCursor } = await ask(
    object.findings({ limit, ...(after !== undefined && { cursor: String(after) }) }),
  );
  return { findings: rows, next_cursor: nextCursor && `0.0.${nextCursor}` };
}

function readCursor(cursor: string): { asOf: AsOf; from: number } {
  const [, upTo, now, from] = /^(\d{1,15})\.(\d{1,15})\.(\d{1,15})$/.exec(cursor) ?? [];
  if (from === undefined) throw badCursor();
  return { asOf: { upTo: Number(upTo), now: Number(now) }, from: Number(from) };
}

function views(run: RunId, found: ReturnType<FindingsFold["finish"]>): FindingView[] {
  const ids = new Map<string, number>();
  return found.map(({ seq, at, kind, severity, subjects, evidence, message, logged }) => {
    // Those that the run logged are named by their event alone, as always.
    const name = logged ? `F${seq}` : `F${seq}-${kind}`;
    const count = (ids.get(name) ?? 0) + 1;
    ids.set(name, count);
    return {
      id: count === 1 ? name : `${name}-${count}`,
      ...{ at, kind, severity, message },
      subjects: subjects.map((n) => ownerIdOf(run, n)),
      evidence: [...evidence],
    };
  });
}
