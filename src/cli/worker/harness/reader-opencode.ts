/** `opencode run --format json`: parts of its messages, one object a line; each step ends with what it used. */

import {
  addUsage,
  callText,
  countOf,
  type Fields,
  failureOf,
  fieldsOf,
  type HarnessFailure,
  type HarnessUsage,
  type Reader,
  type Reading,
  textOf,
} from "./reading.ts";

export class OpencodeReader implements Reader {
  #session: string | undefined;
  /** The texts of the last message that has any. */
  #texts: string[] = [];
  #message: string | undefined;
  #usage: HarnessUsage | undefined;
  #turns = 0;
  #failure: HarnessFailure | undefined;

  add(event: unknown, now: number): string | undefined {
    const fields = fieldsOf(event);
    this.#session = textOf(fields.sessionID) ?? this.#session;
    const part = fieldsOf(fields.part);
    switch (fields.type) {
      case "text": {
        const message = textOf(part.messageID);
        if (message !== this.#message) this.#texts = [];
        this.#message = message;
        this.#texts.push(textOf(part.text) ?? "");
        return textOf(part.text);
      }
      case "tool_use":
        return callText(textOf(part.tool) ?? "a tool", fieldsOf(fieldsOf(part.state).input));
      case "step_finish":
        this.#turns++;
        this.#usage = addUsage(this.#usage, usageOf(part));
        return undefined;
      case "error":
        this.#failure = errorOf(fieldsOf(fields.error), now);
    }
    return undefined;
  }

  get reading(): Reading {
    const result = this.#texts.length === 0 ? undefined : this.#texts.join("\n");
    return { session: this.#session, result, usage: this.#usage, turns: this.#turns, failure: this.#failure };
  }
}

function errorOf({ name, data }: Fields, now: number): HarnessFailure {
  const about = fieldsOf(data);
  const message = textOf(about.message) ?? textOf(name) ?? "it failed";
  if (name === "ProviderAuthError") return { kind: "not_logged_in", message };
  const status = countOf(about.statusCode);
  const failure = failureOf(message, { now, ...(status > 0 && { status }) });
  const seconds = Number(fieldsOf(about.responseHeaders)["retry-after"]);
  return seconds > 0 ? { ...failure, retryAfterMs: seconds * 1000 } : failure;
}

function usageOf({ tokens, cost }: Fields): HarnessUsage {
  const { input, output, reasoning, cache } = fieldsOf(tokens);
  const [read, write] = [countOf(fieldsOf(cache).read), countOf(fieldsOf(cache).write)];
  return {
    input_tokens: countOf(input) + read + write,
    output_tokens: countOf(output) + countOf(reasoning),
    cache_read_tokens: read,
    cache_write_tokens: write,
    ...(typeof cost === "number" && { cost_usd: cost }),
  };
}
