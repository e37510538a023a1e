/**
 * The RPC surface of the Durable Objects, as types: what the HTTP door and the seats call.
 *
 * Methods return plain data and never throw for what a caller can cause: a thrown error counts as a crash of the object.
 * A mutating method takes `idem`: the same key with the same fingerprint gets the first answer, committed in the same
 * transaction as the effect; with another fingerprint it is the fault `idempotency_mismatch`.
 */

import type { ContextHead, MessageText, Usage } from "../context/types.ts";
import type { AnsweredView, AnswerInput, QuestionView } from "../contract/question-shapes.ts";
import type { RemoteTool } from "../contract/remote-tools.ts";
import type {
  ActorView,
  ContextInput,
  CreatedTasks,
  ErrorView,
  EventView,
  FindingView,
  Grant,
  LoadView,
  Page,
  PartialView,
  PoolWorkerView,
  RunStatus,
  RunView,
  SnapshotView,
  TaskProgressReport,
  TaskState,
  TaskView,
  ToolOutcome,
  TurnView,
  VariableView,
  WaitMode,
  WaitView,
} from "../contract/shapes.ts";
import type { Groups, TaskSpec } from "../contract/task-spec.ts";
import type { DeliveryView, WebhookView } from "../contract/webhook-shapes.ts";
import type { FaultData } from "../errors/fault.ts";
import type { PlacedRule } from "../rules/rule.ts";
import type { RunCredential } from "../scheduler/events.ts";
import type { WebhookChoice } from "../webhooks/types.ts";
import type { QuotasUsed, RunReport, RunTerms } from "./gate-rpc.ts";

export type Reply<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly fault: FaultData };

export interface Idem {
  readonly key: string;
  /** Hash of method, path and body. */
  readonly fingerprint: string;
}

export interface LimitsInput {
  workers?: number;
  tasks?: number;
  depth?: number;
  children?: number;
  tokens?: number;
  usd?: number;
  timeout_ms?: number;
  hold_ms?: number;
  stall_ms?: number;
  warm_ms?: number;
  pools?: string[];
}

export interface CreateRunInput {
  tenant: string;
  run: string;
  name?: string;
  context: ContextInput;
  limits: LimitsInput;
  retentionDays?: number;
  tools?: readonly RemoteTool[];
  root?: TaskSpec;
  /** The id of the key that created it: what it uses is that one's. */
  key?: string;
  /** The first failure that nothing answers for ends the run. */
  failFast?: boolean;
  /** The messages of `context`, which has none then, as the steps in which another run got them. */
  steps?: readonly (readonly MessageText[])[];
  /** That other run, for the log. */
  from?: string;
  /** One of the tenant's, of the context's format. */
  credential?: RunCredential;
  /** For the answer. */
  notes?: string[];
  redact?: boolean;
  rules?: RulesInput;
  /** What the tenant holds all of its runs to. */
  tenantRules?: TenantRules;
  /** JSON of the tenant's own prices. */
  prices?: string;
  webhook?: WebhookInput;
}

/** Where a run's messages go, and of what they tell. */
export interface WebhookInput {
  readonly url: string;
  readonly events: readonly WebhookChoice[];
}

export interface DeliveriesInput {
  limit: number;
  cursor?: string;
  state?: DeliveryView["state"];
}

/** Messages that were tried and are to be sent again: those of one event, or of all after one. */
export type ReplayInput = { readonly seq: number } | { readonly after: number; readonly state?: DeliveryView["state"] };

/** Rules of a tenant, by their version: what comes late changes nothing. */
export interface TenantRules {
  readonly version: number;
  readonly rules: readonly PlacedRule[];
}

/** Rules, and the Markdown that they were compiled from. */
export interface RulesInput {
  readonly rules: readonly PlacedRule[];
  readonly text: string;
}

export interface CreateTasksInput {
  tasks: readonly TaskSpec[];
  groups?: Groups;
  /** The snapshot to fork; default: the head. */
  from?: string;
}

/** A place in a run whose context another one begins with; default: its head. */
export interface ForkPlace {
  readonly snapshot?: string;
  readonly task?: string;
  readonly turn?: number;
}

/** A context as its steps, so that it is the same snapshot wherever they are appended. */
export interface ForkedContext {
  readonly head: ContextHead;
  readonly steps: readonly (readonly MessageText[])[];
  /** That the run declares. */
  readonly tools: readonly RemoteTool[];
  /** The run's; absent: the deployment's own. */
  readonly credential?: string;
  /** Other models than the context's have a part in it, which is without their reasoning. */
  readonly relocated?: true;
  /** What tells about the run shows none of its texts. */
  readonly redact: boolean;
}

/** One attempt, named by the capability that the HTTP door has verified. */
export interface LeaseRef {
  readonly taskNumber: number;
  readonly fence: number;
  /** Of a remote tool's call of that task: the number of the event that began it. */
  readonly call?: number;
}

/** What a worker takes. */
export interface LeaseWishes {
  /** Default: tasks. */
  readonly kinds?: readonly ("task" | "tool_call")[];
  /** Only calls of these; default: of any tool. */
  readonly tools?: readonly string[];
}

export interface WaitInput {
  /** Ids or keys; absent: every task of the run. */
  readonly tasks?: readonly string[];
  readonly mode: WaitMode;
  readonly timeoutMs: number;
  /** The answer has those of `tasks`, from the first on, that one call has room for; absent: all, whether there is room or not. */
  readonly paged?: true;
}

export interface ToolCallInput {
  readonly tool: string;
  /** JSON text of the arguments object. */
  readonly arguments: string;
  readonly callId?: string;
  /** Default: the head (outside) or the task's own newest snapshot (lease). */
  readonly snapshot?: string;
  readonly messages?: readonly MessageText[];
  readonly waitMs: number;
  /** The session that holds and waits; an agent outside has none unless it opened one. */
  readonly actor?: string;
}

/** As CompleteInput's: for the end of a leased task by a tool. */
export interface LeaseToolInput extends ToolCallInput {
  readonly schemaFirst?: true;
}

/** As JSON text; only with `schemaFirst`. */
export interface SchemaFirst {
  readonly schema: string;
}

/** What a worker's models used; in US dollars too where it knows. */
export interface ReportedUsage extends Partial<Usage> {
  readonly cost_usd?: number;
}

export interface CompleteInput {
  readonly result: unknown;
  /** Of a tool call. */
  readonly isError?: boolean;
  readonly usage?: ReportedUsage;
  /** Ask for the next task of the same pool in the same call. */
  readonly next: boolean;
  readonly worker: string;
  /** Where the result is to match a schema: answers that alone, for whoever asks to hold it against, and completes nothing. */
  readonly schemaFirst?: true;
}

export interface Completed {
  readonly lease?: Grant;
  /** As JSON text; only with `schemaFirst`. */
  readonly schema?: string;
}

export interface FailInput {
  readonly error: { code: string; message: string };
  readonly retryable: boolean;
  /** Of a task. */
  readonly usage?: ReportedUsage;
}

export interface EventsInput {
  readonly after: number;
  readonly limit: number;
  readonly waitMs: number;
  /** Partial texts too: those that came after an answer's `upTo` (0: all there are). */
  readonly partials?: number;
}

export interface EventsAnswer {
  readonly events: readonly EventView[];
  /** The run has ended and no event follows. */
  readonly done: boolean;
  /** Follow the events; none while more of these are to be read. */
  readonly partials?: { readonly upTo: number; readonly texts: readonly PartialView[] };
}

/** A page of the log as it is stored, for folds: task numbers, no bodies. */
export interface LogPage {
  /** A row's events are numbered from its `seq` on; `events` is what `unpackEvents` reads. */
  readonly rows: readonly { readonly seq: number; readonly at: number; readonly events: string }[];
  /** The number of the log's last event. */
  readonly last: number;
  readonly now: number;
}

/** What a pull worker is told about its turn. */
export interface TurnAnswer {
  readonly snapshot: string;
  /** Messages to the task that have come since the last answer: for the worker's conversation, after the results of open calls. */
  readonly messages?: readonly MessageText[];
  /** Those that its task may use before its next turn is refused; absent where nothing bounds them. */
  readonly tokensLeft?: number;
}

export type ExportStage = "header" | "snapshot" | "row" | "task" | "variable";

/** Where the next page of an export begins. */
export interface ExportCursor {
  /** The export is as of this event. */
  readonly seq: number;
  readonly stage: ExportStage;
  /** After which item of the stage; empty: at its first. */
  readonly place: readonly (string | number)[];
  /** UTF-16 units of that item which have been sent, and its digest: it must still be the same. */
  readonly skip: number;
  readonly digest: string;
}

/** A line of an export, or a piece of a long one. */
export interface ExportPiece {
  readonly kind: ExportStage | "part";
  readonly text: string;
  readonly first: boolean;
  readonly more: boolean;
}

export interface ExportPage {
  readonly pieces: readonly ExportPiece[];
  /** Absent: these were the last. */
  readonly cursor?: ExportCursor;
}

export interface ImportLines {
  readonly tenant: string;
  readonly run: string;
  /** How many lines of the file come before these. */
  readonly after: number;
  readonly lines: readonly string[];
  /** JSON of the tenant's own prices, with the last lines. */
  readonly prices?: string;
}

/** How far an import has come; `run` once its last line is in. */
export interface Imported {
  readonly lines: number;
  readonly run: RunView | null;
}

/** Which tasks: those of which all is true that is given. */
export interface TasksListed {
  readonly state?: TaskState;
  /** Whoever created it. */
  readonly key?: string;
  /** By name, or as `name=value`. */
  readonly label?: string;
  readonly pool?: string;
  /** Its creator, by id or key. */
  readonly parent?: string;
}

export interface TasksInput extends TasksListed {
  readonly limit: number;
  readonly cursor?: string;
}

export interface TasksPage extends Page<TaskView> {
  /** All that was asked for is true of its tasks. Absent from an object of a version before, which looks at their state alone. */
  readonly isFiltered?: true;
}

/** What the run index has of a run that its object knows better. */
export interface IndexWord {
  readonly status: RunStatus;
  readonly ended_at: number | null;
  readonly expires_at: number | null;
  /** The run's newest event. */
  readonly last_seq: number;
  /** Of one that came from a file: its row was there before anybody knew. */
  readonly imported?: { readonly name: string | null; readonly created_at: number };
}

/** Stub of a RunScheduler, named `tenant/run`. Every method answers `not_found` for a run that was never created or is deleted. */
/** How far the log has been metered. */
export interface Metered {
  /** Every event up to this one is. */
  readonly upto: number;
  /** The run's newest event. */
  readonly last: number;
  readonly isEnded: boolean;
  /** It goes on, but nothing has been logged for a while (`meterQuietMs`). The index will hear of its next event. */
  readonly isQuiet: boolean;
}

export interface RunSchedulerRpc {
  createRun(input: CreateRunInput, idem?: Idem): Promise<Reply<RunView>>;
  run(): Promise<Reply<RunView>>;
  pause(idem?: Idem): Promise<Reply<RunView>>;
  resume(idem?: Idem): Promise<Reply<RunView>>;
  cancelRun(reason: string | undefined, idem?: Idem): Promise<Reply<RunView>>;
  finishRun(input: { cancel: boolean }, idem?: Idem): Promise<Reply<RunView>>;
  budget(input: { tokens?: number; usd?: number }, idem?: Idem): Promise<Reply<RunView>>;
  /** How long it is kept after its end, be it over already or not. */
  retainRun(days: number, idem?: Idem): Promise<Reply<RunView>>;
  /** A run that is live is held to them, if it has not had later ones; false: it has ended. */
  holdToTenant(rules: TenantRules): Promise<Reply<boolean>>;
  /** In place of the run's own rules before. */
  setRules(input: RulesInput, idem?: Idem): Promise<Reply<RunView>>;
  /** Also once it has ended: what is left to be told then goes there. */
  setWebhook(input: WebhookInput, idem?: Idem): Promise<Reply<WebhookView>>;
  removeWebhook(): Promise<Reply<null>>;
  webhook(): Promise<Reply<WebhookView>>;
  deliveries(input: DeliveriesInput): Promise<Reply<Page<DeliveryView>>>;
  /** Answers how many are sent again. */
  replayDeliveries(input: ReplayInput, idem?: Idem): Promise<Reply<number>>;
  /** Where a test message goes to. */
  webhookUrl(): Promise<Reply<string>>;
  /** Deletes everything; live tasks are cancelled by it. The D1 row is the caller's. */
  deleteRun(): Promise<Reply<null>>;

  /** A page of the run's export; without a cursor its first. */
  exportPage(from: ExportCursor | undefined): Promise<Reply<ExportPage>>;
  /** Takes lines of a file into a run that is not one yet; lines that it has are skipped. `idem` with the first. */
  importLines(input: ImportLines, idem?: Idem): Promise<Reply<Imported>>;

  appendContext(
    input: { after: string; messages: readonly MessageText[] },
    idem?: Idem,
  ): Promise<Reply<{ snapshot: string }>>;
  /** With `after`, an ancestor of it, only the messages that follow that one. */
  snapshot(hash: string, after?: string): Promise<Reply<SnapshotView>>;

  createTasks(input: CreateTasksInput, idem?: Idem): Promise<Reply<CreatedTasks>>;
  tasks(input: TasksInput): Promise<Reply<TasksPage>>;
  task(id: string): Promise<Reply<TaskView>>;
  taskContext(id: string): Promise<Reply<SnapshotView>>;
  cancelTask(id: string, reason: string | undefined, idem?: Idem): Promise<Reply<TaskView>>;
  /** `content`: JSON text of a user message's content. Its event's number; the task's next turn shows it. */
  sendMessage(id: string, content: string, idem?: Idem): Promise<Reply<{ seq: number }>>;
  /** The turns of the task's present generation. */
  turns(id: string, input: { limit: number; cursor?: string }): Promise<Reply<Page<TurnView>>>;
  /** For another run to begin with. */
  contextAt(place: ForkPlace): Promise<Reply<ForkedContext>>;
  /** What the run's creation under this key answered; null where it is to be created. */
  createdBefore(idem: Idem): Promise<Reply<RunView | null>>;
  /** `full`: the refusal of what would reopen the run. */
  retryTask(id: string, fromTurn: number | undefined, idem?: Idem, full?: FaultData): Promise<Reply<TaskView>>;
  wait(input: WaitInput): Promise<Reply<WaitView>>;
  callTool(input: ToolCallInput, idem?: Idem): Promise<Reply<ToolOutcome>>;

  /** Open ones, the oldest first; of `tasks`, those that hold them up. */
  questions(input: { limit: number; cursor?: string; tasks?: string[] }): Promise<Reply<Page<QuestionView>>>;
  /** `question_closed` when it was answered, or has ended, before. */
  answer(id: string, input: AnswerInput, idem?: Idem): Promise<Reply<AnsweredView>>;

  openActor(input: { name?: string; ttlMs: number }, idem?: Idem): Promise<Reply<ActorView>>;
  /** Live sessions; `not_found` for one that has ended. */
  actors(input: { limit: number; cursor?: string }): Promise<Reply<Page<ActorView>>>;
  actor(id: string): Promise<Reply<ActorView>>;
  renewActor(id: string): Promise<Reply<ActorView>>;
  closeActor(id: string): Promise<Reply<null>>;

  /** Variables in the order of their first use, each as it is now. */
  findings(input: { limit: number; cursor?: string }): Promise<Reply<Page<FindingView>>>;
  variables(input: { limit: number; cursor?: string }): Promise<Reply<Page<VariableView>>>;
  variable(name: string): Promise<Reply<VariableView>>;

  /** Events with seq > after, oldest first; waits up to waitMs when there is nothing. */
  events(input: EventsInput): Promise<Reply<EventsAnswer>>;
  /** Rows of the log whose first event is after `after`; none at its end. */
  logPage(after: number): Promise<Reply<LogPage>>;
  /** Delivers what it has used. */
  meter(): Promise<Reply<Metered>>;

  /** Grants up to max ready tasks of a pool, or calls of its tools; never waits. A repeated key gets those of them that are still open. */
  leases(input: LeasesInput, idem?: Idem): Promise<Reply<Grant[]>>;
  /** The grant again while it is open. */
  leaseAgain(lease: LeaseRef): Promise<Reply<Grant>>;
  /** `messages`: how many wait for the worker's next turn. */
  renew(lease: LeaseRef, progress?: TaskProgressReport): Promise<Reply<{ expires_at: number; messages?: number }>>;
  turn(
    lease: LeaseRef,
    input: { messages: readonly MessageText[]; usage?: ReportedUsage },
    idem?: Idem,
  ): Promise<Reply<TurnAnswer>>;
  leaseTool(lease: LeaseRef, input: LeaseToolInput, idem?: Idem): Promise<Reply<ToolOutcome | SchemaFirst>>;
  complete(lease: LeaseRef, input: CompleteInput, idem?: Idem): Promise<Reply<Completed>>;
  fail(lease: LeaseRef, input: FailInput, idem?: Idem): Promise<Reply<{ state: TaskState; error: ErrorView }>>;

  /**
   * Cron's last net: loads the object, expires what is due, re-arms the alarm. Answers the status for the run index, which has
   * it as `indexed`.
   */
  sweep(told?: { indexed: RunStatus }): Promise<Reply<IndexWord>>;
  /** Deletes the run if its time is over, and answers null; else what the index should say. */
  expire(): Promise<Reply<IndexWord | null>>;
}

/** What a worker asks a run for. */
export type LeasesInput = {
  readonly pool: string;
  readonly worker: string;
  readonly max: number;
  /** What the contexts of all that is granted may take. */
  readonly contextBytes: number;
  readonly load?: LoadView;
  /** It was asked before under this key, and its answer is not known: what comes of that call still is nothing, if this one has none. */
  readonly isRepeat?: boolean;
} & LeaseWishes;

/** Stub of a TenantGate, named by the tenant: which runs have ready work for a pool, served round robin. */
export interface TenantGateRpc {
  /** `tool`: calls of that tool, and not tasks. Answers whether it had not known that. */
  announce(input: {
    run: string;
    pool: string;
    tool?: string;
    ready: boolean;
    /** The run wants to know how busy the pool's workers are. */
    loads?: true;
  }): Promise<boolean>;
  lease(
    input: {
      tenant: string;
      pool: string;
      worker: string;
      max: number;
      waitMs: number;
      load?: LoadView;
      /** Names this request, for `leave`. */
      poll?: string;
    } & LeaseWishes,
    idem?: Idem,
  ): Promise<Reply<Grant[]>>;
  /** Whoever sent the lease request of this name has hung up: it is given nothing any more. */
  leave(poll: string): Promise<void>;
  /** Workers seen lately, and how many of their requests wait. */
  pool(input: {
    pool: string;
    limit: number;
    cursor?: string;
  }): Promise<Reply<{ workers: PoolWorkerView[]; waiting: number; nextCursor: string | null }>>;
  /** The run, of this life, is deleted: a report of it that arrives later counts nothing. */
  forget(run: string, tenant: string, life?: string): Promise<void>;
  /** How a run is; answers what it may use (gate-rpc.ts). */
  report(report: RunReport): Promise<RunTerms>;
  /** The operator has changed what the tenant may use. */
  quotasChanged(): Promise<void>;
  used(): Promise<QuotasUsed>;
  /** The tenant is deleted. */
  deleteAll(): Promise<void>;
}
