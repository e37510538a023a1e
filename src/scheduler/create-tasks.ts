/**
 * Creating a batch of tasks (C1–C7 of SPEC.md): all are created or none.
 *
 * Owns: the order of checks and events, and what a task has from its creator and the run. Events are in topological order, so that `apply`
 * meets every dependency before its dependents; numbers are in batch order.
 * Does not own: what the run has room for (batch-limits.ts), what depends on what (batch-edges.ts), groups (batch-groups.ts).
 */

import type { Groups, StandInSpec, TaskSpec } from "../contract/task-spec.ts";
import * as limits from "../limits.ts";
import { edgesOf } from "./batch-edges.ts";
import { checkGroups, emitGroups, membersOf } from "./batch-groups.ts";
import { checkLimits } from "./batch-limits.ts";
import { settleChains } from "./chains.ts";
import { meetEndedDependencies, settle } from "./ending.ts";
import type { LineageTerms, StandInTerms } from "./events.ts";
import type { Batch, BatchRefusal, NewStandIn, NewTask } from "./new-task.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { hostedPool, type Task } from "./task.ts";

export type BatchOutcome =
  | { readonly ok: true; readonly tasks: readonly Task[]; readonly criticalPath: number }
  | { readonly ok: false; readonly refusal: BatchRefusal };

/** Resolves a task id of this run to its number; undefined when it is none. */
export type TaskNumberOf = (id: string) => number | undefined;

export function createTasks(
  step: Step,
  creator: Task | undefined,
  newTasks: readonly NewTask[],
  numberOf: TaskNumberOf,
  terms: Groups = {},
): BatchOutcome {
  const { state } = step;
  const first = state.header.taskCount + 1;
  const byKey = new Map(
    newTasks.flatMap(({ spec }, i) => (spec.key === undefined ? [] : [[spec.key, first + i] as const])),
  );
  const nameOf = (name: string) => resolveName(state, creator, byKey, name, numberOf);
  const batch: Batch = { state, creator, tasks: newTasks, first, groups: membersOf(newTasks, first), nameOf };
  const refusal = checkLimits(batch) ?? checkKeys(batch) ?? checkGroups(batch, terms);
  if (refusal) return { ok: false, refusal };
  const found = edgesOf(batch);
  if ("refusal" in found) return { ok: false, refusal: found.refusal };
  const { edges, order } = found;

  const depth = new Map<number, number>();
  for (const i of order) {
    const inBatch = edges[i]!.filter((n) => n >= first).map((n) => depth.get(n - first) ?? 1);
    depth.set(i, 1 + Math.max(0, ...inBatch));
    emitTask(step, creator, newTasks[i]!, first + i, edges[i]!);
  }
  emitGroups(step, batch, terms);
  settleChains(state);
  const tasks = newTasks.map((_, i) => state.task(first + i));
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

function checkKeys({ state, creator, tasks }: Batch): BatchRefusal | undefined {
  const seen = new Set<string>();
  for (const [i, { spec }] of tasks.entries()) {
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

/** C3. A key resolves in the batch, then among the creator's tasks, then its ancestors'; an id anywhere in the run. */
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
