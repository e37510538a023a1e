/**
 * A pull worker inside a program: leases tasks of a pool, has each carried out by a function, and delivers what it answers.
 *
 * P1  A task runs while its lease is held, as far as is known here: `lease_lost` aborts its `signal`, and nothing of it is delivered.
 * P2  A server that is away is waited for; the server alone says that a lease is lost.
 * P3  At most `concurrency` tasks are not blocked in a tool call, and at most four times as many run in all: so a task that waits for
 *     its own tasks in the same pool never keeps them from running.
 * P4  `drain`: nothing new, and what runs comes to its end. `signal`: nothing new, and what runs is given back to be tried again.
 * P5  A task that was ended by its own call of `finish` has ended as that says, whatever its function does then: nothing is delivered.
 */

import {
  errorCharsMax,
  leasesPerCallMax,
  workBlockedFactor,
  workConcurrencyMax,
  workLastCallMs,
  workPollMs,
} from "../../limits.ts";
import { HeddleUnreachable, isProblem } from "../errors.ts";
import type { Heddle } from "../heddle.ts";
import { now, steadyMsSince } from "../moment.ts";
import { randomKey } from "../random-key.ts";
import type { Lease } from "../replies.ts";
import type { FailRequest } from "../requests.ts";
import { firstOf } from "../signals.ts";
import { LeasedTask, LeaseLost, WorkFailed } from "./leased-task.ts";

/** What became of a task here. */
export type WorkEnd = "succeeded" | "failed" | "lost" | "given_back";

/** How a pool is served. */
export interface WorkOptions {
  /** The pool, any but `hosted`. */
  readonly pool: string;
  /** Carries out a task; what it answers is the result. Throw WorkFailed, or any error, to fail it. */
  readonly run: (task: LeasedTask) => unknown;
  /** Tasks at once that are not blocked in a tool call; 1 if left out. */
  readonly concurrency?: number;
  /** Its name, as the log shows it. */
  readonly worker?: string;
  /** Ends at once: what runs is given back. */
  readonly signal?: AbortSignal;
  /** Ends when what runs has ended. */
  readonly drain?: AbortSignal;
  /** Ends when there was nothing to do for so long. */
  readonly idleMs?: number;
  /** Told of each task that is over here, with the error that it failed with. */
  readonly onEnd?: (task: LeasedTask, end: WorkEnd, error?: unknown) => void;
}

export class PoolWork {
  readonly #heddle: Heddle;
  readonly #options: WorkOptions;
  readonly #concurrency: number;
  readonly #worker: string;
  readonly #stopping: { signal: AbortSignal; clear: () => void };
  readonly #running = new Map<LeasedTask, Promise<void>>();
  #blocked = 0;
  #busyAt = now();
  #changed = () => {};

  constructor(heddle: Heddle, options: WorkOptions) {
    const { concurrency = 1 } = options;
    if (!(Number.isInteger(concurrency) && concurrency >= 1 && concurrency <= workConcurrencyMax))
      throw new RangeError(`concurrency is ${concurrency}; it is a whole number from 1 to ${workConcurrencyMax}`);
    this.#heddle = heddle;
    this.#options = options;
    this.#concurrency = concurrency;
    this.#worker = options.worker ?? `loop ${randomKey().slice(0, 8)}`;
    this.#stopping = firstOf(options.signal, options.drain);
  }

  /** Until it is stopped or idle. @throws HeddleProblem when leasing is refused for good, after what runs has ended */
  async work(): Promise<void> {
    const { signal } = this.#stopping;
    const wake = () => this.#changed();
    const giveBack = () => {
      for (const task of this.#running.keys()) task.stop(this.#options.signal?.reason);
    };
    signal.addEventListener("abort", wake);
    this.#options.signal?.addEventListener("abort", giveBack);
    try {
      while (!signal.aborted) {
        const max = this.#room();
        if (max === 0) await this.#change();
        else {
          const leases = await this.#lease(max);
          for (const lease of leases) this.#begin(lease);
          if (leases.length === 0 && this.#isIdle()) return;
        }
      }
    } finally {
      while (this.#running.size > 0) await Promise.all(this.#running.values());
      this.#options.signal?.removeEventListener("abort", giveBack);
      signal.removeEventListener("abort", wake);
      this.#stopping.clear();
    }
  }

  #room(): number {
    const places = this.#concurrency - (this.#running.size - this.#blocked);
    return Math.max(0, Math.min(places, workBlockedFactor * this.#concurrency - this.#running.size, leasesPerCallMax));
  }

  #isIdle(): boolean {
    const { idleMs = Number.POSITIVE_INFINITY } = this.#options;
    return this.#running.size === 0 && steadyMsSince(this.#busyAt) >= idleMs;
  }

  async #lease(max: number): Promise<Lease[]> {
    const { pool, idleMs = workPollMs } = this.#options;
    const { signal } = this.#stopping;
    const idleLeftMs = Math.ceil(idleMs - steadyMsSince(this.#busyAt));
    const wait_ms = this.#running.size > 0 ? workPollMs : Math.max(0, Math.min(workPollMs, idleLeftMs));
    const request = { worker: this.#worker, max, wait_ms };
    try {
      return await this.#heddle.lease(pool, request, { signal, retryMs: Number.POSITIVE_INFINITY });
    } catch (error) {
      if (signal.aborted) return [];
      throw error;
    }
  }

  #begin(lease: Lease): void {
    const task = new LeasedTask(this.#heddle, lease, {
      blocked: (isBlocked) => {
        this.#blocked += isBlocked ? 1 : -1;
        this.#changed();
      },
    });
    const { signal } = this.#options;
    if (signal?.aborted) task.stop(signal.reason);
    const ended = this.#carryOut(task).finally(() => {
      this.#running.delete(task);
      this.#busyAt = now();
      this.#changed();
    });
    this.#running.set(task, ended);
  }

  /** To its delivery. Never rejects. */
  async #carryOut(task: LeasedTask): Promise<void> {
    let what: Ended;
    let cause: unknown;
    try {
      // What had come to its end counts, whoever stops now.
      what = { result: (await this.#options.run(task)) ?? null };
    } catch (error) {
      what = { failure: task.signal.aborted ? givenBack : failureOf(error) };
      cause = error;
    }
    task.ended();
    const isLost = task.signal.reason instanceof LeaseLost;
    const end = task.finishedAs ?? (isLost ? "lost" : await this.#deliver(task, what));
    try {
      this.#options.onEnd?.(task, end, cause);
    } catch {
      // Who listens has a fault of its own: the task has ended all the same.
    }
  }

  async #deliver(task: LeasedTask, what: Ended): Promise<WorkEnd> {
    const { id } = task.lease;
    const options = { idempotencyKey: randomKey(), retryMs: Number.POSITIVE_INFINITY };
    const call = async (more: object): Promise<WorkEnd> => {
      if ("failure" in what) {
        await this.#heddle.fail(id, what.failure, { ...options, ...more });
        return what.failure === givenBack ? "given_back" : "failed";
      }
      await this.#heddle.complete(id, { result: what.result, worker: this.#worker }, { ...options, ...more });
      return "succeeded";
    };
    try {
      const { signal } = this.#options;
      if (signal?.aborted) return await call({ retryMs: workLastCallMs });
      return await call({ signal }).catch((error) => {
        if (!signal?.aborted) throw error;
        return call({ retryMs: workLastCallMs });
      });
    } catch (error) {
      // Nobody has heard of it: the lease runs out, and the task is tried again.
      if (error instanceof HeddleUnreachable || "isLast" in what) return "lost";
      if (isProblem(error) && (error.retryable || error.code === "lease_lost")) return "lost";
      // What is refused (a result that is too large, a code that is none), or is no JSON and can't be sent, fails the task, with the reason.
      return this.#deliver(task, { failure: refusedAs(error as Error, what), isLast: true });
    }
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve;
    });
  }
}

/** What a task came to; `isLast`: if this is refused too, nothing else is told. */
type Ended = { readonly result: unknown } | { readonly failure: FailRequest; readonly isLast?: true };

const givenBack: FailRequest = {
  error: { code: "worker_stopped", message: "The worker was stopped before the task ended." },
  retryable: true,
};

/** In place of what the server does not take, or what no request can hold. */
function refusedAs(refusal: Error, what: Ended): FailRequest {
  if (!("failure" in what)) return failureOf(refusal);
  const { error, retryable = false } = what.failure;
  const message = `${refusal.message}\n${error.message}`.slice(0, errorCharsMax);
  return { error: { code: "loop_failed", message }, retryable };
}

/** Vendors' SDKs throw an error of their API's where there was no answer: it has a status and a body as all do, and both are undefined. */
const isUnreached = (error: unknown): boolean =>
  error instanceof Error &&
  "status" in error &&
  error.status === undefined &&
  "headers" in error &&
  error.headers === undefined;

/** Busy or limited providers may take the next attempt, and those that were not reached: vendors' SDKs throw errors with the HTTP status. */
function failureOf(error: unknown): FailRequest {
  const message = (error instanceof Error ? error.message : String(error)).slice(0, errorCharsMax);
  if (error instanceof WorkFailed) {
    const { code, retryable, usage } = error;
    return { error: { code, message }, retryable, ...(usage && { usage }) };
  }
  const { status } = (error ?? {}) as { status?: unknown };
  const isBusy = typeof status === "number" && (status === 408 || status === 429 || status >= 500);
  const retryable = isBusy || isUnreached(error);
  return { error: { code: "loop_failed", message }, retryable };
}
