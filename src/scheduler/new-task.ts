/** A task that is to be created, and why a batch of them is not. */

import type { StandInSpec, TaskSpec } from "../contract/task-spec.ts";
import type { ProblemCode } from "../errors/codes.ts";
import type { FieldError } from "../errors/fault.ts";
import type { LineageTerms } from "./events.ts";

export interface NewTask {
  readonly spec: TaskSpec;
  /** The snapshot that it forks, and how the wire calls that. */
  readonly base: string;
  readonly fork: string;
  /** The tool call of the base's last message that made it. */
  readonly call?: string;
  /** Why `fork: "auto"` took that fork. */
  readonly forkWhy?: string;
  /** The run's hosted main agent. */
  readonly root?: true;
  /** A prefix that is worth following, which it shares with others of the same snapshot and model. */
  readonly lineage?: LineageTerms;
  /** What stands in for it when it fails. */
  readonly standIn?: NewStandIn;
  /** The model that will be called for it, where nobody knows what that costs. */
  readonly unpriced?: string;
}

/** `spec` has all that the task would lend it. */
export interface NewStandIn {
  readonly spec: StandInSpec;
  readonly base: string;
  readonly fork: string;
  readonly call?: string;
}

export interface BatchRefusal {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly errors?: readonly FieldError[];
}
