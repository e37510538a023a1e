/** `heddle critical-path` */

import type { CriticalPathView, PathSegment, TimeByKind, TimeKind } from "../../client/replies.ts";
import { duration } from "../../duration.ts";
import { pageRowsMax } from "../../limits.ts";
import type { Command } from "../command.ts";
import { reach } from "../connection.ts";
import { exitStatus } from "../exit-status.ts";
import { clockTime, oneLine } from "../plain-text.ts";
import { note, paintOf, say, sayJson, sayTable } from "../screen/output.ts";
import type { Column } from "../screen/table.ts";
import { wholeNumber } from "../usage.ts";

/** Rows of a table without `--all`: what fits a screen. */
const rowsShown = 20;

export const criticalPathCommand: Command = {
  name: "critical-path",
  group: "Look",
  summary: "where a run's time went, and what would make it shorter",
  words: [{ name: "RUN", names: "run" }],
  flags: {
    tasks: { value: "N", about: "tasks with the least slack to show (10); at most 1,000" },
    all: { about: "the whole path; else its longest 20 segments, in their order" },
    json: { about: 'all of it as one JSON object: {"makespan_ms", "path", "ideal", "parallelism", "variables", …}' },
  },
  ask: "Name one run.",
  about: `Shows what the run's end waited for, step by step, from its first event to its last task's end: the critical path.
Shortening anything else gains nothing. Then: how long it would have taken with a worker for every task, what each shared
variable cost, what all tasks' time went to, and the tasks with the least slack (how much longer each could have taken).`,
  more: `What a task was doing: dependencies, ready (no worker was free), paused, cache_warming, model, working (with a
worker, in no model call), lost (work of an attempt that failed), tools, variables, tasks, children, budget, retrying,
fallback; outside: nobody of the run did anything.

Exit status: 0; 1 no such run, or the server refused; 2 usage; 3 server not reached.

Example:
  heddle critical-path run_… --json | jq .by_kind`,
  run: async ({ flags, words: [run] }) => {
    const limit = wholeNumber(flags, "tasks", { min: 0, max: pageRowsMax }) ?? 10;
    const view = await (await reach()).criticalPath(run!, { limit });
    if (flags.json === true) sayJson(view);
    else if (view.ended_at === null) note("No task has ended yet, so there is no path.");
    else sayPath(view, flags.all === true ? Number.POSITIVE_INFINITY : rowsShown);
    return exitStatus.ok;
  },
};

function sayPath(view: CriticalPathView, most: number): void {
  const { path, makespan_ms, ideal, parallelism, variables, time, tasks, tasks_left_out } = view;
  const paint = paintOf();
  say(`${paint(duration(makespan_ms), "bold")} from the first event to the last task's end
${parallelism.average} tasks with a worker on average, ${parallelism.peak} at most
${duration(ideal.makespan_ms)} with a worker for every task: ${parallelism.speedup_max}× as fast at most`);

  say(`\n${paint("Critical path", "bold")}  ${kindsText(view.by_kind, makespan_ms)}`);
  const shown = longest(path, most);
  sayTable(segmentColumns, shown);
  if (shown.length < path.length) say(paint(`${path.length - shown.length} shorter ones left out (--all)`, "dim"));

  if (variables.length > 0) {
    say(`\n${paint("Waits for variables", "bold")}`);
    sayTable(variableColumns(ideal.makespan_ms), variables);
  }
  say(`\n${paint("Time of all tasks", "bold")}  ${kindsText(time)}`);
  if (tasks.length === 0) return;
  say(`\n${paint("Least slack", "bold")}`);
  sayTable(taskColumns, tasks);
  if (tasks_left_out > 0) say(paint(`${tasks_left_out} more tasks (--tasks N)`, "dim"));
}

/** `model 12.3 s (80 %), ready 3.0 s (20 %)`, the longest first. */
function kindsText(times: TimeByKind, whole = Object.values(times).reduce((sum, ms) => sum + ms, 0)): string {
  return (Object.entries(times) as [TimeKind, number][])
    .filter(([, ms]) => ms > 0)
    .sort((a, b) => b[1] - a[1])
    .map(([kind, ms]) => `${kind} ${duration(ms)} (${whole > 0 ? Math.round((ms / whole) * 100) : 0} %)`)
    .join(", ");
}

function longest(path: readonly PathSegment[], most: number): readonly PathSegment[] {
  if (path.length <= most) return path;
  const kept = new Set([...path].sort((a, b) => b.ms - a.ms).slice(0, most));
  return path.filter((segment) => kept.has(segment));
}

const taskText = ({ task, key }: { task: string | null; key: string | null }): string =>
  task === null ? "" : key === null ? task : `${task} ${oneLine(key)}`;

const segmentColumns: readonly Column<PathSegment>[] = [
  { title: "FROM", of: ({ from }) => clockTime(from) },
  { title: "TOOK", of: ({ ms }) => duration(ms), align: "right" },
  { title: "DOING", of: ({ kind }) => kind },
  { title: "TASK", of: taskText, least: 12 },
  { title: "ON", of: ({ on }) => on, least: 10 },
];

const variableColumns = (ideal: number): readonly Column<CriticalPathView["variables"][number]>[] => [
  { title: "VARIABLE", of: ({ name }) => name, least: 12 },
  { title: "WAITED", of: ({ waited_ms }) => duration(waited_ms), align: "right" },
  {
    title: "WITHOUT IT",
    of: ({ makespan_without_ms }) => `${duration(makespan_without_ms)} instead of ${duration(ideal)}`,
  },
];

const taskColumns: readonly Column<CriticalPathView["tasks"][number]>[] = [
  { title: "TASK", of: taskText, least: 12 },
  { title: "SLACK", of: ({ slack_ms }) => (slack_ms === null ? "" : duration(slack_ms)), align: "right" },
  { title: "TIME", of: ({ by_kind }) => kindsText(by_kind), least: 20 },
];
