/** `codex exec --json`: events of a thread, its turns and their items, one object a line. It does not tell costs. */

import {
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

export class CodexReader implements Reader {
  readonly #before: HarnessUsage | undefined;
  #session: string | undefined;
  #result: string | undefined;
  #usage: HarnessUsage | undefined;
  #failure: HarnessFailure | undefined;
  #ended = false;

  /** `before`: what its thread had used when this start of it began. A turn's end tells the sum of all of the thread's turns. */
  constructor(before: HarnessUsage | undefined) {
    this.#before = before;
  }

  add(event: unknown, now: number): string | undefined {
    const fields = fieldsOf(event);
    switch (fields.type) {
      case "thread.started":
        this.#session = textOf(fields.thread_id);
        return undefined;
      case "item.started":
      case "item.completed":
        return this.#item(fieldsOf(fields.item), fields.type === "item.completed");
      case "turn.completed":
        this.#ended = true;
        this.#failure = undefined;
        this.#usage = less(usageOf(fieldsOf(fields.usage)), this.#before);
        return undefined;
      case "turn.failed":
        this.#ended = true;
        this.#failure = failureOf(textOf(fieldsOf(fields.error).message) ?? "its turn failed", { now });
        return undefined;
      case "error":
        // It tries again by itself after most of them; a turn that is completed says that it got over it.
        this.#failure = failureOf(textOf(fields.message) ?? "it failed", { now });
    }
    return undefined;
  }

  get reading(): Reading {
    const unfinished: HarnessFailure = { kind: "failed", message: "it ended before its turn did" };
    return {
      session: this.#session,
      result: this.#result,
      usage: this.#usage,
      turns: undefined,
      failure: this.#failure ?? (this.#ended ? undefined : unfinished),
    };
  }

  #item(item: Fields, isDone: boolean): string | undefined {
    switch (item.type) {
      case "agent_message":
        if (isDone) this.#result = textOf(item.text);
        return textOf(item.text);
      case "command_execution":
        return isDone ? undefined : textOf(item.command);
      case "mcp_tool_call":
        return isDone ? undefined : `${textOf(item.server) ?? "mcp"}: ${textOf(item.tool) ?? "a tool"}`;
      case "web_search":
        return `search: ${textOf(item.query) ?? ""}`;
      case "file_change":
        return `edit: ${listOf(item.changes)
          .map((change) => textOf(fieldsOf(change).path))
          .filter(Boolean)
          .join(", ")}`;
      case "reasoning":
        return textOf(item.text);
      default:
        return undefined;
    }
  }
}

/** Its input tokens are all of them. */
const usageOf = (usage: Fields): HarnessUsage => ({
  input_tokens: countOf(usage.input_tokens),
  output_tokens: countOf(usage.output_tokens),
  cache_read_tokens: countOf(usage.cached_input_tokens),
  cache_write_tokens: countOf(usage.cache_write_input_tokens),
});

const less = (sum: HarnessUsage, before: HarnessUsage | undefined): HarnessUsage => ({
  input_tokens: Math.max(0, sum.input_tokens - (before?.input_tokens ?? 0)),
  output_tokens: Math.max(0, sum.output_tokens - (before?.output_tokens ?? 0)),
  cache_read_tokens: Math.max(0, sum.cache_read_tokens - (before?.cache_read_tokens ?? 0)),
  cache_write_tokens: Math.max(0, sum.cache_write_tokens - (before?.cache_write_tokens ?? 0)),
});
