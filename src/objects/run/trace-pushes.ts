/**
 * When a run's trace is pushed to the deployment's collector, and how far that has come. The pushing itself is done in a queue
 * consumer (collector/push.ts), where waiting for a slow collector is free.
 *
 * T1. What is to be pushed is not kept: it is made from the log again, from the cursor on. So there is no backlog to hold, the
 *     cursor is one row, and after a crash the next push goes on from it.
 * T2. One push at a time. One that has not reported for `tracePushLeaseMs` is given up, and its later reports are told to stop.
 *     Which one that is may be forgotten, as an object is that waits for a slow collector: then whoever goes on from the cursor is it.
 * T3. The run never waits: a ticket is sent after a commit, as seats' are, and lost ones are sent again.
 * T4. A collector that is away is asked again after a backoff; what it has not taken for `traceGiveUpMs` is dropped, and said.
 * T5. An object that waits with something to push stays in memory for it: a deployment's leaves memory after ten seconds without a call or
 *     a timer, its alarm would find one that was loaded anew, and waits anew, again and again.
 */

import { parseCollector } from "../../contract/collector.ts";
import {
  retryAfterMsMax,
  seatShards,
  traceEventsMax,
  traceGiveUpMs,
  tracePushEveryMs,
  tracePushLeaseMs,
  tracePushMsPerEvent,
  tracePushReportMs,
  traceRetryMsMax,
  traceRetryMsMin,
  traceStayMsMax,
} from "../../limits.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import type { Env } from "../env.ts";
import type { SeatTicket, TraceReport, TraceWork } from "../seat-rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { Stay } from "./stay.ts";

/** As it is stored. */
interface Cursor {
  readonly seq: number;
  readonly endSeq: number;
  readonly sent: number;
  readonly dropped: number;
  /** Of tries in a row that the collector took nothing of; absent: it took the last one. */
  readonly failing?: { readonly times: number; readonly since: number; readonly until: number };
}

const metaName = "trace";
const never = Number.POSITIVE_INFINITY;

export class TracePushes {
  readonly #isOn: boolean;
  #cursor: Cursor | undefined;
  #job: { readonly nonce: string; until: number } | undefined;
  /** When the last push was over, or the run was loaded. */
  #lastAt = 0;
  /** Until then a push of an earlier life of this object may report. */
  #expectsUntil = 0;
  /** T5. */
  readonly #stay = new Stay();

  constructor(env: Env) {
    const found = parseCollector(env);
    this.#isOn = found.ok && found.collector !== undefined;
  }

  /** The run is pushed from event `seq` on. */
  begin(run: LoadedRun, seq = 0): void {
    if (this.#isOn) this.#set(run, { seq, endSeq: seq, sent: 0, dropped: 0 });
  }

  /** The object has no run any more. */
  forget(): void {
    this.#cursor = undefined;
    this.#job = undefined;
    this.#lastAt = 0;
    this.#expectsUntil = 0;
    this.#stay.end();
  }

  /** The runtime is another one: no push of an earlier life is there. */
  restarted(run: LoadedRun, now: number): void {
    this.#of(run, now);
    this.#expectsUntil = 0;
  }

  #set(run: LoadedRun, cursor: Cursor): void {
    this.#cursor = cursor;
    run.store.setMeta(metaName, JSON.stringify(cursor));
  }

  /** A run that had ended before there was a collector has none, and gets none. */
  #of(run: LoadedRun, now: number): Cursor | undefined {
    if (!this.#isOn || this.#cursor) return this.#cursor;
    const text = run.store.meta(metaName);
    if (text !== undefined) {
      this.#cursor = JSON.parse(text) as Cursor;
      this.#expectsUntil = now + tracePushReportMs;
    } else if (!isRunEnded(run.state)) this.begin(run);
    return this.#cursor;
  }

  /** When there is something to do next. */
  dueAt(run: LoadedRun, now: number): number {
    const cursor = this.#of(run, now);
    if (!cursor) return never;
    this.#lastAt ||= now;
    if (this.#job) {
      // Its ticket may wait for a consumer, and is spent where it opens at an object that knows nothing of it.
      this.#stayUntil(this.#job.until, now);
      return this.#job.until;
    }
    const { seq } = run.state.header;
    if (seq <= cursor.seq || cursor.seq >= traceEventsMax) return never;
    const until = Math.max(cursor.failing?.until ?? 0, this.#expectsUntil);
    const pause = Math.max(tracePushEveryMs, seq * tracePushMsPerEvent);
    const due = Math.max(until, isRunEnded(run.state) ? now : this.#lastAt + pause);
    this.#stayUntil(due, now);
    return due;
  }

  #stayUntil(until: number, now: number): void {
    // Longer ones are a collector's that is away: what was waited for is in the cursor, and the next wait after it is short.
    if (until - now <= traceStayMsMax) this.#stay.until(until, now);
  }

  /** The ticket of a push that is due now. */
  next(run: LoadedRun, now: number, nonce: () => string): SeatTicket | undefined {
    if (this.dueAt(run, now) > now) return undefined;
    this.#job = { nonce: `trace-${nonce()}`, until: now + tracePushLeaseMs };
    const shard = crypto.getRandomValues(new Uint8Array(1))[0]! % seatShards;
    return { tenant: run.tenant, run: run.id, nonce: this.#job.nonce, shard, trace: true };
  }

  /** Undefined: another one does it, or has done it. */
  open(run: LoadedRun, nonce: string, now: number): TraceWork | undefined {
    const cursor = this.#of(run, now);
    if (!cursor || this.#job?.nonce !== nonce) return undefined;
    this.#job.until = now + tracePushLeaseMs;
    const { name, snapshot } = run.state.header;
    return {
      name: name || null,
      format: run.store.tree.head(snapshot).format,
      seq: cursor.seq,
      endSeq: cursor.endSeq,
      lastTry: cursor.failing !== undefined && now - cursor.failing.since >= traceGiveUpMs,
    };
  }

  /** False: stop (T2). */
  report(run: LoadedRun, nonce: string, report: TraceReport, now: number): boolean {
    const cursor = this.#of(run, now);
    if (!cursor || !this.#isIts(cursor, nonce, report)) return false;
    const over = report.kind === "later" || report.over === true;
    this.#job = over ? undefined : { nonce, until: now + tracePushLeaseMs };
    if (over) this.#lastAt = now;
    if (report.kind === "later") this.#failed(run, cursor, report, now);
    else this.#came(run, cursor, report);
    return !over;
  }

  #isIts(cursor: Cursor, nonce: string, { from }: TraceReport): boolean {
    if (this.#job) return this.#job.nonce === nonce;
    return from.seq === cursor.seq && from.endSeq === cursor.endSeq;
  }

  #came(run: LoadedRun, cursor: Cursor, { seq, endSeq, sent, dropped, why }: TraceReport & { kind: "upTo" }): void {
    const total = cursor.dropped + dropped;
    this.#expectsUntil = 0;
    this.#set(run, { seq, endSeq, sent: cursor.sent + sent, dropped: total });
    if (dropped > 0) console.error("trace dropped", { run: run.id, spans: dropped, of_this_run: total, why });
    if (seq >= traceEventsMax) console.error("trace dropped", { run: run.id, why: "its log is too long for a trace" });
  }

  #failed(run: LoadedRun, cursor: Cursor, { why, afterMs = 0 }: TraceReport & { kind: "later" }, now: number): void {
    const { times = 0, since = now } = cursor.failing ?? {};
    const backoff = Math.min(traceRetryMsMin * 2 ** times, traceRetryMsMax);
    const wait = Math.max(backoff, Math.min(afterMs, retryAfterMsMax));
    this.#set(run, { ...cursor, failing: { times: times + 1, since, until: now + wait } });
    console.warn("trace not taken", { run: run.id, tries: times + 1, again_ms: wait, why });
  }
}
