/** `heddle/anthropic`: Heddle's tools in an agent loop on Anthropic's SDK. */

import type Anthropic from "@anthropic-ai/sdk";
import type { CallOptions, Heddle, Message, Run } from "../client/index.ts";
import {
  cutOffResult,
  declaredTools,
  type Handlers,
  handlerOf,
  type InOrder,
  Loop,
  type LoopOptions,
  type LoopResult,
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

export { AnthropicTask, type AnthropicTaskRequest, anthropicTask } from "./anthropic-task.ts";
export type { Handlers, LoopCall, LoopOptions, LoopRunSpec, ReplyOptions, ToolNames } from "./loop.ts";
export { Loop } from "./loop.ts";
export { TaskLoop, type TaskLoopOptions } from "./task-loop.ts";

/** What the requests of the loop have in common; forks get the same, so that they read the loop's prompt cache. */
export interface AnthropicLoopOptions extends LoopOptions {
  /** The model. */
  readonly model: string;
  /** The system text. */
  readonly system?: string | Anthropic.TextBlockParam[];
  /** Tools of your own; Heddle's are put behind them. */
  readonly tools?: readonly Anthropic.Tool[];
  /** Parameters that change what the model sees or does, as `thinking`. */
  readonly params?: Record<string, unknown>;
}

/** These end a reply in the middle. */
const cutting: readonly (string | null | undefined)[] = ["max_tokens", "model_context_window_exceeded", "refusal"];

/** A loop on Anthropic's messages, with a run beside it. */
export class AnthropicLoop extends Loop {
  /** For each request: your own tools and Heddle's. */
  readonly tools: Anthropic.Tool[];

  constructor(run: Run, names: ToolNames, tools: Anthropic.Tool[]) {
    super(run, names);
    this.tools = tools;
  }

  /** Carries out one call of a reply that is in `messages`, to its end. */
  async call(
    call: Anthropic.ToolUseBlock,
    messages: readonly Anthropic.MessageParam[],
    options: CallOptions = {},
  ): Promise<Anthropic.ToolResultBlockParam> {
    return this.#result(call, messages, {}, options);
  }

  /**
   * Carries out all calls of the last message, a reply: Heddle's, and by `handlers` your own. What to push onto
   * `messages` before the next request; nothing when the reply makes no calls. With `reply`, of one that was cut off (`stop_reason`
   * `max_tokens`, `model_context_window_exceeded`, `refusal`) none is carried out, and each answers `output_truncated`.
   * @throws Error where the reply's calls for Heddle have no ids of their own: give each a new one before the reply is pushed
   */
  async results(
    messages: readonly Anthropic.MessageParam[],
    handlers: Handlers = {},
    { reply, ...options }: ReplyOptions<Pick<Anthropic.Message, "stop_reason">> = {},
  ): Promise<Anthropic.MessageParam[]> {
    const calls = usesOf(messages.at(-1));
    if (calls.length === 0) return [];
    requireOwnIds(calls.map(loopCall).filter((call) => !handlerOf(handlers, call)));
    if (cutting.includes(reply?.stop_reason))
      return [{ role: "user", content: calls.map(({ id }) => resultBlock(id, cutOffResult)) }];
    const order = orderOf(calls.map(loopCall), handlers);
    const content = await Promise.all(
      calls.map((call) => this.#result(call, messages, handlers, { ...options, order })),
    );
    return [{ role: "user", content }];
  }

  async #result(
    use: Anthropic.ToolUseBlockParam,
    messages: readonly Anthropic.MessageParam[],
    handlers: Handlers,
    options: InOrder,
  ): Promise<Anthropic.ToolResultBlockParam> {
    const { id } = use;
    const conversation = upToCall(messages, id, (message) => usesOf(message).map((one) => one.id));
    return resultBlock(id, await this.carriedOut(loopCall(use), conversation.map(withoutMarks), handlers, options));
  }
}

/** A loop with a run of its own, or beside one that there is. @throws TypeError where that one's context is of another format */
export async function anthropicLoop(heddle: Heddle, given: AnthropicLoopOptions): Promise<AnthropicLoop> {
  const { run, options } = await named(heddle, given, "anthropic");
  const { model, system, params, tools: own = [] } = options;
  const heddles = await heddle.toolDefinitions("anthropic", toolsQuery(options));
  const remote = declaredTools(options).map(({ name, description, input_schema }) => ({
    name,
    description,
    input_schema: input_schema as Anthropic.Tool.InputSchema,
  }));
  const tools: Anthropic.Tool[] = [...own, ...remote, ...heddles];
  const context = {
    format: "anthropic",
    model,
    tools,
    ...(system !== undefined && { system: system as string }),
    ...(params && { params }),
  } as const;
  return new AnthropicLoop(run ?? (await runFor(heddle, context, options)), namesOf(heddles, options), tools);
}

const usesOf = (message: Anthropic.MessageParam | undefined): Anthropic.ToolUseBlockParam[] =>
  message?.role !== "assistant" || typeof message.content === "string"
    ? []
    : message.content.filter((block) => block.type === "tool_use");

const loopCall = ({ id, name, input }: Anthropic.ToolUseBlockParam) => ({ id, name, arguments: input });

const resultBlock = (id: string, { text, isError }: LoopResult): Anthropic.ToolResultBlockParam => ({
  type: "tool_result",
  tool_use_id: id,
  content: text,
  ...(isError && { is_error: true }),
});

/** Marks of the prompt cache move from request to request, and Heddle sets its own; a message without is always the same. */
function withoutMarks(message: Anthropic.MessageParam): Message {
  if (typeof message.content === "string") return message;
  return { ...message, content: message.content.map(withoutMark) };
}

function withoutMark(block: Anthropic.ContentBlockParam): unknown {
  const { cache_control: _, ...rest } = block as Anthropic.TextBlockParam;
  return rest;
}
