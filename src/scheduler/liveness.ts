/**
 * Liveness (DESIGN §6): which tasks can still end, as a least fixpoint over what they wait for.
 *
 * V1. A task can end when for each of its waits enough of the tasks that it names can: all of them, or one for mode `any`;
 *     of a semaphore's holders, those whose permits add up.
 * V2. Its own children count as waited for from their creation: it ends only after them.
 * V3. A wait with a timeout holds nobody for ever.
 * V4. A wait for a lock or permits needs the holders, and those before it in line; a timeout of it does not count, since the
 *     cycle that it would end is one already. A barrier that knows all of its members needs those who have not arrived.
 * V5. A wait for a message, for room in a queue, for a future or for unknown parties can be ended by any other live task. One
 *     that is declared external is ended from outside.
 *     Sessions of agents outside may act at any time, but nobody counts on it: they end no wait of V5, and theirs are external.
 * V6. Cost: linear in the waits that are reachable; where one of V5 is among them and nobody is ready or running, in the tasks.
 */

import { assert } from "../errors/assert.ts";
import { waiterOf } from "./blocking-state.ts";
import { joinedChildren } from "./inheritance.ts";
import type { RunState } from "./state.ts";
import { type Call, isActor, isHeldBack, isUnstarted, joinsParent, type Task } from "./task.ts";

interface Wait {
  readonly waiter: number;
  /** How much more of `of` must end. */
  need: number;
  /** Task → how much its end gives. */
  readonly of: ReadonlyMap<number, number>;
  /** In place of `of`: whoever is live. */
  readonly anyone: boolean;
  /** The tool call that waits; undefined: for dependencies or children. */
  readonly call: string | undefined;
}

const nobody: ReadonlySet<number> = new Set();

export interface Supposed {
  /** A task that is about to wait: whatever needs it can't end first. */
  readonly held?: number;
  /** Ended tasks, supposed to be live and at their start again, without children. */
  readonly revived?: ReadonlySet<number>;
}

/** The tasks, among those that `from` wait for directly or not, that could never end; empty when all can. */
export function neverEnding(state: RunState, from: Iterable<number>, supposed: Supposed): ReadonlySet<number> {
  const revived = supposed.revived ?? new Set<number>();
  const open = (n: number): Task | undefined => state.live(n) ?? (revived.has(n) ? state.task(n) : undefined);
  const unmet = new Map<number, number>();
  const waitsFor = new Map<number, Wait[]>();
  const stuck = new Set<number>();
  const free: number[] = [];
  const forAnyone: Wait[] = [];
  const stack = [...from];
  for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
    const task = stuck.has(n) ? undefined : open(n);
    if (!task) continue;
    stuck.add(n);
    if (n === supposed.held) continue;
    const waits = [...waitsOf(state, task, revived, open)];
    unmet.set(n, waits.length);
    if (waits.length === 0) free.push(n);
    for (const wait of waits) {
      if (wait.anyone && forAnyone.push(wait) === 1) for (const other of state.tasks.keys()) stack.push(other);
      for (const provider of wait.of.keys()) {
        const list = waitsFor.get(provider);
        if (list) list.push(wait);
        else waitsFor.set(provider, [wait]);
        stack.push(provider);
      }
    }
  }
  for (let n = free.pop(); n !== undefined; n = free.pop()) {
    stuck.delete(n);
    for (const wait of [...(waitsFor.get(n) ?? []), ...(n > 0 ? forAnyone.splice(0) : [])]) {
      if (wait.need <= 0) continue;
      wait.need -= wait.anyone ? 1 : wait.of.get(n)!;
      if (wait.need > 0) continue;
      const left = unmet.get(wait.waiter)! - 1;
      unmet.set(wait.waiter, left);
      if (left === 0) free.push(wait.waiter);
    }
  }
  return stuck;
}

/** Whether somebody is ready, or runs and waits for nothing: whoever needs anyone has one. */
export function canSomebodyGoOn({ header, stopped }: RunState): boolean {
  return header.counts.ready + header.counts.running > stopped;
}

export function* waitsOf(
  state: RunState,
  task: Task,
  revived: ReadonlySet<number> = nobody,
  open: (n: number) => Task | undefined = (n) => state.live(n),
): Generator<Wait> {
  const wait = (names: Iterable<number>, any = false, call?: string): Wait[] => {
    const of = new Map<number, number>();
    for (const n of names) if (open(n)) of.set(n, 1);
    return of.size === 0 ? [] : [{ waiter: task.n, need: any ? 1 : of.size, of, anyone: false, call }];
  };
  if (revived.has(task.n)) {
    yield* wait(task.after);
    return;
  }
  if (isHeldBack(task) || (revived.size > 0 && isUnstarted(task))) yield* wait(task.after);
  for (const call of task.calls) {
    if (call.state !== "waiting") continue;
    if (call.want) yield* waitsForVariables(state, task, call);
    else if (call.until === 0) yield* wait(call.targets, call.mode === "any", call.id);
  }
  const children = [...joinedChildren(state, task)].map((child) => child.n);
  for (const n of task.children) if (revived.has(n) && joinsParent(state.task(n))) children.push(n);
  yield* wait(children);
}

function* waitsForVariables(state: RunState, task: Task, call: Extract<Call, { state: "waiting" }>): Generator<Wait> {
  const { want, until, id } = call;
  const { blocking } = state;
  assert(want, "the call waits for a variable");
  const made = (need: number, of: Iterable<readonly [number, number]>, anyone = false): Wait => ({
    waiter: task.n,
    need,
    of: new Map(of),
    anyone,
    call: id,
  });
  const all = (numbers: Iterable<number>): Wait[] => {
    const of = new Map(Array.from(numbers, (n) => [n, 1] as const));
    return of.size === 0 ? [] : [made(of.size, of)];
  };
  if (want.kind === "lock") {
    const waiter = waiterOf(task, call, want);
    for (const name of want.names) yield* all(blocking.line(name, "lock").providersOf({ ...waiter, want }));
  } else if (want.kind === "semaphore") {
    const [name] = want.names;
    const line = blocking.line(name, "semaphore");
    const free = (blocking.factsOf(name, "semaphore")?.permits ?? 0) - line.held;
    const others = [...line.holders].filter(([n]) => n !== task.n);
    if (want.permits > free) yield made(want.permits - free, others);
    const [before] = line.before(call.seq);
    if (before && before.task !== task.n) yield* all([before.task]);
  } else if (until === 0 && want.kind === "barrier" && want.members.length >= want.parties) {
    const line = blocking.line(want.names[0], "barrier");
    const arrived = new Set(line.waiters.map((one) => one.task));
    const missing = want.members.filter((n) => !arrived.has(n) && state.live(n));
    yield made(
      want.parties - arrived.size,
      missing.map((n) => [n, 1] as const),
    );
  } else if (until === 0 && !isActor(task) && !("external" in want && want.external) && !canSomebodyGoOn(state)) {
    yield made(1, [], true);
  }
}
