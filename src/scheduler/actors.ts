/**
 * Actor sessions: what an agent outside holds and waits with. A session stands among the tasks under a negative number, so
 * that lines, holds, priorities and deadlocks know one kind of party; it counts as none of the run's tasks and no worker.
 *
 * A1. A session ends when it is closed, when its time is over, or with the run; what it holds is released in the same step.
 * A2. It may act at any time: what it holds may come free, and its waits for messages and futures are no deadlock.
 */

import { letGo } from "./end-task.ts";
import type { EventOf } from "./events.ts";
import { isRunEnded } from "./state.ts";
import type { Step } from "./step.ts";
import { isActor, isLive, type RunningTask, type Task } from "./task.ts";

export type Actor = RunningTask;

export function openActor(step: Step, ttlMs: number, name: string): Actor {
  const actor = -((step.state.header.lastActor ?? 0) + 1);
  step.emit({ type: "actor_opened", actor, name, ttl_ms: ttlMs });
  return step.state.task(actor) as Actor;
}

export function endActor(step: Step, actor: Task, why: EventOf<"actor_ended">["why"]): void {
  letGo(step, actor);
  step.emit({ type: "actor_ended", actor: actor.n, why });
}

/** The sessions of a run that has ended end with it. */
export function endActorsOfEndedRun(step: Step): void {
  const { actors } = step.state;
  if (actors.size === 0 || !isRunEnded(step.state)) return;
  for (const n of [...actors]) endActor(step, step.state.task(n), "run_ended");
}

export const isLiveActor = (task: Task | undefined): task is Actor =>
  task !== undefined && isActor(task) && isLive(task);
