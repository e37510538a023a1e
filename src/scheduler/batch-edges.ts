/**
 * What the tasks of a batch depend on, before any of it is created: names become numbers (C2), circles are refused (C4), and an order is found
 * in which each comes after those that it depends on.
 */

import { findReferences } from "../context/references.ts";
import type { TaskSpec } from "../contract/task-spec.ts";
import { afterMax, dependenciesPerRunMax } from "../limits.ts";
import { mayWaitForEndOf } from "./circles.ts";
import { findStuck } from "./liveness.ts";
import type { Batch, BatchRefusal } from "./new-task.ts";
import type { RunState } from "./state.ts";
import { joinsParent, type Task } from "./task.ts";

export interface Edges {
  /** By the task's place in the batch: the numbers of those that it depends on. */
  readonly edges: readonly (readonly number[])[];
  /** The batch's places, each after those that it depends on. */
  readonly order: readonly number[];
}

export function edgesOf(batch: Batch): Edges | { readonly refusal: BatchRefusal } {
  const edges: number[][] = [];
  for (const [place, { spec }] of batch.tasks.entries()) {
    const resolved = resolveEdges(batch, place, spec);
    if (!Array.isArray(resolved)) return { refusal: resolved };
    const strange = strangeReference(batch, resolved, place, spec);
    if (strange) return { refusal: strange };
    edges.push(resolved);
  }
  const crowded = tooManyDependencies(batch.state, edges);
  if (crowded) return { refusal: crowded };
  const order = topological(edges, batch.first);
  if (!Array.isArray(order)) return { refusal: cycleOf(batch, edges, order.stuck) };
  const outer = outerCycle(batch, edges);
  return outer ? { refusal: outer } : { edges, order };
}

/**
 * Dependencies of one task as numbers: `after` in its order, then references that it does not name (C2). A name is looked up once, however
 * often it is said: a group's, a thousand times in each of a thousand tasks, would be a billion members.
 */
function resolveEdges(
  { state, creator, nameOf, groups, first }: Batch,
  place: number,
  spec: TaskSpec,
): number[] | BatchRefusal {
  const edges = new Set<number>();
  const add = (name: string, path: () => string): BatchRefusal | undefined => {
    const refused = (code: BatchRefusal["code"], detail: string): BatchRefusal => ({
      code,
      detail,
      errors: [{ path: path(), message: `"${name}"` }],
    });
    const n = nameOf(name);
    if (n === undefined) return refused("unknown_task", `There is no task "${name}" that this one could name.`);
    if (n === first + place) return refused("dependency_cycle", `A task can't wait for itself: "${name}".`);
    if (isAncestor(state, creator, n))
      return refused("ancestor_dependency", `"${name}" is an ancestor of the new task.`);
    edges.add(n);
    return undefined;
  };
  for (const name of new Set(spec.after)) {
    const path = () => `tasks[${place}].after[${spec.after!.indexOf(name)}]`;
    const members = groups.get(name);
    if (!members) {
      const refused = add(name, path);
      if (refused) return refused;
    } else if (members.includes(first + place)) {
      const errors = [{ path: path(), message: `"${name}"` }];
      return { code: "dependency_cycle", detail: `A task can't wait for its own group: "${name}".`, errors };
    } else for (const member of members) edges.add(member);
  }
  for (const [field, texts] of [
    ["instructions", [spec.instructions]] as const,
    ["context", textsOf(spec.context)] as const,
  ]) {
    for (const name of keysIn(texts)) {
      const refused = add(name, () => `tasks[${place}].${field}`);
      if (refused) return refused;
    }
  }
  if (edges.size > afterMax) {
    return {
      code: "validation_failed",
      detail: `A task depends on at most ${afterMax} tasks.`,
      errors: [{ path: `tasks[${place}].after`, message: "too many" }],
    };
  }
  return [...edges];
}

const textsOf = (context: TaskSpec["context"]): readonly string[] =>
  context === undefined ? [] : typeof context === "string" ? [context] : context.messages;

/** Each key that the texts refer to, once: a text has room for twenty thousand references to one task. */
const keysIn = (texts: readonly string[]): ReadonlySet<string> =>
  new Set(texts.flatMap((text) => findReferences(text).map(({ key }) => key)));

/** A stand-in is given what its task was given: its references name what the task depends on (Z4). */
function strangeReference(
  { nameOf }: Batch,
  edges: readonly number[],
  place: number,
  { on_failure: onFailure }: TaskSpec,
): BatchRefusal | undefined {
  if (!onFailure) return undefined;
  const given = new Set(edges);
  for (const field of ["instructions", "context"] as const) {
    for (const key of keysIn([onFailure.task[field] ?? ""])) {
      if (given.has(nameOf(key) ?? 0)) continue;
      const errors = [{ path: `tasks[${place}].on_failure.task.${field}`, message: `"${key}"` }];
      const detail = `on_failure refers to "${key}", which its task does not depend on: put it into the task's "after".`;
      return { code: "unknown_task", detail, errors };
    }
  }
  return undefined;
}

function isAncestor(state: RunState, creator: Task | undefined, n: number): boolean {
  for (let one = creator; one; one = state.find(one.parent)) if (one.n === n) return true;
  return false;
}

function tooManyDependencies({ header }: RunState, edges: readonly number[][]): BatchRefusal | undefined {
  const { dependencies: taken = 0 } = header;
  const more = edges.reduce((sum, list) => sum + list.length, 0);
  if (more === 0 || taken + more <= dependenciesPerRunMax) return undefined;
  return {
    code: "validation_failed",
    detail: `A run's tasks have at most ${dependenciesPerRunMax} dependencies in all: it has ${taken}, and ${more} more do not fit. Let many tasks depend on one that joins what they all wait for.`,
    errors: [{ path: "tasks", message: "too many dependencies" }],
  };
}

/** Kahn's order of the batch's own edges; `stuck` are the tasks on or behind a cycle. */
function topological(edges: readonly number[][], first: number): number[] | { stuck: Set<number> } {
  const missing = edges.map((list) => list.filter((n) => n >= first).length);
  const followers = edges.map((): number[] => []);
  for (const [i, list] of edges.entries()) for (const n of list) if (n >= first) followers[n - first]!.push(i);
  const order: number[] = [];
  for (const [i, count] of missing.entries()) if (count === 0) order.push(i);
  for (let at = 0; at < order.length; at++) {
    for (const i of followers[order[at]!]!) if (--missing[i]! === 0) order.push(i);
  }
  if (order.length === edges.length) return order;
  const done = new Set(order);
  return { stuck: new Set([...edges.keys()].filter((i) => !done.has(i))) };
}

/** Walks from a stuck task along stuck dependencies until one repeats: that is the cycle to show. */
function cycleOf({ tasks, first }: Batch, edges: readonly number[][], stuck: ReadonlySet<number>): BatchRefusal {
  const path: number[] = [];
  let at = [...stuck][0]!;
  while (!path.includes(at)) {
    path.push(at);
    at = edges[at]!.map((n) => n - first).find((i) => stuck.has(i))!;
  }
  const cycle = path.slice(path.indexOf(at));
  const names = [...cycle, at].map((i) => tasks[i]!.spec.key ?? `tasks[${i}]`);
  const errors = cycle.map((i) => ({ path: `tasks[${i}].after`, message: "part of the cycle" }));
  return { code: "dependency_cycle", detail: `${names.join(" → ")}: each waits for the next.`, errors };
}

/** A dependency outside the batch that can't end before the creator, or an ancestor of it, would close a cycle through them (C4). */
function outerCycle({ state, creator, tasks, first }: Batch, edges: readonly number[][]): BatchRefusal | undefined {
  if (!creator) return undefined;
  const outside = new Set(edges.flat().filter((n) => n < first));
  if (outside.size === 0) return undefined;
  const endless = new Set([creator.n]);
  for (let one: Task | undefined = creator; one && joinsParent(one); one = state.find(one.parent))
    endless.add(one.parent);
  if (!mayWaitForEndOf(state, outside, endless)) return undefined;
  const { ending } = findStuck(state, outside, { endless });
  if (ending.size === 0) return undefined;
  const seen = new Set<number>();
  for (const [i, { spec }] of tasks.entries()) {
    // Nobody joins a detached task; what it waits for matters where a joined one depends on it.
    if (spec.detached) continue;
    const stack = [first + i];
    for (let n = stack.pop(); n !== undefined; n = stack.pop()) {
      if (seen.has(n)) continue;
      seen.add(n);
      if (ending.has(n)) {
        const errors = [{ path: `tasks[${i}].after`, message: "leads back to an ancestor" }];
        const detail = `tasks[${i}] would wait for a task that waits for an ancestor of it.`;
        return { code: "dependency_cycle", detail, errors };
      }
      if (n >= first) stack.push(...edges[n - first]!);
    }
  }
  return undefined;
}
