/**
 * A leased task as who holds locks and permits: they are the task's own, end with it, and no session is opened for them.
 *
 * H1  A hold outlives the worker that took it, so a later attempt may have what an earlier one held. A lock is then taken over where it is
 *     asked for alone and in the same mode: nobody else was in between. Otherwise what is left, and is in the way, is given back.
 * H2  What this attempt holds itself is not taken for such: a second `acquire` is refused (`already_held`), as everywhere.
 * H3  No call is named. A name is the same call in every attempt (task-caller.ts), and so would answer a hold that was given back since.
 */

import { permitsMax } from "../../limits.ts";
import type { ToolOutcome } from "../replies.ts";
import type { ToolRequest } from "../requests.ts";
import { isToolError, ToolError } from "../run/errors.ts";
import type { Holder } from "../run/hold.ts";
import type { CallOptions } from "../transport.ts";

type CallToEnd = (
  tool: string,
  request: ToolRequest,
  options: CallOptions,
) => Promise<Exclude<ToolOutcome, { pending: true }>>;

type LockArguments = { op: string; name: string; names?: readonly string[]; mode?: string };
type Taken = { acquired?: boolean };
type LeftLock = { name: string; token?: number; mode?: string };

/** The lock that the task holds and that is in the way, where that is what the refusal says. */
function leftLock(error: unknown): LeftLock | undefined {
  if (isToolError(error, "already_held")) return error.details as unknown as LeftLock;
  return isToolError(error, "holds_locks") ? { name: error.details.held as string } : undefined;
}

/** Holds as the task of that lease. */
export class TaskHolder implements Holder {
  readonly #call: CallToEnd;
  readonly #isLater: boolean;
  /** Locks that this attempt holds. */
  readonly #locks = new Set<string>();
  /** Semaphores that were asked for, and when nothing of them is left of earlier attempts. */
  readonly #semaphores = new Map<string, Promise<void>>();
  /** Aborts when the task is to be left. */
  readonly signal: AbortSignal;
  /** It holds as long as its task goes on. */
  readonly isClosed = false;

  constructor(call: CallToEnd, signal: AbortSignal, isLater: boolean) {
    this.#call = call;
    this.signal = signal;
    this.#isLater = isLater;
  }

  /** A call that holds or gives back, to its end. @throws ToolError, LeaseLost */
  async call(tool: string, args: unknown, given: Parameters<Holder["call"]>[2] = {}): Promise<unknown> {
    const { call_id, idempotencyKey: _, ...options } = given;
    const once = async (op: object, id?: string) => {
      const outcome = await this.#call(tool, { arguments: op, ...(id !== undefined && { call_id: id }) }, options);
      if ("error" in outcome) throw new ToolError(tool, outcome.error);
      return outcome.result;
    };
    if (tool === "lock") return this.#lock(args as LockArguments, once, call_id);
    const { op, name } = args as { op: string; name: string };
    if (op === "acquire" && this.#isLater) {
      const givenBack = this.#semaphores.get(name) ?? giveBackPermits(name, once);
      this.#semaphores.set(name, givenBack);
      await givenBack;
    }
    return once(args as object, call_id);
  }

  async #lock(args: LockArguments, once: (op: object, id?: string) => Promise<unknown>, id?: string): Promise<unknown> {
    const { op, name, names = [name], mode = "exclusive" } = args;
    for (;;) {
      try {
        const result = await once(args, id);
        if (op === "release") this.#locks.delete(name);
        else if ((result as Taken).acquired !== false) for (const one of names) this.#locks.add(one);
        return result;
      } catch (error) {
        const left = this.#isLater ? leftLock(error) : undefined;
        if (!left || this.#locks.has(left.name)) throw error;
        if (names.length === 1 && left.mode === mode) {
          this.#locks.add(left.name);
          return { token: left.token, acquired: true };
        }
        await once({ op: "release", name: left.name });
      }
    }
  }
}

/** More than there can be: the refusal tells how many the task holds. */
async function giveBackPermits(name: string, once: (op: object) => Promise<unknown>): Promise<void> {
  try {
    await once({ op: "release", name, permits: permitsMax });
  } catch (error) {
    if (!isToolError(error, "not_holder")) throw error;
    const { permits } = error.details as { permits?: number };
    if (permits) await once({ op: "release", name, permits });
  }
}
