/**
 * Leases of pull workers: what the pull protocol's calls do to a run. A lease is named by (task, fence); another fence is
 * `lease_lost`, and changes nothing but the log.
 */

import type { MessageText, Usage } from "../../context/types.ts";
import type { ErrorView, LeaseGrant, TaskState, ToolOutcome } from "../../contract/shapes.ts";
import { isCarriedOutLater } from "../../contract/variable-tools.ts";
import { leaseContextBytesMax, leaseMs, seatServesMs } from "../../limits.ts";
import { leased } from "../../scheduler/attempts.ts";
import { settleBudget } from "../../scheduler/budget.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Running, Task } from "../../scheduler/task.ts";
import type { CompleteInput, FailInput, Idem, LeaseRef, Reply, ToolCallInput } from "../rpc.ts";
import type { OpId } from "../variable-rpc.ts";
import { errorOf, specOf } from "./bodies.ts";
import { answerTo, leaseGrant, newestSnapshot } from "./dispatch.ts";
import { openCallsOf } from "./forks.ts";
import type { LoadedRun } from "./loaded-run.ts";
import type { ModelUsed } from "./models.ts";
import { usageDelta } from "./money.ts";
import { appendTo } from "./outside-calls.ts";
import { answerView, leaseLost, ok, refuse, toolReply } from "./replies.ts";
import { endAttempt, opIdOf } from "./seat-turns.ts";
import type { RunShell } from "./shell.ts";
import { startTask } from "./start-task.ts";
import { runTool, type ToolRun } from "./tool-calls.ts";
import { isLater, type LaterRun, type VariableCalls } from "./variable-calls.ts";

export class PullLeases {
  readonly #shell: RunShell;
  /** Since when a worker is served without asking the gate, so that other runs get their turn. */
  readonly #servedSince = new Map<string, number>();

  readonly #variables: VariableCalls;

  constructor(shell: RunShell, variables: VariableCalls) {
    this.#shell = shell;
    this.#variables = variables;
  }

  async leases(input: {
    pool: string;
    worker: string;
    max: number;
    contextBytes: number;
  }): Promise<Reply<LeaseGrant[]>> {
    return this.#shell.together((step, run) => {
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

  #grant(step: Step, run: LoadedRun, pool: string, worker: string, room: number) {
    return startTask(step, { pool, worker, boot: "" }, (task) => leaseGrant(run, task, room));
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
    run.store.putRenewal(task.n, task.phase.fence, task.phase.expiresAt);
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
      const usage = usageDelta(run, input.usage ?? {}, modelOf(run, task));
      step.emit({ type: "turn", task: task.n, fence: task.phase.fence, turn: task.turns + 1, snapshot, usage });
      settleBudget(step);
      return ok({ snapshot });
    });
  }

  async leaseTool(lease: LeaseRef, input: ToolCallInput, idem?: Idem): Promise<Reply<ToolOutcome>> {
    const callId = input.callId ?? `call_${crypto.randomUUID()}`;
    let waiting = false;
    let later: { run: LoadedRun; what: LaterRun; id: OpId } | undefined;
    // What comes after the commit can't be remembered in it: the variable remembers it.
    const remembered = isCarriedOutLater(input.tool) ? undefined : idem;
    const reply = await this.#withLease<ToolOutcome>(lease, input.tool, remembered, (step, run, task) => {
      const known = answerTo(run, task, callId);
      if (known) return ok(answerView(known));
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
      if (isLater(done)) {
        const id = { ...(input.callId !== undefined && opIdOf(task, callId)), names: idem ? [idem] : [] };
        later = { run, what: done, id };
        return ok({ pending: true, call_id: callId });
      }
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
    if (later && reply.ok) return this.#finish(later, callId);
    if (!waiting || !reply.ok) return reply;
    const answer = () => {
      const run = this.#shell.load();
      const task = run && leased(run.state, lease.taskNumber, lease.fence);
      if (!run || !task) return leaseLost;
      const done = answerTo(run, task, callId);
      return done && ok(answerView(done));
    };
    if (input.waitMs > 0) await this.#shell.signals.wait(input.waitMs, () => answer() !== undefined);
    return answer() ?? ok({ pending: true, call_id: callId });
  }

  async #finish({ run, what, id }: { run: LoadedRun; what: LaterRun; id: OpId }, callId: string) {
    const done = await this.#variables.finish(run, what, id);
    return done.ok ? toolReply(done.value, callId) : done;
  }

  async complete(lease: LeaseRef, input: CompleteInput, idem?: Idem): Promise<Reply<{ lease?: LeaseGrant }>> {
    // The next lease is remembered by name: with its context it would be stored once more for every task.
    const reply = await this.#withLease<{ next?: LeaseRef }>(lease, "complete", idem, (step, run, task) => {
      const usage = input.usage && usageDelta(run, input.usage, modelOf(run, task));
      endAttempt(step, task, { kind: "result", result: input.result }, usage);
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
  async #withLease<T>(
    lease: LeaseRef,
    op: string,
    idem: Idem | undefined,
    decide: (step: Step, run: LoadedRun, task: Task & { phase: Running }) => Reply<T>,
  ): Promise<Reply<T>> {
    const reply = await this.#shell.together<T>((step, run) => {
      const task = leased(run.state, lease.taskNumber, lease.fence);
      if (task) return decide(step, run, task);
      if (run.state.find(lease.taskNumber))
        step.emit({ type: "late_refused", task: lease.taskNumber, fence: lease.fence, op });
      return leaseLost;
    }, idem);
    // A deleted run has no leases: the lease is gone like any other.
    return !reply.ok && reply.fault.code === "not_found" && !this.#shell.load() ? leaseLost : reply;
  }
}

/** The model that a pull worker was asked to use; what it used is its own affair, and its usage is taken for that model's. */
function modelOf(run: LoadedRun, task: Task): ModelUsed | undefined {
  const model = specOf(run, task).model ?? run.store.tree.head(task.base).model;
  return model === undefined ? undefined : { model };
}

const endingOf = (call: Extract<ToolRun, { kind: "finish" }>["call"]) =>
  "error" in call
    ? ({ kind: "error", error: call.error, transient: call.retryable } as const)
    : ({ kind: "result", result: call.result } as const);
