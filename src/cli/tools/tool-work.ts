/** Calls of remote tools as a worker's work. */

import type { Heddle } from "../../client/heddle.ts";
import type { ToolCallLease } from "../../client/replies.ts";
import type { LeasesRequest, ProgressReport } from "../../client/requests.ts";
import type { CallOptions } from "../../client/transport.ts";
import { toolProgressCharsMax, toolProgressEveryMs } from "../../limits.ts";
import type { Execution, Telling } from "../worker/execution.ts";
import type { Subject } from "../worker/report.ts";
import type { Verdict } from "../worker/verdict.ts";
import type { WorkKind } from "../worker/work-kind.ts";
import type { Carrier } from "./carrier.ts";

export class ToolWork implements WorkKind<ToolCallLease> {
  readonly #client: Heddle;
  readonly #pool: string;
  /** Only calls of these are taken; undefined: of any. */
  readonly #tools: readonly string[] | undefined;
  readonly #carrier: Carrier;
  readonly progressEveryMs = toolProgressEveryMs;

  constructor(client: Heddle, pool: string, tools: readonly string[] | undefined, carrier: Carrier) {
    this.#client = client;
    this.#pool = pool;
    this.#tools = tools;
    this.#carrier = carrier;
  }

  lease(request: LeasesRequest, options: CallOptions): Promise<ToolCallLease[]> {
    const tools = this.#tools && { tools: [...this.#tools] };
    return this.#client.leaseToolCalls(this.#pool, { ...request, ...tools }, options);
  }

  subjectOf({ tool_call: { id, tool, attempt, run, task } }: ToolCallLease): Subject {
    const caller = task.title ?? task.key ?? task.id;
    return { id, name: `${tool} for ${caller}`, attempt, fields: { tool_call: id, tool, run, task: task.id } };
  }

  start({ tool_call }: ToolCallLease, telling: Telling): Execution {
    return this.#carrier.start(tool_call, telling);
  }

  renew({ id }: ToolCallLease, progress: ProgressReport | undefined, options: CallOptions): Promise<unknown> {
    if (progress === undefined) return this.#client.renewLease(id, options);
    const { message, fraction } = progress;
    const report = {
      ...(message !== undefined && { message: message.slice(0, toolProgressCharsMax) }),
      ...(fraction !== undefined && { fraction: Math.min(1, Math.max(0, fraction)) }),
    };
    return this.#client.reportProgress(id, report, options);
  }

  async deliver(
    { id }: ToolCallLease,
    verdict: Verdict,
    next: { worker: string; next: boolean },
    options: CallOptions,
  ): Promise<ToolCallLease | undefined> {
    if (verdict.ok) {
      const { result, isError } = verdict;
      const body = { result, ...(isError && { is_error: true }), ...next };
      return (await this.#client.completeToolCall(id, body, options)).lease;
    }
    await this.#client.fail(id, { error: verdict.error, retryable: verdict.retryable }, options);
    return undefined;
  }

  isReady(): boolean {
    return this.#carrier.isReady?.() !== false;
  }
}
