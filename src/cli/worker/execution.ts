/** One lease being carried out, as a worker knows it. */

import type { TaskProgressReport } from "../../client/requests.ts";
import type { Verdict } from "./verdict.ts";

export interface Execution {
  /** What is to be delivered. Always resolves, and when it does nothing of the execution runs any more. */
  readonly verdict: Promise<Verdict>;
  /** Ends it in good order, by force after a bound. */
  stop(): void;
  /** Ends it at once. */
  kill(): void;
}

/** What an execution can tell its worker meanwhile. */
export interface Telling {
  /** A rate limit was met: lease nothing new for so long. */
  rateLimited(retryAfterMs: number): void;
  /** How far it is; of several the newest is passed on. */
  progress(report: TaskProgressReport): void;
}
