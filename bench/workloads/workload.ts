/** What every workload gets, and the list's element. */

import type { Outcome } from "../lib/measure.ts";
import type { Server } from "../lib/server.ts";

export interface Bench {
  readonly server: Server;
  /** A small version, for tests: same paths, few tasks, figures that mean little. */
  readonly quick: boolean;
  /** Also what takes minutes. */
  readonly large: boolean;
  readonly say: (line: string) => void;
}

export interface Workload {
  /** Names begin with the workload's of WORKLOADS.md: a filter `W1` takes all of it. */
  readonly name: string;
  /** Variables of the worker for this workload. */
  readonly variables?: Record<string, string>;
  readonly run: (bench: Bench) => Promise<Outcome[]>;
}
