/** Waiting for what a test shows, and for nothing else. */

/** Somewhat less than a test may take, so that what did not hold is what is told of it. */
const patienceMs = 25_000;
const againMs = 20;

/**
 * Asks until it holds, and answers what was asked then. How long that takes is the machine's, and no test's: the second that vi.waitFor
 * has is soon over on a busy one. Nor does it move a clock that stands still, as that does with every question.
 */
export async function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  const until = performance.now() + patienceMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > until) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, againMs));
  }
}
