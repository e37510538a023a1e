/**
 * A run as a graph of its events: what had to happen before what, and how long each step took. The critical path, slack and
 * "what would it have taken" are longest paths in it.
 *
 * Owns: which events an event follows from, and what of a task's time is work and what is waiting.
 * Does not own: what a task was doing (intervals.ts), and what is shown of paths (critical-path.ts).
 *
 * C1. Every edge points to an earlier event, so one pass in the order of the log visits each event after those it follows from.
 * C2. A task's own events follow one another. Between two of them its time weighs what it was: work counts whole, waiting for
 *     others counts nothing, since their own time is in the graph.
 * C3. A wait that nobody ended (it timed out) counts whole.
 * C4. What came from outside (posted tasks, messages, answers of people) stays at the time when it came.
 */

import { type Interval, Intervals, type Kind } from "./intervals.ts";
import type { Of, TraceEvent } from "./trace-event.ts";

/** Waiting for a worker, which an unlimited number of workers would end. */
const forWorkers: ReadonlySet<Kind> = new Set(["ready", "paused", "cache_warming", "budget"]);
/** Waiting for what others do. */
const forOthers: ReadonlySet<Kind> = new Set(["dependencies", "variables", "tasks", "children", "fallback"]);

interface TaskEnds {
  readonly created: number;
  last: number;
  /** What weighs on the way from `last` to the task's next event. */
  readonly pending: Interval[];
  readonly after: readonly number[];
  children: number[] | undefined;
  /** Targets of open awaits, by call. */
  awaits: Map<string, readonly number[]> | undefined;
  /** Names of variables that open calls wait for. */
  wants: Map<string, readonly string[]> | undefined;
  ended: number;
}

/** An event of the graph by its place; 0-based. */
export interface Step {
  readonly at: number;
  /** 0: no task's. */
  readonly task: number;
  /** The task's event before it; -1: none. */
  readonly prev: number;
  /** What the task did since `prev`. */
  readonly did: readonly Interval[];
  /** Places of other events that it follows from. */
  readonly follows: readonly Edge[];
  /** Milliseconds since `prev` in which the task had ended, until somebody outside retried it. */
  readonly outsideMs: number;
}

export interface Edge {
  readonly place: number;
  /** The variable that the edge goes through. */
  readonly via?: string;
}

const none: readonly never[] = [];

/** What a task does on its way: what others follow from it begins here, and not at its next turn. */
const acts: ReadonlySet<TraceEvent["type"]> = new Set([
  "call_waiting",
  "call_done",
  "lock_granted",
  "lock_released",
  "permits_granted",
  "permits_released",
  "messages_pushed",
  "messages_popped",
  "queue_closed",
  "future_settled",
]);

export class CausalGraph {
  readonly steps: Step[] = [];
  readonly #intervals = new Intervals((interval) => this.#tasks.get(interval.task)?.pending.push(interval));
  readonly #tasks = new Map<number, TaskEnds>();
  /** The newest event by which a variable let others go on. */
  readonly #signals = new Map<string, number>();
  /** By seq, from the first on. */
  readonly #places: number[] = [];
  #firstSeq = 0;

  add(event: TraceEvent): void {
    this.#firstSeq ||= event.seq;
    if (event.type === "task_created") this.#meet(event);
    this.#intervals.add(event);
    const task = "task" in event && typeof event.task === "number" ? event.task : 0;
    const known = this.#tasks.get(task);
    if (acts.has(event.type) && known?.pending.length === 0) this.#intervals.cut(task, event);
    const isRetry = event.type === "task_retried" && event.why !== "dependency_retried";
    const outsideMs = isRetry && known ? event.at - this.steps[known.ended]!.at : 0;
    const place = this.#step(event.at, task, known, this.#follows(event, known), outsideMs);
    this.#places[event.seq - this.#firstSeq] = place;
    this.#note(event, place, known);
  }

  #step(at: number, task: number, known: TaskEnds | undefined, follows: readonly Edge[], outsideMs = 0): number {
    const did = known && known.pending.length > 0 ? known.pending.splice(0) : none;
    const place = this.steps.push({ at, task, prev: known?.last ?? -1, did, follows, outsideMs }) - 1;
    if (known) known.last = place;
    return place;
  }

  /** The place of the event that ended the task last; -1: it has not ended. */
  endOf(task: number): number {
    return this.#tasks.get(task)?.ended ?? -1;
  }

  get tasks(): Iterable<number> {
    return this.#tasks.keys();
  }

  #meet(event: Of<"task_created">): void {
    this.#tasks.set(event.task, {
      created: event.seq,
      last: -1,
      pending: [],
      after: event.after ?? none,
      children: undefined,
      awaits: undefined,
      wants: undefined,
      ended: -1,
    });
    const parent = this.#tasks.get(event.parent);
    if (!parent) return;
    // Forking is an act of the parent: it has a step of its own there, which the child's first follows from.
    this.#intervals.cut(event.parent, event);
    this.#step(event.at, event.parent, parent, none);
    if (event.detached) return;
    parent.children ??= [];
    parent.children.push(event.task);
  }

  #follows(event: TraceEvent, known: TaskEnds | undefined): readonly Edge[] {
    const found: Edge[] = [];
    const add = (place: number | undefined, via?: string) => {
      if (place !== undefined && place >= 0 && place < this.steps.length && !found.some((one) => one.place === place))
        found.push({ place, ...(via !== undefined && { via }) });
    };
    const ends = (tasks: readonly number[] = none) => {
      for (const n of tasks) add(this.endOf(n));
    };
    for (const seq of event.causes ?? none) add(this.#places[seq - this.#firstSeq]);
    switch (event.type) {
      case "task_created":
        add(this.#tasks.get(event.parent)?.last);
        break;
      case "task_ready":
        if (event.why === "dependencies") ends(known?.after);
        break;
      case "call_done":
        // Whoever waited for any of several went on with the one that is named as the cause.
        if (event.why === "settled") ends(known?.awaits?.get(event.call));
        if (event.why !== "timed_out")
          for (const name of known?.wants?.get(event.call) ?? none) add(this.#signals.get(name), name);
        break;
      case "task_ended":
        if (event.result_seq !== undefined) ends(known?.children);
        break;
      case "lock_granted":
      case "permits_granted":
      case "messages_popped":
        add(this.#signals.get(event.name), event.name);
        break;
      default:
    }
    return found.length > 0 ? found : none;
  }

  /** Children that a retry leaves its task. */
  #keptBy({ children }: TaskEnds, before: number): number[] | undefined {
    return children?.filter((n) => this.#tasks.get(n)!.created < before);
  }

  #note(event: TraceEvent, place: number, known: TaskEnds | undefined): void {
    switch (event.type) {
      case "call_waiting": {
        if (!known) return;
        const names = event.want?.names ?? event.lock?.names;
        if (names) {
          known.wants ??= new Map();
          known.wants.set(event.call, names);
        } else if (event.targets.length > 0 && event.mode !== "any") {
          known.awaits ??= new Map();
          known.awaits.set(event.call, event.targets);
        }
        return;
      }
      case "call_done":
        known?.awaits?.delete(event.call);
        known?.wants?.delete(event.call);
        return;
      case "task_ended":
        if (!known) return;
        known.ended = place;
        known.awaits = undefined;
        known.wants = undefined;
        return;
      case "task_retried":
        if (known) known.children = this.#keptBy(known, event.from?.before ?? 0);
        return;
      case "lock_released":
      case "permits_released":
      case "messages_pushed":
      case "messages_popped":
      case "queue_closed":
      case "future_settled":
      case "barrier_tripped":
      case "barrier_broken":
        this.#signals.set(event.name, place);
        return;
      default:
    }
  }
}

/** What a plan is asked about: without limits of workers, and perhaps without a variable's waits. */
export interface Without {
  readonly variable?: string;
}

/** Whether the task's own time counts up to this event (C2, C3). */
export function weightOf({ did, follows, outsideMs }: Step, without: Without = {}): number {
  let sum = outsideMs;
  for (const { kind, from, to, on } of did) {
    if (forWorkers.has(kind)) continue;
    if (kind === "variables" && without.variable !== undefined && on?.split(", ").includes(without.variable)) continue;
    if (forOthers.has(kind) && follows.length > 0) continue;
    sum += to - from;
  }
  return sum;
}

/** Whether others had to end what the task was doing, so that the path goes on with them. */
export const endedByOthers = ({ did, follows }: Step): boolean => {
  const last = did.at(-1);
  return follows.length > 0 && last !== undefined && forOthers.has(last.kind);
};

export interface Earliest {
  /** By place: when the event could have happened at the earliest, in ms since the run's first event. */
  readonly times: Float64Array;
  /** By place: the place of the event that it waited for longest; -1: none. */
  readonly via: Int32Array;
}

/** The earliest time of every event, were there a worker for every task. */
export function earliest({ steps }: CausalGraph, without: Without = {}): Earliest {
  const times = new Float64Array(steps.length);
  const via = new Int32Array(steps.length).fill(-1);
  const startedAt = steps[0]?.at ?? 0;
  for (const [place, step] of steps.entries()) {
    const { prev, follows, at } = step;
    let time = prev >= 0 ? times[prev]! + weightOf(step, without) : -1;
    let best = prev;
    for (const edge of follows) {
      if (edge.via !== undefined && edge.via === without.variable) continue;
      if (times[edge.place]! > time) {
        time = times[edge.place]!;
        best = edge.place;
      }
    }
    // C4.
    times[place] = time < 0 ? at - startedAt : time;
    via[place] = best;
  }
  return { times, via };
}
