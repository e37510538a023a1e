/** Starts the next hosted work for a seat, in the step of whatever made it possible: a task, or a call of a url. */

import { nextReady } from "../../scheduler/attempts.ts";
import { compareReady } from "../../scheduler/ready-queue.ts";
import { nextCall, urlPool } from "../../scheduler/remote-calls.ts";
import { type RunState, readyKeyOf } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import { hostedPool } from "../../scheduler/task.ts";
import type { NextTask, SeatJob } from "../seat-rpc.ts";
import { seatWork } from "./dispatch.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { startUrlCall } from "./remote-calls.ts";
import { startTask } from "./start-task.ts";

/** Whether a seat would get something now. */
export const hasHostedWork = (state: RunState, now: number): boolean =>
  (nextReady(state, hostedPool, now) ?? nextCall(state, urlPool, now)) !== undefined;

/** What a seat's work begins with beside the run's state. */
export interface SeatHost {
  /** Names the runtime that the seat lives in; "" when seats outlive runtimes. */
  readonly boot: string;
  /** Somebody follows what models are still writing. */
  readonly watched: boolean;
}

/** A task, or a call of a url, whichever goes first: one order for both. A call uses none of the run's workers. */
export function startHosted(
  step: Step,
  run: LoadedRun,
  next: NextTask,
  { boot, watched }: SeatHost,
): SeatJob | undefined {
  const { state, now } = step;
  const starter = { pool: hostedPool, worker: next.nonce, boot };
  const task = nextReady(state, hostedPool, now);
  const call = nextCall(state, urlPool, now);
  const callFirst = call && !(task && compareReady(readyKeyOf(task), call.key, now) < 0);
  const begun = task && !callFirst ? startTask(step, starter, (one) => seatWork(run, one, next, watched)) : undefined;
  return begun ?? startUrlCall(step, run, starter);
}
