/**
 * The worker agent: takes one attempt of a hosted task from turn to turn until it ends, waits or is given back.
 *
 * V1. A reply is logged before its calls have an effect: the scheduler does both in one step.
 * V2. What the loop knows beyond the log can be lost at any time: another seat goes on from the last logged turn.
 * V3. A lost lease stops the model call at once: nobody pays for a reply that nobody takes.
 * V4. A reply that the vendor paused is logged as it came, a turn for each part, and nothing comes between them: whether it is paused its
 *     text says (`isPaused`), to whoever goes on.
 */

import { isPaused, openCalls, roleOf, textSaid, toolCalls, toolResultMessages, userMessage } from "../context/calls.ts";
import { withoutReasoning } from "../context/fork.ts";
import { rawAt, rawElements } from "../context/json-text.ts";
import type { CacheMark, Format, MessageText, ToolResult } from "../context/types.ts";
import { ownToolsText } from "../contract/tools.ts";
import type { AttemptFault } from "../errors/faults.ts";
import {
  contextBytesMax,
  outputTokensDefault,
  outputTokensSimulated,
  replyCallsMax,
  simulatedAwayMs,
} from "../limits.ts";
import type { LeaseRef, RunSchedulerRpc } from "../objects/rpc.ts";
import type { ModelUsed } from "../objects/run/models.ts";
import type { Answer, Leave, NextTask, SeatReply, SeatRpc, SeatWork } from "../objects/seat-rpc.ts";
import { repairsIn } from "../output-schema.ts";
import type { RunCredential } from "../scheduler/events.ts";
import type { Unusable } from "./credentials.ts";
import { keepLease, leaseOf } from "./lease.ts";
import type { CallModel, ModelOutcome, ModelReply, Provider } from "./models/port.ts";
import { thinkingTokens } from "./models/thinking.ts";
import { PartialText } from "./partial-text.ts";
import { answerHere, meaningOf, repairOf, sayResultText } from "./reply.ts";
import type { SnapshotCache } from "./snapshot-cache.ts";

export interface TurnLoopPorts {
  /** A fresh stub for each call. */
  readonly scheduler: () => RunSchedulerRpc & SeatRpc;
  readonly run: string;
  readonly cache: SnapshotCache;
  readonly callModel: CallModel;
  /** Of the run's credential, or of the deployment where it has none. Undefined: nothing is configured for the format. */
  readonly providerFor: (
    format: Format,
    credential: RunCredential | undefined,
  ) => Promise<Provider | Unusable | undefined>;
  /** How to go on after this attempt; undefined when the seat closes. */
  readonly next: () => NextTask | undefined;
  /** When the seat is gone at the latest; absent: nobody ends it. */
  readonly lastsUntil?: number;
  /** The seat has served its time: give long tasks back at a turn's end. */
  readonly isOver: () => boolean;
}

/** What vendors call it, OpenAI's two APIs among them; the first that is named holds. */
const outputLimits = ["max_completion_tokens", "max_tokens", "max_output_tokens"];

/** Runs one attempt; answers what the scheduler said when it was over (the next task, if any). */
export async function runAttempt(work: SeatWork, ports: TurnLoopPorts): Promise<SeatReply> {
  const lease = leaseOf(work);
  const partial = new PartialText(work.watched, (piece) => ports.scheduler().partialText(lease, piece));
  const { lost, stop } = keepLease(ports.scheduler, lease, ({ watched }) => {
    partial.watched = watched;
  });
  try {
    return await new Attempt(work, ports, lost, partial, await materialise(work, ports)).run();
  } catch (error) {
    if (!lost.aborted) throw error;
    return ports.scheduler().leaveSeat(lease, { kind: "give_back" }, ports.next());
  } finally {
    stop();
    partial.end();
  }
}

/** The stored part of the transcript, from the cache and what came with the lease. */
export async function materialise(
  work: SeatWork,
  { cache, run, scheduler }: TurnLoopPorts,
): Promise<readonly MessageText[]> {
  const { from, steps, snapshot } = work;
  let messages = from === null ? [] : cache.get(run, from);
  if (!messages) {
    // It has left the cache since the seat said that it has it.
    const reply = await scheduler().snapshot(snapshot);
    if (!reply.ok) throw new Error(`snapshot ${snapshot}: ${reply.fault.code}`);
    return cache.add(run, snapshot, [], rawElements(rawAt(reply.value.contextText, ["messages"]) ?? "[]"));
  }
  for (const step of steps) messages = cache.add(run, step.hash, messages, step.messages);
  return messages;
}

class Attempt {
  readonly #work: SeatWork;
  readonly #lease: LeaseRef;
  readonly #ports: TurnLoopPorts;
  readonly #lost: AbortSignal;
  readonly #partial: PartialText;
  /** Logged messages, and those that the next turn will log. */
  #logged: readonly MessageText[];
  #pending: MessageText[];
  /** Messages to the task, for its next request; then how many of them that one shows. */
  #inbox: readonly MessageText[];
  #shown = 0;
  #answers: Record<string, Answer>;
  #turns: number;
  /** Model calls must reserve tokens first; a budget may come, or go, while the task has its seat. */
  #reserves: boolean;
  /** Siblings are held for the first token of this attempt. */
  #warms: boolean;
  /** Tokens of a prefix that the vendor has counted, and how many messages it has. */
  #known = { tokens: 0, messages: 0 };
  /** Of the model call under way: when it was asked, and when its reply began. */
  #askedAt = 0;
  #firstMs: number | undefined;

  constructor(
    work: SeatWork,
    ports: TurnLoopPorts,
    lost: AbortSignal,
    partial: PartialText,
    logged: readonly MessageText[],
  ) {
    this.#work = work;
    this.#lease = leaseOf(work);
    this.#ports = ports;
    this.#lost = lost;
    this.#partial = partial;
    this.#logged = logged;
    this.#pending = [...work.fork];
    this.#inbox = work.messages;
    this.#answers = { ...work.answers };
    this.#turns = work.turns;
    this.#reserves = work.reserves;
    this.#warms = work.warms;
  }

  async run(): Promise<SeatReply> {
    this.#repeatRepair();
    for (;;) {
      // For each turn: a credential that was taken back ends a long task too.
      const provider = await this.#ports.providerFor(this.#work.head.format, this.#work.credential);
      if (!provider) {
        const message = `No provider is configured for the format "${this.#work.head.format}".`;
        return this.#fail("no_provider", message);
      }
      if ("unusable" in provider) return this.#fail("provider_auth", provider.unusable);
      const left = await this.#answerCalls();
      if (left) return left;
      if (this.#turns >= this.#work.maxTurns) {
        const message = `It had not finished after ${this.#turns} turns.`;
        return this.#fail("max_turns", message);
      }
      this.#showMessages();
      const over = await this.#takeTurn(provider);
      if (over) return over;
    }
  }

  /**
   * A reply that did not match the schema, or was empty, is in the log, what the model was to be told about it comes with the next
   * turn: an attempt that ends between the two (paused, parked for tokens, killed) leaves it to be said by the one that goes on.
   */
  #repeatRepair(): void {
    const { head, outputSchema } = this.#work;
    const last = this.#logged.at(-1);
    if (last === undefined || this.#pending.length > 0) return;
    if (roleOf(last) !== "assistant" || toolCalls(head.format, last).length > 0 || isPaused(head.format, last)) return;
    const repair = repairOf(textSaid(head.format, this.#logged), outputSchema);
    if (repair !== undefined) this.#pending.push(userMessage(head.format, repair));
  }

  /** Answers the calls that the transcript ends in; a reply means that the attempt is over (a call waits, or all is lost). */
  async #answerCalls(): Promise<SeatReply | undefined> {
    const { head, outputSchema, remoteTools } = this.#work;
    const open = openCalls(head.format, [...this.#logged, ...this.#pending]);
    if (open.length === 0) return undefined;
    const repairs = repairsIn(this.#own());
    const here = new Map(open.map((call) => [call.id, answerHere(call, outputSchema, repairs, remoteTools)]));
    const missing = open.filter(({ id }) => !this.#answerTo(id) && !here.get(id));
    if (missing.length > 0) {
      const reply = await this.#ports.scheduler().seatCalls(this.#lease, missing);
      if (reply.kind === "over") return this.#leave({ kind: "give_back" });
      this.#answers = { ...this.#answers, ...reply.answers };
      this.#inbox = reply.messages;
      this.#reserves = reply.reserves ?? this.#reserves;
    }
    const results: ToolResult[] = [];
    for (const { id } of open) {
      const answer = here.get(id) ?? this.#answerTo(id);
      if (!answer || "waiting" in answer) return this.#leave({ kind: "wait" });
      results.push({ id, text: answer.text, isError: answer.isError });
    }
    this.#pending.push(...toolResultMessages(head.format, results));
    return undefined;
  }

  /** Ids are the provider's: one that is called "constructor" has no answer before it is given one. */
  #answerTo(id: string): Answer | undefined {
    return Object.hasOwn(this.#answers, id) ? this.#answers[id] : undefined;
  }

  /** After the results of all calls, and the last part of a reply that was paused: the vendors take nothing between. */
  #showMessages(): void {
    const last = this.#pending.at(-1) ?? this.#logged.at(-1);
    if (last !== undefined && isPaused(this.#work.head.format, last)) {
      this.#shown = 0;
      return;
    }
    this.#pending.push(...this.#inbox);
    this.#shown = this.#inbox.length;
    this.#inbox = [];
  }

  /** One model call and what follows from its reply; undefined: go on. */
  async #takeTurn(provider: Provider): Promise<SeatReply | undefined> {
    const wanted = this.#outputTokens(provider);
    let outputTokens = wanted;
    if (this.#reserves) {
      const reserved = await this.#ports.scheduler().reserve(this.#lease, {
        inputTokens: this.#inputEstimate(),
        outputTokens: wanted,
        model: this.#modelUsed(provider),
      });
      if (reserved.kind === "unpriced") {
        const message = `limits.usd is set, and nobody knows what "${this.#modelUsed(provider).model}" costs.`;
        return this.#fail("no_price", message);
      }
      if (reserved.kind === "exhausted") {
        const message = "max_tokens, its own or an ancestor's, leaves nothing to answer with.";
        return this.#fail("max_tokens", message);
      }
      // Parked for tokens, or lost: either way the lease is gone and this attempt with it.
      if (reserved.kind !== "reserved") return this.#leave({ kind: "give_back" });
      outputTokens = reserved.outputTokens;
    }
    this.#partial.begin(this.#turns + 1);
    this.#askedAt = Date.now();
    this.#firstMs = undefined;
    const outcome = await this.#call(provider, outputTokens);
    this.#partial.end();
    if (!outcome.ok) {
      const { code, message, retryAfterMs } = outcome.fault;
      if (provider.name === "simulated" && code === "network") {
        // The simulated model is a part of this very runtime: out of reach means that the runtime is ending, as after a
        // kill. That is no failure of the task, whose retries it must not use up.
        await new Promise((resolve) => setTimeout(resolve, simulatedAwayMs));
        return this.#leave({ kind: "give_back" });
      }
      if (code === "context_too_long") return this.#leave({ kind: "too_long", error: { code, message } });
      const call = { ms: Date.now() - this.#askedAt, ...(outcome.rates && { rates: outcome.rates }) };
      return this.#fail(code, message, { ...(retryAfterMs !== undefined && { retryAfterMs }), call });
    }
    const model = this.#modelUsed(provider);
    const message = this.#outgrown(outcome.reply);
    if (message !== undefined) {
      const error = { code: "context_too_long", message };
      return this.#leave({ kind: "too_long", error, usage: outcome.reply.usage, model });
    }
    return this.#log(outcome, model, outputTokens < wanted);
  }

  /** Why the conversation can't go on with this reply, whose tokens count all the same; undefined: it can. */
  #outgrown({ stop, calls, message }: ModelReply): string | undefined {
    if (stop === "window") return "The model's context window ended its reply in the middle.";
    // Each call is answered, if only with an error: so many answers fit no context, and hardly this seat's memory.
    if (calls.length > replyCallsMax)
      return `The reply has ${calls.length} tool calls, and ${replyCallsMax} are the most.`;
    const bytes = [...this.#pending, message].reduce((sum, one) => sum + Buffer.byteLength(one), 0);
    return bytes > contextBytesMax
      ? `The turn has ${bytes} bytes, and a context at most ${contextBytesMax}.`
      : undefined;
  }

  async #log(
    { reply, rates }: Extract<ModelOutcome, { ok: true }>,
    model: ModelUsed,
    outputWasCapped: boolean,
  ): Promise<SeatReply | undefined> {
    const { outputSchema, head, remoteTools } = this.#work;
    // What it is the last part of began in the messages before, if in any.
    const text = textSaid(head.format, this.#pending.length > 0 ? [] : this.#logged) + reply.text;
    const meaning = meaningOf(
      { ...reply, text },
      {
        schema: outputSchema,
        repairs: repairsIn(this.#own()),
        wasEmpty: this.#pending.includes(userMessage(head.format, sayResultText)),
        outputWasCapped,
        remote: remoteTools,
      },
    );
    const messages = [...this.#pending, reply.message];
    const turn = {
      messages,
      usage: reply.usage,
      model,
      took: { ms: Date.now() - this.#askedAt, ...(this.#firstMs !== undefined && { firstMs: this.#firstMs }) },
      ...(rates && { rates }),
      shown: this.#shown,
      calls: meaning.calls,
      ...(meaning.ending && { ending: meaning.ending }),
      ...(meaning.isFinal && { isFinal: true }),
    };
    const answer = await this.#ports.scheduler().seatTurn(this.#lease, turn, meaning.ending && this.#ports.next());
    if (answer.kind === "over") return meaning.ending ? answer : this.#leave({ kind: "give_back" });
    this.#logged = this.#ports.cache.add(this.#ports.run, answer.snapshot, this.#logged, messages);
    this.#known = { tokens: reply.usage.input_tokens + reply.usage.output_tokens, messages: this.#logged.length };
    this.#pending = meaning.repair === undefined ? [] : [userMessage(head.format, meaning.repair)];
    this.#answers = { ...answer.answers };
    this.#inbox = answer.messages;
    this.#partial.watched = answer.watched;
    this.#reserves = answer.reserves ?? this.#reserves;
    this.#turns++;
    if (answer.paused || this.#ports.isOver()) return this.#giveBack();
    return undefined;
  }

  /** Gives the task back between turns; what waits is recorded, what is answered is too. */
  #giveBack(): Promise<SeatReply> {
    const waits = Object.values(this.#answers).some((answer) => "waiting" in answer);
    return this.#leave({ kind: waits ? "wait" : "give_back" });
  }

  #call(provider: Provider, maxOutputTokens: number): Promise<ModelOutcome> {
    const { head, lineage, mark, taskId, foreign = [] } = this.#work;
    const messages = withoutReasoning(head.format, [...this.#logged, ...this.#pending], foreign);
    // Where the request before ended: a vendor looks for what it has cached a few blocks back from a mark, and a reply of many
    // calls has more of them, with their results. Of a fork's first request that is its parent's last one.
    const before = messages.findLastIndex((message) => roleOf(message) === "assistant") - 1;
    const marks: CacheMark[] = before < 0 ? [] : [{ message: before, block: -1 }];
    if (mark) marks.push(mark);
    marks.push({ message: messages.length - 1, block: -1 });
    return this.#ports.callModel({
      provider,
      head,
      messages,
      model: this.#modelUsed(provider).model,
      tools: head.tools ?? ownToolsText(head.format),
      maxOutputTokens,
      marks,
      cacheKey: lineage,
      signal: this.#lost,
      ...(this.#ports.lastsUntil !== undefined && { until: this.#ports.lastsUntil }),
      onBegin: () => this.#begun(),
      onText: (text) => this.#partial.add(text),
      taskId,
    });
  }

  /** Nobody waits for the answer: where it is lost the turn, or the hold's end, lets the siblings go. */
  #begun(): void {
    this.#firstMs = Date.now() - this.#askedAt;
    if (!this.#warms) return;
    this.#warms = false;
    this.#ports
      .scheduler()
      .firstToken(this.#lease)
      .catch(() => undefined);
  }

  /** The task's own model, its context's, or its provider's. */
  #modelUsed({ name, defaultModel }: Provider): ModelUsed {
    const { model, head } = this.#work;
    return { model: model ?? head.model ?? defaultModel, ...(name === "simulated" && { simulated: true }) };
  }

  /** The call's own maximum: what params say, else the default, beside what they have it think where that leaves nothing of it. */
  #outputTokens(provider: Provider): number {
    const { params, format } = this.#work.head;
    const limits = outputLimits.map((name) => Number(params && rawAt(params, [name])));
    const limit = limits.find((one) => Number.isSafeInteger(one) && one > 0);
    if (limit !== undefined) return limit;
    const thinks = format === "anthropic" && params ? thinkingTokens(rawAt(params, ["thinking"])) : 0;
    const usual = provider.name === "simulated" ? outputTokensSimulated : outputTokensDefault;
    return thinks < usual ? usual : thinks + usual;
  }

  /** Never too small: what the vendor has counted, and half a token for each byte since (DESIGN §6, Budget). */
  #inputEstimate(): number {
    const { head } = this.#work;
    const since = [...this.#logged, ...this.#pending].slice(this.#known.messages);
    let bytes = since.reduce((sum, message) => sum + Buffer.byteLength(message), 0);
    if (this.#known.messages === 0)
      bytes += Buffer.byteLength(head.system ?? "") + Buffer.byteLength(head.tools ?? ownToolsText(head.format));
    return this.#known.tokens + Math.ceil(bytes / 2);
  }

  /** What the task itself added to its base. */
  #own(): readonly MessageText[] {
    return [...this.#logged.slice(this.#work.baseCount), ...this.#pending];
  }

  #fail(
    fault: AttemptFault,
    message: string,
    { call, ...wait }: { retryAfterMs?: number; call?: NonNullable<Extract<Leave, { kind: "end" }>["call"]> } = {},
  ): Promise<SeatReply> {
    const ending = { kind: "error", fault, error: { code: fault, message }, ...wait } as const;
    return this.#leave({ kind: "end", ending, ...(call && { call }) });
  }

  #leave(leave: Leave): Promise<SeatReply> {
    return this.#ports.scheduler().leaveSeat(this.#lease, leave, this.#ports.next());
  }
}
