/** Tasks as a worker's work, whatever carries them out: a command (work.ts), or a harness (harness/). */

import type { Heddle } from "../../client/heddle.ts";
import type { ContextView, Lease } from "../../client/replies.ts";
import type { LeasesRequest, TaskProgressReport } from "../../client/requests.ts";
import type { CallOptions } from "../../client/transport.ts";
import { taskProgressEveryMs } from "../../limits.ts";
import type { CommandInput } from "./command-execution.ts";
import type { Execution, Telling } from "./execution.ts";
import type { Subject } from "./report.ts";
import { withoutSecrets } from "./secrets.ts";
import type { Verdict } from "./verdict.ts";
import type { WorkKind } from "./work-kind.ts";

export interface TaskInput extends CommandInput {
  /** With messages to the task at its end. */
  readonly context: ContextView;
}

/** Carries out one lease; `input` is what it is given. */
export type StartTask = (lease: Lease, input: () => Promise<TaskInput>, telling: Telling) => Execution;

export const subjectOf = ({ task }: Lease): Subject => ({
  id: task.id,
  name: task.title ?? task.key ?? task.id,
  attempt: task.attempt,
  fields: { task: task.id, key: task.key },
});

export class TaskWork implements WorkKind<Lease> {
  readonly #client: Heddle;
  readonly #pool: string;
  readonly #start: StartTask;
  readonly progressEveryMs = taskProgressEveryMs;

  constructor(client: Heddle, pool: string, start: StartTask) {
    this.#client = client;
    this.#pool = pool;
    this.#start = start;
  }

  lease(request: LeasesRequest, options: CallOptions): Promise<Lease[]> {
    return this.#client.lease(this.#pool, request, options);
  }

  subjectOf(lease: Lease): Subject {
    return subjectOf(lease);
  }

  start(lease: Lease, telling: Telling): Execution {
    const stopping = new AbortController();
    const execution = this.#start(lease, () => this.#input(lease, stopping.signal), telling);
    return {
      verdict: execution.verdict,
      stop: () => {
        stopping.abort();
        execution.stop();
      },
      kill: () => {
        stopping.abort();
        execution.kill();
      },
    };
  }

  renew(lease: Lease, progress: TaskProgressReport | undefined, options: CallOptions): Promise<unknown> {
    return progress
      ? this.#client.reportProgress(lease.id, progress, options)
      : this.#client.renewLease(lease.id, options);
  }

  async deliver(
    { id }: Lease,
    verdict: Verdict,
    next: { worker: string; next: boolean },
    options: CallOptions,
  ): Promise<Lease | undefined> {
    const usage = verdict.usage && { usage: verdict.usage };
    if (verdict.ok)
      return (await this.#client.complete(id, { result: verdict.result, ...usage, ...next }, options)).lease;
    await this.#client.fail(id, { error: verdict.error, retryable: verdict.retryable, ...usage }, options);
    return undefined;
  }

  /** A command may end its task with the tool `finish`; its lease is then gone before we deliver. */
  async endedByItself(
    { run, task: { id, generation, attempt } }: Lease,
    options: CallOptions,
  ): Promise<Verdict | undefined> {
    try {
      const task = await this.#client.task(run, id, options);
      if (task.generation !== generation || task.attempts !== attempt) return undefined;
      // Parked with its result: it waits for its children.
      if (task.state === "succeeded" || task.state === "parked") return { ok: true, result: task.result };
      return task.state === "failed" && task.error ? { ok: false, error: task.error, retryable: false } : undefined;
    } catch {
      return undefined;
    }
  }

  async isBlocked({ run, task: { id } }: Lease, options: CallOptions): Promise<boolean> {
    const task = await this.#client.task(run, id, options);
    return task.state === "running" && task.waiting_on !== null;
  }

  async #input(lease: Lease, signal: AbortSignal): Promise<TaskInput> {
    const stored = lease.context ?? (await this.#fetchContext(lease, signal));
    const context = { ...stored, messages: [...stored.messages, ...(lease.messages ?? [])] };
    const contextText = JSON.stringify(context);
    const taskText = `${JSON.stringify(lease.task).slice(0, -1)},"context":${contextText}}`;
    const env: NodeJS.ProcessEnv = {
      ...withoutSecrets(),
      HEDDLE_URL: this.#client.url,
      HEDDLE_LEASE: lease.id,
      HEDDLE_TASK_ID: lease.task.id,
      HEDDLE_TASK_KEY: lease.task.key ?? "",
    };
    return { stdin: taskText, files: { HEDDLE_TASK_FILE: taskText, HEDDLE_CONTEXT_FILE: contextText }, env, context };
  }

  /** However long the server is away meanwhile (W2 of the worker). */
  async #fetchContext({ run, snapshot }: Lease, signal: AbortSignal) {
    const options = { signal, retryMs: Number.POSITIVE_INFINITY };
    const { snapshot: _hash, parent: _parent, ...context } = await this.#client.snapshot(run, snapshot, {}, options);
    return context;
  }
}
