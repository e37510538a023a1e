/**
 * `heddle/ai-sdk`: Heddle as tools of the AI SDK, for generateText, streamText and agents.
 *
 * The SDK runs a reply's calls without telling a tool what else the reply says. So the model is wrapped: what it was asked and
 * what it replied is noted by the ids of the calls, and a tool waits for the end of the reply that it is called in. A tool of
 * a model that was not wrapped forks the conversation before the reply.
 *
 * It begins a reply's calls in the reply's order, so that in which they come here is theirs.
 */

import { dynamicTool, jsonSchema, type LanguageModelMiddleware, type Tool, type ToolSet, wrapLanguageModel } from "ai";
import type { CallOptions, Heddle, JsonSchemaTool, Run, ToolOutcome } from "../client/index.ts";
import { unlessAborted } from "../client/signals.ts";
import { conversationOf, type Exchange, type Prompt, type Reply } from "./ai-sdk-messages.ts";
import {
  cutOff,
  declaredTools,
  Loop,
  type LoopOptions,
  type LoopRunSpec,
  named,
  namesOf,
  requireOwnIds,
  runFor,
  toolsQuery,
} from "./loop.ts";
import { ReplyOrder } from "./reply-order.ts";

export type { LoopOptions, LoopRunSpec, ToolNames } from "./loop.ts";
export { Loop } from "./loop.ts";

/** What forks run on. */
export interface AiSdkLoopOptions extends LoopOptions {
  /** The format of the forks' conversation, and so which provider serves them: Heddle's, not the SDK's. Default: anthropic. */
  readonly format?: "anthropic" | "openai";
  /** The forks' model; default: the deployment's for the format. */
  readonly model?: string;
  /** The system text that forks have; of OpenAI's format it is in the messages already. */
  readonly system?: string;
}

/** Of a loop on a new run. */
export type NewAiSdkOptions = Omit<AiSdkLoopOptions, "run"> & { readonly run?: LoopRunSpec };

/** A model as the SDK takes it to be wrapped. */
export type AiSdkModel = Parameters<typeof wrapLanguageModel>[0]["model"];

type StreamPart =
  Awaited<ReturnType<NonNullable<LanguageModelMiddleware["wrapStream"]>>>["stream"] extends ReadableStream<infer Part>
    ? Part
    : never;

/** These end a reply in the middle. */
const cutting: readonly string[] = ["length", "content-filter", "interrupted"];

/** Replies that are kept until their calls have come. */
const repliesKept = 256;

/** A conversation of the AI SDK, with a run beside it. */
export class AiSdkLoop extends Loop {
  /** Heddle's tools: `tools: { ...mine, ...loop.tools }`. */
  readonly tools: ToolSet;
  /** Notes replies: for whoever wraps a model with more than this. */
  readonly middleware: LanguageModelMiddleware;
  readonly #format: "anthropic" | "openai";
  /** By the ids of its calls. */
  readonly #replies = new Map<string, Promise<Exchange>>();
  /** Of replies with calls under way; of a model that was not wrapped by the messages that it was asked with. */
  readonly #orders = new WeakMap<object, { readonly order: ReplyOrder; open: number }>();

  constructor(run: Run, definitions: readonly JsonSchemaTool[], options: NewAiSdkOptions = {}) {
    super(run, namesOf(definitions, options));
    this.#format = options.format ?? "anthropic";
    const remote = declaredTools(options).map(({ name, description, input_schema: schema }) => ({
      name,
      description,
      schema: schema as JsonSchemaTool["schema"],
    }));
    this.tools = Object.fromEntries([...remote, ...definitions].map((tool) => [tool.name, this.#tool(tool)]));
    this.middleware = {
      specificationVersion: "v4",
      wrapGenerate: async ({ doGenerate, params }) => {
        const result = await doGenerate();
        const isCut = cutting.includes(result.finishReason.unified);
        this.#note(callsIn(result.content), Promise.resolve({ prompt: params.prompt, reply: result.content, isCut }));
        return result;
      },
      wrapStream: async ({ doStream, params }) => {
        const { stream, ...rest } = await doStream();
        return { ...rest, stream: stream.pipeThrough(this.#noting(params.prompt)) };
      },
    };
  }

  /** The model, so that forks begin at the very call that makes them. */
  model(model: AiSdkModel): ReturnType<typeof wrapLanguageModel> {
    return wrapLanguageModel({ model, middleware: this.middleware });
  }

  #tool({ name, description, schema }: JsonSchemaTool): Tool {
    return dynamicTool({
      description,
      inputSchema: jsonSchema(schema as Parameters<typeof jsonSchema>[0]),
      execute: (input, { toolCallId, messages, abortSignal }) =>
        this.#answer(name, input, toolCallId, messages as Prompt, { signal: abortSignal }),
    });
  }

  /** A result, or `{error}` that the model reads. */
  async #answer(name: string, input: unknown, id: string, before: Prompt, options: CallOptions): Promise<unknown> {
    // The end of a reply that breaks off never comes.
    const noted = await unlessAborted(Promise.resolve(this.#replies.get(id)), options.signal);
    const handled = noted?.reply.flatMap((part) =>
      part.type === "tool-call" && this.handles(part.toolName) ? [{ id: part.toolCallId, name: part.toolName }] : [],
    );
    requireOwnIds(handled ?? []);
    if (noted?.isCut) return cutOff;
    const conversation = conversationOf(noted ?? { prompt: before, reply: [] }, this.#format);
    const call = { id, name, arguments: input };
    const toEnd = (begun: (() => void) | undefined) => this.outcome(call, conversation, { ...options, begun });
    const outcome: Exclude<ToolOutcome, { pending: true }> = await this.#inOrder(
      noted ?? before,
      (order) => order.carryOut(name, toEnd, options.signal),
      handled?.length,
    );
    return "error" in outcome ? { error: outcome.error } : outcome.result;
  }

  /** `reply`: whatever is one and the same for its calls. Where nobody knows how many those are, each may have another behind it. */
  async #inOrder<Result>(
    reply: object,
    call: (order: ReplyOrder) => Promise<Result>,
    calls = Number.POSITIVE_INFINITY,
  ): Promise<Result> {
    const under = this.#orders.get(reply) ?? { order: new ReplyOrder(calls), open: 0 };
    this.#orders.set(reply, under);
    under.open += 1;
    try {
      return await call(under.order);
    } finally {
      // What comes later is another reply's, or was held back until this one was told.
      under.open -= 1;
      if (under.open === 0) this.#orders.delete(reply);
    }
  }

  #note(ids: readonly string[], exchange: Promise<Exchange>): void {
    // A reply that broke off has no calls to be carried out; whoever asks for one is told why.
    exchange.catch(() => undefined);
    for (const id of ids) this.#replies.set(id, exchange);
    for (const id of this.#replies.keys()) {
      if (this.#replies.size <= repliesKept) return;
      this.#replies.delete(id);
    }
  }

  /** Passes a stream on. Its calls are known as they come, the whole reply at its end. */
  #noting(prompt: Prompt): TransformStream<StreamPart, StreamPart> {
    const reply: Reply[number][] = [];
    const texts = new Map<string, { type: "text"; text: string }>();
    let done: (exchange: Exchange) => void = () => undefined;
    const exchange = new Promise<Exchange>((resolve) => (done = resolve));
    return new TransformStream({
      transform: (part, controller) => {
        if (part.type === "text-start") {
          const text = { type: "text" as const, text: "" };
          texts.set(part.id, text);
          reply.push(text);
        } else if (part.type === "text-delta") texts.get(part.id)!.text += part.delta;
        else if (part.type === "tool-call") {
          reply.push(part);
          this.#note([part.toolCallId], exchange);
        } else if (part.type === "finish") done({ prompt, reply, isCut: cutting.includes(part.finishReason.unified) });
        controller.enqueue(part);
      },
      // Without an end of its own.
      flush: () => done({ prompt, reply, isCut: true }),
    });
  }
}

/** A loop with a run of its own, or beside one that there is. @throws TypeError where that one's context is of another format */
export async function aiSdkLoop(heddle: Heddle, given: AiSdkLoopOptions = {}): Promise<AiSdkLoop> {
  const { run, options } = await named(heddle, given, given.format ?? "anthropic");
  const definitions = await heddle.toolDefinitions("json-schema", toolsQuery(options));
  return new AiSdkLoop(run ?? (await runFor(heddle, contextOf(options), options)), definitions, options);
}

/** Without tools: forks have Heddle's own and the run's; what the loop's own process carries out is not theirs. */
export const contextOf = ({ format = "anthropic", model, system }: NewAiSdkOptions) => ({
  format,
  ...(model !== undefined && { model }),
  ...(system !== undefined && format === "anthropic" && { system }),
});

const callsIn = (content: Reply): string[] =>
  content.filter((part) => part.type === "tool-call").map(({ toolCallId }) => toolCallId);
