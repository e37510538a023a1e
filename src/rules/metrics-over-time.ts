/** Which metrics are taken over a time: in rules as they are written, and in those that a file of a run has. */

import type { Metric } from "./rule.ts";

/** A condition on one of them has a window, and no other has. */
export const metricsOverTime: ReadonlySet<Metric> = new Set(["provider_errors", "queue_wait_p95", "worker_load"]);
