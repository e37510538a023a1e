/** The part of `apply` about groups. */

import type { ErrorData, EventOf } from "./events.ts";
import { verdictOf } from "./groups.ts";
import type { RunState } from "./state.ts";
import { nothing, type Scope, type Task } from "./task.ts";

const addScope = (state: RunState, task: Task, more: Scope): void => {
  task.scope = { ...task.scope, ...more };
  state.dirty.add(task.n);
};

export function createGroup(state: RunState, event: EventOf<"group_created">): void {
  const { name, members, require, followers = nothing } = event;
  const group = members[0]!;
  for (const n of members) addScope(state, state.task(n), { group });
  const failFast = event.fail_fast === true;
  const dropRest = event.drop_rest === true;
  const leads = { name, members, require, failFast, dropRest, succeeded: 0, ended: 0, told: "open" as const };
  addScope(state, state.task(group), { leads });
  for (const n of followers) {
    const follower = state.task(n);
    addScope(state, follower, { follows: [...(follower.scope?.follows ?? []), group] });
  }
}

export function decideGroup(state: RunState, { task, verdict }: EventOf<"group_decided">): void {
  const lead = state.task(task);
  addScope(state, lead, { leads: { ...lead.scope!.leads!, told: verdict } });
}

/** J8: whoever decided the group, no retry of that one brings back what it has dropped. */
export const isDrop = (error: ErrorData | undefined): boolean => error?.code === "group_met";

/** An ended member counts once more, or, when it is retried, once less; a group whose creator was retried keeps its verdict. */
export function countMember(state: RunState, { scope, phase }: Task, by: 1 | -1): void {
  if (scope?.group === undefined) return;
  const lead = state.task(scope.group);
  const before = lead.scope!.leads!;
  const succeeded = before.succeeded + (phase.state === "succeeded" ? by : 0);
  const group = { ...before, ended: before.ended + by, succeeded };
  const stands = by > 0 || lead.keyFreed || verdictOf(group) === group.told;
  addScope(state, lead, { leads: stands ? group : { ...group, told: "open" } });
}
