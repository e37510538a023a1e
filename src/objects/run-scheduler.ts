/**
 * RunScheduler: the Durable Object of one run, named `tenant/run`. Thin: each method loads, lets the core decide, and
 * answers; shell.ts owns the order of it all.
 *
 * R1. No method throws for what a caller can cause.
 * R2. A lease is named by (task, fence): another fence is `lease_lost`, and changes nothing.
 */

import { DurableObject } from "cloudflare:workers";
import type { MessageText, ToolCall, Usage } from "../context/types.ts";
import type { AnsweredView, AnswerInput, QuestionView } from "../contract/question-shapes.ts";
import type {
  ActorView,
  CreatedTasks,
  ErrorView,
  FindingView,
  Grant,
  Page,
  RunStatus,
  RunView,
  SnapshotView,
  TaskProgressReport,
  TaskState,
  TaskView,
  ToolOutcome,
  TurnView,
  VariableView,
  WaitView,
} from "../contract/shapes.ts";
import type { DeliveryView, WebhookView } from "../contract/webhook-shapes.ts";
import type { FaultData } from "../errors/fault.ts";
import { meterPagesPerCall, objectWaitMax, objectWorkMax, seatShards } from "../limits.ts";
import { nanosOf } from "../prices/price.ts";
import { settleBudget } from "../scheduler/budget.ts";
import { cancelTask } from "../scheduler/end-task.ts";
import { settle } from "../scheduler/ending.ts";
import { finishStep } from "../scheduler/finish-step.ts";
import { reportUnmoved } from "../scheduler/movers.ts";
import { retryTask } from "../scheduler/retry.ts";
import { replaceRules } from "../scheduler/rules/evaluate.ts";
import {
  cancelRun,
  changeBudget,
  finishRun,
  pauseRun,
  type Refusal,
  resumeRun,
  retainRun,
} from "../scheduler/run-commands.ts";
import { isRunEnded } from "../scheduler/state.ts";
import type { Step } from "../scheduler/step.ts";
import { isLive } from "../scheduler/task.ts";
import { contextText } from "../storage/run/context-tree.ts";
import type { Outcome as WebhookOutcome } from "../webhooks/delivery.ts";
import { admitting, runClasses } from "./admission.ts";
import type { Env } from "./env.ts";
import type {
  Completed,
  CompleteInput,
  CreateRunInput,
  CreateTasksInput,
  DeliveriesInput,
  EventsAnswer,
  EventsInput,
  ExportCursor,
  ExportPage,
  FailInput,
  ForkedContext,
  ForkPlace,
  Idem,
  Imported,
  ImportLines,
  IndexWord,
  LeaseRef,
  LeasesInput,
  LeaseToolInput,
  LogPage,
  Metered,
  ReplayInput,
  Reply,
  RulesInput,
  RunSchedulerRpc,
  SchemaFirst,
  TasksInput,
  TasksPage,
  TenantRules,
  ToolCallInput,
  TurnAnswer,
  WaitInput,
  WebhookInput,
} from "./rpc.ts";
import { Actors } from "./run/actors.ts";
import { createdBefore, createRun } from "./run/create-run.ts";
import { deadSeats, tellOfDeadSeats } from "./run/dead-seats.ts";
import { Deletion } from "./run/deletion.ts";
import { ownContext } from "./run/dispatch.ts";
import { Exports } from "./run/export.ts";
import { findTask } from "./run/find-task.ts";
import { findingsPage } from "./run/findings.ts";
import { HostedSeats } from "./run/hosted-seats.ts";
import { Imports } from "./run/imports.ts";
import type { LoadedRun } from "./run/loaded-run.ts";
import { logPage } from "./run/log-page.ts";
import { meterRun } from "./run/metering.ts";
import { Outside } from "./run/outside.ts";
import { appendOutside } from "./run/outside-calls.ts";
import { createFromOutside } from "./run/outside-tasks.ts";
import { PullLeases } from "./run/pull-leases.ts";
import { answerFromOutside, type QuestionsInput, questionsOf } from "./run/questions.ts";
import { noTask, ok, refuse } from "./run/replies.ts";
import { holdToTenant } from "./run/rules.ts";
import { RunShell } from "./run/shell.ts";
import { tasksPage } from "./run/task-list.ts";
import { messageTo } from "./run/task-messages.ts";
import { contextAt, retryFrom, turnsPage } from "./run/task-turns.ts";
import { listVariables, VariableCalls } from "./run/variable-calls.ts";
import { indexWord, runView, seatTarget, taskView } from "./run/views.ts";
import { WebhookCalls } from "./run/webhook-calls.ts";
import { openDirectly, openThroughQueues } from "./seat-port.ts";
import type {
  Leave,
  NextTask,
  PartialPiece,
  ReservationWanted,
  SeatJob,
  SeatReply,
  SeatReservation,
  SeatRpc,
  SeatTicket,
  SeatTurn,
  TraceReport,
  TraceWork,
  UrlOutcome,
  WebhookWork,
} from "./seat-rpc.ts";

export class RunScheduler extends DurableObject<Env> implements RunSchedulerRpc, SeatRpc {
  readonly #shell: RunShell;
  readonly #variables: VariableCalls;
  readonly #actors: Actors;
  readonly #outside: Outside;
  readonly #pulled: PullLeases;
  readonly #hosted: HostedSeats;
  readonly #exports: Exports;
  readonly #imports: Imports;
  readonly #deletion: Deletion;
  readonly #webhooks: WebhookCalls;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const open =
      env.SEATS === "direct"
        ? openDirectly(
            (ticket) => this.#serveHere(ticket),
            (work) => ctx.waitUntil(work),
          )
        : openThroughQueues({ shards: Array.from({ length: seatShards }, (_, shard) => env[`SEATS_${shard}`]!) });
    this.#shell = new RunShell(ctx, env, open);
    this.#variables = new VariableCalls(env, this.#shell.uses);
    this.#actors = new Actors(this.#shell);
    this.#outside = new Outside(this.#shell, this.#variables, this.#actors);
    this.#pulled = new PullLeases(this.#shell, this.#variables);
    this.#hosted = new HostedSeats(this.#shell, this.#variables);
    this.#exports = new Exports(this.#shell, env);
    this.#webhooks = new WebhookCalls(this.#shell);
    this.#deletion = new Deletion(this.#shell, env, this.#variables, (run) => this.#meter(run));
    this.#imports = new Imports(this.#shell, env, this.#deletion);
  }

  #serveHere(ticket: SeatTicket): Promise<void> {
    const { SeatRunner } = this.ctx.exports as unknown as { SeatRunner: { serve(ticket: SeatTicket): Promise<void> } };
    return SeatRunner.serve(ticket);
  }

  /** Never throws: an alarm that fails too often is dropped for good. */
  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    const scheduledAt = (info as { scheduledTime?: number } | undefined)?.scheduledTime ?? Date.now();
    await this.#shell.alarm(scheduledAt, async () => (await this.#deletion.finish()) || (await this.#imports.alarm()));
  }

  /** A watcher's socket: the door sends nothing else this way. */
  override async fetch(request: Request): Promise<Response> {
    return this.#shell.watchers.accept(request);
  }

  override async webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    this.#shell.watchers.message(socket, data);
  }

  override async webSocketClose(socket: WebSocket): Promise<void> {
    this.#shell.watchers.closed(socket);
  }

  override async webSocketError(socket: WebSocket): Promise<void> {
    this.#shell.watchers.closed(socket);
  }

  async sweep(told?: { indexed: RunStatus }): Promise<Reply<IndexWord>> {
    // Where that fails the row of the index has to stay: it is what the sweep comes by.
    await this.#deletion.finish();
    await this.#shell.effects.repairAlarm(() => this.#shell.load());
    this.#shell.effects.announceOnVisit();
    if (told) this.#shell.effects.checkIndexed(this.#shell.load(), told.indexed);
    return this.#shell.command((step, run) => {
      const found = reportUnmoved(step, () => run.store.meta("unmoved"));
      if (found !== "") {
        // No timer ends that: somebody has to look.
        console.error("unmoved", { run: run.id, first: found });
        run.store.setMeta("unmoved", found);
      }
      tellOfDeadSeats(step, run);
      return ok(indexWord(run));
    });
  }

  async expire(): Promise<Reply<IndexWord | null>> {
    const run = this.#shell.load();
    const at = run?.expiresAt;
    if (run && (at === null || at === undefined || at > this.#shell.now())) return ok(indexWord(run));
    if (run) return this.deleteRun();
    return this.#deletion.carryOn();
  }

  // ---- the run ---------------------------------------------------------------------------------------------------------

  async createRun(input: CreateRunInput, idem?: Idem): Promise<Reply<RunView>> {
    return createRun(this.#shell, input, idem);
  }

  async createdBefore(idem: Idem): Promise<Reply<RunView | null>> {
    return createdBefore(this.#shell, idem);
  }

  async run(): Promise<Reply<RunView>> {
    const now = this.#shell.now();
    return this.#shell.read((run) => ok(runView(run, seatTarget(run, now), now)));
  }

  async pause(idem?: Idem): Promise<Reply<RunView>> {
    return this.#runCommand(pauseRun, idem);
  }

  async resume(idem?: Idem): Promise<Reply<RunView>> {
    const reply = await this.#runCommand(resumeRun, idem);
    if (!reply.ok && reply.fault.code === "quota_exceeded") this.#shell.effects.askGate();
    return reply;
  }

  async cancelRun(reason: string | undefined, idem?: Idem): Promise<Reply<RunView>> {
    return this.#runCommand((step) => cancelRun(step, reason ?? "The run was cancelled."), idem);
  }

  async finishRun(input: { cancel: boolean }, idem?: Idem): Promise<Reply<RunView>> {
    return this.#runCommand((step) => finishRun(step, input.cancel), idem);
  }

  async budget(input: { tokens?: number; usd?: number }, idem?: Idem): Promise<Reply<RunView>> {
    const { tokens, usd } = input;
    const budget = { ...(tokens !== undefined && { tokens }), ...(usd !== undefined && { nanos: nanosOf(usd) }) };
    return this.#runCommand((step) => changeBudget(step, budget), idem);
  }

  async retainRun(days: number, idem?: Idem): Promise<Reply<RunView>> {
    return this.#runCommand((step) => retainRun(step, days), idem);
  }

  async setRules({ rules, text }: RulesInput, idem?: Idem): Promise<Reply<RunView>> {
    const reply = this.#runCommand((step) => replaceRules(step, "run", rules, text), idem);
    // Whether it wants to know of workers' loads may have changed.
    this.#shell.effects.announceAnew();
    return reply;
  }

  async holdToTenant(rules: TenantRules): Promise<Reply<boolean>> {
    const reply = this.#shell.command<boolean>((step, run) => {
      // One that has ended is visited when it is reopened.
      if (isRunEnded(run.state)) return ok(false);
      holdToTenant(step, run, rules);
      return ok(true);
    });
    this.#shell.effects.announceAnew();
    return reply;
  }

  async setWebhook(input: WebhookInput, idem?: Idem): Promise<Reply<WebhookView>> {
    return this.#webhooks.set(input, idem);
  }

  async removeWebhook(): Promise<Reply<null>> {
    return this.#webhooks.remove();
  }

  async webhook(): Promise<Reply<WebhookView>> {
    return this.#webhooks.look();
  }

  async webhookUrl(): Promise<Reply<string>> {
    return this.#webhooks.url();
  }

  async deliveries(input: DeliveriesInput): Promise<Reply<Page<DeliveryView>>> {
    return this.#webhooks.list(input);
  }

  async replayDeliveries(input: ReplayInput, idem?: Idem): Promise<Reply<number>> {
    return this.#webhooks.replay(input, idem);
  }

  async deleteRun(): Promise<Reply<null>> {
    if (!this.#shell.load()) await this.#imports.abandon();
    // The call that was waited for may have brought the last line.
    return this.#deletion.deleteRun();
  }

  async meter(): Promise<Reply<Metered>> {
    const run = this.#shell.load();
    if (!run) return refuse({ code: "not_found" });
    const upto = await this.#meter(run);
    const last = run.state.header.seq;
    const isEnded = isRunEnded(run.state);
    return ok({ upto, last, isEnded, isQuiet: !isEnded && upto >= last && this.#shell.effects.isQuiet(run) });
  }

  #meter(run: LoadedRun): Promise<number> {
    return meterRun(run, this.env, meterPagesPerCall);
  }

  #runCommand(decide: (step: Step) => Refusal | undefined, idem?: Idem): Reply<RunView> {
    return this.#shell.command((step, run) => {
      const refusal = decide(step);
      if (refusal) return refuse(refusal);
      // What follows at once is a part of the answer: a run that is resumed may pause again, a rule fire.
      finishStep(step);
      return ok(runView(run, seatTarget(run, step.now), step.now));
    }, idem);
  }

  async exportPage(from: ExportCursor | undefined): Promise<Reply<ExportPage>> {
    if (!from) this.#shell.uses.write();
    return this.#exports.page(from);
  }

  async importLines(input: ImportLines, idem?: Idem): Promise<Reply<Imported>> {
    return this.#imports.lines(input, idem);
  }

  // ---- contexts --------------------------------------------------------------------------------------------------------

  async appendContext(
    input: { after: string; messages: readonly MessageText[] },
    idem?: Idem,
  ): Promise<Reply<{ snapshot: string }>> {
    return this.#shell.command((step, run) => {
      if (isRunEnded(step.state)) return refuse({ code: "run_ended" });
      const appended = appendOutside(step, run, input.after, input.messages);
      return appended.ok ? ok({ snapshot: appended.snapshot }) : appended;
    }, idem);
  }

  async snapshot(hash: string, after?: string): Promise<Reply<SnapshotView>> {
    return this.#shell.read((run) => {
      const { tree } = run.store;
      const node = tree.find(hash);
      const messages = node && tree.messages(hash, after);
      if (!node || !messages) return refuse({ code: "not_found", detail: "There is no such snapshot in this run." });
      return ok({ snapshot: hash, parent: node.parent, contextText: contextText(tree.head(hash), messages) });
    });
  }

  // ---- tasks -----------------------------------------------------------------------------------------------------------

  async createTasks(input: CreateTasksInput, idem?: Idem): Promise<Reply<CreatedTasks>> {
    return this.#shell.command((step, run) => createFromOutside(step, run, input), idem);
  }

  async tasks(input: TasksInput): Promise<Reply<TasksPage>> {
    return this.#shell.read((run) => tasksPage(run, input));
  }

  async task(id: string): Promise<Reply<TaskView>> {
    return this.#shell.read((run) => {
      const task = findTask(run, id);
      return task ? ok(taskView(run, task)) : noTask;
    });
  }

  async taskContext(id: string): Promise<Reply<SnapshotView>> {
    return this.#shell.read((run) => {
      const task = findTask(run, id);
      if (!task) return noTask;
      const { snapshot, text } = ownContext(run, task);
      return ok({ snapshot, parent: run.store.tree.node(snapshot).parent, contextText: text });
    });
  }

  async questions(input: QuestionsInput): Promise<Reply<Page<QuestionView>>> {
    return this.#shell.read((run) => questionsOf(run, input));
  }

  async answer(id: string, input: AnswerInput, idem?: Idem): Promise<Reply<AnsweredView>> {
    return this.#shell.command((step, run) => answerFromOutside(step, run, id, input), idem);
  }

  async cancelTask(id: string, reason: string | undefined, idem?: Idem): Promise<Reply<TaskView>> {
    return this.#shell.command((step, run) => {
      const task = findTask(run, id);
      if (!task) return noTask;
      if (isLive(task)) {
        cancelTask(step, task, reason ?? "Cancelled from outside.");
        settle(step);
        settleBudget(step);
      }
      return ok(taskView(run, task));
    }, idem);
  }

  async sendMessage(id: string, content: string, idem?: Idem): Promise<Reply<{ seq: number }>> {
    return this.#shell.command((step, run) => {
      const task = findTask(run, id);
      return task ? messageTo(step, run, task, content) : noTask;
    }, idem);
  }

  async turns(id: string, input: { limit: number; cursor?: string }): Promise<Reply<Page<TurnView>>> {
    return this.#shell.read((run) => {
      const task = findTask(run, id);
      return task ? turnsPage(run, task, input) : noTask;
    });
  }

  async contextAt(place: ForkPlace): Promise<Reply<ForkedContext>> {
    return this.#shell.read((run) => contextAt(run, place));
  }

  async retryTask(id: string, fromTurn: number | undefined, idem?: Idem, full?: FaultData): Promise<Reply<TaskView>> {
    return this.#shell.command((step, run) => {
      const task = findTask(run, id);
      if (!task) return noTask;
      if (isLive(task)) return refuse({ code: "task_not_ended", detail: `It is ${task.phase.state}.` });
      const from = retryFrom(run, task, fromTurn ?? 0);
      if (!from.ok) return from;
      if (full && isRunEnded(run.state)) return refuse(full);
      const refusal = retryTask(step, task, from.value);
      return refusal ? refuse(refusal) : ok(taskView(run, task));
    }, idem);
  }

  async wait(input: WaitInput): Promise<Reply<WaitView>> {
    return this.#outside.wait(input);
  }

  async events(input: EventsInput): Promise<Reply<EventsAnswer>> {
    return this.#outside.events(input);
  }

  async logPage(after: number): Promise<Reply<LogPage>> {
    if (after === 0) this.#shell.uses.write();
    return this.#shell.read((run) => ok(logPage(run, after, this.#shell.now())));
  }

  async callTool(input: ToolCallInput, idem?: Idem): Promise<Reply<ToolOutcome>> {
    return this.#outside.callTool(input, idem);
  }

  async openActor(input: { name?: string; ttlMs: number }, idem?: Idem): Promise<Reply<ActorView>> {
    return this.#actors.open(input, idem);
  }

  async actors(input: { limit: number; cursor?: string }): Promise<Reply<Page<ActorView>>> {
    return this.#actors.list(input);
  }

  async actor(id: string): Promise<Reply<ActorView>> {
    return this.#actors.one(id);
  }

  async renewActor(id: string): Promise<Reply<ActorView>> {
    return this.#actors.renew(id);
  }

  async closeActor(id: string): Promise<Reply<null>> {
    return this.#actors.close(id);
  }

  async findings(input: { limit: number; cursor?: string }): Promise<Reply<Page<FindingView>>> {
    return this.#shell.read((run) => findingsPage(run, input));
  }

  async variables(input: { limit: number; cursor?: string }): Promise<Reply<Page<VariableView>>> {
    const run = this.#shell.load();
    if (!run) return refuse({ code: "not_found" });
    return listVariables(run, this.#variables, input);
  }

  async variable(name: string): Promise<Reply<VariableView>> {
    const run = this.#shell.load();
    const kind = run?.store.variables.kindOf(name);
    if (!run || !kind) return refuse({ code: "not_found", detail: "This run has no such variable." });
    return ok(await this.#variables.look(run, { name, kind }));
  }

  // ---- leases of pull workers ------------------------------------------------------------------------------------------

  async leases(input: LeasesInput, idem?: Idem): Promise<Reply<Grant[]>> {
    return this.#pulled.leases(input, idem);
  }

  async leaseAgain(lease: LeaseRef): Promise<Reply<Grant>> {
    return this.#pulled.leaseAgain(lease);
  }

  async renew(
    lease: LeaseRef,
    progress?: TaskProgressReport,
  ): Promise<Reply<{ expires_at: number; messages?: number }>> {
    return this.#pulled.renew(lease, progress);
  }

  async turn(
    lease: LeaseRef,
    input: { messages: readonly MessageText[]; usage?: Partial<Usage> },
    idem?: Idem,
  ): Promise<Reply<TurnAnswer>> {
    return this.#pulled.turn(lease, input, idem);
  }

  async leaseTool(lease: LeaseRef, input: LeaseToolInput, idem?: Idem): Promise<Reply<ToolOutcome | SchemaFirst>> {
    return this.#pulled.leaseTool(lease, input, idem);
  }

  async complete(lease: LeaseRef, input: CompleteInput, idem?: Idem): Promise<Reply<Completed>> {
    return this.#pulled.complete(lease, input, idem);
  }

  async fail(lease: LeaseRef, input: FailInput, idem?: Idem): Promise<Reply<{ state: TaskState; error: ErrorView }>> {
    return this.#pulled.fail(lease, input, idem);
  }

  // ---- hosted seats ----------------------------------------------------------------------------------------------------

  async deadSeats(nonces: readonly string[]): Promise<Reply<null>> {
    return deadSeats(this.#shell, nonces);
  }

  async openSeat(ticket: SeatTicket, next: NextTask): Promise<SeatJob | undefined> {
    return this.#hosted.openSeat(ticket, next);
  }

  async seatBroke(nonce: string): Promise<void> {
    this.#hosted.seatBroke(nonce);
  }

  async openTrace(nonce: string): Promise<TraceWork | undefined> {
    const run = this.#shell.load();
    return run && this.#shell.traces.open(run, nonce, this.#shell.now());
  }

  async reportTrace(nonce: string, report: TraceReport): Promise<boolean> {
    const run = this.#shell.load();
    if (!run) return false;
    const goOn = this.#shell.traces.report(run, nonce, report, this.#shell.now());
    this.#shell.effects.push(run);
    this.#shell.effects.arm();
    return goOn;
  }

  async openWebhook(nonce: string): Promise<WebhookWork | undefined> {
    return this.#webhooks.open(nonce);
  }

  async reportWebhook(nonce: string, outcomes: readonly WebhookOutcome[]): Promise<WebhookWork | undefined> {
    return this.#webhooks.report(nonce, outcomes);
  }

  async renewSeat(lease: LeaseRef): Promise<{ held: boolean; watched: boolean }> {
    const { ok: held } = await this.#pulled.renew(lease);
    return { held, watched: held && this.#shell.partials.isWatched(this.#shell.now()) };
  }

  async partialText(lease: LeaseRef, piece: PartialPiece): Promise<{ watched: boolean }> {
    return this.#hosted.partialText(lease, piece);
  }

  async seatTurn(lease: LeaseRef, turn: SeatTurn, next: NextTask | undefined): Promise<SeatReply> {
    return this.#hosted.seatTurn(lease, turn, next);
  }

  async seatCalls(lease: LeaseRef, calls: readonly ToolCall[]): Promise<SeatReply> {
    return this.#hosted.seatCalls(lease, calls);
  }

  async firstToken(lease: LeaseRef): Promise<void> {
    return this.#hosted.firstToken(lease);
  }

  async reserve(lease: LeaseRef, want: ReservationWanted): Promise<SeatReservation> {
    return this.#hosted.reserve(lease, want);
  }

  async leaveSeat(lease: LeaseRef, leave: Leave, next: NextTask | undefined): Promise<SeatReply> {
    return this.#hosted.leaveSeat(lease, leave, next);
  }

  async endUrlCall(
    lease: LeaseRef & { readonly call: number },
    outcome: UrlOutcome,
    next: NextTask | undefined,
  ): Promise<SeatReply> {
    return this.#hosted.endUrlCall(lease, outcome, next);
  }
}

admitting<RunSchedulerRpc & SeatRpc>(RunScheduler, { work: objectWorkMax, wait: objectWaitMax }, runClasses);
