/** `claude -p --output-format stream-json --verbose`: one object a line, the last of type `result`. */

import {
  addUsage,
  callText,
  countOf,
  type Fields,
  failureOf,
  fieldsOf,
  type HarnessFailure,
  type HarnessUsage,
  listOf,
  type Reader,
  type Reading,
  textOf,
} from "./reading.ts";

export class ClaudeReader implements Reader {
  #session: string | undefined;
  #result: string | undefined;
  /** Its own sum. */
  #usage: HarnessUsage | undefined;
  /** Of replies before the one that comes now. */
  #before: HarnessUsage | undefined;
  /** A reply comes in several events, a block each, all with its usage so far. */
  #replyUsage: HarnessUsage | undefined;
  #replyId: string | undefined;
  #turns = 0;
  #failure: HarnessFailure | undefined;
  #ended = false;
  #resetsAt: number | undefined;
  /** The error that the last reply was marked with: the result's own text is for people. */
  #marked: string | undefined;

  add(event: unknown, now: number): string | undefined {
    const fields = fieldsOf(event);
    this.#session = textOf(fields.session_id) ?? this.#session;
    switch (fields.type) {
      case "assistant":
        return this.#reply(fields);
      case "rate_limit_event": {
        const info = fieldsOf(fields.rate_limit_info);
        const at = countOf(info.resetsAt ?? info.resets_at);
        this.#resetsAt = info.status === "rejected" && at > 0 ? at * 1000 : undefined;
        return undefined;
      }
      case "result":
        this.#end(fields, now);
    }
    return undefined;
  }

  get reading(): Reading {
    return {
      session: this.#session,
      result: this.#result,
      usage: this.#usage ?? addUsage(this.#before, this.#replyUsage),
      turns: this.#turns,
      failure: this.#ended ? this.#failure : { kind: "failed", message: "it ended before it had a result" },
    };
  }

  #reply(fields: Fields): string | undefined {
    this.#marked = textOf(fields.error);
    const message = fieldsOf(fields.message);
    const isOwn = textOf(fields.parent_tool_use_id) === undefined;
    const id = textOf(message.id);
    if (id === undefined || id !== this.#replyId) {
      this.#before = addUsage(this.#before, this.#replyUsage);
      if (isOwn) this.#turns++;
    }
    this.#replyId = id;
    this.#replyUsage = message.usage === undefined ? undefined : usageOf(message);
    // Of an agent of its own: not what the task itself is at.
    if (!isOwn) return undefined;
    let told: string | undefined;
    for (const block of listOf(message.content).map(fieldsOf)) {
      if (block.type === "tool_use") told = callText(textOf(block.name) ?? "a tool", fieldsOf(block.input));
      else if (block.type === "text") told = textOf(block.text) ?? told;
    }
    return told;
  }

  #end(fields: Fields, now: number): void {
    this.#ended = true;
    this.#usage = usageOf(fields);
    const text = textOf(fields.result);
    if (fields.subtype === "success" && fields.is_error !== true) {
      this.#result = text;
      this.#failure = undefined;
      return;
    }
    const errors = listOf(fields.errors).filter((one) => typeof one === "string");
    const message = [text, ...errors].filter(Boolean).join("\n") || String(fields.subtype ?? "it failed");
    if (fields.subtype === "error_max_turns")
      this.#failure = { kind: "max_turns", message: "it used all of its turns" };
    else if (fields.subtype === "error_max_budget_usd") this.#failure = { kind: "failed", message };
    else {
      const status = countOf(fields.api_error_status) || statusOf(this.#marked);
      const failure = failureOf(message, { now, ...(status !== undefined && { status }) });
      const waits =
        failure.kind === "rate_limited" && this.#resetsAt !== undefined && failure.retryAfterMs === undefined;
      this.#failure = waits ? { ...failure, retryAfterMs: Math.max(0, this.#resetsAt! - now) } : failure;
    }
  }
}

const statusOf = (mark: string | undefined): number | undefined =>
  mark === "authentication_failed" ? 401 : mark === "billing_error" ? 402 : mark === "rate_limit" ? 429 : undefined;

function usageOf(fields: Fields): HarnessUsage {
  const usage = fieldsOf(fields.usage);
  const [read, write] = [countOf(usage.cache_read_input_tokens), countOf(usage.cache_creation_input_tokens)];
  return {
    input_tokens: countOf(usage.input_tokens) + read + write,
    output_tokens: countOf(usage.output_tokens),
    cache_read_tokens: read,
    cache_write_tokens: write,
    ...(typeof fields.total_cost_usd === "number" && { cost_usd: fields.total_cost_usd }),
  };
}
