/**
 * `heddle/openai`: Heddle's tools in an agent loop on OpenAI's SDK, or on any server of its formats. Chat completions are
 * here; the Responses API is `openai-responses.ts`.
 */

import type OpenAI from "openai";
import type { CallOptions, Heddle, Run } from "../client/index.ts";
import {
  cutOffResult,
  declaredTools,
  type Handlers,
  handlerOf,
  type InOrder,
  Loop,
  type LoopOptions,
  named,
  namesOf,
  orderOf,
  type ReplyOptions,
  requireOwnIds,
  runFor,
  type ToolNames,
  toolsQuery,
  upToCall,
} from "./loop.ts";
import { cacheKeyOf } from "./openai-cache-key.ts";

export type { Handlers, LoopCall, LoopOptions, LoopRunSpec, ReplyOptions, ToolNames } from "./loop.ts";
export { Loop } from "./loop.ts";
export {
  type FunctionCallOutput,
  OpenAIResponsesLoop,
  type OpenAIResponsesLoopOptions,
  openaiResponsesLoop,
} from "./openai-responses.ts";
export { OpenAITask, type OpenAITaskRequest, openaiTask } from "./openai-task.ts";
export { TaskLoop, type TaskLoopOptions } from "./task-loop.ts";

type ChatMessage = OpenAI.ChatCompletionMessageParam;
type FunctionCall = OpenAI.ChatCompletionMessageFunctionToolCall;

/** How a reply ended: what an `OpenAI.ChatCompletion` says of it. */
interface Ended {
  readonly choices: readonly Pick<OpenAI.ChatCompletion.Choice, "finish_reason">[];
}

/** These end a reply in the middle. */
const cutting: readonly (string | undefined)[] = ["length", "content_filter"];

/** What the requests of the loop have in common; forks get the same, so that they read the loop's prompt cache. */
export interface OpenAILoopOptions extends LoopOptions {
  /** The model. */
  readonly model: string;
  /** Tools of your own; Heddle's are put behind them. */
  readonly tools?: readonly OpenAI.ChatCompletionTool[];
  /** Parameters that change what the model sees or does, as `reasoning_effort`. */
  readonly params?: Record<string, unknown>;
}

/** A loop on chat completions, with a run beside it. */
export class OpenAILoop extends Loop {
  /** For each request: your own tools and Heddle's. */
  readonly tools: OpenAI.ChatCompletionTool[];
  /** For each request: `params`, and one `prompt_cache_key` for the loop and its forks. */
  readonly params: Record<string, unknown> & { prompt_cache_key: string };

  constructor(run: Run, names: ToolNames, tools: OpenAI.ChatCompletionTool[], params: OpenAILoop["params"]) {
    super(run, names);
    this.tools = tools;
    this.params = params;
  }

  /** Carries out one call of a reply that is in `messages`, to its end. */
  async call(
    call: FunctionCall,
    messages: readonly ChatMessage[],
    options: CallOptions = {},
  ): Promise<OpenAI.ChatCompletionToolMessageParam> {
    return this.#result(call, messages, {}, options);
  }

  /**
   * Carries out all calls of the last message, a reply: Heddle's, and by `handlers` your own. What to push onto
   * `messages` before the next request; nothing when the reply makes no calls. With `reply`, of one that was cut off (`finish_reason`
   * `length`, `content_filter`) none is carried out, and each answers `output_truncated`.
   * @throws Error where the reply's calls for Heddle have no ids of their own: give each a new one before the reply is pushed
   */
  async results(
    messages: readonly ChatMessage[],
    handlers: Handlers = {},
    { reply, ...options }: ReplyOptions<Ended> = {},
  ): Promise<OpenAI.ChatCompletionToolMessageParam[]> {
    const calls = callsOf(messages.at(-1));
    requireOwnIds(calls.map(loopCall).filter((call) => !handlerOf(handlers, call)));
    if (cutting.includes(reply?.choices[0]?.finish_reason))
      return calls.map(({ id }) => ({ role: "tool", tool_call_id: id, content: cutOffResult.text }));
    const order = orderOf(calls.map(loopCall), handlers);
    return Promise.all(calls.map((call) => this.#result(call, messages, handlers, { ...options, order })));
  }

  async #result(
    call: FunctionCall,
    messages: readonly ChatMessage[],
    handlers: Handlers,
    options: InOrder,
  ): Promise<OpenAI.ChatCompletionToolMessageParam> {
    const { id } = call;
    const conversation = upToCall(messages, id, (message) => callsOf(message).map((one) => one.id));
    const { text: content } = await this.carriedOut(loopCall(call), conversation, handlers, options);
    return { role: "tool", tool_call_id: id, content };
  }
}

/**
 * A loop with a run of its own, or beside one that there is. The system text is the first of your messages, as ever.
 * @throws TypeError where that run's context is of another format
 */
export async function openaiLoop(heddle: Heddle, given: OpenAILoopOptions): Promise<OpenAILoop> {
  const { run, head, options } = await named(heddle, given, "openai");
  const heddles = await heddle.toolDefinitions("openai", toolsQuery(options));
  const remote = declaredTools(options).map(({ name, description, input_schema: parameters }) => ({
    type: "function" as const,
    function: { name, description, parameters },
  }));
  const tools: OpenAI.ChatCompletionTool[] = [...(options.tools ?? []), ...remote, ...heddles];
  const params = { prompt_cache_key: await cacheKeyOf(heddle, run, head), ...options.params };
  const context = { format: "openai", model: options.model, tools, params } as const;
  const names = namesOf(
    heddles.map((tool) => tool.function),
    options,
  );
  return new OpenAILoop(run ?? (await runFor(heddle, context, options)), names, tools, params);
}

const loopCall = ({ id, function: { name, arguments: text } }: FunctionCall) => ({ id, name, arguments: text });

/** Custom tools take free text, and none of Heddle's is one. */
const callsOf = (message: ChatMessage | undefined): FunctionCall[] =>
  message?.role === "assistant" ? (message.tool_calls ?? []).filter((call) => call.type === "function") : [];
