/** Pools and leases: pull workers. */

import { leaseLeaveMs } from "../../limits.ts";
import { randomKey } from "../random-key.ts";
import type { Failed, Lease, PoolPage, Renewed, ToolCallLease, ToolOutcome, TurnLogged } from "../replies.ts";
import type {
  CompleteRequest,
  CompleteToolCallRequest,
  FailRequest,
  LeasesRequest,
  Message,
  PageQuery,
  ProgressReport,
  TaskProgressReport,
  ToolLeasesRequest,
  ToolRequest,
} from "../requests.ts";
import type { CallOptions } from "../transport.ts";
import { SessionCalls } from "./session-calls.ts";

/** Pools and leases: pull workers. */
export class LeaseCalls extends SessionCalls {
  /** The pool's workers that asked for work lately, with their load. */
  pool(pool: string, query: PageQuery = {}, options: CallOptions = {}): Promise<PoolPage> {
    return this.getJson(`/v1/pools/${encodeURIComponent(pool)}`, { ...query }, options);
  }
  /** Leases up to `max` tasks of a pool; waits `wait_ms` for the first. */
  lease(pool: string, body: LeasesRequest, options: CallOptions = {}): Promise<Lease[]> {
    return this.#leased(pool, body, options);
  }
  /** Calls of remote tools that wait for a worker of the pool. */
  leaseToolCalls(pool: string, body: ToolLeasesRequest, options: CallOptions = {}): Promise<ToolCallLease[]> {
    return this.#leased(pool, { ...body, kinds: ["tool_call"] }, options);
  }
  async #leased<Kind>(pool: string, body: LeasesRequest & { kinds?: string[] }, options: CallOptions): Promise<Kind[]> {
    const waitMs = body.wait_ms ?? 0;
    const idempotencyKey = options.idempotencyKey ?? randomKey();
    const ask = <Reply>(asked: LeasesRequest, how: CallOptions) => {
      const path = `/v1/pools/${encodeURIComponent(pool)}/leases`;
      return this.transport.json<Reply>({ ...how, method: "POST", path, body: asked, waitMs: asked.wait_ms ?? 0 });
    };
    try {
      return (await ask<{ leases: Kind[] }>(body, { ...options, idempotencyKey })).leases;
    } catch (error) {
      // Else it may wait on at the server, where a proxy keeps its connection, and get what nobody hears of.
      if (options.signal?.aborted && waitMs > 0) {
        const how = { signal: AbortSignal.timeout(leaseLeaveMs), retryMs: 0 };
        ask({ worker: body.worker, max: 0, supersedes: idempotencyKey }, how).catch(() => undefined);
      }
      throw error;
    }
  }
  /** @throws HeddleProblem `lease_lost`, always, for a lease that is no longer valid; so do the other calls on a lease */
  renewLease(lease: string, options: CallOptions = {}): Promise<Renewed> {
    return this.#onLease(lease, "renew", {}, options);
  }
  /** As `renewLease`, and says how far the task is, or the tool call: a task shows it as its `progress`. */
  reportProgress(
    lease: string,
    progress: ProgressReport | TaskProgressReport,
    options: CallOptions = {},
  ): Promise<Renewed> {
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
    return this.postTool(
      `/v1/leases/${encodeURIComponent(lease)}/tools/${encodeURIComponent(tool)}`,
      body,
      options,
      false,
    );
  }
  /** Ends the attempt with its result; with `next`, the answer may be the next lease. */
  complete(lease: string, body: CompleteRequest, options: CallOptions = {}): Promise<{ lease?: Lease }> {
    return this.#onLease(lease, "complete", body, options);
  }
  /** As `complete`, of a tool call. */
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
  #onLease<Reply>(lease: string, call: string, body: unknown, options: CallOptions): Promise<Reply> {
    return this.transport.json({
      ...options,
      method: "POST",
      path: `/v1/leases/${encodeURIComponent(lease)}/${call}`,
      body,
      withKey: false,
    });
  }
}
