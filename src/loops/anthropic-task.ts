/** A leased task as a loop on Anthropic's SDK. */

import type Anthropic from "@anthropic-ai/sdk";
import type { Heddle, LeasedTask } from "../client/index.ts";
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

/** What each request of the task's loop has in common: spread it, and add `max_tokens`. */
export interface AnthropicTaskRequest {
  readonly model: string;
  readonly messages: Anthropic.MessageParam[];
  readonly tools: Anthropic.Tool[];
  readonly system?: string | Anthropic.TextBlockParam[];
}

const unfinished: Readonly<Record<string, Unfinished>> = {
  max_tokens: "output_truncated",
  model_context_window_exceeded: "context_too_long",
  refusal: "refusal",
};

/** The rest of a reply that ends so comes when it is sent back; the second is of the vendor's beta API, after its compaction. */
const pauses: readonly (string | null | undefined)[] = ["pause_turn", "compaction"];

/** Stands in for the text of a reply that has none, or ends in reasoning: the vendor takes neither back. As on a worker of Heddle's. */
const noText = "(no text)";

/** The text block that a reply ends in where it may not end as it does. */
function endOf(content: readonly Anthropic.ContentBlockParam[]): Anthropic.TextBlockParam[] {
  const type = content.at(-1)?.type ?? "thinking";
  return type === "thinking" || type === "redacted_thinking" ? [{ type: "text", text: noText }] : [];
}

/** As Heddle leaves it out of a fork on another model. */
function withoutReasoning(reply: Anthropic.MessageParam): Anthropic.MessageParam {
  if (typeof reply.content === "string") return reply;
  const content = reply.content.filter(({ type }) => type !== "thinking" && type !== "redacted_thinking");
  return { role: "assistant", content: content.length > 0 ? content : "(reasoning only)" };
}

interface LoopUsage {
  readonly input_tokens: number;
  readonly output_tokens: number;
  readonly cache_read_tokens: number;
  readonly cache_write_tokens: number;
}

/**
 * The tokens of a request; the vendor's `input_tokens` leave out those of the cache. Not all that speaks its format counts: what is `sent`
 * and `said` is estimated then.
 */
function usageOf(told: Partial<Anthropic.Usage> | undefined, sent: readonly unknown[], said: unknown): LoopUsage {
  const read = told?.cache_read_input_tokens ?? 0;
  const write = told?.cache_creation_input_tokens ?? 0;
  const rest = told?.input_tokens ?? Math.max(0, estimatedTokens(sent) - read - write);
  return {
    input_tokens: rest + read + write,
    output_tokens: told?.output_tokens ?? estimatedTokens([said]),
    cache_read_tokens: read,
    cache_write_tokens: write,
  };
}

/** With the tokens of another request. */
const sumOf = (before: LoopUsage | undefined, usage: LoopUsage): LoopUsage =>
  before
    ? {
        input_tokens: before.input_tokens + usage.input_tokens,
        output_tokens: before.output_tokens + usage.output_tokens,
        cache_read_tokens: before.cache_read_tokens + usage.cache_read_tokens,
        cache_write_tokens: before.cache_write_tokens + usage.cache_write_tokens,
      }
    : usage;

/** A leased task's conversation, in Anthropic's messages. */
export class AnthropicTask extends TaskLoop<Anthropic.MessageParam> {
  /** For each request; its `messages` grow with the conversation. */
  readonly request: AnthropicTaskRequest;
  /** The tokens of a reply that the vendor has paused; its content is the last of `messages`, and not logged yet. */
  #paused: LoopUsage | undefined;

  constructor(task: LeasedTask, request: AnthropicTaskRequest, options: TaskLoopOptions) {
    super(task, request.messages, options.handlers ?? {});
    this.request = request;
  }

  /** The task goes on where it stands: with what an earlier attempt left open. */
  static async of(heddle: Heddle, task: LeasedTask, options: TaskLoopOptions = {}): Promise<AnthropicTask> {
    const { format, model = "", system, messages, tools, params } = await task.context();
    requireFormat(format, "anthropic", task.lease.task.id);
    const heddles = await heddle.toolDefinitions("anthropic", { ...toolsQuery(options), signal: task.signal });
    const request = {
      ...params,
      model: options.model ?? model,
      messages: forModel(
        messages as unknown as Anthropic.MessageParam[],
        { model: options.model, context: model, turns: task.lease.task.turns },
        withoutReasoning,
      ),
      tools: toolsOf<Anthropic.Tool>(tools, heddles as Anthropic.Tool[], ({ name }) => name),
      ...(system !== undefined && { system: system as string }),
    };
    const loop = new AnthropicTask(task, request, options);
    await loop.resume();
    return loop;
  }

  /**
   * Takes the model's reply: logs it, carries out its calls, and has what they answered in the next request. One that the vendor has
   * paused (`pause_turn`) is sent back as it is by the next request, and logged with what is then said, as one reply.
   * @throws WorkFailed for a reply that was cut off or refused: the task fails with that
   */
  async add({
    content,
    usage,
    stop_reason,
  }: Pick<Anthropic.Message, "content" | "usage"> & Partial<Pick<Anthropic.Message, "stop_reason">>): Promise<void> {
    const { system, tools } = this.request;
    const used = sumOf(this.#paused, usageOf(usage, [system, tools, ...this.messages], content));
    const before = this.#paused ? (this.messages.pop()!.content as Anthropic.ContentBlockParam[]) : [];
    const settled = withIdsOfTheirOwn("toolu");
    const said = content
      .filter((block) => block.type !== "text" || block.text.trim() !== "")
      .map((block) => (block.type === "tool_use" ? settled(block) : block));
    const reply = { role: "assistant" as const, content: [...before, ...said] };
    const isPaused = pauses.includes(stop_reason) && this.callsIn(reply).length === 0;
    this.#paused = isPaused ? used : undefined;
    if (isPaused) {
      this.messages.push(reply);
      return;
    }
    reply.content.push(...endOf(reply.content));
    await this.took(reply, used, unfinished[stop_reason ?? "end_turn"]);
  }

  protected isReply({ role }: Anthropic.MessageParam): boolean {
    return role === "assistant";
  }

  protected textIn({ content }: Anthropic.MessageParam): string {
    if (typeof content === "string") return content;
    return content.map((block) => (block.type === "text" && block.text !== noText ? block.text : "")).join("");
  }

  protected callsIn({ content }: Anthropic.MessageParam): LoopCall[] {
    if (typeof content === "string") return [];
    return content.flatMap((block) =>
      block.type === "tool_use" ? [{ id: block.id, name: block.name, arguments: block.input }] : [],
    );
  }

  protected resultMessages(results: readonly { call: LoopCall; result: LoopResult }[]): Anthropic.MessageParam[] {
    const content = results.map(({ call, result: { text, isError } }) => ({
      type: "tool_result" as const,
      tool_use_id: call.id,
      content: text,
      ...(isError && { is_error: true }),
    }));
    return [{ role: "user", content }];
  }
}

/** A leased task as a loop of yours: ask the model with `request` and give its reply to `add`, until `isOver`; the result is `text`. */
export const anthropicTask = (heddle: Heddle, task: LeasedTask, options?: TaskLoopOptions): Promise<AnthropicTask> =>
  AnthropicTask.of(heddle, task, options);
