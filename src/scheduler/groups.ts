/**
 * Groups: tasks of one batch of which a number must succeed.
 *
 * J1. A group is `met` when as many members as it requires have succeeded, and `failed` when that can't be any more. Either is
 *     decided at the end that brings it about, and told once.
 * J2. When it fails, its live members are cancelled, unless it goes on (`on_failure: "continue"`); when it is met they go on,
 *     unless the rest is dropped (`when_met: "cancel"`).
 * J3. A task after a group waits for all of its members. How each of them ends is nothing to it: it is skipped when the group
 *     fails, unless it had begun before a member was retried.
 * J4. Failures of a group that is met count as seen.
 * J5. When a failed group's members have all ended, those that succeeded are compensated (fallbacks.ts).
 * J6. Nothing is decided by the end of the run: a run that is cancelled, or whose root is done, has no verdicts to come.
 * J7. A retry of a member takes its end back. Those that were cancelled because of it go on with it, those that were
 *     compensated begin again, tasks after it wait again, and the group may be decided anew (retry.ts).
 * J8. What a group that was met has dropped stays dropped, whoever of it is retried: nobody needs it, and it would race the very one
 *     that was asked for. By itself it can be retried.
 */

import { endOf, endTask } from "./end-task.ts";
import { compensate } from "./fallbacks.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { followsGroupOf, type Group, isEnded, isHeldBack, isLive, type Task } from "./task.ts";
import { observe } from "./waits.ts";

/** The group that the task is in. */
export const groupOf = (state: RunState, { scope }: Task): Group | undefined =>
  scope?.group === undefined ? undefined : state.task(scope.group).scope!.leads;

/** J1 */
export function verdictOf({ members, require, succeeded, ended }: Group): Group["told"] {
  if (succeeded >= require) return "met";
  return members.length - (ended - succeeded) < require ? "failed" : "open";
}

/** What the end of `task` means for its group. */
export function settleGroup(step: Step, task: Task): void {
  const { state } = step;
  const group = groupOf(state, task);
  // Of a group whose creator was retried nothing counts any more.
  if (!group || task.keyFreed || isWindingUp(state)) return;
  const verdict = verdictOf(group);
  if (verdict === "open") return;
  const causes = step.endSeqs(task.n);
  if (group.told === verdict) {
    if (verdict === "met") observe(step, task);
  } else {
    decide(step, task, group, verdict);
  }
  if (verdict === "failed" && group.ended === group.members.length) {
    for (const n of group.members) {
      const member = state.task(n);
      if (isEnded(member) && member.phase.state === "succeeded") compensate(step, member, causes);
    }
  }
}

function decide(step: Step, task: Task, group: Group, verdict: "met" | "failed"): void {
  const { state } = step;
  const { name, members, succeeded, ended, failFast, dropRest } = group;
  const size = members.length;
  const seq = step.emit(
    { type: "group_decided", task: members[0]!, name, verdict, succeeded, ended, size },
    undefined,
    step.endSeqs(task.n),
  );
  const causes = [...step.endSeqs(task.n), seq];
  if (verdict === "met") {
    for (const n of members) observe(step, state.task(n));
    if (dropRest)
      cancelMembers(step, members, endOf("group_met", `Its group "${name}" has what it needs.`, task.n), causes);
    return;
  }
  const what = `The group "${name}" can't have the ${group.require} successes that it requires.`;
  if (failFast) cancelMembers(step, members, endOf("group_failed", what, task.n), causes);
  for (const n of state.task(members[0]!).dependents) {
    const follower = state.live(n);
    // One that has begun before a member was retried keeps what it was given (R4).
    if (!follower || !isHeldBack(follower) || follower.runOnFailure || !followsGroupOf(follower, task)) continue;
    endTask(step, follower, { ...endOf("dependency_failed", what, task.n), causes });
  }
}

function cancelMembers(
  step: Step,
  members: readonly number[],
  end: Parameters<typeof endTask>[2],
  causes: readonly number[],
): void {
  for (const n of members) {
    const member = step.state.task(n);
    if (isLive(member)) endTask(step, member, { ...end, causes });
  }
}

/** J6 */
function isWindingUp(state: RunState): boolean {
  const root = state.find(state.header.root);
  return root !== undefined && isEnded(root) && root.phase.state !== "failed";
}

/** Whether a task after a group must not run: all its members' ends are known, and it failed (J3). */
export const isFailedGroupOf = (state: RunState, dependency: Task): boolean => {
  const group = groupOf(state, dependency);
  return group !== undefined && verdictOf(group) === "failed";
};
