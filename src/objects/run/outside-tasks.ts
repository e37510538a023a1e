/** Tasks that are posted from outside, and the list of all. */

import type { CreatedTasks, Page, TaskState, TaskView } from "../../contract/shapes.ts";
import { pageBytesMax } from "../../limits.ts";
import { createTasks } from "../../scheduler/create-tasks.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Task } from "../../scheduler/task.ts";
import type { CreateTasksInput, Reply } from "../rpc.ts";
import { forkAll } from "./forks.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { projectionOf } from "./projection.ts";
import { badCursor, ok, placeOf, refuse } from "./replies.ts";
import { taskView } from "./views.ts";

export function createFromOutside(step: Step, run: LoadedRun, input: CreateTasksInput): Reply<CreatedTasks> {
  const base = input.from ?? step.state.header.snapshot;
  if (!run.store.tree.find(base)) {
    const fault = { code: "unknown_snapshot", errors: [{ path: "from", message: "unknown" }] } as const;
    return { ok: false, fault };
  }
  if (isRunEnded(step.state)) return refuse({ code: "run_ended" });
  const forked = forkAll(run, { base, callId: undefined, creator: undefined }, input.tasks);
  if (!forked.ok) return forked;
  const outcome = createTasks(step, undefined, forked.tasks, run.numberOf, input.groups);
  if (!outcome.ok) return { ok: false, fault: outcome.refusal };
  return ok({
    tasks: outcome.tasks.map((task) => ({
      id: run.taskId(task.n),
      key: task.key ?? null,
      state: task.phase.state,
      priority: task.priority,
      pool: task.pool,
    })),
    projection: projectionOf(run, forked.tasks, outcome.criticalPath),
    ...(forked.notes.length > 0 && { notes: forked.notes }),
  });
}

export interface TasksInput {
  state?: TaskState;
  limit: number;
  cursor?: string;
}

/** What a page counts of a task: all that is shown of it, since errors, labels and dependencies may be as long as results. */
const charsOf = (view: TaskView): number => JSON.stringify(view).length;

/** By number. A page is over when it has `limit` rows, or `pageBytesMax` of text. */
export function tasksPage(run: LoadedRun, { state, limit, cursor }: TasksInput): Reply<Page<TaskView>> {
  const rows: TaskView[] = [];
  let chars = 0;
  let n = placeOf(cursor);
  if (n === undefined) return badCursor;
  const { taskCount } = run.state.header;
  while (n < taskCount && rows.length < limit && chars < pageBytesMax) {
    const task = run.state.peek(++n);
    if (!task || (state && task.phase.state !== state)) continue;
    const view = taskView(run, task);
    rows.push(view);
    chars += charsOf(view);
  }
  return ok({ rows, nextCursor: n < taskCount ? String(n) : null });
}

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
