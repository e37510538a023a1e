/** The indexes of the variables that block, by kind: functions of the tasks' holds and waiting calls. */

import { LockQueue } from "./lock-queue.ts";
import { WaitLine } from "./wait-line.ts";
import type { BarrierWant, FutureWant, PopWant, PushWant, SemaphoreWant, Waiter } from "./want.ts";

class SemaphoreLine extends WaitLine<SemaphoreWant> {
  readonly kind = "semaphore";
  /** Permits by task. */
  readonly holders = new Map<number, number>();
  held = 0;

  /** Adds to what a task holds, or takes from it. */
  hold(task: number, permits: number): void {
    const now = (this.holders.get(task) ?? 0) + permits;
    if (now === 0) this.holders.delete(task);
    else this.holders.set(task, now);
    this.held += permits;
  }
}

/** Those who have arrived in the present generation. */
class BarrierLine extends WaitLine<BarrierWant> {
  readonly kind = "barrier";
}

/** Pops wait while it is empty, pushes while it is full. */
class QueueLine extends WaitLine<PopWant | PushWant> {
  readonly kind = "message_queue";
  /** By what they wait for: thousands of pops are not gone through to see that no push waits. */
  readonly pushes = new WaitLine<PushWant>();
  readonly pops = new WaitLine<PopWant>();
  /** Of its pops those that a message of the run's own alone can end: nobody outside is asked for what stands behind one. */
  readonly inside = new WaitLine<PopWant>();

  override add(waiter: Waiter<PopWant | PushWant>): void {
    super.add(waiter);
    const { want } = waiter;
    if (want.kind === "push") this.pushes.add({ ...waiter, want });
    else this.pops.add({ ...waiter, want });
  }

  override remove(seq: number): void {
    super.remove(seq);
    for (const line of [this.pushes, this.pops, this.inside]) line.remove(seq);
  }
}

class FutureLine extends WaitLine<FutureWant> {
  readonly kind = "future";
}

export const newLine = {
  lock: () => new LockQueue(),
  semaphore: () => new SemaphoreLine(),
  barrier: () => new BarrierLine(),
  message_queue: () => new QueueLine(),
  future: () => new FutureLine(),
};

export type LineKind = keyof typeof newLine;
export type LineOf<Kind extends LineKind> = ReturnType<(typeof newLine)[Kind]>;
export type Line = LineOf<LineKind>;
