/** What a tool call waits for on shared variables: which, since when, and how much of them. */

import type { WaitMode } from "../contract/shapes.ts";
import type { LockMode } from "../variables/ops.ts";
import type { LineKind } from "./lines.ts";

export interface LockWant {
  readonly kind: "lock";
  /** All at once. */
  readonly names: readonly string[];
  readonly mode: LockMode;
}

export interface SemaphoreWant {
  readonly kind: "semaphore";
  readonly names: readonly [string];
  readonly permits: number;
}

export interface BarrierWant {
  readonly kind: "barrier";
  readonly names: readonly [string];
  readonly parties: number;
  /** Tasks whose end breaks the generation. */
  readonly members: readonly number[];
}

/** The messages are the body of the event that began the wait. */
export interface PushWant {
  readonly kind: "push";
  readonly names: readonly [string];
  /** Of each message, in bytes as JSON. */
  readonly sizes: readonly number[];
}

export interface PopWant {
  readonly kind: "pop";
  readonly names: readonly [string];
  readonly max: number;
  /** Somebody outside the run will push: nobody's silence makes this wait a deadlock. */
  readonly external: boolean;
}

export interface FutureWant {
  readonly kind: "future";
  readonly names: readonly string[];
  readonly mode: WaitMode;
  /** Asked for by name alone, and answered with its value alone. */
  readonly one: boolean;
  readonly external: boolean;
}

export type Want = LockWant | SemaphoreWant | BarrierWant | PushWant | PopWant | FutureWant;

/** The kind of variable that it waits for. */
export const lineKindOf = (want: Want): LineKind =>
  want.kind === "push" || want.kind === "pop" ? "message_queue" : want.kind;

/** Whether somebody outside the run is to end the wait. */
export const isExternal = (want: Want | undefined): want is PopWant | FutureWant =>
  (want?.kind === "pop" || want?.kind === "future") && want.external;

/** A waiting call as it stands in the lines of what it wants. */
export interface Waiter<W extends Want = Want> {
  readonly task: number;
  /** The task's own. */
  readonly priority: number;
  readonly call: string;
  /** Of the event that began the wait: the order of every line. */
  readonly seq: number;
  readonly since: number;
  /** When it times out; 0: never. */
  readonly until: number;
  readonly want: W;
}

/** The tool that a waiting call is one of. */
export const toolOf = (want: Want | undefined): string => (want ? lineKindOf(want) : "await_tasks");
