/**
 * Small random logs of tasks that share variables, with the graph of what happened before what, drawn by plain rules: reachability
 * in it is what the vector clocks must agree with.
 */

import type { VariableUse } from "../../../src/scheduler/events.ts";
import { Log } from "./log.ts";

/** A choice among what is possible, and two numbers to choose with. */
export type Move = readonly [what: number, a: number, b: number];

export interface SharedLog {
  readonly log: Log;
  /** By event: numbers of all events that happened before it. */
  readonly ancestors: ReadonlyMap<number, ReadonlySet<number>>;
  /** Accesses to places, in their order. */
  readonly accesses: readonly { readonly seq: number; readonly task: number; readonly use: VariableUse }[];
}

const outside = 0;
const blind = new Set(["set", "write", "delete"]);

/** By the docs: one of them is a blind write, of the same place. */
export const conflict = (a: VariableUse, b: VariableUse): boolean => a.name === b.name && (isBlind(a) || isBlind(b));
const isBlind = ({ op, checked }: VariableUse) => blind.has(op) && !checked;

export function sharedLog(moves: readonly Move[]): SharedLog {
  const world = new SharedWorld();
  for (const move of moves) world.move(move);
  return world;
}

class SharedWorld implements SharedLog {
  readonly log = new Log();
  readonly ancestors = new Map<number, Set<number>>();
  readonly accesses: { seq: number; task: number; use: VariableUse }[] = [];
  readonly #live = new Map<
    number,
    { parent: number; after: number[]; started: boolean; awaits: number[] | undefined }
  >();
  /** By party, its newest event. */
  readonly #last = new Map<number, number>();
  readonly #ended = new Map<number, number>();
  readonly #holds = new Map<number, { mode: "exclusive" | "shared"; token: number }>();
  readonly #released = { exclusive: [] as number[], shared: [] as number[] };
  readonly #messages: number[] = [];
  readonly #futures = new Map<string, number>();
  readonly #atomicWrites: number[] = [];
  readonly #versions = new Map<string, number>();
  #token = 0;
  #count = 0;

  constructor() {
    for (const name of ["m0", "m1"]) this.log.add({ type: "variable_created", name, kind: "shared_map" });
    this.log.add({ type: "variable_created", name: "flag", kind: "atomic" });
    for (const after of [[], [], [1]]) this.#create(outside, after);
  }

  /** The event `seq` of these parties comes after `from`, and after what they did before. */
  #node(seq: number, parties: readonly number[], from: readonly (number | undefined)[] = []): void {
    const before = new Set<number>();
    // Whoever is outside may know all that was logged.
    const all = parties.includes(outside) ? [...this.ancestors.keys()] : [];
    for (const one of [...all, ...from, ...parties.map((party) => this.#last.get(party))]) {
      if (one === undefined) continue;
      before.add(one);
      for (const earlier of this.ancestors.get(one) ?? []) before.add(earlier);
    }
    this.ancestors.set(seq, before);
    for (const party of parties) this.#last.set(party, seq);
  }

  #create(parent: number, after: number[]): void {
    const task = ++this.#count;
    this.log.create(task, { parent, ...(after.length > 0 && { after }) });
    this.#node(this.log.events.length, [parent]);
    this.#last.set(task, this.log.events.length);
    this.#live.set(task, { parent, after, started: false, awaits: undefined });
  }

  move([what, a, b]: Move): void {
    const tasks = [...this.#live].filter(([, { awaits }]) => !awaits).map(([n]) => n);
    const n = tasks[a % Math.max(1, tasks.length)];
    if (n === undefined) return;
    const task = this.#live.get(n)!;
    if (!task.started) {
      if (task.after.some((one) => !this.#ended.has(one))) return;
      task.started = true;
      this.log.start(n);
      this.#node(
        this.log.events.length,
        [n],
        task.after.map((one) => this.#ended.get(one)),
      );
      return;
    }
    const moves = [
      ...Array.from({ length: 6 }, () => () => this.#access(b % 9 === 0 ? outside : n, b)),
      () => this.#atomic(n, b),
      () => this.#lock(n, "shared"),
      () => this.#lock(n, "shared"),
      () => this.#lock(n, "exclusive"),
      () => this.#push(n),
      () => this.#pop(n),
      () => this.#future(n, `f${b % 2}`),
      () => this.#end(n),
      () => this.#await(n, b),
      () => this.#barrier(tasks.filter((one) => this.#live.get(one)!.started)),
      () => this.#create(b % 2 === 0 ? n : outside, b % 3 === 0 ? [1 + (b % this.#count)] : []),
    ];
    moves[what % moves.length]!();
  }

  #access(task: number, b: number): void {
    const name = `m${b % 2}`;
    const saw = this.#versions.get(name) ?? 0;
    const ops = [
      { op: "get", saw },
      { op: "entries" },
      { op: "set", saw, made: saw + 1 },
      { op: "set", saw, made: saw + 1, checked: true as const },
      { op: "increment", saw, made: saw + 1 },
    ];
    const { op, ...versions } = ops[Math.floor(b / 2) % ops.length]!;
    const use: VariableUse = {
      ...(task !== outside && { task }),
      ...{ name, op },
      ...(op !== "entries" && { key: "k" }),
      ...versions,
    };
    if (versions.made !== undefined) this.#versions.set(name, versions.made);
    const seq = this.log.uses(use);
    this.#node(seq, [task]);
    this.accesses.push({ seq, task, use });
  }

  #atomic(task: number, b: number): void {
    const saw = this.#versions.get("flag") ?? 0;
    const op = ["get", "set", "add"][b % 3]!;
    const made = op === "get" ? {} : { made: saw + 1 };
    const seq = this.log.uses({ task, name: "flag", op, saw, ...made });
    this.#node(seq, [task], op === "set" ? [] : this.#atomicWrites);
    if (op === "get") return;
    this.#versions.set("flag", saw + 1);
    this.#atomicWrites.push(seq);
  }

  #lock(task: number, mode: "exclusive" | "shared"): void {
    const held = this.#holds.get(task);
    if (held) {
      const seq = this.log.add({ type: "lock_released", task, name: "l", token: held.token, why: "released" });
      this.#node(seq, [task]);
      this.#released[held.mode].push(seq);
      this.#holds.delete(task);
      return;
    }
    const others = [...this.#holds.values()];
    if (mode === "exclusive" ? others.length > 0 : others.some((one) => one.mode === "exclusive")) return;
    const token = ++this.#token;
    this.#holds.set(task, { mode, token });
    const { exclusive, shared } = this.#released;
    const seq = this.log.add({ type: "lock_granted", task, name: "l", token, mode });
    this.#node(seq, [task], mode === "shared" ? exclusive : [...exclusive, ...shared]);
  }

  #push(task: number): void {
    const seq = this.log.add({ type: "messages_pushed", name: "q", task, sizes: [1] });
    this.#node(seq, [task]);
    this.#messages.push(seq);
  }

  #pop(task: number): void {
    const pushed = this.#messages.shift();
    if (pushed !== undefined)
      this.#node(this.log.add({ type: "messages_popped", name: "q", task, count: 1 }), [task], [pushed]);
  }

  #future(task: number, name: string): void {
    const settled = this.#futures.get(name);
    if (settled === undefined) {
      const seq = this.log.add({ type: "future_settled", name, task, state: "resolved" });
      this.#node(seq, [task]);
      this.#futures.set(name, seq);
      return;
    }
    const want = { kind: "future", names: [name], mode: "all", one: true, external: false } as const;
    this.#node(this.log.add({ type: "call_waiting", task, call: "f", targets: [], mode: "all", want }), [task]);
    this.#node(this.log.add({ type: "call_done", task, call: "f", tool: "future", why: "settled" }), [task], [settled]);
  }

  #end(task: number): void {
    // A few go on, so that there is somebody to race with.
    if (this.#live.size <= 2) return;
    if (this.#holds.has(task)) this.#lock(task, "exclusive");
    this.log.end(task);
    const seq = this.log.events.length;
    this.#node(seq, [task]);
    this.#ended.set(task, seq);
    this.#live.delete(task);
    for (const [waiter, one] of this.#live) {
      if (!one.awaits?.every((target) => this.#ended.has(target))) continue;
      const done = this.log.add({ type: "call_done", task: waiter, call: "w", tool: "await_tasks", why: "settled" });
      this.#node(
        done,
        [waiter],
        one.awaits.map((target) => this.#ended.get(target)),
      );
      one.awaits = undefined;
    }
  }

  #await(task: number, b: number): void {
    const targets = [...this.#live].filter(([n, { awaits }]) => n !== task && !awaits).map(([n]) => n);
    const target = targets[b % Math.max(1, targets.length)];
    if (target === undefined || targets.length < 2) return;
    this.#live.get(task)!.awaits = [target];
    this.#node(this.log.add({ type: "call_waiting", task, call: "w", targets: [target], mode: "settled" }), [task]);
  }

  #barrier(tasks: readonly number[]): void {
    if (tasks.length < 2) return;
    const two = tasks.slice(0, 2);
    this.#node(this.log.add({ type: "barrier_tripped", name: "b", generation: 0, tasks: two, waited_ms: 0 }), two);
  }
}
