/** A leased task as a loop on OpenAI's SDK (chat completions), or on any server of that format. */

import type OpenAI from "openai";
import type { Heddle, LeasedTask, Message } from "../client/index.ts";
import type { LoopCall, LoopResult } from "./loop.ts";
import { toolsQuery } from "./loop.ts";
import {
  estimatedTokens,
  forModel,
  requireFormat,
  TaskLoop,
  type TaskLoopOptions,
  toolsOf,
  type Unfinished,
  withIdsOfTheirOwn,
} from "./task-loop.ts";

type ChatMessage = OpenAI.ChatCompletionMessageParam;

/** What each request of the task's loop has in common: spread it. */
export interface OpenAITaskRequest {
  readonly model: string;
  readonly messages: ChatMessage[];
  readonly tools: OpenAI.ChatCompletionTool[];
}

/** A leased task's conversation, in chat completions. */
export class OpenAITask extends TaskLoop<ChatMessage> {
  /** For each request; its `messages` grow with the conversation. */
  readonly request: OpenAITaskRequest;

  constructor(task: LeasedTask, request: OpenAITaskRequest, options: TaskLoopOptions) {
    super(task, request.messages, options.handlers ?? {});
    this.request = request;
  }

  /** The task goes on where it stands: with what an earlier attempt left open. */
  static async of(heddle: Heddle, task: LeasedTask, options: TaskLoopOptions = {}): Promise<OpenAITask> {
    const { format, model = "", system, messages, tools, params } = await task.context();
    requireFormat(format, "openai", task.lease.task.id);
    const heddles = await heddle.toolDefinitions("openai", { ...toolsQuery(options), signal: task.signal });
    const nameOf = (tool: OpenAI.ChatCompletionTool) =>
      tool.type === "function" ? tool.function.name : tool.custom.name;
    const request = {
      ...params,
      model: options.model ?? model,
      messages: [
        ...(system === undefined ? [] : [{ role: "system" as const, content: system as string }]),
        ...forModel(
          messages.map(chatMessage),
          { model: options.model, context: model, turns: task.lease.task.turns },
          withoutReasoning,
        ),
      ],
      tools: toolsOf<OpenAI.ChatCompletionTool>(tools, heddles, nameOf),
    };
    const loop = new OpenAITask(task, request, options);
    await loop.resume();
    return loop;
  }

  /**
   * Takes the model's reply: logs it, carries out its calls, and has what they answered in the next request.
   * @throws WorkFailed for a reply that was cut off or refused: the task fails with that
   */
  async add({ choices, usage }: Pick<OpenAI.ChatCompletion, "choices" | "usage">): Promise<void> {
    const [choice] = choices;
    if (!choice) throw new Error("the reply has no choices");
    const { message } = choice;
    const details = usage?.prompt_tokens_details;
    await this.took(
      takenBack(message),
      {
        input_tokens: usage?.prompt_tokens ?? estimatedTokens([this.request.tools, ...this.messages]),
        output_tokens: usage?.completion_tokens ?? estimatedTokens([message]),
        cache_read_tokens: details?.cached_tokens ?? 0,
        cache_write_tokens: details?.cache_write_tokens ?? 0,
      },
      unfinishedOf(choice),
    );
  }

  protected isReply({ role }: ChatMessage): boolean {
    return role === "assistant";
  }

  protected textIn(message: ChatMessage): string {
    const { content } = message;
    if (typeof content === "string") return content;
    if (message.role === "assistant" && message.refusal) return message.refusal;
    return (content ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");
  }

  protected callsIn(message: ChatMessage): LoopCall[] {
    if (message.role !== "assistant") return [];
    const calls = (message.tool_calls ?? []).filter((call) => call.type === "function");
    return calls.map(({ id, function: { name, arguments: text } }) => ({ id, name, arguments: text }));
  }

  protected resultMessages(results: readonly { call: LoopCall; result: LoopResult }[]): ChatMessage[] {
    return results.map(({ call, result }) => ({ role: "tool", tool_call_id: call.id, content: result.text }));
  }
}

/** A reply as its server takes it back: some say by an empty list that there are no calls, and by null that there are no words. */
function takenBack(message: OpenAI.ChatCompletionMessage): ChatMessage {
  const { tool_calls: calls, ...said } = message;
  if (calls && calls.length > 0) return { ...said, tool_calls: calls.map(withIdsOfTheirOwn("call")) };
  return said.refusal ? said : { ...said, content: said.content ?? "" };
}

/** A hosted agent's reply may have a member that chat completions refuse: its reasoning, for the Responses API alone. */
function chatMessage(whole: Message): ChatMessage {
  const { response_items: _, ...message } = whole as Message & { response_items?: unknown };
  return message as unknown as ChatMessage;
}

/** Members in which servers of the format return it; as Heddle leaves them out of a fork on another model. */
function withoutReasoning(reply: ChatMessage): ChatMessage {
  const {
    reasoning: _,
    reasoning_content: _content,
    reasoning_details: _details,
    ...rest
  } = reply as ChatMessage & {
    reasoning?: unknown;
    reasoning_content?: unknown;
    reasoning_details?: unknown;
  };
  return rest;
}

function unfinishedOf({ finish_reason: reason, message }: OpenAI.ChatCompletion.Choice): Unfinished | undefined {
  if (message.refusal || reason === "content_filter") return "refusal";
  return reason === "length" ? "output_truncated" : undefined;
}

/** A leased task as a loop of yours: ask the model with `request` and give its reply to `add`, until `isOver`; the result is `text`. */
export const openaiTask = (heddle: Heddle, task: LeasedTask, options?: TaskLoopOptions): Promise<OpenAITask> =>
  OpenAITask.of(heddle, task, options);
