/** Shapes of tenants and keys, as types alone: the published client has them, and must not need zod for it. */

/** What a key may do: runs and their tasks; leasing for pull workers; the tenant's own settings. */
export type Scope = "runs" | "workers" | "tenant_admin";

/** Bounds of a tenant; what is left out has none. */
export interface Quotas {
  /** Live runs, paused ones included. */
  runs?: number;
  /** Of one run: the most that `limits.workers` counts. */
  seats?: number;
  /** Of one run: the most that `limits.tasks` counts. */
  tasks?: number;
  /** Hosted seats of all runs together. */
  total_seats?: number;
  /** Input and output tokens of all runs together, from midnight to midnight (UTC). */
  tokens_per_day?: number;
  /** What all runs together have stored, ended ones included. */
  storage_bytes?: number;
  /** Requests with a key, in each isolate of the server. */
  requests_per_second?: number;
}
