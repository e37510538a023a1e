/** Long polls that give something away: once their client has hung up, nobody would have it. */

import type { Exchange } from "./route.ts";

/** Does the work; `leave` tells whoever carries it out that nobody waits for its answer any more. */
export async function whileHeard<T>(
  { request, later }: Pick<Exchange, "request" | "later">,
  work: () => Promise<T>,
  leave: () => Promise<unknown>,
): Promise<T> {
  let done = () => {};
  const left = new Promise<void>((resolve, reject) => {
    done = resolve;
    request.signal.addEventListener("abort", () => leave().then(() => resolve(), reject), { once: true });
  });
  // From the beginning: what is only begun when the client hangs up would end with its request.
  later(left);
  try {
    return await work();
  } finally {
    done();
  }
}
