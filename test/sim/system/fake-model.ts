/** A provider: takes its time, fails in every way that one can, and replies as models do, with text or calls of tools. */

import type { CallModel, ModelOutcome, ModelReply } from "../../../src/agent/models/port.ts";
import type { Random } from "../random.ts";
import { sleep } from "./calls.ts";
import type { Ledger } from "./ledger.ts";
import type { Faults } from "./platform/faults.ts";
import { Toolbox, type Use } from "./toolbox.ts";

const usage = { input_tokens: 900, output_tokens: 100, cache_read_tokens: 0, cache_write_tokens: 0 };
const repliesMost = 12;

interface Block {
  readonly type: string;
  readonly tool_use_id?: string;
  readonly content?: unknown;
  readonly is_error?: boolean;
}

/** Contexts that don't fit come more often than others: few tasks have enough turns by then for one to go. */
const faultKinds = [
  ...["rate", "unavailable", "network", "rejected", "refusal", "cut", "odd"],
  ...["long", "long", "long", "window", "window"],
];

export class FakeModel {
  readonly #random: Random;
  readonly #ledger: Ledger;
  readonly #faults: Faults;
  readonly #toolboxes = new Map<string, Toolbox>();
  /** Calls whose answers no request has shown yet. */
  readonly #open = new Map<string, { readonly use: Use; readonly taskId: string }>();
  /** Calls at once, which it tells nobody. */
  readonly #most: number;
  #serving = 0;
  refused = 0;
  #count = 0;

  constructor(random: Random, ledger: Ledger, faults: Faults, most = Number.POSITIVE_INFINITY) {
    this.#random = random;
    this.#ledger = ledger;
    this.#faults = faults;
    this.#most = most;
  }

  callOf =
    (run: string): CallModel =>
    async (request) => {
      if (this.#serving >= this.#most) {
        await sleep(20);
        this.refused++;
        return failedBy("provider_rate_limited", true);
      }
      this.#serving++;
      try {
        return await this.#serve(run, request);
      } finally {
        this.#serving--;
      }
    };

  async #serve(
    run: string,
    { messages, signal, taskId, maxOutputTokens, onBegin }: Parameters<CallModel>[0],
  ): Promise<ModelOutcome> {
    const random = this.#random;
    this.#readAnswers(messages, taskId);
    const late = this.#faults.strikes("provider") && random.chance(0.3);
    await unlessAborted(signal, sleep(late ? random.int(20_000, 90_000) : random.int(20, 3000)));
    const fault = this.#faults.strikes("provider") ? this.#fault() : undefined;
    if (fault) return fault;
    onBegin?.();
    await unlessAborted(signal, sleep(random.int(1, 1000)));
    if (maxOutputTokens < usage.output_tokens) {
      const cut = { ...usage, output_tokens: maxOutputTokens };
      return { ok: true, reply: { ...this.#text("it"), usage: cut, stop: "output_limit" } };
    }
    const replies = messages.filter((message) => message.includes('"assistant"')).length;
    const ends = replies >= repliesMost || random.chance(this.#faults.areOn ? 0.4 : 0.75);
    return { ok: true, reply: ends ? this.#word() : this.#calls(taskId, run) };
  }

  #fault(): ModelOutcome | undefined {
    const random = this.#random;
    const kind = random.pick(faultKinds);
    switch (kind) {
      case "rate":
        return failedBy("provider_rate_limited", true, random.int(0, 20_000));
      case "unavailable":
        return failedBy("provider_unavailable", true);
      case "network":
        return failedBy("network", true);
      case "rejected":
        return failedBy("provider_rejected", false);
      case "long":
        return failedBy("context_too_long", false);
      case "refusal":
        return { ok: true, reply: { ...this.#text("no"), stop: "refusal" } };
      case "window":
        return { ok: true, reply: { ...this.#text("it is a"), stop: "window" } };
      case "cut":
        return { ok: true, reply: { ...this.#text("it is a"), stop: "output_limit" } };
      default:
        return {
          ok: true,
          reply: this.#reply("", [
            { id: this.#id(), name: "no_such_tool", arguments: "{}" },
            { id: this.#id(), name: "lock", arguments: '{"op": 1}' },
          ]),
        };
    }
  }

  #id(): string {
    return `toolu_${++this.#count}`;
  }

  /** What a schema of ours takes, mostly. */
  #word(): ModelReply {
    const token = this.#ledger.token();
    return this.#text(this.#random.chance(0.8) ? JSON.stringify({ it: token }) : `it is ${token}`);
  }

  #calls(taskId: string, run: string): ModelReply {
    let toolbox = this.#toolboxes.get(taskId);
    if (!toolbox) {
      toolbox = new Toolbox(this.#random, this.#ledger, run);
      this.#toolboxes.set(taskId, toolbox);
    }
    const calls = Array.from({ length: this.#random.int(1, 3) }, () => {
      const use = toolbox.pick({ holds: true, creates: true });
      const id = this.#id();
      this.#open.set(id, { use, taskId });
      return { id, name: use.tool, arguments: JSON.stringify(use.args) };
    });
    return this.#reply("", calls);
  }

  #text(text: string): ModelReply {
    return this.#reply(text, []);
  }

  #reply(text: string, calls: ModelReply["calls"]): ModelReply {
    const content = [
      ...(text === "" ? [] : [{ type: "text", text }]),
      ...calls.map(({ id, name, arguments: args }) => ({
        type: "tool_use",
        id,
        name,
        input: JSON.parse(args) as object,
      })),
    ];
    const message = JSON.stringify({ role: "assistant", content });
    return { message, text, calls, usage, stop: calls.length > 0 ? "calls" : "end" };
  }

  /** What the conversation shows has happened. */
  #readAnswers(messages: readonly string[], taskId: string): void {
    for (const message of messages) {
      if (!message.includes("tool_result")) continue;
      const { content } = JSON.parse(message) as { content: string | Block[] };
      if (typeof content === "string") continue;
      for (const { type, tool_use_id: id = "", content: said, is_error: isError } of content) {
        const open = type === "tool_result" ? this.#open.get(id) : undefined;
        // A fork sees its parent's calls too, answered in its own way.
        if (open?.taskId !== taskId) continue;
        this.#open.delete(id);
        const text = typeof said === "string" ? said : ((said as { text: string }[])[0]?.text ?? "null");
        if (!isError) open.use.answered({ result: parsed(text) }, id);
      }
    }
  }
}

const failedBy = (code: string, transient: boolean, retryAfterMs?: number): ModelOutcome => ({
  ok: false,
  fault: { code, message: code, transient, ...(retryAfterMs !== undefined && { retryAfterMs }) } as never,
});

/** As a connection that is closed. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const aborted = () => reject(new Error("aborted"));
    if (signal.aborted) aborted();
    signal.addEventListener("abort", aborted, { once: true });
    work.then(resolve, reject);
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
