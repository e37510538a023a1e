/** Messages, each to exactly one taker. */

import type { Heddle } from "../heddle.ts";
import type { CallOptions } from "../transport.ts";
import { letGo } from "./session.ts";
import { openSession, Variable, type VariableCaller, type WaitOptions } from "./variable.ts";

/** How messages are taken. */
export interface PopOptions extends WaitOptions {
  /** The wait is for somebody outside the run, however late; then it counts as no deadlock. */
  readonly external?: boolean;
}

/** First in, first out; each message goes to exactly one taker. */
export class MessageQueue<Message = unknown> extends Variable {
  constructor(heddle: Heddle, runId: string, name: string, caller?: VariableCaller) {
    super(heddle, runId, "message_queue", name, caller);
  }

  /** Bounds it to so many messages, before its first use (else 10,000). @throws ToolError `already_created` with another number */
  async create(capacity: number, options: CallOptions = {}): Promise<void> {
    await this.op("create", { capacity }, options);
  }

  /** Adds messages in this order; waits while it is full. @throws ToolError `queue_closed`, `timed_out`, `value_too_large` */
  async push(messages: readonly Message[], options: WaitOptions = {}): Promise<void> {
    await this.waited("push", { messages }, options);
  }

  /**
   * Takes up to `max` messages, at least one; waits while there is none. Undefined: it is closed and empty.
   * An abort may lose a message that was being handed over.
   * @throws ToolError `timed_out`; SessionLost
   */
  async pop({ max, external, ...wait }: PopOptions & { readonly max?: number } = {}): Promise<Message[] | undefined> {
    const taken = await this.waited<{ messages?: Message[]; closed?: boolean }>("pop", { max, external }, wait);
    return taken.messages;
  }

  /** Takes one message, as `pop`. */
  async take(options: PopOptions = {}): Promise<Message | undefined> {
    return (await this.pop(options))?.[0];
  }

  /** Nothing more can be pushed; what is there can still be taken. */
  async close(options: CallOptions = {}): Promise<void> {
    await this.op("close", {}, options);
  }

  /** How many messages are there. */
  async size(options: CallOptions = {}): Promise<number> {
    return (await this.op<{ size: number }>("size", {}, options)).size;
  }

  /** Messages one by one as they come, until it is closed and empty: `for await (const m of queue.messages())`. */
  async *messages({
    session,
    ttl_ms,
    idempotencyKey: _,
    ...options
  }: PopOptions = {}): AsyncGenerator<Message, void, void> {
    const own =
      session ?? (this.waitsAsItself ? undefined : await openSession(this.heddle, this.runId, ttl_ms, options));
    try {
      for (;;) {
        const messages = await this.pop({ ...options, session: own });
        if (messages === undefined) return;
        yield* messages;
      }
    } finally {
      if (own && !session) await letGo(own, options);
    }
  }

  /** As `messages`, without options. */
  [Symbol.asyncIterator](): AsyncGenerator<Message, void, void> {
    return this.messages();
  }
}
