/** Signals: several as one (Node 18 lacks AbortSignal.any), and what is given up though it goes on. */

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
