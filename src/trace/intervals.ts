/**
 * What each task was doing, as a sequence of intervals without gaps: the ground of the time split, the critical path and the
 * exported timelines.
 *
 * Owns: what an event means for the time of the task that it names, and of tasks that it lets go on or stops.
 * Does not own: why a wait ended (edges.ts), and sums (time-split.ts).
 *
 * V1. A generation of a task is covered from its begin to its end: each interval begins where the last one ended.
 * V2. An interval of no length is told too when an event closes it: its end is a point in the order of things.
 * V3. A turn is told as soon as the model has answered, so its call is the last `model_ms` before: no worker's clock is needed.
 */

import { entryOf } from "./entry-of.ts";
import type { Kind } from "./kinds.ts";
import type { Of, TraceEvent } from "./trace-event.ts";

export interface Interval {
  readonly task: number;
  readonly generation: number;
  /** The attempt, for what a worker does; else the number of attempts so far. */
  readonly attempt: number;
  readonly kind: Kind;
  readonly from: number;
  readonly to: number;
  /** The event that ended it; 0: it goes on. */
  readonly until: number;
  /** Variables or tools that it waited for, or the worker that had it. */
  readonly on?: string;
}

interface OpenCall {
  readonly kind: "tools" | "variables" | "tasks";
  readonly on?: string;
}

interface Doing {
  readonly task: number;
  generation: number;
  attempt: number;
  kind: Kind;
  since: number;
  on: string | undefined;
  /** A pull worker's attempt: what it does between its turns is not known to be a model call. */
  hosted: boolean;
  worker: string;
  lineage: number;
  /** A reply of this generation is logged: nothing that it depends on holds it back any more. */
  begun: boolean;
  /** Its context was cut: it shares no prefix with its lineage any more. */
  compacted: boolean;
  /** In the order in which they began to wait. */
  calls: Map<string, OpenCall> | undefined;
}

export class Intervals {
  readonly #live = new Map<number, Doing>();
  /** Any of them may be retried. */
  readonly #ended = new Map<number, Doing>();
  readonly #dependents = new Map<number, number[]>();
  readonly #tell: (interval: Interval) => void;
  #paused = false;
  /** Lineages that are being warmed, and by which task. */
  readonly #warming = new Map<number, number>();

  constructor(tell: (interval: Interval) => void) {
    this.#tell = tell;
  }

  add(event: TraceEvent): void {
    switch (event.type) {
      case "task_created":
        this.#create(event);
        return;
      case "task_retried":
        this.#retry(event);
        return;
      case "run_paused":
      case "run_resumed":
        this.#paused = event.type === "run_paused";
        this.#reclassify(event, () => true);
        return;
      case "run_ended":
        // One that was cancelled in a pause is in none when it is reopened.
        this.#paused = false;
        return;
      case "cache_warming":
        this.#warming.set(event.lineage, event.task);
        this.#reclassify(event, ({ lineage }) => lineage === event.lineage);
        return;
      case "cache_released":
        this.#warming.delete(event.lineage);
        this.#reclassify(event, ({ lineage }) => lineage === event.lineage);
        return;
      default: {
        const doing = "task" in event ? this.#live.get(event.task ?? 0) : undefined;
        if (doing) this.#step(event, doing);
      }
    }
  }

  /** An event of a live task. */
  #step(event: TraceEvent, doing: Doing): void {
    switch (event.type) {
      case "task_ready":
        this.#enter(event, doing, "ready");
        return;
      case "task_held":
        this.#enter(event, doing, "dependencies");
        return;
      case "task_started":
        // The interval that ends here was the last attempt's.
        this.#enter(event, doing, "working", event.worker);
        doing.attempt = event.attempt;
        doing.worker = event.worker;
        doing.hosted = event.hosted === true;
        return;
      case "turn":
        this.#turn(event, doing);
        return;
      case "context_compacted":
        doing.begun = true;
        doing.compacted = true;
        return;
      case "call_waiting":
        doing.calls ??= new Map();
        doing.calls.set(event.call, openCallOf(event));
        return;
      case "call_done":
        if (doing.calls?.delete(event.call) && waitsInCall.has(doing.kind)) this.#wait(event, doing);
        return;
      case "call_blocked":
        if (event.blocked) this.#wait(event, doing);
        else this.#enter(event, doing, "working", doing.worker);
        return;
      case "task_parked":
        if (event.on === "calls") this.#wait(event, doing);
        else this.#enter(event, doing, event.on);
        return;
      case "attempt_ended":
        if (!doing.hosted) doing.calls = undefined;
        doing.kind = "lost";
        this.#enter(event, doing, event.until !== undefined && event.until > event.at ? "retrying" : "ready");
        return;
      case "task_fell_back":
        doing.calls = undefined;
        if (isAtWork(doing)) doing.kind = "lost";
        this.#enter(event, doing, "fallback");
        return;
      case "task_ended":
        if (event.state === "failed" && isAtWork(doing)) doing.kind = "lost";
        this.cut(event.task, event);
        this.#live.delete(event.task);
        doing.calls = undefined;
        this.#ended.set(event.task, doing);
        return;
      default:
    }
  }

  /** Ends what the task is doing at this event and begins the same again: the event is an act of the task on its way. */
  cut(task: number, event: TraceEvent): void {
    const doing = this.#live.get(task);
    if (!doing) return;
    this.#tell(intervalOf(doing, event.at, event.seq));
    doing.since = event.at;
  }

  /** What goes on at `now`, for tasks that have not ended. */
  finish(now: number): void {
    for (const _ of this.finishing(now));
  }

  /** The same, a task at a step. */
  *finishing(now: number): Generator<void, void, void> {
    for (const doing of this.#live.values()) {
      this.#tell(intervalOf(doing, Math.max(now, doing.since), 0));
      yield;
    }
  }

  #create(event: Of<"task_created">): void {
    const { task, at, pool, lineage = 0, after = [] } = event;
    const doing: Doing = {
      task,
      generation: 1,
      attempt: 0,
      kind: "dependencies",
      since: at,
      on: undefined,
      hosted: pool === "hosted",
      worker: "",
      lineage,
      begun: false,
      compacted: false,
      calls: undefined,
    };
    this.#live.set(task, doing);
    for (const n of after) entryOf(this.#dependents, n, () => []).push(task);
    // Dependencies that have ended hold nobody back; where one ended badly, the next event skips the task.
    if (after.every((n) => this.#ended.has(n))) this.#enter(event, doing, "ready");
  }

  /** Closes what the task was doing at the event's time, and begins `kind`. */
  #enter(event: TraceEvent, doing: Doing, kind: Kind, on?: string): void {
    this.#tell(intervalOf(doing, event.at, event.seq));
    doing.kind = kind === "ready" ? this.#readyKind(doing) : kind;
    doing.since = event.at;
    doing.on = on;
  }

  #readyKind({ task, lineage, compacted }: Doing): Kind {
    if (this.#paused) return "paused";
    const warmer = lineage > 0 && !compacted ? this.#warming.get(lineage) : undefined;
    return warmer !== undefined && warmer !== task ? "cache_warming" : "ready";
  }

  #reclassify(event: TraceEvent, which: (doing: Doing) => boolean): void {
    for (const doing of this.#live.values()) {
      if (isReady(doing) && which(doing) && doing.kind !== this.#readyKind(doing)) this.#enter(event, doing, "ready");
    }
  }

  #turn(event: Of<"turn">, doing: Doing): void {
    doing.calls = undefined;
    doing.begun = true;
    // Logs that don't tell how long the call took: a hosted attempt does little else.
    const ms = event.model_ms ?? (doing.hosted ? event.at - doing.since : 0);
    const from = Math.max(event.at - ms, doing.since);
    if (from > doing.since) {
      this.#tell(intervalOf(doing, from, event.seq));
      doing.since = from;
    }
    if (ms > 0) doing.kind = "model";
    this.#enter(event, doing, "working", doing.worker);
  }

  /** Waits for the oldest of its calls that is still open; the last one to end leaves the wait as it was until the task wakes. */
  #wait(event: TraceEvent, doing: Doing): void {
    const { kind, on } = doing.calls?.values().next().value ?? doing;
    this.#enter(event, doing, kind, on);
  }

  #retry(event: Of<"task_retried">): void {
    const doing = this.#ended.get(event.task);
    if (!doing) return;
    this.#ended.delete(event.task);
    const next: Doing = {
      ...doing,
      generation: event.generation,
      kind: "dependencies",
      since: event.at,
      on: undefined,
      begun: event.from !== undefined,
      compacted: event.from?.window !== undefined,
    };
    if (event.from) next.kind = this.#readyKind(next);
    this.#live.set(event.task, next);
    // Who was to begin with its result waits for the new one.
    for (const n of this.#dependents.get(event.task) ?? []) {
      const dependent = this.#live.get(n);
      if (dependent && isReady(dependent) && !dependent.begun) this.#enter(event, dependent, "dependencies");
    }
  }
}

function intervalOf({ task, generation, attempt, kind, since: from, on }: Doing, to: number, until: number): Interval {
  return { task, generation, attempt, kind, from, to, until, ...(on !== undefined && { on }) };
}

const waitsInCall: ReadonlySet<Kind> = new Set(["tools", "variables", "tasks"]);

const isAtWork = ({ kind }: Doing): boolean => kind === "working" || kind === "model";

const isReady = ({ kind }: Doing): boolean => kind === "ready" || kind === "paused" || kind === "cache_warming";

function openCallOf(event: Of<"call_waiting">): OpenCall {
  if (event.remote) return { kind: "tools", on: event.remote.tool };
  const names = event.want?.names;
  return names ? { kind: "variables", on: names.join(", ") } : { kind: "tasks" };
}
