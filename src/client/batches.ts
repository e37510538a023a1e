/**
 * Cuts tasks into batches that the server takes. A group stays in one batch. A name resolves in its batch or among earlier tasks, so where there is more
 * than one batch, tasks come after those that they name. Within that, the order given is kept.
 */

import { batchTasksMax, bodyBytesMax, jsonMembersMax, jsonValuesMax } from "../limits.ts";
import { HeddleProblem } from "./errors.ts";
import type { Groups, TaskSpec } from "./requests.ts";

export interface Batch {
  readonly tasks: TaskSpec[];
  /** Terms of the groups that its tasks are in. */
  readonly groups: Groups;
  /** Where each of them stands in what was given. */
  readonly positions: number[];
}

export interface CutOptions {
  /** Tasks of the first batch at most; the later ones have what a batch takes, which is the default. */
  readonly first?: number;
}

/** Of what a body may have. Room for the envelope, and for a server that counts a little differently. */
const batchShareMax = 1 / 2;

/** A group of more than `first` tasks is in one batch all the same. */
export function batchesOf(
  tasks: readonly TaskSpec[],
  groups: Groups = {},
  { first = batchTasksMax }: CutOptions = {},
): Batch[] {
  const shares = tasks.map(shareOfBody);
  const fitsOne = tasks.length <= first && shares.reduce((sum, share) => sum + share, 0) <= batchShareMax;
  // What is wrong with terms that no task uses the server says.
  if (tasks.length === 0) return [];
  if (fitsOne) return [{ tasks: [...tasks], positions: tasks.map((_, i) => i), groups }];
  const batches: (Batch & { groups: Record<string, object> })[] = [];
  let full = 0;
  let most = first;
  for (const unit of dependenciesFirst(tasks, unitsOf(tasks, groups))) {
    const share = unit.reduce((sum, i) => sum + shares[i]!, 0);
    let batch = batches.at(-1);
    if (batch === undefined || batch.tasks.length + unit.length > most || full + share > batchShareMax) {
      if (batch) most = batchTasksMax;
      batch = { tasks: [], positions: [], groups: {} };
      batches.push(batch);
      full = 0;
    }
    for (const i of unit) {
      const task = tasks[i]!;
      batch.tasks.push(task);
      batch.positions.push(i);
      const terms = task?.group === undefined ? undefined : groups[task.group];
      if (terms) batch.groups[task.group!] = terms;
    }
    full += share;
  }
  return batches;
}

/** How much a task takes of what a body may have: of its bytes, its values or its names, whichever is most. */
function shareOfBody(task: TaskSpec): number {
  const bytes = new TextEncoder().encode(JSON.stringify(task) ?? "").length;
  let values = 0;
  let names = 0;
  const count = (value: unknown): void => {
    if (typeof value !== "object" || value === null) return;
    const inside: readonly unknown[] = Object.values(value);
    values += 1 + inside.length;
    if (!Array.isArray(value)) names += inside.length;
    inside.forEach(count);
  };
  count(task);
  return Math.max(bytes / bodyBytesMax, values / jsonValuesMax, names / jsonMembersMax);
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

/** A problem with a batch, said of what the batch was cut from. */
export function inWhole(problem: HeddleProblem, { positions }: Pick<Batch, "positions">): HeddleProblem {
  const { status, code, title, hint, instance, retryable } = problem;
  const said = (text: string) => positionsInWhole(text, positions);
  return new HeddleProblem(status, {
    code,
    title,
    hint,
    instance,
    retryable,
    errors: problem.errors.map((wrong) => ({ ...wrong, path: said(wrong.path) })),
    ...(problem.detail !== undefined && { detail: said(problem.detail) }),
  });
}

/** `tasks[3]` of a batch as it stands in the whole. */
const positionsInWhole = (text: string, positions: readonly number[]): string =>
  text.replace(/\btasks\[(\d+)\]/g, (_, i) => `tasks[${positions[i] ?? i}]`);
