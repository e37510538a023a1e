/** A task that this program carries out: what it is, and what can be said of it meanwhile. */

import { renewEveryMs, taskProgressEveryMs, waitTasksMax, workBlockedCheckMs } from "../../limits.ts";
import { isProblem } from "../errors.ts";
import type { Heddle } from "../heddle.ts";
import { msSince, now } from "../moment.ts";
import type { ContextView, ErrorView, Lease, ToolOutcome } from "../replies.ts";
import type { CompleteRequest, FailRequest, Message, TaskProgressReport, ToolRequest } from "../requests.ts";
import { Atomic } from "../run/atomic.ts";
import { Barrier } from "../run/barrier.ts";
import { type CallToEndOptions, placeOf } from "../run/call-to-end.ts";
import { ToolError } from "../run/errors.ts";
import { Future } from "../run/future.ts";
import { SharedList } from "../run/list.ts";
import { Lock } from "../run/lock.ts";
import { SharedMap } from "../run/map.ts";
import { SharedMemory } from "../run/memory.ts";
import { MessageQueue } from "../run/queue.ts";
import { Semaphore } from "../run/semaphore.ts";
import type { VariableCaller } from "../run/variable.ts";
import { firstOf } from "../signals.ts";
import { sleep } from "../sleep.ts";
import { taskCaller } from "./task-caller.ts";
import { TaskHolder } from "./task-holder.ts";

/** Whoever carries out a task, and is told of its ways. */
interface Place {
  /** It waits in a call: another may take its place meanwhile. */
  readonly blocked: (isBlocked: boolean) => void;
}

/** Why `signal` of a task aborts: another worker may have it now, it was cancelled, or its tokens are used up. What is done of it counts no more. */
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

/** How a task ended that another one comes after. */
export type Dependency<Result = unknown> = { readonly id: string; readonly key: string | null } & (
  | { readonly state: "succeeded"; readonly result: Result }
  | { readonly state: "failed" | "cancelled" | "skipped"; readonly error: ErrorView }
);

/** What a call came to. */
type ToolEnd = Exclude<ToolOutcome, { pending: true }>;

/** As the tool tells it. */
type Told = Omit<Dependency, "key"> & { readonly key?: string; readonly truncated?: boolean };

/** A leased task. Its lease is renewed by itself until it has ended. */
export class LeasedTask {
  readonly #heddle: Heddle;
  readonly #place: Place;
  readonly #stop = new AbortController();
  #renewing = new AbortController();
  readonly #caller: VariableCaller = taskCaller((...call) => this.#toEnd(...call));
  readonly #holder: TaskHolder;
  #progress: TaskProgressReport | undefined;
  #tokensLeft: number | undefined;
  #finishedAs: "succeeded" | "failed" | undefined;
  #isOver = false;
  /** Calls that wait for long: of several at once the first one gives its place away, and the last one takes it again. */
  #blockedCalls = 0;
  /** As it was leased. */
  readonly lease: Lease;

  constructor(heddle: Heddle, lease: Lease, place: Place) {
    this.#heddle = heddle;
    this.lease = lease;
    this.#tokensLeft = lease.tokens_left;
    this.#place = place;
    this.#holder = new TaskHolder((...call) => this.#toEnd(...call), this.signal, this.attempt > 1);
    void this.#renew();
  }

  /** Its id. */
  get id(): string {
    return this.lease.task.id;
  }

  /** The key that its creator gave it. */
  get key(): string | null {
    return this.lease.task.key;
  }

  /** Its labels and those of the task that created it: what a worker can tell kinds of tasks apart by. */
  get labels(): Readonly<Record<string, string>> {
    return this.lease.task.labels;
  }

  /** Which attempt at it this is, from 1. */
  get attempt(): number {
    return this.lease.task.attempt;
  }

  /** The id of its run. */
  get run(): string {
    return this.lease.run;
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
   * How the tasks of its `after` and its `{{key}}` ended, in that order, with their whole results as values: the context has them as
   * text for a model, cut where they are long. `Result` is what you say that results are.
   */
  async dependencies<Result = unknown>(): Promise<Dependency<Result>[]> {
    const { after } = this.lease.task;
    const all: Dependency<Result>[] = [];
    for (let at = 0; at < after.length; at += waitTasksMax) {
      const part = after.slice(at, at + waitTasksMax);
      const { tasks } = (await this.#ask("await_tasks", { tasks: part, mode: "settled" })) as { tasks: Told[] };
      for (const { truncated, key = null, ...task } of tasks) {
        const whole = truncated && { result: await this.#wholeResult(task.id) };
        all.push({ ...task, key, ...whole } as Dependency<Result>);
      }
    }
    return all;
  }

  async #wholeResult(task: string): Promise<unknown> {
    let text = "";
    let isJson = false;
    for (let offset = 0; ; ) {
      const part = (await this.#ask("inspect", { task, offset })) as {
        result: unknown;
        json?: boolean;
        next_offset?: number;
      };
      if (offset === 0 && part.next_offset === undefined) return part.result;
      isJson ||= part.json === true;
      text += part.result;
      if (part.next_offset === undefined) return isJson ? JSON.parse(text) : text;
      offset = part.next_offset;
    }
  }

  /** A call that only looks. It has no name of its own, so its answer is not stored for a repeat. @throws ToolError */
  async #ask(tool: string, args: object): Promise<unknown> {
    const outcome = await this.#toEnd(tool, { arguments: args });
    if ("error" in outcome) throw new ToolError(tool, outcome.error);
    return outcome.result;
  }

  /**
   * Tokens, input and output together, that it may still use before its next turn is refused and it fails with `max_tokens`, as the
   * lease said, and then each turn. At 0 the next one is refused: hand in what there is. Undefined where nothing bounds them.
   */
  get tokensLeft(): number | undefined {
    return this.#tokensLeft;
  }

  /**
   * Logs a turn: the messages since the last one, a reply at the end. A later attempt goes on from there. What it answers are messages
   * to the task: put them into the conversation after the results of the reply's calls, and don't log them.
   */
  async turn(messages: Message[], usage?: CompleteRequest["usage"]): Promise<Message[]> {
    const turn = { messages, ...(usage && { usage }) };
    const logged = await this.#held(() => this.#heddle.turn(this.lease.id, turn, this.#options));
    this.#tokensLeft = logged.tokens_left;
    return logged.messages ?? [];
  }

  /**
   * A tool call of the task, to its end. The same `callId` within a turn has one effect and one answer. Once `finish` has a result the task
   * is over: `finishedAs` says how, and what `run` answers then is not used.
   */
  async call(
    tool: string,
    args: unknown,
    callId: string,
    { begun }: Pick<CallToEndOptions, "begun"> = {},
  ): Promise<ToolEnd> {
    const request = { arguments: args, call_id: callId };
    if (tool !== "finish") return this.#toEnd(tool, request, { begun });
    // A renewal that comes behind the end would be told that the lease is lost.
    this.#renewing.abort();
    try {
      const outcome = await this.#toEnd(tool, request);
      if ("result" in outcome) {
        const { state } = outcome.result as { state: string };
        // Parked with its result: it waits for its children.
        this.#finishedAs = state === "succeeded" || state === "parked" ? "succeeded" : "failed";
      }
      return outcome;
    } finally {
      // Refused, or not answered: the task goes on.
      if (!this.#finishedAs && !this.#isOver) {
        this.#renewing = new AbortController();
        // Soon, since it was not meanwhile.
        void this.#renew({ dated: 0, steady: 0 });
      }
    }
  }

  /** As what its own work ended by the tool `finish`; undefined while it has not. */
  get finishedAs(): "succeeded" | "failed" | undefined {
    return this.#finishedAs;
  }

  // Variables of the run, whose ops are the task's own: what it waits for is seen as its wait, and it opens no sessions. An op with
  // `idempotencyKey` is done once, however many attempts ask for it (task-caller.ts).

  /** A shared map, as the task. */
  map<Value = unknown>(name: string): SharedMap<Value> {
    return new SharedMap(this.#heddle, this.run, name, this.#caller);
  }
  /** A shared list, as the task. Name an `append` by `idempotencyKey`: another attempt appends again what has no name. */
  list<Item = unknown>(name: string): SharedList<Item> {
    return new SharedList(this.#heddle, this.run, name, this.#caller);
  }
  /** A message queue, as the task. What a `pop` took that has no name by `idempotencyKey`, no other attempt gets. */
  queue<Message = unknown>(name: string): MessageQueue<Message> {
    return new MessageQueue(this.#heddle, this.run, name, this.#caller);
  }
  /** A future, as the task. */
  future<Value = unknown>(name: string): Future<Value> {
    return new Future(this.#heddle, this.run, name, this.#caller);
  }
  /** An atomic, as the task. Name an `add` by `idempotencyKey`: another attempt adds again what has no name. */
  atomic<Value = number>(name: string): Atomic<Value> {
    return new Atomic(this.#heddle, this.run, name, this.#caller);
  }
  /** A shared text, as the task. */
  memory(name: string): SharedMemory {
    return new SharedMemory(this.#heddle, this.run, name, this.#caller);
  }

  // Holds of the task: they outlive its worker, so another attempt takes over what this one held, and they end with the task.

  /** A lock, as the task; with several names, all of them at once. Its calls take no `idempotencyKey`, and need none. */
  lock(name: string, ...more: string[]): Lock {
    return new Lock(this.#heddle, this.run, [name, ...more], this.#holder);
  }
  /** A semaphore, as the task. */
  semaphore(name: string): Semaphore {
    return new Semaphore(this.#heddle, this.run, name, this.#caller, this.#holder);
  }
  /** A barrier of so many parties, at which the task arrives. Name a `wait` by `idempotencyKey`: another attempt arrives again where it has no name. */
  barrier(name: string, { parties }: { readonly parties: number }): Barrier {
    return new Barrier(this.#heddle, this.run, name, parties, this.#caller);
  }

  /** Poll after poll, until it has an answer; its place is another's while it waits for long. */
  async #toEnd(
    tool: string,
    asked: ToolRequest,
    { signal: outer, begun, ...given }: CallToEndOptions = {},
  ): Promise<ToolEnd> {
    const { signal, clear } = firstOf(this.signal, outer);
    const options = { ...this.#options, ...given, signal };
    let request = placeOf(asked, begun);
    let isBlocked = false;
    const timer = setTimeout(() => {
      isBlocked = true;
      if (++this.#blockedCalls === 1) this.#place.blocked(true);
    }, workBlockedCheckMs);
    try {
      for (;;) {
        const outcome = await this.#held(() => this.#heddle.callLeaseTool(this.lease.id, tool, request, options));
        begun?.();
        if (!("pending" in outcome)) return outcome;
        request = outcome.call_id ? { ...asked, call_id: outcome.call_id } : asked;
      }
    } finally {
      clear();
      clearTimeout(timer);
      if (isBlocked && --this.#blockedCalls === 0) this.#place.blocked(false);
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
    this.#isOver = true;
    this.#renewing.abort();
  }

  get #options() {
    return { signal: this.signal, retryMs: Number.POSITIVE_INFINITY };
  }

  async #held<Reply>(call: () => Promise<Reply>): Promise<Reply> {
    try {
      return await call();
    } catch (error) {
      // A task whose tokens are used up has failed: whoever goes on has no lease either.
      if (!isProblem(error, "lease_lost") && !isProblem(error, "max_tokens")) throw error;
      this.stop(new LeaseLost(`the lease of task ${this.lease.task.id} is lost: ${error.message}`));
      throw this.signal.reason;
    }
  }

  async #renew(renewedAt = now()): Promise<void> {
    const { signal } = this.#renewing;
    const options = { signal, retryMs: Number.POSITIVE_INFINITY };
    try {
      for (;;) {
        await sleep(taskProgressEveryMs, signal);
        const progress = this.#progress;
        if (progress === undefined && msSince(renewedAt) < renewEveryMs - taskProgressEveryMs) continue;
        this.#progress = undefined;
        const { id } = this.lease;
        const renew = () => this.#heddle.renewLease(id, options);
        await this.#held(async () => {
          if (!progress) return renew();
          return this.#heddle.reportProgress(id, progress, options).catch((error: unknown) => {
            // A report is for eyes: one that the server does not take, as a text that is too long, must not cost the task its lease.
            if (!isProblem(error, "validation_failed")) throw error;
            return renew();
          });
        });
        if (!progress) renewedAt = now();
      }
    } catch (error) {
      // A renewal that is refused for another reason than the lease is refused for good.
      if (!signal.aborted) this.stop(error as Error);
    }
  }
}
