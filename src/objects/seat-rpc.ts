/**
 * What a seat (a queue consumer's slot) and a RunScheduler say to each other. One RPC a turn: the reply is logged, its
 * tool calls are carried out, and where that ends the attempt the next task comes back in the same answer.
 */

import type { CacheMark, ContextHead, MessageText, ToolCall, Usage } from "../context/types.ts";
import type { LeaseRef } from "./rpc.ts";

/** Names one seat of a run; a queue message or a direct call carries it. */
export interface SeatTicket {
  readonly tenant: string;
  readonly run: string;
  /** Distinguishes this opening from its duplicates. */
  readonly nonce: string;
  /** The queue that it is sent through. */
  readonly shard: number;
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
  /** Absolute position of the fork point's cache mark in the whole transcript; undefined when there is none. */
  readonly mark: CacheMark | undefined;
  /** Messages of the forked base: what the task did not write itself. */
  readonly baseCount: number;
  readonly turns: number;
  /** Answers of the newest reply's calls, by call id. */
  readonly answers: Readonly<Record<string, Answer>>;
  readonly maxTurns: number;
  readonly model: string | undefined;
  /** JSON text. */
  readonly outputSchema: string | undefined;
  /** Model calls must reserve tokens first. */
  readonly reserves: boolean;
  /** One per context lineage: OpenAI's prompt_cache_key. */
  readonly lineage: string;
  /** A relocated fork: reasoning blocks of the base are stripped. */
  readonly relocated: boolean;
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
}

/** What a seat does next. */
export type SeatJob = SeatWork | UrlCall;

/** What an attempt of a url came to. */
export type UrlOutcome =
  | { readonly kind: "result"; readonly result: unknown; readonly isError: boolean }
  | Extract<Ending, { kind: "error" }>;

export type Ending =
  | { readonly kind: "result"; readonly result: unknown }
  | {
      readonly kind: "error";
      readonly error: { readonly code: string; readonly message: string };
      readonly transient: boolean;
      readonly retryAfterMs?: number;
    };

export interface SeatTurn {
  /** What follows the snapshot: fork or tool results, then the reply. */
  readonly messages: readonly MessageText[];
  readonly usage: Usage;
  /** Calls of the reply that Heddle carries out. */
  readonly calls: readonly ToolCall[];
  /** The reply ends the task. */
  readonly ending?: Ending;
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
      /** The run is paused: give the task back. */
      readonly paused: boolean;
    }
  /** The attempt is over; `work` is the next task, if any. */
  | { readonly kind: "over"; readonly work?: SeatJob };

export type Leave =
  /** Calls of the newest reply wait: give the lease back until they are done. */
  | { readonly kind: "wait" }
  /** The run is paused or the seat closes: another seat goes on. */
  | { readonly kind: "give_back" }
  | { readonly kind: "end"; readonly ending: Ending; readonly usage?: Usage };

export type SeatReservation =
  | { readonly kind: "reserved"; readonly outputTokens: number }
  | { readonly kind: "parked" | "lost" | "exhausted" };

export interface SeatRpc {
  /** Opens a seat: its first task, or nothing when it is not needed (any more) or was opened already. */
  openSeat(ticket: SeatTicket, next: NextTask): Promise<SeatJob | undefined>;
  /** False: the lease is lost, stop. `paused`: give the task back at the next turn. */
  renewSeat(lease: LeaseRef): Promise<{ held: boolean }>;
  seatTurn(lease: LeaseRef, turn: SeatTurn, next: NextTask | undefined): Promise<SeatReply>;
  /** Carries out calls of the newest reply that have no answer yet. */
  seatCalls(lease: LeaseRef, calls: readonly ToolCall[]): Promise<SeatReply>;
  reserve(lease: LeaseRef, want: { inputTokens: number; outputTokens: number }): Promise<SeatReservation>;
  leaveSeat(lease: LeaseRef, leave: Leave, next: NextTask | undefined): Promise<SeatReply>;
  /** A url's attempt is over. */
  endUrlCall(
    lease: LeaseRef & { readonly call: number },
    outcome: UrlOutcome,
    next: NextTask | undefined,
  ): Promise<SeatReply>;
}
