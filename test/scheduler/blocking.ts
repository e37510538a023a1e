/** What the tests of the variables that block share. */

import { expect } from "vitest";
import { nextClock } from "../../src/scheduler/clock.ts";
import type { Task } from "../../src/scheduler/task.ts";
import { MemoryStore } from "../sim/memory-store.ts";
import { expectSame } from "./check.ts";
import type { Leased, Run, Spec } from "./run.ts";

export const started = (run: Run, count: number, spec: Spec = {}): Leased[] =>
  run.post(...Array.from({ length: count }, () => spec)).map((task) => run.start(task));

export const waits = (task: Task): boolean => task.calls.some((call) => call.state === "waiting");
export const mayAct = (task: Task): boolean => task.phase.state === "running" && !waits(task);

/** The bodies of the calls of this task that were waiting and have ended since event `from`, the oldest first. */
export const answersOf = (run: Run, task: Task, from = 0): unknown[] =>
  run.log.flatMap(({ event, body, seq }) =>
    event.type === "call_done" && event.task === task.n && seq > from ? [(body as { wait: unknown }).wait] : [],
  );
export const answerOf = (run: Run, task: Task): unknown => answersOf(run, task).at(-1);

/** The tasks whose wait was ended as a victim's since event `from`, in their order. */
export const victims = (run: Run, from = 0): number[] =>
  run.log.flatMap(({ event, seq }) =>
    event.type === "call_done" && event.why === "deadlock" && seq > from ? [event.task] : [],
  );

export const findings = (run: Run): string[] => run.events("finding").map(({ kind }) => kind);

/** A checkpoint in the midst of the log and the log after it give the state that the steps gave. */
export function expectRebuilt(run: Run, names: readonly string[]): void {
  const middle = run.log.length >> 1;
  const store = new MemoryStore();
  store.log.push(...run.log.slice(0, middle));
  store.checkpoint(store.load());
  store.log.push(...run.log.slice(middle));
  const loaded = store.load();
  const replayed = store.replay();
  store.checkpoint(loaded);
  const live = run.state;
  for (const state of [replayed, store.load()]) {
    expectSame(live, state);
    expect(new Map([...state.blocking.facts].sort())).toEqual(new Map([...live.blocking.facts].sort()));
    expect([state.blocking.queued, state.blocking.anyoneWaits, state.stopped]).toEqual([
      live.blocking.queued,
      live.blocking.anyoneWaits,
      live.stopped,
    ]);
    for (const name of names) {
      expect(state.blocking.lineOf(name)?.waiters ?? []).toEqual(live.blocking.lineOf(name)?.waiters ?? []);
      expect([...state.blocking.holdersOf(name)].sort()).toEqual([...live.blocking.holdersOf(name)].sort());
    }
  }
}

/** Whoever can goes on to its end; where nobody can, time passes. All must end. */
export function endAll(run: Run): void {
  const tasks = [...run.state.tasks.values()];
  for (let left = tasks.length * 50; left > 0 && run.state.liveCount() > 0; left--) {
    let acted = false;
    for (const task of tasks) {
      if (task.phase.state === "ready") run.start(task);
      if (task.phase.state === "running" && waits(task)) run.giveBack(task);
      if (!mayAct(task)) continue;
      run.complete(task);
      acted = true;
    }
    const due = nextClock(run.state);
    if (!acted && due !== undefined) run.clock(Math.max(0, due - run.now));
  }
  expect(run.state.liveCount()).toBe(0);
}

/**
 * Every order in which the steps of some programs can come, as far as `play` says who could come next; it is called with
 * each schedule and with each beginning of one. Answers how many go to the end.
 */
export function everyInterleaving(play: (schedule: readonly number[]) => readonly number[]): number {
  const schedules: number[][] = [[]];
  let whole = 0;
  for (let schedule = schedules.pop(); schedule; schedule = schedules.pop()) {
    const next = play(schedule);
    if (next.length === 0) whole++;
    for (const n of next) schedules.push([...schedule, n]);
  }
  return whole;
}

/** Tasks of a run with a root, where a stall ends at once; none of them ends with another. */
export const rooted = (run: Run, count: number): Leased[] =>
  [run.root(), ...run.post(...Array.from({ length: count - 1 }, () => ({ detached: true })))].map((task) =>
    run.start(task),
  );

/** Those of the tasks that can go on; somebody can until all have ended. */
export function whoCanGoOn(run: Run, tasks: readonly Task[]): number[] {
  const next = tasks.flatMap((task, n) => (mayAct(task) ? [n] : []));
  expect(next.length > 0 || run.state.liveCount() === 0, "somebody can go on until all have ended").toBe(true);
  return next;
}
