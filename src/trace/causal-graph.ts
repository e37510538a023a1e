/**
 * A run as a graph of its events: what had to happen before what, and how long each step took. The critical path, slack and
 * "what would it have taken" are longest paths in it.
 *
 * Owns: what of a task's time is work and what is waiting.
 * Does not own: which events an event follows from (edges.ts), what a task was doing (intervals.ts), what is shown of paths
 * (critical-path.ts).
 *
 * C1. Every edge points to an earlier event, so one pass in the order of the log visits each event after those it follows from.
 * C2. A task's own events follow one another. Between two of them its time weighs what it was: work counts whole, waiting for
 *     others counts nothing, since their own time is in the graph.
 * C3. A wait that nobody ended (it timed out) counts whole.
 * C4. What came from outside (posted tasks, messages, answers of people) stays at the time when it came.
 */

import { actorOf, type Edge, Edges } from "./edges.ts";
import { type Interval, Intervals } from "./intervals.ts";
import type { Kind } from "./kinds.ts";
import type { Of, TraceEvent } from "./trace-event.ts";

/** Waiting for a worker, which an unlimited number of workers would end. */
const forWorkers: ReadonlySet<Kind> = new Set(["ready", "paused", "cache_warming", "budget"]);
/** Waiting for what others do. */
const forOthers: ReadonlySet<Kind> = new Set(["dependencies", "variables", "tasks", "children", "fallback"]);

interface OnTheWay {
  last: number;
  /** What weighs on the way from `last` to the task's next event. */
  readonly pending: Interval[];
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
  "barrier_tripped",
]);

export class CausalGraph {
  readonly steps: Step[] = [];
  readonly #intervals = new Intervals((interval) => this.#tasks.get(interval.task)?.pending.push(interval));
  readonly #edges = new Edges();
  readonly #tasks = new Map<number, OnTheWay>();

  add(event: TraceEvent): void {
    if (event.type === "task_created") this.#meet(event);
    this.#intervals.add(event);
    const task = actorOf(event);
    const known = this.#tasks.get(task);
    if (acts.has(event.type) && known?.pending.length === 0) this.#intervals.cut(task, event);
    const isRetry = event.type === "task_retried" && event.why !== "dependency_retried";
    const outsideMs = isRetry && known ? event.at - this.steps[this.endOf(task)]!.at : 0;
    // What it follows from of its own is in its own order.
    const found = this.#edges.of(event);
    const follows = task === 0 ? found : found.filter(({ place }) => this.steps[place]!.task !== task);
    const place = this.#step(event.at, task, known, follows.length > 0 ? follows : none, outsideMs);
    this.#edges.note(event, place);
  }

  #step(at: number, task: number, known: OnTheWay | undefined, follows: readonly Edge[], outsideMs = 0): number {
    const did = known && known.pending.length > 0 ? known.pending.splice(0) : none;
    const place = this.steps.push({ at, task, prev: known?.last ?? -1, did, follows, outsideMs }) - 1;
    if (known) known.last = place;
    return place;
  }

  /** The place of the event that ended the task last; -1: it has not ended. */
  endOf(task: number): number {
    return this.#edges.endOf(task);
  }

  get tasks(): Iterable<number> {
    return this.#tasks.keys();
  }

  #meet(event: Of<"task_created">): void {
    this.#tasks.set(event.task, { last: -1, pending: [] });
    const parent = this.#tasks.get(event.parent);
    if (!parent) return;
    // Forking is an act of the parent: it has a step of its own there, which the child's first follows from.
    this.#intervals.cut(event.parent, event);
    this.#edges.step(event.parent, this.#step(event.at, event.parent, parent, none));
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
