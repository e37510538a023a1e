/** The part of `apply` that is about variables which block. */

import { assert } from "../errors/assert.ts";
import { generationOf } from "./barriers.ts";
import { waiterOf } from "./blocking-state.ts";
import type { EventOf } from "./events.ts";
import type { Part, QueueFacts } from "./facts.ts";
import { inherit, lowerEffective, raiseEffective } from "./inheritance.ts";
import { emptyQueue } from "./message-queues.ts";
import type { RunState } from "./state.ts";
import { type Absence, type Task, type WaitingCall, waitsAt } from "./task.ts";

/** A task takes its place in the lines of what it wants, and lends its priority to those who hold that. */
export function enterLines(state: RunState, task: Task, call: WaitingCall): void {
  if (!call.want) return;
  state.blocking.enter(waiterOf(task, call, call.want));
  state.blocking.raiseTops(task);
  if (call.want.kind === "barrier") task.absences = withoutAbsence(task, call.want.names[0]);
  for (const name of call.want.names) {
    for (const holder of state.blocking.holdersOf(name)) raiseEffective(state, state.task(holder), task.effective);
  }
}

export function leaveLines(state: RunState, task: Task, call: WaitingCall, level: number): void {
  if (!call.want) return;
  state.blocking.leave(waiterOf(task, call, call.want));
  for (const name of call.want.names) {
    const holders = Array.from(state.blocking.holdersOf(name), (n) => state.task(n));
    lowerEffective(
      state,
      holders.filter((holder) => holder.effective <= level),
    );
  }
}

/** Its worker goes away, or goes on with something else, while the task waits at barriers: it is expected back there (G4). */
export function leaveUntold(state: RunState, task: Task): void {
  for (const { want } of waitsAt(task, "barrier")) {
    const [name] = want.names;
    task.absences = [...withoutAbsence(task, name), { name, generation: generationOf(state, name) }];
  }
}

const withoutAbsence = ({ absences }: Task, name: string): readonly Absence[] =>
  absences.some((one) => one.name === name) ? absences.filter((one) => one.name !== name) : absences;

export function grantLock(state: RunState, event: EventOf<"lock_granted">): void {
  const { name, token, mode } = event;
  const task = state.task(event.task);
  const { blocking } = state;
  const facts = blocking.factsOf(name, "lock") ?? { kind: "lock", token: 0, grants: 0, waitedMs: 0, heldMs: 0 };
  const { grants, waitedMs } = facts;
  blocking.put(name, { ...facts, token, grants: grants + 1, waitedMs: waitedMs + (event.waited_ms ?? 0) });
  task.holds = [...task.holds, { name, token, mode, since: state.header.changedAt, until: event.until ?? 0 }];
  blocking.line(name, "lock").holders.set(task.n, mode);
  blocking.fresh.add(task.n);
  inherit(state, task);
  state.retime(task);
}

export function releaseLock(state: RunState, event: EventOf<"lock_released">): void {
  const { name, token } = event;
  const task = state.task(event.task);
  const { blocking } = state;
  const hold = task.holds.find((one) => one.token === token && one.name === name);
  const facts = blocking.factsOf(name, "lock");
  assert(hold && facts, "only what is held is released");
  blocking.put(name, { ...facts, heldMs: facts.heldMs + state.header.changedAt - hold.since });
  task.holds = task.holds.filter((one) => one !== hold);
  blocking.line(name, "lock").holders.delete(task.n);
  blocking.freed.add(name);
  lowerEffective(state, [task]);
  state.dirty.add(task.n);
  state.retime(task);
}

export function createSemaphore(state: RunState, { name, permits }: EventOf<"semaphore_created">): void {
  state.blocking.put(name, { kind: "semaphore", permits, grants: 0, waitedMs: 0, heldMs: 0 });
}

export function grantPermits(state: RunState, event: EventOf<"permits_granted">): void {
  const { name } = event;
  const task = state.task(event.task);
  const { blocking } = state;
  const facts = blocking.factsOf(name, "semaphore");
  assert(facts, "permits are of a semaphore that was created");
  const waitedMs = facts.waitedMs + (event.waited_ms ?? 0);
  blocking.put(name, { ...facts, grants: facts.grants + 1, waitedMs });
  changePermits(state, task, name, event.permits);
  blocking.fresh.add(task.n);
  inherit(state, task);
}

export function releasePermits(state: RunState, event: EventOf<"permits_released">): void {
  const { name, permits } = event;
  const task = state.task(event.task);
  const { blocking } = state;
  const facts = blocking.factsOf(name, "semaphore");
  const hold = task.permits.find((one) => one.name === name);
  assert(facts && hold && hold.permits >= permits, "only what is held is released");
  blocking.put(name, { ...facts, heldMs: facts.heldMs + state.header.changedAt - hold.since });
  changePermits(state, task, name, -permits);
  blocking.freed.add(name);
  lowerEffective(state, [task]);
}

function changePermits(state: RunState, task: Task, name: string, change: number): void {
  const before = task.permits.find((one) => one.name === name);
  const permits = (before?.permits ?? 0) + change;
  const others = task.permits.filter((one) => one !== before);
  task.permits = permits === 0 ? others : [...others, { name, permits, since: state.header.changedAt }];
  state.blocking.line(name, "semaphore").hold(task.n, change);
  state.dirty.add(task.n);
}

export function endGeneration(state: RunState, event: EventOf<"barrier_tripped" | "barrier_broken">): void {
  const { blocking } = state;
  const facts = blocking.factsOf(event.name, "barrier") ?? { kind: "barrier", generation: 0, broken: 0, waitedMs: 0 };
  blocking.put(event.name, {
    ...facts,
    generation: event.generation + 1,
    broken: facts.broken + (event.type === "barrier_broken" ? 1 : 0),
    waitedMs: facts.waitedMs + (event.type === "barrier_tripped" ? event.waited_ms : 0),
  });
}

const changeQueue = (state: RunState, name: string, change: (facts: QueueFacts) => Partial<QueueFacts>): void => {
  const facts = state.blocking.factsOf(name, "message_queue") ?? emptyQueue;
  state.blocking.put(name, { ...facts, ...change(facts) });
  state.blocking.freed.add(name);
};

export const createQueue = (state: RunState, { name, capacity }: EventOf<"queue_created">): void =>
  changeQueue(state, name, () => ({ capacity }));

export const closeQueue = (state: RunState, { name }: EventOf<"queue_closed">): void =>
  changeQueue(state, name, () => ({ closed: true }));

export const pushMessages = (state: RunState, event: EventOf<"messages_pushed">): void =>
  changeQueue(state, event.name, ({ pushed, parts, waitedMs }) => ({
    pushed: pushed + event.sizes.length,
    parts: [...parts, { seq: event.from ?? state.header.seq, index: 0, sizes: event.sizes }],
    waitedMs: waitedMs + (event.waited_ms ?? 0),
  }));

export const popMessages = (state: RunState, event: EventOf<"messages_popped">): void =>
  changeQueue(state, event.name, ({ popped, parts, waitedMs }) => ({
    popped: popped + event.count,
    parts: without(parts, event.count),
    waitedMs: waitedMs + (event.waited_ms ?? 0),
  }));

function without(parts: readonly Part[], count: number): Part[] {
  let left = count;
  let whole = 0;
  while (whole < parts.length && parts[whole]!.sizes.length <= left) left -= parts[whole++]!.sizes.length;
  const rest = parts.slice(whole);
  const [first] = rest;
  if (left > 0 && first) rest[0] = { seq: first.seq, index: first.index + left, sizes: first.sizes.slice(left) };
  return rest;
}

export function settleFuture(state: RunState, { name, state: to }: EventOf<"future_settled">): void {
  state.blocking.put(name, { kind: "future", state: to, seq: state.header.seq });
  state.blocking.freed.add(name);
}
