/** Where several wait for one another. */

import type { Heddle } from "../heddle.ts";
import { Variable, type VariableCaller, type WaitOptions } from "./variable.ts";

/** How one arrives. */
export interface ArriveOptions extends WaitOptions {
  /** Ids or keys of the tasks that are to arrive: when one of them ends without, the wait ends with `barrier_broken`. */
  readonly members?: readonly string[];
}

/** All go on together once `parties` have arrived; used again round by round. */
export class Barrier extends Variable {
  /** How many must arrive. */
  readonly parties: number;

  /** `caller`: who arrives, in place of a session. */
  constructor(heddle: Heddle, runId: string, name: string, parties: number, caller?: VariableCaller) {
    super(heddle, runId, "barrier", name, caller);
    this.parties = parties;
  }

  /**
   * Arrives, and waits for the others. `index` 0 came first.
   * @throws ToolError `barrier_broken`, `parties_mismatch`, `timed_out`; SessionLost
   */
  async wait({ session, ttl_ms, timeout_ms, members, ...options }: ArriveOptions = {}): Promise<{
    generation: number;
    index: number;
  }> {
    const args = { name: this.name, parties: this.parties, members, timeout_ms };
    if (session) return this.held(session, "wait", args, options);
    if (this.waitsAsItself) return this.op("wait", args, options);
    return this.inSession("wait", args, { ttl_ms, ...options });
  }
}
