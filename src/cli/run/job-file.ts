/** The file of `heddle run`: a run with its tasks. Only what the server can't see is checked here; it knows the rest better. */

import type { Groups, RunSpec, TaskSpec } from "../../client/requests.ts";
import { spanAt } from "../../context/json-text.ts";
import { parseInput, readInput } from "../json-input.ts";
import { didYouMean, UsageError } from "../usage.ts";
import { readMarkdown } from "./markdown-job.ts";
import type { LineOf } from "./places.ts";
import { parseYaml } from "./yaml-text.ts";

export interface Job {
  readonly run: RunSpec;
  readonly tasks: readonly TaskSpec[];
  readonly groups: Groups;
  /** Where in the file a field of `run`, `tasks` or `groups` stands; what a task has by default stands with the defaults. */
  readonly lineOf: LineOf;
}

export const jobFormats = ["json", "yaml", "markdown"] as const;
export type JobFormat = (typeof jobFormats)[number];

const runFields = [
  ...["name", "context", "credential", "limits", "policy", "redact", "retention_days", "rules", "tools", "root"],
  "webhook",
];
/** Fields of a run that a later Heddle has: which of them this one takes, its server says. */
const laterFields = ["oversight"];

/** `format`: undefined for what the file's name says, JSON where it says nothing. @throws UsageError that names the file and the field */
export async function readJob(path: string, format: JobFormat | undefined): Promise<Job> {
  const from = path === "-" ? "stdin" : path;
  const { value, lineOf } = await parsed(readInput(path), from, format ?? formatOf(path));
  const refuse = (what: string) => new UsageError(`${from}: ${what}`, "run");
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw refuse('expected an object: {"tasks": [...]}.');
  const { tasks = [], groups = {}, defaults = {}, ...run } = value as Record<string, unknown>;
  const unknown = Object.keys(run).filter((field) => !runFields.includes(field) && !laterFields.includes(field));
  if (unknown.length > 0) {
    const expected = [...runFields, "tasks", "groups", "defaults"];
    const meant = didYouMean(unknown[0]!, expected);
    throw refuse(
      `unknown field ${unknown.map((field) => `"${field}"`).join(", ")}; expected ${expected.join(", ")}.${meant}`,
    );
  }
  if (!Array.isArray(tasks)) throw refuse('"tasks" must be an array.');
  if (typeof defaults !== "object" || defaults === null || Array.isArray(defaults))
    throw refuse('"defaults" must be an object: what each task has that does not say otherwise.');
  if (typeof groups !== "object" || groups === null || Array.isArray(groups))
    throw refuse('"groups" must be an object: the terms of each group that tasks name.');
  if (tasks.length === 0 && run.root === undefined) throw refuse('there is nothing to do: it needs "tasks" or "root".');
  return {
    run: run as RunSpec,
    tasks: tasks.map((task) => withDefaults(task, defaults)) as TaskSpec[],
    groups: groups as Groups,
    lineOf: (path) => lineOf(path) ?? (path[0] === "tasks" ? lineOf(["defaults", ...path.slice(2)]) : undefined),
  };
}

const formatOf = (path: string): JobFormat =>
  /\.ya?ml$/i.test(path) ? "yaml" : /\.(md|markdown)$/i.test(path) ? "markdown" : "json";

async function parsed(text: string, from: string, format: JobFormat): Promise<{ value: unknown; lineOf: LineOf }> {
  if (format === "markdown") return readMarkdown(text, from);
  if (format === "yaml") return parseYaml(text, from);
  return { value: parseInput(text, from), lineOf: (path) => lineAt(text, spanAt(text, path)?.start) };
}

const lineAt = (text: string, at: number | undefined): number | undefined =>
  at === undefined ? undefined : text.slice(0, at).split("\n").length;

/** What is no object is left for the server to name. */
const withDefaults = (task: unknown, defaults: object): unknown =>
  typeof task === "object" && task !== null && !Array.isArray(task) ? { ...defaults, ...task } : task;
