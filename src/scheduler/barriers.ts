/**
 * Barriers: tasks that wait for one another, generation after generation.
 *
 * G1. All of a generation pass, in the step in which the last one arrives, or none.
 * G2. When a task that has arrived ends or stops waiting, or a member ends, the generation breaks: every other one who waits
 *     is told by whom and why. The next one to arrive begins a new generation.
 * G4. One whose worker is lost while it waits has not arrived, but is expected back: when it ends instead, its generation
 *     breaks as if it had been there.
 */

import { beginWait, closeCall, knownCall, settleWait } from "./calls.ts";
import type { RunState } from "./state.ts";
import type { Step } from "./step.ts";
import { isWorking, type Task, waitsAt } from "./task.ts";
import type { Begun, BrokenWhy } from "./wait-outcome.ts";

export interface Arrival {
  readonly call: string;
  readonly name: string;
  readonly parties: number;
  readonly members: readonly number[];
  readonly until: number;
}

export const generationOf = (state: RunState, name: string): number =>
  state.blocking.factsOf(name, "barrier")?.generation ?? 0;

export function arrive(step: Step, task: Task, { call, name, parties, members, until }: Arrival): Begun {
  const known = knownCall(task, call);
  if (known) return known;
  const { blocking } = step.state;
  const line = blocking.line(name, "barrier");
  const { first } = line;
  if (first && first.want.parties !== parties)
    return { kind: "parties_mismatch", name, parties: first.want.parties, arrived: line.size };
  const generation = generationOf(step.state, name);
  const gone = members.find((n) => !isWorking(step.state.task(n)));
  if (gone !== undefined) {
    breakBarrier(step, name, gone, "ended");
    return { kind: "broken", name, generation, by: gone, why: "ended" };
  }
  const earlier = waitsAt(task, "barrier").find(({ want }) => want.names[0] === name);
  if (earlier) closeCall(step, task, earlier.id, "answered", { kind: "superseded", names: [name] });
  if (line.size + 1 < parties) {
    return beginWait(step, task, call, { kind: "barrier", names: [name], parties, members }, until);
  }
  const waiters = [...line.waiters];
  const waited = waiters.reduce((sum, { since }) => sum + step.now - since, 0);
  const tasks = [...waiters.map((one) => one.task), task.n];
  const tripped = step.emit(
    { type: "barrier_tripped", name, generation, tasks, waited_ms: waited },
    undefined,
    waiters.map(({ seq }) => seq),
  );
  for (const [index, waiter] of waiters.entries())
    settleWait(step, waiter, { kind: "tripped", generation, index }, tripped);
  return { kind: "tripped", generation, index: parties - 1 };
}

/** Ends the generation: everybody who waits but `by` is told. */
export function breakBarrier(step: Step, name: string, by: number, why: BrokenWhy, causes?: readonly number[]): void {
  const { blocking } = step.state;
  const waiters = blocking.line(name, "barrier").waiters.filter(({ task }) => task !== by);
  const generation = generationOf(step.state, name);
  const broken = step.emit({ type: "barrier_broken", name, generation, by, why }, undefined, causes);
  for (const waiter of waiters) settleWait(step, waiter, { kind: "broken", name, generation, by, why }, broken);
}

/** A task that can't arrive any more breaks what waits for it. */
export function leaveBarriers(step: Step, task: Task): void {
  const names = new Set(step.state.blocking.barriersOf(task.n));
  for (const { want } of waitsAt(task, "barrier")) names.add(want.names[0]);
  const { blocking } = step.state;
  for (const { name, generation } of task.absences) {
    if (generation === generationOf(step.state, name) && blocking.line(name, "barrier").first) names.add(name);
  }
  for (const name of names) breakBarrier(step, name, task.n, "ended");
}
