/**
 * Locks: grants, waits and releases, decided in the run itself, where tasks end, park and wake: no message between them
 * can be lost, doubled or late.
 *
 * K2. A grant's token is higher than every earlier one of its lock.
 * K3. `acquire` of several names gets all of them at one moment, or waits with none.
 * K4. Whatever ends a task, or its work, releases what it holds in the same step.
 * K5. A wait that closes a cycle of waits is found in the step that closes it; one wait of that cycle fails, and its task
 *     lets go of its locks (deadlock.ts).
 */

import type { LockMode } from "../variables/ops.ts";
import { beginWait, closeCall, knownCall, waitedMs, wake } from "./calls.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { type Hold, type Task, waitsAt } from "./task.ts";
import type { Begun, Refusal, WaitOutcome } from "./wait-outcome.ts";

type Granted = Extract<WaitOutcome, { kind: "granted" }>;

export interface Acquire {
  readonly call: string;
  readonly names: readonly string[];
  /** Asked for as a list, if only of one: taken in the one order for everybody, or refused. */
  readonly listed?: boolean;
  readonly mode: LockMode;
  /** When the wait times out; 0: never. */
  readonly until: number;
}

const holdOf = (task: Task, name: string): Hold | undefined => task.holds.find((hold) => hold.name === name);
const lockOf = (state: RunState, name: string) => state.blocking.line(name, "lock");

/** Gets the locks now, or records the wait of a running task. Idempotent by the call's id. */
export function acquire(step: Step, task: Task, { call, names, listed, mode, until }: Acquire): Begun {
  const known = knownCall(task, call);
  if (known) return known;
  const refusal = refusalOf(task, names, listed);
  if (refusal) return refusal;
  replaceEarlierWait(step, task, names);
  if (names.every((name) => lockOf(step.state, name).admits(mode))) return grant(step, task, names, mode);
  return beginWait(step, task, call, { kind: "lock", names, mode }, until);
}

function refusalOf(task: Task, names: readonly string[], listed = names.length > 1): Refusal | undefined {
  for (const name of names) {
    const hold = holdOf(task, name);
    if (hold) return { kind: "already_held", name, token: hold.token, mode: hold.mode };
  }
  const held = listed && task.holds.find((hold) => names.some((name) => hold.name > name));
  return held ? { kind: "holds_locks", names, held: held.name } : undefined;
}

/** The same task asking again takes its earlier wait's place: it never waits twice for one lock. */
function replaceEarlierWait(step: Step, task: Task, names: readonly string[]): void {
  for (const { id, want } of waitsAt(task, "lock")) {
    if (!want.names.some((name) => names.includes(name))) continue;
    closeCall(step, task, id, "answered", { kind: "superseded", names: want.names });
    for (const name of want.names) handOverLock(step, name);
  }
}

/** The lock if it is free and nobody waits for it; undefined otherwise. */
export function tryAcquire(step: Step, task: Task, name: string, mode: LockMode): Granted | Refusal | undefined {
  const refusal = refusalOf(task, [name]);
  if (refusal) return refusal;
  return lockOf(step.state, name).admits(mode) ? grant(step, task, [name], mode) : undefined;
}

export function releaseLock(step: Step, task: Task, name: string, token?: number): Refusal | undefined {
  const hold = holdOf(task, name);
  if (!hold || (token !== undefined && token !== hold.token)) {
    return { kind: "not_holder", name, ...(hold && { token: hold.token }) };
  }
  step.emit({ type: "lock_released", task: task.n, name, token: hold.token, why: "released" });
  return undefined;
}

/** `limits.hold_ms` is over: whoever still writes with the token is fenced off by the next grant's first write. */
export function expireHolds(step: Step, task: Task): void {
  for (const { name, token, until } of task.holds) {
    if (until === 0 || until > step.now) continue;
    step.emit({ type: "lock_released", task: task.n, name, token, why: "expired" });
    const message = `"${name}" was held longer than limits.hold_ms, and taken from its holder.`;
    step.emit({ type: "finding", kind: "hold_expired", severity: "warning", subjects: [task.n], message });
  }
}

/** Grants to those who wait for this lock, in their order, as far as it is free. */
export function handOverLock(step: Step, lock: string): void {
  const { state } = step;
  const line = lockOf(state, lock);
  for (let first = line.first; first; first = line.first) {
    const { want, seq, call } = first;
    const { names, mode } = want;
    const isNext = (one: string) => lockOf(state, one).first?.seq === seq && lockOf(state, one).allows(mode);
    if (!names.every(isNext)) break;
    const task = state.task(first.task);
    const cause = closeCall(step, task, call, "settled", { kind: "granted", tokens: nextTokens(state, names) });
    grant(step, task, names, mode, waitedMs(step, first), [cause]);
    wake(step, task, cause);
  }
}

const nextTokens = (state: RunState, names: readonly string[]): Record<string, number> =>
  Object.fromEntries(names.map((name) => [name, (state.blocking.factsOf(name, "lock")?.token ?? 0) + 1]));

function grant(
  step: Step,
  task: Task,
  names: readonly string[],
  mode: LockMode,
  waited: { readonly waited_ms?: number } = {},
  causes: readonly number[] = [],
): Granted {
  const { holdMs } = step.state.header.limits;
  const tokens = nextTokens(step.state, names);
  for (const name of names) {
    const token = tokens[name]!;
    const until = holdMs > 0 && { until: step.now + holdMs };
    step.emit({ type: "lock_granted", task: task.n, name, token, mode, ...waited, ...until }, undefined, causes);
  }
  return { kind: "granted", tokens };
}
