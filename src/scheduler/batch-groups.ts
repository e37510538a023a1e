/** Groups of a batch (C7): who is in them, what is wrong with them, and the events that make them. */

import type { Groups } from "../contract/task-spec.ts";
import { batchGroupsMax } from "../limits.ts";
import type { Batch, BatchRefusal, NewTask } from "./new-task.ts";
import type { Step } from "./step.ts";

/** The numbers of each group's members. */
export function membersOf(tasks: readonly NewTask[], first: number): Map<string, number[]> {
  const groups = new Map<string, number[]>();
  for (const [i, { spec }] of tasks.entries()) {
    if (spec.group === undefined) continue;
    const members = groups.get(spec.group);
    if (members) members.push(first + i);
    else groups.set(spec.group, [first + i]);
  }
  return groups;
}

export function checkGroups({ tasks, groups }: Batch, terms: Groups): BatchRefusal | undefined {
  const bad = (path: string, detail: string): BatchRefusal => ({
    code: "validation_failed",
    detail,
    errors: [{ path, message: detail }],
  });
  if (groups.size > batchGroupsMax) return bad("tasks", `A batch makes at most ${batchGroupsMax} groups.`);
  for (const [name, { require }] of Object.entries(terms)) {
    const size = groups.get(name)?.length ?? 0;
    if (size === 0) return bad(`groups.${name}`, `No task of the batch is in the group "${name}".`);
    if (require && require > size)
      return bad(`groups.${name}.require`, `The group "${name}" has fewer tasks: ask for ${size} of them at most.`);
  }
  const i = tasks.findIndex(({ spec }) => spec.key !== undefined && groups.has(spec.key));
  if (i < 0) return undefined;
  const { key } = tasks[i]!.spec;
  const errors = [{ path: `tasks[${i}].key`, message: "is a group's name" }];
  return { code: "duplicate_key", detail: `"${key}" names a task and a group.`, errors };
}

export function emitGroups(step: Step, { tasks, groups, first }: Batch, terms: Groups): void {
  const followersOf = new Map<string, number[]>([...groups.keys()].map((name) => [name, []]));
  if (groups.size > 0)
    for (const [i, { spec }] of tasks.entries())
      for (const name of new Set(spec.after)) followersOf.get(name)?.push(first + i);
  for (const [name, members] of groups) {
    const { require, on_failure: onFailure, when_met: whenMet } = terms[name] ?? {};
    const followers = followersOf.get(name)!;
    step.emit({
      type: "group_created",
      name,
      members,
      require: require ?? members.length,
      ...(onFailure !== "continue" && { fail_fast: true }),
      ...(whenMet === "cancel" && { drop_rest: true }),
      ...(followers.length > 0 && { followers }),
    });
  }
}
