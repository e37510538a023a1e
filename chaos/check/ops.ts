/**
 * Every op on a variable of a run, whoever made it, in one form: what is sure, and what may have happened once.
 * Ops of tasks are read from their results, which are the lists of their answers.
 */

import type { TaskView } from "../../src/client/index.ts";
import type { Call, FoundRun, Op, Planned, World } from "../history.ts";

export type Answer = { readonly [field: string]: unknown };

export interface DoneOp {
  readonly op: Op;
  readonly by: string;
  /** Undefined: nobody was told. An answer with `error` changed nothing. */
  readonly answer: Answer | undefined;
  /** Of a call from outside. */
  readonly call?: Call;
}

export const isError = (answer: Answer | undefined): boolean => answer !== undefined && "error" in answer;
/** It had its effect for sure. */
export const isSure = ({ answer }: DoneOp): boolean => answer !== undefined && !isError(answer);
/** It may have had it. */
export const isUnsure = ({ answer }: DoneOp): boolean => answer === undefined;

export const postsOf = (world: World, run: string): Call[] =>
  world.calls.filter((call) => call.run === run && (call.act.kind === "post" || call.act.kind === "fork"));

export const plannedOf = (call: Call): readonly Planned[] =>
  call.act.kind === "post" || call.act.kind === "fork" ? call.act.tasks : [];

/** Tasks that clients posted, by key. A key found twice is another rule's matter. */
const postedTasks = (found: FoundRun): Map<string, TaskView> =>
  new Map(found.tasks.filter(({ parent, key }) => parent === null && key !== null).map((task) => [task.key!, task]));

/** Somebody has asked for its end, whatever was under way. */
export const mayBeCancelled = (world: World, run: string): boolean =>
  world.calls.some((call) => call.run === run && call.act.kind === "cancel_run" && call.outcome.kind !== "refused");

export function opsOf(world: World, run: string): DoneOp[] {
  const done: DoneOp[] = [];
  for (const call of world.calls) {
    if (call.run !== run || call.act.kind !== "op" || call.outcome.kind === "refused") continue;
    const answer = call.outcome.kind === "told" ? outcomeOf(call.outcome.answer) : undefined;
    done.push({ op: call.act.op, by: call.client, answer, call });
  }
  const found = world.found[run];
  if (!found) return done;
  const tasks = postedTasks(found);
  for (const call of postsOf(world, run)) {
    for (const { key, ops } of plannedOf(call)) {
      const task = tasks.get(key);
      if (!ops || !task || (task.attempts === 0 && task.generation === 1)) continue;
      const answers = task.state === "succeeded" ? answersIn(task.result) : undefined;
      ops.forEach((op, i) => {
        done.push({ op, by: `${key} ${task.id}`, answer: answers?.[i] });
      });
    }
  }
  return done;
}

/** `{result}` or `{error}` of a tool call from outside, as a task's model is shown it. */
const outcomeOf = (outcome: unknown): Answer | undefined => {
  const { result, error } = outcome as { result?: Answer; error?: unknown };
  return error === undefined ? (result ?? {}) : { error };
};

/** The list of answers that a task's result is; undefined when it is something else. */
export function answersIn(result: unknown): Answer[] | undefined {
  let list = result;
  if (typeof result === "string") {
    try {
      list = JSON.parse(result);
    } catch {
      return undefined;
    }
  }
  return Array.isArray(list) ? (list as Answer[]) : undefined;
}

/** By the name of their variable. */
export function byName(ops: readonly DoneOp[]): Map<string, DoneOp[]> {
  const names = new Map<string, DoneOp[]>();
  for (const one of ops) {
    const { name } = one.op.arguments;
    const list = names.get(name);
    if (list) list.push(one);
    else names.set(name, [one]);
  }
  return names;
}
