/**
 * Leases of pull workers: what the pull protocol's calls do to a run. A lease is named by (task, fence); another fence is
 * `lease_lost`, and changes nothing but the log. Those of tool calls have their own rules in call-leases.ts.
 */

import { callPrint } from "../../context/call-fingerprint.ts";
import { placeOfMessages } from "../../context/message-place.ts";
import type { MessageText } from "../../context/types.ts";
import type { ErrorView, Grant, TaskProgressReport, TaskState, ToolOutcome } from "../../contract/shapes.ts";
import { isCarriedOutLater } from "../../contract/variable-tools.ts";
import { leaseContextBytesMax, leaseMs, renewEveryMs } from "../../limits.ts";
import { isGivenBack, leased, loseLease, nextReady } from "../../scheduler/attempts.ts";
import { settleBudget, tokensLeft } from "../../scheduler/budget.ts";
import { failUsedUp } from "../../scheduler/budget-end.ts";
import { finishStep } from "../../scheduler/finish-step.ts";
import { compareReady } from "../../scheduler/ready-queue.ts";
import { leasedCall, nextCall } from "../../scheduler/remote-calls.ts";
import { reportLoad } from "../../scheduler/rules/evaluate.ts";
import { type RunState, readyKeyOf } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Task } from "../../scheduler/task.ts";
import type {
  Completed,
  CompleteInput,
  FailInput,
  Idem,
  LeaseRef,
  LeasesInput,
  LeaseToolInput,
  LeaseWishes,
  Reply,
  ReportedUsage,
  SchemaFirst,
  TurnAnswer,
} from "../rpc.ts";
import { answerEver, answerText, answerTo, isDropped } from "./answers.ts";
import { errorOf, specOf } from "./bodies.ts";
import { CallLeases, isOfCall } from "./call-leases.ts";
import { type LeasedTask, leaseGrant, newestSnapshot } from "./dispatch.ts";
import { openCallsOf } from "./forks.ts";
import { byHolder } from "./lease-holders.ts";
import type { LoadedRun } from "./loaded-run.ts";
import type { ModelUsed } from "./models.ts";
import { usageDelta } from "./money.ts";
import { appendTo, enter, enteringFault } from "./outside-calls.ts";
import { startToolCall, toolCallGrant } from "./remote-calls.ts";
import { answerView, leaseLost, ok, refuse, tokensUsedUp, toolReply } from "./replies.ts";
import { endAttempt, opIdOf } from "./seat-turns.ts";
import { ServedWorkers } from "./served-workers.ts";
import type { RunShell } from "./shell.ts";
import { startTask } from "./start-task.ts";
import { inboxTexts, shownMessages } from "./task-messages.ts";
import { callerAt, hasTool, noTool, runTool, type ToolRun } from "./tool-calls.ts";
import { isLater, type LaterOp, type LaterRun, type VariableCalls } from "./variable-calls.ts";
import { usedByTask } from "./variable-uses.ts";

export class PullLeases {
  readonly #shell: RunShell;
  readonly #variables: VariableCalls;
  readonly #served = new ServedWorkers();
  readonly #calls: CallLeases;

  constructor(shell: RunShell, variables: VariableCalls) {
    this.#shell = shell;
    this.#variables = variables;
    this.#calls = new CallLeases(shell, this.#served);
  }

  async leases(input: LeasesInput, idem?: Idem): Promise<Reply<Grant[]>> {
    return this.#shell.together((step, run) => {
      const first = idem && this.#shell.firstAnswer(run, idem);
      if (first) return first.ok ? ok(this.#repeat(step, run, first.value as LeaseRef[], input.contextBytes)) : first;
      const { pool, worker, load } = input;
      if (load) {
        reportLoad(step, { pool, worker, percent: Math.round(Math.max(load.cpu, load.memory ?? 0) * 100) });
        // What follows from it holds for what is leased now.
        finishStep(step);
      }
      if (input.max === 0 && !input.isRepeat) return ok([]);
      const grants: Grant[] = [];
      let room = input.contextBytes;
      while (grants.length < input.max && (grants.length === 0 || room > 0)) {
        const grant = this.#next(step, run, input, room);
        if (!grant) break;
        room -= grant.bytes;
        grants.push(grant.grant);
      }
      if (grants.length > 0) this.#served.serves(input.worker, step.now);
      else this.#shell.effects.announcedEmpty(input);
      // By name, as in `complete`. An empty answer is none, or each poll would be a row; but for what may still be under way.
      if (idem && (grants.length > 0 || input.isRepeat)) {
        run.store.putOutcome(idem, JSON.stringify(grants.map(refOf)), step.now);
      }
      return ok(grants);
    });
  }

  /** What goes first of that which the worker takes: one order for tasks and calls. */
  #next(
    step: Step,
    run: LoadedRun,
    { pool, worker, kinds = ["task"], tools }: { pool: string; worker: string } & LeaseWishes,
    room: number,
  ): { grant: Grant; bytes: number } | undefined {
    const takeTask = () => {
      const given = kinds.includes("task") ? this.#grant(step, run, pool, worker, room) : undefined;
      if (!given) return undefined;
      const { bytes, ...grant } = given;
      return { grant, bytes };
    };
    const { state, now } = step;
    const task = kinds.includes("task") ? nextReady(state, pool, now) : undefined;
    const call = kinds.includes("tool_call") ? nextCall(state, pool, now, tools) : undefined;
    const taskFirst = task && (!call || compareReady(readyKeyOf(task), call.key, now) < 0);
    const first = taskFirst ? takeTask() : undefined;
    if (first) return first;
    const grant = kinds.includes("tool_call") && startToolCall(step, run, { pool, worker, ...(tools && { tools }) });
    // A task that could not be begun may have been the first.
    return grant ? { grant, bytes: grant.argumentsText.length } : takeTask();
  }

  #grant(step: Step, run: LoadedRun, pool: string, worker: string, room: number) {
    return startTask(step, { pool, worker, boot: "" }, (task) => leaseGrant(run, task, room, { isRepeat: false }));
  }

  async leaseAgain(lease: LeaseRef): Promise<Reply<Grant>> {
    return this.#shell.read<Grant>((run) => {
      const [grant] = this.#openOf(run, [lease], leaseContextBytesMax);
      return grant ? ok(grant) : leaseLost;
    });
  }

  /**
   * What a request was granted, for who has not heard. A task of which that can't be said any more, since somebody has retried what its
   * context has a result of, is taken back: nobody would work on it until its lease is over.
   */
  #repeat(step: Step, run: LoadedRun, leases: readonly LeaseRef[], contextBytes: number): Grant[] {
    const grants = this.#openOf(run, leases, contextBytes);
    for (const { taskNumber, fence, call } of leases) {
      const task = call === undefined ? leased(run.state, taskNumber, fence) : undefined;
      if (task && !grants.some((grant) => grant.fence === fence)) loseLease(step, task, "lost");
    }
    finishStep(step);
    return grants;
  }

  /** Those of the leases that are open still, as they were granted. */
  #openOf(run: LoadedRun, leases: readonly LeaseRef[], contextBytes: number): Grant[] {
    let room = contextBytes;
    const grants: Grant[] = [];
    for (const { taskNumber, fence, call: seq } of leases) {
      const call = seq === undefined ? undefined : leasedCall(run.state, seq, fence);
      const task = seq === undefined ? leased(run.state, taskNumber, fence) : undefined;
      const grant = task && leaseGrant(run, task, room, { isRepeat: true });
      if (call) grants.push(toolCallGrant(run, call));
      if (!grant?.ok) continue;
      const { bytes, ...work } = grant.work;
      room -= bytes;
      grants.push(work);
    }
    return grants;
  }

  async renew(
    lease: LeaseRef,
    progress?: TaskProgressReport,
  ): Promise<Reply<{ expires_at: number; messages?: number }>> {
    if (isOfCall(lease)) return this.#calls.renew(lease, progress);
    const run = this.#shell.load();
    const task = run && leased(run.state, lease.taskNumber, lease.fence);
    if (!run || !task) return leaseLost;
    const now = this.#shell.now();
    if (progress) run.progress.tell(task.n, { fence: lease.fence, at: now, report: progress });
    // Each renewal is a row: a report before the next one is due needs none.
    if (!progress || task.phase.expiresAt - now <= leaseMs - renewEveryMs) {
      task.phase.expiresAt = now + leaseMs;
      run.store.putRenewal(task.n, task.phase.fence, task.phase.expiresAt);
      this.#shell.uses.write();
      this.#shell.effects.arm();
    }
    const news = task.inbox.length - task.given;
    return ok({ expires_at: task.phase.expiresAt, ...(news > 0 && { messages: news }) });
  }

  async turn(
    lease: LeaseRef,
    input: { messages: readonly MessageText[]; usage?: ReportedUsage },
    idem?: Idem,
  ): Promise<Reply<TurnAnswer>> {
    // A refusal that ended the task is remembered as an answer is: who has not heard it, and asks again, is told the same.
    const reply = await this.#withLease<TurnAnswer | "used_up">(lease, "turn", idem, (step, run, task) => {
      const usage = usageDelta(run, input.usage ?? {}, modelOf(run, task));
      if (failUsedUp(step, task, usage)) return ok("used_up");
      const { tree } = run.store;
      const newest = newestSnapshot(run, task);
      // Alone: whatever is put between them is no call, and their places are those that the worker knows.
      const fault = enteringFault(run, newest, input.messages);
      if (fault) return refuse(fault);
      const { given } = task;
      // Those that the worker was given stand where it has them: before what it said next.
      const at =
        given === 0 ? undefined : placeOfMessages(tree.head(newest).format, openCallsOf(tree, newest), input.messages);
      const shown = at === undefined ? 0 : given;
      const messages = input.messages.toSpliced(at ?? 0, 0, ...inboxTexts(run, task).slice(0, shown));
      const appended = appendTo(run, newest, messages);
      if (!appended.ok) return appended;
      const { snapshot } = appended;
      step.emit({
        type: "turn",
        task: task.n,
        fence: task.phase.fence,
        turn: task.turns + 1,
        snapshot,
        usage,
        ...shownMessages(task, shown),
      });
      // Its calls that waited are void with the turn, so the lease is at work again.
      if (task.phase.blocked)
        step.emit({ type: "call_blocked", task: task.n, fence: task.phase.fence, blocked: false });
      settleBudget(step);
      const news = inboxTexts(run, task, given - shown);
      const left = tokensLeft(step.state, task);
      return ok({
        snapshot,
        ...(news.length > 0 && { messages: news }),
        ...(left !== undefined && { tokensLeft: left }),
      });
    });
    return reply.ok && reply.value === "used_up" ? tokensUsedUp : (reply as Reply<TurnAnswer>);
  }

  async leaseTool(lease: LeaseRef, input: LeaseToolInput, idem?: Idem): Promise<Reply<ToolOutcome | SchemaFirst>> {
    const schema = input.schemaFirst && this.#schemaOf(lease);
    if (schema) return ok({ schema });
    const callId = input.callId ?? `call_${crypto.randomUUID()}`;
    let later: { run: LoadedRun; what: LaterRun; op: LaterOp } | undefined;
    // What comes after the commit can't be remembered in it: the variable remembers it.
    const remembered = isCarriedOutLater(input.tool) ? undefined : idem;
    const loaded = this.#shell.load();
    if (loaded && leased(loaded.state, lease.taskNumber, lease.fence) && !hasTool(loaded, input.tool))
      return noTool(loaded, input.tool);
    const reply = await this.#withLease<ToolOutcome>(lease, input.tool, remembered, (step, run, task) => {
      const print = callPrint(input.tool, input.arguments);
      const known = task.calls.find((one) => one.id === callId);
      if (known?.print !== undefined && known.print !== print) return refuse({ code: "idempotency_mismatch" });
      const answered = answerTo(run, task, callId);
      if (answered) return ok(answerView(answered));
      const appended = enter(run, input.snapshot ?? newestSnapshot(run, task), input.messages ?? []);
      if (!appended.ok) return appended;
      const caller = callerAt(run, appended.snapshot, { task, callId }, input.tool);
      if (!caller.ok) return caller;
      const call = () => runTool(step, run, caller.value, input.tool, input.arguments);
      const done = step.naming(task.n, callId, print, call);
      if (isLater(done)) {
        const named = { fence: task.phase.fence, print };
        const id = { ...(input.callId !== undefined && opIdOf(task, callId, named)), names: idem ? [idem] : [] };
        later = { run, what: done, op: { id, by: usedByTask(task) } };
        return ok({ pending: true, call_id: callId });
      }
      if (done.kind === "waiting") {
        if (!task.phase.blocked)
          step.emit({ type: "call_blocked", task: task.n, fence: task.phase.fence, blocked: true });
        return ok({ pending: true, call_id: callId });
      }
      if (done.kind === "finish") {
        endAttempt(step, task, endingOf(done.call), undefined, task.given);
        return ok({ result: { state: task.phase.state } });
      }
      if (!task.calls.some((one) => one.id === callId) && input.callId !== undefined) {
        step.emit(
          { type: "call_done", task: task.n, call: callId, tool: input.tool, why: "answered", print },
          answerText(done),
        );
      }
      return toolReply(done, callId);
    });
    if (later && reply.ok) return this.#finish(later, callId);
    if (!reply.ok || !("pending" in reply.value)) return reply;
    // A repeated key takes up the wait that its first request began.
    return this.#awaited(lease, { ...input, callId: reply.value.call_id }, reply);
  }

  /** The answer of a call that waits, as soon as it is there; after the poll's time `pending`. */
  async #awaited(
    lease: LeaseRef,
    input: LeaseToolInput & { readonly callId: string },
    pending: Reply<ToolOutcome>,
  ): Promise<Reply<ToolOutcome | SchemaFirst>> {
    let dropped = false;
    const answer = () => {
      const run = this.#shell.load();
      const task = run && leased(run.state, lease.taskNumber, lease.fence);
      if (!run || !task) return leaseLost;
      dropped = isDropped(task, input.callId);
      const done = answerEver(run, task, input.callId);
      return done && ok(answerView(done));
    };
    const first = answer();
    if (first) return first;
    // It waited when a turn came, and has no place any more: it waits anew.
    if (dropped) return this.leaseTool(lease, input);
    if (input.waitMs > 0) await this.#shell.signals.wait(input.waitMs, () => answer() !== undefined || dropped);
    return answer() ?? pending;
  }

  async #finish({ run, what, op }: { run: LoadedRun; what: LaterRun; op: LaterOp }, callId: string) {
    const done = await this.#variables.finish(run, what, op);
    return done.ok ? toolReply(done.value, callId) : done;
  }

  async complete(lease: LeaseRef, input: CompleteInput, idem?: Idem): Promise<Reply<Completed>> {
    if (isOfCall(lease)) return this.#withNext(await this.#calls.complete(lease, input, idem));
    const schema = input.schemaFirst && this.#schemaOf(lease);
    if (schema) return ok({ schema });
    // The next lease is remembered by name: with its context it would be stored once more for every task.
    const reply = await this.#withLease<{ next?: LeaseRef }>(lease, "complete", idem, (step, run, task) => {
      const usage = input.usage && usageDelta(run, input.usage, modelOf(run, task));
      const { worker } = task.phase;
      endAttempt(step, task, { kind: "result", result: input.result }, usage, task.given);
      if (!input.next || !this.#served.mayGoOn(worker, step.now)) return ok({});
      const grant = this.#grant(step, run, task.pool, worker, leaseContextBytesMax);
      return ok(grant ? { next: { taskNumber: grant.taskNumber, fence: grant.fence } } : {});
    });
    return this.#withNext(reply);
  }

  /** Of an open lease alone: what is late is told so. */
  #schemaOf({ taskNumber, fence, call }: LeaseRef): string | undefined {
    const run = this.#shell.load();
    const task = run && (call === undefined ? leased(run.state, taskNumber, fence) : undefined);
    const schema = task && specOf(run, task).output_schema;
    return schema && JSON.stringify(schema);
  }

  async #withNext(reply: Reply<{ next?: LeaseRef }>): Promise<Reply<{ lease?: Grant }>> {
    if (!reply.ok) return reply;
    const { next } = reply.value;
    if (!next) return ok({});
    const again = await this.leaseAgain(next);
    if (again.ok) return ok({ lease: again.value });
    this.#shell.command((step, run) => ok(this.#repeat(step, run, [next], leaseContextBytesMax)));
    return ok({});
  }

  async fail(lease: LeaseRef, input: FailInput, idem?: Idem): Promise<Reply<{ state: TaskState; error: ErrorView }>> {
    if (isOfCall(lease)) return this.#calls.fail(lease, input, idem);
    return this.#withLease<{ state: TaskState; error: ErrorView }>(lease, "fail", idem, (step, run, task) => {
      const { error, retryable, usage: reported } = input;
      const usage = reported && usageDelta(run, reported, modelOf(run, task));
      if (isGivenBack(input)) {
        loseLease(step, task, "restart", { error, ...(usage && { usage }) });
        settleBudget(step);
      } else endAttempt(step, task, { kind: "error", fault: "worker_failed", error, retryable }, usage);
      return ok({ state: task.phase.state, error: errorOf(run, task) ?? input.error });
    });
  }

  /** A command by the holder of a task's lease (lease-holders.ts). */
  async #withLease<T>(
    lease: LeaseRef,
    op: string,
    idem: Idem | undefined,
    decide: (step: Step, run: LoadedRun, task: LeasedTask) => Reply<T>,
  ): Promise<Reply<T>> {
    if (isOfCall(lease)) {
      const held = await this.leaseAgain(lease);
      return held.ok ? refuse({ code: "lease_of_tool_call", detail: `It takes no ${op}.` }) : held;
    }
    const find = (state: RunState) => leased(state, lease.taskNumber, lease.fence);
    return byHolder(this.#shell, { lease, op, idem, find }, decide);
  }
}

/** The model that a pull worker was asked to use; what it used is its own affair, and its usage is taken for that model's. */
function modelOf(run: LoadedRun, task: Task): ModelUsed | undefined {
  const model = specOf(run, task).model ?? run.store.tree.head(task.base).model;
  return model === undefined ? undefined : { model };
}

const refOf = (grant: Grant): LeaseRef => ({
  taskNumber: grant.taskNumber,
  fence: grant.fence,
  ...("call" in grant && { call: grant.call }),
});

const endingOf = (call: Extract<ToolRun, { kind: "finish" }>["call"]) =>
  "error" in call
    ? ({ kind: "error", fault: "agent_failed", error: call.error, retryable: call.retryable } as const)
    : ({ kind: "result", result: call.result } as const);
