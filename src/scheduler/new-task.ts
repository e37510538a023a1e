/** A task that is to be created, a batch of them, and why it is not. */

import type { StandInSpec, TaskSpec } from "../contract/task-spec.ts";
import type { ProblemCode } from "../errors/codes.ts";
import type { FieldError } from "../errors/fault.ts";
import type { LineageTerms } from "./events.ts";
import type { RunState } from "./state.ts";
import type { Task } from "./task.ts";

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

/** A batch that is to be created, and where it would be. */
export interface Batch {
  readonly state: RunState;
  readonly creator: Task | undefined;
  readonly tasks: readonly NewTask[];
  /** The number that its first task will have; the others have the next. */
  readonly first: number;
  /** The numbers of each group's members. */
  readonly groups: ReadonlyMap<string, readonly number[]>;
  /** The task that one of the batch can name so, by its number. */
  readonly nameOf: (name: string) => number | undefined;
}

export interface BatchRefusal {
  readonly code: ProblemCode;
  readonly detail: string;
  readonly errors?: readonly FieldError[];
}
