/**
 * Explicit retry (DESIGN §6): a new generation from the start, and with it the tasks that were skipped because of it.
 *
 * Y1. What the task created is void: its tasks are cancelled, their keys are free, their failures count for nothing.
 * Y2. A task skipped because of a retried one waits again, and so on along the chain of causes.
 * Y3. A retry that would make tasks wait for each other in a circle is refused; nothing is changed then.
 */

import { settleBudget } from "./budget.ts";
import { cancelTask, meetEndedDependencies, settle } from "./ending.ts";
import { findStuck } from "./liveness.ts";
import { isRunEnded, type Refusal } from "./run-commands.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { isEnded, isLive, joinsParent, type Task } from "./task.ts";
import { observe } from "./waits.ts";

/** Begins a new generation of an ended task; its usage stays counted. */
export function retryTask(step: Step, task: Task): Refusal | undefined {
  const { state } = step;
  if (!isEnded(task)) return { code: "task_not_ended", detail: `It is ${task.phase.state}.` };
  const again = withSkipped(state, task);
  if (findStuck(state, again, { revived: again }).ending.size > 0) {
    return { code: "dependency_cycle", detail: "It would wait for a task that by now waits for it." };
  }
  if (isRunEnded(state)) step.emit({ type: "run_reopened" });
  for (const n of again) {
    const one = state.task(n);
    voidChildren(step, one);
    const why = one === task ? "asked" : "dependency_retried";
    step.emit({ type: "task_retried", task: n, generation: one.generation + 1, why });
  }
  for (const n of again) release(step, state.task(n));
  settle(step);
  settleBudget(step);
  return undefined;
}

/** The task, and those that were skipped because of it (Y2), each after its cause. */
function withSkipped(state: RunState, task: Task): ReadonlySet<number> {
  const again = new Set([task.n]);
  for (const n of again) {
    for (const dependent of state.task(n).dependents) {
      const { phase } = state.task(dependent);
      if (phase.state === "skipped" && phase.because === n && !isVoidedBy(state, task, dependent)) again.add(dependent);
    }
  }
  return again;
}

/** Whether the retry of `task` makes task `n` void, as one that it created (a task skipped in this generation created none). */
function isVoidedBy(state: RunState, task: Task, n: number): boolean {
  let one = state.task(n);
  while (joinsParent(one) && one.parent !== task.n) one = state.task(one.parent);
  return one.parent === task.n && !one.keyFreed;
}

/** Y1, down the tree; a detached task of a cancelled child goes on, as its declaration says. */
function voidChildren(step: Step, task: Task): void {
  const stack = [...task.children];
  for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
    const one = step.state.task(n);
    if (isLive(one)) cancelTask(step, one, "Its parent is retried.");
    else observe(step, one);
    stack.push(...one.children.filter((child) => !step.state.task(child).detached));
  }
}

/** Starts a retried task, or skips it again when another dependency of it is still failed. */
function release(step: Step, task: Task): void {
  if (task.phase.state !== "waiting") return;
  meetEndedDependencies(step, task);
  if (isLive(task) && task.phase.state === "waiting" && task.phase.pending === 0) {
    step.emit({ type: "task_ready", task: task.n, why: "dependencies" });
  }
}
