/** Signals: several as one (Node 18 lacks AbortSignal.any), and what is given up though it goes on. */

import { lettingGoMs } from "../limits.ts";
import { timerMsMax, within } from "./sleep.ts";

/** Aborts as soon as one of `signals` does, with its reason. `clear` lets go of them. */
export function firstOf(...signals: readonly (AbortSignal | undefined)[]): { signal: AbortSignal; clear: () => void } {
  const controller = new AbortController();
  const followed: (() => void)[] = [];
  const clear = () => {
    for (const leave of followed) leave();
  };
  for (const signal of signals) {
    if (!signal) continue;
    const follow = () => {
      clear();
      controller.abort(signal.reason);
    };
    if (signal.aborted) {
      follow();
      break;
    }
    signal.addEventListener("abort", follow, { once: true });
    followed.push(() => signal.removeEventListener("abort", follow));
  }
  return { signal: controller.signal, clear };
}

/** Aborts as `outer` does, and after `ms`. `clear` lets go of both. */
export function limited(outer: AbortSignal | undefined, ms: number): { signal: AbortSignal; clear: () => void } {
  const late = new AbortController();
  const tooLate = () => late.abort(new Error(`no answer within ${Math.round(ms / 1000)} s`));
  const timer = setTimeout(tooLate, Math.min(ms, timerMsMax));
  const { signal, clear } = firstOf(outer, late.signal);
  return {
    signal,
    clear: () => {
      clearTimeout(timer);
      clear();
    },
  };
}

/** What `work` comes to, or the signal's reason when that aborts before; the work goes on all the same. */
export async function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  const { signal: own, clear } = firstOf(signal);
  const aborted = new Promise<never>((_, reject) => {
    if (own.aborted) reject(own.reason);
    own.addEventListener("abort", () => reject(own.reason), { once: true });
  });
  try {
    return await Promise.race([work, aborted]);
  } finally {
    clear();
  }
}

/** What gives something back, to its end; once `signal` has aborted for a moment more at most, and then it goes on by itself. */
export async function briefly(work: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  try {
    await unlessAborted(work, signal);
  } catch (error) {
    if (!signal?.aborted) throw error;
    await within(lettingGoMs, work);
  }
}
