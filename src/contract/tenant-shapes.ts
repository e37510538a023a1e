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

/** How the cron sweep is doing. */
export interface SweepView {
  /** How each pass went when it came last; none before the first. */
  passes: {
    name: string;
    began_at: number;
    /** Null while it goes on, and of one that broke off. */
    ended_at: number | null;
    visited: number;
    /** Of the visits. */
    failed: number;
  }[];
  /** Runs that several passes in a row could not visit. */
  failing_count: number;
  /** The first hundred of them, those that fail longest first. */
  failing: {
    tenant: string;
    run: string;
    /** That failed, in a row. */
    passes: number;
    since: number;
    last_at: number;
    /** Of the last visit. */
    error: string;
  }[];
}
