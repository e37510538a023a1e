/** Measures the machine while a worker works, and says how many leases it may ask for (throttle.ts has the rules). */

import { loadSampleMs } from "../../../limits.ts";
import { Machine, type MachineLoad } from "./machine.ts";
import { limited, measured, roomFor, type Throttle, unthrottled } from "./throttle.ts";

/** Why places stay free. */
export type Holding = "busy" | "rate_limit";

export class LoadWatch {
  readonly #machine = new Machine();
  readonly #maxLoad: number;
  #throttle: Throttle = unthrottled;
  #load: MachineLoad = {};
  #timer: NodeJS.Timeout | undefined;

  /** `maxLoad`: 0 to 1. */
  constructor(maxLoad: number) {
    this.#maxLoad = maxLoad;
  }

  /** Measures every `loadSampleMs`, and calls `then` afterwards. */
  start(then: () => void): void {
    this.#timer = setInterval(() => {
      this.#load = this.#machine.sample();
      this.#throttle = measured(this.#throttle, this.#load, this.#maxLoad);
      then();
    }, loadSampleMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  get load(): MachineLoad {
    return this.#load;
  }

  /** As a lease request tells it; undefined before the first measurement. */
  get reported(): { cpu: number; memory?: number } | undefined {
    const { cpu, memory } = this.#load;
    return cpu === undefined ? undefined : { cpu, ...(memory !== undefined && { memory }) };
  }

  rateLimited(retryAfterMs: number): void {
    this.#throttle = limited(this.#throttle, retryAfterMs, Date.now());
  }

  room(free: number, running: number): number {
    return roomFor(this.#throttle, { free, running, maxLoad: this.#maxLoad }, Date.now());
  }

  /** Why places stay free that `room` leaves so. */
  get holding(): Holding {
    return Date.now() < this.#throttle.limitedUntil ? "rate_limit" : "busy";
  }
}
