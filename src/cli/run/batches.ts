/**
 * Cuts tasks into batches that the server takes. A group stays in one batch. A name resolves in its batch or among earlier tasks, so where there is more
 * than one batch, tasks come after those that they name. Within that, the order given is kept.
 */

import type { Groups, TaskSpec } from "../../client/requests.ts";
import { batchTasksMax, bodyBytesMax } from "../../limits.ts";

export interface Batch {
  readonly tasks: TaskSpec[];
  /** Terms of the groups that its tasks are in. */
  readonly groups: Groups;
  /** Where each of them stands in the file. */
  readonly positions: number[];
}

/** Room for the envelope, and for a server that counts a little differently. */
const batchBytesMax = bodyBytesMax / 2;

export function batchesOf(tasks: readonly TaskSpec[], groups: Groups = {}): Batch[] {
  const sizes = tasks.map((task) => Buffer.byteLength(JSON.stringify(task) ?? ""));
  const fitsOne = tasks.length <= batchTasksMax && sizes.reduce((sum, size) => sum + size, 0) <= batchBytesMax;
  // What is wrong with terms that no task uses the server says.
  if (tasks.length === 0) return [];
  if (fitsOne) return [{ tasks: [...tasks], positions: tasks.map((_, i) => i), groups }];
  const batches: (Batch & { groups: Record<string, object> })[] = [];
  let bytes = 0;
  for (const unit of dependenciesFirst(tasks, unitsOf(tasks, groups))) {
    const size = unit.reduce((sum, i) => sum + sizes[i]!, 0);
    let batch = batches.at(-1);
    if (batch === undefined || batch.tasks.length + unit.length > batchTasksMax || bytes + size > batchBytesMax) {
      batch = { tasks: [], positions: [], groups: {} };
      batches.push(batch);
      bytes = 0;
    }
    for (const i of unit) {
      const task = tasks[i]!;
      batch.tasks.push(task);
      batch.positions.push(i);
      const terms = task?.group === undefined ? undefined : groups[task.group];
      if (terms) batch.groups[task.group!] = terms;
    }
    bytes += size;
  }
  return batches;
}

/** Tasks that must be posted together, in the order of the first of each: a group, and those that come after it. */
function unitsOf(tasks: readonly TaskSpec[], groups: Groups): number[][] {
  const names = new Set([...Object.keys(groups), ...tasks.map((task) => task?.group)]);
  const units: number[][] = [];
  const unitOf = new Map<string, number[]>();
  for (const [i, task] of tasks.entries()) {
    const after = Array.isArray(task?.after) ? task.after : [];
    const own = [task?.group, ...after].filter((name) => name !== undefined && names.has(name)) as string[];
    const together = [...new Set(own.map((name) => unitOf.get(name)).filter((unit) => unit !== undefined))];
    const unit = together[0] ?? [];
    if (together.length === 0) units.push(unit);
    for (const other of together.slice(1)) unit.push(...other.splice(0));
    unit.push(i);
    if (together.length > 1) for (const [name, old] of unitOf) if (together.includes(old)) unitOf.set(name, unit);
    for (const name of own) unitOf.set(name, unit);
  }
  return units.filter((unit) => unit.length > 0).map((unit) => unit.sort((a, b) => a - b));
}

/** Depth first, on a stack of its own: a chain may be as long as the file. A cycle is left as it is; the server names it. */
function dependenciesFirst(tasks: readonly TaskSpec[], units: readonly number[][]): number[][] {
  const byKey = new Map<string, number>();
  for (const [at, unit] of units.entries()) {
    for (const i of unit) {
      const key = tasks[i]?.key;
      if (typeof key === "string" && !byKey.has(key)) byKey.set(key, at);
    }
  }
  const namesOf = (unit: readonly number[]) => unit.flatMap((i) => namesIn(tasks[i]!));
  const order: number[][] = [];
  const seen = new Set<number>();
  for (const [root] of units.entries()) {
    if (seen.has(root)) continue;
    seen.add(root);
    const stack = [{ at: root, rest: namesOf(units[root]!) }];
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const name = top.rest.shift();
      if (name === undefined) {
        order.push(units[top.at]!);
        stack.pop();
        continue;
      }
      const next = byKey.get(name);
      if (next === undefined || seen.has(next)) continue;
      seen.add(next);
      stack.push({ at: next, rest: namesOf(units[next]!) });
    }
  }
  return order;
}

/** Keys in `after` and in `{{key.path}}` references. Names too many do no harm: they only order. */
function namesIn(task: TaskSpec): string[] {
  const names = Array.isArray(task?.after) ? task.after.filter((name) => typeof name === "string") : [];
  const text = `${task?.instructions}\n${typeof task?.context === "string" ? task.context : JSON.stringify(task?.context)}`;
  for (const match of text.matchAll(/\{\{([a-z][a-z0-9_-]{0,63})(?=[.}[])/g)) names.push(match[1]!);
  return [...new Set(names)];
}
