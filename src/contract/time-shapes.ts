/** Where a run's time went, as the wire shows it. */

import type { Kind } from "../trace/kinds.ts";

/** What a task can be doing; `outside`: nobody of the run did anything. */
export type TimeKind = Kind | "outside";

/** Milliseconds by what was done; kinds without any are left out. */
export type TimeByKind = Partial<Record<TimeKind, number>>;

/** A stretch of the critical path. */
export interface PathSegment {
  /** null: nobody of the run did anything. */
  task: string | null;
  key: string | null;
  kind: TimeKind;
  /** The variable or tool that was waited for, or the worker. */
  on?: string;
  /** Epoch milliseconds. */
  from: number;
  to: number;
  ms: number;
}

/** Where a run's time went, and what would have made it shorter. */
export interface CriticalPathView {
  run: string;
  /** `seq` of the last event that is in it. */
  as_of: number;
  started_at: number;
  /** Of the last task's end; null while none has ended. */
  ended_at: number | null;
  makespan_ms: number;
  /** What the end waited for, from the run's first event to the last task's end, without gaps. */
  path: PathSegment[];
  /** Of the path's shortest segments, where it has too many to show. */
  path_left_out_ms: number;
  /** Of the whole path. */
  by_kind: TimeByKind;
  /** With a worker for every task: no number of workers makes it shorter. */
  ideal: { makespan_ms: number; path: { task: string | null; key: string | null; ms: number }[] };
  parallelism: {
    /** Tasks with a worker, over the whole time. */
    average: number;
    peak: number;
    /** What any number of workers could gain: measured ÷ ideal makespan. */
    speedup_max: number;
    /** Tasks with a worker, and ready ones without, as means over equal spans. */
    curve: { at: number; working: number; ready: number }[];
  };
  /** Those that were waited for longest, by all tasks together; and the ideal makespan if nobody had waited for it. */
  variables: { name: string; waited_ms: number; makespan_without_ms: number }[];
  /** Of all tasks together. */
  time: TimeByKind;
  /** Those with the least slack first: how much longer it could have taken in the ideal run; null while it has not ended. */
  tasks: {
    task: string;
    key: string | null;
    slack_ms: number | null;
    by_kind: TimeByKind;
    /** Milliseconds by variable or tool. */
    waited_for: Record<string, number>;
  }[];
  tasks_left_out: number;
}
