/** What all kinds of shared variables have in common. A variable comes to be at its first use, by its name and its kind. */

import type { Heddle } from "../heddle.ts";
import type { VariableView } from "../replies.ts";
import { unlessAborted } from "../signals.ts";
import type { CallOptions } from "../transport.ts";
import { resultOf } from "./call-to-end.ts";
import { asyncDispose } from "./dispose.ts";
import { isToolError } from "./errors.ts";
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
    session: Session,
    op: string,
    args: object,
    options: CallOptions & { readonly call_id?: string },
  ): Promise<Result> {
    return (await session.call(this.#kind, { op, ...args }, options)) as Result;
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
    const { idempotencyKey: key, ...once } = options;
    // Another request than the first, which the key is of already.
    const again = { ...once, ...(key !== undefined && { idempotencyKey: `${key}.session` }) };
    return this.inSession({ ttl_ms, ...again }, (own) =>
      this.held(own, op, { name: this.name, ...args, timeout_ms }, again),
    );
  }

  /** What `body` does in a session of its own, which is closed whatever comes. */
  protected async inSession<Result>(
    { ttl_ms, ...options }: CallOptions & { ttl_ms?: number | undefined },
    body: (session: Session) => Promise<Result>,
  ): Promise<Result> {
    const session = await openSession(this.heddle, this.runId, ttl_ms, options);
    try {
      return await body(session);
    } finally {
      await letGo(session, options);
    }
  }
}

/** One for a single wait or hold. Where the caller gives it up while it is opened, it is closed as soon as it is there. */
export async function openSession(
  heddle: Heddle,
  run: string,
  ttl_ms: number | undefined,
  { signal, retryMs }: CallOptions,
): Promise<Session> {
  signal?.throwIfAborted();
  const opening = Session.open(heddle, run, ttl_ms === undefined ? {} : { ttl_ms }, { retryMs });
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
  { session, ttl_ms, ...options }: WaitOptions,
  take: (holder: Session, isOwn: boolean) => Promise<Held>,
): Promise<Held> {
  if (session) return take(session, false);
  const own = await openSession(heddle, run, ttl_ms, options);
  let hold: Held | undefined;
  try {
    hold = await take(own, true);
    return hold;
  } finally {
    if (!hold) await letGo(own, options);
  }
}
