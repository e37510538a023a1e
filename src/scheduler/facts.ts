/** What a blocking variable has come to, apart from who holds it and who waits: plain data, a row of each checkpoint. */

export interface LockFacts {
  readonly kind: "lock";
  /** The newest grant's. */
  readonly token: number;
  readonly grants: number;
  readonly waitedMs: number;
  readonly heldMs: number;
}

export interface SemaphoreFacts {
  readonly kind: "semaphore";
  /** How many there are in all. */
  readonly permits: number;
  readonly grants: number;
  readonly waitedMs: number;
  readonly heldMs: number;
}

export interface BarrierFacts {
  readonly kind: "barrier";
  /** The one that gathers now. */
  readonly generation: number;
  readonly broken: number;
  readonly waitedMs: number;
}

/** Messages from `index` on in the body of event `seq`. */
export interface Part {
  readonly seq: number;
  readonly index: number;
  /** Of each, in bytes as JSON. */
  readonly sizes: readonly number[];
}

export interface QueueFacts {
  readonly kind: "message_queue";
  readonly capacity: number;
  readonly closed: boolean;
  readonly pushed: number;
  readonly popped: number;
  readonly waitedMs: number;
  /** What is in it, first in first. */
  readonly parts: readonly Part[];
}

export interface FutureFacts {
  readonly kind: "future";
  readonly state: "resolved" | "rejected";
  /** The event whose body has the value. */
  readonly seq: number;
}

export type Facts = LockFacts | SemaphoreFacts | BarrierFacts | QueueFacts | FutureFacts;
export type FactsOf<Kind extends Facts["kind"]> = Extract<Facts, { kind: Kind }>;
