/** Long polls that give something away: once their client has hung up, nobody would have it. */

import type { Exchange } from "./route.ts";

/** Does the work; `leave` tells whoever carries it out that nobody waits for its answer any more. */
export async function whileHeard<T>(
  { request, later }: Pick<Exchange, "request" | "later">,
  work: () => Promise<T>,
  leave: () => Promise<unknown>,
): Promise<T> {
  const { signal } = request;
  let done = () => {};
  const left = new Promise<void>((resolve, reject) => {
    const hangUp = () => leave().then(() => resolve(), reject);
    done = () => {
      signal.removeEventListener("abort", hangUp);
      resolve();
    };
    // A signal tells of it once, and whoever listens later hears nothing.
    if (signal.aborted) hangUp();
    else signal.addEventListener("abort", hangUp, { once: true });
  });
  // From the beginning: what is only begun when the client hangs up would end with its request.
  later(left);
  try {
    return await work();
  } finally {
    done();
  }
}
