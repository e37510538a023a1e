/**
 * What happened before what in a run, by vector clocks: with each task's own order, the events by which one party learns or
 * waits for what another did.
 *
 * Owns: the rules by which accesses of different parties are ordered.
 * Does not own: accesses and their conflicts (findings/races.ts), by whom a wait ended (edges.ts, for the critical path).
 *
 * H1. Ordered are: fork and child; the end of a dependency, an awaited task, a child or fallback, and who goes on with it; an end, and
 *     those that it skips or cancels; all ends before a stand-in's creation, and it; a deadlock, and the wait that it ends; the release of a lock or permits and later grants (a shared hold follows only exclusive ones); a push and its pop; a close and who is told of it; a
 *     future's settling and its awaits; all who pass a barrier; and ops on an atomic that see one another.
 * H2. Everybody outside, sessions included, is one party, which knows all that was logged: what programs outside tell one another is
 *     in no log. So does who is posted, cancelled, retried or sent a message by them.
 * H3. In doubt two accesses are ordered. What an answer does not tell is taken for the most that it can have shown; an atomic's version
 *     whose writer is unknown may be anybody's; and beyond a gap in the log everything before is known to all.
 * H4. `told` leaves out what only keeps parties apart, and tells none what the other wrote: locks, semaphores, barriers, atomics.
 */

import type { VariableUse } from "../scheduler/events.ts";
import { type Clock, type Clocks, timeOf } from "./clocks.ts";
import { entryOf } from "./entry-of.ts";
import type { Of, TraceEvent } from "./trace-event.ts";

interface Known {
  /** Without its own newest accesses: they are put in where somebody else learns of it. */
  clock: Clock;
  /** Of its newest access; 0: none. */
  time: number;
  /** Its clock as of its last end. */
  ended: Clock;
  isEnded: boolean;
  /** 0: none that ends with it, or it with that one. */
  readonly parent: number;
  readonly created: number;
  readonly after: readonly number[];
  children: number[] | undefined;
  /** It ends as its fallback does. */
  fellBack: boolean;
  calls: Map<string, Of<"call_waiting">> | undefined;
  /** What messages that it has not been shown knew. */
  mail: Clock;
  /** What it did with a queue in its newest call is told by events of its own. */
  usedQueue: boolean;
}

interface Lock {
  /** Of the releases of holds of either kind. */
  exclusive: Clock;
  shared: Clock;
  /** By token, while it is held. */
  readonly modes: Map<number, string>;
}

interface Queue {
  /** Messages by who pushed them, oldest first. */
  readonly parts: { clock: Clock; count: number }[];
  /** Of those who made room. */
  room: Clock;
  closed: Clock;
}

/** Everybody outside. */
const outside = 0;
export const partyOf = (task: number | undefined): number => Math.max(task ?? outside, outside);

const none: readonly never[] = [];

export class HappensBefore {
  readonly #clocks: Clocks;
  readonly #told: boolean;
  readonly #tasks = new Map<number, Known>();
  /** Of all parties together, but for the newest accesses of some. */
  #everyone: Clock;
  readonly #fresh = new Map<number, number>();
  #allEnded: Clock;
  /** By the events that tell of them: what ends that others may follow from knew. */
  readonly #ends = new Map<number, Clock>();
  #allQueues: Clock;
  #allFutures: Clock;
  /** Accesses up to this time are known to all. */
  #settledUpTo = 0;
  #newest = 0;
  readonly #locks = new Map<string, Lock>();
  readonly #signals = new Map<string, Clock>();
  readonly #queues = new Map<string, Queue>();
  readonly #futures = new Map<string, Clock>();
  readonly #atomics = new Map<string, { clock: Clock; newest: number }>();

  constructor(clocks: Clocks, { told = false }: { readonly told?: boolean } = {}) {
    this.#clocks = clocks;
    this.#told = told;
  }

  /** Whether the access of `party` at `time` happened before whatever `next` does now. */
  before(party: number, time: number, next: number): boolean {
    if (party === next || next === outside || time <= this.#settledUpTo) return true;
    const task = this.#tasks.get(next);
    return task === undefined || timeOf(task.clock, party) >= time;
  }

  /** The party accesses a variable; times rise over all parties. */
  access(party: number, time: number): void {
    this.#newest = time;
    this.#fresh.set(party, time);
    const task = this.#tasks.get(party);
    if (task) task.time = time;
  }

  /** Accesses may be missing from the log here. */
  gap(): void {
    this.#settledUpTo = this.#newest;
  }

  /** An op on an atomic; after `access`. */
  useAtomic(party: number, { name, op, saw, made }: VariableUse): void {
    if (this.#told) return;
    const atomic = entryOf(this.#atomics, name, () => ({ clock: undefined, newest: 0 }));
    if (saw === undefined || saw > atomic.newest) {
      atomic.clock = this.#all();
      atomic.newest = saw ?? atomic.newest;
    }
    // A blind write learns nothing.
    if (op !== "set") this.#learn(party, atomic.clock);
    if (made === undefined) return;
    atomic.clock = this.#clocks.join(atomic.clock, this.#clockOf(party));
    atomic.newest = Math.max(atomic.newest, made);
  }

  /** All that the party knows, as it lets others know. */
  #clockOf(party: number): Clock {
    const task = this.#tasks.get(party);
    if (!task) return this.#all();
    if (task.time > 0) task.clock = this.#clocks.raise(task.clock, party, task.time);
    return task.clock;
  }

  #all(): Clock {
    for (const [party, time] of this.#fresh) this.#everyone = this.#clocks.raise(this.#everyone, party, time);
    this.#fresh.clear();
    return this.#everyone;
  }

  #learn(party: number, clock: Clock): void {
    const task = this.#tasks.get(party);
    if (task) task.clock = this.#clocks.join(task.clock, clock);
  }

  #learnEnds(party: number, tasks: readonly number[]): void {
    for (const n of tasks) this.#learn(party, this.#tasks.get(n)?.ended);
  }

  /** Of the ends that an event follows from. */
  #learnCauses(n: number, causes: readonly number[] = none): void {
    for (const seq of causes) this.#learn(n, this.#ends.get(seq));
  }

  add(event: TraceEvent): void {
    switch (event.type) {
      case "task_created":
        this.#create(event);
        return;
      case "task_started":
        this.#learnEnds(event.task, this.#tasks.get(event.task)?.after ?? none);
        this.#learn(event.task, this.#tasks.get(event.task)?.mail);
        return;
      case "message_received": {
        const task = this.#tasks.get(event.task);
        if (task) task.mail = this.#all();
        return;
      }
      case "turn":
        // Also those that its answer gives to a pull worker.
        this.#learn(event.task, this.#tasks.get(event.task)?.mail);
        return;
      case "call_waiting": {
        const task = this.#tasks.get(event.task);
        if (!task) return;
        task.calls ??= new Map();
        task.calls.set(event.call, event);
        return;
      }
      case "call_done":
        this.#endCall(event);
        return;
      case "task_fell_back": {
        const task = this.#tasks.get(event.task);
        if (task) Object.assign(task, { fellBack: true, calls: undefined });
        this.#ends.set(event.seq, this.#clockOf(event.task));
        return;
      }
      case "task_ended":
        this.#end(event);
        return;
      case "task_retried":
        this.#retry(event);
        return;
      case "messages_pushed":
      case "messages_popped":
      case "queue_closed":
        this.#useQueue(event);
        return;
      case "future_settled": {
        const clock = this.#clockOf(partyOf(event.task));
        this.#futures.set(event.name, clock);
        this.#allFutures = this.#clocks.join(this.#allFutures, clock);
        return;
      }
      default:
        if (!this.#told) this.#keepApart(event);
    }
  }

  #create({ seq, task, parent, after, detached, stands_in }: Of<"task_created">): void {
    const creator = this.#tasks.get(parent);
    this.#tasks.set(task, {
      clock: creator ? this.#clockOf(parent) : this.#all(),
      time: 0,
      created: seq,
      after: after ?? none,
      ended: undefined,
      isEnded: false,
      parent: detached ? 0 : parent,
      children: undefined,
      fellBack: false,
      calls: undefined,
      mail: undefined,
      usedQueue: false,
    });
    // What it makes up for may be more than its creator's failure.
    if (stands_in) this.#learn(task, this.#allEnded);
    if (!creator || detached) return;
    creator.children ??= [];
    creator.children.push(task);
  }

  #end({ seq, task: n, state, result_seq, causes }: Of<"task_ended">): void {
    const task = this.#tasks.get(n);
    if (!task) return;
    if (result_seq !== undefined || task.fellBack) this.#learnEnds(n, task.children ?? none);
    // Whoever is skipped, or cancelled, because another one has ended: who comes after it comes after that one.
    this.#learnCauses(n, causes);
    // By somebody outside, or a task of whom it is not told which.
    if (state === "cancelled" && !causes?.length) this.#learn(n, this.#all());
    task.ended = this.#clockOf(n);
    this.#ends.set(seq, task.ended);
    task.isEnded = true;
    task.calls = undefined;
    this.#allEnded = this.#clocks.join(this.#allEnded, task.ended);
    // Those who are cancelled with it end after it, before anybody goes on.
    if (state !== "cancelled") return;
    for (let up = this.#tasks.get(task.parent); up?.isEnded; up = this.#tasks.get(up.parent))
      up.ended = this.#clocks.join(up.ended, task.ended);
  }

  #retry({ task: n, from }: Of<"task_retried">): void {
    const task = this.#tasks.get(n);
    if (!task) return;
    task.children = task.children?.filter((child) => this.#tasks.get(child)!.created < (from?.before ?? 0));
    task.clock = this.#all();
    task.fellBack = false;
    task.isEnded = false;
  }

  #endCall({ task: n, call, tool, why }: Of<"call_done">): void {
    const task = this.#tasks.get(n);
    if (!task) return;
    // Others' waits closed the circle.
    if (why === "deadlock" && !this.#told) this.#learn(n, this.#all());
    const waited = task.calls?.get(call);
    task.calls?.delete(call);
    const { usedQueue } = task;
    task.usedQueue = false;
    if (waited) {
      this.#learnEnds(n, waited.targets);
      for (const name of waited.want?.names ?? none) this.#learnFrom(n, waited.want!.kind, name);
    } else if (why === "settled" || tool === "inspect" || tool === "cancel_task") {
      this.#learn(n, this.#allEnded);
    } else if (tool === "future") {
      this.#learn(n, this.#allFutures);
    } else if (tool === "message_queue" && !usedQueue) {
      this.#learn(n, this.#allQueues);
    }
  }

  /** A wait is over. Grants, pops and barriers tell of it by events of their own. */
  #learnFrom(n: number, kind: NonNullable<Of<"call_waiting">["want"]>["kind"], name: string): void {
    if (kind === "future") this.#learn(n, this.#futures.get(name));
    if (kind === "pop") this.#learn(n, this.#queues.get(name)?.closed);
    if (kind === "barrier") this.#learn(n, this.#signals.get(name));
    if (kind !== "push") return;
    this.#learn(n, this.#queues.get(name)?.room);
    this.#learn(n, this.#queues.get(name)?.closed);
  }

  #useQueue(event: Of<"messages_pushed" | "messages_popped" | "queue_closed">): void {
    const party = partyOf(event.task);
    const queue = entryOf(this.#queues, event.name, () => ({ parts: [], room: undefined, closed: undefined }));
    const task = this.#tasks.get(party);
    if (task) task.usedQueue = true;
    if (event.type === "messages_popped") {
      let left = event.count;
      for (let part = queue.parts[0]; left > 0 && part; part = queue.parts[0]) {
        this.#learn(party, part.clock);
        const count = Math.min(left, part.count);
        left -= count;
        part.count -= count;
        if (part.count === 0) queue.parts.shift();
      }
      queue.room = this.#clocks.join(queue.room, this.#clockOf(party));
      return;
    }
    const clock = this.#clockOf(party);
    this.#allQueues = this.#clocks.join(this.#allQueues, clock);
    const last = queue.parts.at(-1);
    if (event.type === "queue_closed") queue.closed = clock;
    else if (last && last.clock === clock) last.count += event.sizes.length;
    else queue.parts.push({ clock, count: event.sizes.length });
  }

  #keepApart(event: TraceEvent): void {
    switch (event.type) {
      case "lock_granted": {
        const lock = this.#lock(event.name);
        lock.modes.set(event.token, event.mode);
        this.#learn(event.task, lock.exclusive);
        if (event.mode === "exclusive") this.#learn(event.task, lock.shared);
        return;
      }
      case "lock_released": {
        const lock = this.#lock(event.name);
        const mode = lock.modes.get(event.token) === "shared" ? "shared" : "exclusive";
        lock.modes.delete(event.token);
        this.#learnCauses(event.task, event.causes);
        lock[mode] = this.#clocks.join(lock[mode], this.#clockOf(partyOf(event.task)));
        return;
      }
      case "permits_granted":
        this.#learn(event.task, this.#signals.get(event.name));
        return;
      case "permits_released":
        this.#learnCauses(event.task, event.causes);
        this.#signal(event.name, this.#clockOf(partyOf(event.task)));
        return;
      case "barrier_tripped": {
        let clock: Clock;
        for (const n of event.tasks) clock = this.#clocks.join(clock, this.#clockOf(partyOf(n)));
        for (const n of event.tasks) this.#learn(n, clock);
        return;
      }
      case "barrier_broken":
        this.#signal(event.name, this.#clockOf(partyOf(event.by)));
        return;
      default:
    }
  }

  #lock(name: string): Lock {
    return entryOf(this.#locks, name, () => ({ exclusive: undefined, shared: undefined, modes: new Map() }));
  }

  #signal(name: string, clock: Clock): void {
    this.#signals.set(name, this.#clocks.join(this.#signals.get(name), clock));
  }
}
