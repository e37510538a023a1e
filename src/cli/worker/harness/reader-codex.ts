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
  #session: string | undefined;
  #result: string | undefined;
  #usage: HarnessUsage | undefined;
  #failure: HarnessFailure | undefined;
  #ended = false;

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
        this.#usage = usageOf(fieldsOf(fields.usage));
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
  cache_write_tokens: 0,
});
