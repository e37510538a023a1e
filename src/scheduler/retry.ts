/** Explicit retry (DESIGN §6): a new generation from the start, and with it the tasks that were skipped because of it. */

import { cancelTask, endTask, settle } from "./ending.ts";
import { isRunEnded, type Refusal } from "./run-commands.ts";
import type { Step } from "./step.ts";
import { isEnded, type Task } from "./task.ts";

/** Begins a new generation of an ended task. Its children are cancelled and their keys freed; its usage stays counted. */
export function retryTask(step: Step, task: Task): Refusal | undefined {
  const { state } = step;
  if (!isEnded(task)) return { code: "task_not_ended", detail: `It is ${task.phase.state}.` };
  if (isRunEnded(state)) step.emit({ type: "run_reopened" });
  const again: Task[] = [];
  const stack: { task: Task; why: "asked" | "dependency_retried" }[] = [{ task, why: "asked" }];
  for (let next = stack.pop(); next; next = stack.pop()) {
    const one = next.task;
    if (!isEnded(one)) continue;
    for (const n of one.children) {
      const child = state.live(n);
      if (child) cancelTask(step, child, "Its parent is retried.");
    }
    step.emit({ type: "task_retried", task: one.n, generation: one.generation + 1, why: next.why });
    again.push(one);
    for (const n of one.dependents) {
      const dependent = state.task(n);
      if (isEnded(dependent) && dependent.phase.state === "skipped" && dependent.phase.because === one.n) {
        stack.push({ task: dependent, why: "dependency_retried" });
      }
    }
  }
  for (const one of again) release(step, one);
  settle(step);
  return undefined;
}

/** Starts a retried task, or skips it again when a dependency of it is still failed. */
function release(step: Step, task: Task): void {
  if (task.phase.state !== "waiting") return;
  const broken = task.after
    .map((n) => step.state.task(n))
    .find((one) => isEnded(one) && one.phase.state !== "succeeded");
  if (broken && !task.runOnFailure) {
    const error = {
      code: "dependency_failed",
      message: `A task that it depends on ${broken.phase.state}.`,
      because: broken.n,
    };
    endTask(step, task, { state: "skipped", error });
  } else if (task.phase.pending === 0) {
    step.emit({ type: "task_ready", task: task.n, why: "dependencies" });
  }
}
