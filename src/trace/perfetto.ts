/**
 * A run as Chrome's trace event JSON, which Perfetto and other viewers open: a track for each task with what it was doing, a
 * track for each worker with the tasks it had, arrows from what ended a wait to what went on, counters of tasks at work, of
 * seats and of tokens, and findings as instants.
 *
 * Times are microseconds since the run's first event. Format: "Trace Event Format", Google.
 */

import { entryOf } from "./entry-of.ts";
import { SeatFold } from "./seats.ts";
import { type ActivitySpan, type AttemptSpan, Spans, type TaskFacts, type TaskSpan, type Usage } from "./spans.ts";
import { TimeSplitFold } from "./time-split.ts";
import type { Of, TraceEvent } from "./trace-event.ts";

/** Processes, as viewers call groups of tracks. */
const runGroup = 1;
const taskGroup = 2;
const workerGroup = 3;

export interface TraceNames {
  readonly run: string;
  readonly name: string | null;
  readonly taskId: (n: number) => string;
}

export class PerfettoTrace {
  readonly #names: TraceNames;
  readonly #levels = new TimeSplitFold();
  readonly #seats = new SeatFold();
  readonly #spans: Spans;
  #parts: object[] = [];
  #startedAt = 0;
  #flows = 0;
  readonly #tracks = new Set<number>();
  /** By worker: until when each of its lanes is taken. A worker with several tasks at once has several. */
  readonly #lanes = new Map<string, { track: number; until: number }[]>();
  #workerTracks = 0;

  constructor(names: TraceNames) {
    this.#names = names;
    this.#spans = new Spans({
      span: (span) => {
        if (span.what === "task") this.#task(span);
        else if (span.what === "attempt") this.#attempt(span);
        else this.#activity(span);
      },
      finding: (finding) => this.#finding(finding),
      tokens: (at, usage) => this.#tokens(at, usage),
    });
    this.#name("process_name", runGroup, 0, "Run");
    this.#name("process_name", taskGroup, 0, "Tasks");
    this.#name("process_name", workerGroup, 0, "Workers");
    for (const [group, place] of [runGroup, taskGroup, workerGroup].entries())
      this.#parts.push({ ph: "M", name: "process_sort_index", pid: place, tid: 0, args: { sort_index: group } });
  }

  /** What comes before the events. */
  head(): string {
    const { run, name } = this.#names;
    return `{"displayTimeUnit":"ms","otherData":${JSON.stringify({ run, ...(name && { name }) })},"traceEvents":[\n`;
  }

  add(event: TraceEvent): void {
    this.#startedAt ||= event.at;
    this.#levels.add(event);
    this.#seats.add(event);
    this.#spans.add(event);
  }

  /** The text of what has been told since the last call; `first`: nothing was written before it. */
  take(first: boolean): string {
    const parts = this.#parts;
    this.#parts = [];
    if (parts.length === 0) return "";
    return (first ? "" : ",\n") + parts.map((part) => JSON.stringify(part)).join(",\n");
  }

  finish(now: number): void {
    for (const _ of this.finishing(now));
  }

  /** The same, a task or a point of a counter at a step. */
  *finishing(now: number): Generator<void, void, void> {
    yield* this.#spans.finishing(now);
    for (const { at, working, ready } of this.#levels.finish(now).levels) {
      this.#counter("tasks", at, { "with a worker": working, ready });
      yield;
    }
    for (const { at, open, share } of this.#seats.levels()) {
      this.#counter("seats", at, { open, ...(share !== undefined && { share }) });
      yield;
    }
  }

  /** What comes after the events. */
  readonly tail = "\n]}\n";

  #time(at: number): number {
    return (at - this.#startedAt) * 1000;
  }

  #name(what: "process_name" | "thread_name", pid: number, tid: number, name: string): void {
    this.#parts.push({ ph: "M", name: what, pid, tid, args: { name } });
  }

  #counter(name: string, at: number, args: object): void {
    this.#parts.push({ ph: "C", name, pid: runGroup, tid: 0, ts: this.#time(at), args });
  }

  #slice(group: number, track: number, { from, to }: { from: number; to: number }, name: string, args: object): void {
    const ts = this.#time(from);
    this.#parts.push({ ph: "X", name, cat: "heddle", pid: group, tid: track, ts, dur: this.#time(to) - ts, args });
  }

  #taskName({ task, key, title }: TaskFacts): string {
    return [this.#names.taskId(task), key, title].filter((part) => part !== undefined).join(" ");
  }

  #taskTrack(facts: TaskFacts): number {
    if (!this.#tracks.has(facts.task)) {
      this.#tracks.add(facts.task);
      this.#name("thread_name", taskGroup, facts.task, this.#taskName(facts));
    }
    return facts.task;
  }

  #task(span: TaskSpan): void {
    const { facts, generation, state = "unfinished", error, usage, turns } = span;
    const { nanos, ...tokens } = usage;
    this.#slice(taskGroup, this.#taskTrack(facts), span, facts.key ?? this.#names.taskId(facts.task), {
      ...{ task: this.#names.taskId(facts.task), state, pool: facts.pool, priority: facts.priority, generation, turns },
      ...(facts.parent > 0 && { parent: this.#names.taskId(facts.parent) }),
      ...(error && { error: `${error.code}: ${error.message}` }),
      ...tokens,
      ...(nanos !== undefined && { usd: nanos / 1e9 }),
      ...(facts.labels && { labels: facts.labels }),
    });
  }

  #activity(span: ActivitySpan): void {
    const { facts, kind, on, call, attempt, links } = span;
    const track = this.#taskTrack(facts);
    const isWait = on !== undefined && (kind === "variables" || kind === "tools");
    this.#slice(taskGroup, track, span, isWait ? `${kind} ${on}` : kind, {
      ...(attempt > 0 && { attempt }),
      ...(on !== undefined && { on }),
      ...(call && { turn: call.turn, ...call.usage }),
      ...(call?.firstMs !== undefined && { first_token_ms: call.firstMs }),
    });
    for (const { task, at, since, kind: why, via } of links) {
      const id = ++this.#flows;
      const arrow = { name: via ?? why, cat: "link", id, pid: taskGroup };
      // Just before its end, so that it begins within the slice that ended then; a task that ended as it began has only that moment.
      const begin = since === at ? this.#time(at) : Math.max(0, this.#time(at) - 1);
      this.#parts.push(
        { ph: "s", ...arrow, tid: task, ts: begin },
        { ph: "f", bp: "e", ...arrow, tid: track, ts: this.#time(span.to) },
      );
    }
  }

  #attempt(span: AttemptSpan): void {
    const { facts, worker, attempt, generation, outcome = "unfinished" } = span;
    const lanes = entryOf(this.#lanes, worker, () => []);
    let lane = lanes.find(({ until }) => until <= span.from);
    if (!lane) {
      lane = { track: ++this.#workerTracks, until: 0 };
      lanes.push(lane);
      this.#name("thread_name", workerGroup, lane.track, lanes.length > 1 ? `${worker} (${lanes.length})` : worker);
    }
    lane.until = span.to;
    this.#slice(workerGroup, lane.track, span, facts.key ?? this.#names.taskId(facts.task), {
      ...{ task: this.#names.taskId(facts.task), attempt, generation, outcome },
    });
  }

  #tokens(at: number, { in: input, out }: Usage): void {
    this.#counter("tokens", at, { input, output: out });
  }

  #finding({ at, kind, severity, message, subjects }: Of<"finding">): void {
    this.#parts.push({
      ...{ ph: "i", s: "p", name: kind, cat: "finding", pid: runGroup, tid: 0, ts: this.#time(at) },
      args: { severity, message, subjects: subjects.map((n) => this.#names.taskId(n)) },
    });
  }
}
