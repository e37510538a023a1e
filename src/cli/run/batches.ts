/**
 * Cuts tasks into batches that the server takes. A name resolves in its batch or among earlier tasks, so where there is more
 * than one batch, tasks come after those that they name. Within that, the order given is kept.
 */

import type { TaskSpec } from "../../client/requests.ts";
import { batchTasksMax, bodyBytesMax } from "../../limits.ts";

export interface Batch {
  readonly tasks: TaskSpec[];
  /** Where each of them stands in the file. */
  readonly positions: number[];
}

/** Room for the envelope, and for a server that counts a little differently. */
const batchBytesMax = bodyBytesMax / 2;

export function batchesOf(tasks: readonly TaskSpec[]): Batch[] {
  const sizes = tasks.map((task) => Buffer.byteLength(JSON.stringify(task) ?? ""));
  const fitsOne = tasks.length <= batchTasksMax && sizes.reduce((sum, size) => sum + size, 0) <= batchBytesMax;
  const order = fitsOne ? tasks.map((_, i) => i) : dependenciesFirst(tasks);
  const batches: Batch[] = [];
  let bytes = 0;
  for (const i of order) {
    let batch = batches.at(-1);
    if (batch === undefined || batch.tasks.length === batchTasksMax || bytes + sizes[i]! > batchBytesMax) {
      batch = { tasks: [], positions: [] };
      batches.push(batch);
      bytes = 0;
    }
    batch.tasks.push(tasks[i]!);
    batch.positions.push(i);
    bytes += sizes[i]!;
  }
  return batches;
}

/** Depth first, on a stack of its own: a chain may be as long as the file. A cycle is left as it is; the server names it. */
function dependenciesFirst(tasks: readonly TaskSpec[]): number[] {
  const byKey = new Map<string, number>();
  for (const [i, task] of tasks.entries())
    if (typeof task?.key === "string" && !byKey.has(task.key)) byKey.set(task.key, i);
  const order: number[] = [];
  const seen = new Set<number>();
  for (const [root] of tasks.entries()) {
    if (seen.has(root)) continue;
    seen.add(root);
    const stack = [{ i: root, rest: namesIn(tasks[root]!) }];
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      const name = top.rest.shift();
      if (name === undefined) {
        order.push(top.i);
        stack.pop();
        continue;
      }
      const next = byKey.get(name);
      if (next === undefined || seen.has(next)) continue;
      seen.add(next);
      stack.push({ i: next, rest: namesIn(tasks[next]!) });
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
