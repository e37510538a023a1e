/** What the server answers: the contract's own shapes, and the envelopes around them. */

import type { QuestionView } from "../contract/question-shapes.ts";
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
import type { Quotas, Scope } from "../contract/tenant-shapes.ts";
import type { ContextSpec, Message } from "./requests.ts";

export type {
  AnsweredView as Answered,
  QuestionView,
  QuestionWait,
  StallView,
  WaitAction,
} from "../contract/question-shapes.ts";
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
  TaskProgress,
  TaskState,
  TaskView,
  TicketView as WatchTicket,
  ToolCallView,
  ToolOutcome,
  TurnView,
  UsagePage,
  UsageRowView,
  VariableView,
  WaitMode,
  WaitView,
} from "../contract/shapes.ts";
export type { SweepView as Sweep } from "../contract/tenant-shapes.ts";
export type { CriticalPathView, PathSegment, TimeByKind, TimeKind } from "../contract/time-shapes.ts";
export type {
  DeliveriesPage,
  DeliveryView,
  WebhookAttempt,
  WebhookTest,
  WebhookType,
  WebhookView,
} from "../contract/webhook-shapes.ts";

/** A context in the format of its vendor. */
export interface ContextView extends ContextSpec {
  format: "anthropic" | "openai";
  messages: Message[];
}

/** A snapshot of a run's context tree, with all messages up to it. */
export interface Snapshot extends ContextView {
  snapshot: string;
  parent: string | null;
}

/** A task given to a pull worker. */
export interface Lease {
  /** The capability for this attempt: its calls need no key. */
  id: string;
  expires_at: number;
  run: string;
  snapshot: string;
  task: TaskView & {
    instructions: string;
    attempt: number;
    /** JSON Schema of the result, where it has one. */
    output_schema?: Record<string, unknown>;
  };
  /** Messages to the task, which follow the context. */
  messages?: Message[];
  /** As in `TurnLogged`, before the attempt's first turn. */
  tokens_left?: number;
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

/** A lease that lasts longer. */
export interface Renewed {
  expires_at: number;
  /** How many messages to the task the answer to the next turn brings. */
  messages?: number;
}

/** A turn that a worker has logged. */
export interface TurnLogged {
  snapshot: string;
  /** Messages to the task that are new to the worker. */
  messages?: Message[];
  /**
   * Tokens, input and output together, that the task may still use before its next turn is refused with `max_tokens`; at 0 the next one is.
   * Absent where nothing bounds them.
   */
  tokens_left?: number;
}

/** A part of a reply that is still being written; it is in no log, and has no `seq`. */
export interface PartialText extends PartialView {
  type: "partial";
}

/** Whether it is text that a model is still writing, and no event. */
export const isPartial = (event: EventView | PartialText): event is PartialText =>
  event.type === "partial" && !("seq" in event);

/** A row of the list of runs: what the index knows without asking the run itself. */
export type RunRow = Pick<RunView, "id" | "name" | "created_at" | "ended_at" | "expires_at"> & { status: RunStatus };

/** Runs, oldest first. */
export interface RunsPage {
  runs: RunRow[];
  next_cursor: string | null;
}
/** Tasks, oldest first. */
export interface TasksPage {
  tasks: TaskView[];
  next_cursor: string | null;
}
/** Turns of a task, oldest first. */
export interface TurnsPage {
  turns: TurnView[];
  next_cursor: string | null;
}
/** Open questions, oldest first. */
export interface QuestionsPage {
  questions: QuestionView[];
  next_cursor: string | null;
}
/** Findings, oldest first. */
export interface FindingsPage {
  findings: FindingView[];
  next_cursor: string | null;
}
/** Live sessions, oldest first. */
export interface ActorsPage {
  actors: ActorView[];
  next_cursor: string | null;
}
/** Shared variables, in the order of their first use. */
export interface VariablesPage {
  variables: VariableView[];
  next_cursor: string | null;
}
/** A pool's workers that asked for work lately. */
export interface PoolPage {
  pool: string;
  workers: PoolWorkerView[];
  /** Requests of workers that wait for work at this moment. */
  waiting: number;
  next_cursor: string | null;
}
/** Events; `next_cursor` is what to give as `after`. */
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
/** Rules that all of a tenant's runs are held to. */
export interface TenantRules {
  /** Markdown, as it was set; empty: there are none. */
  text: string;
  rules: { line: number; rule: string }[];
  version: number;
  updated_at: number | null;
  /** Live runs that are not held to them yet. */
  runs_behind: number;
  notes?: { line: number; message: string }[];
}

/** What a model costs: US dollars per million tokens. */
export interface ModelPrice {
  input: number;
  output: number;
  /** Absent: as `input`. */
  cache_write?: number;
  /** Absent: as `input`. */
  cache_read?: number;
  /** Tokens below which the vendor caches no prefix. */
  cacheable_from?: number;
  /** Rates of calls whose prompt has more than `over` tokens. */
  long?: { over: number; input: number; output: number; cache_write?: number; cache_read?: number };
  /** The day on which it was read. */
  as_of: string;
  source: string;
}
/** A tenant's own prices, by model. */
export interface TenantPrices {
  prices: Record<string, ModelPrice>;
}
/** What models cost a tenant's runs, by model: the nearest price holds. */
export interface Prices {
  prices: Record<string, ModelPrice & { from: "list" | "deployment" | "tenant" }>;
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
/** What an attempt's failure came to. */
export interface Failed {
  state: TaskState;
  error: ErrorView;
}

// ---- tenants, keys, credentials, the audit log ---------------------------------------------------------------------

/** A tenant, as its operator sees it. */
export interface Tenant {
  id: string;
  /** Empty once it is deleted. */
  name: string;
  status: "active" | "deleting" | "deleted";
  created_at: number;
  deleting_at: number | null;
  deleted_at: number | null;
  quotas: Quotas;
  /** Of one that is being deleted. */
  runs_left?: number;
}

/** Tenants, oldest first. */
export interface TenantsPage {
  tenants: Tenant[];
  next_cursor: string | null;
}

/** A key without its secret. */
export interface Key {
  id: string;
  name: string | null;
  scopes: Scope[];
  created_at: number;
  expires_at: number | null;
  /** To the minute. */
  last_used_at: number | null;
  revoked_at: number | null;
  replaced_by: string | null;
}

/** A new key, with its secret. */
export interface CreatedKey extends Key {
  /** Shown this once. */
  key: string;
}

/** A key that takes another's place. */
export interface RotatedKey extends CreatedKey {
  /** Until `expires_at` the old key still works. */
  replaces: { id: string; expires_at: number };
}

/** Keys, oldest first. */
export interface KeysPage {
  keys: Key[];
  next_cursor: string | null;
}

/** A tenant's credential at a model provider, or at an MCP server; its key is never shown. */
export interface Provider {
  name: string;
  /** `mcp`: it is for the MCP server at `base_url`, and no model's. */
  format: "anthropic" | "openai" | "mcp";
  /** null: the vendor's own. */
  base_url: string | null;
  model: string | null;
  /** Used by new runs that name no credential. */
  default: boolean;
  /** The key's last characters. */
  last4: string;
  created_at: number;
  updated_at: number;
}

/** Credentials, by name. */
export interface ProvidersPage {
  providers: Provider[];
  next_cursor: string | null;
}

/** What was sealed anew. */
export interface Resealed {
  sealed: number;
  left: boolean;
  unreadable: { tenant: string; name: string }[];
}

/** Something that was done to a tenant. */
export interface AuditEntry {
  id: number;
  created_at: number;
  tenant: string | null;
  /** "operator", or the id of the key that was used. */
  actor: string;
  act: string;
  target: string;
  detail: Record<string, unknown>;
}

/** Entries of the audit log, oldest first. */
export interface AuditPage {
  entries: AuditEntry[];
  next_cursor: string | null;
}

/** What a tenant may use at most, and what it uses. */
export interface QuotasAndUse {
  quotas: Quotas;
  used: {
    /** Live ones. */
    runs: number;
    /** Hosted ones that its runs use, or could use now. */
    seats: number;
    /** Since midnight (UTC); null where there is no quota of them. */
    tokens_today: number | null;
    stored_bytes: number;
  };
}
