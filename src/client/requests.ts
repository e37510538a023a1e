/** What callers send (snake_case, as on the wire). Replies are in contract/shapes.ts. */

import type { Usage } from "../context/types.ts";
import type { AnswerInput } from "../contract/question-shapes.ts";
import type { RunStatus, TaskState, ToolAnnotations, ToolFormat, WaitMode } from "../contract/shapes.ts";
import type { Scope } from "../contract/tenant-shapes.ts";
import type { DeliveryView, WebhookSpec } from "../contract/webhook-shapes.ts";
import type { ModelPrice } from "./replies.ts";

export type { TaskProgressReport } from "../contract/shapes.ts";
export type { WebhookChoice, WebhookSpec } from "../contract/webhook-shapes.ts";
export type { AnswerInput, ToolAnnotations, ToolFormat };

/** A provider-native message, passed on as it is: the vendors' own message types fit, whatever else they hold. */
export type Message = {
  role: string;
  content?: unknown;
  /** OpenAI's format. */
  tool_calls?: unknown;
  tool_call_id?: string;
  name?: string;
};

/** A tool as the vendor's request takes it. */
export interface AnthropicTool {
  name: string;
  description: string;
  input_schema: { type: "object"; [keyword: string]: unknown };
}

/** A tool as OpenAI's chat completions take it. */
export interface OpenAiTool {
  type: "function";
  function: { name: string; description: string; parameters: { [keyword: string]: unknown } };
}

/** As `tools/list` of the Model Context Protocol has it. */
export interface McpTool {
  name: string;
  description: string;
  inputSchema: { type: "object"; [keyword: string]: unknown };
  annotations?: ToolAnnotations;
}

/** Nobody's format: for whatever takes a JSON Schema. */
export interface JsonSchemaTool {
  name: string;
  description: string;
  schema: { type: "object"; [keyword: string]: unknown };
}

/** A context in the format of its vendor; what is left out is the deployment's default. */
export interface ContextSpec {
  format?: "anthropic" | "openai";
  model?: string;
  system?: string | Record<string, unknown>[];
  messages?: Message[];
  /** Kept exactly; it must contain Heddle's own tools if forks are to call them. Left out: Heddle's own and the run's. */
  tools?: object[];
  params?: Record<string, unknown>;
}

/** Which part of the context a task gets. */
export type Fork = "full" | "auto" | "none" | { snapshot: string } | { last: number };

/** What a caller says about one task. */
export interface TaskSpec {
  key?: string;
  title?: string;
  instructions: string;
  context?: string | Message[];
  fork?: Fork;
  /** Ids or keys. */
  after?: string[];
  on_dependency_failure?: "skip" | "run";
  /** The group of this batch that it is in: all of them must succeed, unless `groups` says otherwise. */
  group?: string;
  /** Runs when the task fails, and its result counts instead; or undoes a success whose group failed. */
  on_failure?: { task: StandInSpec };
  /** 0–9, 9 first. */
  priority?: number;
  pool?: string;
  model?: string;
  max_turns?: number;
  max_tokens?: number;
  /** When its conversation no longer fits the model's window: fail, or go on with the newest turns. */
  on_context_too_long?: "fail" | { last: number };
  timeout_ms?: number;
  retries?: { limit?: number; backoff_ms?: number };
  output_schema?: Record<string, unknown>;
  detached?: boolean;
  labels?: Record<string, string>;
}

/** What it leaves out is as its task has it. `{{key}}` may name what the task depends on. */
export interface StandInSpec {
  title?: string;
  instructions: string;
  context?: string;
  fork?: Fork;
  pool?: string;
  model?: string;
  max_turns?: number;
  max_tokens?: number;
  timeout_ms?: number;
  retries?: { limit?: number; backoff_ms?: number };
  output_schema?: Record<string, unknown>;
}

/** Which usage, and by what. */
export interface UsageQuery extends PageQuery {
  /** `hour`, `day`, `run`, `key`, `model`, `pool`, or `label:NAME`. */
  by?: string;
  /** A day (2026-11-26), a time in UTC, or epoch ms. */
  from?: string;
  to?: string;
}

/** Terms of groups, by name. */
export type Groups = Record<
  string,
  {
    /** How many members must succeed; all by default. */
    require?: number;
    /** When that can't be any more: cancel the others (default), or let them go on. */
    on_failure?: "cancel" | "continue";
    /** When so many have succeeded: let the others go on (default), or cancel them. */
    when_met?: "continue" | "cancel";
  }
>;

/** Bounds of a run; what is left out has the default. */
export interface RunLimits {
  workers?: number;
  tasks?: number;
  depth?: number;
  children?: number;
  tokens?: number;
  /** US dollars. */
  usd?: number;
  timeout_ms?: number;
  hold_ms?: number;
  stall_ms?: number;
  /** How long siblings of a cold prefix are held at most; 0: never. */
  warm_ms?: number;
  pools?: string[];
}

/** A tool that agents of the run may call, and that workers of `pool`, or the endpoint `url`, carry out. */
export interface RemoteTool {
  name: string;
  description: string;
  /** JSON Schema of an object. */
  input_schema: Record<string, unknown>;
  pool?: string;
  url?: string;
  timeout_ms?: number;
  retries?: { limit?: number };
}

/** An MCP server whose tools agents of the run may call: those of `allow`, as it lists them when the run is created. */
export interface McpServerTools {
  mcp: {
    url: string;
    /** A credential of the tenant with format `mcp` for this address. */
    credential?: string;
  };
  /** By their names there. */
  allow: string[];
  /** Before the names that agents see. */
  prefix?: string;
  timeout_ms?: number;
  retries?: { limit?: number };
}

/** Whose context a new run begins with. */
export interface ForkSource {
  run: string;
  /** One of its snapshots; left out: its head, or what `task` names. */
  snapshot?: string;
  /** Id or key: its newest snapshot, or what it had after `turn`. */
  task?: string;
  turn?: number;
}

/** What a caller says about a run. */
export interface RunSpec {
  name?: string;
  context?: ContextSpec;
  /** In place of `context`: that of another run of the tenant. */
  from?: ForkSource;
  /** Of the tenant's credentials, by name; null: the deployment's own. */
  credential?: string | null;
  limits?: RunLimits;
  /** How long it is kept after its end; default: as the deployment has it (30 days). */
  retention_days?: number;
  /** In Markdown: every bullet is a rule. */
  rules?: string;
  /** When a posted task fails and nothing answers for it: go on (default), or cancel the rest and end as failed. */
  policy?: { on_failure: "continue" | "cancel" };
  tools?: (RemoteTool | McpServerTools)[];
  root?: TaskSpec;
  /** Events, traces, findings and partial texts show none of the run's texts. */
  redact?: boolean;
  /** Where the run's events are told as they happen. */
  webhook?: WebhookSpec;
}

/** Which messages of a webhook, of those that were tried. */
export interface DeliveriesQuery extends PageQuery {
  state?: DeliveryView["state"];
}

/** Which messages are sent again, of those that were tried; left out: all. */
export interface ReplayRequest {
  /** Of events with a greater seq. */
  after?: number;
  state?: DeliveryView["state"];
}

/** What a trace is written as. */
export type TraceFormat = "perfetto" | "otlp" | "csv";

/** Which page of a list. */
export interface PageQuery {
  /** Rows, at most 1,000. */
  limit?: number;
  cursor?: string;
}

/** Which runs, and in what order. */
export interface RunsQuery extends PageQuery {
  /** `asc`, the oldest first, where left out; `desc`, the newest first. */
  order?: "asc" | "desc";
  status?: RunStatus;
  /** Only runs of exactly this name. */
  name?: string;
  /** Only runs created from then on: a day (2026-11-26), a time in UTC, or epoch milliseconds. */
  from?: string | number;
  /** Only runs created before then. */
  to?: string | number;
}

/** Which questions. */
export interface QuestionsQuery extends PageQuery {
  /** Ids or keys: only what holds one of them up. */
  tasks?: string[];
}

/** Which tasks: those of which all is true that is given. */
export interface TasksQuery extends PageQuery {
  state?: TaskState;
  /** Whoever created it. */
  key?: string;
  /** One that it has, whatever the value, or as `name=value` with this value. */
  label?: string;
  pool?: string;
  /** The id or key of the task that created it. */
  parent?: string;
}

/** What to wait for, and how long this poll may take. */
export interface WaitRequest {
  /** Ids or keys; left out: every task of the run. */
  tasks?: string[];
  mode?: WaitMode;
  timeout_ms?: number;
}

/** A tool call of an agent. */
export interface ToolRequest {
  arguments?: unknown;
  call_id?: string;
  snapshot?: string;
  messages?: Message[];
  wait_ms?: number;
  /** The session that holds what the call takes, and waits. */
  actor?: string;
}

/** A new session. */
export interface ActorRequest {
  /** Shown where the session holds something. */
  name?: string;
  ttl_ms?: number;
}

/** A pull worker asks for tasks. */
export interface LeasesRequest {
  /** The worker's own name; shown in the log. */
  worker: string;
  /** 0: lease nothing, only say that the worker is there, and its load. */
  max?: number;
  wait_ms?: number;
  /** The idempotency key of a lease request that nobody waits for any more: it is given nothing from now on. */
  supersedes?: string;
  /** How busy its machine is: shares from 0 to 1. */
  load?: { cpu: number; memory?: number };
}

/** A worker asks for calls of remote tools. */
export interface ToolLeasesRequest extends LeasesRequest {
  /** Only calls of these tools; left out: of any that the pool has. */
  tools?: string[];
}

/** How far a tool call is. */
export interface ProgressReport {
  message?: string;
  /** 0 to 1. */
  fraction?: number;
}

/** What a tool call came to. */
export interface CompleteToolCallRequest {
  /** Text or any JSON, at most 1 MiB. */
  result: unknown;
  /** The tool was carried out, and the result is an error that it found. */
  is_error?: boolean;
  /** Lease the next call of the same tool in the same call. */
  next?: boolean;
  worker?: string;
}

/** What a worker's models used. */
export interface ReportedUsage extends Partial<Usage> {
  /** US dollars, where the worker knows; it counts in place of the price list's. */
  cost_usd?: number;
}

/** What a task came to. */
export interface CompleteRequest {
  result: unknown;
  usage?: ReportedUsage;
  /** Lease the next task of the pool in the same call. */
  next?: boolean;
  worker?: string;
}

/** Why an attempt failed. */
export interface FailRequest {
  error: { code: string; message: string };
  retryable?: boolean;
  /** Of a task: what the attempt used nevertheless. */
  usage?: ReportedUsage;
}

/** A tenant's new key. */
export interface KeyRequest {
  name?: string;
  scopes?: Scope[];
  /** Milliseconds since 1970; null: never. */
  expires_at?: number | null;
}

/** How a key is replaced. */
export interface RotateRequest {
  /** How long the old key still works; a day unless it is said. */
  overlap_ms?: number;
  /** Of the new key; as the old one's unless it is said. */
  expires_at?: number | null;
}

/** What models cost a tenant, by model: US dollars per million tokens. */
export type PriceList = Record<string, Omit<ModelPrice, "as_of" | "source"> & Partial<ModelPrice>>;

/** A credential at a model provider. */
export interface ProviderRequest {
  /** `mcp`: it is for the MCP server at `base_url`, and no model's. */
  format: "anthropic" | "openai" | "mcp";
  key: string;
  base_url?: string;
  model?: string;
  default?: boolean;
}

/** Which entries of the audit log. */
export interface AuditQuery {
  tenant?: string;
  limit?: number;
  cursor?: string;
}
