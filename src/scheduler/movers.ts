/**
 * What will move each live task of a state on, from its phase and the indexes that the movers look at. A task, or a waiting
 * call, without any would stay where it is for ever, whatever timers and workers did: the state itself is damaged then.
 *
 * U1. Every live task has a mover: a dependency, a backoff or a lease's timer, a queue that workers or seats take from, the first
 *     reader that it is held for, a live child, the queue for tokens, or one of its waiting calls.
 * U2. Every waiting call has one: a live target, its place in the line of each variable, its place among the open calls, or its
 *     timer.
 * U3. A timer counts only where the run's clock rings by then.
 * U4. What is unmoved is a finding once, and again when it is something else.
 */

import { findingSubjectsMax } from "../limits.ts";
import { isOpenCall } from "./open-calls.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { hasWaits, isEnded, joinsParent, type Task, type WaitingCall } from "./task.ts";
import { lineKindOf } from "./want.ts";

export interface Unmoved {
  readonly task: number;
  /** The waiting call; undefined: the task itself. */
  readonly call: string | undefined;
  /** What it waits for, in a few words. */
  readonly where: string;
}

/**
 * Who stands in which list, as the movers go through them: of long ones what stands there is known after one look, since thousands may stand
 * in the same.
 */
class Lists {
  readonly #known = new Map<readonly number[], ReadonlySet<number>>();

  has(list: readonly number[] | undefined, n: number): boolean {
    if (!list || list.length < longList) return list?.includes(n) === true;
    const known = this.#known.get(list) ?? new Set(list);
    this.#known.set(list, known);
    return known.has(n);
  }
}

const longList = 64;

/** Tasks, sessions and calls that nothing will move. Linear in the live tasks and their waits: for the sweep and for tests. */
export function unmoved(state: RunState): Unmoved[] {
  const found: Unmoved[] = [];
  const lists = new Lists();
  for (const task of state.tasks.values()) {
    if (isEnded(task)) continue;
    if (!isMoved(state, task, lists)) found.push({ task: task.n, call: undefined, where: phaseOf(task) });
    for (const call of task.calls) {
      if (call.state === "waiting" && !isCallMoved(state, task, call, lists))
        found.push({ task: task.n, call: call.id, where: call.want ? lineKindOf(call.want) : "call" });
    }
  }
  return found;
}

/**
 * U4. Looks, and tells of what was not told yet.
 * @param told what this answered when it told of something last; asked only when there is something
 */
export function reportUnmoved(step: Step, told: () => string | undefined): string {
  const found = unmoved(step.state);
  const first = found.slice(0, findingSubjectsMax);
  const names = first.map(({ task, call, where }) => `${task}:${call ?? ""}:${where}`).join(" ");
  if (found.length === 0 || names === told()) return names;
  const places = [...new Set(first.map(({ where }) => where))].join(", ");
  const message = `Nothing will move ${found.length} tasks or calls (${places}). That is a fault of Heddle's: cancel the tasks, or save the run as a file and report it.`;
  const subjects = [...new Set(first.map(({ task }) => task))].filter((n) => n > 0);
  step.emit({ type: "finding", kind: "unmoved", severity: "error", subjects, message });
  return names;
}

const phaseOf = ({ phase }: Task): string => (phase.state === "parked" ? `parked on ${phase.on}` : phase.state);

/** U1 */
function isMoved(state: RunState, task: Task, lists: Lists): boolean {
  const { n, phase } = task;
  switch (phase.state) {
    case "waiting":
      if (phase.until > 0) return rings(state, n, phase.until);
      return task.after.some((one) => lists.has(state.live(one)?.dependents, n));
    case "ready":
      return state.isHeld(task) || state.ready.get(task.pool)?.has(n) === true;
    case "running":
      return rings(state, n, phase.expiresAt);
    case "parked":
      if (phase.on === "children") return task.children.some((child) => isJoined(state.live(child)));
      if (phase.on === "budget") return state.budgetQueue.has(n);
      return hasWaits(task);
    default:
      return true;
  }
}

const isJoined = (child: Task | undefined): boolean => child !== undefined && joinsParent(child);

/** U2 */
function isCallMoved(state: RunState, task: Task, call: WaitingCall, lists: Lists): boolean {
  if (isOpenCall(call)) return state.openCalls.find(call.seq)?.task === task.n && rings(state, task.n, call.until);
  if (call.until > 0 && !rings(state, task.n, call.until)) return false;
  const { want } = call;
  if (!want) return call.until > 0 || call.targets.some((one) => lists.has(state.live(one)?.awaiters, task.n));
  return want.names.every((name) => state.blocking.lineOf(name)?.has(call.seq) === true);
}

/** U3 */
const rings = (state: RunState, n: number, at: number): boolean => (state.timedAt(n) ?? Number.POSITIVE_INFINITY) <= at;
