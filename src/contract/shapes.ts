/**
 * Wire shapes of answers (snake_case), as types: what objects build and the HTTP door sends.
 * Their zod twins for /openapi.json are in responses.ts and are checked against these.
 */

import type { Trouble } from "../availability/observation.ts";
import type { Format, MessageText, Usage } from "../context/types.ts";
import type { Scope } from "./tenant-shapes.ts";

/** Where a run stands; `paused` runs have a `reason`. */
export type RunStatus = "active" | "paused" | "succeeded" | "failed" | "cancelled";
/** Where a task stands: `running` means exactly that it holds an open lease. */
export type TaskState = "waiting" | "ready" | "running" | "parked" | "succeeded" | "failed" | "cancelled" | "skipped";
/** Until all succeeded or one did not; until one succeeded; until all ended. */
export type WaitMode = "all" | "any" | "settled";

export interface LimitsView {
  workers: number;
  tasks: number;
  depth: number;
  children: number;
  tokens: number | null;
  usd: number | null;
  timeout_ms: number;
  hold_ms: number | null;
  stall_ms: number;
  /** How long siblings of a cold prefix are held at most; 0: not at all. */
  warm_ms: number;
  pools: string[];
}

/** Metered tokens, and what they cost. */
export interface UsageView extends Usage {
  /** Null where some of the tokens were of a model without a price. */
  cost_usd: number | null;
  /** Some of the cost is the simulated model's, which nobody is billed for. */
  simulated: boolean;
}

/** How much of the input came from prompt caches: tokens, and the share of it that was read. */
export interface LineageView {
  snapshot: string;
  model: string;
  /** Of the shared prefix, as estimated. */
  tokens: number;
  read: number;
  write: number;
  uncached: number;
  hit_ratio: number | null;
  warm_until: number | null;
  /** One task reads the prefix now, and ready siblings are held for it. */
  warming: boolean;
}

export interface CacheView {
  read: number;
  write: number;
  uncached: number;
  hit_ratio: number | null;
  /** Those with the most tokens. */
  lineages: LineageView[];
}

/** A tool that the run declares; it has a `pool` or a `url`. */
export interface RemoteToolView {
  name: string;
  description: string;
  input_schema: Record<string, unknown>;
  pool?: string;
  url?: string;
  /** `url` is an MCP server's, and this is the tool's name there. */
  mcp?: McpOrigin;
  timeout_ms: number;
  retries: { limit: number };
}

export interface McpOrigin {
  tool: string;
  /** Of the tenant's credentials. */
  credential?: string;
  /** The server says that a second call is harmless. */
  repeats: boolean;
}

/** A rule as it was understood. */
export interface RuleView {
  from: "deployment" | "tenant" | "run";
  line: number;
  rule: string;
}

/** The rules that hold for a run, and what they do now. */
export interface RulesView {
  rules: (RuleView & {
    /** Of one with a condition: it holds now. */
    on?: boolean;
    /** How often it has fired. */
    fired?: number;
    /** When it fired last, or ceased to hold. */
    changed_at?: number | null;
  })[];
  /** How many tasks may work now, and by which rule; null: by the run's own limits. */
  workers: { max: number; by: RuleView | null };
  /** Other limits that a rule sets, with that rule. */
  limits: {
    limit: "tasks" | "depth" | "children" | "tokens" | "usd" | "tokens_per_task";
    max: number;
    by: RuleView;
  }[];
}

export interface SeatsView {
  open: number;
  /** Those that it can use now. */
  target: number;
  /** As many hosted tasks may work at once now. */
  most: number;
  /** What says so: its own limits or rules, or its share of the seats: of its tenant's, or of the deployment's. */
  bound_by: "limits" | "rules" | "tenant" | "deployment";
}

/** What is known of how many calls of a model, or seats, can be had at once. */
export interface AvailabilityView {
  /** Null for the first of them: seats. */
  model: string | null;
  /** Null: as many as the run's own limits allow. */
  limit: number | null;
  /** Runs of the tenant that share what its credential takes now, this one included. */
  runs: number;
  in_flight: number;
  /** Calls that ended, and those of them that were refused, since the run's object was loaded or by the last event. */
  calls: number;
  refused: number;
  /** Of the last refusal; null: there was none. */
  why: Trouble | null;
  retry_after_ms: number | null;
  /** Nothing begins before; null: nothing keeps it. */
  closed_until: number | null;
  /** Between two beginnings, at a limit of 1. */
  gap_ms: number | null;
  /** How many calls may begin now by what the provider says is left per minute; null: it does not say. */
  left: number | null;
}

/** A run as it is now. */
export interface RunView {
  id: string;
  name: string | null;
  status: RunStatus;
  /** Why a paused run pauses, or an ended one ended early. */
  reason: string | null;
  /** Nothing is live. */
  idle: boolean;
  /** The head: the last snapshot appended from outside. */
  snapshot: string;
  format: Format;
  /** Of the tenant's credentials, the one that hosted tasks use; null: the deployment's own. */
  credential: string | null;
  root: string | null;
  counts: Record<TaskState, number>;
  seats: SeatsView;
  /** What a paused run waits for, where its reason is `quota`. */
  quota: { name: string; limit: number; until: number } | null;
  limits: LimitsView;
  tools: RemoteToolView[];
  /** What tells about it shows none of its texts. */
  redact: boolean;
  usage: UsageView & { tokens: number };
  /** As `usage.cost_usd`. */
  cost: number | null;
  /** Models without a price that were called, some of them. */
  unpriced_models: string[];
  cache: CacheView;
  /** null: there are none. */
  rules: RulesView | null;
  /** Of each model that is being called, was refused, or says what is left; and of the platform's seats where they gave trouble. */
  availability: AvailabilityView[];
  findings: number;
  /** Open ones: tasks that ask, and a stall. */
  questions: number;
  last_seq: number;
  created_at: number;
  ended_at: number | null;
  /** In the answer to its creation: what the caller should know and need not act on. */
  notes?: string[];
  /** How long it is kept after its end; null: until somebody deletes it. */
  retention_days: number | null;
  /** From when on it is deleted; null while it goes on, and where it is kept. */
  expires_at: number | null;
}

/** What answers the hosted tasks of a context's format: a provider, local mode's simulated model, or nothing. */
export type ModelSource = "provider" | "simulated" | "none";

/** What a key may do, and what is behind it. */
export interface AboutView {
  version: string;
  /** The server's clock. */
  at: number;
  tenant: string;
  scopes: Scope[];
  models: Record<Format, ModelSource>;
}

/** A shared variable, as it explains itself. */
export interface VariableView {
  name: string;
  kind: string;
  /** What its kind shows of its value in a few fields; long values are cut. */
  state: Record<string, unknown>;
  holders: unknown[];
  waiters: unknown[];
  /** Ops since `ops_since`, when its object was last loaded. */
  ops: Record<string, number>;
  ops_since: number | null;
  created_at: number | null;
}

/** A diagnosis with its evidence. */
export interface FindingView {
  id: string;
  /** When it was found, epoch ms. */
  at: number;
  kind: string;
  severity: "info" | "warning" | "error";
  /** Tasks. */
  subjects: string[];
  /** `seq` of the events that show it, its own last. */
  evidence: number[];
  message: string;
}

/** A call of a remote tool that has no result yet. */
export interface ToolWait {
  /** As its lease names it. */
  id: string;
  tool: string;
  /** The call's id in the reply. */
  call: string;
  /** `ready` for a worker, `running`, or `waiting` to be tried again. */
  state: "ready" | "running" | "waiting";
  since: number;
  /** When it times out. */
  until: number;
  attempts: number;
  worker?: string;
  progress?: { at: number; message?: string; fraction?: number };
}

/** What a task that does not run waits for; null otherwise. */
export type WaitingOn =
  | { tasks: string[]; mode?: WaitMode; until?: number }
  | {
      variables: string[];
      op: string;
      since: number;
      until?: number;
      /** Somebody outside the run is to end it. */
      external?: true;
      /** What the task asks that one: a model's text. */
      ask?: string;
      /** By which it can be answered, while it can. */
      question?: string;
    }
  | { tools: ToolWait[] }
  | { backoff_until: number }
  | { children: number }
  | { fallback: string }
  /** What its next model call may need at most; dollars where the run has a budget of them. */
  | { budget: true; needs?: { tokens: number; usd: number | null } }
  | { cache_warming: string; until: number }
  /** Its model is at its limit, or is to be left alone until then. */
  | { availability: string; until: number | null }
  | null;

/** The task that another ended because of, as it was then. */
export interface BecauseView {
  task: string;
  key?: string;
  state: TaskState;
  /** Of its error; absent where it succeeded or had not ended. */
  code?: string;
}

/** Why a task ended other than well. */
export interface ErrorView {
  code: string;
  message: string;
  hint?: string;
  because?: BecauseView;
  /** Why, when the error is another task's: the chain down to the first cause. */
  cause?: { task: string; error: ErrorView };
}

/** A task as it is now. */
export interface TaskView {
  id: string;
  key: string | null;
  title: string | null;
  state: TaskState;
  priority: number;
  /** At least `priority`: raised to that of any task that waits for this one. */
  effective_priority: number;
  pool: string;
  parent: string | null;
  depth: number;
  generation: number;
  attempts: number;
  turns: number;
  after: string[];
  labels: Record<string, string>;
  result: unknown;
  error: ErrorView | null;
  usage: UsageView;
  timings: { created_at: number; ready_at: number | null; started_at: number | null; ended_at: number | null };
  waiting_on: WaitingOn;
  /** What the pull worker that carries it out last told of its present attempt; a restart of the server forgets it. */
  progress: TaskProgress | null;
  /** Messages to it that its next turn shows. */
  pending_messages: number;
  children_failed: number;
  /** The group that it is in. */
  group: GroupView | null;
  /** The task that its `on_failure` became, in the present generation. */
  stand_in: string | null;
  /** The task that failed, or whose work it undoes. */
  stands_in_for: { task: string; why: "fallback" | "compensation" } | null;
  fork: { snapshot: string; mode: string; reason?: string };
}

/** How far a pull worker is with a task. */
export interface TaskProgressReport {
  /** What it does now, in one line. */
  message?: string;
  /** 0 to 1. */
  fraction?: number;
  /** Turns so far, also those that it does not log. */
  turns?: number;
  /** Tokens of the attempt so far; shown, and counted only when the attempt ends. */
  usage?: {
    input_tokens?: number;
    output_tokens?: number;
    cache_read_tokens?: number;
    cache_write_tokens?: number;
    cost_usd?: number;
  };
}

/** A report, with when it came. */
export interface TaskProgress extends TaskProgressReport {
  at: number;
}

export interface GroupView {
  name: string;
  state: "open" | "met" | "failed";
  /** How many must succeed. */
  require: number;
  succeeded: number;
  /** Those that succeeded included. */
  ended: number;
  size: number;
}

/** A turn of a task's present generation. */
export interface TurnView {
  turn: number;
  /** In which it was taken: a retry from a turn keeps those before. */
  generation: number;
  /** Of its event. */
  seq: number;
  at: number;
  /** The transcript up to its reply. */
  snapshot: string;
  usage: UsageView;
  model: string | null;
  model_ms: number | null;
  /** Tools that its reply called. */
  calls: { id: string; name: string }[];
}

/** How busy a pull worker's machine is: shares from 0 to 1. */
export interface LoadView {
  cpu: number;
  /** Absent where the system does not tell what is available. */
  memory?: number;
}

/** A pull worker as its pool saw it last. */
export interface PoolWorkerView {
  worker: string;
  /** As the worker reported it; null when it did not. */
  load: LoadView | null;
  seen_at: number;
}

/** A session of an agent outside. */
export interface ActorView {
  id: string;
  name: string;
  ttl_ms: number;
  created_at: number;
  /** When it ends unless it is used or renewed. */
  expires_at: number;
  holds: { variable: string; since: number; token?: number; mode?: string; permits?: number }[];
  waiting_on: WaitingOn;
}

/** Sums of what was used: the dimension's value under its name (`label` for a label), and amounts. */
export type UsageRowView = Record<string, string | number>;

/** What the tenant has used, summed by a dimension. */
export interface UsagePage {
  /** Epoch ms: from this hour, up to this one. */
  from: number;
  to: number;
  by: string;
  /** false: some runs have used more than could be noted in time. */
  complete: boolean;
  usage: UsageRowView[];
  next_cursor: string | null;
}

export interface Page<Row> {
  rows: Row[];
  nextCursor: string | null;
}

/** What was created, and what is known of it before a token is spent. */
export interface CreatedTasks {
  /** What they fork: `from`, or the head that the run had. */
  snapshot: string;
  tasks: { id: string; key: string | null; state: TaskState; priority: number; pool: string }[];
  projection: Projection;
  /** Things that the caller should know and need not act on, e.g. that a relocated fork's cache is cold. */
  notes?: string[];
}

/** What the first model calls of a batch come to, as reckoned beforehand. */
export interface Projection {
  input_tokens: number;
  cached_tokens: number;
  cache_write_tokens: number;
  /** What the cost assumes of each hosted task's first call. */
  output_tokens: number;
  cost: number | null;
  simulated: boolean;
  budget_left: number | null;
  budget_left_usd: number | null;
  critical_path_tasks: number;
}

/** An event of a run's log; its other fields are those of its type. */
export interface EventView {
  seq: number;
  at: number;
  type: string;
  task?: string;
  causes: number[];
  [field: string]: unknown;
}

/** What a page may watch a run with. */
export interface TicketView {
  ticket: string;
  expires_at: number;
}

/** A part of a reply that a hosted task's model is still writing: `text` follows its first `offset` characters. */
export interface PartialView {
  task: string;
  turn: number;
  offset: number;
  text: string;
}

/** What a wait has seen: of the tasks named, or of all. */
export interface WaitView {
  done: boolean;
  tasks?: TaskView[];
  counts?: Record<TaskState, number>;
  failed?: string[];
  /** Why the run is paused, where it is and the wait is not done. */
  paused?: string;
}

/** A lease as an object grants it; the HTTP door signs (tenant, run, task, fence) into its id. */
export interface LeaseGrant {
  run: string;
  taskNumber: number;
  fence: number;
  expires_at: number;
  task: TaskView & { instructions: string; attempt: number; output_schema?: Record<string, unknown> };
  /** JSON text of `{format, model, system?, messages, tools?, params?}`; null when it is fetched by snapshot instead. */
  contextText: string | null;
  /** Messages to the task that follow the context. */
  messages: readonly MessageText[];
  snapshot: string;
  /** Those that the task may use before a turn is refused; absent where nothing bounds them. */
  tokensLeft?: number;
}

export type ToolFormat = "anthropic" | "openai" | "mcp" | "json-schema";

/** MCP's hints about a tool; what is left out is the protocol's default. */
export interface ToolAnnotations {
  readOnlyHint?: boolean;
  destructiveHint?: boolean;
  idempotentHint?: boolean;
  openWorldHint?: boolean;
}

/** A lease of a remote tool's call, as an object grants it; the HTTP door signs it as it does a task's. */
export interface ToolCallGrant {
  run: string;
  /** The calling task's, or session's. */
  taskNumber: number;
  call: number;
  fence: number;
  expires_at: number;
  toolCall: Omit<ToolCallView, "arguments">;
  /** JSON text of an object. */
  argumentsText: string;
}

/** A call of a remote tool, as its worker gets it. */
export interface ToolCallView {
  id: string;
  tool: string;
  arguments: Record<string, unknown>;
  /** The same for every attempt of the call. */
  idempotency_key: string;
  attempt: number;
  timeout_at: number;
  run: string;
  task: { id: string; key: string | null; title: string | null };
}

export type Grant = LeaseGrant | ToolCallGrant;

/** A tool call's answer: exactly one of result, error, pending. */
export type ToolOutcome =
  | { result: unknown }
  | { error: { code: string; message: string; hint: string; [more: string]: unknown } }
  | { pending: true; call_id: string };

export interface SnapshotView {
  snapshot: string;
  parent: string | null;
  /** JSON text, see LeaseGrant.contextText. */
  contextText: string;
}

export interface ContextInput {
  format: Format;
  model?: string;
  system?: string;
  tools?: string;
  params?: string;
  messages: MessageText[];
}
