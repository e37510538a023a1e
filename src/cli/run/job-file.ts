/** The file of `heddle run`: a run with its tasks. Only what the server can't see is checked here; it knows the rest better. */

import type { RunSpec, TaskSpec } from "../../client/requests.ts";
import { parseInput, readInput } from "../json-input.ts";
import { UsageError } from "../usage.ts";

export interface Job {
  readonly run: RunSpec;
  readonly tasks: readonly TaskSpec[];
}

const runFields = ["name", "context", "limits", "tools", "root"];
/** Fields of a run that a later Heddle has: which of them this one takes, its server says. */
const laterFields = ["rules", "oversight", "webhook"];

/** @throws UsageError that names the file and the field */
export function readJob(path: string): Job {
  const from = path === "-" ? "stdin" : path;
  const value = parseInput(readInput(path), from);
  const refuse = (what: string) => new UsageError(`${from}: ${what}\nSee: heddle help run`);
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw refuse('expected an object: {"tasks": [...]}.');
  const { tasks = [], ...run } = value as Record<string, unknown>;
  const unknown = Object.keys(run).filter((field) => !runFields.includes(field) && !laterFields.includes(field));
  if (unknown.length > 0)
    throw refuse(
      `unknown field ${unknown.map((field) => `"${field}"`).join(", ")}; expected ${[...runFields, "tasks"].join(", ")}.`,
    );
  if (!Array.isArray(tasks)) throw refuse('"tasks" must be an array.');
  if (tasks.length === 0 && run.root === undefined) throw refuse('there is nothing to do: it needs "tasks" or "root".');
  return { run: run as RunSpec, tasks: tasks as TaskSpec[] };
}
