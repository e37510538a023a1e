/**
 * What a stretch of a run's log is billed for: a fold of events into amounts by hour, model, pool and labels.
 *
 * B1. Each event counts once, where it stands: the amounts of two stretches add up to those of both.
 * B2. Tokens and money are those that the events themselves have; nothing is priced here. So a run's amounts are the sums of its tasks'.
 * B3. A lease's time counts when it ends, in that hour. Leases that are open at the end of a stretch are handed to the next one.
 */

import type { SchedulerEvent } from "../scheduler/events.ts";

/** What an amount is told apart by. */
export interface UsageKey {
  /** Its beginning, in epoch ms. */
  readonly hour: number;
  /** "": of no model call, or of one that nobody named. */
  readonly model: string;
  /** "": of no task. */
  readonly pool: string;
  /** The task's labels as JSON, names in order; "": none. */
  readonly labels: string;
}

export interface Amounts {
  inputTokens: number;
  outputTokens: number;
  cacheReadTokens: number;
  cacheWriteTokens: number;
  /** Nanodollars. */
  nanos: number;
  /** Tokens that nobody knows the price of. */
  unpricedTokens: number;
  /** Of the tokens, those of the simulated model. */
  simulatedTokens: number;
  modelCalls: number;
  /** How long leases were open. */
  taskMs: number;
  tasks: number;
  events: number;
}

export const noAmounts = (): Amounts => ({
  inputTokens: 0,
  outputTokens: 0,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  nanos: 0,
  unpricedTokens: 0,
  simulatedTokens: 0,
  modelCalls: 0,
  taskMs: 0,
  tasks: 0,
  events: 0,
});

export type UsageRow = UsageKey & Amounts;

/** Since when leases are open, by task. */
export type OpenLeases = Readonly<Record<string, number>>;

/** What a task's amounts are told apart by. */
export interface TaskFacts {
  readonly pool: string;
  readonly labels: Readonly<Record<string, string>> | undefined;
}

const hourMs = 3_600_000;

export class Meter {
  readonly #open: Map<string, number>;
  readonly #factsOf: (task: number) => TaskFacts;
  readonly #rows = new Map<string, UsageRow>();

  constructor(open: OpenLeases, factsOf: (task: number) => TaskFacts) {
    this.#open = new Map(Object.entries(open));
    this.#factsOf = factsOf;
  }

  add(event: SchedulerEvent, at: number): void {
    const task = "task" in event && typeof event.task === "number" && event.task > 0 ? event.task : undefined;
    const usage = "usage" in event ? event.usage : undefined;
    const row = this.#row(at, usage?.model ?? "", task);
    row.events++;
    if (usage) {
      const tokens = usage.in + usage.out;
      row.inputTokens += usage.in;
      row.outputTokens += usage.out;
      row.cacheReadTokens += usage.read;
      row.cacheWriteTokens += usage.write;
      if (usage.nanos === undefined) row.unpricedTokens += tokens;
      else row.nanos += usage.nanos;
      if (usage.simulated) row.simulatedTokens += tokens;
    }
    switch (event.type) {
      case "task_created":
        row.tasks++;
        return;
      case "turn":
        row.modelCalls++;
        return;
      case "task_started":
        this.#open.set(String(event.task), at);
        return;
      case "task_ready":
      case "task_held":
      case "task_parked":
      case "task_fell_back":
      case "task_ended":
      case "attempt_ended":
        row.taskMs += this.#close(event.task, at);
        return;
      default:
    }
  }

  #close(task: number, at: number): number {
    const since = this.#open.get(String(task));
    this.#open.delete(String(task));
    return since === undefined ? 0 : Math.max(0, at - since);
  }

  #row(at: number, model: string, task: number | undefined): UsageRow {
    const { pool, labels } = task === undefined ? { pool: "", labels: undefined } : this.#factsOf(task);
    const key = { hour: Math.floor(at / hourMs) * hourMs, model, pool, labels: labelsText(labels) };
    const name = JSON.stringify(key);
    const row = this.#rows.get(name) ?? { ...key, ...noAmounts() };
    this.#rows.set(name, row);
    return row;
  }

  get size(): number {
    return this.#rows.size;
  }

  get rows(): readonly UsageRow[] {
    return [...this.#rows.values()];
  }

  get open(): OpenLeases {
    return Object.fromEntries(this.#open);
  }
}

function labelsText(labels: TaskFacts["labels"]): string {
  if (!labels) return "";
  const names = Object.keys(labels).sort();
  return names.length === 0 ? "" : JSON.stringify(Object.fromEntries(names.map((name) => [name, labels[name]])));
}
