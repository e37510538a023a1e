/**
 * Where a run's time went: the path of events that its end waited for, and what more workers, or a variable less, could change.
 *
 * P1. The measured path covers the time from the run's first event to its last end, without gaps and overlaps.
 * P2. The ideal time is the longest path with a worker for every task: no order of work could be faster by workers alone.
 * P3. A task's slack is how much longer it could have taken in the ideal run without a later end.
 */

import { CausalGraph, type Earliest, earliest, endedByOthers, type Step, weightOf } from "./causal-graph.ts";
import type { Kind } from "./kinds.ts";
import type { TraceEvent } from "./trace-event.ts";

export interface Segment {
  /** 0: what happened outside, before the first task was there. */
  readonly task: number;
  readonly kind: Kind | "outside";
  readonly on?: string;
  readonly from: number;
  readonly to: number;
}

export interface CriticalPath {
  readonly startedAt: number;
  readonly endedAt: number;
  readonly path: readonly Segment[];
  /** With a worker for every task. */
  readonly idealMs: number;
  /** What tasks did on the longest path of the ideal run, in its order. */
  readonly idealPath: readonly { readonly task: number; readonly ms: number }[];
  /** By task that has ended. */
  readonly slackMs: ReadonlyMap<number, number>;
  /** Variables that were waited for longest, by all tasks together; and the ideal time without the waits for each. */
  readonly variables: readonly { readonly name: string; readonly waitedMs: number; readonly idealMsWithout: number }[];
}

/** A fold: takes the log's events, then tells. Time and memory are linear in events. */
export class CriticalPathFold {
  readonly #graph = new CausalGraph();
  /** How long each variable was waited for. */
  readonly #waited = new Map<string, number>();

  add(event: TraceEvent): void {
    this.#graph.add(event);
  }

  /** Undefined while no task has ended. `variables`: for how many of those most waited for the ideal time is told. */
  finish(variables = 10): CriticalPath | undefined {
    const { steps } = this.#graph;
    const last = latest(steps, this.#ends());
    if (last < 0) return undefined;
    const ideal = earliest(this.#graph);
    const idealMs = this.#makespan(ideal);
    this.#countWaits();
    const most = [...this.#waited].sort((a, b) => b[1] - a[1]).slice(0, variables);
    return {
      startedAt: steps[0]!.at,
      endedAt: steps[last]!.at,
      path: measuredPath(steps, last),
      idealMs,
      idealPath: this.#idealPath(ideal, idealMs),
      slackMs: this.#slack(ideal, idealMs),
      variables: most.map(([name, waitedMs]) => ({
        name,
        waitedMs,
        idealMsWithout: this.#makespan(earliest(this.#graph, { variable: name })),
      })),
    };
  }

  /** The places of the events that ended tasks last. */
  *#ends(): Generator<number> {
    for (const task of this.#graph.tasks) {
      const end = this.#graph.endOf(task);
      if (end >= 0) yield end;
    }
  }

  #makespan({ times }: Earliest): number {
    let most = 0;
    for (const end of this.#ends()) most = Math.max(most, times[end]!);
    return most;
  }

  #countWaits(): void {
    for (const { did } of this.#graph.steps) {
      for (const { kind, on, from, to } of did) {
        if (kind !== "variables" || on === undefined || to <= from) continue;
        for (const name of on.split(", ")) this.#waited.set(name, (this.#waited.get(name) ?? 0) + to - from);
      }
    }
  }

  #idealPath({ times, via }: Earliest, idealMs: number): { task: number; ms: number }[] {
    const { steps } = this.#graph;
    let place = -1;
    for (const end of this.#ends()) if (times[end] === idealMs && end > place) place = end;
    const path: { task: number; ms: number }[] = [];
    while (place >= 0) {
      const before = via[place]!;
      const ms = times[place]! - (before >= 0 ? times[before]! : 0);
      const { task } = steps[place]!;
      const next = path.at(-1);
      if (next?.task === task) next.ms += ms;
      else if (ms > 0) path.push({ task, ms });
      place = before;
    }
    return path.reverse();
  }

  /** From the longest way that each event still has before it. */
  #slack({ times }: Earliest, idealMs: number): Map<number, number> {
    const { steps } = this.#graph;
    const ahead = new Float64Array(steps.length).fill(-1);
    for (const end of this.#ends()) ahead[end] = 0;
    const slack = new Map<number, number>();
    for (let place = steps.length - 1; place >= 0; place--) {
      const step = steps[place]!;
      const left = ahead[place]!;
      if (left < 0) continue;
      const raise = (at: number, ms: number) => {
        if (ahead[at]! < ms) ahead[at] = ms;
      };
      if (step.prev >= 0) raise(step.prev, left + weightOf(step));
      for (const edge of step.follows) raise(edge.place, left);
      if (step.task === 0) continue;
      const own = idealMs - times[place]! - left;
      slack.set(step.task, Math.min(slack.get(step.task) ?? own, own));
    }
    for (const task of slack.keys()) if (this.#graph.endOf(task) < 0) slack.delete(task);
    return slack;
  }
}

/** Back from the last end: through a task's own time, and where others ended its wait, on to the last of them. */
function measuredPath(steps: readonly Step[], last: number): Segment[] {
  const path: Segment[] = [];
  let until = steps[last]!.at;
  const cover = (segment: Segment) => {
    const from = Math.min(segment.from, until);
    const to = Math.min(segment.to, until);
    until = from;
    if (to <= from) return;
    const next = path.at(-1);
    if (next && next.task === segment.task && next.kind === segment.kind && next.on === segment.on)
      path[path.length - 1] = { ...next, from };
    else path.push({ ...segment, from, to });
  };
  let place = last;
  while (place >= 0) {
    const step = steps[place]!;
    const cause = latest(
      steps,
      step.follows.map((edge) => edge.place),
    );
    if (cause >= 0 && (endedByOthers(step) || step.prev < 0)) {
      // What passed between what others did and its effect is this task's wait; with no task, somebody's outside.
      const { kind, on } = step.did.at(-1) ?? { kind: "outside" as const, on: undefined };
      cover({ task: step.task, kind, ...(on !== undefined && { on }), from: steps[cause]!.at, to: until });
      place = cause;
      continue;
    }
    for (const { kind, on, from, to } of step.did.toReversed())
      cover({ task: step.task, kind, ...(on !== undefined && { on }), from, to });
    if (step.outsideMs > 0) cover({ task: 0, kind: "outside", from: step.at - step.outsideMs, to: step.at });
    place = step.prev;
  }
  const startedAt = steps[0]!.at;
  if (until > startedAt) cover({ task: 0, kind: "outside", from: startedAt, to: until });
  return path.reverse();
}

/** The newest of the events at these places; -1: there is none. */
function latest(steps: readonly Step[], places: Iterable<number>): number {
  let found = -1;
  for (const place of places) {
    if (found < 0 || steps[place]!.at > steps[found]!.at || (steps[place]!.at === steps[found]!.at && place > found))
      found = place;
  }
  return found;
}
