/** Heddle's tools in an agent loop on OpenAI's Responses API. A run keeps chat completions, and its forks are asked with them. */

import type OpenAI from "openai";
import type { CallOptions, Heddle, Message, Run } from "../client/index.ts";
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
} from "./loop.ts";
import { cacheKeyOf } from "./openai-cache-key.ts";
import { chatParams, chatTools, type ResponsesTool } from "./openai-responses-context.ts";
import {
  callIdOf,
  type FunctionCallItem,
  messagesOf,
  openCalls,
  type ResponsesItem,
  throughReply,
} from "./openai-responses-items.ts";

/** The result of a call, to push onto the items. */
export interface FunctionCallOutput {
  /** What kind of item it is. */
  type: "function_call_output";
  /** Whose result it is. */
  call_id: string;
  /** For the model. */
  output: string;
}

/** What the requests of the loop have in common; forks get what chat completions have of it. */
export interface OpenAIResponsesLoopOptions extends LoopOptions {
  /** The forks' model. They are asked by chat completions, so it has to be offered there; requests of yours may name another. */
  readonly model: string;
  /** The system text. */
  readonly instructions?: string;
  /** Tools of your own; Heddle's are put behind them. */
  readonly tools?: readonly ResponsesTool[];
  /** Parameters of `responses.create` that change what the model sees or does, as `reasoning`. */
  readonly params?: Record<string, unknown>;
}

/** A loop on the Responses API, with a run beside it. */
export class OpenAIResponsesLoop extends Loop {
  /** For each request: your own tools and Heddle's. */
  readonly tools: ResponsesTool[];
  /** For each request: `params`, `instructions`, and a `prompt_cache_key` for the loop and its forks. */
  readonly params: Record<string, unknown> & { prompt_cache_key: string; instructions?: string };

  constructor(run: Run, names: ToolNames, tools: ResponsesTool[], params: OpenAIResponsesLoop["params"]) {
    super(run, names);
    this.tools = tools;
    this.params = params;
  }

  /** Carries out one call of a reply that is in `items`, the whole conversation, to its end. */
  async call(
    call: FunctionCallItem,
    items: readonly ResponsesItem[],
    options: CallOptions = {},
  ): Promise<FunctionCallOutput> {
    return this.#result(call, this.#conversation(throughReply(items, call.call_id)), {}, options);
  }

  /**
   * Carries out all calls of functions that `items`, the whole conversation, end in: Heddle's, and by `handlers` your
   * own. What to push onto `items` before the next request; nothing when the reply makes no calls. Of a reply that was cut off (a call
   * of it is `incomplete`, or so is the `status` of `reply`) none is carried out, and each answers `output_truncated`.
   * @throws Error where the reply's calls for Heddle have no ids of their own: give each a new one before the reply is pushed
   */
  async results(
    items: readonly ResponsesItem[],
    handlers: Handlers = {},
    { reply, ...options }: ReplyOptions<Pick<OpenAI.Responses.Response, "status">> = {},
  ): Promise<FunctionCallOutput[]> {
    const calls = openCalls(items);
    requireOwnIds(calls.map(loopCall).filter((call) => !handlerOf(handlers, call)));
    if ([reply, ...calls].some((part) => part?.status === "incomplete"))
      return calls.map(({ call_id }) => ({ type: "function_call_output", call_id, output: cutOffResult.text }));
    // Calls of one reply share one conversation, and it may be long.
    const conversations = new Map<number, Message[]>();
    const order = orderOf(calls.map(loopCall), handlers);
    return Promise.all(
      calls.map((call) => {
        const asked = throughReply(items, call.call_id);
        const conversation = conversations.get(asked.length) ?? this.#conversation(asked);
        conversations.set(asked.length, conversation);
        return this.#result(call, conversation, handlers, { ...options, order });
      }),
    );
  }

  #conversation(items: readonly ResponsesItem[]): Message[] {
    const { instructions } = this.params;
    const messages = messagesOf(items);
    return instructions === undefined ? messages : [{ role: "system", content: instructions }, ...messages];
  }

  async #result(
    call: FunctionCallItem,
    conversation: readonly Message[],
    handlers: Handlers,
    options: InOrder,
  ): Promise<FunctionCallOutput> {
    const { text: output } = await this.carriedOut(loopCall(call), conversation, handlers, options);
    return { type: "function_call_output", call_id: call.call_id, output };
  }
}

/** A loop with a run of its own, or beside one that there is. @throws TypeError where that one's context is of another format */
export async function openaiResponsesLoop(
  heddle: Heddle,
  { model, instructions, ...given }: OpenAIResponsesLoopOptions,
): Promise<OpenAIResponsesLoop> {
  const { run, head, options } = await named(heddle, given, "openai");
  const heddles = await heddle.toolDefinitions("json-schema", toolsQuery(options));
  const functions = [
    ...declaredTools(options).map(({ name, description, input_schema: schema }) =>
      functionTool(name, description, schema),
    ),
    ...heddles.map(({ name, description, schema }) => functionTool(name, description, schema)),
  ];
  const tools = [...(options.tools ?? []), ...functions];
  const params = {
    prompt_cache_key: await cacheKeyOf(heddle, run, head),
    ...options.params,
    ...(instructions !== undefined && { instructions }),
  };
  const context = { format: "openai", model, tools: chatTools(tools), params: chatParams(params) } as const;
  return new OpenAIResponsesLoop(
    run ?? (await runFor(heddle, context, options)),
    namesOf(heddles, options),
    tools,
    params,
  );
}

const loopCall = ({ call_id, name, arguments: text }: FunctionCallItem) => ({
  id: callIdOf(call_id),
  name,
  arguments: text,
});

/** Left unset, `strict` is on in this API, which few schemas are fit for. */
const functionTool = (name: string, description: string, parameters: Record<string, unknown>): ResponsesTool => ({
  type: "function",
  name,
  description,
  parameters,
  strict: false,
});
