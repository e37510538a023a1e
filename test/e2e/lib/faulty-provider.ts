/**
 * A model provider that fails as it is told to, in both wire formats, on loopback. A task names its script by `[[name]]` in its
 * instructions; the script's acts are played one a request, the last one again and again.
 */

import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Format = "anthropic" | "openai";
export type Act = (response: ServerResponse) => void;

export class FaultyProvider {
  readonly #scripts = new Map<string, readonly Act[]>();
  readonly #asked = new Map<string, string[]>();
  readonly #server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const name = [...text.matchAll(/\[\[([\w-]+)\]\]/g)].at(-1)?.[1] ?? "";
    const acts = this.#scripts.get(name);
    const before = this.requests(name);
    this.#asked.set(name, [...before, text]);
    if (acts) acts[Math.min(before.length, acts.length - 1)]!(response);
    else response.writeHead(400).end(`no script ${name}`);
  });

  static async start(): Promise<FaultyProvider> {
    const provider = new FaultyProvider();
    await new Promise<void>((resolve) => provider.#server.listen(0, "127.0.0.1", resolve));
    return provider;
  }

  /** For a server's environment. */
  get environment(): Record<string, string> {
    const url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return {
      ANTHROPIC_API_KEY: "sk-faulty",
      ANTHROPIC_BASE_URL: url,
      OPENAI_API_KEY: "sk-faulty",
      OPENAI_BASE_URL: `${url}/v1`,
    };
  }

  /** Instructions of a task that meets these acts. */
  script(name: string, ...acts: Act[]): string {
    this.#scripts.set(name, acts);
    return `Do it. [[${name}]]`;
  }

  /** What was asked under this name. */
  requests(name: string): readonly string[] {
    return this.#asked.get(name) ?? [];
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Answers with a status; `type` and `message` in the vendor's body. */
export const status =
  (format: Format, code: number, type: string, message = "no", headers: Record<string, string> = {}): Act =>
  (response) => {
    const error = format === "anthropic" ? { type, message } : { type, code: type, message };
    const body = format === "anthropic" ? { type: "error", error } : { error };
    response.writeHead(code, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  };

/** Closes the connection without a word. */
export const reset: Act = (response) => response.socket?.resetAndDestroy();

/** Says nothing at all. */
export const silence: Act = () => {};

const open = (response: ServerResponse, text: string): boolean =>
  response.writeHead(200, { "content-type": "text/event-stream" }).write(text);

/** A whole stream. */
export const stream =
  (...events: string[]): Act =>
  (response) => {
    open(response, events.join(""));
    response.end();
  };

/** A stream that stops in the middle: its connection is cut, ends in good order, or stays silent. */
export const broken =
  (how: "cut" | "ended" | "stalled", ...events: string[]): Act =>
  (response) => {
    open(response, events.join(""));
    if (how === "ended") response.end();
    if (how === "cut") setTimeout(() => response.socket?.destroy(), 20);
  };

const event = (type: string, rest: object = {}): string =>
  `event: ${type}\ndata: ${JSON.stringify({ type, ...rest })}\n\n`;
const line = (data: unknown): string => `data: ${typeof data === "string" ? data : JSON.stringify(data)}\n\n`;
const chunk = (delta: object, finish_reason: string | null = null): string =>
  line({
    id: "c",
    object: "chat.completion.chunk",
    created: 1,
    model: "m",
    choices: [{ index: 0, delta, finish_reason }],
  });

const start = event("message_start", {
  message: {
    id: "m",
    type: "message",
    role: "assistant",
    model: "m",
    content: [],
    usage: { input_tokens: 5, output_tokens: 1 },
  },
});
const block = (content_block: object, delta: object): string =>
  event("content_block_start", { index: 0, content_block }) +
  event("content_block_delta", { index: 0, delta }) +
  event("content_block_stop", { index: 0 });
const end = (stop_reason: string): string =>
  event("message_delta", { delta: { stop_reason }, usage: { output_tokens: 2 } }) + event("message_stop");

let calls = 0;

/** The events of replies, whole, and of their first half. */
export const wire = {
  anthropic: {
    half: start + event("content_block_start", { index: 0, content_block: { type: "text", text: "" } }),
    text: (text: string, stop = "end_turn") =>
      start + block({ type: "text", text: "" }, { type: "text_delta", text }) + end(stop),
    call: (name: string, json: string) =>
      start +
      block(
        { type: "tool_use", id: `toolu_${++calls}`, name, input: {} },
        { type: "input_json_delta", partial_json: json },
      ) +
      end("tool_use"),
    /** Of blocks that come whole. */
    blocks: (stop: string, ...blocks: object[]) =>
      start +
      blocks
        .map(
          (content_block, index) =>
            event("content_block_start", { index, content_block }) + event("content_block_stop", { index }),
        )
        .join("") +
      end(stop),
    error: (type: string) => start + event("error", { error: { type, message: "no" } }),
  },
  openai: {
    half: chunk({ role: "assistant", content: "ha" }),
    text: (content: string, stop = "stop") => chunk({ role: "assistant", content }) + chunk({}, stop) + line("[DONE]"),
    refusal: (refusal: string) => chunk({ role: "assistant", refusal }) + chunk({}, "stop") + line("[DONE]"),
    call: (name: string, json: string) =>
      chunk({
        role: "assistant",
        tool_calls: [{ index: 0, id: `call_${++calls}`, type: "function", function: { name, arguments: json } }],
      }) +
      chunk({}, "tool_calls") +
      line("[DONE]"),
    error: (code: number) => line({ error: { code, message: "no" } }),
  },
} as const;

/** A reply that is well. */
export const well = (format: Format, text = "well"): Act => stream(wire[format].text(text));

/** A reply that calls a tool. */
export const calling = (format: Format, tool: string, args: unknown): Act =>
  stream(wire[format].call(tool, typeof args === "string" ? args : JSON.stringify(args)));
