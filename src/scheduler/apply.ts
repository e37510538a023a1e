/**
 * apply(state, event): the one place where a run's state changes. Total over logged events: it never refuses what this version can
 * write, so a log written once can always be replayed. What is allowed is decided before (decide files); what follows from what is decided
 * there too, as further events.
 */

import { assert } from "../errors/assert.ts";
import { Newer } from "../errors/newer.ts";
import { cyclesRemembered } from "../limits.ts";
import { endActor, openActor } from "./apply-actors.ts";
import * as attempts from "./apply-attempts.ts";
import { dropCalls, endCall, waitInCall } from "./apply-calls.ts";
import * as groups from "./apply-groups.ts";
import * as inbox from "./apply-inbox.ts";
import * as lineages from "./apply-lineages.ts";
import * as remote from "./apply-remote-calls.ts";
import { reserve, spend } from "./apply-usage.ts";
import * as variables from "./apply-variables.ts";
import { noteAvailability } from "./availability.ts";
import { lengthen, settleChains } from "./chains.ts";
import type { SchedulerEvent } from "./events.ts";
import { standInOf } from "./fallbacks.ts";
import { inherit, lowerEffective, providersOf, raiseEffective } from "./inheritance.ts";
import * as rules from "./rules/apply-rules.ts";
import { cyclesOf, type RunState } from "./state.ts";
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

type Of<Type extends SchedulerEvent["type"]> = Extract<SchedulerEvent, { type: Type }>;

/** After one of these somebody may go on, or fewer wait: a stall is over, or is another one. */
const endsStall: ReadonlySet<SchedulerEvent["type"]> = new Set([
  "task_ready",
  "task_created",
  "task_ended",
  "attempt_ended",
  "turn",
  "call_done",
]);

/** The compiler knows no other; a log that a newer version went on with may. */
const unknownEvent = (event: never): Newer =>
  new Newer(`The log has an event of the type ${(event as SchedulerEvent).type}, which this version does not know.`);

export function apply(state: RunState, event: SchedulerEvent, seq: number, at: number): void {
  const { header } = state;
  header.seq = seq;
  header.changedAt = at;
  if (header.stalledAt && endsStall.has(event.type)) header.stalledAt = 0;
  if (header.exhaustedAt && (event.type === "task_started" || endsStall.has(event.type))) header.exhaustedAt = 0;
  if (rules.modelCallIn(state, event)) header.modelCalls = (header.modelCalls ?? 0) + 1;
  if (header.rules) rules.observe(state, header.rules, event, at);
  if (event.type !== "task_created") settleChains(state);
  switch (event.type) {
    case "run_created":
      header.limits = event.limits;
      if (event.named) header.named = event.named;
      header.snapshot = event.snapshot;
      header.name = event.name ?? "";
      if (event.fail_fast) header.failFast = true;
      if (event.fences_above !== undefined) header.lastFence = event.fences_above;
      header.createdAt = at;
      if (event.credential) header.credential = event.credential;
      if (event.retention_days !== undefined) header.retentionDays = event.retention_days;
      return;
    case "run_retained":
      header.retentionDays = event.days;
      return;
    case "run_imported":
      // Shares are of the deployment that it came from.
      delete header.share;
      restartClocks(state, at);
      return;
    case "context_appended":
      header.snapshot = event.snapshot;
      return;
    case "task_created":
      createTask(state, event, seq, at);
      return;
    case "task_ready":
      attempts.makeReady(state, state.task(event.task), seq, at);
      return;
    case "task_held": {
      const task = state.task(event.task);
      holdBack(state, task, task.after);
      return;
    }
    case "task_started":
      attempts.start(state, event, at);
      return;
    case "tokens_reserved":
      reserve(state, state.task(event.task), event.tokens, event.nanos);
      return;
    case "turn":
      attempts.logTurn(state, event, at);
      return;
    case "context_compacted":
      attempts.compact(state, event);
      return;
    case "message_received":
      inbox.receive(state, event, seq);
      return;
    case "budget_noted":
      inbox.note(state, event, seq);
      return;
    case "call_waiting":
      waitInCall(state, event, seq);
      return;
    case "tool_call_started":
      remote.startCall(state, event, at);
      return;
    case "tool_call_attempt_ended":
      remote.endCallAttempt(state, event, seq, at);
      return;
    case "tool_call_ready":
      remote.readyCall(state, event, seq, at);
      return;
    case "tool_call_progress":
      remote.noteProgress(state, event, seq, at);
      return;
    case "lock_granted":
      variables.grantLock(state, event, at);
      return;
    case "lock_released":
      variables.releaseLock(state, event, at);
      return;
    case "semaphore_created":
      variables.createSemaphore(state, event);
      return;
    case "permits_granted":
      variables.grantPermits(state, event, at);
      return;
    case "permits_released":
      variables.releasePermits(state, event, at);
      return;
    case "barrier_tripped":
    case "barrier_broken":
      variables.endGeneration(state, event);
      return;
    case "queue_created":
      variables.createQueue(state, event);
      return;
    case "messages_pushed":
      variables.pushMessages(state, event, seq);
      return;
    case "messages_popped":
      variables.popMessages(state, event);
      return;
    case "queue_closed":
      variables.closeQueue(state, event);
      return;
    case "future_settled":
      variables.settleFuture(state, event, seq);
      return;
    case "call_done":
      endCall(state, event, seq);
      return;
    case "call_blocked":
      attempts.block(state, event);
      return;
    case "group_created":
      groups.createGroup(state, event);
      return;
    case "group_decided":
      groups.decideGroup(state, event);
      return;
    case "task_fell_back":
      groups.fallBack(state, event, seq);
      return;
    case "task_parked":
      attempts.park(state, event, seq);
      return;
    case "attempt_ended":
      attempts.end(state, event, seq, at);
      return;
    case "task_ended":
      endTask(state, event, seq, at);
      return;
    case "task_observed":
      observe(state, state.task(event.task));
      return;
    case "task_retried":
      retryTask(state, event, seq, at);
      return;
    case "lineage_begun":
      lineages.begin(state, event, at);
      return;
    case "cache_warming":
      lineages.warm(state, event);
      return;
    case "cache_released":
      lineages.release(state, event, at);
      return;
    case "run_paused":
      header.status = "paused";
      header.reason = event.reason;
      if (event.quota) header.quota = event.quota;
      else delete header.quota;
      return;
    case "seat_target":
      if (event.seats === undefined) delete header.share;
      else header.share = { seats: event.seats, why: event.why ?? "deployment" };
      return;
    case "seat_opened":
    case "seat_closed":
      return;
    case "run_resumed":
      delete header.quota;
      header.status = "active";
      header.reason = "";
      return;
    case "limits_changed":
      rules.limit(state, { tokens: event.tokens, ...(event.nanos !== undefined && { nanos: event.nanos }) });
      return;
    case "rules_set":
      rules.setRules(state, event);
      return;
    case "rule_fired":
    case "rule_cleared":
      rules.fire(state, event, at);
      return;
    case "availability_changed":
      noteAvailability(header, event, at);
      return;
    case "worker_load":
      rules.noteLoad(state, event, at);
      return;
    case "run_ended":
      header.status = event.status;
      header.reason = event.reason ?? "";
      header.endedAt = at;
      // It waits for nothing any more.
      delete header.quota;
      return;
    case "run_reopened":
      if (header.endedAt > 0) {
        header.status = "active";
        header.reason = "";
        header.reopened = true;
      }
      header.endedAt = 0;
      delete header.failing;
      return;
    case "run_failing":
      header.failing = event.task;
      return;
    case "finding":
      header.findings++;
      if (event.kind === "stall") {
        header.stalledAt = at;
        header.stallSeq = seq;
      }
      if (event.kind === "pool_exhausted") header.exhaustedAt = at;
      if (event.cycle !== undefined) countCycle(state, event.cycle);
      return;
    case "stall_extended":
      header.stallExtendedAt = at;
      return;
    case "actor_opened":
      openActor(state, event, seq, at);
      return;
    case "actor_ended":
      endActor(state, event, seq, at);
      return;
    case "webhook_set":
    case "webhook_off":
    case "late_refused":
    case "variable_created":
    case "variables_used":
      return;
    default:
      throw unknownEvent(event);
  }
}

/** What passed between a run's export and its import was nobody's time. */
function restartClocks(state: RunState, at: number): void {
  for (const task of state.tasks.values()) {
    if (!isLive(task)) continue;
    if (task.clockAt > 0) task.clockAt = at;
    remote.restartClocks(state, task, at);
    state.dirty.add(task.n);
    state.retime(task);
  }
}

function countCycle({ header }: RunState, cycle: string): void {
  const count = cyclesOf(header, cycle);
  // The newest stand last; those that were not found again for long are forgotten.
  const kept = Object.entries(header.cycles ?? {}).filter(([name]) => name !== cycle);
  header.cycles = { ...Object.fromEntries(kept.slice(1 - cyclesRemembered)), [cycle]: count + 1 };
}

function createTask(state: RunState, event: Of<"task_created">, seq: number, at: number): void {
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
  state.header.taskCount = Math.max(state.header.taskCount, task.n);
  if (event.after) state.header.dependencies = (state.header.dependencies ?? 0) + event.after.length;
  if (event.on_failure) state.header.standIns = (state.header.standIns ?? 0) + 1;
  if (event.stands_in && state.header.standIns) state.header.standIns--;
  if (event.root) state.header.root = task.n;
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

function scopeOf({ on_failure: onFailure, stands_in: standsIn }: Of<"task_created">): Scope | undefined {
  if (standsIn) return { standsIn };
  return onFailure && { onFailure };
}

/** The task that joins this one as its child. */
const joiner = (state: RunState, task: Task): Task | undefined =>
  joinsParent(task) ? state.find(task.parent) : undefined;

function endTask(state: RunState, event: Of<"task_ended">, seq: number, at: number): void {
  const task = state.task(event.task);
  assert(isLive(task), "a task ends once in a generation");
  const { effective } = task;
  spend(state, task, event.usage);
  dropCalls(state, task);
  task.absences = nothing;
  inbox.empty(task);
  reserve(state, task, 0);
  const { state: end, error } = event;
  const because = end === "cancelled" && groups.isDrop(error) ? 0 : (error?.because ?? 0);
  state.setPhase(task, { state: end, seq: event.result_seq ?? seq, because });
  task.endedAt = at;
  groups.countMember(state, task, 1);
  if (event.state === "failed" && !task.observed) state.header.unhandled++;
  for (const n of task.after) {
    const dependency = state.live(n);
    if (dependency && dependency.effective <= effective) lowerEffective(state, [dependency]);
  }
  const parent = joiner(state, task);
  if (parent) {
    parent.liveChildren--;
    if (event.state === "failed" && !task.observed) parent.childrenFailed++;
    state.dirty.add(parent.n);
  }
  for (const n of task.dependents) {
    const dependent = state.live(n);
    if (!dependent || !isHeldBack(dependent) || !settles(task, dependent)) continue;
    dependent.phase.pending--;
    state.dirty.add(n);
  }
}

function observe(state: RunState, task: Task): void {
  if (task.observed) return;
  task.observed = true;
  state.dirty.add(task.n);
  if (task.phase.state !== "failed") return;
  state.header.unhandled--;
  const parent = joiner(state, task);
  if (parent) {
    parent.childrenFailed--;
    state.dirty.add(parent.n);
  }
}

/** A new generation: ready to go on after a turn, or back to `waiting`; `task_ready` follows when nothing holds it back. */
function retryTask(state: RunState, event: Of<"task_retried">, seq: number, at: number): void {
  const task = state.task(event.task);
  const { from } = event;
  assert(isEnded(task), "only an ended task is retried");
  const parent = joiner(state, task);
  if (task.phase.state === "failed" && !task.observed) {
    state.header.unhandled--;
    if (parent) parent.childrenFailed--;
  }
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
    attempts.makeReady(state, task, seq, at);
  } else {
    state.setPhase(task, { state: "waiting", pending: unsettled(state, task), until: 0 });
  }
  if (parent) {
    parent.liveChildren++;
    state.dirty.add(parent.n);
  }
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

/** A dependent that has not begun with the old results waits for the new ones. */
function holdBack(state: RunState, dependent: Task, dependencies: readonly number[]): void {
  state.setPhase(dependent, { state: "waiting", pending: unsettled(state, dependent), until: 0 });
  for (const provider of providersOf(state, dependent)) raiseEffective(state, provider, dependent.effective);
  for (const n of dependencies) {
    const dependency = state.live(n);
    if (dependency) lengthen(state, dependency, dependent.chain + 1);
  }
}
