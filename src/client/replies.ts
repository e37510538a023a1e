/** What the server answers: the contract's own shapes, and the envelopes around them. */

import type {
  ActorView,
  ErrorView,
  EventView,
  FindingView,
  PartialView,
  PoolWorkerView,
  RunStatus,
  RunView,
  TaskState,
  TaskView,
  ToolCallView,
  TurnView,
  VariableView,
} from "../contract/shapes.ts";
import type { ContextSpec, Message } from "./requests.ts";

export type {
  AboutView,
  ActorView,
  CreatedTasks,
  ErrorView,
  EventView,
  FindingView,
  LoadView,
  ModelSource,
  PartialView,
  PoolWorkerView,
  Projection,
  RemoteToolView,
  RulesView,
  RuleView,
  RunStatus,
  RunView,
  TaskState,
  TaskView,
  ToolCallView,
  ToolOutcome,
  TurnView,
  VariableView,
  WaitMode,
  WaitView,
} from "../contract/shapes.ts";
export type { CriticalPathView, PathSegment, TimeByKind, TimeKind } from "../contract/time-shapes.ts";

export interface ContextView extends ContextSpec {
  format: "anthropic" | "openai";
  messages: Message[];
}

export interface Snapshot extends ContextView {
  snapshot: string;
  parent: string | null;
}

export interface Lease {
  /** The capability for this attempt: its calls need no key. */
  id: string;
  expires_at: number;
  run: string;
  snapshot: string;
  task: TaskView & { instructions: string; attempt: number };
  /** Messages to the task, which follow the context. */
  messages?: Message[];
  /** null: too large to travel along; read `snapshot` of `run`. */
  context: ContextView | null;
}

/** A lease of a remote tool's call. */
export interface ToolCallLease {
  /** The capability for this attempt: its calls need no key. */
  id: string;
  expires_at: number;
  tool_call: ToolCallView;
}

export interface Renewed {
  expires_at: number;
  /** How many messages to the task the answer to the next turn brings. */
  messages?: number;
}

export interface TurnLogged {
  snapshot: string;
  /** Messages to the task that are new to the worker. */
  messages?: Message[];
}

/** A part of a reply that is still being written; it is in no log, and has no `seq`. */
export interface PartialText extends PartialView {
  type: "partial";
}

export const isPartial = (event: EventView | PartialText): event is PartialText =>
  event.type === "partial" && !("seq" in event);

/** A row of the list of runs: what the index knows without asking the run itself. */
export type RunRow = Pick<RunView, "id" | "name" | "created_at" | "ended_at"> & { status: RunStatus };

export interface RunsPage {
  runs: RunRow[];
  next_cursor: string | null;
}
export interface TasksPage {
  tasks: TaskView[];
  next_cursor: string | null;
}
export interface TurnsPage {
  turns: TurnView[];
  next_cursor: string | null;
}
export interface FindingsPage {
  findings: FindingView[];
  next_cursor: string | null;
}
export interface ActorsPage {
  actors: ActorView[];
  next_cursor: string | null;
}
export interface VariablesPage {
  variables: VariableView[];
  next_cursor: string | null;
}
export interface PoolPage {
  pool: string;
  workers: PoolWorkerView[];
  /** Requests of workers that wait for work at this moment. */
  waiting: number;
  next_cursor: string | null;
}
export interface EventsPage {
  events: EventView[];
  next_cursor: string | null;
}
/** What rules in Markdown say. */
export interface RulesCheck {
  rules: {
    /** From 1. */
    line: number;
    /** As it was understood. */
    rule: string;
  }[];
  /** What is no error, and perhaps not meant. */
  notes: { line: number; message: string }[];
}
/** What rules would have done in a run as it went. */
export interface RulesTrial {
  /** The event up to which the log was read. */
  as_of: number;
  rules: {
    line: number;
    rule: string;
    /** How often a rule with a condition would have fired. */
    fired: number;
    /** Tasks that it would have kept waiting, not created, paused or failed at, or given another model. */
    tasks: number;
    first_at: number | null;
  }[];
}
/** How far an import has come. */
export interface Imported {
  id: string;
  lines: number;
  /** Once the last line is in. */
  run: RunView | null;
}
export interface Failed {
  state: TaskState;
  error: ErrorView;
}
