/** A task as whoever is outside names it. */

import { findByKey } from "../../scheduler/create-tasks.ts";
import type { Task } from "../../scheduler/task.ts";
import type { LoadedRun } from "./loaded-run.ts";

/** By id, or by the key of a task posted to the run (or the root's). */
export function findTask(run: LoadedRun, name: string): Task | undefined {
  const n = run.numberOf(name) ?? findByKey(run.state, undefined, name);
  return n === undefined ? undefined : run.state.find(n);
}
