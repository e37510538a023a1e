/** Starts the next hosted task for a seat, in the step of whatever made it possible. */

import type { Step } from "../../scheduler/step.ts";
import { hostedPool } from "../../scheduler/task.ts";
import type { NextTask, SeatWork } from "../seat-rpc.ts";
import { seatWork } from "./dispatch.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { startTask } from "./start-task.ts";

/** `boot` names the runtime that the seat lives in; "" when seats outlive runtimes. */
export const startHosted = (step: Step, run: LoadedRun, next: NextTask, boot: string): SeatWork | undefined =>
  startTask(step, { pool: hostedPool, worker: next.nonce, boot }, (task) => seatWork(run, task, next));
