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
import { breakDeadlock } from "./deadlock.ts";
import type { LockOutcome, LockRefusal } from "./lock-outcome.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import type { Hold, Task } from "./task.ts";
import { closeCall, wake } from "./waits.ts";

type Granted = Extract<LockOutcome, { kind: "granted" }>;

export type Acquired =
  | Granted
  | LockRefusal
  | { readonly kind: "waiting" }
  /** The call ended in this step, as that event says. */
  | { readonly kind: "done"; readonly seq: number };

export interface Acquire {
  readonly call: string;
  readonly names: readonly string[];
  readonly mode: LockMode;
  /** When the wait times out; 0: never. */
  readonly until: number;
}

const holdOf = (task: Task, name: string): Hold | undefined => task.holds.find((hold) => hold.name === name);

/** Gets the locks now, or records the wait of a running task. Idempotent by the call's id. */
export function acquire(step: Step, task: Task, { call, names, mode, until }: Acquire): Acquired {
  const known = task.calls.find((one) => one.id === call);
  if (known) return known.state === "done" ? { kind: "done", seq: known.seq } : { kind: "waiting" };
  const refusal = refusalOf(task, names);
  if (refusal) return refusal;
  replaceEarlierWait(step, task, names);
  if (names.every((name) => step.state.lock(name).admits(mode))) return grant(step, task, names, mode, 0);
  const lock = { names, mode };
  step.emit({ type: "call_waiting", task: task.n, call, targets: [], mode: "all", ...(until > 0 && { until }), lock });
  breakDeadlock(step, task);
  settleLocks(step);
  const now = task.calls.find((one) => one.id === call);
  return now?.state === "done" ? { kind: "done", seq: now.seq } : { kind: "waiting" };
}

function refusalOf(task: Task, names: readonly string[]): LockRefusal | undefined {
  for (const name of names) {
    const hold = holdOf(task, name);
    if (hold) return { kind: "already_held", name, token: hold.token, mode: hold.mode };
  }
  const held = names.length > 1 && task.holds.find((hold) => names.some((name) => hold.name > name));
  return held ? { kind: "holds_locks", names, held: held.name } : undefined;
}

/** An attempt that was lost may have left a wait behind: the same task asking again takes its place, not a second one. */
function replaceEarlierWait(step: Step, task: Task, names: readonly string[]): void {
  for (const call of task.calls) {
    if (call.state !== "waiting" || !call.lock?.names.some((name) => names.includes(name))) continue;
    const lock: LockOutcome = { kind: "superseded", names: call.lock.names };
    closeCall(step, task, call.id, "lock", "answered", { lock });
  }
  settleLocks(step);
}

/** The lock if it is free and nobody waits for it; undefined otherwise. */
export function tryAcquire(step: Step, task: Task, name: string, mode: LockMode): Granted | LockRefusal | undefined {
  const refusal = refusalOf(task, [name]);
  if (refusal) return refusal;
  return step.state.lock(name).admits(mode) ? grant(step, task, [name], mode, 0) : undefined;
}

export function releaseLock(step: Step, task: Task, name: string, token?: number): LockRefusal | undefined {
  const hold = holdOf(task, name);
  if (!hold || (token !== undefined && token !== hold.token)) {
    return { kind: "not_holder", name, ...(hold && { token: hold.token }) };
  }
  step.emit({ type: "lock_released", task: task.n, name, token: hold.token, why: "released" });
  settleLocks(step);
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

/** Hands what came free to those who wait, in their order. Every step that frees a lock or ends a wait calls it. */
export function settleLocks(step: Step): void {
  const { state } = step;
  for (const name of state.freedLocks) {
    state.freedLocks.delete(name);
    const queue = state.lock(name);
    for (let first = queue.waiters[0]; first; first = queue.waiters[0]) {
      const { names, mode, seq, call, since } = first;
      const isNext = (one: string) => state.lock(one).waiters[0]?.seq === seq && state.lock(one).allows(mode);
      if (!names.every(isNext)) break;
      const task = state.task(first.task);
      const lock = { kind: "granted", tokens: nextTokens(state, names) } as const;
      const cause = closeCall(step, task, call, "lock", "settled", { lock });
      grant(step, task, names, mode, step.now - since, [cause]);
      wake(step, task, cause);
      breakDeadlock(step, task);
    }
  }
}

const nextTokens = (state: RunState, names: readonly string[]): Record<string, number> =>
  Object.fromEntries(names.map((name) => [name, (state.lockTotals(name)?.token ?? 0) + 1]));

function grant(
  step: Step,
  task: Task,
  names: readonly string[],
  mode: LockMode,
  waitedMs: number,
  causes: readonly number[] = [],
) {
  const { holdMs } = step.state.header.limits;
  const tokens = nextTokens(step.state, names);
  for (const name of names) {
    const token = tokens[name]!;
    const until = holdMs > 0 && { until: step.now + holdMs };
    const waited = waitedMs > 0 && { waited_ms: waitedMs };
    step.emit({ type: "lock_granted", task: task.n, name, token, mode, ...waited, ...until }, undefined, causes);
  }
  return { kind: "granted", tokens } as const;
}
