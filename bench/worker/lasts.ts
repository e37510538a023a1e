/**
 * Resolves `ms` after `t0`, by the clock and never before. A timer of the runtime counts from the end of the busy spell that
 * set it, and rings a millisecond late, neither of which is Heddle's to answer for: so a first short one leaves the spell,
 * and the next is set a millisecond early.
 */
export async function lasts(ms: number, t0: number): Promise<void> {
  if (ms === 0) return;
  await sleep(1);
  for (let left = t0 + ms - Date.now(); left > 0; left = t0 + ms - Date.now()) await sleep(Math.max(1, left - 1));
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
