/** A lock, or several that are taken together. */

import type { Heddle } from "../heddle.ts";
import { during, Hold, type Holder } from "./hold.ts";
import type { Session } from "./session.ts";
import { type Fence, taken, Variable, type WaitOptions } from "./variable.ts";

/** How a lock is taken. */
export interface LockOptions extends WaitOptions {
  /** `shared` lets readers in together; `exclusive` is the default. Several locks are taken exclusively. */
  readonly mode?: "exclusive" | "shared";
}

/** A lock that is held. */
export class LockHold extends Hold {
  /** For writes that it guards: `run.map("m").set("k", v, { fence: hold.fence })`. Of several locks: the first one's. */
  readonly fence: Fence;
  /** Of each lock by name. */
  readonly fences: Readonly<Record<string, Fence>>;

  constructor(
    names: readonly string[],
    tokens: Readonly<Record<string, number>>,
    holder: Holder,
    own: Session | undefined,
  ) {
    super(names.join(", "), holder, own, async ({ call_id, idempotencyKey: _, ...options }) => {
      // Each is named by its `call_id`: of several locks they are as many requests, and a key is of one.
      // What becomes of one must not keep the others held.
      const releases = names.map((name, at) => {
        const call = { ...options, call_id: `${call_id}-${at}` };
        return holder.call("lock", { op: "release", name, token: tokens[name] }, call);
      });
      await Promise.allSettled(releases);
      await Promise.all(releases);
    });
    this.fences = Object.fromEntries(names.map((name) => [name, { lock: name, token: tokens[name]! }]));
    this.fence = this.fences[names[0]!]!;
  }

  /** The fencing token: strictly greater than that of every earlier hold. */
  get token(): number {
    return this.fence.token;
  }
}

/** One at a time, first come, first served; or several locks at once, all or none, which can't close a circle. */
export class Lock extends Variable {
  readonly #names: readonly string[];
  readonly #holder: Holder | undefined;

  /** `holder`: who holds it where no session is given, in place of one of its own. */
  constructor(heddle: Heddle, runId: string, names: readonly string[], holder?: Holder) {
    super(heddle, runId, "lock", names[0]!);
    this.#names = names;
    this.#holder = holder;
  }

  /**
   * Waits for it and holds it until the hold is released; `with` does so by itself.
   * An abort gives a session of its own up; in a given session the place in line stays until that is closed.
   * @throws ToolError `timed_out`, `already_held`, `holds_locks`, `deadlock_victim`; SessionLost
   */
  async acquire({ session, ttl_ms, timeout_ms, mode, ...options }: LockOptions = {}): Promise<LockHold> {
    const holder = session ?? this.#holder;
    return taken(this.heddle, this.runId, { holder, ttl_ms, ...options }, async (by, own) => {
      if (this.#names.length > 1) {
        const args = { names: this.#names, timeout_ms };
        const { tokens } = await this.held<{ tokens: Record<string, number> }>(by, "acquire", args, options);
        return new LockHold(this.#names, tokens, by, own);
      }
      const args = { name: this.name, mode, timeout_ms };
      const { token } = await this.held<{ token: number }>(by, "acquire", args, options);
      return new LockHold(this.#names, { [this.name]: token }, by, own);
    });
  }

  /** As `acquire`, without waiting; undefined where another holds it. Of one lock. */
  async tryAcquire({
    session,
    ttl_ms,
    mode,
    ...options
  }: Omit<LockOptions, "timeout_ms"> = {}): Promise<LockHold | undefined> {
    if (this.#names.length > 1)
      throw new RangeError("tryAcquire takes one lock; acquire takes several, or none of them");
    const holder = session ?? this.#holder;
    return taken(this.heddle, this.runId, { holder, ttl_ms, ...options }, async (by, own) => {
      const args = { name: this.name, mode };
      const seen = await this.held<{ acquired: boolean; token?: number }>(by, "try_acquire", args, options);
      return seen.acquired ? new LockHold(this.#names, { [this.name]: seen.token! }, by, own) : undefined;
    });
  }

  /**
   * What `body` does while it holds the lock. `signal` aborts when the hold is lost (SessionLost) or `options.signal` aborts;
   * give `hold.fence` to the writes that the lock guards, so that the server refuses those that come too late.
   * @throws SessionLost, HoldLost: it was not alone to the end; else as `acquire`, and what `body` throws
   */
  async with<Result>(
    body: (hold: LockHold, signal: AbortSignal) => Result | Promise<Result>,
    options: LockOptions = {},
  ): Promise<Result> {
    return during(await this.acquire(options), options.signal, body);
  }
}
