/**
 * Tool calls that wait for tasks (`await_tasks`): when a wait is over, who is woken, and which waits may not begin.
 *
 * W1. A call is recorded before its task gives its lease back, so no end can be missed.
 * W2. A parked task wakes when none of its calls waits any more: one turn answers all calls of a reply.
 * W3. A wait that could never end is refused at once with `would_deadlock`.
 * W4. A wait of mode `any` may begin while one target can end. When that one ends without success and the others wait for
 *     the waiter, the wait ends with `deadlock`: never a hang.
 */

import type { WaitMode } from "../contract/shapes.ts";
import { knownCall, wake } from "./calls.ts";
import { mayWaitFor } from "./circles.ts";
import { endsOf, findStuck } from "./liveness.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { isEnded, type Task, type WaitingCall } from "./task.ts";

/** Whether a wait is over (DESIGN §4, `wait`). An empty list is. */
export function waitIsOver(tasks: readonly Task[], mode: WaitMode): boolean {
  const ended = tasks.filter(isEnded);
  if (ended.length === tasks.length) return true;
  if (mode === "all") return ended.some((task) => task.phase.state !== "succeeded");
  if (mode === "any") return ended.some((task) => task.phase.state === "succeeded");
  return false;
}

/** Records that somebody has seen a task's failure, so that it counts as handled. */
export function observe(step: Step, task: Task): void {
  if (task.phase.state === "failed" && !task.observed) step.emit({ type: "task_observed", task: task.n });
}

export type AwaitOutcome =
  | { readonly kind: "done"; readonly seq: number }
  | { readonly kind: "waiting" }
  | { readonly kind: "would_deadlock"; readonly cycle: readonly number[] };

/** Begins a wait of a running task, or answers at once. Idempotent by the call's id. */
export function beginAwait(
  step: Step,
  task: Task,
  call: { id: string; targets: readonly number[]; mode: WaitMode; until: number },
): AwaitOutcome {
  const { state } = step;
  const known = knownCall(task, call.id);
  if (known) return known;
  const own = ownEnd(state, task, call.targets);
  if (own) return { kind: "would_deadlock", cycle: own };
  const targets = call.targets.map((n) => state.task(n));
  if (waitIsOver(targets, call.mode)) {
    for (const target of targets) observe(step, target);
    const done = { type: "call_done", task: task.n, call: call.id, tool: "await_tasks", why: "settled" } as const;
    // What goes on from here follows from all of them, as if it had waited.
    const named = call.mode !== "any" && call.targets.length > 0 && { targets: call.targets };
    return { kind: "done", seq: step.emit({ ...done, ...named }, { targets: call.targets }) };
  }
  const cycle = stuckTargets(state, task, call.targets, call.mode);
  if (cycle) return { kind: "would_deadlock", cycle };
  step.emit({
    type: "call_waiting",
    task: task.n,
    call: call.id,
    targets: call.targets,
    mode: call.mode,
    ...(call.until > 0 && { until: call.until }),
  });
  return { kind: "waiting" };
}

/** Ends the waits that the end of `target` fulfils, and those of mode `any` whose last way out it was (W4). */
export function settleCalls(step: Step, target: Task): void {
  const causes = step.endSeqs(target.n);
  for (const n of [...new Set(target.awaiters)]) {
    const waiter = step.state.live(n);
    if (!waiter) continue;
    for (const call of waiter.calls) {
      if (call.state !== "waiting" || !call.targets.includes(target.n)) continue;
      const targets = call.targets.map((one) => step.state.task(one));
      if (waitIsOver(targets, call.mode)) endWait(step, waiter, call, "settled", causes);
      else if (isGivenUp(step.state, waiter, call)) endWait(step, waiter, call, "deadlock", causes);
    }
  }
}

/** W4. What is left of the waiter's reply may end the wait yet: then it is looked at when that is carried out (deadlock.ts). */
const isGivenUp = (state: RunState, waiter: Task, { mode, until, targets }: WaitingCall): boolean =>
  mode === "any" &&
  until === 0 &&
  !state.blocking.isUnfinished(waiter) &&
  stuckTargets(state, waiter, targets, mode) !== undefined;

/** Ends a wait for tasks and wakes its task when that was the last one (W2). The failures that its answer shows are seen. */
export function endWait(
  step: Step,
  task: Task,
  call: WaitingCall,
  why: "settled" | "timed_out" | "deadlock",
  causes: readonly number[] = [],
): void {
  const { targets } = call;
  for (const n of targets) observe(step, step.state.task(n));
  const done = { type: "call_done", task: task.n, call: call.id, tool: "await_tasks", why } as const;
  wake(step, task, step.emit(done, { targets }, causes));
}

/** A wait for itself or for an ancestor is refused whatever else it names (W3): the tasks of that cycle. */
function ownEnd(state: RunState, task: Task, targets: readonly number[]): readonly number[] | undefined {
  for (const n of targets) {
    if (n === task.n) return [n];
    for (let up = state.find(task.parent); up; up = state.find(up.parent)) if (up.n === n) return [task.n, n];
  }
  return undefined;
}

/** The task and those of its targets that wait for it, when these alone keep the wait from ever being over. */
function stuckTargets(
  state: RunState,
  task: Task,
  targets: readonly number[],
  mode: WaitMode,
): readonly number[] | undefined {
  if (!mayWaitFor(state, endsOf(targets), task)) return undefined;
  const stuck = findStuck(state, targets, { held: task.n }).ending;
  if (stuck.size === 0) return undefined;
  const open = targets.filter((n) => state.live(n));
  const dead = open.filter((n) => stuck.has(n));
  const enough = mode === "any" ? open.length : 1;
  return dead.length >= enough ? [task.n, ...dead] : undefined;
}
