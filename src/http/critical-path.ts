/** Where a run's time went. The log is folded here at the door: the run's own object only hands out its rows. */

import type { CriticalPathView, TimeByKind } from "../contract/time-shapes.ts";
import { criticalPathQuery, criticalPathView } from "../contract/trace-requests.ts";
import { type RunId, taskIdOf } from "../ids.ts";
import { foldVariablesMax, parallelismPointsMax, pathSegmentsMax } from "../limits.ts";
import { CriticalPathFold, type Segment } from "../trace/critical-path.ts";
import { parallelism } from "../trace/parallelism.ts";
import { TimeSplitFold } from "../trace/time-split.ts";
import { LogReading } from "./read-log.ts";
import { keyRoute } from "./route.ts";

export const criticalPathRoute = keyRoute(
  ["runs"],
  {
    method: "GET",
    path: "/v1/runs/:run/critical-path",
    summary: "Where the run's time went: critical path, slack, time by kind, and what would have made it shorter",
    query: criticalPathQuery,
    answer: { status: 200, schema: criticalPathView },
    problems: ["log_too_long"],
  },
  async ({ theRun, params, query: { limit } }) => {
    const path = new CriticalPathFold();
    const split = new TimeSplitFold();
    const keys = new Map<number, string>();
    let startedAt = 0;
    const reading = await LogReading.begin(theRun());
    for await (const events of reading.pages()) {
      for (const event of events) {
        startedAt ||= event.at;
        if (event.type === "task_created" && event.key !== undefined) keys.set(event.task, event.key);
        path.add(event);
        split.add(event);
      }
    }
    return view({ run: params.run as RunId, startedAt, keys, path, split, reading, limit });
  },
);

interface Folded {
  readonly run: RunId;
  readonly startedAt: number;
  readonly keys: ReadonlyMap<number, string>;
  readonly path: CriticalPathFold;
  readonly split: TimeSplitFold;
  readonly reading: LogReading;
  /** Tasks to show. */
  readonly limit: number;
}

function view({ run, startedAt, keys, path, split, reading, limit }: Folded): CriticalPathView {
  const found = path.finish(foldVariablesMax);
  const { tasks, total, levels } = split.finish(reading.asOf.now);
  const named = (n: number) => ({ task: n > 0 ? taskIdOf(run, n) : null, key: keys.get(n) ?? null });
  const endedAt = found?.endedAt ?? null;
  const makespan = found ? found.endedAt - found.startedAt : 0;
  const shown = longest(found?.path ?? [], msOf);
  const slackOf = (n: number) => found?.slackMs.get(n);
  const inOrder = tasks.toSorted(
    (a, b) => (slackOf(a.task) ?? Infinity) - (slackOf(b.task) ?? Infinity) || a.task - b.task,
  );
  return {
    run,
    as_of: reading.asOf.upTo,
    started_at: startedAt,
    ended_at: endedAt,
    makespan_ms: makespan,
    path: shown.map(({ task, kind, on, from, to }) => ({
      ...named(task),
      kind,
      ...(on !== undefined && { on }),
      from,
      to,
      ms: to - from,
    })),
    path_left_out_ms: makespan - shown.reduce((sum, segment) => sum + msOf(segment), 0),
    by_kind: kindsOf(found?.path ?? []),
    ideal: {
      makespan_ms: found?.idealMs ?? 0,
      path: longest(found?.idealPath ?? [], ({ ms }) => ms).map(({ task, ms }) => ({ ...named(task), ms })),
    },
    parallelism: {
      ...parallelism(levels, startedAt, endedAt ?? reading.asOf.now, parallelismPointsMax),
      speedup_max: found && found.idealMs > 0 ? Math.round((makespan / found.idealMs) * 100) / 100 : 1,
    },
    variables: (found?.variables ?? []).map(({ name, waitedMs, idealMsWithout }) => ({
      name,
      waited_ms: waitedMs,
      makespan_without_ms: idealMsWithout,
    })),
    time: total,
    tasks: inOrder.slice(0, limit).map(({ task, byKind, waitedFor }) => ({
      task: taskIdOf(run, task),
      key: keys.get(task) ?? null,
      slack_ms: slackOf(task) ?? null,
      by_kind: byKind,
      waited_for: waitedFor,
    })),
    tasks_left_out: Math.max(0, tasks.length - limit),
  };
}

const msOf = ({ from, to }: Segment): number => to - from;

/** The longest `pathSegmentsMax` of a path, in its order. */
function longest<Part>(path: readonly Part[], length: (part: Part) => number): readonly Part[] {
  if (path.length <= pathSegmentsMax) return path;
  const kept = new Set(path.toSorted((a, b) => length(b) - length(a)).slice(0, pathSegmentsMax));
  return path.filter((part) => kept.has(part));
}

function kindsOf(path: readonly Segment[]): TimeByKind {
  const sums: TimeByKind = {};
  for (const segment of path) sums[segment.kind] = (sums[segment.kind] ?? 0) + msOf(segment);
  return sums;
}
