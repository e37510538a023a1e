/**
 * The typed client of Heddle's HTTP API: one method a call.
 *
 * Every method repeats itself over lost connections and temporary refusals without a second effect, throws HeddleProblem or
 * HeddleUnreachable, and ends at once when `signal` aborts. A server that restarts in between is not noticed.
 */

import { importWaitMs, waitMsMax } from "../limits.ts";
import { BrokenExport, isProblem } from "./errors.ts";
import { type FollowOptions, type FollowQuery, follow } from "./follow.ts";
import type {
  AboutView,
  ActorsPage,
  ActorView,
  AuditPage,
  ContextView,
  CreatedTasks,
  CriticalPathView,
  EventsPage,
  EventView,
  Failed,
  FindingsPage,
  Imported,
  Lease,
  PartialText,
  PoolPage,
  Provider,
  ProvidersPage,
  Renewed,
  RulesCheck,
  RulesTrial,
  RunsPage,
  RunView,
  Snapshot,
  TasksPage,
  TaskView,
  TenantRules,
  ToolCallLease,
  ToolOutcome,
  TurnLogged,
  TurnsPage,
  UsagePage,
  VariablesPage,
  VariableView,
  WaitView,
  WatchTicket,
} from "./replies.ts";
import type {
  ActorRequest,
  AnthropicTool,
  CompleteRequest,
  CompleteToolCallRequest,
  FailRequest,
  Groups,
  JsonSchemaTool,
  LeasesRequest,
  McpTool,
  Message,
  OpenAiTool,
  PageQuery,
  ProgressReport,
  ProviderRequest,
  RunSpec,
  TaskSpec,
  TasksQuery,
  ToolFormat,
  ToolLeasesRequest,
  ToolRequest,
  TraceFormat,
  UsageQuery,
  WaitRequest,
} from "./requests.ts";
import { type CallOptions, Transport, type TransportOptions } from "./transport.ts";

/** `tools`: only these of Heddle's tools, by name; each costs tokens in every request. */
export type ToolsOptions = CallOptions & { readonly tools?: readonly string[] };

export class Heddle {
  readonly #transport: Transport;

  constructor(options: TransportOptions) {
    this.#transport = new Transport(options);
  }

  get url(): string {
    return this.#transport.url;
  }

  /** Resolves when the server is ready to serve. @throws HeddleProblem `not_ready`, HeddleUnreachable */
  async health(options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ ...options, method: "GET", path: "/health", withKey: false });
  }

  /** What the key may do, and what is behind it. */
  about(options: CallOptions = {}): Promise<AboutView> {
    return this.#get("/v1/about", {}, options);
  }

  // ---- the tenant's own settings: with a key that has the scope `tenant_admin` -----------------------------------------

  /** The tenant's credentials at model providers, by name. */
  listProviders(query: PageQuery = {}, options: CallOptions = {}): Promise<ProvidersPage> {
    return this.#get("/v1/providers", { ...query }, options);
  }
  putProvider(name: string, body: ProviderRequest, options: CallOptions = {}): Promise<Provider> {
    const path = `/v1/providers/${encodeURIComponent(name)}`;
    return this.#transport.json({ ...options, method: "PUT", path, body });
  }
  async deleteProvider(name: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({
      ...options,
      method: "DELETE",
      path: `/v1/providers/${encodeURIComponent(name)}`,
    });
  }
  /** What was done to the tenant, oldest first. */
  audit(query: PageQuery = {}, options: CallOptions = {}): Promise<AuditPage> {
    return this.#get("/v1/audit", { ...query }, options);
  }

  // ---- runs ----------------------------------------------------------------------------------------------------------

  createRun(run: RunSpec, options: CallOptions = {}): Promise<RunView> {
    return this.#post("/v1/runs", run, options);
  }
  listRuns(query: PageQuery = {}, options: CallOptions = {}): Promise<RunsPage> {
    return this.#get("/v1/runs", { ...query }, options);
  }
  run(run: string, options: CallOptions = {}): Promise<RunView> {
    return this.#get(at(run), {}, options);
  }
  async deleteRun(run: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ ...options, method: "DELETE", path: at(run) });
  }
  pauseRun(run: string, options: CallOptions = {}): Promise<RunView> {
    return this.#post(`${at(run)}/pause`, {}, options);
  }
  resumeRun(run: string, options: CallOptions = {}): Promise<RunView> {
    return this.#post(`${at(run)}/resume`, {}, options);
  }
  cancelRun(run: string, body: { reason?: string } = {}, options: CallOptions = {}): Promise<RunView> {
    return this.#post(`${at(run)}/cancel`, body, options);
  }
  /** Ends a run without a root. @throws HeddleProblem `tasks_live` while any live, unless `cancel` */
  finishRun(run: string, body: { cancel?: boolean } = {}, options: CallOptions = {}): Promise<RunView> {
    return this.#post(`${at(run)}/finish`, body, options);
  }
  /** New totals, of tokens, of dollars or of both. @throws HeddleProblem `below_spent` */
  setBudget(run: string, body: { tokens?: number; usd?: number }, options: CallOptions = {}): Promise<RunView> {
    return this.#post(`${at(run)}/budget`, body, options);
  }
  /** How long the run is kept after its end, counted from there; also once it has ended. */
  retainRun(run: string, body: { days: number }, options: CallOptions = {}): Promise<RunView> {
    return this.#post(`${at(run)}/retain`, body, options);
  }

  /** What rules in Markdown say. @throws HeddleProblem `rules_invalid`, whose errors have lines */
  checkRules(rules: string, options: CallOptions = {}): Promise<RulesCheck> {
    return this.#post("/v1/rules/check", { rules }, options);
  }

  /** What rules in Markdown would have done in a run, by its log. @throws HeddleProblem `rules_invalid`, `log_too_long` */
  tryRules(run: string, rules: string, options: CallOptions = {}): Promise<RulesTrial> {
    return this.#post(`${at(run)}/rules/try`, { rules }, options);
  }
  /** The rules that all of the tenant's runs are held to. */
  tenantRules(options: CallOptions = {}): Promise<TenantRules> {
    return this.#get("/v1/rules", {}, options);
  }
  /** Sets them, in Markdown, for new runs and live ones; with a key of the scope `tenant_admin`. @throws HeddleProblem `rules_invalid` */
  setTenantRules(rules: string, options: CallOptions = {}): Promise<TenantRules> {
    return this.#put("/v1/rules", { rules }, options);
  }
  async deleteTenantRules(options: CallOptions = {}): Promise<void> {
    await this.#transport.json({ ...options, method: "DELETE", path: "/v1/rules" });
  }
  /** Replaces a run's own rules, in Markdown; "" takes them away. @throws HeddleProblem `rules_invalid`, whose errors have lines */
  setRules(run: string, rules: string, options: CallOptions = {}): Promise<RunView> {
    return this.#put(`${at(run)}/rules`, { rules }, options);
  }

  /**
   * The run's file, line by line, checked as it passes: the last line comes only when all before it are whole.
   * Not repeated: a stream that breaks is begun again by the caller. @throws BrokenExport, HeddleProblem `run_changing`
   */
  async *exportRun(run: string, options: CallOptions = {}): AsyncGenerator<string, void, void> {
    const response = await this.#transport.stream({
      ...options,
      method: "GET",
      path: `${at(run)}/export`,
      accept: "application/x-ndjson",
    });
    const { checkedLines, linesOf } = await files();
    try {
      yield* checkedLines(linesOf(response.body as unknown as AsyncIterable<Uint8Array>));
    } catch (error) {
      options.signal?.throwIfAborted();
      if (isProblem(error) || error instanceof BrokenExport) throw error;
      throw new BrokenExport(`the connection broke off: ${(error as Error).message}`, { cause: error });
    }
  }

  /**
   * A new run from the lines of a file, in as many requests as it takes; each is repeated as other calls are.
   * `progress` hears of the lines that are in. Nothing is there unless all of it is. @throws BrokenExport, HeddleProblem
   */
  async importRun(
    lines: AsyncIterable<string> | Iterable<string>,
    options: CallOptions & { readonly progress?: (lines: number) => void } = {},
  ): Promise<RunView> {
    const { progress, ...call } = options;
    const { checkedLines, requestsOf } = await files();
    let id: string | undefined;
    for await (const request of requestsOf(checkedLines(asAsync(lines)))) {
      const path = id === undefined ? "/v1/runs/import" : `/v1/runs/import/${encodeURIComponent(id)}`;
      const query = id === undefined ? {} : { after: request.after };
      const taken: Imported = await this.#transport.json({
        ...call,
        method: "POST",
        path,
        query,
        lines: request.text,
        waitMs: importWaitMs,
      });
      id = taken.id;
      progress?.(taken.lines);
      if (taken.run) return taken.run;
    }
    throw new BrokenExport("the server did not take the last line for the end");
  }

  // ---- context -------------------------------------------------------------------------------------------------------

  /** The main agent's context grew by `messages` after a snapshot. */
  appendContext(
    run: string,
    body: { after: string; messages: Message[] },
    options: CallOptions = {},
  ): Promise<{ snapshot: string }> {
    return this.#post(`${at(run)}/context`, body, options);
  }
  /** A snapshot's messages; with `after`, an ancestor of it, only those that follow that one. */
  snapshot(run: string, hash: string, query: { after?: string } = {}, options: CallOptions = {}): Promise<Snapshot> {
    return this.#get(`${at(run)}/snapshots/${encodeURIComponent(hash)}`, { ...query }, options);
  }

  // ---- tasks ---------------------------------------------------------------------------------------------------------

  /** Posts 1 to 1,000 tasks, all or nothing. */
  createTasks(
    run: string,
    body: { tasks: TaskSpec[]; groups?: Groups; from?: string },
    options: CallOptions = {},
  ): Promise<CreatedTasks> {
    return this.#post(`${at(run)}/tasks`, body, options);
  }
  listTasks(run: string, query: TasksQuery = {}, options: CallOptions = {}): Promise<TasksPage> {
    return this.#get(`${at(run)}/tasks`, { ...query }, options);
  }
  /** Every task, page by page. */
  async *tasks(run: string, query: TasksQuery = {}, options: CallOptions = {}): AsyncGenerator<TaskView> {
    for (let cursor = query.cursor; ; ) {
      const page = await this.listTasks(run, { ...query, ...(cursor !== undefined && { cursor }) }, options);
      yield* page.tasks;
      if (page.next_cursor === null) return;
      cursor = page.next_cursor;
    }
  }
  task(run: string, task: string, options: CallOptions = {}): Promise<TaskView> {
    return this.#get(at(run, task), {}, options);
  }
  /** What Heddle has found out about the run: deadlocks, for example. */
  findings(run: string, query: PageQuery = {}, options: CallOptions = {}): Promise<FindingsPage> {
    return this.#get(`${at(run)}/findings`, { ...query }, options);
  }
  /** What the tenant has used, by day unless `by` says otherwise. */
  usage(query: UsageQuery = {}, options: CallOptions = {}): Promise<UsagePage> {
    return this.#get("/v1/usage", { ...query }, options);
  }
  /** Where its time went, and what would have made it shorter; of its tasks `limit` (100), those with the least slack first. */
  criticalPath(run: string, query: { limit?: number } = {}, options: CallOptions = {}): Promise<CriticalPathView> {
    return this.#get(`${at(run)}/critical-path`, { ...query }, options);
  }
  /** The run as a document that other tools open, as it comes: `perfetto` (default), `otlp` or `csv`. Not repeated once it began. */
  async trace(run: string, query: { format?: TraceFormat } = {}, options: CallOptions = {}): Promise<Response> {
    const path = `${at(run)}/trace${query.format ? `?format=${query.format}` : ""}`;
    return this.#transport.stream({ ...options, method: "GET", path, accept: "*/*" });
  }
  /** Shared variables in the order of their first use. */
  variables(run: string, query: PageQuery = {}, options: CallOptions = {}): Promise<VariablesPage> {
    return this.#get(`${at(run)}/variables`, { ...query }, options);
  }
  /** Its kind, state, holders, waiters and op counts. */
  variable(run: string, name: string, options: CallOptions = {}): Promise<VariableView> {
    return this.#get(`${at(run)}/variables/${encodeURIComponent(name)}`, {}, options);
  }
  /** As `snapshot`, the text as stored: parsing and printing it would change bytes. */
  snapshotText(run: string, hash: string, options: CallOptions = {}): Promise<string> {
    return this.#text(`${at(run)}/snapshots/${encodeURIComponent(hash)}`, options);
  }
  /** The task's whole transcript. */
  taskContext(run: string, task: string, options: CallOptions = {}): Promise<ContextView> {
    return this.#get(`${at(run, task)}/context`, {}, options);
  }
  /** As `taskContext`, the text as stored. */
  taskContextText(run: string, task: string, options: CallOptions = {}): Promise<string> {
    return this.#text(`${at(run, task)}/context`, options);
  }
  cancelTask(run: string, task: string, body: { reason?: string } = {}, options: CallOptions = {}): Promise<TaskView> {
    return this.#post(`${at(run, task)}/cancel`, body, options);
  }
  /** A message that the task's next turn shows; `seq` is that of its event. @throws HeddleProblem `task_ended` */
  sendMessage(
    run: string,
    task: string,
    body: { content: string | object[] },
    options: CallOptions = {},
  ): Promise<{ seq: number }> {
    return this.#post(`${at(run, task)}/messages`, body, options);
  }
  /**
   * Begins a new generation of an ended task, from its start or after one of its turns: what came later is void.
   * @throws HeddleProblem `task_not_ended`, `unknown_turn`, `final_turn`
   */
  retryTask(
    run: string,
    task: string,
    body: { from_turn?: number } = {},
    options: CallOptions = {},
  ): Promise<TaskView> {
    return this.#post(`${at(run, task)}/retry`, body, options);
  }
  /** The turns of the task's present generation, oldest first. */
  turns(run: string, task: string, query: PageQuery = {}, options: CallOptions = {}): Promise<TurnsPage> {
    return this.#get(`${at(run, task)}/turns`, { ...query }, options);
  }

  // ---- wait ----------------------------------------------------------------------------------------------------------

  /** One long poll of at most 60 s. */
  wait(run: string, body: WaitRequest = {}, options: CallOptions = {}): Promise<WaitView> {
    return this.#transport.json({
      ...options,
      method: "POST",
      path: `${at(run)}/wait`,
      body,
      waitMs: body.timeout_ms ?? waitMsMax,
      idempotent: false,
    });
  }

  /** Waits as long as it takes, poll after poll. */
  async waitFor(run: string, body: Omit<WaitRequest, "timeout_ms"> = {}, options: CallOptions = {}): Promise<WaitView> {
    for (;;) {
      const seen = await this.wait(run, { ...body, timeout_ms: waitMsMax }, options);
      if (seen.done) return seen;
    }
  }

  // ---- tools ---------------------------------------------------------------------------------------------------------

  /** Heddle's tools, ready to paste into a request of that vendor, or as an MCP server lists them, or as plain schemas. */
  toolDefinitions(format: "anthropic", options?: ToolsOptions): Promise<AnthropicTool[]>;
  toolDefinitions(format: "openai", options?: ToolsOptions): Promise<OpenAiTool[]>;
  toolDefinitions(format: "mcp", options?: ToolsOptions): Promise<McpTool[]>;
  toolDefinitions(format: "json-schema", options?: ToolsOptions): Promise<JsonSchemaTool[]>;
  async toolDefinitions(format: ToolFormat, { tools, ...options }: ToolsOptions = {}): Promise<object[]> {
    const query = { format, ...(tools && { tools: tools.join(",") }) };
    const reply = await this.#get<{ tools: object[] }>("/v1/tools", query, options);
    return reply.tools;
  }

  /** A tool call of an agent outside. Whatever the agent can be told is an outcome and not an error. */
  callTool(run: string, tool: string, body: ToolRequest = {}, options: CallOptions = {}): Promise<ToolOutcome> {
    return this.#tool(`${at(run)}/tools/${encodeURIComponent(tool)}`, body, options, true);
  }

  /** The key by which an endpoint checks that a call of its tool comes from Heddle (Standard Webhooks). */
  signingSecret(options: CallOptions = {}): Promise<{ secret: string }> {
    return this.#get("/v1/tools/signing-secret", {}, options);
  }

  // ---- sessions --------------------------------------------------------------------------------------------------------

  /** A session that may hold locks and permits, and wait, from outside any task; it ends `ttl_ms` after its last call. */
  openActor(run: string, body: ActorRequest = {}, options: CallOptions = {}): Promise<ActorView> {
    return this.#post(`${at(run)}/actors`, body, options);
  }
  actors(run: string, query: PageQuery = {}, options: CallOptions = {}): Promise<ActorsPage> {
    return this.#get(`${at(run)}/actors`, { ...query }, options);
  }
  actor(run: string, actor: string, options: CallOptions = {}): Promise<ActorView> {
    return this.#get(`${at(run)}/actors/${encodeURIComponent(actor)}`, {}, options);
  }
  renewActor(run: string, actor: string, options: CallOptions = {}): Promise<ActorView> {
    return this.#post(`${at(run)}/actors/${encodeURIComponent(actor)}/renew`, {}, options);
  }
  /** What it holds is released. */
  async closeActor(run: string, actor: string, options: CallOptions = {}): Promise<void> {
    await this.#transport.json({
      ...options,
      method: "DELETE",
      path: `${at(run)}/actors/${encodeURIComponent(actor)}`,
    });
  }

  // ---- pools and leases: pull workers ----------------------------------------------------------------------------------

  /** The pool's workers that asked for work lately, with their load. */
  pool(pool: string, query: PageQuery = {}, options: CallOptions = {}): Promise<PoolPage> {
    return this.#get(`/v1/pools/${encodeURIComponent(pool)}`, { ...query }, options);
  }
  lease(pool: string, body: LeasesRequest, options: CallOptions = {}): Promise<Lease[]> {
    return this.#leases(pool, body, options);
  }
  /** Calls of remote tools that wait for a worker of the pool. */
  leaseToolCalls(pool: string, body: ToolLeasesRequest, options: CallOptions = {}): Promise<ToolCallLease[]> {
    return this.#leases(pool, { ...body, kinds: ["tool_call"] }, options);
  }
  async #leases<Kind>(pool: string, body: LeasesRequest & { kinds?: string[] }, options: CallOptions): Promise<Kind[]> {
    const reply = await this.#transport.json<{ leases: Kind[] }>({
      ...options,
      method: "POST",
      path: `/v1/pools/${encodeURIComponent(pool)}/leases`,
      body,
      waitMs: body.wait_ms ?? 0,
    });
    return reply.leases;
  }
  /** @throws HeddleProblem `lease_lost`, always, for a lease that is no longer valid; so do the other calls on a lease */
  renewLease(lease: string, options: CallOptions = {}): Promise<Renewed> {
    return this.#onLease(lease, "renew", {}, options);
  }
  /** As `renewLease`, of a tool call's lease, and says how far the call is. */
  reportProgress(lease: string, progress: ProgressReport, options: CallOptions = {}): Promise<{ expires_at: number }> {
    return this.#onLease(lease, "renew", { progress }, options);
  }
  /** Logs a turn: the messages since the last one. What is answered as `messages` goes into the conversation, and is logged by Heddle. */
  turn(
    lease: string,
    body: { messages: Message[]; usage?: CompleteRequest["usage"] },
    options: CallOptions = {},
  ): Promise<TurnLogged> {
    return this.#onLease(lease, "turn", body, options);
  }
  /** A tool call of the task itself. */
  callLeaseTool(lease: string, tool: string, body: ToolRequest = {}, options: CallOptions = {}): Promise<ToolOutcome> {
    return this.#tool(
      `/v1/leases/${encodeURIComponent(lease)}/tools/${encodeURIComponent(tool)}`,
      body,
      options,
      false,
    );
  }
  complete(lease: string, body: CompleteRequest, options: CallOptions = {}): Promise<{ lease?: Lease }> {
    return this.#onLease(lease, "complete", body, options);
  }
  completeToolCall(
    lease: string,
    body: CompleteToolCallRequest,
    options: CallOptions = {},
  ): Promise<{ lease?: ToolCallLease }> {
    return this.#onLease(lease, "complete", body, options);
  }
  /** Of a task's attempt, or of a tool call's. */
  fail(lease: string, body: FailRequest, options: CallOptions = {}): Promise<Failed> {
    return this.#onLease(lease, "fail", body, options);
  }

  // ---- events --------------------------------------------------------------------------------------------------------

  events(run: string, query: { after?: number; limit?: number } = {}, options: CallOptions = {}): Promise<EventsPage> {
    return this.#get(`${at(run)}/events`, { ...query }, options);
  }

  /**
   * The run's events after `after`, live, each once and in order, until the run has ended and all of them were seen.
   * Through a WebSocket, or server-sent events where there is none; resumes by itself when the line is cut.
   * @throws HeddleUnreachable when the server stays away, HeddleProblem for what waiting does not mend
   * With `partial`, between them: texts that models are still writing (`isPartial` tells which). They come once, or again from
   * the start, or not at all; what counts is the turn's event.
   */
  followEvents(
    run: string,
    query: FollowQuery & { readonly partial: true },
    options?: FollowOptions,
  ): AsyncGenerator<EventView | PartialText>;
  followEvents(
    run: string,
    query?: FollowQuery & { readonly partial?: false },
    options?: FollowOptions,
  ): AsyncGenerator<EventView>;
  followEvents(
    run: string,
    query: FollowQuery = {},
    options: FollowOptions = {},
  ): AsyncGenerator<EventView | PartialText> {
    return follow(this.#transport, `${at(run)}/events`, query, options);
  }

  /** What a page may follow this run with, and nothing else, for `ttl_ms` (a minute); the key stays on the server that asks. */
  watchTicket(run: string, body: { ttl_ms?: number } = {}, options: CallOptions = {}): Promise<WatchTicket> {
    return this.#post(`${at(run)}/events/ticket`, body, options);
  }

  // ---- inside --------------------------------------------------------------------------------------------------------

  #get<Reply>(path: string, query: Record<string, string | number | undefined>, options: CallOptions): Promise<Reply> {
    return this.#transport.json({ ...options, method: "GET", path, query });
  }
  async #text(path: string, options: CallOptions): Promise<string> {
    return (await this.#transport.stream({ ...options, method: "GET", path })).text();
  }
  #post<Reply>(path: string, body: unknown, options: CallOptions): Promise<Reply> {
    return this.#transport.json({ ...options, method: "POST", path, body });
  }
  #put<Reply>(path: string, body: unknown, options: CallOptions): Promise<Reply> {
    return this.#transport.json({ ...options, method: "PUT", path, body });
  }
  #onLease<Reply>(lease: string, call: string, body: unknown, options: CallOptions): Promise<Reply> {
    return this.#transport.json({
      ...options,
      method: "POST",
      path: `/v1/leases/${encodeURIComponent(lease)}/${call}`,
      body,
      withKey: false,
    });
  }
  #tool(path: string, body: ToolRequest, options: CallOptions, withKey: boolean): Promise<ToolOutcome> {
    return this.#transport.json({ ...options, method: "POST", path, body, withKey, waitMs: body.wait_ms ?? waitMsMax });
  }
}

/** Only when there is a file: their digests are Node's, and a browser has none of it. */
const files = () => import("./run-files.ts");

async function* asAsync(lines: AsyncIterable<string> | Iterable<string>): AsyncGenerator<string, void, void> {
  yield* lines;
}

const at = (run: string, task?: string): string =>
  `/v1/runs/${encodeURIComponent(run)}${task === undefined ? "" : `/tasks/${encodeURIComponent(task)}`}`;
