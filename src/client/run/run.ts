/** A run as an object: its tasks, its context, its shared variables, its log. */

import { isProblem } from "../errors.ts";
import { everyRow } from "../every-row.ts";
import type { FollowOptions, FollowQuery } from "../follow.ts";
import type { Heddle } from "../heddle.ts";
import type { EventView, FindingView, PartialText, RulesView, RunView, WaitView } from "../replies.ts";
import type { ActorRequest, Message, ToolRequest } from "../requests.ts";
import type { CallOptions } from "../transport.ts";
import { Atomic } from "./atomic.ts";
import { Barrier } from "./barrier.ts";
import { resultOf } from "./call-to-end.ts";
import { asyncDispose } from "./dispose.ts";
import { ForkedContext } from "./forked-context.ts";
import { Future } from "./future.ts";
import { KnownContext } from "./known-context.ts";
import { SharedList } from "./list.ts";
import { Lock } from "./lock.ts";
import { SharedMap } from "./map.ts";
import { SharedMemory } from "./memory.ts";
import type { TasksWaitOptions } from "./pause.ts";
import { Questions } from "./questions.ts";
import { MessageQueue } from "./queue.ts";
import { Semaphore } from "./semaphore.ts";
import { Session } from "./session.ts";
import { Tasks } from "./tasks.ts";
import { Webhook } from "./webhook.ts";

/** A run. `await using` ends it: with what is live in it, where something still is. */
export class Run {
  readonly #heddle: Heddle;
  #known: KnownContext | undefined;
  /** Its id. */
  readonly id: string;
  /** Its tasks: created here, they fork the run's head. */
  readonly tasks: Tasks;
  /** What it waits for from outside, and the answers. */
  readonly questions: Questions;
  /** Where its events are told as they happen. */
  readonly webhook: Webhook;

  /** `messages`, where they are known: what the run's head, `snapshot`, has. */
  constructor(
    heddle: Heddle,
    id: string,
    head?: { readonly snapshot: string; readonly messages?: readonly Message[] },
  ) {
    this.#heddle = heddle;
    this.id = id;
    this.tasks = new Tasks(heddle, id);
    this.questions = new Questions(heddle, id);
    this.webhook = new Webhook(heddle, id);
    if (head) {
      this.#known = new KnownContext(heddle, id, head.snapshot);
      if (head.messages) this.#known.learn(head.messages, head.snapshot);
    }
  }

  /** Its status, counts, usage and all else, now. */
  view(options: CallOptions = {}): Promise<RunView> {
    return this.#heddle.run(this.id, options);
  }

  /**
   * The snapshot of a conversation, which tasks can fork: give the whole of it each time, and only the messages that the run
   * lacks are sent. It becomes the run's head.
   */
  async fork(messages: readonly Message[], options: CallOptions = {}): Promise<ForkedContext> {
    this.#known ??= new KnownContext(this.#heddle, this.id, (await this.view(options)).snapshot);
    const snapshot = await this.#known.snapshotOf(messages, options);
    return new ForkedContext(this.#heddle, this.id, snapshot);
  }

  /** A tool call, to its end, as an agent outside: `run.tool("inspect", {})`. @throws ToolError */
  tool(
    name: string,
    args: unknown,
    { call_id, snapshot, messages, actor, wait_ms, ...options }: CallOptions & Omit<ToolRequest, "arguments"> = {},
  ): Promise<unknown> {
    const more = { call_id, snapshot, messages, actor, wait_ms };
    const request = { arguments: args, ...(JSON.parse(JSON.stringify(more)) as Omit<ToolRequest, "arguments">) };
    return resultOf(this.#heddle, this.id, name, request, options);
  }

  // ---- shared variables ------------------------------------------------------------------------------------------------

  /** A lock; with several names, all of them at once. */
  lock(name: string, ...more: string[]): Lock {
    return new Lock(this.#heddle, this.id, [name, ...more]);
  }
  /** A semaphore. */
  semaphore(name: string): Semaphore {
    return new Semaphore(this.#heddle, this.id, name);
  }
  /** A barrier of so many parties. */
  barrier(name: string, { parties }: { readonly parties: number }): Barrier {
    return new Barrier(this.#heddle, this.id, name, parties);
  }
  /** A message queue. */
  queue<Message = unknown>(name: string): MessageQueue<Message> {
    return new MessageQueue(this.#heddle, this.id, name);
  }
  /** A future. */
  future<Value = unknown>(name: string): Future<Value> {
    return new Future(this.#heddle, this.id, name);
  }
  /** An atomic. */
  atomic<Value = number>(name: string): Atomic<Value> {
    return new Atomic(this.#heddle, this.id, name);
  }
  /** A shared map. */
  map<Value = unknown>(name: string): SharedMap<Value> {
    return new SharedMap(this.#heddle, this.id, name);
  }
  /** A shared list. */
  list<Item = unknown>(name: string): SharedList<Item> {
    return new SharedList(this.#heddle, this.id, name);
  }
  /** A shared text. */
  memory(name: string): SharedMemory {
    return new SharedMemory(this.#heddle, this.id, name);
  }
  /** A session for several holds and waits of one flow of control; locks and waits open one of their own without. */
  session(body: ActorRequest = {}, options: CallOptions = {}): Promise<Session> {
    return Session.open(this.#heddle, this.id, body, options);
  }

  // ---- following -------------------------------------------------------------------------------------------------------

  /** The run's events, live, each once and in order, until it has ended; `partial`: texts that models are writing, too. */
  events(
    query: FollowQuery & { readonly partial: true },
    options?: FollowOptions,
  ): AsyncGenerator<EventView | PartialText>;
  events(query?: FollowQuery & { readonly partial?: false }, options?: FollowOptions): AsyncGenerator<EventView>;
  events(query: FollowQuery = {}, options: FollowOptions = {}): AsyncGenerator<EventView | PartialText> {
    return this.#heddle.followEvents(this.id, query as FollowQuery & { readonly partial: true }, options);
  }

  /** Resolves when no task is live, those created meanwhile included. @throws RunPaused where that is asked for */
  settled(options: TasksWaitOptions = {}): Promise<WaitView> {
    return this.#heddle.waitFor(this.id, {}, options);
  }

  /** What Heddle has found out about it: deadlocks, races, stragglers. */
  findings(options: CallOptions = {}): AsyncGenerator<FindingView, void, void> {
    return everyRow(
      (at) => this.#heddle.findings(this.id, at, options),
      ({ findings }) => findings,
    );
  }

  // ---- steering --------------------------------------------------------------------------------------------------------

  /** Starts nothing new; turns in flight end. */
  pause(options: CallOptions = {}): Promise<RunView> {
    return this.#heddle.pauseRun(this.id, options);
  }
  /** Goes on. @throws HeddleProblem `run_not_paused` */
  resume(options: CallOptions = {}): Promise<RunView> {
    return this.#heddle.resumeRun(this.id, options);
  }
  /** Cancels everything and ends it. */
  cancel(reason?: string, options: CallOptions = {}): Promise<RunView> {
    return this.#heddle.cancelRun(this.id, reason === undefined ? {} : { reason }, options);
  }
  /** Ends it. @throws HeddleProblem `tasks_live` while any live, unless `cancel` */
  finish(body: { cancel?: boolean } = {}, options: CallOptions = {}): Promise<RunView> {
    return this.#heddle.finishRun(this.id, body, options);
  }
  /** New totals of tokens, of dollars or of both. @throws HeddleProblem `below_spent` */
  setBudget(body: { tokens?: number; usd?: number }, options: CallOptions = {}): Promise<RunView> {
    return this.#heddle.setBudget(this.id, body, options);
  }
  /** The rules that it is held to: its own, its tenant's and the deployment's, with those that bind it now. */
  rules(options: CallOptions = {}): Promise<RulesView> {
    return this.#heddle.rules(this.id, options);
  }
  /** Other rules, in Markdown, in place of its own; "" takes them away. @throws HeddleProblem `rules_invalid`, whose errors have lines */
  setRules(rules: string, options: CallOptions = {}): Promise<RunView> {
    return this.#heddle.setRules(this.id, rules, options);
  }
  /** Keeps it for so many days after its end. */
  retain(days: number, options: CallOptions = {}): Promise<RunView> {
    return this.#heddle.retainRun(this.id, { days }, options);
  }
  /** Deletes it with everything it has. */
  delete(options: CallOptions = {}): Promise<void> {
    return this.#heddle.deleteRun(this.id, options);
  }

  /** Ends it, and cancels what is still live; nothing happens where it has ended, or is gone. */
  async [asyncDispose](): Promise<void> {
    try {
      await this.finish({ cancel: true });
    } catch (error) {
      if (!isProblem(error, "run_ended") && !isProblem(error, "not_found")) throw error;
    }
  }
}
