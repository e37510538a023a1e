/** Traces as they are streamed: what a run's tasks tell at the end comes in pieces that fit in memory. */

import { expect, test } from "vitest";
import { tracePieces } from "../../src/http/trace.ts";
import { ownerIdOf, type RunId } from "../../src/ids.ts";
import { TasksCsv } from "../../src/trace/tasks-csv.ts";
import { Run } from "../scheduler/run.ts";
import { traceOf } from "../trace/lib/trace.ts";

const run = "run_abcdefghjkmnpqrstvwx" as RunId;
const taskCount = 2500;

const crowd = new Run();
for (let i = 0; i < taskCount; i += 500) crowd.post(...Array.from({ length: 500 }, () => ({ title: "t".repeat(100) })));
const events = traceOf(crowd.log);
const now = crowd.now + 1000;
const reading = {
  asOf: { upTo: events.at(-1)!.seq, now },
  async *pages() {
    yield events;
  },
};

test.each(["perfetto", "otlp", "csv"] as const)(
  "%s of two thousand tasks that go on comes in pieces",
  async (format) => {
    const pieces: string[] = [];
    for await (const piece of tracePieces(format, reading, { run, name: "crowd", vendor: "anthropic" }))
      pieces.push(piece);
    const whole = pieces.join("");
    if (format !== "csv") JSON.parse(whole);
    expect(whole.split("t".repeat(100)).length - 1).toBeGreaterThanOrEqual(taskCount);
    const least = format === "csv" ? 5 : 10;
    expect(pieces.filter((piece) => piece !== "").length).toBeGreaterThan(least);
    expect(Math.max(...pieces.map(({ length }) => length))).toBeLessThan(whole.length / (least - 1));

    if (format !== "csv") return;
    const csv = new TasksCsv((n) => ownerIdOf(run, n));
    for (const event of events) csv.add(event);
    csv.finish(now);
    expect(whole).toBe(csv.head + csv.take());
  },
);
