/**
 * Which earlier events an event follows from: forks, dependencies, joins, and what variables let through. With each task's own
 * order they are the happens-before of a run.
 *
 * Owns: the rules by which events of different tasks are ordered.
 * Does not own: what an event is called (a place, any number that the fold gives it), and times.
 */

import { queueCapacityDefault } from "../limits.ts";
import type { Want } from "../scheduler/want.ts";
import { entryOf } from "./entry-of.ts";
import { Stock } from "./stock.ts";
import type { Of, TraceEvent } from "./trace-event.ts";

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

type Add = (place: number | undefined, kind: EdgeKind, via?: string) => void;

interface Known {
  /** The place of the task's newest event, and of the one that ended it last; -1: none. */
  last: number;
  ended: number;
  readonly created: number;
  readonly after: readonly number[];
  children: number[] | undefined;
  /** Targets of open awaits, by call. */
  awaits: Map<string, readonly number[]> | undefined;
  /** What open calls wait for of variables. */
  wants: Map<string, Want> | undefined;
}

interface Lock {
  /** The newest release of an exclusive hold; -1: none. */
  exclusive: number;
  /** Of shared holds, since the last exclusive one. */
  shared: number[];
  readonly sharedTokens: Set<number>;
}

interface Queue {
  readonly messages: Stock;
  readonly room: Stock;
  closed: number;
}

const none: readonly never[] = [];

/** Whose act an event is: a task, below zero a session, or 0: nobody's of the run. */
export function actorOf(event: TraceEvent): number {
  // Who arrives last trips it.
  if (event.type === "barrier_tripped") return event.tasks.at(-1) ?? 0;
  // It stands for its group, and may have ended long before the member whose end decides.
  if (event.type === "group_decided") return 0;
  return "task" in event && typeof event.task === "number" ? event.task : 0;
}

export class Edges {
  readonly #tasks = new Map<number, Known>();
  readonly #locks = new Map<string, Lock>();
  /** By semaphore: permits that are free. */
  readonly #permits = new Map<string, Stock>();
  readonly #queues = new Map<string, Queue>();
  /** By future its settling, by barrier how its newest generation ended. */
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
    const add: Add = (place, kind, via) => {
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
        // Of those that have ended nothing more is told.
        ends("dependency", event.after);
        break;
      case "task_ready":
        if (event.why === "dependencies") ends("dependency", known?.after);
        break;
      case "call_done":
        // Whoever waited for any of several went on with the one that is named as the cause.
        if (event.why !== "settled") break;
        ends("join", known?.awaits?.get(event.call) ?? event.targets);
        this.#endWait(known?.wants?.get(event.call), add);
        break;
      case "task_ended":
        if (event.result_seq !== undefined) ends("join", known?.children);
        break;
      case "lock_granted":
        this.#followLock(event.name, event.mode, add);
        break;
      case "permits_granted":
        for (const place of this.#permits.get(event.name)?.next(event.permits) ?? none)
          add(place, "variable", event.name);
        break;
      case "messages_pushed":
        for (const place of this.#queue(event.name).room.next(event.sizes.length)) add(place, "variable", event.name);
        break;
      case "messages_popped":
        for (const place of this.#queue(event.name).messages.next(event.count)) add(place, "variable", event.name);
        break;
      case "barrier_tripped":
        for (const seq of event.causes ?? none) add(this.#places[seq - this.#firstSeq], "variable", event.name);
        break;
      default:
    }
    for (const seq of event.causes ?? none) add(this.#places[seq - this.#firstSeq], "cause");
    return found.length > 0 ? found : none;
  }

  /** A wait is over. Pushes and pops follow from what let them through by events of their own, before this one. */
  #endWait(want: Want | undefined, add: Add): void {
    for (const name of want?.names ?? none) {
      if (want?.kind === "lock") this.#followLock(name, want.mode, add);
      else if (want?.kind === "semaphore")
        for (const place of this.#permits.get(name)?.next(want.permits) ?? none) add(place, "variable", name);
      else if (want?.kind === "push" || want?.kind === "pop") add(this.#queue(name).closed, "variable", name);
      else add(this.#signals.get(name), "variable", name);
    }
  }

  /** Who shares a lock follows only from exclusive holds, and has nothing to do with others who share it. */
  #followLock(name: string, mode: Of<"lock_granted">["mode"], add: Add): void {
    const { exclusive, shared } = this.#lock(name);
    if (mode === "exclusive") for (const place of shared) add(place, "variable", name);
    add(exclusive, "variable", name);
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
    if (known) this.#noteTask(event, known, place);
    this.#noteVariable(event, place);
  }

  #noteTask(event: TraceEvent, known: Known, place: number): void {
    known.last = place;
    switch (event.type) {
      case "call_waiting":
        if (event.want) {
          known.wants ??= new Map();
          known.wants.set(event.call, event.want);
        } else if (event.targets.length > 0 && event.mode !== "any") {
          known.awaits ??= new Map();
          known.awaits.set(event.call, event.targets);
        }
        return;
      case "call_done":
        known.awaits?.delete(event.call);
        known.wants?.delete(event.call);
        return;
      case "task_fell_back":
      case "task_ended":
        if (event.type === "task_ended") known.ended = place;
        known.awaits = undefined;
        known.wants = undefined;
        return;
      case "task_retried": {
        const before = event.from?.before ?? 0;
        known.children = known.children?.filter((n) => this.#tasks.get(n)!.created < before);
        return;
      }
      default:
    }
  }

  #noteVariable(event: TraceEvent, place: number): void {
    switch (event.type) {
      case "lock_granted": {
        const lock = this.#lock(event.name);
        if (event.mode === "shared") lock.sharedTokens.add(event.token);
        // Whoever comes after follows from this one.
        else lock.shared = [];
        return;
      }
      case "lock_released": {
        const lock = this.#lock(event.name);
        if (lock.sharedTokens.delete(event.token)) lock.shared.push(place);
        else lock.exclusive = place;
        return;
      }
      case "semaphore_created":
        this.#permits.set(event.name, new Stock(event.permits));
        return;
      case "permits_granted":
        this.#permits.get(event.name)?.take(event.permits);
        return;
      case "permits_released":
        this.#permits.get(event.name)?.put(place, event.permits);
        return;
      case "queue_created":
        this.#queue(event.name, event.capacity);
        return;
      case "messages_pushed": {
        const { messages, room } = this.#queue(event.name);
        room.take(event.sizes.length);
        messages.put(place, event.sizes.length);
        return;
      }
      case "messages_popped": {
        const { messages, room } = this.#queue(event.name);
        messages.take(event.count);
        room.put(place, event.count);
        return;
      }
      case "queue_closed":
        this.#queue(event.name).closed = place;
        return;
      case "future_settled":
      case "barrier_tripped":
      case "barrier_broken":
        this.#signals.set(event.name, place);
        return;
      default:
    }
  }

  #lock(name: string): Lock {
    return entryOf(this.#locks, name, () => ({ exclusive: -1, shared: [], sharedTokens: new Set() }));
  }

  #queue(name: string, capacity = queueCapacityDefault): Queue {
    return entryOf(this.#queues, name, () => ({ messages: new Stock(0), room: new Stock(capacity), closed: -1 }));
  }

  #known(event: TraceEvent): Known | undefined {
    return this.#tasks.get(actorOf(event));
  }

  #meet({ seq, task, parent, after, detached }: Of<"task_created">): void {
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
