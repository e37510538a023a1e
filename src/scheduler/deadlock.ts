/**
 * Deadlocks (DESIGN §6): a cycle of waits is found when a wait closes it, and one wait of it fails.
 *
 * X1. Only a task that can never end, by the fixpoint of liveness.ts, is made a victim; so no false alarm.
 * X2. The victim is, among the cycle's tasks that wait in a tool call, the one of lowest priority, then of fewest tokens
 *     spent, then the youngest. Its task goes on: it is told the cycle, what it lost and an order that would have worked.
 */

import { assert } from "../errors/assert.ts";
import { waitersOf } from "./inheritance.ts";
import { neverEnding, waitsOf } from "./liveness.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { joinsParent, type Task } from "./task.ts";
import { closeCall, wake } from "./waits.ts";

interface Link {
  readonly task: Task;
  /** The call that waits; undefined: a dependency or its children. */
  readonly call: string | undefined;
}

/** Ends waits until `task` is in, or behind, no cycle any more. `settleLocks` must follow before the step is over. */
export function breakDeadlock(step: Step, task: Task): void {
  if (!mayClose(step.state, task)) return;
  for (let cycle = cycleFrom(step.state, task); cycle; cycle = cycleFrom(step.state, task)) fail(step, cycle);
}

/**
 * Whether somebody that the task waits for may be waiting for it, directly or not; else it closes no cycle, and the search for
 * one is spared: a long queue of tasks that hold nothing costs each newcomer next to nothing.
 */
function mayClose(state: RunState, task: Task): boolean {
  const providers = new Set<number>();
  for (const { of } of waitsOf(state, task)) for (const n of of) providers.add(n);
  const seen = new Set([task]);
  const stack = providers.size > 0 ? [task] : [];
  for (let one = stack.pop(); one; one = stack.pop()) {
    for (const waiter of behind(state, one)) {
      if (providers.has(waiter.n)) return true;
      if (!seen.has(waiter)) stack.push(waiter);
      seen.add(waiter);
    }
  }
  return false;
}

/** Whoever can't go on before this task does, and perhaps some that could. */
function* behind(state: RunState, task: Task): Generator<Task> {
  yield* waitersOf(state, task);
  const parent = joinsParent(task) && state.live(task.parent);
  if (parent) yield parent;
  for (const call of task.calls) {
    if (call.state !== "waiting" || !call.lock) continue;
    for (const name of call.lock.names) for (const n of state.lock(name).after(call.seq)) yield state.task(n);
  }
}

function cycleFrom(state: RunState, from: Task): readonly Link[] | undefined {
  const stuck = neverEnding(state, [from.n], {});
  if (!stuck.has(from.n)) return undefined;
  const path: Link[] = [];
  const places = new Map<number, number>();
  for (let n = from.n; ; ) {
    const place = places.get(n);
    if (place !== undefined) return path.slice(place);
    places.set(n, path.length);
    const task = state.task(n);
    const wait = [...waitsOf(state, task)].find(
      ({ of, need }) => [...of].filter((one) => !stuck.has(one)).length < need,
    );
    assert(wait, "a task that can never end waits for one that can't");
    path.push({ task, call: wait.call });
    n = [...wait.of].find((one) => stuck.has(one))!;
  }
}

function fail(step: Step, cycle: readonly Link[]): void {
  const links = cycle.filter((link) => link.call !== undefined);
  assert(links.length > 0, "dependencies and children alone never make a cycle");
  const { task, call } = links.reduce((one, other) => (isRather(other.task, one.task) ? other : one));
  const first = cycle.findIndex((link) => link.task === task);
  const numbers = [...cycle.slice(first), ...cycle.slice(0, first)].map((link) => link.task.n);
  const order = [...new Set(cycle.flatMap((link) => locksOf(link)))].sort();
  const released = task.holds.map((hold) => hold.name);
  const waits = links.flatMap((link) => link.task.calls.filter((one) => one.id === link.call).map(({ seq }) => seq));
  const found = step.emit(
    {
      type: "finding",
      kind: "deadlock",
      severity: "warning",
      subjects: numbers,
      message: `${numbers.length} tasks waited for one another${order.length > 0 ? ` over ${order.join(", ")}` : ""}; the wait of the first was ended.`,
    },
    undefined,
    waits,
  );
  const lock = { kind: "deadlock_victim", cycle: numbers, released, order } as const;
  const cause = closeCall(step, task, call!, "lock", "deadlock", { lock }, [found]);
  for (const { name, token } of task.holds) {
    step.emit({ type: "lock_released", task: task.n, name, token, why: "victim" }, undefined, [cause]);
  }
  wake(step, task, cause);
}

const isRather = (a: Task, b: Task): boolean => {
  const tokens = (task: Task) => task.inputTokens + task.outputTokens;
  return (a.priority - b.priority || tokens(a) - tokens(b) || b.n - a.n) < 0;
};

const locksOf = ({ task, call }: Link): string[] => {
  const waiting = task.calls.find((one) => one.id === call);
  const wanted = waiting?.state === "waiting" ? (waiting.lock?.names ?? []) : [];
  return [...task.holds.map((hold) => hold.name), ...wanted];
};
