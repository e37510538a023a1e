/**
 * A leased task as a conversation of a loop of one's own: what the loops of the formats have in common.
 *
 * K1  A reply is logged before its calls are carried out, with what came before it: a later attempt goes on from there.
 * K2  A later attempt whose conversation ends in a reply with calls carries these out first; by their ids they have the answers that
 *     they had, and no second effect. One that ends in a reply without calls is over.
 * K3  What nobody carries out, or can't, is an error for the model.
 * K4  A reply that is no whole one fails the task, as it does on a worker of Heddle's: it is no result, its calls are not carried out,
 *     and no later attempt goes on from it. Its tokens are told with the failure.
 * K5  Calls that Heddle carries out come in the reply's order where that can be told (reply-order.ts).
 * K6  `finish` comes last of a reply's calls: it ends the task, and with it the lease that the others need.
 * K7  Each call of a reply has an id of its own before the reply is logged, as on a worker of Heddle's.
 */

import { isProblem, type LeasedTask, type Message, WorkFailed } from "../client/index.ts";
import { randomKey } from "../client/random-key.ts";
import type { Handlers, LoopCall, LoopResult } from "./loop.ts";
import { handlerOf, orderOf, ownResult, toldResult } from "./loop.ts";
import type { ReplyOrder } from "./reply-order.ts";

/** How a task is carried out. */
export interface TaskLoopOptions {
  /**
   * In place of the model of the task's context. It is given the replies before the task's own without their reasoning, which another model has
   * signed. Heddle takes what it says for the context's model's: forks of this task are to name this model, or to begin with `fork: "none"`.
   */
  readonly model?: string;
  /** What carries out tools of your own, by name; the context that tasks fork from has their definitions. */
  readonly handlers?: Handlers;
  /** Only these of Heddle's tools, by name. */
  readonly only?: readonly string[];
}

/** Of a call behind the one that ended the task. Nobody reads it but who looks at `messages`. */
const overResult: LoopResult = { text: "the task had ended", isError: true };

/** Said to a model that ended its turn without a word, once, as to a hosted agent's: some have said all they had to before. */
const sayResultText =
  "Your reply was empty. Is your work done? Then answer with its result: only the text of your last reply is passed on, nothing of what you said before. Else go on with it.";

type TaskUsage = NonNullable<Parameters<LeasedTask["turn"]>[1]>;

/** Why a reply is no whole one. */
export type Unfinished = "output_truncated" | "context_too_long" | "refusal";

const said: Readonly<Record<Unfinished, string>> = {
  output_truncated: "The reply was cut off: raise the request's output limit.",
  context_too_long: "The model's context window ended its reply in the middle.",
  refusal: "The model refused.",
};

/** A task's conversation. */
export abstract class TaskLoop<Sent> {
  /** The task: its signal, tools and progress. */
  readonly task: LeasedTask;
  /** Up to now, with what came back of calls. */
  readonly messages: Sent[];
  readonly #handlers: Handlers;
  /** Those at the end that no turn has logged. */
  #unlogged: Sent[] = [];
  #turns: number;
  #isOver = false;

  constructor(task: LeasedTask, messages: Sent[], handlers: Handlers) {
    this.task = task;
    this.messages = messages;
    this.#handlers = handlers;
    this.#turns = task.lease.task.turns;
  }

  /** The last reply made no calls: it is the result, once the model was asked for one where it is empty. Or it called `finish`, and the task has ended with what that says. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** The text of the last reply: the task's result, once it is over and was not ended by `finish`. */
  get text(): string {
    const reply = this.messages.findLast((message) => this.isReply(message));
    return reply === undefined ? "" : this.textIn(reply);
  }

  /** What an attempt before left open. */
  protected async resume(): Promise<void> {
    const given = this.task.lease.messages?.length ?? 0;
    const last = this.messages.at(-1 - given);
    if (last === undefined || !this.isReply(last)) return;
    // Messages to the task stand behind the results.
    await this.#carryOut(last, this.messages.splice(this.messages.length - given));
  }

  /** Logs the reply, carries out its calls, and has the results in `messages`. @throws WorkFailed where it is `unfinished` */
  protected async took(reply: Sent, usage: TaskUsage, unfinished: Unfinished | undefined): Promise<void> {
    if (unfinished) {
      const why = unfinished === "refusal" ? this.textIn(reply) || said.refusal : said[unfinished];
      throw new WorkFailed(unfinished, why, { usage });
    }
    const news = await this.task.turn([...this.#unlogged, reply] as Message[], usage);
    this.#unlogged = [];
    this.messages.push(reply);
    this.task.progress({ turns: ++this.#turns });
    await this.#carryOut(reply, news as Sent[]);
  }

  async #carryOut(reply: Sent, news: readonly Sent[]): Promise<void> {
    const calls = this.callsIn(reply);
    const carriedOut = new Map<LoopCall, LoopResult>();
    const carryOut = async (call: LoopCall, order: ReplyOrder) => carriedOut.set(call, await this.#result(call, order));
    const work = calls.filter(({ name }) => name !== "finish");
    const order = orderOf(work, this.#handlers);
    await Promise.all(work.map((call) => carryOut(call, order)));
    for (const call of calls)
      if (call.name === "finish" && !this.task.finishedAs) await carryOut(call, orderOf([call], this.#handlers));
    const results = calls.map((call) => ({ call, result: carriedOut.get(call) ?? overResult }));
    this.#unlogged = results.length === 0 ? [] : this.resultMessages(results);
    if (calls.length === 0 && news.length === 0 && this.#isFirstEmpty(reply))
      this.#unlogged = [{ role: "user", content: sayResultText } as Sent];
    // Messages to the task are Heddle's to log.
    this.messages.push(...this.#unlogged, ...news);
    const isLast = calls.length === 0 && this.#unlogged.length === 0 && news.length === 0;
    this.#isOver = this.task.finishedAs !== undefined || isLast;
  }

  /** Whoever has nothing to say when asked has nothing to say. */
  #isFirstEmpty(reply: Sent): boolean {
    if (this.textIn(reply).trim() !== "") return false;
    const before = this.messages[this.messages.indexOf(reply) - 1];
    return before === undefined || this.isReply(before) || this.textIn(before) !== sayResultText;
  }

  async #result(call: LoopCall, order: ReplyOrder): Promise<LoopResult> {
    const { signal } = this.task;
    const own = handlerOf(this.#handlers, call);
    if (own) return ownResult(own, call, { signal });
    return order.carryOut(call.name, (begun) => this.#heddles(call, begun), signal);
  }

  async #heddles(call: LoopCall, begun: (() => void) | undefined): Promise<LoopResult> {
    const { signal } = this.task;
    try {
      const args = typeof call.arguments === "string" ? JSON.parse(call.arguments || "{}") : call.arguments;
      return toldResult(await this.task.call(call.name, args, call.id, { begun }));
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof SyntaxError) return { text: `the arguments are no JSON: ${error.message}`, isError: true };
      if (!isProblem(error, "not_found")) throw error;
      return { text: `The tool "${call.name}" is not available to this task. Do without it.`, isError: true };
    }
  }

  protected abstract isReply(message: Sent): boolean;
  protected abstract textIn(reply: Sent): string;
  protected abstract callsIn(reply: Sent): LoopCall[];
  protected abstract resultMessages(results: readonly { call: LoopCall; result: LoopResult }[]): Sent[];
}

/**
 * For the calls of one reply, one after another: each as it is, but one that has no id, or that of one before it. Some servers give parallel
 * calls one id: the second would be taken for the first, and never be carried out. New ids begin with `prefix`.
 */
export function withIdsOfTheirOwn(prefix: string): <Call extends { readonly id: string }>(call: Call) => Call {
  const ids = new Set([""]);
  return (call) => {
    const isOwn = typeof call.id === "string" && !ids.has(call.id);
    const own = isOwn ? call : { ...call, id: `${prefix}_${randomKey()}` };
    ids.add(own.id);
    return own;
  };
}

/**
 * What a server does not count, or a stream that was not asked for its `usage`: characters ÷ 4, as of a hosted agent's. Counted as
 * none, they would be bounded by no budget.
 */
export const estimatedTokens = (sent: readonly unknown[]): number =>
  Math.ceil(sent.reduce((sum: number, part) => sum + (JSON.stringify(part)?.length ?? 0), 0) / 4);

/**
 * The messages as another model takes them: each reply before the task's own, its last `turns`, as `without` has it; nobody has said whose they
 * are where the context names no model.
 */
export function forModel<Sent extends { readonly role: string }>(
  messages: readonly Sent[],
  { model, context, turns }: { readonly model: string | undefined; readonly context: string; readonly turns: number },
  without: (reply: Sent) => Sent,
): Sent[] {
  if (model === undefined || context === "" || model === context) return [...messages];
  let before = messages.filter(({ role }) => role === "assistant").length - turns;
  return messages.map((message) => (message.role === "assistant" && before-- > 0 ? without(message) : message));
}

/** Tools of the context, which its forks share a cache with, and behind them those of Heddle's that are not among them. */
export function toolsOf<Tool>(
  context: readonly unknown[] | undefined,
  heddles: readonly Tool[],
  nameOf: (tool: Tool) => string,
): Tool[] {
  const own = (context ?? []) as Tool[];
  const names = new Set(own.map(nameOf));
  return [...own, ...heddles.filter((tool) => !names.has(nameOf(tool)))];
}

/** @throws TypeError where the task's context is another vendor's */
export function requireFormat(has: string, wanted: "anthropic" | "openai", id: string): void {
  if (has !== wanted)
    throw new TypeError(`the context of task ${id} is of format "${has}": carry it out with heddle/${has}`);
}
