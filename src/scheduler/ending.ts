/**
 * How tasks and runs end, and what follows: children, dependents, awaiters, the parent, the run (DESIGN §6).
 *
 * E1. A task ends once in a generation; whoever comes later is refused by the fence.
 * E2. Children that are not detached never outlive a task: its work being done, it waits for them; failing, it cancels them.
 * E3. A failure that no awaiter and no `after … "run"` has seen counts against its parent and its run.
 * E4. What follows from an end is a worklist, not a recursion: a chain of 10,000 skips needs no stack.
 */

import { type FaultWith, faults } from "../errors/faults.ts";
import { leaveBarriers } from "./barriers.ts";
import type { ErrorData, UsageDelta } from "./events.ts";
import { handOver } from "./hand-over.ts";
import { joinedChildren } from "./inheritance.ts";
import { findStuck } from "./liveness.ts";
import type { Step } from "./step.ts";
import { type EndState, isActor, isEnded, isLive, isUnstarted, joinsParent, settles, type Task } from "./task.ts";
import { observe, settleCalls } from "./waits.ts";

export interface End {
  readonly state: EndState;
  readonly error?: ErrorData;
  readonly result?: unknown;
  /** The event that already carries the result. */
  readonly resultSeq?: number;
  readonly usage?: UsageDelta;
  /** How many of the messages to it its worker has seen, though no turn shows them. */
  readonly seen?: number;
  /** The events that this end follows from. */
  readonly causes?: readonly number[];
}

/** The end that a fault's rule gives its task, with the class as the error's code. */
export const endOf = (fault: EndingFault, message: string, because?: number) => ({
  state: faults[fault].ends,
  error: { code: fault, message, ...(because !== undefined && { because }) },
});

type EndingFault = FaultWith<{ readonly ends: Exclude<EndState, "succeeded"> }>;

/** Ends a live task; `settle` must follow before the step is over. */
export function endTask(step: Step, task: Task, end: End): void {
  const { state, error, result, resultSeq, usage, causes, seen } = end;
  letGo(step, task, causes);
  step.emit(
    {
      type: "task_ended",
      task: task.n,
      state,
      ...(error && { error }),
      ...(resultSeq !== undefined && { result_seq: resultSeq }),
      ...(usage && { usage }),
      ...unread(task, seen),
    },
    result === undefined ? undefined : { result },
    causes,
  );
}

/** The task's own work is done: it ends, or waits for its live children with the result recorded. */
export function completeTask(
  step: Step,
  task: Task,
  fence: number,
  result: unknown,
  usage?: UsageDelta,
  seen = 0,
): void {
  if (task.liveChildren > 0) {
    letGo(step, task);
    const more = { ...(usage && { usage }), ...unread(task, seen) };
    step.emit({ type: "task_parked", task: task.n, fence, on: "children", ...more }, { result });
  } else {
    endTask(step, task, { state: "succeeded", result, seen, ...(usage && { usage }) });
  }
}

/** Messages that come to an end with the task's work, so that the log tells what became of each. */
function unread({ inbox }: Task, seen = 0): { unread?: number[] } {
  const left = inbox.slice(seen).map(({ seq }) => seq);
  return left.length === 0 ? {} : { unread: left };
}

/** A task whose work is done holds nothing and arrives nowhere; `handOver` hands on what it had. */
export function letGo(step: Step, task: Task, causes?: readonly number[]): void {
  leaveBarriers(step, task);
  for (const { name, token } of task.holds) {
    step.emit({ type: "lock_released", task: task.n, name, token, why: "ended" }, undefined, causes);
  }
  for (const { name, permits } of task.permits) {
    step.emit({ type: "permits_released", task: task.n, name, permits, why: "ended" }, undefined, causes);
  }
}

/** Cancels a live task and, through `settle`, all that ends with it. */
export function cancelTask(step: Step, task: Task, message: string): void {
  endTask(step, task, endOf("cancelled", message));
}

/** Cancels every live task of the run at once, so that none of them is skipped or started on the way. */
export function cancelAll(
  step: Step,
  code: "cancelled" | "run_ended",
  message: string,
  which?: (task: Task) => boolean,
  /** The task whose end it follows from. */
  because?: Task,
): void {
  const causes = because && step.endSeqs(because.n);
  const end = { ...endOf(code, message, because?.n), ...(causes && { causes }) };
  for (const task of [...step.state.tasks.values()]) {
    if (isLive(task) && !isActor(task) && (!which || which(task))) endTask(step, task, end);
  }
}

/** Draws every consequence of the ends of this step (E4), and ends the run when that is one. */
export function settle(step: Step): void {
  for (let n = step.nextEnded(); n !== undefined; n = step.nextEnded()) {
    const task = step.state.task(n);
    if (!isEnded(task)) continue;
    reportUnobserved(step, task);
    endChildren(step, task);
    releaseDependents(step, task);
    settleCalls(step, task);
    joinParent(step, task);
    if (task.n === step.state.header.root) endSiblings(step, task);
  }
  handOver(step);
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

function endChildren(step: Step, task: Task): void {
  if (task.phase.state === "succeeded") return;
  const end = endOf("parent_ended", `Its parent ${task.phase.state}.`, task.n);
  for (const child of [...joinedChildren(step.state, task)]) {
    endTask(step, child, { ...end, causes: step.endSeqs(task.n) });
  }
}

function releaseDependents(step: Step, task: Task): void {
  const causes = step.endSeqs(task.n);
  for (const n of task.dependents) {
    const dependent = step.state.live(n);
    if (dependent?.phase.state !== "waiting" || dependent.phase.until > 0) continue;
    if (task.phase.state !== "succeeded" && !dependent.runOnFailure) {
      skip(step, dependent, task, causes);
      continue;
    }
    observe(step, task);
    if (dependent.phase.pending === 0)
      step.emit({ type: "task_ready", task: n, why: "dependencies" }, undefined, causes);
  }
}

/** What dependencies that ended before mean for a new or retried task: it is skipped, or sees their failures and goes on. */
export function meetEndedDependencies(step: Step, task: Task): void {
  for (const n of task.after) {
    const dependency = step.state.task(n);
    if (!isEnded(dependency) || dependency.phase.state === "succeeded") continue;
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
  if (!isUnstarted(task) || task.after.every((n) => settles(step.state.find(n), task.runOnFailure))) return;
  const { ending } = findStuck(step.state, task.after, { held: task.n });
  const stuck = task.after.find((n) => ending.has(n));
  if (stuck !== undefined) {
    endTask(step, task, endOf("dependency_failed", "It depends on a task that by now waits for it.", stuck));
  } else {
    step.emit({ type: "task_held", task: task.n });
    meetEndedDependencies(step, task);
  }
  settle(step);
}

function skip(step: Step, task: Task, dependency: Task, causes: readonly number[]): void {
  const { state } = dependency.phase;
  const message = `It depends on a task that ${state === "failed" ? state : `was ${state}`}.`;
  endTask(step, task, { ...endOf("dependency_failed", message, dependency.n), causes });
}

function joinParent(step: Step, task: Task): void {
  if (!joinsParent(task)) return;
  const parent = step.state.live(task.parent);
  if (parent?.phase.state !== "parked" || parent.phase.on !== "children" || parent.liveChildren > 0) return;
  endTask(step, parent, { state: "succeeded", resultSeq: parent.phase.seq, causes: step.endSeqs(task.n) });
}

/** Tasks posted to a run with a root are the root's siblings: they end with it unless detached. */
function endSiblings(step: Step, root: Task): void {
  cancelAll(step, "run_ended", "The run's root ended.", (task) => task.parent === 0 && !task.detached, root);
}

function endRunWithRoot(step: Step): void {
  const { header } = step.state;
  if (header.root === 0 || step.state.liveCount() > 0 || (header.status !== "active" && header.status !== "paused"))
    return;
  const root = step.state.task(header.root);
  if (root.phase.state === "succeeded" || root.phase.state === "cancelled") {
    step.emit({ type: "run_ended", status: root.phase.state });
  } else {
    step.emit({ type: "run_ended", status: "failed", reason: "root_failed" });
  }
}
