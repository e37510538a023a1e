/**
 * RunScheduler: the Durable Object of one run, named `tenant/run`. Thin: each method loads, lets the core decide, and
 * answers; shell.ts owns the order of it all.
 *
 * R1. No method throws for what a caller can cause.
 * R2. A lease is named by (task, fence): another fence is `lease_lost`, and changes nothing.
 */

import { DurableObject } from "cloudflare:workers";
import { childHash } from "../context/snapshot-hash.ts";
import type { MessageText, ToolCall, Usage } from "../context/types.ts";
import type { SnapshotHash } from "../ids.ts";
import type {
  CreatedTasks,
  ErrorView,
  EventView,
  LeaseGrant,
  Page,
  RunStatus,
  RunView,
  SnapshotView,
  TaskState,
  TaskView,
  ToolOutcome,
  WaitMode,
  WaitView,
} from "../contract/shapes.ts";
import type { TaskSpec } from "../contract/task-spec.ts";
import { leaseContextBytesMax, leaseMs, pageBytesMax, seatLingerMs, seatServesMs } from "../limits.ts";
import { leased, nextReady, openLease } from "../scheduler/attempts.ts";
import { reserveTokens, settleBudget } from "../scheduler/budget.ts";
import { createTasks, findByKey } from "../scheduler/create-tasks.ts";
import { cancelTask, endTask, settle } from "../scheduler/ending.ts";
import { retryTask } from "../scheduler/retry.ts";
import {
  cancelRun,
  changeBudget,
  finishRun,
  isRunEnded,
  pauseRun,
  type Refusal,
  resumeRun,
} from "../scheduler/run-commands.ts";
import type { Step } from "../scheduler/step.ts";
import { hostedPool, isLive, type Running, type Task } from "../scheduler/task.ts";
import { waitIsOver } from "../scheduler/waits.ts";
import { contextText } from "../storage/run/context-tree.ts";
import type { Env } from "./env.ts";
import type {
  CompleteInput,
  CreateRunInput,
  FailInput,
  Idem,
  LeaseRef,
  Reply,
  RunSchedulerRpc,
  ToolCallInput,
} from "./rpc.ts";
import { errorOf } from "./run/bodies.ts";
import { createRun } from "./run/create-run.ts";
import { answersOf, type Dispatch, leaseGrant, newestSnapshot, seatWork, transcriptOf } from "./run/dispatch.ts";
import { forkAll, openCallsOf } from "./run/forks.ts";
import type { LoadedRun } from "./run/loaded-run.ts";
import { appendOutside, appendTo, baseOfCalls } from "./run/outside-calls.ts";
import { projectionOf } from "./run/projection.ts";
import { answerCalls, endAttempt, logTurn, usageDelta } from "./run/seat-turns.ts";
import { RunShell } from "./run/shell.ts";
import { runTool, type ToolRun } from "./run/tool-calls.ts";
import { eventView, runView, seatTarget, taskView } from "./run/views.ts";
import { openDirectly, openThroughQueues } from "./seat-port.ts";
import type { Leave, NextTask, SeatReply, SeatRpc, SeatTicket, SeatTurn, SeatWork } from "./seat-rpc.ts";

const ok = <T>(value: T): Reply<T> => ({ ok: true, value });
const refuse = ({ code, detail }: Refusal): Reply<never> => ({ ok: false, fault: { code, ...(detail && { detail }) } });
const noTask: Reply<never> = { ok: false, fault: { code: "not_found", detail: "There is no such task in this run." } };
const leaseLost: Reply<never> = { ok: false, fault: { code: "lease_lost" } };
const over: SeatReply = { kind: "over" };

export class RunScheduler extends DurableObject<Env> implements RunSchedulerRpc, SeatRpc {
  readonly #shell: RunShell;
  /** Since when a pull worker is served without asking the gate, so that other runs get their turn. */
  readonly #servedSince = new Map<string, number>();

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    const open =
      env.SEATS === "direct"
        ? openDirectly(
            (ticket) => this.#serveHere(ticket),
            (work) => ctx.waitUntil(work),
          )
        : openThroughQueues({ shards: [env.SEATS_0, env.SEATS_1, env.SEATS_2, env.SEATS_3] });
    this.#shell = new RunShell(ctx, env, open);
  }

  #serveHere(ticket: SeatTicket): Promise<void> {
    const { SeatRunner } = this.ctx.exports as unknown as { SeatRunner: { serve(ticket: SeatTicket): Promise<void> } };
    return SeatRunner.serve(ticket);
  }

  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    this.#shell.alarm((info as { scheduledTime?: number } | undefined)?.scheduledTime ?? Date.now());
  }

  async sweep(): Promise<Reply<{ status: RunStatus; ended_at: number | null }>> {
    return this.#shell.command((step) => {
      const { status, endedAt } = step.state.header;
      return ok({ status, ended_at: endedAt || null });
    });
  }

  // ---- the run ---------------------------------------------------------------------------------------------------------

  async createRun(input: CreateRunInput, idem?: Idem): Promise<Reply<RunView>> {
    return createRun(this.#shell, input, idem);
  }

  async run(): Promise<Reply<RunView>> {
    return this.#shell.read((run) => ok(runView(run, seatTarget(run))));
  }

  async pause(idem?: Idem): Promise<Reply<RunView>> {
    return this.#runCommand(pauseRun, idem);
  }

  async resume(idem?: Idem): Promise<Reply<RunView>> {
    return this.#runCommand(resumeRun, idem);
  }

  async cancelRun(reason: string | undefined, idem?: Idem): Promise<Reply<RunView>> {
    return this.#runCommand((step) => cancelRun(step, reason ?? "The run was cancelled."), idem);
  }

  async finishRun(input: { cancel: boolean }, idem?: Idem): Promise<Reply<RunView>> {
    return this.#runCommand((step) => finishRun(step, input.cancel), idem);
  }

  async budget(input: { tokens?: number }, idem?: Idem): Promise<Reply<RunView>> {
    return this.#runCommand(
      (step) => (input.tokens === undefined ? undefined : changeBudget(step, input.tokens)),
      idem,
    );
  }

  async deleteRun(): Promise<Reply<null>> {
    const run = this.#shell.load();
    if (!run) return { ok: false, fault: { code: "not_found" } };
    await this.#shell.forget();
    await this.env.GATES.getByName(run.tenant).forget(run.id);
    return ok(null);
  }

  #runCommand(decide: (step: Step) => Refusal | undefined, idem?: Idem): Reply<RunView> {
    return this.#shell.command((step, run) => {
      const refusal = decide(step);
      return refusal ? refuse(refusal) : ok(runView(run, seatTarget(run)));
    }, idem);
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
      if (!node || !messages)
        return { ok: false, fault: { code: "not_found", detail: "There is no such snapshot in this run." } };
      return ok({ snapshot: hash, parent: node.parent, contextText: contextText(tree.head(hash), messages) });
    });
  }

  // ---- tasks -----------------------------------------------------------------------------------------------------------

  async createTasks(input: { tasks: TaskSpec[]; from?: string }, idem?: Idem): Promise<Reply<CreatedTasks>> {
    return this.#shell.command((step, run): Reply<CreatedTasks> => {
      const base = input.from ?? step.state.header.snapshot;
      if (!run.store.tree.find(base)) {
        const fault = { code: "unknown_snapshot", errors: [{ path: "from", message: "unknown" }] } as const;
        return { ok: false, fault };
      }
      if (isRunEnded(step.state)) return refuse({ code: "run_ended" });
      const forked = forkAll(run.store.tree, base, undefined, input.tasks);
      if (!forked.ok) return forked;
      const outcome = createTasks(step, undefined, forked.tasks, run.numberOf);
      if (!outcome.ok) return { ok: false, fault: outcome.refusal };
      return ok({
        tasks: outcome.tasks.map((task) => ({
          id: run.taskId(task.n),
          key: task.key ?? null,
          state: task.phase.state,
          priority: task.priority,
          pool: task.pool,
        })),
        projection: projectionOf(run, forked.tasks, outcome.criticalPath),
        ...(forked.notes.length > 0 && { notes: forked.notes }),
      });
    }, idem);
  }

  async tasks(input: { state?: TaskState; limit: number; cursor?: string }): Promise<Reply<Page<TaskView>>> {
    return this.#shell.read((run) => {
      const rows: TaskView[] = [];
      let bytes = 0;
      let n = Number(input.cursor ?? 0);
      if (!Number.isSafeInteger(n) || n < 0) {
        return {
          ok: false,
          fault: { code: "validation_failed", errors: [{ path: "cursor", message: "not a cursor of this list" }] },
        };
      }
      const { taskCount } = run.state.header;
      while (n < taskCount && rows.length < input.limit && bytes < pageBytesMax) {
        const task = run.state.peek(++n);
        if (!task || (input.state && task.phase.state !== input.state)) continue;
        const view = taskView(run, task);
        rows.push(view);
        bytes += JSON.stringify(view.result ?? null).length + 500;
      }
      return ok({ rows, nextCursor: n < taskCount ? String(n) : null });
    });
  }

  async task(id: string): Promise<Reply<TaskView>> {
    return this.#shell.read((run) => {
      const task = this.#find(run, id);
      return task ? ok(taskView(run, task)) : noTask;
    });
  }

  async taskContext(id: string): Promise<Reply<SnapshotView>> {
    return this.#shell.read((run) => {
      const task = this.#find(run, id);
      if (!task) return noTask;
      const { snapshot, messages } = transcriptOf(run, task);
      const { tree } = run.store;
      return ok({
        snapshot,
        parent: tree.node(snapshot).parent,
        contextText: contextText(tree.head(snapshot), messages),
      });
    });
  }

  async cancelTask(id: string, reason: string | undefined, idem?: Idem): Promise<Reply<TaskView>> {
    return this.#shell.command((step, run) => {
      const task = this.#find(run, id);
      if (!task) return noTask;
      if (isLive(task)) {
        cancelTask(step, task, reason ?? "Cancelled from outside.");
        settle(step);
        settleBudget(step);
      }
      return ok(taskView(run, task));
    }, idem);
  }

  async retryTask(id: string, _fromTurn: number | undefined, idem?: Idem): Promise<Reply<TaskView>> {
    return this.#shell.command((step, run) => {
      const task = this.#find(run, id);
      if (!task) return noTask;
      const refusal = retryTask(step, task);
      return refusal ? refuse(refusal) : ok(taskView(run, task));
    }, idem);
  }

  /** By id, or by the key of a task posted to the run (or the root's). */
  #find(run: LoadedRun, name: string): Task | undefined {
    const n = run.numberOf(name) ?? findByKey(run.state, undefined, name);
    return n === undefined ? undefined : run.state.find(n);
  }

  async wait(input: { tasks?: string[]; mode: WaitMode; timeoutMs: number }): Promise<Reply<WaitView>> {
    const run = this.#shell.load();
    if (!run) return { ok: false, fault: { code: "not_found" } };
    if (!input.tasks) {
      const idle = () => this.#shell.load()?.state.liveCount() === 0;
      if (!idle()) await this.#shell.signals.wait(input.timeoutMs, idle);
      return this.#shell.read((now) =>
        ok({ done: idle(), counts: { ...now.state.header.counts }, failed: this.#failed(now) }),
      );
    }
    const numbers: number[] = [];
    for (const [i, name] of input.tasks.entries()) {
      const task = this.#find(run, name);
      if (!task) {
        return {
          ok: false,
          fault: {
            code: "not_found",
            detail: `There is no task "${name}" in this run.`,
            errors: [{ path: `tasks[${i}]`, message: "unknown" }],
          },
        };
      }
      numbers.push(task.n);
    }
    const named = new Set(numbers);
    const tasksOf = (now: LoadedRun) => numbers.map((n) => now.state.task(n));
    const isOver = () => {
      const now = this.#shell.load();
      return !now || waitIsOver(tasksOf(now), input.mode);
    };
    if (!isOver())
      await this.#shell.signals.wait(input.timeoutMs, (ended) => ended.some((n) => named.has(n)) && isOver());
    return this.#shell.read((now) => ok({ done: isOver(), tasks: tasksOf(now).map((task) => taskView(now, task)) }));
  }

  #failed(run: LoadedRun): string[] {
    const failed: string[] = [];
    if (run.state.header.counts.failed === 0) return failed;
    for (let n = 1; n <= run.state.header.taskCount && failed.length < 100; n++) {
      if (run.state.peek(n)?.phase.state === "failed") failed.push(run.taskId(n));
    }
    return failed;
  }

  async events(input: {
    after: number;
    limit: number;
    waitMs: number;
  }): Promise<Reply<{ events: EventView[]; done: boolean }>> {
    const fresh = () => (this.#shell.load()?.state.header.seq ?? 0) > input.after;
    const ended = () => {
      const run = this.#shell.load();
      return !run || isRunEnded(run.state);
    };
    if (!fresh() && !ended() && input.waitMs > 0) await this.#shell.signals.wait(input.waitMs, fresh);
    return this.#shell.read((run) => {
      const events: EventView[] = [];
      for (const row of run.store.log.rowsFrom(input.after + 1, input.limit + 1)) {
        for (const [i, event] of row.events.entries()) {
          const seq = row.seq + i;
          if (seq > input.after && events.length < input.limit) events.push(eventView(run, event, seq, row.at));
        }
        if (events.length >= input.limit) break;
      }
      const last = events.at(-1)?.seq ?? input.after;
      return ok({ events, done: ended() && last >= run.state.header.seq });
    });
  }

  // ---- tools from outside ----------------------------------------------------------------------------------------------

  async callTool(input: ToolCallInput, idem?: Idem): Promise<Reply<ToolOutcome>> {
    const callIdem = idem ?? (await this.#outsideCall(input));
    let waiting: Extract<ToolRun, { kind: "waiting" }> | undefined;
    const reply = this.#shell.command<ToolOutcome>(
      (step, run) => {
        const head = step.state.header.snapshot;
        const messages = input.messages ?? [];
        const after = input.snapshot ?? baseOfCalls(run, head, messages);
        const ended = isRunEnded(step.state);
        if (ended && (messages.length > 0 || input.tool !== "inspect")) return refuse({ code: "run_ended" });
        const appended = appendOutside(step, run, after, messages);
        if (!appended.ok) return appended;
        const base = appended.snapshot;
        const open = openCallsOf(run.store.tree, base);
        const inTranscript = open.some((call) => call.id === input.callId);
        if (open.length > 0 && !inTranscript && input.tool === "create_task") {
          return refuse({ code: "open_calls", detail: `They are ${open.map((call) => call.id).join(", ")}.` });
        }
        const caller = { task: undefined, callId: input.callId ?? "", base: () => base, inTranscript };
        const done = runTool(step, run, caller, input.tool, input.arguments);
        if (done.kind === "waiting") waiting = done;
        return toolReply(done, input.callId ?? "");
      },
      input.tool === "create_task" || input.tool === "cancel_task" ? callIdem : undefined,
    );
    if (!waiting || !reply.ok) return reply;
    const { targets, mode } = waiting;
    const isOver = () => {
      const run = this.#shell.load();
      return (
        !run ||
        waitIsOver(
          targets.map((n) => run.state.task(n)),
          mode,
        )
      );
    };
    if (input.waitMs > 0) await this.#shell.signals.wait(input.waitMs, (list) => list.length > 0 && isOver());
    if (!isOver()) return ok({ pending: true, call_id: input.callId ?? "" });
    return this.#shell.command((step, run) => {
      const caller = { task: undefined, callId: "", base: () => "", inTranscript: false };
      return toolReply(runTool(step, run, caller, input.tool, input.arguments), "");
    });
  }

  /** The same call of the same reply gets the first answer, as a repeated Idempotency-Key does. Providers reuse call ids. */
  async #outsideCall(input: ToolCallInput): Promise<Idem | undefined> {
    const run = this.#shell.load();
    if (!run || input.callId === undefined) return undefined;
    const messages = input.messages ?? [];
    const after = input.snapshot ?? baseOfCalls(run, run.state.header.snapshot, messages);
    const base = messages.length > 0 ? childHash(after as SnapshotHash, messages) : after;
    const text = new TextEncoder().encode(`${input.tool}\n${input.arguments}`);
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
    return { key: `call:${base}:${input.callId}`, fingerprint: Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("") };
  }

  // ---- leases of pull workers ------------------------------------------------------------------------------------------

  async leases(input: {
    pool: string;
    worker: string;
    max: number;
    contextBytes: number;
  }): Promise<Reply<LeaseGrant[]>> {
    return this.#shell.command((step, run) => {
      const grants: LeaseGrant[] = [];
      let room = input.contextBytes;
      while (grants.length < input.max && (grants.length === 0 || room > 0)) {
        const grant = this.#grant(step, run, input.pool, input.worker, room);
        if (!grant) break;
        const { bytes, ...lease } = grant;
        room -= bytes;
        grants.push(lease);
      }
      if (grants.length > 0) this.#servedSince.set(input.worker, step.now);
      else this.#shell.announcedEmpty(input.pool);
      return ok(grants);
    });
  }

  /** Starts the next ready task of a pool; one whose references can't be resolved fails on the way. */
  #grant(step: Step, run: LoadedRun, pool: string, worker: string, room: number) {
    return this.#start(step, run, pool, worker, "", (task) => leaseGrant(run, task, room));
  }

  #start<Work>(
    step: Step,
    run: LoadedRun,
    pool: string,
    worker: string,
    boot: string,
    dispatch: (task: Task & { phase: Running }) => Dispatch<Work>,
  ): Work | undefined {
    for (let task = nextReady(run.state, pool, step.now); task; task = nextReady(run.state, pool, step.now)) {
      openLease(step, task, worker, boot);
      const dispatched = dispatch(task as Task & { phase: Running });
      if (dispatched.ok) return dispatched.work;
      const message = `{{${dispatched.missing}}} names a path that the result does not have.`;
      endTask(step, task, { state: "failed", error: { code: "reference_unresolved", message } });
      settle(step);
    }
    return undefined;
  }

  async leaseAgain(lease: LeaseRef): Promise<Reply<LeaseGrant>> {
    return this.#shell.read((run) => {
      const task = leased(run.state, lease.taskNumber, lease.fence);
      const grant = task && leaseGrant(run, task, leaseContextBytesMax);
      if (!grant?.ok) return leaseLost;
      const { bytes: _, ...work } = grant.work;
      return ok(work);
    });
  }

  async renew(lease: LeaseRef): Promise<Reply<{ expires_at: number }>> {
    const run = this.#shell.load();
    const task = run && leased(run.state, lease.taskNumber, lease.fence);
    if (!run || !task) return leaseLost;
    task.phase.expiresAt = this.#shell.now() + leaseMs;
    this.#shell.arm();
    return ok({ expires_at: task.phase.expiresAt });
  }

  async turn(
    lease: LeaseRef,
    input: { messages: readonly MessageText[]; usage?: Partial<Usage> },
    idem?: Idem,
  ): Promise<Reply<{ snapshot: string }>> {
    return this.#withLease(lease, "turn", idem, (step, run, task) => {
      const appended = appendTo(run, newestSnapshot(run, task), input.messages);
      if (!appended.ok) return appended;
      const { snapshot } = appended;
      const usage = usageDelta(input.usage ?? {});
      step.emit({ type: "turn", task: task.n, fence: task.phase.fence, turn: task.turns + 1, snapshot, usage });
      settleBudget(step);
      return ok({ snapshot });
    });
  }

  async leaseTool(lease: LeaseRef, input: ToolCallInput, idem?: Idem): Promise<Reply<ToolOutcome>> {
    const callId = input.callId ?? `call_${crypto.randomUUID()}`;
    let waiting = false;
    const reply = this.#withLease<ToolOutcome>(lease, input.tool, idem, (step, run, task) => {
      const known = input.callId === undefined ? undefined : answersOf(run, task)[callId];
      if (known && "text" in known) return ok(answerView(known));
      const newest = input.snapshot ?? newestSnapshot(run, task);
      const appended = appendTo(run, newest, input.messages ?? []);
      if (!appended.ok) return appended;
      const base = appended.snapshot;
      const open = openCallsOf(run.store.tree, base);
      const inTranscript = open.some((call) => call.id === callId);
      if (open.length > 0 && !inTranscript && input.tool === "create_task") {
        return refuse({ code: "open_calls", detail: `They are ${open.map((call) => call.id).join(", ")}.` });
      }
      const done = runTool(step, run, { task, callId, base: () => base, inTranscript }, input.tool, input.arguments);
      if (done.kind === "waiting") {
        waiting = true;
        if (!task.phase.blocked)
          step.emit({ type: "call_blocked", task: task.n, fence: task.phase.fence, blocked: true });
        return ok({ pending: true, call_id: callId });
      }
      if (done.kind === "finish") {
        endAttempt(step, task, endingOf(done.call));
        return ok({ result: { state: task.phase.state } });
      }
      const isError = done.kind === "error";
      const text = JSON.stringify(isError ? { error: done.error } : done.result);
      if (!task.calls.some((one) => one.id === callId) && input.callId !== undefined) {
        step.emit(
          { type: "call_done", task: task.n, call: callId, tool: input.tool, why: "answered" },
          { text, isError },
        );
      }
      return toolReply(done, callId);
    });
    if (!waiting || !reply.ok) return reply;
    const answer = () => {
      const run = this.#shell.load();
      const task = run && leased(run.state, lease.taskNumber, lease.fence);
      if (!run || !task) return leaseLost;
      const call = answersOf(run, task)[callId];
      return call && "text" in call ? ok(answerView(call)) : undefined;
    };
    if (input.waitMs > 0) await this.#shell.signals.wait(input.waitMs, () => answer() !== undefined);
    return answer() ?? ok({ pending: true, call_id: callId });
  }

  async complete(lease: LeaseRef, input: CompleteInput, idem?: Idem): Promise<Reply<{ lease?: LeaseGrant }>> {
    // The next lease is remembered by name: with its context it would be stored once more for every task.
    const reply = this.#withLease<{ next?: LeaseRef }>(lease, "complete", idem, (step, run, task) => {
      endAttempt(step, task, { kind: "result", result: input.result }, input.usage && usageDelta(input.usage));
      const since = this.#servedSince.get(input.worker) ?? step.now;
      if (!input.next || step.now - since > seatServesMs) return ok({});
      const grant = this.#grant(step, run, task.pool, input.worker, leaseContextBytesMax);
      return ok(grant ? { next: { taskNumber: grant.taskNumber, fence: grant.fence } } : {});
    });
    if (!reply.ok) return reply;
    const next = reply.value.next && (await this.leaseAgain(reply.value.next));
    return ok(next?.ok ? { lease: next.value } : {});
  }

  async fail(lease: LeaseRef, input: FailInput, idem?: Idem): Promise<Reply<{ state: TaskState; error: ErrorView }>> {
    return this.#withLease<{ state: TaskState; error: ErrorView }>(lease, "fail", idem, (step, run, task) => {
      endAttempt(step, task, { kind: "error", error: input.error, transient: input.retryable });
      return ok({ state: task.phase.state, error: errorOf(run, task) ?? input.error });
    });
  }

  /** A command by the holder of an open lease; the first answer to a repeated key is given even when it ended the lease. */
  #withLease<T>(
    lease: LeaseRef,
    op: string,
    idem: Idem | undefined,
    decide: (step: Step, run: LoadedRun, task: Task & { phase: Running }) => Reply<T>,
  ): Reply<T> {
    const reply = this.#shell.command<T>((step, run) => {
      const task = leased(run.state, lease.taskNumber, lease.fence);
      if (task) return decide(step, run, task);
      if (run.state.find(lease.taskNumber))
        step.emit({ type: "late_refused", task: lease.taskNumber, fence: lease.fence, op });
      return leaseLost;
    }, idem);
    // A deleted run has no leases: the lease is gone like any other.
    return !reply.ok && reply.fault.code === "not_found" && !this.#shell.load() ? leaseLost : reply;
  }

  // ---- hosted seats ----------------------------------------------------------------------------------------------------

  async openSeat(ticket: SeatTicket, next: NextTask): Promise<SeatWork | undefined> {
    if (!this.#shell.load() || !this.#shell.seats.open(ticket.nonce, this.#shell.now())) return undefined;
    return this.#nextWork(next);
  }

  async renewSeat(lease: LeaseRef): Promise<{ held: boolean }> {
    return { held: (await this.renew(lease)).ok };
  }

  async seatTurn(lease: LeaseRef, turn: SeatTurn, next: NextTask | undefined): Promise<SeatReply> {
    return this.#seatCommand(lease, "turn", next, (step, run, task) => {
      const snapshot = logTurn(step, run, task, turn);
      const answers = answerCalls(step, run, task, turn.calls);
      if (turn.ending) {
        endAttempt(step, task, turn.ending);
        return over;
      }
      return { kind: "go_on", snapshot, answers, paused: step.state.header.status === "paused" };
    });
  }

  async seatCalls(lease: LeaseRef, calls: readonly ToolCall[]): Promise<SeatReply> {
    return this.#seatCommand(lease, "call", undefined, (step, run, task) => ({
      kind: "go_on",
      snapshot: task.head ?? task.base,
      answers: answerCalls(step, run, task, calls),
      paused: step.state.header.status === "paused",
    }));
  }

  async reserve(
    lease: LeaseRef,
    want: { inputTokens: number; outputTokens: number },
  ): Promise<{ kind: "reserved"; outputTokens: number } | { kind: "parked" | "lost" | "exhausted" }> {
    const reply = this.#shell.command((step, run) => {
      const task = leased(run.state, lease.taskNumber, lease.fence);
      return ok(task ? reserveTokens(step, task, want) : ({ kind: "lost" } as const));
    });
    return reply.ok ? reply.value : { kind: "lost" };
  }

  async leaveSeat(lease: LeaseRef, leave: Leave, next: NextTask | undefined): Promise<SeatReply> {
    return this.#seatCommand(lease, leave.kind, next, (step, _run, task) => {
      if (leave.kind === "end") endAttempt(step, task, leave.ending, leave.usage && usageDelta(leave.usage));
      else if (leave.kind === "wait" && task.calls.some((call) => call.state === "waiting")) {
        step.emit({ type: "task_parked", task: task.n, fence: task.phase.fence, on: "calls" });
      } else step.emit({ type: "task_ready", task: task.n, why: "given_back" });
      return over;
    });
  }

  /** A seat's command; when its attempt is over, the next task is started in the same step if one is ready. */
  async #seatCommand(
    lease: LeaseRef,
    op: string,
    next: NextTask | undefined,
    decide: (step: Step, run: LoadedRun, task: Task & { phase: Running }) => SeatReply,
  ): Promise<SeatReply> {
    const reply = this.#shell.command<SeatReply>((step, run) => {
      const task = leased(run.state, lease.taskNumber, lease.fence);
      if (!task && run.state.find(lease.taskNumber)) {
        step.emit({ type: "late_refused", task: lease.taskNumber, fence: lease.fence, op });
      }
      const decided = task ? decide(step, run, task) : over;
      if (decided.kind === "go_on" || !next) return ok(decided);
      const work = this.#startHosted(step, run, next);
      return ok(work ? { kind: "over", work } : over);
    });
    const decided = reply.ok ? reply.value : over;
    if (decided.kind === "go_on" || decided.work || !next) return decided;
    const work = await this.#nextWork(next);
    return work ? { kind: "over", work } : over;
  }

  /** Starts the next hosted task; an idle seat lingers a moment while others are live, since work often follows work. */
  async #nextWork(next: NextTask): Promise<SeatWork | undefined> {
    const until = this.#shell.now() + seatLingerMs;
    for (;;) {
      const reply = this.#shell.command((step, run) => ok(this.#startHosted(step, run, next)));
      const state = this.#shell.load()?.state;
      const left = until - this.#shell.now();
      if (
        !reply.ok ||
        reply.value ||
        !state ||
        state.liveCount() === 0 ||
        state.header.status !== "active" ||
        left <= 0
      ) {
        if (!reply.ok || !reply.value) this.#shell.seats.close(next.nonce);
        return reply.ok ? reply.value : undefined;
      }
      await this.#shell.seats.linger(left);
    }
  }

  #startHosted(step: Step, run: LoadedRun, next: NextTask): SeatWork | undefined {
    const boot = this.env.HEDDLE_BOOT ?? "";
    return this.#start(step, run, hostedPool, next.nonce, boot, (task) => seatWork(run, task, next));
  }
}

function toolReply(done: ToolRun, callId: string): Reply<ToolOutcome> {
  if (done.kind === "result") return ok({ result: done.result });
  if (done.kind === "error") return ok({ error: done.error });
  return ok({ pending: true, call_id: callId });
}

const answerView = (answer: { text: string; isError: boolean }): ToolOutcome => {
  const value = JSON.parse(answer.text) as { error?: never };
  return answer.isError ? { error: value.error! } : { result: value };
};

const endingOf = (call: Extract<ToolRun, { kind: "finish" }>["call"]) =>
  "error" in call
    ? ({ kind: "error", error: call.error, transient: call.retryable } as const)
    : ({ kind: "result", result: call.result } as const);
