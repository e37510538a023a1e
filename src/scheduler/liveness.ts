/**
 * Liveness (DESIGN §6): which tasks can still act, and which can still end, as a least fixpoint over what they wait for.
 * To act is to go on with its own work: to release, push, resolve or arrive.
 *
 * V1. A task can act when each of its waits can be over: for tasks when all that it names can end, or one for mode `any`.
 * V2. It can end when it can act, or its work is done, and all of its children can end, which it joins from their creation on.
 * V3. A wait with a timeout holds nobody for ever.
 * V4. A wait for a lock needs that the holders can act, and those before it in line; one for permits, as many of the holders as
 *     add up, and that those before it are granted; one at a barrier that knows all of its members, those who have not arrived. A timeout of a wait for a lock or
 *     permits does not count, nor that a hold ends by itself, since the cycle that it would end is one already. With `still` both count: what is no
 *     cycle waits for them.
 * V5. A wait for a message, for room in a queue, for a future or for unknown parties is over when any other task can act: it
 *     holds up nobody while somebody may still come (`still` false). One that is declared external is ended from outside, if whoever
 *     is asked can: not where a wait that is not declared so stands before it in the queue's line.
 *     Sessions of agents outside may act at any time, but nobody counts on it: they end no wait of this kind, and theirs
 *     are external.
 * V6. A task whose newest reply is not carried out yet can act: what is left of it may end any wait. That goes on over a lost lease, since
 *     the next attempt goes on with the reply.
 * V7. Cost: linear in the waits that are reachable; with `still`, in the tasks.
 */

import { waiterOf } from "./blocking-state.ts";
import { joinedChildren } from "./inheritance.ts";
import type { RunState } from "./state.ts";
import {
  isActor,
  isHeldBack,
  isUnstarted,
  isWorking,
  joinsParent,
  type Task,
  type WaitingCall,
  waitsAt,
} from "./task.ts";
import { isExternal, type SemaphoreWant, type Waiter, type Want } from "./want.ts";

/** One of the two things that a task may be able to do. */
export interface Doing {
  readonly task: number;
  readonly act: boolean;
}

/** That each of these ends. */
export function* endsOf(tasks: readonly number[]): Generator<Doing> {
  for (const task of tasks) yield { task, act: false };
}

export interface Wait {
  /** How much of `of` is needed. */
  readonly need: number;
  /** What must be possible, and how much each gives. */
  readonly of: readonly (Doing & { readonly weight: number })[];
  /** In place of `of`: that anybody can act. */
  readonly anyone: boolean;
  /** The tool call that waits; undefined: for dependencies, children, or its own work. */
  readonly call: string | undefined;
}

export interface Stuck {
  /** Tasks whose work is not done and never will be. */
  readonly acting: ReadonlySet<number>;
  readonly ending: ReadonlySet<number>;
}

export interface Supposed {
  /** A task that is about to wait: whatever needs it can't come first. */
  readonly held?: number;
  /** They act, but what needs their end can't come first: they are about to be given more to wait for. */
  readonly endless?: ReadonlySet<number>;
  /** Ended tasks, supposed to be live and at their start again, without children. */
  readonly revived?: ReadonlySet<number>;
  /** Those of them that go on in the middle: they wait for no dependency. */
  readonly resumed?: ReadonlySet<number>;
  /** Children of revived tasks that stay theirs. */
  readonly kept?: ReadonlySet<number>;
  /** Nobody comes to the help of those who wait for anyone (V5) but those who can act themselves. */
  readonly still?: boolean;
}

/** What one provider gives to a wait. */
interface Needed {
  readonly waiting: { readonly waiter: number; left: number };
  readonly weight: number;
}

const nobody: ReadonlySet<number> = new Set();
const keyOf = ({ task, act }: Doing): number => 2 * task + (act ? 1 : 0);

/** Those, among `from` and what they wait for directly or not, that can never act or end. */
export function findStuck(state: RunState, from: Iterable<number>, supposed: Supposed = {}): Stuck {
  const revived = supposed.revived ?? nobody;
  const open = (n: number): Task | undefined => state.live(n) ?? (revived.has(n) ? state.task(n) : undefined);
  const among = { ...supposed, open };
  const stuck = new Map<number, Doing>();
  const unmet = new Map<number, number>();
  const waitsFor = new Map<number, Needed[]>();
  const free: number[] = [];
  const forAnyone: number[] = [];
  const stack: Doing[] = [];
  for (const task of from) stack.push({ task, act: true }, { task, act: false });
  for (let doing = stack.pop(); doing; doing = stack.pop()) {
    const key = keyOf(doing);
    const task = stuck.has(key) ? undefined : open(doing.task);
    if (!task) continue;
    stuck.set(key, doing);
    if (task.n === supposed.held || (!doing.act && supposed.endless?.has(task.n))) continue;
    let waits = 0;
    for (const wait of waitsOf(state, task, doing.act, among)) {
      waits++;
      if (wait.anyone && forAnyone.push(key) === 1) {
        for (const other of state.tasks.keys()) stack.push({ task: other, act: true });
      }
      const waiting = { waiter: key, left: wait.need };
      for (const one of wait.of) {
        const provider = keyOf(one);
        const list = waitsFor.get(provider);
        const needed = { waiting, weight: one.weight };
        if (list) list.push(needed);
        else waitsFor.set(provider, [needed]);
        stack.push(one);
      }
    }
    unmet.set(key, waits);
    if (waits === 0) free.push(key);
  }
  const meet = (waiter: number) => {
    const left = unmet.get(waiter)! - 1;
    unmet.set(waiter, left);
    if (left === 0) free.push(waiter);
  };
  for (let key = free.pop(); key !== undefined; key = free.pop()) {
    const doing = stuck.get(key)!;
    stuck.delete(key);
    if (doing.act && doing.task > 0) for (const waiter of forAnyone.splice(0)) meet(waiter);
    for (const { waiting, weight } of waitsFor.get(key) ?? []) {
      if (waiting.left <= 0) continue;
      waiting.left -= weight;
      if (waiting.left <= 0) meet(waiting.waiter);
    }
  }
  const acting = new Set<number>();
  const ending = new Set<number>();
  for (const { task, act } of stuck.values()) {
    if (!act) ending.add(task);
    else if (revived.has(task) || isWorking(state.task(task))) acting.add(task);
  }
  return { acting, ending };
}

/** Whether somebody is ready, or runs and waits for nothing: whoever needs anyone has one. */
export function canSomebodyGoOn({ header, stopped }: RunState): boolean {
  return header.counts.ready + header.counts.running > stopped.size;
}

/** What must come before a live task can act, or end. */
export function* waitsOf(
  state: RunState,
  task: Task,
  act: boolean,
  {
    revived = nobody,
    resumed = nobody,
    kept = nobody,
    still = false,
    open = (n) => state.live(n),
  }: Supposed & { readonly open?: (n: number) => Task | undefined } = {},
): Generator<Wait> {
  const ends = (names: Iterable<number>, any = false, call?: string): Wait[] => {
    const of: { task: number; act: boolean; weight: number }[] = [];
    for (const n of new Set(names)) if (open(n)) of.push({ task: n, act: false, weight: 1 });
    return of.length === 0 ? [] : [{ need: any ? 1 : of.length, of, anyone: false, call }];
  };
  const isRevived = revived.has(task.n);
  if (!act) {
    // Its work being done, only its children are left.
    if (isRevived || isWorking(task)) yield need([task.n], undefined);
    const children = Array.from(joinedChildren(state, task), (child) => child.n);
    for (const n of task.children) if (revived.has(n) && joinsParent(state.task(n))) children.push(n);
    yield* ends(isRevived ? children.filter((n) => kept.has(n)) : children);
    return;
  }
  if (isRevived) {
    if (!resumed.has(task.n)) yield* ends(task.after);
    return;
  }
  // Nobody sees it act again.
  if (!isWorking(task)) yield { need: 1, of: [], anyone: false, call: undefined };
  if (state.blocking.isUnfinished(task)) return;
  if (isHeldBack(task) || (revived.size > 0 && isUnstarted(task))) yield* ends(task.after);
  for (const call of task.calls) {
    if (call.state !== "waiting") continue;
    if (call.want) yield* waitsForVariables(state, task, call, call.want, still);
    else if (call.until === 0) yield* ends(call.targets, call.mode === "any", call.id);
  }
}

/** What these wait for, directly or not: each wait once, also where it is for what was met before. */
export function* waitsAhead(state: RunState, from: Iterable<Doing>, supposed?: Supposed): Generator<Wait> {
  const seen = new Set<number>();
  const stack = [...from];
  for (let doing = stack.pop(); doing; doing = stack.pop()) {
    const key = keyOf(doing);
    const task = seen.has(key) ? undefined : state.live(doing.task);
    seen.add(key);
    if (!task) continue;
    for (const wait of waitsOf(state, task, doing.act, supposed)) {
      for (const one of wait.of) stack.push(one);
      yield wait;
    }
  }
}

/** All of these can act. */
const need = (numbers: readonly number[], call: string | undefined): Wait => ({
  need: numbers.length,
  of: numbers.map((task) => ({ task, act: true, weight: 1 })),
  anyone: false,
  call,
});

/** Whether a wait ends by itself. */
type IsGone = (waiter: { readonly until: number }) => boolean;

function* waitsForVariables(
  state: RunState,
  task: Task,
  call: WaitingCall,
  want: Want,
  still: boolean,
): Generator<Wait> {
  const { until, id } = call;
  const { blocking } = state;
  const isGone: IsGone = still ? (waiter) => waiter.until > 0 : () => false;
  const waiter = waiterOf(task, call, want);
  if (want.kind === "lock") {
    // Whoever gets it loses it again.
    if (isGone(waiter) || (still && state.header.limits.holdMs > 0)) return;
    for (const name of want.names) {
      const providers = [...new Set(blocking.line(name, "lock").providersOf({ ...waiter, want }, isGone))];
      if (providers.length > 0) yield need(providers, id);
    }
  } else if (want.kind === "semaphore") {
    if (!isGone(waiter)) yield* permitsNeeded(state, task, { ...waiter, want }, isGone);
  } else if (until === 0 && want.kind === "barrier" && want.members.length >= want.parties) {
    const line = blocking.line(want.names[0], "barrier");
    const arrived = new Set(line.waiters.map((one) => one.task));
    const missing = want.members.filter((n) => !arrived.has(n) && state.live(n));
    yield { ...need(missing, id), need: want.parties - arrived.size };
  } else if (until === 0 && !isActor(task) && still && !isEndedOutside(state, call.seq, want)) {
    yield { need: 1, of: [], anyone: true, call: id };
  }
}

/** By whoever is asked: of a queue that is the first in line (QU1), so nobody is while a wait for anybody stands before it for ever. */
function isEndedOutside(state: RunState, seq: number, want: Want): boolean {
  if (!isExternal(want)) return false;
  const before = want.kind === "pop" ? state.blocking.line(want.names[0], "message_queue").inside.first : undefined;
  return !before || before.seq > seq;
}

/** Those before it in line only need to be granted; but one that can't act then keeps what it is granted. */
function* permitsNeeded(
  state: RunState,
  task: Task,
  { seq, call, want }: Waiter<SemaphoreWant>,
  isGone: IsGone,
): Generator<Wait> {
  const [name] = want.names;
  const line = state.blocking.line(name, "semaphore");
  const free = (state.blocking.factsOf(name, "semaphore")?.permits ?? 0) - line.held;
  const of = new Map(line.holders);
  of.delete(task.n);
  let missing = want.permits - free;
  const { several } = state.blocking;
  for (const before of keptBefore(state, [task.n, ...several], name, seq)) {
    if (isGone(before)) continue;
    missing += before.want.permits;
    if (before.task !== task.n) of.set(before.task, (of.get(before.task) ?? 0) + before.want.permits);
  }
  let next: number | undefined;
  for (const before of line.before(seq)) {
    if (before.task === task.n || several.has(before.task) || isGone(before)) continue;
    next = before.task;
    break;
  }
  const back = Array.from(of, ([n, weight]) => ({ task: n, act: true, weight }));
  if (missing > 0) yield { need: missing, of: back, anyone: false, call };
  if (next !== undefined) yield need([next], call);
}

/** The waits of these tasks that stand before `seq` in a semaphore's line, the nearest first. */
function keptBefore(state: RunState, tasks: Iterable<number>, name: string, seq: number) {
  const found: Waiter<SemaphoreWant>[] = [];
  for (const n of new Set(tasks)) {
    const task = state.task(n);
    for (const call of waitsAt(task, "semaphore"))
      if (call.want.names[0] === name && call.seq < seq)
        found.push({ ...waiterOf(task, call, call.want), want: call.want });
  }
  return found.sort((one, other) => other.seq - one.seq);
}
