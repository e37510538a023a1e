/** What a session has while it holds a lock or permits. */

import { isProblem } from "../errors.ts";
import { randomKey } from "../random-key.ts";
import { briefly, firstOf } from "../signals.ts";
import type { CallOptions } from "../transport.ts";
import { asyncDispose } from "./dispose.ts";
import { HoldLost, isToolError } from "./errors.ts";
import { letGo, type Session } from "./session.ts";

/** A call that gives a hold back; each time the same one, so that it is done once. */
export type GivingBack = CallOptions & { readonly call_id: string };

/** A hold, until it is released or its session ends; `await using` releases it. */
export class Hold {
  /** Aborts with SessionLost when the hold is over and nobody here released it. */
  readonly signal: AbortSignal;
  readonly #variable: string;
  readonly #giveBack: (call: GivingBack) => Promise<unknown>;
  readonly #callId = randomKey();
  readonly #session: Session;
  /** The session is its own, and ends with it. */
  readonly #isOwn: boolean;
  #isReleased = false;

  constructor(variable: string, session: Session, isOwn: boolean, giveBack: (call: GivingBack) => Promise<unknown>) {
    this.#variable = variable;
    this.#giveBack = giveBack;
    this.#session = session;
    this.#isOwn = isOwn;
    this.signal = session.signal;
  }

  /**
   * Gives it back; the next in line goes on. Nothing happens the second time.
   * @throws SessionLost, HoldLost: it had ended before, so another may have been in there meanwhile. In a given session also what a call
   * throws for a server that is away: it is still held then, and can be released again
   */
  async release(options: CallOptions = {}): Promise<void> {
    if (this.#isReleased) return;
    this.#isReleased = true;
    try {
      await this.#giveBack({ ...options, call_id: this.#callId });
    } catch (error) {
      if (isToolError(error, "not_holder")) throw new HoldLost(this.#variable, { cause: error });
      // What is known to be lost is said.
      if (this.signal.aborted) throw this.signal.reason;
      if (isToolError(error)) throw error;
      // A server that is away lets go when the time of its own session is over. A given one goes on, and this in it.
      if (this.#isOwn || this.#session.isClosed || (isProblem(error) && !error.retryable)) return;
      this.#isReleased = false;
      throw error;
    } finally {
      if (this.#isOwn) await letGo(this.#session, options);
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
    await briefly(hold.release(), outer).catch(() => undefined);
    throw error;
  }
  clear();
  await briefly(hold.release(), outer);
  return result;
}
