/**
 * How tasks and runs end, and what follows: children, dependents, awaiters, the parent, the run (DESIGN §6).
 *
 * E1. A task ends once in a generation; whoever comes later is refused by the fence.
 * E2. Children that are not detached never outlive a task: its work being done, it waits for them; failing, it cancels them.
 * E3. A failure that no awaiter and no `after … "run"` has seen counts against its parent and its run.
 * E4. What follows from an end is a worklist, not a recursion: a chain of 10,000 skips needs no stack.
 */

import { mayWaitFor } from "./circles.ts";
import { cancelAll, endOf, endTask } from "./end-task.ts";
import { reportNotUndone, standInOf } from "./fallbacks.ts";
import { groupOf, isFailedGroupOf, settleGroup, verdictOf } from "./groups.ts";
import { handOver } from "./hand-over.ts";
import { joinedChildren } from "./inheritance.ts";
import { endsOf, findStuck } from "./liveness.ts";
import { isRunEnded } from "./state.ts";
import type { Step } from "./step.ts";
import {
  type Ended,
  type FallenBack,
  followsGroupOf,
  hasFallenBack,
  isAtChildren,
  isEnded,
  isStandIn,
  isUnstarted,
  joinsParent,
  settles,
  type Task,
} from "./task.ts";
import { observe, settleCalls } from "./waits.ts";

/**
 * Draws every consequence of the ends of this step (E4), and ends the run when that is one.
 * @param over the whole run is being ended: its groups decide nothing any more
 */
export function settle(step: Step, over: "tasks" | "run" = "tasks"): void {
  for (let n = step.nextEnded(); n !== undefined; n = step.nextEnded()) {
    const task = step.state.task(n);
    if (hasFallenBack(task)) {
      endChildren(step, task);
      const fallback = standInOf(step.state, task);
      // Of dependencies that were retried it waits for the new results.
      if (fallback?.phase.state === "waiting") endIfStuck(step, fallback);
    }
    if (!isEnded(task)) continue;
    reportUnobserved(step, task);
    endChildren(step, task);
    if (over === "tasks") settleGroup(step, task);
    releaseDependents(step, task);
    settleCalls(step, task);
    joinParent(step, task);
    if (task.n === step.state.header.root) endSiblings(step, task);
    if (over === "tasks") {
      reportNotUndone(step, task);
      failFast(step, task);
    }
  }
  handOver(step);
  endFailingRun(step);
  endRunWithRoot(step);
}

/** Failed children that nobody awaited, told once when their parent ends. */
function reportUnobserved(step: Step, task: Task): void {
  if (task.childrenFailed === 0) return;
  const subjects = task.children.filter((n) => {
    const child = step.state.task(n);
    return child.phase.state === "failed" && !child.observed && joinsParent(child);
  });
  step.emit(
    {
      type: "finding",
      kind: "unobserved_failure",
      severity: "warning",
      subjects,
      message: `${subjects.length} failed children that nobody awaited; their parent ${task.phase.state}.`,
    },
    undefined,
    step.endSeqs(task.n),
  );
}

/** E2; what stands in for a task whose own work has failed goes on. */
function endChildren(step: Step, task: Task): void {
  if (task.phase.state === "succeeded") return;
  const state = isEnded(task) ? task.phase.state : "failed";
  const end = endOf("parent_ended", `Its parent ${state}.`, task.n);
  for (const child of [...joinedChildren(step.state, task)]) {
    if (!isEnded(task) && isStandIn(child)) continue;
    endTask(step, child, { ...end, causes: step.endSeqs(task.n) });
  }
}

function releaseDependents(step: Step, task: Task): void {
  const causes = step.endSeqs(task.n);
  for (const n of task.dependents) {
    const dependent = step.state.live(n);
    if (dependent?.phase.state !== "waiting" || dependent.phase.until > 0) continue;
    if (!settles(task, dependent)) {
      skip(step, dependent, task, causes);
      continue;
    }
    // Failures in a group are its verdict's to answer for (J4).
    if (dependent.runOnFailure) observe(step, task);
    if (dependent.phase.pending === 0)
      step.emit({ type: "task_ready", task: n, why: "dependencies" }, undefined, causes);
  }
}

/** What dependencies that ended before mean for a new or retried task: it is skipped, or sees their failures and goes on. */
export function meetEndedDependencies(step: Step, task: Task): void {
  for (const n of task.after) {
    const dependency = step.state.task(n);
    if (!isEnded(dependency) || dependency.phase.state === "succeeded") continue;
    if (!task.runOnFailure && followsGroupOf(task, dependency) && !isFailedGroupOf(step.state, dependency)) continue;
    if (!task.runOnFailure) {
      // What did not succeed names its end by its phase, in whichever step that was.
      skip(step, task, dependency, [dependency.phase.seq]);
      return;
    }
    observe(step, dependency);
  }
}

/**
 * A ready task whose next attempt begins from the start, although a dependency was retried after an earlier one began: it
 * waits for the new result (R4). Where that waits for the task itself it never comes, and the task is skipped.
 */
export function holdBack(step: Step, task: Task): void {
  if (!isUnstarted(task)) return;
  if (task.after.every((n) => settles(step.state.find(n), task))) {
    if (!task.scope?.follows) return;
    // A group that it follows may have failed meanwhile.
    meetEndedDependencies(step, task);
    settle(step);
    return;
  }
  if (!endIfStuck(step, task)) {
    step.emit({ type: "task_held", task: task.n });
    meetEndedDependencies(step, task);
  }
  settle(step);
}

/** Skips a task with a dependency that can't end before it does. */
function endIfStuck(step: Step, task: Task): boolean {
  if (!mayWaitFor(step.state, endsOf(task.after), task)) return false;
  const { ending } = findStuck(step.state, task.after, { held: task.n });
  const stuck = task.after.find((n) => ending.has(n));
  if (stuck === undefined) return false;
  endTask(step, task, endOf("dependency_failed", "It depends on a task that by now waits for it.", stuck));
  return true;
}

function skip(step: Step, task: Task, dependency: Task, causes: readonly number[]): void {
  const { state } = dependency.phase;
  const message = `It depends on a task that ${state === "failed" ? state : `was ${state}`}.`;
  endTask(step, task, { ...endOf("dependency_failed", message, dependency.n), causes });
}

function joinParent(step: Step, task: Task): void {
  if (!joinsParent(task)) return;
  const parent = step.state.live(task.parent);
  if (!isAtChildren(parent) || parent.liveChildren > 0) return;
  if (hasFallenBack(parent)) concludeFallback(step, parent, step.endSeqs(task.n));
  else endTask(step, parent, { state: "succeeded", resultSeq: parent.phase.seq, causes: step.endSeqs(task.n) });
}

/** Z2; a child that was retried meanwhile may have ended after the fallback. */
function concludeFallback(step: Step, task: Task & { phase: FallenBack }, causes: readonly number[]): void {
  const fallback = standInOf(step.state, task) as Task & { phase: Ended };
  if (fallback.phase.state === "succeeded") {
    endTask(step, task, { state: "succeeded", resultSeq: fallback.phase.seq, causes });
    return;
  }
  // The task answers for both failures.
  observe(step, fallback);
  endTask(step, task, { state: "failed", error: { ...task.phase.failed, because: fallback.n }, causes });
}

/** Tasks posted to a run with a root are the root's siblings: they end with it unless detached. */
function endSiblings(step: Step, root: Task): void {
  cancelAll(step, "run_ended", "The run's root ended.", (task) => task.parent === 0 && !task.detached, root);
}

/** A failure among the tasks posted to the run that neither a dependent nor a group answers for, where the run fails fast. */
function failFast(step: Step, task: Task): void {
  const { header } = step.state;
  if (!header.failFast || header.failing || isRunEnded(step.state)) return;
  if (task.parent !== 0 || task.phase.state !== "failed" || task.observed) return;
  const group = groupOf(step.state, task);
  if (group && verdictOf(group) !== "failed") return;
  step.emit({ type: "run_failing", task: task.n }, undefined, step.endSeqs(task.n));
  cancelAll(step, "run_ended", "A task failed, and the run fails fast.", (one) => !undoes(step, one), task);
}

/** Whether it, or what made it, is a compensation. */
function undoes({ state }: Step, task: Task): boolean {
  for (let one: Task | undefined = task; one; one = state.find(one.parent))
    if (one.scope?.standsIn?.why === "compensation") return true;
  return false;
}

function endFailingRun(step: Step): void {
  if (!step.state.header.failing || step.state.liveCount() > 0 || isRunEnded(step.state)) return;
  step.emit({ type: "run_ended", status: "failed", reason: "task_failed" });
}

function endRunWithRoot(step: Step): void {
  const { header } = step.state;
  if (header.root === 0 || step.state.liveCount() > 0 || isRunEnded(step.state)) return;
  const root = step.state.task(header.root);
  if (root.phase.state === "succeeded" || root.phase.state === "cancelled") {
    step.emit({ type: "run_ended", status: root.phase.state });
  } else {
    step.emit({ type: "run_ended", status: "failed", reason: "root_failed" });
  }
}
