/**
 * What a kind of shared variable is: a pure state machine `decide(head, stored, op) → decision` (DESIGN §3.1).
 *
 * The head is small JSON that stays in memory; entries and the text are read on demand, so a collection is never loaded
 * whole. A decision says what is answered and what is written; whoever asked writes it in the same transaction.
 */

import type { VariableErrorCode } from "../errors/codes.ts";

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** A stored element of a map or list. */
export interface Entry {
  readonly value: Json;
  /** 1 at its first write, one more at each later one. */
  readonly version: number;
}

/** What is stored beside the head, read lazily. */
export interface Stored {
  entry(key: string): Entry | undefined;
  /** Entries from `key` on, in the order of their keys' UTF-8 bytes; read only as far as they are taken. */
  from(key: string): Iterable<readonly [string, Entry]>;
  /** The whole text; "" when none was written. */
  text(): string;
}

export type Answer =
  | { readonly result: Json }
  | { readonly error: { readonly code: VariableErrorCode; readonly message: string; readonly [more: string]: Json } };

/** Between which versions of its place an op stands, for the run's log; values are never told. */
export interface Versions {
  /** The version that it found: of what it read, replaced, or was refused for; 0: nothing was there. */
  readonly saw?: number;
  /** The version that it made; 0: nothing is there any more. */
  readonly made?: number;
}

export interface Decision<Head> {
  readonly answer: Answer;
  /** Absent where the op is about no single version: a range, a size. */
  readonly versions?: Versions;
  /** What changes; nothing of it when the answer is an error. */
  readonly head?: Head;
  readonly put?: readonly (readonly [string, Entry])[];
  readonly remove?: readonly string[];
  readonly text?: string;
}

export interface Kind<Head extends Json, Op extends { readonly op: string }> {
  readonly initial: Head;
  /** Ops that change nothing: they are answered on an ended run too. */
  readonly reads: readonly Op["op"][];
  decide(head: Head, stored: Stored, op: Op): Decision<Head>;
  /** What `inspect` shows of the state, in a few fields. */
  show(head: Head): { readonly [field: string]: Json };
}

export const refuse = (
  code: VariableErrorCode,
  message: string,
  more: { readonly [field: string]: Json } = {},
): { readonly answer: Answer } => ({ answer: { error: { code, message, ...more } } });
