/** A push in parts: batches, the place from which the next one goes on, and collectors that take nothing. */

import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { pushTrace } from "../../src/collector/push.ts";
import { ownerIdOf, type RunId } from "../../src/ids.ts";
import { traceBatchSpans } from "../../src/limits.ts";
import type { RunSchedulerRpc } from "../../src/objects/rpc.ts";
import type { SeatRpc, TraceReport, TraceWork } from "../../src/objects/seat-rpc.ts";
import { finishRun } from "../../src/scheduler/run-commands.ts";
import { packEvent } from "../../src/storage/run/event-codec.ts";
import { OtlpTrace } from "../../src/trace/otlp.ts";
import type { TraceEvent } from "../../src/trace/trace-event.ts";
import { version } from "../../src/version.ts";
import { answers, Collector } from "../e2e/lib/collector.ts";
import { Run } from "../scheduler/run.ts";
import { traceOf } from "../trace/lib/trace.ts";

const id = "run_abcdefghjkmnpqrstvwx" as RunId;
const names = { run: id, name: "long", format: "anthropic", version, taskId: (n: number) => ownerIdOf(id, n) } as const;

/** So many tasks, one after another, each with four spans of its own. */
function logOf(tasks: number): TraceEvent[] {
  const run = new Run();
  for (const task of run.post(...Array.from({ length: tasks }, () => ({})))) {
    run.now += 5;
    run.start(task!);
    run.now += 5;
    run.complete(task!);
  }
  run.step((step) => finishRun(step, false));
  return traceOf(run.log);
}

const events = logOf(500);
const whole = (): string[] => {
  const trace = new OtlpTrace(names);
  for (const event of events) trace.add(event);
  trace.finish(0);
  return trace.take().map(({ spanId }) => spanId);
};

let collector: Collector;
beforeAll(async () => {
  collector = await Collector.start();
});
afterAll(() => collector.stop());

/** What a run's object is to a push: its log, a cursor, and an answer to reports. */
async function pushed(
  from: Partial<TraceWork> = {},
  { url = collector.url, goOn = (_: TraceReport): boolean => true } = {},
) {
  collector.requests.length = 0;
  const reports: TraceReport[] = [];
  const rows = events.map(({ seq, at, causes, ...event }) => ({
    seq,
    at,
    events: `[${packEvent(event, causes ?? [])}]`,
  }));
  const object = {
    openTrace: async () => ({ name: "long", format: "anthropic", seq: 0, endSeq: 0, lastTry: false, ...from }),
    logPage: async (after: number) => ({
      ok: true,
      value: { rows: rows.filter(({ seq }) => seq > after).slice(0, 300), last: rows.length, now: 0 },
    }),
    reportTrace: async (_: string, report: TraceReport) => {
      reports.push(report);
      return goOn(report);
    },
  } as unknown as RunSchedulerRpc & SeatRpc;
  const ticket = { tenant: "ten_a", run: id, nonce: "trace-1", shard: 0, trace: true } as const;
  await pushTrace(ticket, () => object, { url, headers: { "x-key": "s3cret-key" } });
  return { reports, batches: collector.requests.map(({ spans }) => spans.map(({ spanId }) => spanId)) };
}

it("[C1] comes in batches, each span once, and goes on from wherever the last one was reported", async () => {
  const { reports, batches } = await pushed();
  expect(batches.flat()).toEqual(whole());
  // A batch ends with an event, which tells three spans at most.
  for (const batch of batches.slice(0, -1)) {
    expect(batch.length).toBeGreaterThanOrEqual(traceBatchSpans);
    expect(batch.length).toBeLessThan(traceBatchSpans + 3);
  }
  const ends = reports.map((report) =>
    report.kind === "upTo" ? [report.seq, report.endSeq, report.over ?? false] : [],
  );
  expect(ends.at(-1)).toEqual([events.length, events.length, true]);
  for (const [i, report] of reports.entries()) {
    if (report.kind !== "upTo") throw new Error(report.why);
    const { seq, endSeq } = report;
    if (i + 1 < reports.length) expect(reports[i + 1]!.from).toEqual({ seq, endSeq });
    expect((await pushed({ seq, endSeq })).batches.flat()).toEqual(batches.slice(i + 1).flat());
  }
});

it("[C2] stops when it is told to", async () => {
  const { reports, batches } = await pushed({}, { goOn: () => false });
  expect([reports.length, batches.length]).toEqual([1, 1]);
});

it("a collector that is away is a matter of later, and the place stays as it was", async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, "127.0.0.1", resolve));
  const { port } = closed.address() as AddressInfo;
  await new Promise((resolve) => closed.close(resolve));
  const { reports } = await pushed({ seq: 7 }, { url: `http://127.0.0.1:${port}/v1/traces` });
  expect(reports).toEqual([
    { kind: "later", from: { seq: 7, endSeq: 0 }, why: expect.stringMatching(/^it could not be reached/) },
  ]);
});

it("[T4] what is not taken at the last try is dropped and counted, without a request for each part", async () => {
  collector.script(id, answers(503));
  const { reports, batches } = await pushed({ lastTry: true });
  collector.script(id, answers(200));
  expect(batches).toHaveLength(1);
  const dropped = reports.map((report) => (report.kind === "upTo" ? report.dropped : Number.NaN));
  expect(dropped.reduce((a, b) => a + b)).toBe(whole().length);
  expect(reports.at(-1)).toMatchObject({ kind: "upTo", seq: events.length, sent: 0, over: true });
});

it("one that begins to take at the last try gets all of it", async () => {
  const { reports, batches } = await pushed({ lastTry: true });
  expect(batches.flat()).toEqual(whole());
  expect(reports.every((report) => report.kind === "upTo" && report.dropped === 0)).toBe(true);
});
