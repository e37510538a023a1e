/** Tasks as a worker's work: the command runs once per task, and what it prints is the task's result. */

import type { Heddle } from "../../client/heddle.ts";
import type { Lease } from "../../client/replies.ts";
import type { LeasesRequest } from "../../client/requests.ts";
import type { CallOptions } from "../../client/transport.ts";
import { CommandExecution, type CommandInput } from "./command-execution.ts";
import type { CommandFolder } from "./command-files.ts";
import type { Execution, Telling } from "./execution.ts";
import type { Subject } from "./report.ts";
import { type Verdict, verdictOf } from "./verdict.ts";
import type { WorkKind } from "./work-kind.ts";

export class TaskWork implements WorkKind<Lease> {
  readonly #client: Heddle;
  readonly #pool: string;
  readonly #command: readonly string[];
  readonly #folder: CommandFolder;

  constructor(client: Heddle, pool: string, command: readonly string[], folder: CommandFolder) {
    this.#client = client;
    this.#pool = pool;
    this.#command = command;
    this.#folder = folder;
  }

  lease(request: LeasesRequest, options: CallOptions): Promise<Lease[]> {
    return this.#client.lease(this.#pool, request, options);
  }

  subjectOf({ task }: Lease): Subject {
    return {
      id: task.id,
      name: task.title ?? task.key ?? task.id,
      attempt: task.attempt,
      fields: { task: task.id, key: task.key },
    };
  }

  start(lease: Lease, telling: Telling): Execution {
    return new CommandExecution(this.#command, this.#folder, () => this.#input(lease), verdictOf, telling);
  }

  renew(lease: Lease, _progress: object | undefined, options: CallOptions): Promise<unknown> {
    return this.#client.renewLease(lease.id, options);
  }

  async deliver(
    { id }: Lease,
    verdict: Verdict,
    next: { worker: string; next: boolean },
    options: CallOptions,
  ): Promise<Lease | undefined> {
    if (verdict.ok) return (await this.#client.complete(id, { result: verdict.result, ...next }, options)).lease;
    await this.#client.fail(id, { error: verdict.error, retryable: verdict.retryable }, options);
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

  async #input(lease: Lease): Promise<CommandInput> {
    const stored = lease.context ?? (await this.#fetchContext(lease));
    const context = { ...stored, messages: [...stored.messages, ...(lease.messages ?? [])] };
    const contextText = JSON.stringify(context);
    const taskText = `${JSON.stringify(lease.task).slice(0, -1)},"context":${contextText}}`;
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      HEDDLE_URL: this.#client.url,
      HEDDLE_LEASE: lease.id,
      HEDDLE_TASK_ID: lease.task.id,
      HEDDLE_TASK_KEY: lease.task.key ?? "",
    };
    // What a task's command may do in Heddle is what its lease allows; the worker's key would allow far more.
    delete env.HEDDLE_API_KEY;
    return { stdin: taskText, files: { HEDDLE_TASK_FILE: taskText, HEDDLE_CONTEXT_FILE: contextText }, env };
  }

  async #fetchContext(lease: Lease) {
    const { snapshot: _hash, parent: _parent, ...context } = await this.#client.snapshot(lease.run, lease.snapshot);
    return context;
  }
}
