/**
 * What survives a crash of the simulated object: the log and the checkpoints, as the real store keeps them (pages of what
 * changed, ended tasks leave memory afterwards), as clones, so that nothing in memory leaks into a reload.
 */

import { apply } from "../../src/scheduler/apply.ts";
import { settleChains } from "../../src/scheduler/chains.ts";
import type { Decided, SchedulerEvent } from "../../src/scheduler/events.ts";
import type { Facts } from "../../src/scheduler/facts.ts";
import { type RunHeader, RunState } from "../../src/scheduler/state.ts";
import { isLive, nothing, type Task } from "../../src/scheduler/task.ts";
import { plainTask } from "../../src/scheduler/task-record.ts";
import { newHeader, newState } from "../scheduler/run.ts";

/** A task that shares nothing that changes with the other. */
const clone = (task: Task): Task => ({
  ...plainTask(task),
  phase: { ...task.phase },
  calls: task.calls.length === 0 ? nothing : structuredClone(task.calls),
  dependents: [...task.dependents],
  awaiters: [...task.awaiters],
  children: [...task.children],
});

export class MemoryStore {
  readonly log: { seq: number; at: number; event: SchedulerEvent; causes: readonly number[] }[] = [];
  readonly #pages = new Map<number, Task>();
  readonly #facts = new Map<string, Facts>();
  #header: RunHeader | undefined;

  append(decided: readonly Decided[], at: number): void {
    for (const { seq, event, causes } of decided)
      this.log.push({ seq, at, event: JSON.parse(JSON.stringify(event)), causes });
  }

  checkpoint(state: RunState): void {
    for (const n of state.dirty) this.#pages.set(n, clone(state.task(n)));
    this.#header = structuredClone(state.header);
    for (const name of state.blocking.dirty) this.#facts.set(name, structuredClone(state.blocking.facts.get(name)!));
    state.dirty.clear();
    state.blocking.dirty.clear();
    state.evictEnded();
  }

  /** Checkpoint, then the log's tail. */
  load(): RunState {
    const header = structuredClone(this.#header) ?? newHeader();
    const state = new RunState(header, (n) => {
      const page = this.#pages.get(n);
      return page && clone(page);
    });
    for (const page of this.#pages.values()) {
      const task = clone(page);
      if (task.key !== undefined && !task.keyFreed) {
        const names = state.keys.get(task.parent) ?? new Map<string, number>();
        state.keys.set(task.parent, names.set(task.key, task.n));
      }
      if (!isLive(task)) continue;
      state.adopt(task);
    }
    for (const [name, facts] of this.#facts) state.blocking.load(name, facts);
    const from = header.seq;
    for (const { seq, event, at } of this.log) if (seq > from) apply(state, event, seq, at);
    settleChains(state);
    return state;
  }

  /** The log alone. */
  replay(): RunState {
    const state = newState();
    for (const { seq, event, at } of this.log) apply(state, event, seq, at);
    settleChains(state);
    return state;
  }
}
