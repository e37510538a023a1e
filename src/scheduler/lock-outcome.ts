/** What an op on a lock came to; the shell words it for models. The body of the event that ends a waiting call. */

import type { LockMode } from "../variables/ops.ts";

export type LockOutcome =
  | { readonly kind: "granted"; readonly tokens: Readonly<Record<string, number>> }
  | { readonly kind: "timed_out"; readonly names: readonly string[] }
  /** A later call of the same task waits in its place. */
  | { readonly kind: "superseded"; readonly names: readonly string[] }
  | {
      readonly kind: "deadlock_victim";
      /** Tasks that waited for one another, the victim first. */
      readonly cycle: readonly number[];
      readonly released: readonly string[];
      /** The cycle's locks in an order that all could have taken them in. */
      readonly order: readonly string[];
    };

export type LockRefusal =
  | { readonly kind: "already_held"; readonly name: string; readonly token: number; readonly mode: LockMode }
  | { readonly kind: "holds_locks"; readonly names: readonly string[]; readonly held: string }
  | { readonly kind: "not_holder"; readonly name: string; readonly token?: number };
