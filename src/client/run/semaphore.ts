/** So many at a time. */

import type { Heddle } from "../heddle.ts";
import type { CallOptions } from "../transport.ts";
import { during, Hold, type Holder } from "./hold.ts";
import { taken, Variable, type VariableCaller, type WaitOptions } from "./variable.ts";

/** How permits are taken. */
export interface PermitsOptions extends WaitOptions {
  /** How many; 1 by default. */
  readonly permits?: number;
}

/** At most so many at a time, first come, first served. */
export class Semaphore extends Variable {
  readonly #holder: Holder | undefined;

  /** `caller`, `holder`: who calls its ops, and who holds where no session is given, in place of one of its own. */
  constructor(heddle: Heddle, runId: string, name: string, caller?: VariableCaller, holder?: Holder) {
    super(heddle, runId, "semaphore", name, caller);
    this.#holder = holder;
  }

  /** Says how many permits there are, once. @throws ToolError `already_created` with another number */
  async create(permits: number, options: CallOptions = {}): Promise<void> {
    await this.op("create", { permits }, options);
  }

  /** Waits for permits and holds them until the hold is released. @throws ToolError `not_created`, `over_capacity`, `timed_out` */
  async acquire({ session, ttl_ms, timeout_ms, permits = 1, ...options }: PermitsOptions = {}): Promise<Hold> {
    const holder = session ?? this.#holder;
    return taken(this.heddle, this.runId, { holder, ttl_ms, ...options }, async (by, own) => {
      await this.held(by, "acquire", { name: this.name, permits, timeout_ms }, options);
      return new Hold(this.name, by, own, (call) => this.held(by, "release", { name: this.name, permits }, call));
    });
  }

  /** What `body` does while it holds permits; `signal` aborts when they are lost. @throws SessionLost, HoldLost, as `acquire` */
  async with<Result>(
    body: (hold: Hold, signal: AbortSignal) => Result | Promise<Result>,
    options: PermitsOptions = {},
  ): Promise<Result> {
    return during(await this.acquire(options), options.signal, body);
  }
}
