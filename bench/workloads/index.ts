/** Every workload, in the order in which they run. */

import { providers } from "./availability.ts";
import { bursts } from "./burst.ts";
import { warmCaches } from "./cache-warm.ts";
import { fairness } from "./fairness.ts";
import { peersOrder } from "./in-order.ts";
import { openings } from "./seats-open.ts";
import { secretChecks } from "./secrets.ts";
import { hostedPath } from "./w1-hosted.ts";
import { pullPath } from "./w1-pull.ts";
import { schedulerPath } from "./w1-scheduler.ts";
import { chains } from "./w2-chain.ts";
import { graphs } from "./w3-dag.ts";
import { lockContention } from "./w4-lock.ts";
import { channels } from "./w5-ping-pong.ts";
import { contextForks } from "./w6-fork.ts";
import { crashes } from "./w7-crash.ts";
import type { Workload } from "./workload.ts";

export const workloads: readonly Workload[] = [
  ...schedulerPath,
  ...hostedPath,
  ...pullPath,
  ...chains,
  ...graphs,
  ...peersOrder,
  ...lockContention,
  ...channels,
  ...contextForks,
  ...warmCaches,
  ...bursts,
  ...crashes,
  ...openings,
  ...fairness,
  ...providers,
  ...secretChecks,
];
