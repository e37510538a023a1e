/**
 * Tool calls that wait for tasks (`await_tasks`): when a wait is over, who is woken, and which waits may not begin.
 *
 * W1. A call is recorded before its task gives its lease back, so no end can be missed.
 * W2. A parked task wakes when none of its calls waits any more: one turn answers all calls of a reply.
 * W3. A wait that could never end is refused at once with `would_deadlock`; liveness is a least fixpoint over what the
 *     tasks reachable from the targets wait for.
 */

import type { WaitMode } from "../contract/shapes.ts";
import { providersOf } from "./inheritance.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { type Call, isEnded, type Task } from "./task.ts";

/** Whether a wait is over (DESIGN §4, `wait`). An empty list is. */
export function waitIsOver(tasks: readonly Task[], mode: WaitMode): boolean {
  const ended = tasks.filter(isEnded);
  if (ended.length === tasks.length) return true;
  if (mode === "all") return ended.some((task) => task.phase.state !== "succeeded");
  if (mode === "any") return ended.some((task) => task.phase.state === "succeeded");
  return false;
}

export type AwaitOutcome =
  | { readonly kind: "done"; readonly seq: number }
  | { readonly kind: "waiting"; readonly call: Extract<Call, { state: "waiting" }> }
  | { readonly kind: "would_deadlock"; readonly cycle: readonly number[] };

/** Begins a wait of a running task, or answers at once. Idempotent by the call's id. */
export function beginAwait(
  step: Step,
  task: Task,
  call: { id: string; targets: readonly number[]; mode: WaitMode; until: number },
): AwaitOutcome {
  const { state } = step;
  const known = task.calls.find((one) => one.id === call.id);
  if (known?.state === "done") return { kind: "done", seq: known.seq };
  if (known?.state === "waiting") return { kind: "waiting", call: known };
  const cycle = deadlockOf(state, task, call.targets, call.mode);
  if (cycle) return { kind: "would_deadlock", cycle };
  const targets = call.targets.map((n) => state.task(n));
  if (waitIsOver(targets, call.mode)) {
    observeAll(step, targets);
    return {
      kind: "done",
      seq: step.emit({ type: "call_done", task: task.n, call: call.id, tool: "await_tasks", why: "settled" }),
    };
  }
  const seq = step.emit({
    type: "call_waiting",
    task: task.n,
    call: call.id,
    targets: call.targets,
    mode: call.mode,
    ...(call.until > 0 && { until: call.until }),
  });
  return {
    kind: "waiting",
    call: { id: call.id, state: "waiting", seq, targets: call.targets, mode: call.mode, until: call.until },
  };
}

/** Ends the waits that the end of `target` fulfils. */
export function settleCalls(step: Step, target: Task): void {
  for (const n of [...new Set(target.awaiters)]) {
    const waiter = step.state.live(n);
    if (!waiter) continue;
    for (const call of waiter.calls) {
      if (call.state !== "waiting" || !call.targets.includes(target.n)) continue;
      const targets = call.targets.map((one) => step.state.task(one));
      if (!waitIsOver(targets, call.mode)) continue;
      observeAll(step, targets);
      endWait(step, waiter, call.id, "settled");
    }
  }
}

/** Ends one waiting call and wakes its task when that was the last one (W2). */
export function endWait(step: Step, task: Task, callId: string, why: "settled" | "timed_out"): void {
  const cause = step.emit({ type: "call_done", task: task.n, call: callId, tool: "await_tasks", why });
  if (task.calls.some((one) => one.state === "waiting")) return;
  if (task.phase.state === "parked" && task.phase.on === "calls") {
    step.emit({ type: "task_ready", task: task.n, why: "wake" }, undefined, [cause]);
  } else if (task.phase.state === "running" && task.phase.blocked) {
    step.emit({ type: "call_blocked", task: task.n, fence: task.phase.fence, blocked: false });
  }
}

function observeAll(step: Step, targets: readonly Task[]): void {
  for (const target of targets) {
    if (target.phase.state === "failed" && !target.observed) step.emit({ type: "task_observed", task: target.n });
  }
}

/** The tasks of the cycle when `task` waiting for `targets` could never end (W3); undefined when it can. */
function deadlockOf(
  state: RunState,
  task: Task,
  targets: readonly number[],
  mode: WaitMode,
): readonly number[] | undefined {
  for (const n of targets) {
    if (n === task.n) return [n];
    for (let up = state.find(task.parent); up; up = state.find(up.parent)) if (up.n === n) return [task.n, n];
  }
  const nodes = reachable(state, targets);
  if (!nodes.has(task.n)) return undefined;
  const live = liveness(state, nodes, task.n);
  const open = targets.filter((n) => state.live(n));
  const proceeds = mode === "any" ? open.some((n) => live.has(n)) : open.every((n) => live.has(n));
  return proceeds ? undefined : [task.n, ...open.filter((n) => !live.has(n))];
}

function reachable(state: RunState, from: readonly number[]): Map<number, Task> {
  const found = new Map<number, Task>();
  const stack = [...from];
  for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
    const one = state.live(n);
    if (!one || found.has(n)) continue;
    found.set(n, one);
    for (const provider of providersOf(state, one)) stack.push(provider.n);
  }
  return found;
}

/** The least fixpoint: a task is live when nothing holds it, or when what must end for it to go on is live. `held` is not. */
function liveness(state: RunState, nodes: ReadonlyMap<number, Task>, held: number): ReadonlySet<number> {
  const live = new Set<number>();
  const isHere = (n: number) => live.has(n) || !state.live(n);
  for (let grew = true; grew; ) {
    grew = false;
    for (const [n, one] of nodes) {
      if (live.has(n) || n === held) continue;
      const waits = one.calls.filter((call) => call.state === "waiting");
      const callsMove = waits.every(
        (call) => call.until > 0 || (call.mode === "any" ? call.targets.some(isHere) : call.targets.every(isHere)),
      );
      const phaseMoves =
        one.phase.state === "waiting"
          ? one.after.every(isHere)
          : one.phase.state === "parked" && one.phase.on === "children"
            ? one.children.every((child) => state.live(child)?.detached === true || isHere(child))
            : true;
      if (callsMove && phaseMoves) {
        live.add(n);
        grew = true;
      }
    }
  }
  return live;
}
