/**
 * Which earlier events an event follows from: forks, dependencies, joins, and what variables let through. With each task's own
 * order they are the happens-before of a run.
 *
 * Owns: the rules by which events of different tasks are ordered.
 * Does not own: what an event is called (a place, any number that the fold gives it), and times.
 */

import type { TraceEvent } from "./trace-event.ts";

export type EdgeKind =
  /** The event names it as a cause. */
  | "cause"
  /** The child follows from its creator. */
  | "fork"
  | "dependency"
  /** Who awaited a task, or had children, follows from their ends. */
  | "join"
  /** Released, pushed, resolved, tripped: somebody could go on. */
  | "variable";

export interface Edge {
  readonly place: number;
  readonly kind: EdgeKind;
  /** The variable that the edge goes through. */
  readonly via?: string;
}

interface Known {
  /** The place of the task's newest event, and of the one that ended it last; -1: none. */
  last: number;
  ended: number;
  readonly created: number;
  readonly after: readonly number[];
  children: number[] | undefined;
  /** Targets of open awaits, by call. */
  awaits: Map<string, readonly number[]> | undefined;
  /** Names of variables that open calls wait for. */
  wants: Map<string, readonly string[]> | undefined;
}

const none: readonly never[] = [];

export class Edges {
  readonly #tasks = new Map<number, Known>();
  /** The newest event by which a variable let others go on. */
  readonly #signals = new Map<string, number>();
  /** By seq, from the first on. */
  readonly #places: number[] = [];
  #firstSeq = 0;

  /** The place of the event that ended the task last; -1: it has not ended. */
  endOf(task: number): number {
    return this.#tasks.get(task)?.ended ?? -1;
  }

  /** The edges of the log's next event. It is no place yet: `note` gives it one. */
  of(event: TraceEvent): readonly Edge[] {
    if (event.type === "task_created") this.#meet(event);
    const known = this.#known(event);
    const found: Edge[] = [];
    // A join may have tens of thousands; most events have no edge, and no set.
    let places: Set<number> | undefined;
    const add = (place: number | undefined, kind: EdgeKind, via?: string) => {
      if (place === undefined || place < 0 || places?.has(place)) return;
      places ??= new Set();
      places.add(place);
      found.push({ place, kind, ...(via !== undefined && { via }) });
    };
    const ends = (kind: EdgeKind, tasks: readonly number[] = none) => {
      for (const n of tasks) add(this.endOf(n), kind);
    };
    switch (event.type) {
      case "task_created":
        // What stands in for a task follows from the failure that it is for, which it names as its cause.
        if (!event.stands_in) add(this.#tasks.get(event.parent)?.last, "fork");
        break;
      case "task_ready":
        if (event.why === "dependencies") ends("dependency", known?.after);
        break;
      case "call_done":
        // Whoever waited for any of several went on with the one that is named as the cause.
        if (event.why === "settled") ends("join", known?.awaits?.get(event.call));
        if (event.why !== "timed_out")
          for (const name of known?.wants?.get(event.call) ?? none) add(this.#signals.get(name), "variable", name);
        break;
      case "task_ended":
        if (event.result_seq !== undefined) ends("join", known?.children);
        break;
      case "lock_granted":
      case "permits_granted":
      case "messages_popped":
        add(this.#signals.get(event.name), "variable", event.name);
        break;
      default:
    }
    for (const seq of event.causes ?? none) add(this.#places[seq - this.#firstSeq], "cause");
    return found.length > 0 ? found : none;
  }

  /** A step of a task between its events: what others follow from it from now on begins there. */
  step(task: number, place: number): void {
    const known = this.#tasks.get(task);
    if (known) known.last = place;
  }

  /** The event has its place. */
  note(event: TraceEvent, place: number): void {
    this.#firstSeq ||= event.seq;
    this.#places[event.seq - this.#firstSeq] = place;
    const known = this.#known(event);
    if (known) known.last = place;
    switch (event.type) {
      case "call_waiting": {
        if (!known) return;
        const names = event.want?.names;
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
      case "task_fell_back":
        if (!known) return;
        known.awaits = undefined;
        known.wants = undefined;
        return;
      case "task_ended":
        if (!known) return;
        known.ended = place;
        known.awaits = undefined;
        known.wants = undefined;
        return;
      case "task_retried":
        if (known) {
          const before = event.from?.before ?? 0;
          known.children = known.children?.filter((n) => this.#tasks.get(n)!.created < before);
        }
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

  #known(event: TraceEvent): Known | undefined {
    return "task" in event && typeof event.task === "number" ? this.#tasks.get(event.task) : undefined;
  }

  #meet({ seq, task, parent, after, detached }: Extract<TraceEvent, { type: "task_created" }>): void {
    this.#tasks.set(task, {
      created: seq,
      last: -1,
      ended: -1,
      after: after ?? none,
      children: undefined,
      awaits: undefined,
      wants: undefined,
    });
    const creator = this.#tasks.get(parent);
    if (!creator || detached) return;
    creator.children ??= [];
    creator.children.push(task);
  }
}
