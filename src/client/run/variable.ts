/** What all kinds of shared variables have in common. A variable comes to be at its first use, by its name and its kind. */

import type { Heddle } from "../heddle.ts";
import type { VariableView } from "../replies.ts";
import { unlessAborted } from "../signals.ts";
import type { CallOptions } from "../transport.ts";
import { resultOf } from "./call-to-end.ts";
import { asyncDispose } from "./dispose.ts";
import { isToolError, SessionLost } from "./errors.ts";
import type { Holder } from "./hold.ts";
import { letGo, Session } from "./session.ts";

/** The hold that guards a write: the server refuses it once the hold is over (`stale_fence`). */
export interface Fence {
  /** The lock's name. */
  readonly lock: string;
  /** The hold's token. */
  readonly token: number;
}

/** Of ops that wait. */
export interface WaitOptions extends CallOptions {
  /** Give up after so long, with the tool error `timed_out`; default: wait as long as it takes. */
  readonly timeout_ms?: number | undefined;
  /** The session that waits or holds; default: one of its own, which is closed afterwards. */
  readonly session?: Session | undefined;
  /** How long a session of its own outlives this program, if it dies (60 s). */
  readonly ttl_ms?: number | undefined;
}

/** Who carries out an op that no session does: a client, or a leased task, which also waits as itself. */
export type VariableCaller = Pick<Heddle, "callTool">;

/** A shared variable of a run, by its name. */
export class Variable {
  /** Where it is looked at, and sessions are opened. */
  protected readonly heddle: Heddle;
  /** The run's id. */
  protected readonly runId: string;
  /** Its name; all tasks of the run know it by that. */
  readonly name: string;
  readonly #kind: string;
  readonly #caller: VariableCaller;

  /** `caller`: who calls its ops, in place of `heddle`. */
  constructor(heddle: Heddle, runId: string, kind: string, name: string, caller: VariableCaller = heddle) {
    this.heddle = heddle;
    this.#caller = caller;
    this.runId = runId;
    this.#kind = kind;
    this.name = name;
  }

  /** Whoever calls its ops waits without a session. */
  protected get waitsAsItself(): boolean {
    return this.#caller !== this.heddle;
  }

  /** Its state, holders, waiters and op counts. @throws HeddleProblem `not_found` before its first use */
  view(options: CallOptions = {}): Promise<VariableView> {
    return this.heddle.variable(this.runId, this.name, options);
  }

  /** An op that neither holds nor waits. @throws ToolError */
  protected async op<Result>(op: string, args: object, options: CallOptions): Promise<Result> {
    const request = { arguments: { op, name: this.name, ...args } };
    return (await resultOf(this.#caller, this.runId, this.#kind, request, options)) as Result;
  }

  /** An op in a session. @throws ToolError, SessionLost */
  protected async held<Result>(
    holder: Pick<Session, "call">,
    op: string,
    args: object,
    options: CallOptions & { readonly call_id?: string },
  ): Promise<Result> {
    return (await holder.call(this.#kind, { op, ...args }, options)) as Result;
  }

  /** An op that may have to wait: at first without a session, which what can be had at once does not need. */
  protected async waited<Result>(op: string, args: object, wait: WaitOptions): Promise<Result> {
    const { timeout_ms, session, ttl_ms, ...options } = wait;
    if (session) return this.held(session, op, { name: this.name, ...args, timeout_ms }, options);
    try {
      return await this.op(op, { ...args, timeout_ms }, options);
    } catch (error) {
      if (!isToolError(error, "needs_actor") && !isToolError(error, "queue_full")) throw error;
    }
    return this.inSession(op, { name: this.name, ...args, timeout_ms }, { ttl_ms, ...options });
  }

  /**
   * An op in a session of its own, which is closed whatever comes. One with a key is found again by who repeats it, another program too, in
   * whichever session it has come to: it has the answer that it had, or its place.
   */
  protected async inSession<Result>(
    op: string,
    args: object,
    { ttl_ms, idempotencyKey: key, ...options }: CallOptions & { readonly ttl_ms?: number | undefined },
  ): Promise<Result> {
    for (let n = 1; ; n++) {
      const name = key === undefined ? undefined : `${key}.session${n}`;
      const session = await openSession(this.heddle, this.runId, ttl_ms, options, name);
      try {
        return await this.held(session, op, args, { ...options, ...(name !== undefined && { call_id: op }) });
      } catch (error) {
        // One that was over before there was an answer, since its program had died: the next one waits.
        if (name === undefined || !(error instanceof SessionLost)) throw error;
      } finally {
        await letGo(session, options);
      }
    }
  }
}

/**
 * One for a single wait or hold. Where the caller gives it up while it is opened, it is closed as soon as it is there. By the same `name` it is
 * the same session, though it may be over.
 */
export async function openSession(
  heddle: Heddle,
  run: string,
  ttl_ms: number | undefined,
  { signal, retryMs }: CallOptions,
  name?: string,
): Promise<Session> {
  signal?.throwIfAborted();
  const body = ttl_ms === undefined ? {} : { ttl_ms };
  const opening = Session.open(heddle, run, body, { retryMs, idempotencyKey: name });
  try {
    return await unlessAborted(opening, signal);
  } catch (error) {
    opening.then(
      (session) => session[asyncDispose](),
      () => undefined,
    );
    throw error;
  }
}

/** What is taken in the session that is given, or in one of its own, which goes on with it: if nothing is, that is let go of. */
export async function taken<Held>(
  heddle: Heddle,
  run: string,
  {
    holder,
    ttl_ms,
    ...options
  }: CallOptions & { readonly holder: Holder | undefined; readonly ttl_ms?: number | undefined },
  take: (holder: Holder, own: Session | undefined) => Promise<Held>,
): Promise<Held> {
  if (holder) return take(holder, undefined);
  const own = await openSession(heddle, run, ttl_ms, options);
  let hold: Held | undefined;
  try {
    hold = await take(own, own);
    return hold;
  } finally {
    if (!hold) await letGo(own, options);
  }
}
