/** Every workload, in the order in which they run. */

import { schedulerPath } from "./w1-scheduler.ts";
import type { Workload } from "./workload.ts";

export const workloads: readonly Workload[] = [...schedulerPath];
