/** A task that this program carries out: what it is, and what can be said of it meanwhile. */

import { renewEveryMs, taskProgressEveryMs, workBlockedCheckMs } from "../../limits.ts";
import { isProblem } from "../errors.ts";
import type { Heddle } from "../heddle.ts";
import type { ContextView, Lease, ToolOutcome } from "../replies.ts";
import type { CompleteRequest, FailRequest, Message, TaskProgressReport } from "../requests.ts";
import { sleep } from "../sleep.ts";

/** Whoever carries out a task, and is told of its ways. */
interface Place {
  /** It waits in a call: another may take its place meanwhile. */
  readonly blocked: (isBlocked: boolean) => void;
}

/** Why `signal` of a task aborts: another worker may have it now, or it was cancelled. What is done of it counts no more. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
}

/** Thrown by what carries out a task: it fails with this code. Any other error fails it with `loop_failed`. */
export class WorkFailed extends Error {
  override readonly name = "WorkFailed";
  /** Lower-case letters, digits and _; with any other code the task fails with `loop_failed`. */
  readonly code: string;
  /** Whether the task is to be tried again, as its `retries` allow. */
  readonly retryable: boolean;
  /** What was used and no turn has logged. */
  readonly usage: FailRequest["usage"];

  constructor(
    code: string,
    message: string,
    { retryable = false, usage }: { retryable?: boolean; usage?: FailRequest["usage"] } = {},
  ) {
    super(message);
    this.code = code;
    this.retryable = retryable;
    this.usage = usage;
  }
}

/** A leased task. Its lease is renewed by itself until it has ended. */
export class LeasedTask {
  readonly #heddle: Heddle;
  readonly #place: Place;
  readonly #stop = new AbortController();
  readonly #renewing = new AbortController();
  #progress: TaskProgressReport | undefined;
  /** As it was leased. */
  readonly lease: Lease;

  constructor(heddle: Heddle, lease: Lease, place: Place) {
    this.#heddle = heddle;
    this.lease = lease;
    this.#place = place;
    void this.#renew();
  }

  /** What it is to do, as its creator wrote it. */
  get instructions(): string {
    return this.lease.task.instructions;
  }

  /** Aborts when it is to be left: with LeaseLost, or because the worker was stopped. Give it to whatever takes long. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Where it goes on from: its fork, what earlier attempts have logged, its instructions at the end, and messages to it. */
  async context(): Promise<ContextView> {
    const { run, snapshot, context, messages = [] } = this.lease;
    if (context) return { ...context, messages: [...context.messages, ...messages] };
    const { snapshot: _, parent: __, ...whole } = await this.#heddle.snapshot(run, snapshot, {}, this.#options);
    return { ...whole, messages: [...whole.messages, ...messages] };
  }

  /**
   * Logs a turn: the messages since the last one, a reply at the end. A later attempt goes on from there. What it answers are messages
   * to the task: put them into the conversation after the results of the reply's calls, and don't log them.
   */
  async turn(messages: Message[], usage?: CompleteRequest["usage"]): Promise<Message[]> {
    const turn = { messages, ...(usage && { usage }) };
    return (await this.#held(() => this.#heddle.turn(this.lease.id, turn, this.#options))).messages ?? [];
  }

  /** A tool call of the task, to its end. The same `callId` within a turn has one effect and one answer. */
  async call(tool: string, args: unknown, callId: string): Promise<Exclude<ToolOutcome, { pending: true }>> {
    let isBlocked = false;
    const timer = setTimeout(() => {
      isBlocked = true;
      this.#place.blocked(true);
    }, workBlockedCheckMs);
    try {
      for (;;) {
        const request = { arguments: args, call_id: callId };
        const outcome = await this.#held(() => this.#heddle.callLeaseTool(this.lease.id, tool, request, this.#options));
        if (!("pending" in outcome)) return outcome;
      }
    } finally {
      clearTimeout(timer);
      if (isBlocked) this.#place.blocked(false);
    }
  }

  /** Tells how far it is, to whoever looks at it: with the next renewal, a few seconds later at most. Of several the newest counts. */
  progress(report: TaskProgressReport): void {
    this.#progress = report;
  }

  /** It is to be left. Whatever it still calls ends at once. */
  stop(reason: Error): void {
    this.#stop.abort(reason);
  }

  /** It has ended, or is about to: its lease is not renewed any more. */
  ended(): void {
    this.#renewing.abort();
  }

  get #options() {
    return { signal: this.signal, retryMs: Number.POSITIVE_INFINITY };
  }

  async #held<Reply>(call: () => Promise<Reply>): Promise<Reply> {
    try {
      return await call();
    } catch (error) {
      if (!isProblem(error, "lease_lost")) throw error;
      this.stop(new LeaseLost(`the lease of task ${this.lease.task.id} is lost: ${error.message}`));
      throw this.signal.reason;
    }
  }

  async #renew(): Promise<void> {
    const options = { signal: this.#renewing.signal, retryMs: Number.POSITIVE_INFINITY };
    try {
      for (let renewedAt = Date.now(); ; ) {
        await sleep(taskProgressEveryMs, options.signal);
        const progress = this.#progress;
        if (progress === undefined && Date.now() - renewedAt < renewEveryMs - taskProgressEveryMs) continue;
        this.#progress = undefined;
        const { id } = this.lease;
        await this.#held(() =>
          progress ? this.#heddle.reportProgress(id, progress, options) : this.#heddle.renewLease(id, options),
        );
        if (!progress) renewedAt = Date.now();
      }
    } catch (error) {
      // A renewal that is refused for another reason than the lease is refused for good.
      if (!this.#renewing.signal.aborted) this.stop(error as Error);
    }
  }
}
