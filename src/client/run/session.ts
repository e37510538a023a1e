/**
 * A session of this program in a run: it holds locks and permits, and waits, and lets go of all that when it ends.
 *
 * S1  While it is open it is renewed, a third of its time after the last renewal; so a program that lives keeps it, and one that
 *     died loses it after `ttl_ms`.
 * S2  When it is over otherwise than by `close`, `signal` aborts with SessionLost, at the latest when its time would have run
 *     out by this program's own clock: nobody goes on in the belief to hold what another may have got.
 * S3  It is one flow of control: while it waits, what it holds counts as stuck (deadlocks are found so).
 */

import { actorTtlMsDefault } from "../../limits.ts";
import { HeddleProblem, isProblem } from "../errors.ts";
import type { Heddle } from "../heddle.ts";
import { type Moment, msSince, now } from "../moment.ts";
import { randomKey } from "../random-key.ts";
import type { ActorView } from "../replies.ts";
import type { ActorRequest } from "../requests.ts";
import { briefly, firstOf, limited } from "../signals.ts";
import type { CallOptions } from "../transport.ts";
import { type CallToEndOptions, resultOf } from "./call-to-end.ts";
import { asyncDispose } from "./dispose.ts";
import { SessionLost } from "./errors.ts";

/** A renewal that fails is tried again after this part of the session's time. */
const retryParts = 10;

/** A session of this program, which holds and waits; `await using` closes it. */
export class Session {
  readonly #heddle: Heddle;
  readonly #run: string;
  readonly #ttlMs: number;
  readonly #lost = new AbortController();
  readonly #closed = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the last renewal was asked for; the server's time counts from a later moment. */
  #renewedAt: Moment;
  /** As the run's log and findings name it. */
  readonly id: string;

  private constructor(heddle: Heddle, run: string, view: ActorView, openedAt: Moment) {
    this.#heddle = heddle;
    this.#run = run;
    this.#ttlMs = view.ttl_ms;
    this.id = view.id;
    this.#renewedAt = openedAt;
    this.#renewIn(view.ttl_ms / 3);
  }

  /** A new one, which lasts until it is closed or its program ends. @throws HeddleProblem `run_ended`, `limit_actors` */
  static async open(heddle: Heddle, run: string, body: ActorRequest = {}, options: CallOptions = {}): Promise<Session> {
    const openedAt = now();
    const view = await heddle.openActor(run, { ttl_ms: actorTtlMsDefault, ...body }, options);
    return new Session(heddle, run, view, openedAt);
  }

  /** Aborts with SessionLost when the session is over and nobody here closed it. */
  get signal(): AbortSignal {
    return this.#lost.signal;
  }

  /** It was closed here. */
  get isClosed(): boolean {
    return this.#closed.signal.aborted;
  }

  /** A tool call that holds or waits, to its end; the same `call_id` again gets the same answer. @throws ToolError, SessionLost, HeddleProblem */
  async call(
    tool: string,
    args: unknown,
    { call_id = randomKey(), ...options }: CallToEndOptions & { readonly call_id?: string } = {},
  ): Promise<unknown> {
    const { signal, clear } = firstOf(this.#lost.signal, this.#closed.signal, options.signal);
    try {
      const request = { arguments: args, actor: this.id, call_id };
      return await resultOf(this.#heddle, this.#run, tool, request, { ...options, signal });
    } catch (error) {
      if (isProblem(error, "not_found")) this.#lose("the server does not know it any more", error);
      if (this.#lost.signal.aborted && !options.signal?.aborted) throw this.#lost.signal.reason;
      throw error;
    } finally {
      clear();
    }
  }

  /** What it holds and waits for now. */
  view(options: CallOptions = {}): Promise<ActorView> {
    return this.#heddle.actor(this.#run, this.id, options);
  }

  /** Ends it: what it holds is released, its waits end. Nothing happens where it is over already. */
  async close(options: CallOptions = {}): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new Error("the session was closed"));
    clearTimeout(this.#timer);
    try {
      await this.#heddle.closeActor(this.#run, this.id, options);
    } catch (error) {
      if (!isProblem(error, "not_found")) throw error;
    }
  }

  /** As `close`; a server that is away ends the session by itself, so this does not fail for it. */
  async [asyncDispose](): Promise<void> {
    await this.close().catch(() => undefined);
  }

  get #leftMs(): number {
    return this.#ttlMs - msSince(this.#renewedAt);
  }

  #renewIn(ms: number): void {
    const timer = setTimeout(() => void this.#renew(), Math.max(0, ms));
    // A session that was forgotten must not keep its program alive. A browser's timers are numbers.
    (timer as { unref?: () => void }).unref?.();
    this.#timer = timer;
  }

  async #renew(): Promise<void> {
    const askedAt = now();
    const leftMs = this.#leftMs;
    if (leftMs <= 0) return this.#lose("it could not be renewed in time");
    const { signal, clear } = limited(this.#closed.signal, leftMs);
    try {
      await this.#heddle.renewActor(this.#run, this.id, { signal });
      this.#renewedAt = askedAt;
      if (!this.#closed.signal.aborted) this.#renewIn(this.#ttlMs / 3);
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      if (error instanceof HeddleProblem && !error.retryable) this.#lose(error.message, error);
      else this.#renewIn(Math.min(this.#ttlMs / retryParts, this.#leftMs));
    } finally {
      clear();
    }
  }

  #lose(why: string, cause?: unknown): void {
    clearTimeout(this.#timer);
    if (this.#lost.signal.aborted || this.#closed.signal.aborted) return;
    this.#lost.abort(new SessionLost(this.id, why, { cause }));
  }
}

/** Closes one that was opened for a single wait or hold. It does not fail, and does not hold up whoever gives up. */
export const letGo = (session: Session, { signal, retryMs }: CallOptions): Promise<void> =>
  briefly(
    session.close({ retryMs }).catch(() => undefined),
    signal,
  );
