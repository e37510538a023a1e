/** What several detectors ask about a run: its limits, its tasks, and by which event each began and ended. */

import { entryOf } from "../entry-of.ts";
import type { Kind } from "../kinds.ts";
import type { Of, TraceEvent } from "../trace-event.ts";
import { evidenceMax } from "./thresholds.ts";

export interface TaskFact {
  readonly task: number;
  readonly key: string | undefined;
  readonly parent: number;
  readonly pool: string;
  readonly detached: boolean;
  readonly after: readonly number[];
  readonly lineage: number;
  readonly createdSeq: number;
  /** 0: live. */
  endedSeq: number;
  state: string | undefined;
}

export class RunFacts {
  readonly tasks = new Map<number, TaskFact>();
  readonly #taskId: (n: number) => string;
  limits: Of<"run_created">["limits"] | undefined;
  startedAt = 0;
  lastAt = 0;
  /** The run's `status` when it has ended. */
  ended: string | undefined;

  constructor(taskId: (n: number) => string) {
    this.#taskId = taskId;
  }

  add(event: TraceEvent): void {
    this.startedAt ||= event.at;
    this.lastAt = event.at;
    switch (event.type) {
      case "run_created":
        this.limits = event.limits;
        return;
      case "limits_changed":
        if (this.limits) this.limits = { ...this.limits, tokens: event.tokens };
        return;
      case "run_ended":
        this.ended = event.status;
        return;
      case "run_reopened":
        this.ended = undefined;
        return;
      case "task_created":
        this.tasks.set(event.task, {
          ...{ task: event.task, key: event.key, parent: event.parent, pool: event.pool },
          ...{ detached: event.detached === true, after: event.after ?? [], lineage: event.lineage ?? 0 },
          ...{ createdSeq: event.seq, endedSeq: 0, state: undefined },
        });
        return;
      case "task_ended": {
        const known = this.tasks.get(event.task);
        if (known) Object.assign(known, { endedSeq: event.seq, state: event.state });
        return;
      }
      case "task_retried": {
        const known = this.tasks.get(event.task);
        if (known) Object.assign(known, { endedSeq: 0, state: undefined });
        return;
      }
      default:
    }
  }

  /** As messages name a task: its id, and its key where it has one. */
  name(n: number): string {
    const key = this.tasks.get(n)?.key;
    return key === undefined ? this.#taskId(n) : `${this.#taskId(n)} (${key})`;
  }

  /** `A, B and 12 more`. */
  names(tasks: readonly number[], most = 5): string {
    const shown = tasks.slice(0, most).map((n) => this.name(n));
    const left = tasks.length - shown.length;
    if (left > 0) return `${shown.join(", ")} and ${left} more`;
    return shown.length > 1 ? `${shown.slice(0, -1).join(", ")} and ${shown.at(-1)}` : (shown[0] ?? "");
  }

  /** Tasks that one creator made for one pool, together. */
  siblings(which: (task: number) => boolean = () => true): Iterable<readonly number[]> {
    const groups = new Map<string, number[]>();
    for (const { task, parent, pool } of this.tasks.values())
      if (which(task)) entryOf(groups, `${parent} ${pool}`, () => []).push(task);
    return groups.values();
  }

  /** The events by which the tasks ended, or began while they live; in their order. */
  events(tasks: readonly number[]): number[] {
    const seqs = tasks.flatMap((n) => {
      const task = this.tasks.get(n);
      return task ? [task.endedSeq || task.createdSeq] : [];
    });
    return [...new Set(seqs)].sort((a, b) => a - b);
  }
}

/** Leaves the longest, as many as a finding names. */
export function keepLongest(of: { readonly ms: number }[]): void {
  of.sort((a, b) => b.ms - a.ms).splice(evidenceMax);
}

/** Times of a task that had not begun, or waited for a worker: no measure of what it does. */
export const isIdle: ReadonlySet<Kind> = new Set(["dependencies", "ready", "paused", "cache_warming", "budget"]);

export const percent = (share: number): string => `${Math.round(share * 100)} %`;

/** 0 of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
