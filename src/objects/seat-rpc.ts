/**
 * What a seat (a queue consumer's slot) and a RunScheduler say to each other. One RPC a turn: the reply is logged, its
 * tool calls are carried out, and where that ends the attempt the next task comes back in the same answer.
 */

import type { Rates } from "../availability/observation.ts";
import type { Part } from "../context/reasoning.ts";
import type { CacheMark, ContextHead, Format, MessageText, ToolCall, Usage } from "../context/types.ts";
import type { McpOrigin } from "../contract/shapes.ts";
import type { AttemptFault, FaultClass } from "../errors/faults.ts";
import { isRunId } from "../ids.ts";
import type { RunCredential } from "../scheduler/events.ts";
import type { CallFault } from "../scheduler/remote-calls.ts";
import type { Outcome as WebhookOutcome } from "../webhooks/delivery.ts";
import type { WebhookType } from "../webhooks/types.ts";
import type { LeaseRef, Reply } from "./rpc.ts";
import type { ModelUsed } from "./run/models.ts";

/** Names one seat of a run; a queue message or a direct call carries it. */
export interface SeatTicket {
  readonly tenant: string;
  readonly run: string;
  /** Distinguishes this opening from its duplicates. */
  readonly nonce: string;
  /** The queue that it is sent through. */
  readonly shard: number;
  /** It opens no seat: spans of the run are to be pushed to the collector (collector/push.ts). */
  readonly trace?: true;
  /** Nor does this one: messages are to be sent to the run's webhook (webhook-push/push.ts). */
  readonly webhook?: true;
}

/** Where tickets go that no consumer lived to acknowledge: wrangler.toml says the same. */
export const deadSeatsQueue = "heddle-seats-dead";

/** Whether a queue's message is a ticket: nobody but Heddle sends any, but queues can be sent to by their account. */
export function isTicket(body: unknown): body is SeatTicket {
  if (typeof body !== "object" || body === null) return false;
  const { tenant, run, nonce, shard } = body as Partial<Record<keyof SeatTicket, unknown>>;
  const isName = (name: unknown) => typeof name === "string" && /^[\w-]{1,64}$/.test(name);
  return isName(tenant) && typeof run === "string" && isRunId(run) && isName(nonce) && Number.isInteger(shard);
}

/** Where a push of a run's trace begins. */
export interface TraceWork {
  readonly name: string | null;
  readonly format: Format;
  /** Spans that events up to this one told have been sent. */
  readonly seq: number;
  /** So have those of the run itself, up to the end that this event was. */
  readonly endSeq: number;
  /** The collector has taken nothing for too long: what it does not take now is dropped. */
  readonly lastTry: boolean;
}

/** What has become of a part of it, which began at `from`. */
export type TraceReport = { readonly from: { readonly seq: number; readonly endSeq: number } } & TracePart;

type TracePart =
  | {
      /** All that events up to here told is sent or dropped. */
      readonly kind: "upTo";
      readonly seq: number;
      readonly endSeq: number;
      readonly sent: number;
      readonly dropped: number;
      /** Why something was dropped. */
      readonly why?: string;
      /** This push is over. */
      readonly over?: true;
    }
  /** The collector is away, or busy: the rest comes later. */
  | { readonly kind: "later"; readonly why: string; readonly afterMs?: number };

/** A message to a run's webhook, as every attempt at it has it. */
export interface WebhookMessage {
  /** The event that it tells of. */
  readonly seq: number;
  readonly type: WebhookType;
  readonly id: string;
  readonly body: string;
}

/** A part of a push. */
export interface WebhookWork {
  readonly url: string;
  readonly messages: readonly WebhookMessage[];
}

/** A recorded answer to a tool call: what the model reads. */
export type Answer = { readonly text: string; readonly isError: boolean } | { readonly waiting: true };

export interface SeatWork extends LeaseRef {
  readonly taskId: string;
  readonly expiresAt: number;
  readonly generation: number;
  readonly attempt: number;
  readonly head: ContextHead;
  /** Path of the context: what follows `from` (a snapshot that the seat said it has, or null for the root). */
  readonly from: string | null;
  readonly steps: readonly { readonly hash: string; readonly messages: readonly MessageText[] }[];
  /** The newest stored snapshot: the last step's hash, or `from`. */
  readonly snapshot: string;
  /** Not stored yet: the fork's own messages, logged with the first turn. Empty when the task is resumed. */
  readonly fork: readonly MessageText[];
  /** Messages to the task that no turn shows yet: for its next request, after the results of open calls. */
  readonly messages: readonly MessageText[];
  /** Absolute position of the fork point's cache mark in the whole transcript; undefined when there is none. */
  readonly mark: CacheMark | undefined;
  /** Messages of the forked base: what the task did not write itself. */
  readonly baseCount: number;
  readonly turns: number;
  /** Answers of the newest reply's calls, by call id. */
  readonly answers: Readonly<Record<string, Answer>>;
  readonly maxTurns: number;
  readonly model: string | undefined;
  /** The tenant's credential to use; absent: the deployment's own. */
  readonly credential?: RunCredential;
  /** JSON text. */
  readonly outputSchema: string | undefined;
  /** Model calls must reserve tokens first. */
  readonly reserves: boolean;
  /** Somebody follows the run with partial texts. */
  readonly watched: boolean;
  /** One per context lineage: OpenAI's prompt_cache_key. */
  readonly lineage: string;
  /** Siblings are held until this attempt's first token: tell of it (`firstToken`). */
  readonly warms: boolean;
  /** A relocated fork: these parts of the base are another model's, and sent without their reasoning. Absent: none are. */
  readonly foreign?: readonly Part[];
  /** Names of the tools that the run declares. */
  readonly remoteTools: readonly string[];
}

/** A call of a tool that an HTTP endpoint carries out, for a seat to make. */
export interface UrlCall extends LeaseRef {
  readonly call: number;
  readonly url: string;
  /** JSON text. */
  readonly payload: string;
  readonly idempotencyKey: string;
  readonly timeoutAt: number;
  /** The url is an MCP server's: the tool there. `payload` is the arguments alone. */
  readonly mcp?: McpOrigin;
}

export type McpUrlCall = UrlCall & { readonly mcp: McpOrigin };

/** What a seat does next. */
export type SeatJob = SeatWork | UrlCall;

/** What an attempt of a url came to. */
export type UrlOutcome =
  | { readonly kind: "result"; readonly result: unknown; readonly isError: boolean }
  | Failed<CallFault>;

export type Ending = { readonly kind: "result"; readonly result: unknown } | Failed<AttemptFault>;

/** What failed, by its class; `retryable` and `retryAfterMs` as in Failure (scheduler/attempts.ts). */
export interface Failed<Fault extends FaultClass> {
  readonly kind: "error";
  readonly fault: Fault;
  readonly error: { readonly code: string; readonly message: string };
  readonly retryable?: boolean;
  readonly retryAfterMs?: number;
}

export interface SeatTurn {
  /** What follows the snapshot: fork or tool results, messages to the task, then the reply. */
  readonly messages: readonly MessageText[];
  /** How many of the messages to the task are among them; absent: none. */
  readonly shown?: number;
  readonly usage: Usage;
  /** Whose usage it is. */
  readonly model?: ModelUsed;
  /** From the model's request to the end of its reply, and to its first token. */
  readonly took?: { readonly ms: number; readonly firstMs?: number };
  /** What the provider said with it of what is left. */
  readonly rates?: Rates;
  /** Calls of the reply that Heddle carries out. */
  readonly calls: readonly ToolCall[];
  /** The reply ends the task. */
  readonly ending?: Ending;
  /** The ending is the model's own word, and so not its last while there are messages that it has not seen. */
  readonly isFinal?: boolean;
}

/** How a seat asks for the next task in the same call; absent: it closes. */
export interface NextTask {
  readonly nonce: string;
  /** Snapshots of this run in the seat's cache, newest last. */
  readonly have: readonly string[];
}

export type SeatReply =
  /** Go on with the task. */
  | {
      readonly kind: "go_on";
      readonly snapshot: string;
      readonly answers: Readonly<Record<string, Answer>>;
      /** As in SeatWork. */
      readonly messages: readonly MessageText[];
      readonly watched: boolean;
      /** The run is paused, or the provider is to be left alone for now: give the task back. */
      readonly paused: boolean;
      /** As in SeatWork: a budget may have been set since. Absent from an object of a version before. */
      readonly reserves?: boolean;
    }
  /** The attempt is over; `work` is the next task, if any. */
  | { readonly kind: "over"; readonly work?: SeatJob };

/** What has come of a reply since its first `offset` characters. */
export interface PartialPiece {
  readonly turn: number;
  readonly offset: number;
  readonly text: string;
}

export type Leave =
  /** Calls of the newest reply wait: give the lease back until they are done. */
  | { readonly kind: "wait" }
  /** The run is paused or the seat closes: another seat goes on. */
  | { readonly kind: "give_back" }
  /** The context is too long for the model's window: the run makes it shorter, or ends the task with this error. */
  | {
      readonly kind: "too_long";
      readonly error: { readonly code: string; readonly message: string };
      /** Of a reply that is lost by it, and whose it is. */
      readonly usage?: Usage;
      readonly model?: ModelUsed;
    }
  | {
      readonly kind: "end";
      readonly ending: Ending;
      readonly usage?: Usage;
      /** Of the model call that it failed by: how long that took, and what the provider said with it. */
      readonly call?: { readonly ms: number; readonly rates?: Rates };
    };

export interface ReservationWanted {
  readonly inputTokens: number;
  readonly outputTokens: number;
  readonly model?: ModelUsed;
}

export type SeatReservation =
  | { readonly kind: "reserved"; readonly outputTokens: number }
  | { readonly kind: "parked" | "lost" | "exhausted" | "unpriced" };

export interface SeatRpc {
  /** The queues have given up on these openings. A nonce that comes again changes nothing. */
  deadSeats(nonces: readonly string[]): Promise<Reply<null>>;
  /** Begins the push of the run's trace that a ticket asks for; nothing when it is not needed (any more). */
  openTrace(nonce: string): Promise<TraceWork | undefined>;
  /** Begins a push of messages to the run's webhook; nothing when another one does it, or none is to be sent (any more). */
  openWebhook(nonce: string): Promise<WebhookWork | undefined>;
  /** What came of them. Answers the next part; nothing: stop. */
  reportWebhook(nonce: string, outcomes: readonly WebhookOutcome[]): Promise<WebhookWork | undefined>;
  /** False: stop, another one does it. */
  reportTrace(nonce: string, report: TraceReport): Promise<boolean>;
  /** Opens a seat: its first task, or nothing when it is not needed (any more) or was opened already. */
  openSeat(ticket: SeatTicket, next: NextTask): Promise<SeatJob | undefined>;
  /** It has ended with an error, and hears of nothing any more: what it has is given to others. */
  seatBroke(nonce: string): Promise<void>;
  /** Not `held`: the lease is lost, stop. `watched` as in SeatWork. */
  renewSeat(lease: LeaseRef): Promise<{ held: boolean; watched: boolean }>;
  /** Shows a part of the reply that is being streamed to those who follow; only while `watched`. */
  partialText(lease: LeaseRef, piece: PartialPiece): Promise<{ watched: boolean }>;
  seatTurn(lease: LeaseRef, turn: SeatTurn, next: NextTask | undefined): Promise<SeatReply>;
  /** Carries out calls of the newest reply that have no answer yet. */
  seatCalls(lease: LeaseRef, calls: readonly ToolCall[]): Promise<SeatReply>;
  reserve(lease: LeaseRef, want: ReservationWanted): Promise<SeatReservation>;
  /** The reply of an attempt that `warms` has begun: the vendor has the prefix. May be lost: the turn says it too. */
  firstToken(lease: LeaseRef): Promise<void>;
  leaveSeat(lease: LeaseRef, leave: Leave, next: NextTask | undefined): Promise<SeatReply>;
  /** A url's attempt is over. */
  endUrlCall(
    lease: LeaseRef & { readonly call: number },
    outcome: UrlOutcome,
    next: NextTask | undefined,
  ): Promise<SeatReply>;
}
