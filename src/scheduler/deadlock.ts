/**
 * Deadlocks (DESIGN §6): a cycle of waits is found when a wait closes it, and one wait of it fails.
 *
 * X1. Only a task that can never end, by the fixpoint of liveness.ts, is made a victim; so no false alarm.
 * X2. The victim is, among the cycle's tasks that wait in a tool call, the one of lowest priority, then of fewest tokens
 *     spent, then the youngest. Its task goes on: it is told the cycle, what it lost and an order that would have worked.
 */

import { assert } from "../errors/assert.ts";
import { neverEnding, waitsOf } from "./liveness.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import type { Task } from "./task.ts";
import { closeCall, wake } from "./waits.ts";

interface Link {
  readonly task: Task;
  /** The call that waits; undefined: a dependency or its children. */
  readonly call: string | undefined;
}

/** Ends waits until `task` is in, or behind, no cycle any more. `settleLocks` must follow before the step is over. */
export function breakDeadlock(step: Step, task: Task): void {
  if (!mayClose(task)) return;
  for (let cycle = cycleFrom(step.state, task); cycle; cycle = cycleFrom(step.state, task)) fail(step, cycle);
}

/**
 * Whether anybody can wait for the task: else the search is spared. Who has no lock and stands in one queue only stands at
 * its end, so nobody waits behind it.
 */
function mayClose(task: Task): boolean {
  const waits = task.calls.filter((call) => call.state === "waiting");
  if (waits.length === 0) return false;
  if (task.holds.length > 0 || task.awaiters.length > 0 || task.dependents.length > 0 || task.parent > 0) return true;
  return waits.flatMap((call) => call.lock?.names ?? []).length > 1;
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
