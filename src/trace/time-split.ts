/** What each task's time went to, and how many tasks did what at once. Sums of intervals; a task's kinds sum to its wall time. */

import { entryOf } from "./entry-of.ts";
import { type Interval, Intervals } from "./intervals.ts";
import type { Kind } from "./kinds.ts";
import type { TraceEvent } from "./trace-event.ts";

export type Split = Readonly<Partial<Record<Kind, number>>>;

export interface TaskTime {
  readonly task: number;
  /** Milliseconds by what it did, over all generations. */
  readonly byKind: Split;
  /** Of waiting for variables and tools: milliseconds by name. */
  readonly waitedFor: Readonly<Record<string, number>>;
}

/** From `at` on so many tasks were with a worker, and so many could have been. */
export interface Level {
  readonly at: number;
  readonly working: number;
  readonly ready: number;
}

interface Times {
  readonly byKind: Partial<Record<Kind, number>>;
  waitedFor?: Record<string, number>;
}

const withWorker: ReadonlySet<Kind> = new Set(["model", "working", "lost"]);
const couldRun: ReadonlySet<Kind> = new Set(["ready", "cache_warming"]);

export class TimeSplitFold {
  readonly #byTask = new Map<number, Times>();
  /** How the levels change, by time. */
  readonly #changes = new Map<number, { working: number; ready: number }>();
  readonly #intervals: Intervals;
  #last = 0;

  /** `tell` also gets each interval. */
  constructor(tell: (interval: Interval) => void = () => undefined) {
    this.#intervals = new Intervals((interval) => {
      this.#count(interval);
      tell(interval);
    });
  }

  add(event: TraceEvent): void {
    this.#last = event.at;
    this.#intervals.add(event);
  }

  /** Closes what goes on at `now` (default: the last event's time). */
  finish(now: number = this.#last): { tasks: TaskTime[]; total: Split; levels: Level[] } {
    this.#intervals.finish(now);
    const total: Partial<Record<Kind, number>> = {};
    const tasks = Array.from(this.#byTask, ([task, { byKind, waitedFor = {} }]) => {
      for (const [kind, ms] of Object.entries(byKind) as [Kind, number][]) total[kind] = (total[kind] ?? 0) + ms;
      return { task, byKind, waitedFor };
    });
    return { tasks, total, levels: this.#levels() };
  }

  #count({ task, kind, on, from, to }: Interval): void {
    const ms = to - from;
    const sums = entryOf(this.#byTask, task, () => ({ byKind: {} }));
    if (ms <= 0) return;
    sums.byKind[kind] = (sums.byKind[kind] ?? 0) + ms;
    if (on !== undefined && (kind === "variables" || kind === "tools")) {
      sums.waitedFor ??= {};
      sums.waitedFor[on] = (sums.waitedFor[on] ?? 0) + ms;
    }
    if (withWorker.has(kind)) this.#change("working", from, to);
    if (couldRun.has(kind)) this.#change("ready", from, to);
  }

  #change(what: "working" | "ready", from: number, to: number): void {
    this.#changeAt(from)[what]++;
    this.#changeAt(to)[what]--;
  }

  #changeAt(at: number): { working: number; ready: number } {
    return entryOf(this.#changes, at, () => ({ working: 0, ready: 0 }));
  }

  #levels(): Level[] {
    let working = 0;
    let ready = 0;
    return [...this.#changes]
      .sort((a, b) => a[0] - b[0])
      .map(([at, change]) => {
        working += change.working;
        ready += change.ready;
        return { at, working, ready };
      });
  }
}
