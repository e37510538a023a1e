/**
 * Which waits of a state could still end, found by playing it on: whoever can act lets go of what it holds, brings what others wait for,
 * arrives where it is missed and ends; lines are served in their order; and so on until nothing moves. Read from the tasks alone, and by
 * no rule of liveness.ts: what is played to no end is what that must call stuck.
 *
 * It plays with hope, as the rules do: ends are successes, and nobody breaks a barrier.
 */

import type { RunState } from "../../src/scheduler/state.ts";
import { type Call, isActor, isHeldBack, isLive, isWorking, joinsParent, type Task } from "../../src/scheduler/task.ts";
import { isExternal, type Want } from "../../src/scheduler/want.ts";
import { allTasks } from "./check.ts";

type Waiting = Extract<Call, { state: "waiting" }>;

export interface How {
  /** Somebody outside pushes, pops, resolves and arrives. Else only tasks do, and whoever was asked outside. */
  readonly outside: boolean;
  /** Waits for locks and permits time out, and holds expire: else they do neither, since a cycle is one in spite of that. */
  readonly lockTimes: boolean;
  /** It never acts. */
  readonly held?: number;
  /** They act, and never end. */
  readonly endless?: ReadonlySet<number>;
}

interface Party {
  readonly task: Task;
  readonly waits: Map<number, Waiting>;
  readonly holds: Map<string, "exclusive" | "shared">;
  readonly permits: Map<string, number>;
}

const isForAnyone = (want: Want): boolean =>
  want.kind === "barrier" ? want.members.length < want.parties : want.kind !== "lock" && want.kind !== "semaphore";
const isForHolders = (want: Want | undefined): boolean => want?.kind === "lock" || want?.kind === "semaphore";

export class Play {
  /** By number, those whose work was not done. */
  readonly acted = new Set<number>();
  readonly over = new Set<number>();
  readonly #state: RunState;
  readonly #how: How;
  readonly #parties = new Map<number, Party>();
  readonly #left = new Set<number>();

  constructor(state: RunState, how: How) {
    this.#state = state;
    this.#how = how;
    for (const task of [...allTasks(state), ...Array.from(state.actors, (n) => state.task(n))]) {
      if (!isLive(task)) {
        this.over.add(task.n);
        continue;
      }
      const waits = task.calls.filter((call): call is Waiting => call.state === "waiting");
      this.#parties.set(task.n, {
        task,
        waits: new Map(waits.map((call) => [call.seq, call])),
        holds: new Map(task.holds.map(({ name, mode }) => [name, mode])),
        permits: new Map(task.permits.map(({ name, permits }) => [name, permits])),
      });
    }
    while (this.#move());
    for (const { waits } of this.#parties.values()) for (const seq of waits.keys()) this.#left.add(seq);
  }

  /** Whether the wait that began with this event ended. */
  ends(seq: number): boolean {
    return !this.#left.has(seq);
  }

  /** Whether a wait for tasks would. */
  awaits(targets: readonly number[], mode: string): boolean {
    const open = targets.filter((n) => this.#parties.has(n));
    const left = open.filter((n) => !this.over.has(n)).length;
    return left === 0 || (mode === "any" && left < open.length);
  }

  /** The waits that never end, as task and call. */
  stuck(): string[] {
    return [...this.#parties.values()].flatMap(({ task, waits }) =>
      [...waits.values()].map(({ id }) => `${task.n}:${id}`),
    );
  }

  #move(): boolean {
    let moved = false;
    for (const party of this.#parties.values()) {
      if (this.#acts(party) || this.#ends(party)) moved = true;
      for (const call of [...party.waits.values()]) {
        if (!this.#isOver(party, call)) continue;
        party.waits.delete(call.seq);
        moved = true;
      }
    }
    return moved;
  }

  #acts({ task, waits, holds, permits }: Party): boolean {
    const { n } = task;
    if (this.#how.lockTimes) for (const { name, until } of task.holds) if (until > 0 && holds.delete(name)) return true;
    const had = holds.size + permits.size;
    if (!this.acted.has(n)) {
      if (n === this.#how.held || !isWorking(task)) return false;
      const isReplying = this.#state.blocking.isUnfinished(task);
      if (waits.size > 0 && !isReplying) return false;
      if (isHeldBack(task) && !task.after.every((one) => this.over.has(one))) return false;
      this.acted.add(n);
    } else if (had === 0) return false;
    holds.clear();
    permits.clear();
    return true;
  }

  #ends({ task }: Party): boolean {
    const { n } = task;
    if (this.over.has(n) || this.#how.endless?.has(n)) return false;
    if (isWorking(task) && !this.acted.has(n)) return false;
    const children = task.children.map((one) => this.#state.task(one)).filter(joinsParent);
    if (!children.every((child) => this.over.has(child.n))) return false;
    this.over.add(n);
    return true;
  }

  #isOver({ task }: Party, call: Waiting): boolean {
    const { want, until, targets, mode } = call;
    if (call.remote) return true;
    if (until > 0 && (!isForHolders(want) || this.#how.lockTimes)) return true;
    if (!want) return this.awaits(targets, mode);
    if (want.kind === "lock") return this.#takesLocks(task.n, call, want.names, want.mode);
    if (want.kind === "semaphore") return this.#takesPermits(task.n, call, want.names[0], want.permits);
    if (!isForAnyone(want) && want.kind === "barrier") return this.#trips(want.names[0]);
    if (isActor(task) || this.#how.outside) return true;
    if (isExternal(want) && (want.kind === "future" || this.#isNext(call, want.names[0]))) return true;
    return [...this.acted].some((n) => n > 0 && n !== task.n);
  }

  /** Those of tasks, whose sessions may leave. */
  #line(name: string): { readonly n: number; readonly call: Waiting; readonly want: Want }[] {
    const line = [...this.#parties.values()].flatMap(({ task, waits }) =>
      [...waits.values()].flatMap((call) =>
        call.want && (call.want.names as readonly string[]).includes(name)
          ? [{ n: task.n, call, want: call.want }]
          : [],
      ),
    );
    return line.sort((a, b) => a.call.seq - b.call.seq);
  }

  #isNext(call: Waiting, queue: string): boolean {
    return this.#line(queue).find(({ n, want }) => n > 0 && want.kind === "pop")?.call === call;
  }

  #takesLocks(n: number, call: Waiting, names: readonly string[], mode: "exclusive" | "shared"): boolean {
    for (const name of names) {
      if (this.#line(name)[0]?.call !== call) return false;
      for (const { holds } of this.#parties.values()) {
        const held = holds.get(name);
        if (held && (held === "exclusive" || mode === "exclusive")) return false;
      }
    }
    const expires = this.#how.lockTimes && this.#state.header.limits.holdMs > 0;
    if (!expires) for (const name of names) this.#parties.get(n)!.holds.set(name, mode);
    return true;
  }

  #takesPermits(n: number, call: Waiting, name: string, permits: number): boolean {
    if (this.#line(name)[0]?.call !== call) return false;
    let free = this.#state.blocking.factsOf(name, "semaphore")!.permits;
    for (const one of this.#parties.values()) free -= one.permits.get(name) ?? 0;
    if (free < permits) return false;
    const mine = this.#parties.get(n)!.permits;
    mine.set(name, (mine.get(name) ?? 0) + permits);
    return true;
  }

  /** One that knows all its members: they arrive, and nobody else. */
  #trips(name: string): boolean {
    const line = this.#line(name);
    // Who would leave in time is there when the others come before.
    const come = new Set(this.#state.blocking.line(name, "barrier").waiters.map(({ task }) => task));
    for (const { want } of line)
      if (want.kind === "barrier") for (const n of want.members) if (this.acted.has(n)) come.add(n);
    if (!line.some(({ want }) => want.kind === "barrier" && come.size >= want.parties)) return false;
    for (const { n, call } of line) this.#parties.get(n)!.waits.delete(call.seq);
    return true;
  }
}
