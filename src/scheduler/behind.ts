/**
 * Who waits for whom, from the other end: the way from a task to those that can't go on before it. It says for sure that there is no
 * cycle, and only for perhaps that there is one: then the fixpoint of liveness.ts decides. A walk from one end alone may come to all
 * of the run's tasks for nothing: behind a long chain, or before one.
 */

import { directWaitersOf } from "./inheritance.ts";
import type { Line } from "./lines.ts";
import { type Doing, waitsOf } from "./liveness.ts";
import type { RunState } from "./state.ts";
import { joinsParent, type Task } from "./task.ts";

/**
 * Whether somebody that the task waits for may be waiting for it, directly or not; else it closes no cycle, and the search for
 * one is spared: a long line of tasks that hold nothing costs each newcomer next to nothing. Cost: those behind it, each once,
 * however many lines and barriers they share.
 */
export function mayClose(state: RunState, task: Task): boolean {
  if (behind(state, task, new Map()).next().done) return false;
  const providers = new Set<number>();
  for (const { of } of waitsOf(state, task, true)) for (const one of of) providers.add(one.task);
  if (providers.size === 0) return false;
  for (const waiter of allBehind(state, [], [task])) if (providers.has(waiter.n)) return true;
  return false;
}

/**
 * Whether any of `tasks` may be waiting for the end of one of `endless`, directly or not. Looks from both ends by turns: a creator of
 * whom nobody waits for the end pays nothing for a long chain before its child, nor one with many behind it for a child that
 * comes after little. Cost: twice the shorter way.
 */
export function mayWaitForEndOf(state: RunState, tasks: ReadonlySet<number>, endless: ReadonlySet<number>): boolean {
  const ahead = allAhead(state, tasks);
  const waiters: Task[] = [];
  for (const n of endless) {
    const task = state.live(n);
    if (task) waiters.push(...directWaitersOf(state, task));
  }
  const back = allBehind(state, waiters, waiters);
  for (;;) {
    const { value: doing } = ahead.next();
    if (!doing) return false;
    if (!doing.act && endless.has(doing.task)) return true;
    const { value: waiter } = back.next();
    if (!waiter) return false;
    if (tasks.has(waiter.n)) return true;
  }
}

/** What must come before these tasks can act and end, themselves included, each once. */
function* allAhead(state: RunState, tasks: Iterable<number>): Generator<Doing, undefined> {
  const seen = { act: new Set<number>(), end: new Set<number>() };
  const stack: Doing[] = [];
  for (const task of tasks) stack.push({ task, act: true }, { task, act: false });
  for (let doing = stack.pop(); doing; doing = stack.pop()) {
    const { task, act } = doing;
    const known = act ? seen.act : seen.end;
    if (known.has(task)) continue;
    known.add(task);
    yield doing;
    const live = state.live(task);
    if (live) for (const { of } of waitsOf(state, live, act)) stack.push(...of);
  }
  return undefined;
}

/** These, then whoever can't go on before those of `from` do, each once. */
function* allBehind(state: RunState, these: Iterable<Task>, from: readonly Task[]): Generator<Task, undefined> {
  yield* these;
  const passed: Passed = new Map();
  const seen = new Set(from);
  const stack = [...seen];
  for (let one = stack.pop(); one; one = stack.pop()) {
    for (const waiter of behind(state, one, passed)) {
      yield waiter;
      if (!seen.has(waiter)) stack.push(waiter);
      seen.add(waiter);
    }
  }
  return undefined;
}

/** Of each line, from which wait on all that stand there were gone through. */
type Passed = Map<Line, number>;

/** Whoever can't go on before this task does, and perhaps some that could; of lines only those who were not passed before. */
function* behind(state: RunState, task: Task, passed: Passed): Generator<Task> {
  const { blocking } = state;
  yield* directWaitersOf(state, task);
  for (const { name } of [...task.holds, ...task.permits]) yield* standingAt(state, name, 0, passed);
  const parent = joinsParent(task) && state.live(task.parent);
  if (parent) yield parent;
  for (const name of blocking.barriersOf(task.n)) yield* standingAt(state, name, 0, passed);
  for (const call of task.calls) {
    if (call.state !== "waiting" || !call.want) continue;
    for (const name of call.want.names) yield* standingAt(state, name, call.seq, passed);
  }
}

function* standingAt(state: RunState, name: string, seq: number, passed: Passed): Generator<Task> {
  const line = state.blocking.lineOf(name);
  if (!line) return;
  const until = passed.get(line) ?? Number.POSITIVE_INFINITY;
  if (seq >= until) return;
  passed.set(line, seq);
  for (const { task, seq: at } of line.after(seq)) {
    if (at > until) return;
    yield state.task(task);
  }
}
