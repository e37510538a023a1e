/** A task as whoever is outside names it. */

import { findByKey } from "../../scheduler/create-tasks.ts";
import type { Task } from "../../scheduler/task.ts";
import type { Reply } from "../rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { ok, type Refused, refuse } from "./replies.ts";

/** By id, or by the key of a task posted to the run (or the root's). */
export function findTask(run: LoadedRun, name: string): Task | undefined {
  const n = run.numberOf(name) ?? findByKey(run.state, undefined, name);
  return n === undefined ? undefined : run.state.find(n);
}

/** The numbers of those that a request names in its field `tasks`. */
export function numbersOf(run: LoadedRun, names: readonly string[]): Reply<number[]> {
  const numbers: number[] = [];
  for (const [i, name] of names.entries()) {
    const task = findTask(run, name);
    if (!task) return unknownTask(name, `tasks[${i}]`);
    numbers.push(task.n);
  }
  return ok(numbers);
}

/** `path`: the field that names it. */
export const unknownTask = (name: string, path: string): Refused =>
  refuse({
    code: "not_found",
    detail: `There is no task "${name}" in this run.`,
    errors: [{ path, message: "unknown" }],
  });
