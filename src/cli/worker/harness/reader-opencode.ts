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
  /** Why its last step ended. */
  #reason: string | undefined;
  /** Of the last call that failed. */
  #callError: string | undefined;

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
      case "tool_use": {
        const state = fieldsOf(part.state);
        this.#callError = textOf(state.error) ?? this.#callError;
        return callText(textOf(part.tool) ?? "a tool", fieldsOf(state.input));
      }
      case "step_finish":
        this.#turns++;
        this.#reason = textOf(part.reason);
        this.#usage = addUsage(this.#usage, usageOf(part));
        return undefined;
      case "error":
        this.#failure = errorOf(fieldsOf(fields.error), now);
    }
    return undefined;
  }

  get reading(): Reading {
    const result = this.#texts.length === 0 ? undefined : this.#texts.join("\n");
    const failure = this.#failure ?? this.#unfinished();
    return { session: this.#session, result, usage: this.#usage, turns: this.#turns, failure };
  }

  /** It ends with status 0 and without an error where its model was cut off, and where it gave up after a call that it might not make. */
  #unfinished(): HarnessFailure | undefined {
    if (this.#reason === "length")
      return { kind: "failed", message: "its model's last reply was cut off at the output limit" };
    if (this.#reason !== "tool-calls") return undefined;
    return { kind: "failed", message: `it stopped after a tool call: ${this.#callError ?? "it does not say why"}` };
  }
}

function errorOf({ name, data }: Fields, now: number): HarnessFailure {
  const about = fieldsOf(data);
  const message = textOf(about.message) ?? textOf(name) ?? "it failed";
  if (name === "ProviderAuthError") return { kind: "not_logged_in", message };
  const status = countOf(about.statusCode);
  const told = failureOf(message, { now, ...(status > 0 && { status }) });
  // It has tried again by itself, and gave up.
  const failure =
    told.kind === "failed" && about.isRetryable === true ? { ...told, kind: "overloaded" as const } : told;
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
