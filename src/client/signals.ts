/** One signal of several; Node 18 lacks AbortSignal.any. */

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
