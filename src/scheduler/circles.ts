/**
 * Whether a wait that begins, or has begun, or a new task, may close a circle: asked before the fixpoint of liveness.ts, which looks at all that a wait
 * reaches, and mostly spares it.
 *
 * I1. Never "no" where there is one: whoever needs the task, to act or to end, is behind it, and whatever those that it waits for need is
 *     ahead of it. So either search that comes to its end without meeting the other's beginning is a proof.
 * I2. Cost: some multiple of the shorter search. A main agent that awaits the end of a long chain has nobody behind it, and a task that
 *     thousands depend on mostly waits for somebody who waits for nobody.
 */

import { directWaitersOf } from "./inheritance.ts";
import type { Line } from "./lines.ts";
import { type Doing, waitsAhead } from "./liveness.ts";
import type { RunState } from "./state.ts";
import { joinsParent, namesHeld, type Task } from "./task.ts";

/** Steps of one search before the other goes on: one step ahead may be to look up thousands of children. */
const stepsInTurn = 16;

/** Whether any of `from` may wait for `task`, directly or not. They are not asked for where nobody does. */
export function mayWaitFor(state: RunState, from: Iterable<Doing>, task: Task): boolean {
  const passed: Passed = new Map();
  const after = allBehind(state, behind(state, task, passed), passed);
  return meet(state, from, (doing) => doing.task === task.n, after);
}

/** Whether any of `tasks` may wait for the end of one of `endless`, directly or not. */
export function mayWaitForEndOf(state: RunState, tasks: Iterable<number>, endless: ReadonlySet<number>): boolean {
  const from = [...tasks].flatMap((task) => [true, false].map((act): Doing => ({ task, act })));
  const after = allBehind(state, waitersOf(state, endless), new Map());
  return meet(state, from, ({ task, act }) => !act && endless.has(task), after);
}

function* waitersOf(state: RunState, numbers: Iterable<number>): Generator<Task> {
  for (const n of numbers) {
    const task = state.live(n);
    if (task) yield* directWaitersOf(state, task);
  }
}

/** Whether what is ahead of `from` comes to a goal, or `after`, who is behind the goals, to one of `from`. */
function meet(
  state: RunState,
  from: Iterable<Doing>,
  isGoal: (doing: Doing) => boolean,
  after: Iterator<Task>,
): boolean {
  let next = after.next();
  if (next.done) return false;
  const begun = [...from];
  if (begun.some(isGoal)) return true;
  const first = new Set(begun.map(({ task }) => task));
  const before = allAhead(state, begun);
  for (;;) {
    for (let left = stepsInTurn; left > 0; left--) {
      if (next.done) return false;
      if (first.has(next.value.n)) return true;
      next = after.next();
    }
    for (let left = stepsInTurn; left > 0; left--) {
      const { done, value } = before.next();
      if (done) return false;
      if (isGoal(value)) return true;
    }
  }
}

/** These, then those that wait for one of them, directly or not: each once, however many lines and barriers they share. */
function* allBehind(state: RunState, these: Iterable<Task>, passed: Passed): Generator<Task> {
  const seen = new Set<Task>();
  const stack: Task[] = [];
  for (let waiters = these; ; ) {
    for (const waiter of waiters) {
      if (seen.has(waiter)) continue;
      seen.add(waiter);
      stack.push(waiter);
      yield waiter;
    }
    const next = stack.pop();
    if (!next) return;
    waiters = behind(state, next, passed);
  }
}

/** What these wait for, directly or not; a step for each wait, also of a task that was met before. */
function* allAhead(state: RunState, from: readonly Doing[]): Generator<Doing> {
  for (const { of } of waitsAhead(state, from)) yield* of;
}

/** Of each line, from which wait on all that stand there were gone through. */
type Passed = Map<Line, number>;

/** Whoever can't go on before this task does, and perhaps some that could; of lines only those who were not passed before. */
function* behind(state: RunState, task: Task, passed: Passed): Generator<Task> {
  const { blocking } = state;
  yield* directWaitersOf(state, task);
  for (const name of namesHeld(task)) yield* standingAt(state, name, 0, passed);
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
