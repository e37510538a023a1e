/** What a task held, on its way to those who wait, whatever the variable's kind. */

import { handOverFuture } from "./futures.ts";
import { handOverLock } from "./locks.ts";
import { handOverMessages } from "./message-queues.ts";
import { handOverPermits } from "./semaphores.ts";
import type { Step } from "./step.ts";
import type { Task } from "./task.ts";

/** Lets go of all that the task holds; `handOver` hands it on. */
export function releaseAll(step: Step, task: Task, why: "ended" | "victim", causes?: readonly number[]): void {
  for (const { name, token } of task.holds)
    step.emit({ type: "lock_released", task: task.n, name, token, why }, undefined, causes);
  for (const { name, permits } of task.permits)
    step.emit({ type: "permits_released", task: task.n, name, permits, why }, undefined, causes);
}

const handOverOne = {
  lock: handOverLock,
  semaphore: handOverPermits,
  /** Whoever arrives last lets all through; nothing comes free by itself. */
  barrier: () => undefined,
  message_queue: handOverMessages,
  future: handOverFuture,
};

/** Nobody waits afterwards for what is there. */
export function handOver(step: Step): void {
  const { blocking } = step.state;
  for (const name of blocking.freed) {
    blocking.freed.delete(name);
    const line = blocking.lineOf(name);
    if (line?.first) handOverOne[line.kind](step, name);
  }
}
