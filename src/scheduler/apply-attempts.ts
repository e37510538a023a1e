/** The part of `apply` about attempts: a task becomes ready, is leased, logs turns, waits, is parked, and its lease ends. */

import { sumOf } from "../context/compaction.ts";
import { assert } from "../errors/assert.ts";
import { leaseMs } from "../limits.ts";
import { dropCalls, dropWants } from "./apply-calls.ts";
import * as inbox from "./apply-inbox.ts";
import * as lineages from "./apply-lineages.ts";
import { reserve, spend } from "./apply-usage.ts";
import * as variables from "./apply-variables.ts";
import type { EventOf } from "./events.ts";
import { joinedChildren, raiseEffective } from "./inheritance.ts";
import type { RunState } from "./state.ts";
import type { Task } from "./task.ts";

export const ready = (state: RunState, { task }: EventOf<"task_ready">): void => makeReady(state, state.task(task));

export function makeReady(state: RunState, task: Task): void {
  const { seq, changedAt: at } = state.header;
  task.readyAt = at;
  reserve(state, task, 0);
  state.setPhase(task, { state: "ready", since: at, resumed: task.head !== undefined, seq });
}

export function start(state: RunState, event: EventOf<"task_started">): void {
  const { changedAt: at } = state.header;
  const task = state.task(event.task);
  task.attempts = event.attempt;
  task.startedAt ||= at;
  task.clockAt ||= at;
  inbox.give(task);
  // What it calls again need not be word for word what an attempt before it called: the first call of a name counts.
  if (task.calls.some(({ print }) => print !== undefined))
    state.setCalls(
      task,
      task.calls.map(({ print: _, ...call }) => call),
    );
  state.header.lastFence = event.fence;
  state.setPhase(task, {
    state: "running",
    fence: event.fence,
    worker: event.worker,
    hosted: event.hosted === true,
    boot: event.boot ?? "",
    expiresAt: at + leaseMs,
    blocked: false,
  });
}

export const reserveTokens = (state: RunState, { task, tokens, nanos }: EventOf<"tokens_reserved">): void =>
  reserve(state, state.task(task), tokens, nanos);

export function logTurn(state: RunState, event: EventOf<"turn">): void {
  const task = state.task(event.task);
  task.turns = event.turn;
  task.turnGeneration = 0;
  task.head = event.snapshot;
  task.losses = 0;
  if (task.refusals > 0) task.refusals = 0;
  if (task.callsLeft || event.calls_left) task.callsLeft = event.calls_left === true;
  variables.leaveUntold(state, task);
  inbox.show(task, event.messages?.length ?? 0);
  dropCalls(state, task);
  spend(state, task, event.usage);
  lineages.meter(state, task, event.usage);
  reserve(state, task, 0);
  state.dirty.add(task.n);
}

export function compact(state: RunState, event: EventOf<"context_compacted">): void {
  const { task: n, to, last, own } = event;
  const task = state.task(n);
  spend(state, task, event.usage);
  task.head = to;
  task.window = { last, own, ...sumOf(task.window, event) };
  state.dirty.add(n);
}

export function block(state: RunState, event: EventOf<"call_blocked">): void {
  const task = state.task(event.task);
  assert(task.phase.state === "running", "only a running task blocks");
  state.setPhase(task, { ...task.phase, blocked: event.blocked });
}

export function park(state: RunState, event: EventOf<"task_parked">): void {
  const { seq } = state.header;
  const task = state.task(event.task);
  reserve(state, task, 0);
  if (task.callsLeft) {
    task.callsLeft = false;
    // Others that wait for it were taken for ones that go on.
    state.blocking.fresh.add(task.n);
  }
  if (event.on === "children") {
    spend(state, task, event.usage);
    dropCalls(state, task);
    inbox.empty(task);
    state.setPhase(task, { state: "parked", on: "children", seq });
    for (const child of joinedChildren(state, task)) raiseEffective(state, child, task.effective);
  } else if (event.on === "budget") {
    const { need, nanos } = event;
    state.setPhase(task, { state: "parked", on: "budget", need, ...(nanos !== undefined && { nanos }), seq });
  } else {
    state.setPhase(task, { state: "parked", on: "calls" });
  }
}

export function end(state: RunState, event: EventOf<"attempt_ended">): void {
  const task = state.task(event.task);
  spend(state, task, event.usage);
  reserve(state, task, 0);
  if (event.why === "lost") task.losses++;
  if (event.uncounted) task.refusals++;
  else if (event.why === "transient") task.failures++;
  // A pull worker's waits are its own long polls: what comes free must not go to one that is gone.
  if (task.phase.state === "running" && !task.phase.hosted) {
    variables.leaveUntold(state, task);
    dropWants(state, task);
  }
  if (event.until !== undefined && event.until > state.header.changedAt) {
    state.setPhase(task, { state: "waiting", pending: 0, until: event.until });
  } else {
    makeReady(state, task);
  }
}
