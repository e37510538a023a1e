// How long a server that answers nothing is waited for: one that is stuck does nothing, and one on a slow machine is at work.

/** A server that neither answers nor works for this long is gone: wrangler revives the worker's process, but not its own proxy. */
export const stuckMs = 30_000;
/** One that works and answers nothing is in a loop, or of no use. */
const uselessMs = 300_000;
/** Of a look's time, the processor time from which on its processes are at work: of two cores that seventeen want it is half a share. */
const atWork = 0.05;

export class Silence {
  #since;
  #quietSince;
  #lookedAt;
  #cpuMs;

  /** `now` in ms; `cpuMs`: processor time that the server's processes have had. */
  constructor(now, cpuMs) {
    this.broken(now, cpuMs);
  }

  /** It has answered, or nobody could tell. */
  broken(now, cpuMs) {
    this.#since = now;
    this.#quietSince = now;
    this.#lookedAt = now;
    this.#cpuMs = cpuMs;
  }

  /** A look at a server that has not answered: why it is to be ended; undefined where it gets more time. */
  lasts(now, cpuMs) {
    const worked = cpuMs - this.#cpuMs >= atWork * (now - this.#lookedAt);
    this.#lookedAt = now;
    this.#cpuMs = cpuMs;
    if (worked) this.#quietSince = now;
    if (now - this.#quietSince > stuckMs) return `no answer and no work for ${stuckMs / 1000} s`;
    if (now - this.#since > uselessMs) return `no answer for ${uselessMs / 1000} s`;
    return undefined;
  }
}
