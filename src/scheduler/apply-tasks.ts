/** The part of `apply` about the life of tasks: a task comes to be, waits for others, falls back, ends, is seen, and is tried again. */

import { assert } from "../errors/assert.ts";
import { makeReady } from "./apply-attempts.ts";
import { dropCalls } from "./apply-calls.ts";
import * as groups from "./apply-groups.ts";
import * as inbox from "./apply-inbox.ts";
import { reserve, spend } from "./apply-usage.ts";
import { lengthen } from "./chains.ts";
import type { EventOf, UsageDelta } from "./events.ts";
import { standInOf } from "./fallbacks.ts";
import { inherit, lowerEffective, providersOf, raiseEffective } from "./inheritance.ts";
import type { RunState } from "./state.ts";
import {
  appended,
  type Dependent,
  hasFallenBack,
  isEnded,
  isHeldBack,
  isLive,
  isStandIn,
  isUnstarted,
  joinsParent,
  newTask,
  nothing,
  type Scope,
  settles,
  type Task,
} from "./task.ts";

export function create(state: RunState, event: EventOf<"task_created">): void {
  const { header } = state;
  const { seq, changedAt: at } = header;
  const after = event.after ?? nothing;
  const pending = unsettled(state, { after, runOnFailure: event.run_on_failure === true, scope: undefined });
  const given = newTask({
    n: event.task,
    key: event.key,
    parent: event.parent,
    depth: event.depth,
    pool: event.pool,
    priority: event.priority,
    createdSeq: seq,
    createdAt: at,
    after,
    runOnFailure: event.run_on_failure === true,
    detached: event.detached === true,
    timeoutMs: event.timeout_ms,
    retryLimit: event.retry_limit,
    backoffMs: event.backoff_ms,
    maxTurns: event.max_turns,
    maxTokens: event.max_tokens ?? 0,
    lineage: event.lineage ?? 0,
    model: event.model === undefined ? undefined : state.availability.sameName(event.model),
    labels: event.labels && state.sameLabels(event.labels),
    base: state.sameHash(event.snapshot),
    scope: scopeOf(event),
    phase: pending > 0 ? { state: "waiting", pending, until: 0 } : { state: "ready", since: at, resumed: false, seq },
    readyAt: pending > 0 ? 0 : at,
  });
  const task = state.keep(given);
  state.dirty.add(task.n);
  header.taskCount = Math.max(header.taskCount, task.n);
  if (event.after) header.dependencies = (header.dependencies ?? 0) + event.after.length;
  if (event.on_failure) header.standIns = (header.standIns ?? 0) + 1;
  if (event.stands_in && header.standIns) header.standIns--;
  if (event.root) header.root = task.n;
  if (task.key !== undefined) {
    let names = state.keys.get(task.parent);
    if (!names) {
      names = new Map();
      state.keys.set(task.parent, names);
    }
    names.set(task.key, task.n);
  }
  if (task.parent > 0) {
    const parent = state.task(task.parent);
    parent.children = appended(parent.children, task.n);
    parent.childrenMade++;
    if (!task.detached) parent.liveChildren++;
    state.dirty.add(parent.n);
  }
  for (const n of after) {
    const dependency = state.task(n);
    dependency.dependents = appended(dependency.dependents, task.n);
    state.dirty.add(n);
    if (isLive(dependency)) raiseEffective(state, dependency, task.effective);
  }
  if (after.length > 0) state.unchained.add(task);
  state.indexTask(task);
  // Its parent waits for it from the first.
  if (hasFallenBack(state.find(task.parent))) raiseEffective(state, task, state.task(task.parent).effective);
}

const unsettled = (state: RunState, task: Pick<Task, "after"> & Dependent): number =>
  task.after.filter((n) => !settles(state.find(n), task)).length;

function scopeOf({ on_failure: onFailure, stands_in: standsIn }: EventOf<"task_created">): Scope | undefined {
  if (standsIn) return { standsIn };
  return onFailure && { onFailure };
}

/** The task that joins this one as its child. */
const joiner = (state: RunState, task: Task): Task | undefined =>
  joinsParent(task) ? state.find(task.parent) : undefined;

export function hold(state: RunState, event: EventOf<"task_held">): void {
  const task = state.task(event.task);
  holdBack(state, task, task.after);
}

/** A dependent that has not begun with the old results waits for the new ones. */
function holdBack(state: RunState, dependent: Task, dependencies: readonly number[]): void {
  state.setPhase(dependent, { state: "waiting", pending: unsettled(state, dependent), until: 0 });
  for (const provider of providersOf(state, dependent)) raiseEffective(state, provider, dependent.effective);
  for (const n of dependencies) {
    const dependency = state.live(n);
    if (dependency) lengthen(state, dependency, dependent.chain + 1);
  }
}

export function fallBack(state: RunState, { task: n, error, usage }: EventOf<"task_fell_back">): void {
  const task = state.task(n);
  endWork(state, task, usage);
  task.clockAt = 0;
  state.setPhase(task, { state: "parked", on: "children", seq: state.header.seq, failed: error });
}

export function end(state: RunState, event: EventOf<"task_ended">): void {
  const task = state.task(event.task);
  assert(isLive(task), "a task ends once in a generation");
  const { effective } = task;
  endWork(state, task, event.usage);
  const { state: end, error, result_seq: seq = state.header.seq } = event;
  const because = end === "cancelled" && groups.isDrop(error) ? 0 : (error?.because ?? 0);
  state.setPhase(task, { state: end, seq, because });
  task.endedAt = state.header.changedAt;
  groups.countMember(state, task, 1);
  for (const n of task.after) {
    const dependency = state.live(n);
    if (dependency && dependency.effective <= effective) lowerEffective(state, [dependency]);
  }
  countLive(state, task, -1);
  if (!task.observed) countUnseen(state, task, 1);
  for (const n of task.dependents) {
    const dependent = state.live(n);
    if (!dependent || !isHeldBack(dependent) || !settles(task, dependent)) continue;
    dependent.phase.pending--;
    state.dirty.add(n);
  }
}

/** Nothing is left of the attempt and its calls. */
function endWork(state: RunState, task: Task, usage: UsageDelta | undefined): void {
  spend(state, task, usage);
  dropCalls(state, task);
  task.absences = nothing;
  inbox.empty(task);
  reserve(state, task, 0);
}

function countLive(state: RunState, task: Task, by: 1 | -1): void {
  const parent = joiner(state, task);
  if (!parent) return;
  parent.liveChildren += by;
  state.dirty.add(parent.n);
}

/** A failure that nobody has seen is the run's, and its parent's (E3 of ending.ts). */
function countUnseen(state: RunState, task: Task, by: 1 | -1): void {
  if (task.phase.state !== "failed") return;
  state.header.unhandled += by;
  const parent = joiner(state, task);
  if (!parent) return;
  parent.childrenFailed += by;
  state.dirty.add(parent.n);
}

export function observe(state: RunState, event: EventOf<"task_observed">): void {
  const task = state.task(event.task);
  if (task.observed) return;
  task.observed = true;
  state.dirty.add(task.n);
  countUnseen(state, task, -1);
}

/** A new generation: ready to go on after a turn, or back to `waiting`; `task_ready` follows when nothing holds it back. */
export function retry(state: RunState, event: EventOf<"task_retried">): void {
  const task = state.task(event.task);
  const { from } = event;
  assert(isEnded(task), "only an ended task is retried");
  if (!task.observed) countUnseen(state, task, -1);
  groups.countMember(state, task, -1);
  if (standInOf(state, task)) state.header.standIns = (state.header.standIns ?? 0) + 1;
  task.generation = event.generation;
  task.losses = 0;
  task.failures = 0;
  if (task.refusals > 0) task.refusals = 0;
  if (task.callsLeft) task.callsLeft = false;
  task.turns = from?.turn ?? 0;
  task.turnGeneration = from?.generation ?? 0;
  task.head = from?.snapshot;
  task.window = from?.window;
  task.noted = nothing;
  task.observed = false;
  voidChildren(state, task, from?.before ?? 0);
  task.clockAt = 0;
  task.endedAt = 0;
  if (from) {
    state.setCalls(task, from.calls?.map(({ id, seq }) => ({ id, state: "done", seq })) ?? nothing);
    makeReady(state, task);
  } else {
    state.setPhase(task, { state: "waiting", pending: unsettled(state, task), until: 0 });
  }
  countLive(state, task, 1);
  for (const n of task.dependents) {
    const dependent = state.live(n);
    if (dependent && (isHeldBack(dependent) || isUnstarted(dependent))) holdBack(state, dependent, [task.n]);
  }
  inherit(state, task);
  if (from) return;
  for (const n of task.after) {
    const dependency = state.live(n);
    if (dependency) lengthen(state, dependency, task.chain + 1);
  }
}

/** Those that it created from event `before` on are its children no more, and their keys are free. */
function voidChildren(state: RunState, task: Task, before: number): void {
  const kept: number[] = [];
  const names = state.keys.get(task.n);
  for (const n of task.children) {
    const child = state.task(n);
    if (child.createdSeq < before && !isStandIn(child)) {
      kept.push(n);
      continue;
    }
    child.keyFreed = true;
    if (child.key !== undefined) names?.delete(child.key);
    state.dirty.add(n);
  }
  task.children = kept.length > 0 ? kept : nothing;
  task.childrenMade = kept.length;
  if (kept.length === 0) task.childrenFailed = 0;
}
