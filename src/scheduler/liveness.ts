/**
 * Liveness (DESIGN §6): which tasks can still end, as a least fixpoint over what they wait for.
 *
 * V1. A task can end when for each of its waits enough of the tasks that it names can: all of them, or one for mode `any`.
 * V2. Its own children count as waited for from their creation: it ends only after them.
 * V3. A wait with a timeout holds nobody for ever.
 * V4. A wait for a lock needs its holders, and those before it in the queue; a timeout of it does not count, since the cycle
 *     that it would end is one already.
 * V5. Cost: linear in the waits that are reachable.
 */

import { joinedChildren } from "./inheritance.ts";
import type { RunState } from "./state.ts";
import { isHeldBack, isUnstarted, joinsParent, type Task } from "./task.ts";

interface Wait {
  readonly waiter: number;
  /** How many more of `of` must end. */
  need: number;
  readonly of: ReadonlySet<number>;
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
      for (const provider of wait.of) {
        const list = waitsFor.get(provider);
        if (list) list.push(wait);
        else waitsFor.set(provider, [wait]);
        stack.push(provider);
      }
    }
  }
  for (let n = free.pop(); n !== undefined; n = free.pop()) {
    stuck.delete(n);
    for (const wait of waitsFor.get(n) ?? []) {
      if (--wait.need !== 0) continue;
      const left = unmet.get(wait.waiter)! - 1;
      unmet.set(wait.waiter, left);
      if (left === 0) free.push(wait.waiter);
    }
  }
  return stuck;
}

export function* waitsOf(
  state: RunState,
  task: Task,
  revived: ReadonlySet<number> = nobody,
  open: (n: number) => Task | undefined = (n) => state.live(n),
): Generator<Wait> {
  const wait = (names: Iterable<number>, any = false, call?: string): Wait[] => {
    const of = new Set([...names].filter(open));
    return of.size === 0 ? [] : [{ waiter: task.n, need: any ? 1 : of.size, of, call }];
  };
  if (revived.has(task.n)) {
    yield* wait(task.after);
    return;
  }
  if (isHeldBack(task) || (revived.size > 0 && isUnstarted(task))) yield* wait(task.after);
  for (const call of task.calls) {
    if (call.state !== "waiting") continue;
    if (call.until === 0) yield* wait(call.targets, call.mode === "any", call.id);
    for (const name of call.lock?.names ?? []) {
      const waiter = { task: task.n, call: call.id, seq: call.seq, ...call.lock! };
      yield* wait(state.lock(name).providersOf(waiter), false, call.id);
    }
  }
  const children = [...joinedChildren(state, task)].map((child) => child.n);
  for (const n of task.children) if (revived.has(n) && joinsParent(state.task(n))) children.push(n);
  yield* wait(children);
}
