/**
 * A pull worker: leases tasks of one pool, runs the command once per task, and delivers what it answered.
 *
 * Owns: how many run at once, leases and their renewal, delivery, the orderly stop. Does not own: what a command is
 * (command.ts), what its end means (verdict.ts), what is shown (it reports to a WorkReport).
 *
 * W1  A command runs while its lease is held, as far as we know: `lease_lost` stops it, and nothing of it is delivered.
 * W2  A server that is away is waited for, for as long as it takes: commands go on, and results are delivered when it is back.
 *     The server alone says that a lease is lost.
 * W3  At most `concurrency` commands are not blocked in a tool call, and at most four times as many run in all.
 * W4  After stop() nothing new is leased; after kill() no command runs, and its task is given back to be retried.
 * W5  No command outlives the worker, whatever ended that (guard.ts).
 */

import { randomUUID } from "node:crypto";
import { isProblem } from "../../client/errors.ts";
import type { Heddle } from "../../client/heddle.ts";
import type { Lease } from "../../client/replies.ts";
import { sleep } from "../../client/sleep.ts";
import type { CallOptions } from "../../client/transport.ts";
import {
  leasesPerCallMax,
  renewEveryMs,
  workBlockedCheckMs,
  workBlockedFactor,
  workLastCallMs,
  workPollMs,
} from "../../limits.ts";
import { Command } from "./command.ts";
import { Guard } from "./guard.ts";
import type { WorkReport } from "./report.ts";
import type { TaskFolder } from "./task-files.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

export interface WorkerOptions {
  readonly pool: string;
  readonly worker: string;
  readonly command: readonly string[];
  readonly concurrency: number;
  /** Run this many tasks and stop; undefined: no end. */
  readonly tasksMax?: number;
  /** Stop when nothing ran for this long; undefined: never. */
  readonly idleMs?: number;
}

/** One task under way. */
interface Slot {
  readonly lease: Lease;
  readonly command: { current: Command | undefined };
  lost: boolean;
  /** Its command waits in a tool call, as far as the server told us. */
  blocked: boolean;
}

export class Worker {
  readonly #client: Heddle;
  readonly #options: WorkerOptions;
  readonly #folder: TaskFolder;
  readonly #guard: Guard;
  readonly #report: WorkReport;
  readonly #slots = new Set<Slot>();
  readonly #stopping = new AbortController();
  readonly #killing = new AbortController();
  /** Chains of tasks that run one after another in the same place. */
  readonly #chains = new Set<Promise<void>>();
  #started = 0;
  #failed = 0;
  #busyAt = Date.now();
  /** The last poll brought nothing: only then can there be nothing to do. */
  #askedInVain = false;
  #changed = () => {};
  /** The key may not read tasks: then blocked commands can't be seen. */
  #blind = false;

  constructor(client: Heddle, options: WorkerOptions, folder: TaskFolder, report: WorkReport) {
    this.#client = client;
    this.#options = options;
    this.#folder = folder;
    this.#guard = new Guard(folder.path);
    this.#report = report;
  }

  /** Works until it is stopped, is idle for too long, or has run its tasks. @throws HeddleProblem when leasing is refused for good */
  async work(): Promise<{ failed: number }> {
    const watching = this.#watchBlocked();
    try {
      while (!this.#isOver()) {
        const free = this.#free();
        if (free === 0) await this.#change();
        else {
          const leases = await this.#lease(free);
          this.#askedInVain = leases.length === 0;
          for (const lease of leases) this.#begin(lease);
        }
      }
    } catch (error) {
      if (this.#slots.size > 0) this.#report.trouble(error);
      throw error;
    } finally {
      this.#stopping.abort();
      while (this.#chains.size > 0) await Promise.all(this.#chains);
      await watching;
    }
    return { failed: this.#failed };
  }

  /** No new tasks; what runs may finish. */
  stop(): void {
    this.#stopping.abort();
    this.#changed();
  }

  /** Stops what runs and gives the tasks back. */
  kill(): void {
    this.stop();
    this.#killing.abort();
    for (const slot of this.#slots) slot.command.current?.stop();
  }

  /** Nothing is waited for: what runs is killed at once, for a process that ends now. Its leases expire. */
  abandon(): void {
    this.kill();
    for (const slot of this.#slots) slot.command.current?.kill();
  }

  get running(): number {
    return this.#slots.size;
  }

  // ---- leasing -------------------------------------------------------------------------------------------------------

  #isOver(): boolean {
    if (this.#stopping.signal.aborted) return true;
    const { tasksMax, idleMs } = this.#options;
    if (tasksMax !== undefined && this.#started >= tasksMax) return true;
    return (
      this.#askedInVain && this.#slots.size === 0 && Date.now() - this.#busyAt >= (idleMs ?? Number.POSITIVE_INFINITY)
    );
  }

  #free(): number {
    const { concurrency, tasksMax = Number.POSITIVE_INFINITY } = this.#options;
    const unblocked = this.#slots.size - this.#blockedCount();
    const places = Math.min(concurrency - unblocked, workBlockedFactor * concurrency - this.#slots.size);
    return Math.max(0, Math.min(places, leasesPerCallMax, tasksMax - this.#started));
  }

  #blockedCount(): number {
    let count = 0;
    for (const slot of this.#slots) if (slot.blocked) count++;
    return count;
  }

  /** At most `max` leases; none when the poll ended without, or leasing has to stop. */
  async #lease(max: number): Promise<Lease[]> {
    const { pool, worker, idleMs } = this.#options;
    // A poll must not outlast the time after which we are idle; but with idle 0, and something running, it must not spin.
    const idleLeftMs = this.#busyAt + (idleMs ?? workPollMs) - Date.now();
    const patienceMs = this.#slots.size > 0 ? Math.max(idleMs ?? workPollMs, workBlockedCheckMs) : idleLeftMs;
    const request = { worker, max, wait_ms: Math.max(0, Math.min(workPollMs, patienceMs)) };
    try {
      return await this.#persistently(this.#stopping.signal, (options) => this.#client.lease(pool, request, options));
    } catch (error) {
      if (this.#stopping.signal.aborted) return [];
      throw error;
    }
  }

  /** Repeats a call for as long as the server is away; says once that it is, and once that it is back. */
  async #persistently<Reply>(signal: AbortSignal, call: (options: CallOptions) => Promise<Reply>): Promise<Reply> {
    const away = setTimeout(() => this.#report.away(this.#client.url), workPollMs + 5000);
    try {
      return await call({ signal, retryMs: Number.POSITIVE_INFINITY });
    } finally {
      clearTimeout(away);
      this.#report.here();
    }
  }

  #begin(lease: Lease): void {
    const chain = this.#chain(lease).finally(() => {
      this.#chains.delete(chain);
      this.#changed();
    });
    this.#chains.add(chain);
  }

  /** Runs a task, and then the one that its completion brought, and so on: one round trip a task. */
  async #chain(first: Lease): Promise<void> {
    for (let lease: Lease | undefined = first; lease !== undefined; ) lease = await this.#run(lease);
  }

  // ---- one task ------------------------------------------------------------------------------------------------------

  /** Runs one leased task to its delivery; the next lease, if the delivery brought one. Never rejects. */
  async #run(lease: Lease): Promise<Lease | undefined> {
    const slot: Slot = { lease, command: { current: undefined }, lost: false, blocked: false };
    this.#slots.add(slot);
    this.#started++;
    this.#report.started(lease.task);
    const startedAt = Date.now();
    const renewing = new AbortController();
    void this.#renew(slot, renewing.signal);
    try {
      const verdict = await this.#execute(slot);
      renewing.abort();
      if (slot.lost) {
        this.#failed++;
        this.#report.lost(lease.task, Date.now() - startedAt);
        return undefined;
      }
      const next = await this.#deliver(slot, verdict);
      if (!verdict.ok) this.#failed++;
      this.#report.ended(lease.task, verdict, Date.now() - startedAt);
      return next;
    } catch (error) {
      const own = isProblem(error, "lease_lost") ? await this.#endedByItself(lease) : undefined;
      if (!own?.ok) this.#failed++;
      if (own) this.#report.ended(lease.task, own, Date.now() - startedAt);
      else if (isProblem(error, "lease_lost")) this.#report.lost(lease.task, Date.now() - startedAt);
      else this.#report.undelivered(lease.task, error);
      return undefined;
    } finally {
      renewing.abort();
      this.#slots.delete(slot);
      this.#busyAt = Date.now();
      this.#changed();
    }
  }

  async #execute(slot: Slot): Promise<Verdict> {
    const { lease } = slot;
    try {
      const stored = lease.context ?? (await this.#fetchContext(lease));
      const context = { ...stored, messages: [...stored.messages, ...(lease.messages ?? [])] };
      const contextText = JSON.stringify(context);
      const taskText = `${JSON.stringify(lease.task).slice(0, -1)},"context":${contextText}}`;
      const files = await this.#folder.write(taskText, contextText);
      try {
        if (slot.lost || this.#killing.signal.aborted) return givenBack;
        const command = new Command(this.#options.command, this.#environment(lease, files), taskText);
        slot.command.current = command;
        const { pid } = command;
        if (pid !== undefined) this.#guard.watch(pid);
        const end = await command.ended;
        if (pid !== undefined) this.#guard.forget(pid);
        return this.#killing.signal.aborted && end.status !== 0 ? givenBack : verdictOf(end);
      } finally {
        await files.remove();
      }
    } catch (error) {
      return {
        ok: false,
        error: { code: "worker_failed", message: `The worker could not run the command: ${(error as Error).message}` },
        retryable: true,
      };
    }
  }

  async #fetchContext(lease: Lease) {
    const { snapshot: _hash, parent: _parent, ...context } = await this.#client.snapshot(lease.run, lease.snapshot);
    return context;
  }

  #environment(lease: Lease, files: { task: string; context: string }): NodeJS.ProcessEnv {
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      HEDDLE_URL: this.#client.url,
      HEDDLE_LEASE: lease.id,
      HEDDLE_TASK_ID: lease.task.id,
      HEDDLE_TASK_KEY: lease.task.key ?? "",
      HEDDLE_TASK_FILE: files.task,
      HEDDLE_CONTEXT_FILE: files.context,
    };
    // What a task's command may do in Heddle is what its lease allows; the worker's key would allow far more.
    delete env.HEDDLE_API_KEY;
    return env;
  }

  /** Hands the verdict over, with patience; the next lease comes with the answer where there is room for it. */
  async #deliver(slot: Slot, verdict: Verdict): Promise<Lease | undefined> {
    const { id } = slot.lease;
    const { worker } = this.#options;
    slot.blocked = false;
    const next = this.#hasRoomForNext();
    const idempotencyKey = randomUUID();
    const call = async (options: CallOptions): Promise<Lease | undefined> => {
      const all = { ...options, idempotencyKey };
      if (verdict.ok) return (await this.#client.complete(id, { result: verdict.result, worker, next }, all)).lease;
      await this.#client.fail(id, { error: verdict.error, retryable: verdict.retryable }, all);
      return undefined;
    };
    try {
      return await this.#persistently(this.#killing.signal, call);
    } catch (error) {
      if (!this.#killing.signal.aborted) throw error;
      return await call({ retryMs: workLastCallMs });
    }
  }

  /**
   * A command may end its task with the tool `finish`; its lease is then gone before we deliver. What the task ended with,
   * when it ended in this very attempt; undefined when it was lost otherwise, or may not be read.
   */
  async #endedByItself({ run, task: { id, generation, attempt } }: Lease): Promise<Verdict | undefined> {
    try {
      const task = await this.#client.task(run, id, { signal: this.#killing.signal });
      if (task.generation !== generation || task.attempts !== attempt) return undefined;
      // Parked with its result: it waits for its children.
      if (task.state === "succeeded" || task.state === "parked") return { ok: true, result: task.result };
      return task.state === "failed" && task.error ? { ok: false, error: task.error, retryable: false } : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whether the place that a finished task leaves may be filled at once. */
  #hasRoomForNext(): boolean {
    const { concurrency, tasksMax } = this.#options;
    if (this.#stopping.signal.aborted || tasksMax !== undefined) return false;
    return this.#slots.size - this.#blockedCount() <= concurrency;
  }

  async #renew(slot: Slot, signal: AbortSignal): Promise<void> {
    try {
      for (;;) {
        await sleep(renewEveryMs, signal);
        await this.#client.renewLease(slot.lease.id, { signal, retryMs: Number.POSITIVE_INFINITY });
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isProblem(error, "lease_lost")) return this.#report.trouble(error);
      slot.lost = true;
      slot.command.current?.stop();
    }
  }

  // ---- blocked commands ----------------------------------------------------------------------------------------------

  /** While all places are taken, asks which tasks wait in a tool call: each makes room for one more (DESIGN §6). */
  async #watchBlocked(): Promise<void> {
    while (!this.#stopping.signal.aborted && !this.#blind) {
      await sleep(workBlockedCheckMs, this.#stopping.signal).catch(() => undefined);
      if (this.#free() > 0 && this.#blockedCount() === 0) continue;
      await Promise.all([...this.#slots].map((slot) => this.#look(slot)));
      if (this.#free() > 0) this.#changed();
    }
  }

  async #look(slot: Slot): Promise<void> {
    try {
      const task = await this.#client.task(slot.lease.run, slot.lease.task.id, {
        signal: this.#stopping.signal,
        retryMs: 0,
      });
      slot.blocked = task.state === "running" && task.waiting_on !== null;
    } catch (error) {
      if (isProblem(error, "forbidden") || isProblem(error, "unauthorized")) this.#blind = true;
    }
  }

  /** Resolves at the next change of what runs, or when stopping. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve;
    });
  }
}

const givenBack: Verdict = {
  ok: false,
  error: { code: "worker_stopped", message: "The worker was stopped before the command ended." },
  retryable: true,
};
