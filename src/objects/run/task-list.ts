/**
 * The list of a run's tasks, by their numbers, and those of it that somebody asks for.
 *
 * L1. A page looks at `tasksLookedAtMax` tasks at most, whatever it finds, and then ends with a cursor to go on from: who asks for something
 *     that no task of 100,000 has must not hold up the run's one thread. Live tasks are in memory, and passing over those of other states is
 *     next to free: who asks for one live state, as all do that show what goes on, finds it however far behind it stands.
 * L2. A task's number never changes, so pages that fit together have each task once, though some are created, and end, in between.
 */

import type { TaskState, TaskView } from "../../contract/shapes.ts";
import { pageBytesMax, tasksLookedAtMax } from "../../limits.ts";
import type { RunState } from "../../scheduler/state.ts";
import { hasLabel, type Task } from "../../scheduler/task.ts";
import type { Reply, TasksInput, TasksListed, TasksPage } from "../rpc.ts";
import { findTask, unknownTask } from "./find-task.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { badCursor, ok, placeOf } from "./replies.ts";
import { taskView } from "./views.ts";

/** What a page counts of a task: all that is shown of it, since errors, labels and dependencies may be as long as results. */
const charsOf = (view: TaskView): number => JSON.stringify(view).length;

/** By number. A page is over when it has `limit` rows, `pageBytesMax` of text, or has looked at enough (L1). */
export function tasksPage(run: LoadedRun, { limit, cursor, parent, ...which }: TasksInput): Reply<TasksPage> {
  const { state } = run;
  const place = placeOf(cursor);
  if (place === undefined) return badCursor;
  const creator = parent === undefined ? undefined : findTask(run, parent);
  if (parent !== undefined && !creator) return unknownTask(parent, "parent");
  const last = lastListed(state, which);
  const rows: TaskView[] = [];
  let chars = 0;
  // Nobody creates a task of a lower number than its own.
  let n = Math.max(place, creator?.n ?? 0);
  let looked = 0;
  while (n < last && looked < tasksLookedAtMax && rows.length < limit && chars < pageBytesMax) {
    const task = candidate(state, ++n, which);
    if (!task) continue;
    looked++;
    if (!isListed(task, which) || (creator && task.parent !== creator.n)) continue;
    const view = taskView(run, task);
    rows.push(view);
    chars += charsOf(view);
  }
  return ok({ rows, nextCursor: n < last ? String(n) : null, isFiltered: true });
}

/** Beyond this number there is none: that a run has no task of a state is known without a look. */
const lastListed = ({ header }: RunState, { state }: TasksListed): number =>
  state !== undefined && header.counts[state] === 0 ? 0 : header.taskCount;

const liveStates: ReadonlySet<TaskState | undefined> = new Set(["waiting", "ready", "running", "parked"]);

/** The task of this number, where it has to be looked at (L1). */
function candidate(run: RunState, n: number, { state }: TasksListed): Task | undefined {
  if (!liveStates.has(state)) return run.peek(n);
  const task = run.live(n);
  return task?.phase.state === state ? task : undefined;
}

const isListed = (task: Task, { state, key, label, pool }: TasksListed): boolean =>
  (state === undefined || task.phase.state === state) &&
  (key === undefined || task.key === key) &&
  (pool === undefined || task.pool === pool) &&
  (label === undefined || hasLabel(task, label));

/** Those of these tasks, from the first on, that one page has room for: one at least. */
export function firstViews(run: LoadedRun, tasks: readonly Task[]): TaskView[] {
  const views: TaskView[] = [];
  let chars = 0;
  for (const task of tasks) {
    const view = taskView(run, task);
    views.push(view);
    chars += charsOf(view);
    if (chars >= pageBytesMax) break;
  }
  return views;
}
