/** A log as spans, and as the documents that other tools open. */

import { describe, expect, test } from "vitest";
import type { RunId } from "../../src/ids.ts";
import { taskIdOf } from "../../src/ids.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import { finishRun } from "../../src/scheduler/run-commands.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { type OtlpSpan, OtlpTrace, traceIdOf } from "../../src/trace/otlp.ts";
import { PerfettoTrace } from "../../src/trace/perfetto.ts";
import { type ActivitySpan, type Span, Spans } from "../../src/trace/spans.ts";
import { TasksCsv } from "../../src/trace/tasks-csv.ts";
import type { TraceEvent } from "../../src/trace/trace-event.ts";
import { Run } from "../scheduler/run.ts";
import { Log } from "./lib/log.ts";
import { throughProtobuf } from "./lib/otlp-proto.ts";
import { fold, traceOf } from "./lib/trace.ts";
import { faultsOf } from "./lib/trace-event-format.ts";
import { worlds } from "./lib/worlds.ts";

const run = "run_abcdefghjkmnpqrstvwx" as RunId;
const taskId = (n: number) => taskIdOf(run, n);
const names = { run, name: "weave", format: "anthropic", version: "1.2.3", taskId } as const;

function spansOf(events: readonly TraceEvent[]): Span[] {
  const told: Span[] = [];
  const last = events.at(-1)!.at;
  fold(new Spans({ span: (span) => told.push(span) }), events).finish(last);
  return told;
}

/** A waits for nothing, b for a; b's first attempt is lost. */
function chain(): Run {
  const chained = new Run();
  const [a, b] = chained.post({ key: "a", title: '=1+1, "x"' }, { key: "b", after: ["a"] }) as [Task, Task];
  chained.now += 10;
  chained.start(a);
  chained.now += 100;
  chained.complete(a);
  chained.start(b);
  chained.now += 50;
  chained.complete(b);
  return chained;
}

describe("spans", () => {
  test("of a chain, by hand", () => {
    const spans = spansOf(traceOf(chain().log));
    const shown = spans.map((span) => [
      span.what === "activity" ? span.kind : span.what,
      span.facts.key,
      span.to - span.from,
    ]);
    expect(shown).toEqual([
      ["ready", "a", 10],
      ["working", "a", 100],
      ["attempt", "a", 100],
      ["task", "a", 110],
      ["dependencies", "b", 110],
      ["working", "b", 50],
      ["attempt", "b", 50],
      ["task", "b", 160],
    ]);
    const wait = spans.find((span): span is ActivitySpan => span.what === "activity" && span.kind === "dependencies");
    expect(wait?.links).toMatchObject([{ task: 1, generation: 1, kind: "dependency" }]);
  });

  /** One has a lock, and gives it back; the other one gets it then, or at once `later`, and then waits for a task. */
  const locked = (holder: number, later = 0) => {
    const log = new Log().create(1).create(2).create(3).start(1).start(2).start(3);
    const lock = { name: "l", mode: "exclusive" } as const;
    const want = { kind: "lock", names: ["l"], mode: "exclusive" } as const;
    log.add({ type: "lock_granted", task: holder, token: 1, ...lock });
    const waits = { type: "call_waiting", task: 2, call: "c", targets: [], mode: "all" } as const;
    if (later === 0) log.add({ ...waits, want });
    if (later === 0) log.add({ type: "task_parked", task: 2, fence: log.fence(2), on: "calls" });
    log.wait(10).add({ type: "lock_released", task: holder, name: "l", token: 1, why: "released" });
    const done = later === 0 && log.add({ type: "call_done", task: 2, call: "c", tool: "lock", why: "settled" });
    log.wait(later).add({ type: "lock_granted", task: 2, token: 2, ...lock }, done ? [done] : []);
    if (done) log.add({ type: "task_ready", task: 2, why: "wake" }, [done]);
    if (done) log.start(2);
    log.wait(10).add({ ...waits, call: "w", targets: [3], mode: "settled" });
    log.add({ type: "task_parked", task: 2, fence: log.fence(2), on: "calls" });
    log.wait(10).end(3).add({ type: "call_done", task: 2, call: "w", tool: "await_tasks", why: "settled" });
    log.add({ type: "task_ready", task: 2, why: "wake" });
    return log.start(2).end(2).end(1).events;
  };
  const linksOf = (events: readonly TraceEvent[]) =>
    spansOf(events).flatMap((span) =>
      span.what === "activity" ? span.links.map(({ task, kind }) => [span.facts.task, span.kind, task, kind]) : [],
    );

  test("a wait is linked once to what ended it, and never to what had been there before it", () => {
    const joined = [2, "tasks", 3, "join"];
    expect(linksOf(locked(1))).toEqual([[2, "variables", 1, "variable"], joined]);
    expect(linksOf(locked(1, 50))).toEqual([joined]);
    // A session's release: it has no span.
    expect(linksOf(locked(-1))).toEqual([joined]);
    expect(faultsOf(perfettoOf(locked(-1)))).toEqual([]);
    for (const { links = [] } of otlpOf(locked(-1)).spans)
      for (const { spanId } of links) expect(spanId).toMatch(/^[0-9a-f]{16}$/);
  });

  test("who waits at a barrier is linked to who came last", () => {
    const log = new Log().create(1).create(2).start(1).start(2);
    const want = { kind: "barrier", names: ["b"], parties: 2, members: [] } as const;
    const came = log.add({ type: "call_waiting", task: 1, call: "c", targets: [], mode: "all", want });
    log.add({ type: "task_parked", task: 1, fence: log.fence(1), on: "calls" });
    log.wait(10);
    const tripped = { type: "barrier_tripped", name: "b", generation: 0, tasks: [1, 2], waited_ms: 10 } as const;
    const seq = log.add(tripped, [came]);
    log.add({ type: "call_done", task: 1, call: "c", tool: "barrier", why: "settled" }, [seq]);
    log.add({ type: "task_ready", task: 1, why: "wake" });
    expect(linksOf(log.start(1).end(1).end(2).events)).toEqual([[1, "variables", 2, "variable"]]);
  });

  test("[S1] [S3] in worlds of faults each task's activities lie within its span, one after another", () => {
    for (const { seed, events } of worlds) {
      const spans = spansOf(events);
      const tasks = spans.filter((span) => span.what === "task");
      const created = events.filter(({ type }) => type === "task_created" || type === "task_retried");
      expect(tasks, `seed ${seed}`).toHaveLength(created.length);
      for (const { facts, generation, from, to } of tasks) {
        const own = spans.filter(
          (span) => span.what === "activity" && span.facts.task === facts.task && span.generation === generation,
        );
        let at = from;
        for (const span of own) {
          expect(span.from, `seed ${seed}`).toBeGreaterThanOrEqual(at);
          at = span.to;
        }
        expect(at).toBeLessThanOrEqual(to);
      }
    }
  });
});

function otlpOf(events: readonly TraceEvent[]) {
  const trace = new OtlpTrace(names);
  for (const event of events) trace.add(event);
  trace.finish(events.at(-1)!.at);
  const spans = trace.take();
  const { head, tail } = trace.frame;
  return { spans, text: head + spans.map((span) => JSON.stringify(span)).join(",") + tail };
}

describe("OTLP", () => {
  test("the official protocol's own definitions take it, and give all of it back", () => {
    for (const { events } of worlds) {
      const { text } = otlpOf(events);
      const asHex = throughProtobuf(text);
      // Protobuf writes an empty status as nothing.
      const plain = JSON.parse(text);
      for (const span of plain.resourceSpans[0].scopeSpans[0].spans)
        if (span.status.code === 0) span.status = expect.anything();
      expect(asHex).toMatchObject(plain);
    }
  });

  test("[S2] ids are one for each span, valid, and every parent and link is there", () => {
    for (const { seed, events } of worlds) {
      const { spans } = otlpOf(events);
      const ids = new Set(spans.map(({ spanId }) => spanId));
      expect(ids.size, `seed ${seed}`).toBe(spans.length);
      for (const { traceId, spanId, parentSpanId, links = [] } of spans) {
        expect(traceId).toBe(traceIdOf(run));
        expect(spanId).toMatch(/^[0-9a-f]{16}$/);
        if (parentSpanId !== undefined) expect(ids).toContain(parentSpanId);
        for (const link of links) expect(ids).toContain(link.spanId);
      }
      expect(spans.filter(({ parentSpanId }) => parentSpanId === undefined)).toHaveLength(1);
      expect(otlpOf(events).spans).toEqual(spans);
    }
  });

  test("a run that is reopened is one span more, under the first, and who was sent the first is not told it again", () => {
    const reopened = chain();
    reopened.step((step) => finishRun(step, false));
    const a = reopened.state.find(2);
    reopened.now += 1000;
    reopened.step((step) => retryTask(step, a!, undefined));
    reopened.now += 10;
    reopened.start(a!);
    reopened.now += 10;
    reopened.complete(a!);
    reopened.step((step) => finishRun(step, false));
    const events = traceOf(reopened.log);
    const runs = (endsTold?: number) => {
      const trace = new OtlpTrace(names, endsTold);
      for (const event of events) trace.add(event);
      expect(trace.endedBy).toBe(events.at(-1)!.seq);
      trace.finish(0);
      return trace.take().filter(({ name }) => name === "weave");
    };
    const [first, second] = runs();
    expect(second).toMatchObject({ parentSpanId: first!.spanId });
    expect(second!.attributes).toContainEqual({ key: "heddle.run.reopened", value: { intValue: "1" } });
    const ms = ({ startTimeUnixNano: from, endTimeUnixNano: to }: OtlpSpan) => Number(BigInt(to) - BigInt(from)) / 1e6;
    expect([ms(first!), ms(second!)]).toEqual([160, 20]);
    const end = events.find(({ type }) => type === "run_ended")!.seq;
    expect(runs(end)).toEqual([second]);
    expect(runs(events.at(-1)!.seq)).toEqual([]);
  });

  test("a run's id gives a trace id of its own", () => {
    expect(traceIdOf(run)).toMatch(/^[0-9a-f]{32}$/);
    expect(traceIdOf("run_abcdefghjkmnpqrstvwy")).not.toBe(traceIdOf(run));
  });
});

function perfettoOf(events: readonly TraceEvent[]): string {
  const trace = new PerfettoTrace(names);
  let text = trace.head() + trace.take(true);
  for (const event of events) {
    trace.add(event);
    text += trace.take(false);
  }
  trace.finish(events.at(-1)!.at);
  return text + trace.take(false) + trace.tail;
}

describe("Chrome's trace JSON", () => {
  test("keeps the format's rules: fields, names of tracks, slices that nest, flows with both ends in slices", () => {
    for (const { seed, events } of worlds) expect(faultsOf(perfettoOf(events)), `seed ${seed}`).toEqual([]);
  });

  const good = { ph: "X", name: "a", cat: "c", pid: 1, tid: 1, ts: 10, dur: 10, args: {} };
  const named = [
    { ph: "M", name: "process_name", pid: 1, tid: 0, args: { name: "p" } },
    { ph: "M", name: "thread_name", pid: 1, tid: 1, args: { name: "t" } },
  ];
  const flow = { name: "f", cat: "link", id: 1, pid: 1, tid: 1 };
  test.each<[string, object[], RegExp]>([
    ["an unknown type of event", [{ ...good, ph: "Y" }], /Invalid input/],
    ["a time before the beginning", [{ ...good, ts: -1 }], /ts: Too small/],
    ["a counter that is no number", [{ ph: "C", name: "n", pid: 1, tid: 0, ts: 1, args: { n: "1" } }], /Invalid input/],
    ["a track without a name", [{ ...good, tid: 2 }], /^1\/2 has no name$/],
    ["a name given twice", [named[1]!], /named twice/],
    ["slices that overlap", [good, { ...good, ts: 15 }], /overlaps/],
    ["a flow that never ends", [good, { ph: "s", ...flow, ts: 12 }], /other end/],
    [
      "a flow back in time",
      [good, { ph: "s", ...flow, ts: 15 }, { ph: "f", bp: "e", ...flow, ts: 12 }],
      /before it begins/,
    ],
    [
      "a flow from nowhere",
      [good, { ph: "s", ...flow, ts: 1 }, { ph: "f", bp: "e", ...flow, ts: 12 }],
      /touches no slice/,
    ],
  ])("%s is against them", (_, events, message) => {
    const text = (list: object[]) =>
      JSON.stringify({ displayTimeUnit: "ms", otherData: {}, traceEvents: [...named, ...list] });
    expect(faultsOf(text([good]))).toEqual([]);
    expect(faultsOf(text(events))[0]).toMatch(message);
  });
});

describe("CSV", () => {
  test("a row for each task; what a title says is text to whoever opens it", () => {
    const csv = fold(new TasksCsv(taskId), traceOf(chain().log));
    csv.finish(0);
    const [head, a, b] = (csv.head + csv.take()).split("\r\n");
    const cells = (row: string) => row.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/);
    expect(cells(a!)[2]).toBe(`"'=1+1, ""x"""`);
    const of = (row: string, column: string) => cells(row)[head!.split(",").indexOf(column)];
    expect([of(a!, "state"), of(a!, "wall_ms"), of(a!, "working_ms"), of(a!, "ready_ms")]).toEqual([
      "succeeded",
      "110",
      "100",
      "10",
    ]);
    expect([of(b!, "dependencies_ms"), of(b!, "working_ms"), of(b!, "wall_ms")]).toEqual(["110", "50", "160"]);
  });
});
