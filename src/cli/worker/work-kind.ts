/**
 * What a worker works at: the leases that it takes, and what is done with one. Tasks are one kind (task-work.ts), calls of
 * remote tools the other (../tools/tool-work.ts); the worker itself knows neither.
 */

import type { LeasesRequest, TaskProgressReport } from "../../client/requests.ts";
import type { CallOptions } from "../../client/transport.ts";
import type { Execution, Telling } from "./execution.ts";
import type { Subject } from "./report.ts";
import type { Verdict } from "./verdict.ts";

export interface WorkKind<Lease extends { readonly id: string }> {
  lease(request: LeasesRequest, options: CallOptions): Promise<Lease[]>;
  subjectOf(lease: Lease): Subject;
  start(lease: Lease, telling: Telling): Execution;
  renew(lease: Lease, progress: TaskProgressReport | undefined, options: CallOptions): Promise<unknown>;
  /** How often progress is passed on at most. */
  readonly progressEveryMs: number;
  /** Hands the verdict over; the next lease, when it was asked for and there is one. */
  deliver(
    lease: Lease,
    verdict: Verdict,
    next: { worker: string; next: boolean },
    options: CallOptions,
  ): Promise<Lease | undefined>;
  /** What a lease that is gone had ended with, when its own execution ended it; undefined when it was lost otherwise. */
  endedByItself?(lease: Lease, options: CallOptions): Promise<Verdict | undefined>;
  /** Whether it waits in a call of its own, and so leaves its place to another. */
  isBlocked?(lease: Lease, options: CallOptions): Promise<boolean>;
  /** False while nothing can be carried out; then nothing is leased. */
  isReady?(): boolean;
}
