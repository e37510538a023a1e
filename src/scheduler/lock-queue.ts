/**
 * The index of a lock: who holds it and who waits. A function of the tasks' holds and waiting calls.
 *
 * K1. Exclusive excludes everybody, shared only exclusive; who comes later never overtakes, so nobody starves.
 */

import type { LockMode } from "../variables/ops.ts";
import { WaitLine } from "./wait-line.ts";
import type { LockWant, Waiter } from "./want.ts";

export class LockQueue extends WaitLine<LockWant> {
  readonly kind = "lock";
  readonly holders = new Map<number, LockMode>();

  /** Whether a newcomer of this mode would get it at once. */
  admits(mode: LockMode): boolean {
    return this.size === 0 && this.allows(mode);
  }

  /** Whether the holders leave room for this mode: one who has it exclusively is the only one. */
  allows(mode: LockMode): boolean {
    if (this.holders.size === 0) return true;
    return mode === "shared" && this.holders.values().next().value === "shared";
  }

  /**
   * The tasks that must let go before this waiter gets it; of those before it in line the nearest, which wait for the rest.
   * @param isGone which of those before it leave the line without it
   */
  *providersOf(
    { seq, want: { mode }, task }: Waiter<LockWant>,
    isGone: (before: Waiter) => boolean,
  ): Generator<number> {
    for (const [holder, held] of this.holders) if (holder !== task && conflict(held, mode)) yield holder;
    for (const before of this.before(seq)) {
      if (isGone(before)) continue;
      if (conflict(before.want.mode, mode) && before.task !== task) yield before.task;
      if (before.want.mode === "exclusive") return;
    }
  }
}

const conflict = (a: LockMode, b: LockMode): boolean => a === "exclusive" || b === "exclusive";
