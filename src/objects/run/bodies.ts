/** Typed access to the texts that lie beside events in the log. */

import type { BecauseView, ErrorView, TaskState } from "../../contract/shapes.ts";
import type { TaskSpec } from "../../contract/task-spec.ts";
import { assert } from "../../errors/assert.ts";
import { whatHappened } from "../../errors/faults.ts";
import { causesShownMax } from "../../limits.ts";
import { type Because, causesOf } from "../../scheduler/causes.ts";
import type { ErrorData, SchedulerEvent } from "../../scheduler/events.ts";
import { isEnded, type Task } from "../../scheduler/task.ts";
import type { LoadedRun } from "./loaded-run.ts";

export interface SpecBody {
  readonly instructions: string;
  readonly context?: TaskSpec["context"];
  readonly output_schema?: Record<string, unknown>;
  readonly model?: string;
  readonly on_context_too_long?: { readonly last: number };
}

export type CreatedEvent = Extract<SchedulerEvent, { type: "task_created" }>;

/** The task's texts; those of one that stands in for another are in that one's body. */
export function specOf(run: LoadedRun, task: Task): SpecBody {
  if (!task.scope?.standsIn) return run.store.log.body(task.createdSeq) as SpecBody;
  const { createdSeq } = run.state.task(task.parent);
  return (run.store.log.body(createdSeq) as { on_failure: SpecBody }).on_failure;
}

export function createdEventOf(run: LoadedRun, task: Task): CreatedEvent {
  const event = run.store.log.event(task.createdSeq);
  assert(event?.type === "task_created", "createdSeq names the creation");
  return event;
}

/** What became of the task that this one stands in for, as it was then; undefined where it stands in for none. */
export function outcomeStoodInFor(run: LoadedRun, task: Task): { result: unknown } | { error: ErrorData } | undefined {
  const seq = task.scope?.standsIn?.seq;
  if (seq === undefined) return undefined;
  const event = run.store.log.event(seq);
  if (event?.type === "task_fell_back") return { error: event.error };
  return { result: (run.store.log.body(seq) as { result?: unknown } | undefined)?.result ?? null };
}

/** The result of a succeeded task (or of one that waits for its children); null otherwise. */
export function resultOf(run: LoadedRun, task: Task): unknown {
  const { phase } = task;
  if (phase.state !== "succeeded" && !(phase.state === "parked" && phase.on === "children")) return null;
  const body = run.store.log.body(phase.seq) as { result?: unknown } | undefined;
  return body?.result ?? null;
}

/**
 * Why a task did not succeed, with its chain of causes, at most `causesShownMax` of them; null when it did or has not ended.
 * Causes are told as they were when it ended: a retry of one does not change why this task ended.
 */
export function errorOf(run: LoadedRun, task: Task): ErrorView | null {
  if (!isEnded(task) || task.phase.state === "succeeded") return null;
  const event = run.store.log.event(task.phase.seq);
  assert(event?.type === "task_ended", "an ended task names its end");
  const chain = causesOf(event, causesShownMax, {
    event: (seq) => run.store.log.event(seq),
    task: (n) => run.state.task(n),
  });
  let further: ErrorView["cause"];
  for (const { task: n, state, error, because } of [...chain].reverse()) {
    if (error) further = { task: run.taskId(n), error: errorView(run, { state, error }, because, further) };
  }
  return errorView(run, event, chain[0], further);
}

function errorView(
  run: LoadedRun,
  { state, error }: { readonly state: TaskState; readonly error?: ErrorData },
  because: Because | undefined,
  cause: ErrorView["cause"],
): ErrorView {
  const { code, message } = error ?? { code: state, message: "" };
  return {
    code,
    message: message || whatHappened(code),
    ...(because && { because: becauseView(run, because) }),
    ...(cause && { cause }),
  };
}

function becauseView(run: LoadedRun, { task: n, state, error }: Because): BecauseView {
  const { key } = run.state.task(n);
  return { task: run.taskId(n), ...(key !== undefined && { key }), state, ...(error && { code: error.code }) };
}
