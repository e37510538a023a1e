/** What an op on a variable that blocks came to; the shell words it for models. The body of the event that ends a waiting call. */

import type { LockMode } from "../variables/ops.ts";

/** Messages that stand one after another in the body of event `seq`, from `index` on. */
export interface MessagesAt {
  readonly seq: number;
  readonly index: number;
  readonly count: number;
}

export type BrokenWhy = "ended" | "timed_out" | "deadlock";

export type WaitOutcome =
  /** By lock: the token of the grant. */
  | { readonly kind: "granted"; readonly tokens: Readonly<Record<string, number>> }
  | { readonly kind: "permits"; readonly permits: number }
  | { readonly kind: "tripped"; readonly generation: number; readonly index: number }
  /** `by`: the task without which the barrier could not be passed. */
  | {
      readonly kind: "broken";
      readonly name: string;
      readonly generation: number;
      readonly by: number;
      readonly why: BrokenWhy;
    }
  | { readonly kind: "pushed"; readonly name: string }
  | { readonly kind: "popped"; readonly messages: readonly MessagesAt[] }
  /** Closed and empty; for a push: closed before there was room. */
  | { readonly kind: "closed"; readonly name: string; readonly op: "push" | "pop" }
  /** `one`: asked for by name alone. */
  | { readonly kind: "futures"; readonly names: readonly string[]; readonly one: boolean }
  | { readonly kind: "timed_out"; readonly names: readonly string[] }
  /** Whoever was asked outside has said no. */
  | { readonly kind: "declined"; readonly names: readonly string[]; readonly reason?: string }
  /** A later call of the same task waits in its place. */
  | { readonly kind: "superseded"; readonly names: readonly string[] }
  | {
      readonly kind: "deadlock_victim";
      /** Tasks that waited for one another, the victim first. */
      readonly cycle: readonly number[];
      readonly released: readonly string[];
      /** The cycle's locks in an order that all could have taken them in. */
      readonly order: readonly string[];
      /** Nobody was left to do what the wait was for: no cycle. */
      readonly stall?: true;
    };

/** An op that is refused: nothing is done. */
export type Refusal =
  | { readonly kind: "already_held"; readonly name: string; readonly token: number; readonly mode: LockMode }
  | { readonly kind: "holds_locks"; readonly names: readonly string[]; readonly held: string }
  | { readonly kind: "not_holder"; readonly name: string; readonly token?: number; readonly permits?: number }
  | { readonly kind: "not_created"; readonly name: string }
  | { readonly kind: "already_created"; readonly name: string; readonly size: number }
  | { readonly kind: "over_capacity"; readonly name: string; readonly asked: number; readonly size: number }
  /** It holds so many permits itself that what it asks for could never come free. */
  | { readonly kind: "waits_for_itself"; readonly name: string; readonly permits: number }
  | { readonly kind: "parties_mismatch"; readonly name: string; readonly parties: number; readonly arrived: number }
  | { readonly kind: "queue_closed"; readonly name: string }
  | { readonly kind: "queues_full"; readonly name: string }
  | { readonly kind: "already_settled"; readonly name: string; readonly state: "resolved" | "rejected" };

/** What a blocking op is answered with at once. */
export type Begun =
  | WaitOutcome
  | Refusal
  | { readonly kind: "waiting" }
  /** The call has ended, as that event says. */
  | { readonly kind: "done"; readonly seq: number };
