/** Leases of remote tools' calls: a worker keeps one, has its result, or gives it up. */

import type { ErrorView, TaskState } from "../../contract/shapes.ts";
import { leaseMs } from "../../limits.ts";
import { isGivenBack } from "../../scheduler/attempts.ts";
import {
  endCall,
  failCall,
  findCall,
  type Leased,
  leasedCall,
  loseCall,
  reportProgress,
} from "../../scheduler/remote-calls.ts";
import type { RunState } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import type { CompleteInput, FailInput, Idem, LeaseRef, Reply } from "../rpc.ts";
import { byHolder } from "./lease-holders.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { startToolCall } from "./remote-calls.ts";
import { leaseLost, ok } from "./replies.ts";
import type { ServedWorkers } from "./served-workers.ts";
import type { RunShell } from "./shell.ts";

export type CallRef = LeaseRef & { readonly call: number };

export const isOfCall = (lease: LeaseRef): lease is CallRef => lease.call !== undefined;

export class CallLeases {
  readonly #shell: RunShell;
  readonly #served: ServedWorkers;

  constructor(shell: RunShell, served: ServedWorkers) {
    this.#shell = shell;
    this.#served = served;
  }

  async renew(lease: CallRef, progress: object | undefined): Promise<Reply<{ expires_at: number }>> {
    const renewed = (run: LoadedRun, { call }: Leased) => {
      const { phase } = call.remote;
      phase.expiresAt = this.#shell.now() + leaseMs;
      run.store.putCallRenewal(call.seq, phase.fence, phase.expiresAt);
      return ok({ expires_at: phase.expiresAt });
    };
    if (progress) {
      return this.#byHolder(lease, "renew", undefined, (step, run, leasedNow) => {
        reportProgress(step, leasedNow, progress);
        return renewed(run, leasedCall(step.state, lease.call, lease.fence)!);
      });
    }
    const run = this.#shell.load();
    const call = run && leasedCall(run.state, lease.call, lease.fence);
    if (!run || !call) return leaseLost;
    const reply = renewed(run, call);
    this.#shell.effects.arm();
    return reply;
  }

  /** The call has its result; `next` names the lease that follows. */
  complete(lease: CallRef, input: CompleteInput, idem: Idem | undefined): Promise<Reply<{ next?: LeaseRef }>> {
    const { result, isError = false } = input;
    return this.#byHolder<{ next?: LeaseRef }>(lease, "complete", idem, (step, run, found) => {
      const { pool, tool, phase } = found.call.remote;
      const { worker } = phase;
      endCall(step, found, { kind: "result", result, isError });
      if (!input.next || !this.#served.mayGoOn(worker, step.now)) return ok({});
      const grant = startToolCall(step, run, { pool, worker, tools: [tool] });
      if (!grant) return ok({});
      const { taskNumber, call, fence } = grant;
      return ok({ next: { taskNumber, call, fence } });
    });
  }

  fail(
    lease: CallRef,
    input: FailInput,
    idem: Idem | undefined,
  ): Promise<Reply<{ state: TaskState; error: ErrorView }>> {
    return this.#byHolder<{ state: TaskState; error: ErrorView }>(lease, "fail", idem, (step, run, found) => {
      const { error, retryable } = input;
      if (isGivenBack(input)) loseCall(step, found, "restart", error);
      else failCall(step, found, { fault: "worker_failed", error, retryable });
      return ok({ state: findCall(run.state, found.call.seq) ? "waiting" : "failed", error: input.error });
    });
  }

  #byHolder<T>(
    lease: CallRef,
    op: string,
    idem: Idem | undefined,
    decide: (step: Step, run: LoadedRun, found: Leased) => Reply<T>,
  ): Promise<Reply<T>> {
    const held = { lease, op, idem, find: (state: RunState) => leasedCall(state, lease.call, lease.fence) };
    return byHolder(this.#shell, held, decide);
  }
}
