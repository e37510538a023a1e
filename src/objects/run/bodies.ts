/** Typed access to the texts that lie beside events in the log. */

import type { ErrorView } from "../../contract/shapes.ts";
import type { TaskSpec } from "../../contract/task-spec.ts";
import { assert } from "../../errors/assert.ts";
import { whatHappened } from "../../errors/faults.ts";
import type { SchedulerEvent } from "../../scheduler/events.ts";
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

export const specOf = (run: LoadedRun, task: Task): SpecBody => run.store.log.body(task.createdSeq) as SpecBody;

export function createdEventOf(run: LoadedRun, task: Task): CreatedEvent {
  const event = run.store.log.event(task.createdSeq);
  assert(event?.type === "task_created", "createdSeq names the creation");
  return event;
}

/** The result of a succeeded task (or of one that waits for its children); null otherwise. */
export function resultOf(run: LoadedRun, task: Task): unknown {
  const { phase } = task;
  if (phase.state !== "succeeded" && !(phase.state === "parked" && phase.on === "children")) return null;
  const body = run.store.log.body(phase.seq) as { result?: unknown } | undefined;
  return body?.result ?? null;
}

const causesShown = 8;

/** Why a task did not succeed, with its chain of causes; null when it did or has not ended. */
export function errorOf(run: LoadedRun, task: Task, depth = 0): ErrorView | null {
  if (!isEnded(task) || task.phase.state === "succeeded") return null;
  const event = run.store.log.event(task.phase.seq);
  assert(event?.type === "task_ended", "an ended task names its end");
  const { code, message } = event.error ?? { code: task.phase.state, message: "" };
  const cause = task.phase.because > 0 ? run.state.task(task.phase.because) : undefined;
  const causeError = cause && depth < causesShown ? errorOf(run, cause, depth + 1) : null;
  return {
    code,
    message: message || whatHappened(code),
    ...(cause && causeError && { cause: { task: run.taskId(cause.n), error: causeError } }),
  };
}
