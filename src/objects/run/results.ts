/** Results of other tasks as a context or a tool result shows them: bounded, as data, with the way to the rest. */

import { replaceStrings } from "../../context/json-text.ts";
import { resultBlock, substitute, valueAt } from "../../context/references.ts";
import { dependencyUnitsMax, inlineResultBytesMax, inlineResultsBytesMax, referencedUnitsMax } from "../../limits.ts";
import { findByKey } from "../../scheduler/create-tasks.ts";
import { type Ended, isEnded, type Task } from "../../scheduler/task.ts";
import { errorOf, outcomeStoodInFor, resultOf, type SpecBody } from "./bodies.ts";
import type { LoadedRun } from "./loaded-run.ts";

const nameOf = (run: LoadedRun, task: Task): string => task.key ?? run.taskId(task.n);

interface Outcome {
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}

function outcomeOf(run: LoadedRun, task: Task): Outcome {
  const error = errorOf(run, task);
  return error ? { error } : { result: resultOf(run, task) };
}

export type DispatchTexts =
  | {
      readonly ok: true;
      readonly results: string;
      readonly instructions: string;
      readonly context: string | readonly string[] | undefined;
    }
  | { readonly ok: false; readonly missing: string };

/** A task by its number, as it is or as it was. */
export type Tasks = (n: number) => Task;

/**
 * The dependencies as they were when the task's open attempt began: a retry of one since then does not change what a worker was
 * given (R4). Looks through the log where there was a retry.
 */
export function dependenciesGiven({ state, store }: LoadedRun, task: Task): Tasks {
  const isRetried = task.after.some((n) => state.task(n).generation > 1);
  if (task.phase.state !== "running" || !isRetried) return (n) => state.task(n);
  const ends = new Map<number, Ended>();
  let given = new Map<number, Ended>();
  const about = [task.n, ...task.after];
  const first = Math.min(...about.map((n) => state.task(n).createdSeq));
  for (const { seq, event } of store.log.about(new Set(about), first)) {
    if (event.type === "task_ended")
      ends.set(event.task, { state: event.state, seq: event.result_seq ?? seq, because: event.error?.because ?? 0 });
    if (event.type === "task_started" && event.task === task.n) given = new Map(ends);
  }
  return (n) => ({ ...state.task(n), phase: given.get(n) ?? state.task(n).phase });
}

/**
 * Instructions and context with references replaced, and the results of `after` that no reference shows. `taskOf` tells of the
 * dependencies.
 */
export function dispatchTexts(
  run: LoadedRun,
  task: Task,
  spec: SpecBody,
  taskOf: Tasks = (n) => run.state.task(n),
): DispatchTexts {
  // It was retried: what it came to before is void, and there is nothing else yet.
  const open = task.after.map(taskOf).find((other) => !isEnded(other));
  if (open) return { ok: false, missing: nameOf(run, open) };
  const shown = new Set<number>();
  const outcomes = new Map<number, Outcome>();
  const blocks = new Map<string, { whole: string; empty: string }>();
  let left = referencedUnitsMax;
  let missing = "";
  const lookup = (key: string, path: readonly string[]) => {
    const n = referenced(run, task, key);
    if (n === undefined) return { ok: false } as const;
    const of = [key, ...path].join(".");
    shown.add(n);
    let block = blocks.get(of);
    if (!block) {
      const outcome = outcomes.get(n) ?? outcomeOf(run, taskOf(n));
      outcomes.set(n, outcome);
      const value = outcome.error || path.length === 0 ? outcome.result : valueAt(outcome.result, path);
      if (!outcome.error && value === undefined) {
        missing = of;
        return { ok: false } as const;
      }
      const content = outcome.error ? outcome : { result: value };
      block = { whole: resultBlock(of, content), empty: resultBlock(of, content, 0) };
      blocks.set(of, block);
    }
    // What no longer fits is empty and marked as cut, so that a text of many references can be dispatched all the same.
    const text = block.whole.length <= left ? block.whole : block.empty;
    left -= text === block.whole ? text.length : 0;
    return { ok: true, text } as const;
  };
  const replace = (text: string): string | undefined => {
    if (!text.includes("{{")) return text;
    const replaced = substitute(text, lookup);
    if (!replaced.ok) missing ||= replaced.missing;
    return replaced.ok ? replaced.text : undefined;
  };
  const instructions = replace(spec.instructions);
  const { context } = spec;
  const parts = context === undefined ? [] : typeof context === "string" ? [context] : context.messages;
  const replaced = parts.map(typeof context === "string" ? replace : (text) => replaceInMessage(text, replace));
  if (instructions === undefined || replaced.includes(undefined)) return { ok: false, missing };
  const unreferenced = task.after.filter((n) => !shown.has(n)).map(taskOf);
  const results = [...resultBlocks(run, unreferenced), ...standInText(run, task)].join("\n");
  const texts = replaced as string[];
  return {
    ok: true,
    results,
    instructions,
    context: context === undefined ? undefined : typeof context === "string" ? texts[0]! : texts,
  };
}

/** A block for each; what no longer fits is empty and marked as cut, as with references. */
function resultBlocks(run: LoadedRun, tasks: readonly Task[]): string[] {
  let left = dependencyUnitsMax;
  return tasks.map((other) => {
    const outcome = outcomeOf(run, other);
    const whole = resultBlock(nameOf(run, other), outcome);
    if (whole.length > left) return resultBlock(nameOf(run, other), outcome, 0);
    left -= whole.length;
    return whole;
  });
}

/** Tells one that stands in for another why it runs, and what that one came to. */
function standInText(run: LoadedRun, task: Task): string[] {
  const outcome = outcomeStoodInFor(run, task);
  if (!outcome) return [];
  const name = nameOf(run, run.state.task(task.parent));
  const why =
    task.scope?.standsIn?.why === "fallback"
      ? `The task "${name}" failed, and you run in its place: what you return counts as its result.`
      : `The task "${name}" succeeded, but its group failed: you undo what it did.`;
  return [`${why}\n${resultBlock(name, outcome)}`];
}

/** A key among the dependencies, as it resolved when the task was created. */
function referenced(run: LoadedRun, task: Task, key: string): number | undefined {
  const { state } = run;
  const named = task.after.map((n) => state.task(n)).filter((other) => other.key === key);
  if (named.length < 2) return named[0]?.n ?? findByKey(state, state.find(task.parent), key);
  // Others are there by their ids: what the key names is the one that was created last by whoever is nearest.
  for (let creator = task.parent; ; creator = state.task(creator).parent) {
    const own = named.filter((other) => other.parent === creator).map(({ n }) => n);
    if (own.length > 0) return Math.max(...own);
    if (creator === 0) return named[0]!.n;
  }
}

/** References in a message's JSON text stand inside its strings: what replaces them is escaped as JSON is, all else stays as it is. */
function replaceInMessage(text: string, replace: (text: string) => string | undefined): string | undefined {
  if (!text.includes("{{")) return text;
  let failed = false;
  const replaced = replaceStrings(text, (value) => {
    const whole = replace(value);
    failed ||= whole === undefined;
    return whole ?? value;
  });
  return failed ? undefined : replaced;
}

/** What `await_tasks` answers: each task's end, results cut to what a context may carry. */
export function awaitedView(run: LoadedRun, targets: readonly number[]): unknown {
  let left = inlineResultsBytesMax;
  const tasks = targets.map((n) => {
    const task = run.state.task(n);
    const base = { id: run.taskId(n), ...(task.key !== undefined && { key: task.key }), state: task.phase.state };
    if (!isEnded(task)) return base;
    const error = errorOf(run, task);
    if (error) return { ...base, error };
    const cut = cutResult(resultOf(run, task), Math.min(left, inlineResultBytesMax));
    left -= cut.bytes;
    return { ...base, result: cut.value, ...(cut.truncated && { truncated: true }) };
  });
  return { tasks };
}

/** Each field's value as `cutResult` has it. */
export const cutFields = (fields: object, bytesMax: number): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, cutResult(value, bytesMax).value]));

/** A value whose JSON is over `bytesMax` becomes the beginning of its text; `inspect` reads the rest. */
export function cutResult(value: unknown, bytesMax: number): { value: unknown; bytes: number; truncated: boolean } {
  const text = typeof value === "string" ? value : JSON.stringify(value ?? null);
  const bytes = Buffer.byteLength(text);
  if (bytes <= bytesMax) return { value, bytes, truncated: false };
  const cut = Buffer.from(text)
    .subarray(0, Math.max(0, bytesMax))
    .toString("utf8")
    .replace(/\uFFFD+$/, "");
  return { value: cut, bytes: bytesMax, truncated: true };
}
