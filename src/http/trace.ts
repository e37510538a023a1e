/** A run as a trace that other tools open. It is streamed: a page of the log at a time becomes a piece of the document. */

import { traceQuery } from "../contract/trace-requests.ts";
import { ownerIdOf, type RunId } from "../ids.ts";
import { traceEventsMax } from "../limits.ts";
import { OtlpTrace } from "../trace/otlp.ts";
import { PerfettoTrace } from "../trace/perfetto.ts";
import { TasksCsv } from "../trace/tasks-csv.ts";
import { version } from "../version.ts";
import { streamOf } from "./live-events.ts";
import { ask, runObject } from "./objects.ts";
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
  async ({ env, tenant, params, query: { format } }) => {
    const object = runObject(env, tenant, params.run);
    const reading = await LogReading.begin(object, traceEventsMax);
    const { name, format: vendor } = await ask(object.run());
    const run = params.run as RunId;
    const taskId = (n: number) => ownerIdOf(run, n);
    const pieces = {
      perfetto: () => perfettoPieces(reading, new PerfettoTrace({ run, name, taskId })),
      otlp: () => otlpPieces(reading, new OtlpTrace({ run, name, format: vendor, version, taskId })),
      csv: () => csvPieces(reading, new TasksCsv(taskId)),
    }[format]();
    const contentType = format === "csv" ? "text/csv; charset=utf-8" : "application/json";
    const file = `${run}.${{ perfetto: "trace.json", otlp: "otlp.json", csv: "csv" }[format]}`;
    return new Response(streamOf(pieces), {
      headers: { "content-type": contentType, "content-disposition": `attachment; filename="${file}"` },
    });
  },
);

type Pieces = AsyncGenerator<string, void, void>;

async function* perfettoPieces(reading: LogReading, trace: PerfettoTrace): Pieces {
  // The names of the groups of tracks come first, so what follows is never the first part.
  yield trace.head() + trace.take(true);
  for await (const events of reading.pages()) {
    for (const event of events) trace.add(event);
    yield trace.take(false);
  }
  trace.finish(reading.asOf.now);
  yield trace.take(false) + trace.tail;
}

async function* otlpPieces(reading: LogReading, trace: OtlpTrace): Pieces {
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
  trace.finish(reading.asOf.now);
  yield told() + tail;
}

async function* csvPieces(reading: LogReading, csv: TasksCsv): Pieces {
  yield csv.head;
  for await (const events of reading.pages()) {
    for (const event of events) csv.add(event);
    yield csv.take();
  }
  csv.finish(reading.asOf.now);
  yield csv.take();
}
