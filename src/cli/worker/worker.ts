/**
 * A pull worker: leases what is to be done in one pool, has it carried out, and delivers what came of it.
 *
 * Owns: how many run at once, leases and their renewal, delivery, the orderly stop. Does not own: what is leased and how it is
 * carried out (a WorkKind), what its end means (verdict.ts), how busy the machine may be (load/), what is shown (it reports to
 * a WorkReport).
 *
 * W1  An execution runs while its lease is held, as far as we know: `lease_lost` stops it, and nothing of it is delivered.
 * W2  A server that is away is waited for, for as long as it takes: executions go on, and results are delivered when it is
 *     back. The server alone says that a lease is lost.
 * W3  At most `concurrency` executions are not blocked in a tool call, and at most four times as many run in all.
 * W4  After stop() nothing new is leased; after kill() nothing runs, and what ran is given back to be retried.
 * W5  While the machine is busy or a rate limit holds, fewer are leased than there are places (load/throttle.ts); the server
 *     is told the load with each request, and by one that asks for nothing where none is due.
 */

import { randomUUID } from "node:crypto";
import { isProblem } from "../../client/errors.ts";
import type { Heddle } from "../../client/heddle.ts";
import { msSince, now } from "../../client/moment.ts";
import type { TaskProgressReport } from "../../client/requests.ts";
import { sleep } from "../../client/sleep.ts";
import type { CallOptions } from "../../client/transport.ts";
import {
  leasesPerCallMax,
  loadReportEveryMs,
  renewEveryMs,
  workBlockedCheckMs,
  workBlockedFactor,
  workLastCallMs,
  workPollMs,
} from "../../limits.ts";
import type { Execution } from "./execution.ts";
import { LoadWatch } from "./load/load-watch.ts";
import type { WorkReport } from "./report.ts";
import { bounded, givenBack, refusedVerdict, type Verdict } from "./verdict.ts";
import type { WorkKind } from "./work-kind.ts";

export interface WorkerOptions {
  readonly worker: string;
  readonly concurrency: number;
  /** Run this many and stop; undefined: no end. */
  readonly tasksMax?: number;
  /** Stop when nothing ran for this long; undefined: never. */
  readonly idleMs?: number;
  /** The share of the machine, 0 to 1, above which nothing more is leased while something runs; 1: any. */
  readonly maxLoad: number;
}

/** One lease under way. */
interface Slot<Lease> {
  readonly lease: Lease;
  execution: Execution | undefined;
  lost: boolean;
  /** It waits in a tool call, as far as the server told us. */
  blocked: boolean;
  /** The newest report that has not been passed on. */
  progress: TaskProgressReport | undefined;
}

export class Worker<Lease extends { readonly id: string }> {
  readonly #client: Heddle;
  readonly #kind: WorkKind<Lease>;
  readonly #options: WorkerOptions;
  readonly #report: WorkReport;
  readonly #load: LoadWatch;
  readonly #slots = new Set<Slot<Lease>>();
  readonly #stopping = new AbortController();
  readonly #killing = new AbortController();
  /** Chains of leases that run one after another in the same place. */
  readonly #chains = new Set<Promise<void>>();
  #started = 0;
  #failed = 0;
  #busyAt = Date.now();
  /** The last poll brought nothing: only then can there be nothing to do. */
  #askedInVain = false;
  #asking = false;
  #askedAt = Date.now();
  #changed = () => {};
  /** The key may not read tasks: then blocked commands can't be seen. */
  #blind = false;

  constructor(client: Heddle, kind: WorkKind<Lease>, options: WorkerOptions, report: WorkReport) {
    this.#client = client;
    this.#kind = kind;
    this.#options = options;
    this.#report = report;
    this.#load = new LoadWatch(options.maxLoad);
  }

  /** Works until it is stopped, is idle for too long, or has run its tasks. @throws HeddleProblem when leasing is refused for good */
  async work(): Promise<{ failed: number }> {
    const watching = this.#watchBlocked();
    this.#load.start(() => this.#measured());
    try {
      while (!this.#isOver()) {
        const room = this.#room();
        if (room === 0) {
          // Whoever does not ask can't know that there is nothing to do.
          if (this.#free() > 0) this.#askedInVain = false;
          await this.#change();
        } else {
          const leases = await this.#lease(room);
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
      this.#load.stop();
      await watching;
    }
    return { failed: this.#failed };
  }

  /** Nothing new; what runs may finish. */
  stop(): void {
    this.#stopping.abort();
    this.#changed();
  }

  /** Stops what runs and gives it back. */
  kill(): void {
    this.stop();
    this.#killing.abort();
    for (const slot of this.#slots) slot.execution?.stop();
  }

  /** Nothing is waited for: what runs is killed at once, for a process that ends now. Its leases expire. */
  abandon(): void {
    this.kill();
    for (const slot of this.#slots) slot.execution?.kill();
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
    const places = Math.min(concurrency - this.#unblocked(), workBlockedFactor * concurrency - this.#slots.size);
    return Math.max(0, Math.min(places, leasesPerCallMax, tasksMax - this.#started));
  }

  #blockedCount(): number {
    let count = 0;
    for (const slot of this.#slots) if (slot.blocked) count++;
    return count;
  }

  #unblocked(): number {
    return this.#slots.size - this.#blockedCount();
  }

  /** How many of the free places may be filled now (W5). */
  #room(): number {
    if (this.#kind.isReady?.() === false) return 0;
    return this.#load.room(this.#free(), this.#unblocked());
  }

  /** At most `max` leases; none when the poll ended without, or leasing has to stop. */
  async #lease(max: number): Promise<Lease[]> {
    const { worker, idleMs } = this.#options;
    // A poll must not outlast the time after which we are idle; but with idle 0, and something running, it must not spin.
    const idleLeftMs = this.#busyAt + (idleMs ?? workPollMs) - Date.now();
    const patienceMs = this.#slots.size > 0 ? Math.max(idleMs ?? workPollMs, workBlockedCheckMs) : idleLeftMs;
    const wait_ms = Math.max(0, Math.min(workPollMs, patienceMs));
    const load = this.#load.reported;
    this.#asking = true;
    try {
      return await this.#persistently(this.#stopping.signal, (options) =>
        this.#kind.lease({ worker, max, wait_ms, ...(load && { load }) }, options),
      );
    } catch (error) {
      if (this.#stopping.signal.aborted) return [];
      throw error;
    } finally {
      this.#asking = false;
      this.#askedAt = Date.now();
    }
  }

  /** After each measurement: what is held back may go on, and it is told how busy the machine is. */
  #measured(): void {
    if (this.#stopping.signal.aborted) return;
    const isHeld = this.#free() > 0 && this.#load.room(this.#free(), this.#unblocked()) === 0;
    this.#report.load(this.#load.load, isHeld ? this.#load.holding : undefined);
    this.#changed();
    const load = this.#load.reported;
    if (!load || this.#asking || Date.now() - this.#askedAt < loadReportEveryMs) return;
    this.#askedAt = Date.now();
    const options = { signal: this.#stopping.signal, retryMs: 0 };
    // Nobody waits for it: when it does not arrive, the next one will.
    this.#kind.lease({ worker: this.#options.worker, max: 0, load }, options).catch(() => undefined);
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

  /** Carries out a lease, and then the one that its delivery brought, and so on: one round trip each. */
  async #chain(first: Lease): Promise<void> {
    let before: Slot<Lease> | undefined;
    for (let lease: Lease | undefined = first; lease !== undefined; ) {
      const slot: Slot<Lease> = { lease, execution: undefined, lost: false, blocked: false, progress: undefined };
      this.#slots.add(slot);
      // The place goes from one to the next in one step: nobody sees it free, and leases for it (W3).
      if (before) this.#slots.delete(before);
      lease = await this.#run(slot);
      before = slot;
    }
    if (before) this.#slots.delete(before);
  }

  // ---- one lease -----------------------------------------------------------------------------------------------------

  /** Carries out one lease to its delivery; the next lease, if the delivery brought one. Never rejects. */
  async #run(slot: Slot<Lease>): Promise<Lease | undefined> {
    const { lease } = slot;
    const subject = this.#kind.subjectOf(lease);
    this.#started++;
    this.#report.started(subject);
    const startedAt = Date.now();
    const renewing = new AbortController();
    void this.#renew(slot, renewing.signal);
    try {
      let verdict = await this.#execute(slot);
      renewing.abort();
      if (slot.lost) {
        this.#failed++;
        this.#report.lost(subject, Date.now() - startedAt);
        return undefined;
      }
      const next = await this.#deliver(slot, verdict).catch((error: unknown) => {
        const refused = refusedVerdict(verdict, error);
        if (!refused) throw error;
        verdict = refused;
        return this.#deliver(slot, refused);
      });
      if (!verdict.ok) this.#failed++;
      this.#report.ended(subject, verdict, Date.now() - startedAt);
      return next;
    } catch (error) {
      const lost = isProblem(error, "lease_lost");
      const own = lost ? await this.#kind.endedByItself?.(lease, { signal: this.#killing.signal }) : undefined;
      if (!own?.ok) this.#failed++;
      if (own) this.#report.ended(subject, own, Date.now() - startedAt);
      else if (lost) this.#report.lost(subject, Date.now() - startedAt);
      else this.#report.undelivered(subject, error);
      return undefined;
    } finally {
      renewing.abort();
      this.#busyAt = Date.now();
    }
  }

  async #execute(slot: Slot<Lease>): Promise<Verdict> {
    if (this.#killing.signal.aborted) return givenBack;
    slot.execution = this.#kind.start(slot.lease, {
      rateLimited: (retryAfterMs) => this.#load.rateLimited(retryAfterMs),
      progress: (report) => {
        slot.progress = report;
      },
    });
    const verdict = bounded(await slot.execution.verdict);
    // What was stopped half-way says so in many ways; what had come to its end all the same counts.
    if (!this.#killing.signal.aborted || (verdict.ok && !verdict.isError)) return verdict;
    return { ...givenBack, ...(verdict.usage && { usage: verdict.usage }) };
  }

  /** Hands the verdict over, with patience; the next lease comes with the answer where there is room for it. */
  async #deliver(slot: Slot<Lease>, verdict: Verdict): Promise<Lease | undefined> {
    slot.blocked = false;
    const next = { worker: this.#options.worker, next: this.#hasRoomForNext() };
    const idempotencyKey = randomUUID();
    const call = (options: CallOptions) =>
      this.#kind.deliver(slot.lease, verdict, next, { ...options, idempotencyKey });
    try {
      return await this.#persistently(this.#killing.signal, call);
    } catch (error) {
      if (!this.#killing.signal.aborted) throw error;
      return await call({ retryMs: workLastCallMs });
    }
  }

  /** Whether the place that a finished lease leaves may be filled at once. */
  #hasRoomForNext(): boolean {
    const { concurrency, tasksMax } = this.#options;
    if (this.#stopping.signal.aborted || tasksMax !== undefined || this.#kind.isReady?.() === false) return false;
    return this.#unblocked() <= concurrency && this.#load.room(1, this.#unblocked() - 1) > 0;
  }

  async #renew(slot: Slot<Lease>, signal: AbortSignal): Promise<void> {
    const renew = (progress?: TaskProgressReport) =>
      this.#kind.renew(slot.lease, progress, { signal, retryMs: Number.POSITIVE_INFINITY });
    let isTold = true;
    try {
      for (let renewedAt = now(); ; ) {
        await sleep(this.#kind.progressEveryMs, signal);
        const progress = isTold ? slot.progress : undefined;
        if (progress === undefined && msSince(renewedAt) < renewEveryMs) continue;
        slot.progress = undefined;
        await renew(progress).catch((error) => {
          // A report is for eyes: a server that does not take it, as one that is older, must not cost the task its lease.
          if (progress === undefined || !isProblem(error, "validation_failed")) throw error;
          isTold = false;
          return renew();
        });
        // A report between two renewals need not be one: the server decides.
        if (progress === undefined) renewedAt = now();
      }
    } catch (error) {
      if (signal.aborted) return;
      if (!isProblem(error, "lease_lost")) return this.#report.trouble(error);
      slot.lost = true;
      slot.execution?.stop();
    }
  }

  // ---- blocked commands ----------------------------------------------------------------------------------------------

  /**
   * While no place may be filled, asks which wait in a tool call: each makes room for one more (DESIGN §6). That may be because
   * the machine is busy: what is blocked may wait for a task of this very pool, which no other worker serves.
   */
  async #watchBlocked(): Promise<void> {
    if (!this.#kind.isBlocked) return;
    while (!this.#stopping.signal.aborted && !this.#blind) {
      await sleep(workBlockedCheckMs, this.#stopping.signal).catch(() => undefined);
      if (this.#room() > 0 && this.#blockedCount() === 0) continue;
      await Promise.all([...this.#slots].map((slot) => this.#look(slot)));
      if (this.#room() > 0) this.#changed();
    }
  }

  async #look(slot: Slot<Lease>): Promise<void> {
    try {
      const options = { signal: this.#stopping.signal, retryMs: 0 };
      slot.blocked = (await this.#kind.isBlocked?.(slot.lease, options)) === true;
    } catch (error) {
      if (isProblem(error, "forbidden") || isProblem(error, "unauthorized")) this.#blind = true;
    }
  }

  /** Resolves at the next change of what runs or of how busy the machine is, or when stopping. */
  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#changed = resolve;
    });
  }
}
