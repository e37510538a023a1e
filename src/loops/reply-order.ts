/**
 * The order of one reply's calls, as hosted workers keep it (objects/run/seat-turns.ts): whoever awaits a task, or is let in by a release,
 * must find what the reply did before.
 *
 * O1  A call begins when those before it have had their effect. Operations on data, which only look at what is there or change it, go side
 *     by side; what comes behind them waits for them all.
 * O2  A call that waits keeps nobody: those behind it begin as soon as it has its place.
 * O3  Where a call throws, those behind it that have not begun throw the same. Made again they are all in order; else the one
 *     that was not told would come last.
 *
 * Does not own what the loop's own process carries out: that is side by side with everything.
 */

import { unlessAborted } from "../client/signals.ts";

/** Their effect is there when they are answered, and none of them lets anybody in. */
export const dataTools: readonly string[] = ["inspect", "atomic", "shared_map", "shared_list", "shared_memory"];

/** A call, to its answer; `begun`, where anybody comes behind it, is to be told when it has its place. */
type CarriedOut<Result> = (begun: (() => void) | undefined) => Promise<Result>;

/** Calls of one reply, given in its order. */
export class ReplyOrder {
  /** Calls that are still to come. */
  #left: number;
  #place: Promise<unknown> = Promise.resolve();
  /** Of data, since then. */
  #beside: Promise<unknown>[] = [];

  /** `calls`: how many will be given. */
  constructor(calls: number) {
    this.#left = calls;
  }

  /** Carries the next one out when its turn has come. @throws what it throws, or one before it (O3); the abort's reason */
  carryOut<Result>(name: string, call: CarriedOut<Result>, signal?: AbortSignal): Promise<Result> {
    const isLast = --this.#left <= 0;
    if (dataTools.includes(name)) {
      const done = unlessAborted(this.#place, signal).then(() => call(undefined));
      this.#beside.push(done);
      return done;
    }
    let begun = () => {};
    const place = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const before = unlessAborted(Promise.all([this.#place, ...this.#beside]), signal);
    // To ask for the place alone costs a request where it has to wait.
    const done = before.then(() => call(isLast ? undefined : begun));
    this.#place = Promise.race([place, done]);
    // Who made the call is told.
    this.#place.catch(() => undefined);
    this.#beside = [];
    return done;
  }
}
