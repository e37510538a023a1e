/**
 * How many leases a worker may ask for, given how busy its machine is and which rate limits its commands have met. Pure.
 *
 * L1  Over the limit nothing new is leased while at least one runs; with nothing running, one is: a machine that is busy with
 *     other things still gets its work done.
 * L2  It is busy until its load is `loadHysteresis` below the limit, so that it does not flap around it.
 * L3  From half of the limit on, fewer than all free places are filled at once, in proportion to what is left.
 * L4  A limit of 1 (100 %) lets load decide nothing; neither does load that could not be measured.
 * L5  Until a reported rate limit has passed nothing is leased at all. Of several reports the one that lasts longest counts.
 */

import { loadHysteresis } from "../../../limits.ts";

/** Shares from 0 to 1; absent where the system does not tell. */
export interface Load {
  readonly cpu?: number;
  readonly memory?: number;
}

export interface Throttle {
  readonly busy: boolean;
  /** 0 to 1, of cpu and memory the higher one. */
  readonly load: number;
  /** Epoch ms; in the past: no rate limit. */
  readonly limitedUntil: number;
}

export const unthrottled: Throttle = { busy: false, load: 0, limitedUntil: 0 };

/** L1, L2 and L4: the throttle after a measurement. */
export function measured(throttle: Throttle, { cpu = 0, memory = 0 }: Load, maxLoad: number): Throttle {
  const load = Math.max(cpu, memory);
  if (maxLoad >= 1) return { ...throttle, load: 0, busy: false };
  const busy = load > maxLoad || (throttle.busy && load > maxLoad - loadHysteresis);
  return { ...throttle, load, busy };
}

/** L5: the throttle after a command has said that a limit was met. */
export const limited = (throttle: Throttle, retryAfterMs: number, now: number): Throttle => ({
  ...throttle,
  limitedUntil: Math.max(throttle.limitedUntil, now + retryAfterMs),
});

/** How many of the `free` places may be filled now, while `running` are taken. */
export function roomFor(
  throttle: Throttle,
  { free, running, maxLoad }: { free: number; running: number; maxLoad: number },
  now: number,
): number {
  if (free <= 0 || now < throttle.limitedUntil) return 0;
  if (throttle.busy) return running === 0 ? 1 : 0;
  const left = (maxLoad - throttle.load) / (maxLoad / 2);
  return left >= 1 ? free : Math.max(1, Math.min(free, Math.ceil(free * left)));
}
