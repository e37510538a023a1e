/** `GET …/critical-path`: its query, and the zod twin of what it answers. */

import * as z from "zod";
import { pageRowsDefault, pageRowsMax } from "../limits.ts";
import { kinds } from "../trace/kinds.ts";
import { queryInt } from "./paging.ts";
import type { CriticalPathView } from "./time-shapes.ts";
import { at, type Twins } from "./view-parts.ts";

const ms = z.int().describe("Milliseconds.");

const kind = z.enum([...kinds, "outside"]).describe("What a task was doing; outside: nobody of the run did anything.");
const byKind = z
  .partialRecord(kind, z.int())
  .describe("Milliseconds by what was done; kinds without any are left out.");
const task = z.string().describe("The task's id.");
const key = z.string().nullable();

export const criticalPathQuery = z.strictObject({
  limit: queryInt(0, pageRowsMax).default(pageRowsDefault).describe("Tasks in `tasks`."),
});

export const traceQuery = z.strictObject({
  format: z
    .enum(["perfetto", "otlp", "csv"])
    .default("perfetto")
    .describe(
      "perfetto: Chrome's trace event JSON; otlp: an ExportTraceServiceRequest in JSON; csv: a row for each task.",
    ),
});

export const criticalPathView = z
  .strictObject({
    run: z.string(),
    as_of: z.int().describe("`seq` of the last event that is in it."),
    started_at: at.describe("Of the run's first event."),
    ended_at: at.nullable().describe("Of the last task's end; null while none has ended."),
    makespan_ms: ms.describe("Between the two."),
    path: z
      .array(
        z.strictObject({
          task: task.nullable().describe("null: nobody of the run did anything."),
          key,
          kind,
          on: z.string().exactOptional().describe("The variable or tool that was waited for, or the worker."),
          from: at,
          to: at,
          ms,
        }),
      )
      .describe("What the end waited for, from the run's first event to the last task's end, without gaps."),
    path_left_out_ms: ms.describe("Of the path's shortest segments, where it has too many to show."),
    by_kind: byKind.describe("The path's milliseconds by what was done."),
    ideal: z
      .strictObject({
        makespan_ms: ms,
        path: z.array(z.strictObject({ task: task.nullable(), key, ms })),
      })
      .describe("With a worker for every task: no number of workers makes it shorter."),
    parallelism: z.strictObject({
      average: z.number().describe("Tasks with a worker, over the whole time."),
      peak: z.int(),
      speedup_max: z.number().describe("What any number of workers could gain: measured ÷ ideal makespan."),
      curve: z
        .array(z.strictObject({ at, working: z.number(), ready: z.number() }))
        .describe("Tasks with a worker, and ready ones without, as means over equal spans."),
    }),
    variables: z
      .array(
        z.strictObject({
          name: z.string(),
          waited_ms: ms.describe("By all tasks together."),
          makespan_without_ms: ms.describe("The ideal makespan if nobody had waited for it."),
        }),
      )
      .describe("Those that were waited for longest."),
    time: byKind.describe("Of all tasks together."),
    tasks: z
      .array(
        z.strictObject({
          task,
          key,
          slack_ms: ms
            .nullable()
            .describe("How much longer it could have taken in the ideal run; null while it has not ended."),
          by_kind: byKind,
          waited_for: z.record(z.string(), z.int()).describe("Milliseconds by variable or tool."),
        }),
      )
      .describe("Those with the least slack first."),
    tasks_left_out: z.int(),
  })
  .meta({ id: "CriticalPath" });

// Compiles only while the schema and the shape accept each other.
true satisfies Twins<z.infer<typeof criticalPathView>, CriticalPathView>;
