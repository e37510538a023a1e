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
  /** What its results have told so far. */
  #told: HarnessUsage | undefined;
  /** Of replies since the last result, before the one that comes now. */
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
      usage: addUsage(this.#told, addUsage(this.#before, this.#replyUsage)),
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
      // An error that it tells as a message is no reply.
      if (isOwn && message.model !== "<synthetic>") this.#turns++;
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

  /**
   * Each of its turns has a result, and there are several where it goes on by itself: a command in the background has ended. `usage`
   * is that turn's, without its own agents'; `total_cost_usd` and `modelUsage` go on from one result to the next and, in the versions
   * that number their results, from a session to what goes on with it or with its copy: only what is told as new is this start's.
   */
  #count(fields: Fields): void {
    const [since, models] = [fields.model_usage_since_last_result, Object.values(fieldsOf(fields.modelUsage))];
    const isNumbered = fields.result_index !== undefined;
    if (since !== undefined) this.#told = addUsage(this.#told, usageOfModels(Object.values(fieldsOf(since))));
    else if (models.length > 0 && !isNumbered) this.#told = usageOfModels(models);
    else this.#told = addUsage(this.#told, { ...usageOf(fields), ...(!isNumbered && costOf(fields.total_cost_usd)) });
    this.#before = this.#replyUsage = this.#replyId = undefined;
  }

  #end(fields: Fields, now: number): void {
    this.#ended = true;
    this.#count(fields);
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

const statuses: Readonly<Record<string, number>> = {
  authentication_failed: 401,
  billing_error: 402,
  rate_limit: 429,
  overloaded: 529,
  // Its provider can't be reached, too, or broke off in the middle.
  server_error: 500,
};

const statusOf = (mark: string | undefined): number | undefined => (mark === undefined ? undefined : statuses[mark]);

function usageOf(fields: Fields): HarnessUsage {
  const usage = fieldsOf(fields.usage);
  const [read, write] = [countOf(usage.cache_read_input_tokens), countOf(usage.cache_creation_input_tokens)];
  return {
    input_tokens: countOf(usage.input_tokens) + read + write,
    output_tokens: countOf(usage.output_tokens),
    cache_read_tokens: read,
    cache_write_tokens: write,
  };
}

const usageOfModels = (models: readonly unknown[]): HarnessUsage =>
  models.map(usageOfModel).reduce((sum, one) => addUsage(sum, one)!, {
    ...{ input_tokens: 0, output_tokens: 0, cache_read_tokens: 0, cache_write_tokens: 0, cost_usd: 0 },
  });

function usageOfModel(model: unknown): HarnessUsage {
  const { inputTokens, outputTokens, cacheReadInputTokens, cacheCreationInputTokens, costUSD } = fieldsOf(model);
  const [read, write] = [countOf(cacheReadInputTokens), countOf(cacheCreationInputTokens)];
  return {
    input_tokens: countOf(inputTokens) + read + write,
    output_tokens: countOf(outputTokens),
    cache_read_tokens: read,
    cache_write_tokens: write,
    ...costOf(costUSD),
  };
}

const costOf = (value: unknown): { cost_usd?: number } => (typeof value === "number" ? { cost_usd: value } : {});
