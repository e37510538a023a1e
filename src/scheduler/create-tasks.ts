/**
 * Creating a batch of tasks: names are resolved, edges checked, limits kept, and then all are created or none.
 *
 * C1. A refusal changes nothing and says which task and field it is about.
 * C2. A reference `{{key}}` is a dependency, whether `after` names it or not.
 * C3. The waits-for relation stays free of cycles: within the batch, and through ancestors that wait for their children.
 * C7. A group is made whole with its batch: its members are tasks of it, and so are the tasks that come after it.
 * C4. Events are in topological order, so `apply` meets every dependency before its dependents; numbers are in batch order.
 */

import { findReferences } from "../context/references.ts";
import type { Groups, StandInSpec, TaskSpec } from "../contract/task-spec.ts";
import * as limits from "../limits.ts";
import { checkGroups, emitGroups, membersOf } from "./batch-groups.ts";
import { checkLimits } from "./batch-limits.ts";
import { settleChains } from "./chains.ts";
import { mayWaitForEndOf } from "./circles.ts";
import { meetEndedDependencies, settle } from "./ending.ts";
import type { LineageTerms, StandInTerms } from "./events.ts";
import { findStuck } from "./liveness.ts";
import type { BatchRefusal, NewStandIn, NewTask } from "./new-task.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { hostedPool, joinsParent, type Task } from "./task.ts";

export type BatchOutcome =
  | { readonly ok: true; readonly tasks: readonly Task[]; readonly criticalPath: number }
  | { readonly ok: false; readonly refusal: BatchRefusal };

/** Resolves a task id of this run to its number; undefined when it is none. */
export type TaskNumberOf = (id: string) => number | undefined;

export function createTasks(
  step: Step,
  creator: Task | undefined,
  batch: readonly NewTask[],
  numberOf: TaskNumberOf,
  terms: Groups = {},
): BatchOutcome {
  const { state } = step;
  const first = state.header.taskCount + 1;
  const groups = membersOf(batch, first);
  const refusal =
    checkLimits(state, creator, batch) ?? checkKeys(state, creator, batch) ?? checkGroups(batch, groups, terms);
  if (refusal) return { ok: false, refusal };
  const byKey = new Map(
    batch.flatMap(({ spec }, i) => (spec.key === undefined ? [] : [[spec.key, first + i] as const])),
  );
  const nameOf = (name: string) => resolveName(state, creator, byKey, name, numberOf);
  const edges: number[][] = [];
  for (const [i, one] of batch.entries()) {
    const resolved = resolveEdges({ state, creator, nameOf, groups, first }, i, one.spec);
    if (!Array.isArray(resolved)) return { ok: false, refusal: resolved };
    const strange = strangeReference(nameOf, resolved, i, one.spec);
    if (strange) return { ok: false, refusal: strange };
    edges.push(resolved);
  }
  const crowded = tooManyDependencies(state, edges);
  if (crowded) return { ok: false, refusal: crowded };
  const order = topological(edges, first);
  if (!Array.isArray(order)) return { ok: false, refusal: cycleOf(batch, edges, first, order.stuck) };
  const outer = outerCycle(state, creator, batch, edges, first);
  if (outer) return { ok: false, refusal: outer };

  const depth = new Map<number, number>();
  for (const i of order) {
    const inBatch = edges[i]!.filter((n) => n >= first).map((n) => depth.get(n - first) ?? 1);
    depth.set(i, 1 + Math.max(0, ...inBatch));
    emitTask(step, creator, batch[i]!, first + i, edges[i]!);
  }
  emitGroups(step, batch, { groups, first, terms });
  settleChains(state);
  const tasks = batch.map((_, i) => state.task(first + i));
  for (const i of order) meetEndedDependencies(step, tasks[i]!);
  settle(step);
  return { ok: true, tasks, criticalPath: Math.max(...depth.values()) };
}

/** Its own, or the default; never above its creator's. */
export function wantedPriority({ priority }: TaskSpec, creator: Task | undefined, root: boolean): number {
  const wanted = priority ?? (root ? limits.priorityRootDefault : limits.priorityDefault);
  return creator ? Math.min(wanted, creator.priority) : wanted;
}

function emitTask(
  step: Step,
  creator: Task | undefined,
  { spec, base, fork, forkWhy, call, root, lineage: terms, standIn }: NewTask,
  n: number,
  after: readonly number[],
): void {
  const clamped = clampedTo(step.state, creator, spec);
  const lineage = terms && lineageOf(step, terms);
  step.emit(
    {
      type: "task_created",
      task: n,
      ...(spec.key !== undefined && { key: spec.key }),
      ...(spec.title !== undefined && { title: spec.title }),
      parent: creator?.n ?? 0,
      ...(root && { root }),
      depth: (creator?.depth ?? 0) + 1,
      priority: wantedPriority(spec, creator, root === true),
      ...(after.length > 0 && { after }),
      ...(spec.on_dependency_failure === "run" && { run_on_failure: true }),
      ...(spec.detached && { detached: true }),
      ...clamped,
      ...(spec.model !== undefined && clamped.pool === hostedPool && { model: spec.model }),
      snapshot: base,
      ...(call !== undefined && { call }),
      fork,
      ...(forkWhy !== undefined && { fork_why: forkWhy }),
      ...(lineage !== undefined && { lineage }),
      ...(spec.labels && { labels: spec.labels }),
      ...(standIn && { on_failure: standInTerms(step.state, creator, spec, standIn) }),
    },
    {
      instructions: spec.instructions,
      ...(standIn && { on_failure: standInBody(standIn.spec) }),
      ...(spec.context !== undefined && { context: spec.context }),
      ...(spec.output_schema && { output_schema: spec.output_schema }),
      ...(spec.model !== undefined && { model: spec.model }),
      ...(typeof spec.on_context_too_long === "object" && { on_context_too_long: spec.on_context_too_long }),
    },
  );
}

/** What the creator and the run bound of a task, or of what stands in for one. */
function clampedTo(
  { header: { limits: run } }: RunState,
  creator: Task | undefined,
  spec: Pick<TaskSpec, "pool" | "timeout_ms" | "retries" | "max_turns" | "max_tokens">,
) {
  const { max_tokens: most } = spec;
  const maxTokens = most && creator?.maxTokens ? Math.min(most, creator.maxTokens) : most;
  return {
    pool: spec.pool ?? creator?.pool ?? hostedPool,
    timeout_ms: Math.min(spec.timeout_ms ?? run.timeoutMs, creator?.timeoutMs ?? run.timeoutMs, run.timeoutMs),
    retry_limit: spec.retries?.limit ?? limits.retriesDefault,
    backoff_ms: spec.retries?.backoff_ms ?? limits.backoffMsDefault,
    max_turns: spec.max_turns ?? limits.maxTurnsDefault,
    ...(maxTokens !== undefined && { max_tokens: maxTokens }),
  };
}

/** Z4: what it does not say itself it has from the task. */
function standInTerms(
  state: RunState,
  creator: Task | undefined,
  { pool, timeout_ms, retries, max_turns, max_tokens, labels, title, key }: TaskSpec,
  { spec, base, fork, call }: NewStandIn,
): StandInTerms {
  const its = (name: string | undefined) => name && `${name} (on failure)`.slice(0, limits.nameCharsMax);
  const wanted = { pool, timeout_ms, retries, max_turns, max_tokens, title: its(title ?? key), ...spec };
  const clamped = clampedTo(state, creator, wanted);
  return {
    ...(wanted.title !== undefined && { title: wanted.title }),
    ...clamped,
    ...(spec.model !== undefined && clamped.pool === hostedPool && { model: spec.model }),
    snapshot: base,
    ...(call !== undefined && { call }),
    fork,
    ...(labels && { labels }),
  };
}

const standInBody = ({ instructions, context, output_schema: schema, model }: StandInSpec) => ({
  instructions,
  ...(context !== undefined && { context }),
  ...(schema && { output_schema: schema }),
  ...(model !== undefined && { model }),
});

/** The lineage of these terms, begun when none is followed yet. */
function lineageOf(step: Step, terms: LineageTerms): number {
  const { header } = step.state;
  const { snapshot, model } = terms;
  const known = header.lineages?.find((one) => one.snapshot === snapshot && one.model === model);
  if (known) return known.n;
  const lineage = (header.lineageCount ?? 0) + 1;
  step.emit({ type: "lineage_begun", lineage, ...terms });
  return lineage;
}

function checkKeys(state: RunState, creator: Task | undefined, batch: readonly NewTask[]): BatchRefusal | undefined {
  const seen = new Set<string>();
  for (const [i, { spec }] of batch.entries()) {
    if (spec.key === undefined) continue;
    const taken = seen.has(spec.key)
      ? "twice in this batch"
      : state.keyOf(creator?.n ?? 0, spec.key)
        ? "by an earlier task"
        : undefined;
    if (taken) {
      const errors = [{ path: `tasks[${i}].key`, message: `used ${taken}` }];
      return { code: "duplicate_key", detail: `The key "${spec.key}" is used ${taken}.`, errors };
    }
    seen.add(spec.key);
  }
  return undefined;
}

/** A stand-in is given what its task was given: its references name what the task depends on (Z4). */
function strangeReference(
  nameOf: (name: string) => number | undefined,
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

/** Each key that the texts refer to, once: a text has room for twenty thousand references to one task. */
const keysIn = (texts: readonly string[]): ReadonlySet<string> =>
  new Set(texts.flatMap((text) => findReferences(text).map(({ key }) => key)));

/** What names in a batch are looked up in. */
interface Names {
  readonly state: RunState;
  readonly creator: Task | undefined;
  readonly nameOf: (name: string) => number | undefined;
  readonly groups: ReadonlyMap<string, readonly number[]>;
  readonly first: number;
}

/**
 * Dependencies of one task as numbers: `after` in its order, then references that it does not name (C2). A name is looked up once, however
 * often it is said: a group's, a thousand times in each of a thousand tasks, would be a billion members.
 */
function resolveEdges(
  { state, creator, nameOf, groups, first }: Names,
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
  if (edges.size > limits.afterMax) {
    return {
      code: "validation_failed",
      detail: `A task depends on at most ${limits.afterMax} tasks.`,
      errors: [{ path: `tasks[${place}].after`, message: "too many" }],
    };
  }
  return [...edges];
}

function tooManyDependencies({ header }: RunState, edges: readonly number[][]): BatchRefusal | undefined {
  const { dependencies: taken = 0 } = header;
  const more = edges.reduce((sum, list) => sum + list.length, 0);
  if (more === 0 || taken + more <= limits.dependenciesPerRunMax) return undefined;
  return {
    code: "validation_failed",
    detail: `A run's tasks have at most ${limits.dependenciesPerRunMax} dependencies in all: it has ${taken}, and ${more} more do not fit. Let many tasks depend on one that joins what they all wait for.`,
    errors: [{ path: "tasks", message: "too many dependencies" }],
  };
}

const textsOf = (context: TaskSpec["context"]): readonly string[] =>
  context === undefined ? [] : typeof context === "string" ? [context] : context.messages;

/** A key resolves in the batch, then among the creator's tasks, then its ancestors'; an id anywhere in the run. */
function resolveName(
  state: RunState,
  creator: Task | undefined,
  byKey: ReadonlyMap<string, number>,
  name: string,
  numberOf: TaskNumberOf,
): number | undefined {
  const n = numberOf(name);
  if (n !== undefined) return state.find(n) ? n : undefined;
  return byKey.get(name) ?? findByKey(state, creator, name);
}

/** The task of that key among the creator's tasks, then its ancestors', then those posted to the run. */
export function findByKey(state: RunState, creator: Task | undefined, key: string): number | undefined {
  for (let one = creator; one; one = state.find(one.parent)) {
    const n = state.keyOf(one.n, key);
    if (n !== undefined) return n;
  }
  return state.keyOf(0, key);
}

function isAncestor(state: RunState, creator: Task | undefined, n: number): boolean {
  for (let one = creator; one; one = state.find(one.parent)) if (one.n === n) return true;
  return false;
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
function cycleOf(
  batch: readonly NewTask[],
  edges: readonly number[][],
  first: number,
  stuck: ReadonlySet<number>,
): BatchRefusal {
  const path: number[] = [];
  let at = [...stuck][0]!;
  while (!path.includes(at)) {
    path.push(at);
    at = edges[at]!.map((n) => n - first).find((i) => stuck.has(i))!;
  }
  const cycle = path.slice(path.indexOf(at));
  const names = [...cycle, at].map((i) => batch[i]!.spec.key ?? `tasks[${i}]`);
  const errors = cycle.map((i) => ({ path: `tasks[${i}].after`, message: "part of the cycle" }));
  return { code: "dependency_cycle", detail: `${names.join(" → ")}: each waits for the next.`, errors };
}

/** A dependency outside the batch that can't end before the creator, or an ancestor of it, would close a cycle through them (C4). */
function outerCycle(
  state: RunState,
  creator: Task | undefined,
  batch: readonly NewTask[],
  edges: readonly number[][],
  first: number,
): BatchRefusal | undefined {
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
  for (const [i, { spec }] of batch.entries()) {
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
