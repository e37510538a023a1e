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

const parkedOn: Readonly<Record<string, Kind>> = { children: "children", budget: "budget", fallback: "fallback" };

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
      case "task_ready":
        this.#enter(event, event.task, "ready");
        return;
      case "task_held":
        this.#enter(event, event.task, "dependencies");
        return;
      case "task_started":
        this.#start(event);
        return;
      case "turn":
        this.#turn(event);
        return;
      case "call_waiting":
        this.#callWaiting(event);
        return;
      case "call_done":
        this.#callDone(event);
        return;
      case "call_blocked":
        this.#block(event);
        return;
      case "task_parked":
        this.#park(event);
        return;
      case "attempt_ended":
        this.#attemptEnded(event);
        return;
      case "task_fell_back":
        this.#fellBack(event);
        return;
      case "task_ended":
        this.#end(event);
        return;
      case "task_retried":
        this.#retry(event);
        return;
      case "context_compacted": {
        const doing = this.#live.get(event.task);
        if (doing) Object.assign(doing, { begun: true, compacted: true });
        return;
      }
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
      default:
    }
  }

  /** Ends what the task is doing at this event and begins the same again: the event is an act of the task on its way. */
  cut(task: number, event: TraceEvent): void {
    const doing = this.#live.get(task);
    if (!doing) return;
    this.#tell(this.#interval(task, doing, event.at, event.seq));
    doing.since = event.at;
  }

  /** What goes on at `now`, for tasks that have not ended. */
  finish(now: number): void {
    for (const _ of this.finishing(now));
  }

  /** The same, a task at a step. */
  *finishing(now: number): Generator<void, void, void> {
    for (const [task, doing] of this.#live) {
      this.#tell(this.#interval(task, doing, Math.max(now, doing.since), 0));
      yield;
    }
  }

  #create(event: Of<"task_created">): void {
    this.#live.set(event.task, {
      generation: 1,
      attempt: 0,
      kind: "dependencies",
      since: event.at,
      on: undefined,
      hosted: event.pool === "hosted",
      worker: "",
      lineage: event.lineage ?? 0,
      begun: false,
      compacted: false,
      calls: undefined,
    });
    for (const n of event.after ?? []) {
      const dependents = this.#dependents.get(n);
      if (dependents) dependents.push(event.task);
      else this.#dependents.set(n, [event.task]);
    }
    // Dependencies that have ended hold nobody back; where one ended badly, the next event skips the task.
    if ((event.after ?? []).every((n) => this.#ended.has(n))) this.#enter(event, event.task, "ready");
  }

  #interval(task: number, doing: Doing, to: number, until: number): Interval {
    const { generation, attempt, kind, since: from, on } = doing;
    return { task, generation, attempt, kind, from, to, until, ...(on !== undefined && { on }) };
  }

  /** Closes what the task was doing at the event's time, and begins `kind`. */
  #enter(event: TraceEvent, task: number, kind: Kind, on?: string): void {
    const doing = this.#live.get(task);
    if (!doing) return;
    this.#tell(this.#interval(task, doing, event.at, event.seq));
    doing.kind = kind === "ready" ? this.#readyKind(task, doing) : kind;
    doing.since = event.at;
    doing.on = on;
  }

  #readyKind(task: number, { lineage, compacted }: Doing): Kind {
    if (this.#paused) return "paused";
    const warmer = lineage > 0 && !compacted ? this.#warming.get(lineage) : undefined;
    return warmer !== undefined && warmer !== task ? "cache_warming" : "ready";
  }

  #reclassify(event: TraceEvent, which: (doing: Doing) => boolean): void {
    for (const [task, doing] of this.#live) {
      if (isReady(doing) && which(doing) && doing.kind !== this.#readyKind(task, doing))
        this.#enter(event, task, "ready");
    }
  }

  #start(event: Of<"task_started">): void {
    const doing = this.#live.get(event.task);
    if (!doing) return;
    // The interval that ends here was the last attempt's.
    this.#enter(event, event.task, "working", event.worker);
    doing.attempt = event.attempt;
    doing.worker = event.worker;
    doing.hosted = event.hosted === true;
  }

  #turn(event: Of<"turn">): void {
    const doing = this.#live.get(event.task);
    if (!doing) return;
    doing.calls = undefined;
    doing.begun = true;
    // Logs that don't tell how long the call took: a hosted attempt does little else.
    const ms = event.model_ms ?? (doing.hosted ? event.at - doing.since : 0);
    const from = Math.max(event.at - ms, doing.since);
    if (from > doing.since) {
      this.#tell(this.#interval(event.task, doing, from, event.seq));
      doing.since = from;
    }
    if (ms > 0) doing.kind = "model";
    this.#enter(event, event.task, "working", doing.worker);
  }

  #callWaiting(event: Of<"call_waiting">): void {
    const doing = this.#live.get(event.task);
    if (!doing) return;
    doing.calls ??= new Map();
    doing.calls.set(event.call, openCallOf(event));
  }

  #callDone(event: Of<"call_done">): void {
    const doing = this.#live.get(event.task);
    if (!doing?.calls?.delete(event.call)) return;
    if (doing.kind === "tools" || doing.kind === "variables" || doing.kind === "tasks")
      this.#wait(event, event.task, doing);
  }

  /** Waits for the oldest of its calls that is still open; the last one to end leaves the wait as it was until the task wakes. */
  #wait(event: TraceEvent, task: number, doing: Doing): void {
    const [first] = doing.calls?.values() ?? [];
    this.#enter(event, task, first?.kind ?? doing.kind, first ? first.on : doing.on);
  }

  #block(event: Of<"call_blocked">): void {
    const doing = this.#live.get(event.task);
    if (!doing) return;
    if (event.blocked) this.#wait(event, event.task, doing);
    else this.#enter(event, event.task, "working", doing.worker);
  }

  #park(event: Of<"task_parked">): void {
    const doing = this.#live.get(event.task);
    if (!doing) return;
    if (event.on === "calls") this.#wait(event, event.task, doing);
    else this.#enter(event, event.task, parkedOn[event.on] ?? "tasks");
  }

  #attemptEnded(event: Of<"attempt_ended">): void {
    const doing = this.#live.get(event.task);
    if (!doing) return;
    if (!doing.hosted) doing.calls = undefined;
    doing.kind = "lost";
    const backsOff = event.until !== undefined && event.until > event.at;
    this.#enter(event, event.task, backsOff ? "retrying" : "ready");
  }

  #fellBack(event: Of<"task_fell_back">): void {
    const doing = this.#live.get(event.task);
    if (!doing) return;
    doing.calls = undefined;
    if (doing.kind === "working" || doing.kind === "model") doing.kind = "lost";
    this.#enter(event, event.task, "fallback");
  }

  #end(event: Of<"task_ended">): void {
    const doing = this.#live.get(event.task);
    if (!doing) return;
    if (event.state === "failed" && (doing.kind === "working" || doing.kind === "model")) doing.kind = "lost";
    this.#tell(this.#interval(event.task, doing, event.at, event.seq));
    this.#live.delete(event.task);
    doing.calls = undefined;
    this.#ended.set(event.task, doing);
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
    if (event.from) next.kind = this.#readyKind(event.task, next);
    this.#live.set(event.task, next);
    // Who was to begin with its result waits for the new one.
    for (const n of this.#dependents.get(event.task) ?? []) {
      const dependent = this.#live.get(n);
      if (dependent && isReady(dependent) && !dependent.begun) this.#enter(event, n, "dependencies");
    }
  }
}

const isReady = ({ kind }: Doing): boolean => kind === "ready" || kind === "paused" || kind === "cache_warming";

function openCallOf(event: Of<"call_waiting">): OpenCall {
  if (event.remote) return { kind: "tools", on: event.remote.tool };
  const names = event.want?.names;
  return names ? { kind: "variables", on: names.join(", ") } : { kind: "tasks" };
}
