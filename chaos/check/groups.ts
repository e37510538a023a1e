/** What became of tasks that belong together: each group is decided once and counts right, and what was for nothing is undone. */

import type { TaskView } from "../../src/client/index.ts";
import { type FoundRun, isEnded, type World } from "../history.ts";
import type { RunIds } from "./copies.ts";
import { plannedOf, postsOf } from "./ops.ts";
import type { Broken } from "./violation.ts";

export function groupRules(world: World, { of }: RunIds, found: FoundRun): Broken[] {
  // Nothing is decided, or undone, by the end of a run that is cancelled.
  if (found.run.status === "cancelled") return counted(found);
  return [...decided(found), ...counted(found), ...stoodIn(world, of, found)];
}

const groupsOf = (found: FoundRun): Map<string, TaskView[]> => {
  const groups = new Map<string, TaskView[]>();
  for (const task of found.tasks)
    if (task.group) groups.set(task.group.name, [...(groups.get(task.group.name) ?? []), task]);
  return groups;
};

/** Names of groups are in one batch each. A retry of a member may have it decided anew. */
function decided(found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  const verdicts = new Map<string, unknown>();
  const memberOf = new Map(found.tasks.map(({ id, group }) => [id, group?.name]));
  for (const event of found.events) {
    if (event.type === "task_retried") verdicts.delete(memberOf.get(event.task ?? "") ?? "");
    if (event.type !== "group_decided") continue;
    const name = String(event.name);
    if (verdicts.has(name))
      broken.push({
        ...{ sort: "twice", rule: "a group is decided once", about: name },
        ...{ told: verdicts.get(name), found: event.verdict },
      });
    verdicts.set(name, event.verdict);
  }
  for (const [name, members] of groupsOf(found)) {
    if (!members.every(({ state }) => isEnded(state))) continue;
    const last = found.events.findLast((event) => event.type === "group_decided" && event.name === name)?.verdict;
    const { state } = members[0]!.group!;
    if (last !== state)
      broken.push({ sort: "lost", rule: "a group's verdict is in the log", about: name, told: state, found: last });
  }
  return broken;
}

function counted(found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  for (const [name, members] of groupsOf(found)) {
    const { require } = members[0]!.group!;
    const succeeded = members.filter(({ state }) => state === "succeeded").length;
    const ended = members.filter(({ state }) => isEnded(state)).length;
    const open = succeeded + members.length - ended >= require ? "open" : "failed";
    const told = { succeeded, ended, size: members.length, state: succeeded >= require ? "met" : open };
    for (const { id, group } of members) {
      const shown = { succeeded: group!.succeeded, ended: group!.ended, size: group!.size, state: group!.state };
      if (JSON.stringify(shown) !== JSON.stringify(told))
        broken.push({
          ...{ sort: "wrong", rule: "a group counts its members", about: `${name} ${id}` },
          ...{ told, found: shown },
        });
    }
  }
  return broken;
}

/** A task that failed has one in its place, and one that was for nothing is undone: once in a generation. */
function stoodIn(world: World, of: string, found: FoundRun): Broken[] {
  const broken: Broken[] = [];
  const planned = new Map(postsOf(world, of).flatMap((call) => plannedOf(call).map((plan) => [plan.key, plan])));
  for (const task of found.tasks) {
    const plan = task.parent === null && task.key !== null ? planned.get(task.key) : undefined;
    if (!plan?.standIn || !isEnded(task.state)) continue;
    const all = found.tasks.filter(({ stands_in_for: of }) => of?.task === task.id);
    const now = all.find(({ id }) => id === task.stand_in);
    const about = `${task.key} ${task.id}`;
    const isDue = task.state === "succeeded" && (plan.standIn === "fallback" || task.group?.state === "failed");
    if (isDue && (now?.state !== "succeeded" || now.stands_in_for?.why !== plan.standIn))
      broken.push({ sort: "lost", rule: `a ${plan.standIn} is carried out`, about, told: plan.standIn, found: now });
    if (all.length > task.generation)
      broken.push({
        ...{ sort: "twice", rule: `a ${plan.standIn} is carried out once`, about },
        ...{ told: task.generation, found: all.map(({ id }) => id) },
      });
  }
  return broken;
}
