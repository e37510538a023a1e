/** What a session has while it holds a lock or permits. */

import { firstOf } from "../signals.ts";
import type { CallOptions } from "../transport.ts";
import { asyncDispose } from "./dispose.ts";
import { HoldLost, isToolError } from "./errors.ts";
import type { Session } from "./session.ts";

/** A hold, until it is released or its session ends; `await using` releases it. */
export class Hold {
  /** Aborts with SessionLost when the hold is over and nobody here released it. */
  readonly signal: AbortSignal;
  readonly #variable: string;
  readonly #giveBack: (options: CallOptions) => Promise<unknown>;
  /** Its own, which ends with it. */
  readonly #session: Session | undefined;
  readonly #lost: AbortSignal;
  #isReleased = false;

  constructor(
    variable: string,
    session: Session,
    isOwn: boolean,
    giveBack: (options: CallOptions) => Promise<unknown>,
  ) {
    this.#variable = variable;
    this.#giveBack = giveBack;
    this.#session = isOwn ? session : undefined;
    this.#lost = session.signal;
    this.signal = session.signal;
  }

  /**
   * Gives it back; the next in line goes on. Nothing happens the second time.
   * @throws SessionLost, HoldLost: it had ended before, so another may have been in there meanwhile
   */
  async release(options: CallOptions = {}): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    try {
      await this.#giveBack(options);
    } catch (error) {
      if (isToolError(error, "not_holder")) throw new HoldLost(this.#variable, { cause: error });
      // A server that is away lets go when the session's time is over; what is known to be lost is said.
      if (this.#lost.aborted) throw this.#lost.reason;
      if (isToolError(error)) throw error;
    } finally {
      await this.#session?.close(options).catch(() => undefined);
    }
  }

  /** As `release`. */
  async [asyncDispose](): Promise<void> {
    await this.release();
  }
}

/** `body` while `hold` lasts, and gives it back whatever comes. What the body throws counts more than how its hold ended. */
export async function during<Held extends Hold, Result>(
  hold: Held,
  outer: AbortSignal | undefined,
  body: (hold: Held, signal: AbortSignal) => Result | Promise<Result>,
): Promise<Result> {
  const { signal, clear } = firstOf(hold.signal, outer);
  let result: Result;
  try {
    result = await body(hold, signal);
  } catch (error) {
    clear();
    await hold.release().catch(() => undefined);
    throw error;
  }
  clear();
  await hold.release();
  return result;
}
