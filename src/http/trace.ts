/** A run as a trace that other tools open. It is streamed: a page of the log at a time becomes a piece of the document. */

import type * as z from "zod";
import type { Format } from "../context/types.ts";
import { traceQuery } from "../contract/trace-requests.ts";
import { unreachable } from "../errors/assert.ts";
import { ownerIdOf, type RunId } from "../ids.ts";
import { letOthers } from "../let-others.ts";
import { traceEventsMax, traceTasksPerPiece } from "../limits.ts";
import { OtlpTrace } from "../trace/otlp.ts";
import { PerfettoTrace } from "../trace/perfetto.ts";
import { TasksCsv } from "../trace/tasks-csv.ts";
import { version } from "../version.ts";
import { streamOf } from "./live-events.ts";
import { ask } from "./objects.ts";
import { LogReading } from "./read-log.ts";
import { keyRoute } from "./route.ts";

export const traceRoute = keyRoute(
  ["runs"],
  {
    method: "GET",
    path: "/v1/runs/:run/trace",
    summary: "The run as a trace: Chrome's JSON for Perfetto, spans for OpenTelemetry, or a CSV of its tasks",
    query: traceQuery,
    answer: { status: 200, contentType: "application/json", alsoType: "text/csv" },
    problems: ["log_too_long"],
  },
  async ({ theRun, params, query: { format } }) => {
    const object = theRun();
    const reading = await LogReading.begin(object, traceEventsMax);
    const { name, format: vendor } = await ask(object.run());
    const run = params.run as RunId;
    const pieces = tracePieces(format, reading, { run, name, vendor });
    const contentType = format === "csv" ? "text/csv; charset=utf-8" : "application/json";
    const file = `${run}.${{ perfetto: "trace.json", otlp: "otlp.json", csv: "csv" }[format]}`;
    return new Response(streamOf(pieces), {
      headers: { "content-type": contentType, "content-disposition": `attachment; filename="${file}"` },
    });
  },
);

type Pieces = AsyncGenerator<string, void, void>;
type Reading = Pick<LogReading, "pages" | "asOf">;

/** The document in pieces, of which each fits in memory with what it is made of. */
export function tracePieces(
  format: z.output<typeof traceQuery>["format"],
  reading: Reading,
  { run, name, vendor }: { readonly run: RunId; readonly name: string | null; readonly vendor: Format },
): Pieces {
  const taskId = (n: number) => ownerIdOf(run, n);
  switch (format) {
    case "perfetto":
      return perfettoPieces(reading, new PerfettoTrace({ run, name, taskId }));
    case "otlp":
      return otlpPieces(reading, new OtlpTrace({ run, name, format: vendor, version, taskId }));
    case "csv":
      return csvPieces(reading, new TasksCsv(taskId));
    default:
      return unreachable(format);
  }
}

async function* perfettoPieces(reading: Reading, trace: PerfettoTrace): Pieces {
  // The names of the groups of tracks come first, so what follows is never the first part.
  yield trace.head() + trace.take(true);
  for await (const events of reading.pages()) {
    for (const event of events) trace.add(event);
    yield trace.take(false);
  }
  yield* inSteps(trace.finishing(reading.asOf.now), () => trace.take(false));
  yield trace.tail;
}

async function* otlpPieces(reading: Reading, trace: OtlpTrace): Pieces {
  const { head, tail } = trace.frame;
  yield head;
  let isFirst = true;
  const told = () => {
    const spans = trace.take();
    if (spans.length === 0) return "";
    const text = (isFirst ? "\n" : ",\n") + spans.map((span) => JSON.stringify(span)).join(",\n");
    isFirst = false;
    return text;
  };
  for await (const events of reading.pages()) {
    for (const event of events) trace.add(event);
    yield told();
  }
  yield* inSteps(trace.finishing(reading.asOf.now), told);
  yield tail;
}

/** What goes on is told at the end, and may be all tasks of a run: some at a time, or their spans would be in memory together. */
async function* inSteps(steps: Iterable<void>, told: () => string): Pieces {
  let done = 0;
  for (const _ of steps) {
    done++;
    if (done % traceTasksPerPiece !== 0) continue;
    yield told();
    await letOthers();
  }
  yield told();
}

async function* csvPieces(reading: Reading, csv: TasksCsv): Pieces {
  yield csv.head;
  for await (const events of reading.pages()) {
    for (const event of events) csv.add(event);
    yield csv.take();
  }
  yield* inSteps(csv.finishing(reading.asOf.now), () => csv.take());
}
