/**
 * What the loops on the vendors' SDKs have in common: a run beside a conversation, and the calls of its replies.
 *
 * L1  What the run is told is the conversation up to the reply with the call, and nothing beyond: there the forks begin.
 * L2  All calls of one reply name the same snapshot, and only what the run lacks is sent, once, however many calls there are.
 * L3  A call is known by its id, so a call that is made again gets its first answer and makes no second task.
 * L4  The agent holds and waits in one session, which is opened with its first such call and lasts as long as the loop.
 * L5  What an agent can be told is a result for the model, marked as an error; what nobody told it is thrown.
 * L6  Of a reply that is known to be cut off no call is carried out: arguments that end too early may look whole.
 * L7  Calls of one reply that Heddle carries out come in the reply's order where that can be told (reply-order.ts).
 */

import {
  type CallOptions,
  type CallToEndOptions,
  type Heddle,
  isToolError,
  type Message,
  type RemoteTool,
  Run,
  type RunSpec,
  type Session,
  SessionLost,
  type ToolOutcome,
} from "../client/index.ts";
import { asyncDispose } from "../client/run/dispose.ts";
import { unlessAborted } from "../client/signals.ts";
import { ReplyOrder } from "./reply-order.ts";

type Told = Exclude<ToolOutcome, { pending: true }>;

const blocking: readonly string[] = ["lock", "semaphore", "barrier", "message_queue", "future"];

/** What Heddle carries out in a run: its own tools, and those that the run declares. */
export interface ToolNames {
  /** Heddle's own. */
  readonly own: readonly string[];
  /** Carried out by workers, or at an address. */
  readonly remote: readonly string[];
}

/** All that a loop's new run can be told beside its context: `name`, `limits`, `rules`, `tools`. */
export type LoopRunSpec = Omit<RunSpec, "context" | "from" | "root" | "tools"> & {
  /** Remote tools. MCP servers can't be named here: what they have is known only when the run is there, and the loop's requests begin before. */
  readonly tools?: RemoteTool[];
};

/** Which run a loop has, and what of it. */
export interface LoopOptions {
  /** Only these of Heddle's tools, by name: each costs tokens in every request. */
  readonly only?: readonly string[];
  /** What a new run is told; or a run that there is, or its id, as after the death of the process that had it: its forks keep their context. */
  readonly run?: LoopRunSpec | Run | string;
}

/** Of a loop on a new run. */
export type NewRunOptions = Omit<LoopOptions, "run"> & { readonly run?: LoopRunSpec };

/** A call in a reply. */
export interface LoopCall {
  /** Its id in the reply. */
  readonly id: string;
  /** The tool. */
  readonly name: string;
  /** The arguments: an object, or its JSON text. */
  readonly arguments: unknown;
}

/** Options of the calls of a reply. */
export interface ReplyOptions<Reply> extends CallOptions {
  /**
   * The reply as the SDK gave it. Where it says that it was cut off, none of its calls is carried out, and each is answered with the
   * error `output_truncated`: the arguments of the last one may be half of what was meant, and look whole.
   */
  readonly reply?: Reply;
}

/** Of a call that is one of several in a reply. */
export interface InOrder extends CallOptions {
  /** In which it has its turn. */
  readonly order?: ReplyOrder;
}

/** Tools of one's own by name: what each answers, text or any JSON. */
export type Handlers = Readonly<Record<string, (args: never, call: LoopCall) => unknown>>;

/** What a tool call came to. */
export interface LoopResult {
  /** For the model. */
  readonly text: string;
  /** Whether it is an error. */
  readonly isError: boolean;
}

/** A conversation with a run beside it. `await using` ends the run, and what is live in it. */
export class Loop {
  /** The run: its variables, events and tasks are yours as well. */
  readonly run: Run;
  readonly #names: ReadonlySet<string>;
  /** That may hold or wait, and so need somebody who can be lost. */
  readonly #held: ReadonlySet<string>;
  #session: Promise<Session> | undefined;

  constructor(run: Run, { own, remote }: ToolNames) {
    this.run = run;
    this.#names = new Set([...own, ...remote]);
    this.#held = new Set([...blocking, ...remote]);
  }

  /** Whether a call is Heddle's to carry out. */
  handles(call: { readonly name: string } | string): boolean {
    return this.#names.has(typeof call === "string" ? call : call.name);
  }

  /** Ends the run. @throws HeddleProblem `tasks_live` while any live, unless `cancel` */
  async finish(body: { cancel?: boolean } = {}, options: CallOptions = {}): Promise<void> {
    await this.run.finish(body, options);
    await this.#release();
  }

  /** As `finish`, with what is live. */
  async [asyncDispose](): Promise<void> {
    await this.run[asyncDispose]();
    await this.#release();
  }

  /** Lets go of what the agent holds; the run goes on. */
  async #release(): Promise<void> {
    const session = await this.#session?.catch(() => undefined);
    this.#session = undefined;
    await session?.[asyncDispose]();
  }

  /** Carries out a call of the last message of `conversation`, by Heddle or by one of `handlers`. */
  protected async carriedOut(
    call: LoopCall,
    conversation: readonly Message[],
    handlers: Handlers,
    { order = new ReplyOrder(1), ...options }: InOrder,
  ): Promise<LoopResult> {
    const own = handlerOf(handlers, call);
    if (own) return ownResult(own, call, options);
    if (!this.handles(call)) throw new Error(`nobody carries out "${call.name}": give a handler for it`);
    const toEnd = async (begun: (() => void) | undefined) =>
      toldResult(await this.outcome(call, conversation, { ...options, begun }));
    return order.carryOut(call.name, toEnd, options.signal);
  }

  /** What Heddle answers to a call of the last message of `conversation`. */
  protected async outcome(
    call: LoopCall,
    conversation: readonly Message[],
    { begun, ...options }: CallToEndOptions,
  ): Promise<Told> {
    const here = await this.run.fork(conversation, options);
    if (this.#held.has(call.name)) return this.#inSession(call, here.snapshot, { ...options, begun });
    return here.call(call.name, call.arguments, call.id, { ...options, begun });
  }

  async #inSession(
    { id, name, arguments: args }: LoopCall,
    snapshot: string,
    options: CallToEndOptions,
  ): Promise<Told> {
    const session = await unlessAborted(this.#opened(), options.signal);
    try {
      // Some providers use an id again in a later reply.
      const call_id = `${snapshot}:${id}`;
      return { result: await session.call(name, args, { ...options, call_id }) };
    } catch (error) {
      if (isToolError(error)) return { error: error.details as typeof sessionLost & { message: string } };
      // A call that was given up, or not answered, leaves the agent what it holds.
      if (!(error instanceof SessionLost)) throw error;
      if ((await this.#session?.catch(() => undefined)) === session) this.#session = undefined;
      return { error: { ...sessionLost, message: error.message } };
    }
  }

  /** The session that there is, else a new one. */
  #opened(): Promise<Session> {
    if (this.#session) return this.#session;
    const opening = this.run.session({ name: "agent loop" });
    this.#session = opening;
    opening.catch(() => {
      if (this.#session === opening) this.#session = undefined;
    });
    return opening;
  }
}

/** What the model is told of each call of a reply that was cut off. */
export const cutOff = {
  error: {
    code: "output_truncated",
    message: "Your reply was cut off before its end, so none of its calls was carried out.",
    hint: "Make them again in a shorter reply: fewer calls at a time, with shorter arguments.",
  },
} as const;

export const cutOffResult: LoopResult = { text: JSON.stringify(cutOff), isError: true };

/** Of a reply's calls, those that Heddle is to carry out: by its id each is known, and its answer found again. @throws Error for two of one id */
export function requireOwnIds(calls: readonly Pick<LoopCall, "id" | "name">[]): void {
  const ids = new Set<string>();
  for (const { id, name } of calls) {
    if (!id) throw new Error(`the reply's call of "${name}" has no id: ${giveIds}`);
    if (ids.has(id)) throw new Error(`the reply gives several calls the id "${id}", that of "${name}" too: ${giveIds}`);
    ids.add(id);
  }
}

const giveIds =
  "your server gives its calls no ids of their own, so give each a new one before you push the reply onto the messages; nothing was carried out";

const sessionLost = {
  code: "session_lost",
  hint: "Acquire again what you need; another may have had it meanwhile, so look before you write.",
};

/** The names of Heddle's tools in a run, and of those that the run declares. */
export const namesOf = (tools: readonly { name: string }[], options: NewRunOptions): ToolNames => ({
  own: tools.map(({ name }) => name),
  remote: declaredTools(options).map(({ name }) => name),
});

/** The remote tools that the run declares. @throws TypeError where an MCP server is among them */
export function declaredTools({ run }: NewRunOptions): readonly RemoteTool[] {
  const tools = run?.tools ?? [];
  if (tools.some((tool) => "mcp" in tool))
    throw new TypeError("a loop's run names no MCP servers: give their tools to your own loop, by a client of yours");
  return tools;
}

/** The tools to ask for. */
export const toolsQuery = ({ only }: LoopOptions) => (only ? { tools: only } : {});

/** The conversation up to the message of which `makes` says that it makes the call. @throws where none does */
export function upToCall<Kind>(
  messages: readonly Kind[],
  id: string,
  makes: (message: Kind) => readonly string[],
): Kind[] {
  for (let i = messages.length - 1; i >= 0; i--) if (makes(messages[i]!).includes(id)) return messages.slice(0, i + 1);
  throw new Error(`no message makes the call ${id}: push the reply onto the messages before its calls are carried out`);
}

/** A new run for a loop. */
export const runFor = (
  heddle: Heddle,
  context: NonNullable<RunSpec["context"]>,
  { run }: NewRunOptions,
): Promise<Run> => heddle.runs.create({ ...run, context });

type FormatOf = NonNullable<NonNullable<RunSpec["context"]>["format"]>;

/**
 * The run that the options name, if they do, and the options with what it declares, in place of what a new run would be told.
 * @throws TypeError where its context is of another format; HeddleProblem `not_found`
 */
export async function named<Options extends LoopOptions>(
  heddle: Heddle,
  { run, ...options }: Options,
  format: FormatOf,
): Promise<{
  readonly run?: Run;
  /** Its head. */
  readonly head?: string;
  readonly options: Omit<Options, "run"> & { readonly run?: LoopRunSpec };
}> {
  if (!(run instanceof Run || typeof run === "string")) return { options: { ...options, ...(run && { run }) } };
  const there = typeof run === "string" ? heddle.runs.get(run) : run;
  const { format: has, tools, snapshot: head } = await there.view();
  if (has !== format)
    throw new TypeError(`the context of run ${there.id} is of format "${has}", and the loop is of "${format}"`);
  return { run: there, head, options: { ...options, run: { tools } } };
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : (JSON.stringify(value) ?? "null"));

/** What Heddle answered, as a result for the model. */
export const toldResult = (outcome: Told): LoopResult =>
  "error" in outcome
    ? { text: JSON.stringify({ error: outcome.error }), isError: true }
    : { text: textOf(outcome.result), isError: false };

/** The handler of a call; a model that names "constructor" means none. */
export const handlerOf = (handlers: Handlers, { name }: LoopCall): Handlers[string] | undefined =>
  Object.hasOwn(handlers, name) ? handlers[name] : undefined;

/** Of the calls of a reply: those that `handlers` carry out are in none. */
export const orderOf = (calls: readonly LoopCall[], handlers: Handlers): ReplyOrder =>
  new ReplyOrder(calls.filter((call) => !handlerOf(handlers, call)).length);

/** A tool that throws is an error for the model, which may know what to do; an abort is the caller's. */
export async function ownResult(own: Handlers[string], call: LoopCall, { signal }: CallOptions): Promise<LoopResult> {
  try {
    const args = typeof call.arguments === "string" ? JSON.parse(call.arguments || "{}") : call.arguments;
    return { text: textOf(await own(args as never, call)), isError: false };
  } catch (error) {
    signal?.throwIfAborted();
    return { text: error instanceof Error ? error.message : String(error), isError: true };
  }
}
