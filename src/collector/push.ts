/**
 * One push of a run's trace to the deployment's collector, in a queue consumer or, locally, in a direct call.
 *
 * The log is read from its beginning, since spans are a fold of it, and what events up to the cursor told is left out. What
 * follows is sent in batches; after each the run's object is told how far it has come.
 *
 * C1. A batch ends between two events, so the cursor is an event's number. Spans have the same ids whoever makes them: what is
 *     sent twice, because a crash came between the collector's answer and the cursor, is the same to the collector.
 * C2. Nothing is sent after a report that was answered with false: another push goes on.
 * C3. A span is sent when it has ended, the run's own when the run has.
 * C4. No header reaches a log, nor does what a collector echoes of it.
 */

import { safeText } from "../agent/models/faults.ts";
import { beginningOf } from "../body-text.ts";
import type { Collector } from "../contract/collector.ts";
import { ownerIdOf, type RunId } from "../ids.ts";
import {
  traceAnswerBytesMax,
  traceAnswerMs,
  traceBatchChars,
  traceBatchSpans,
  traceEventsMax,
  tracePushMs,
} from "../limits.ts";
import type { RunSchedulerRpc } from "../objects/rpc.ts";
import type { SeatRpc, SeatTicket, TraceWork } from "../objects/seat-rpc.ts";
import { unpackEvents } from "../storage/run/event-codec.ts";
import { OtlpTrace } from "../trace/otlp.ts";
import { unreachedText } from "../unreached.ts";
import { version } from "../version.ts";
import { type Answer, meaningOf } from "./answer.ts";

type RunObject = RunSchedulerRpc & SeatRpc;

/** Throws only when the run's object can't be reached: it then sends another ticket. */
export async function pushTrace(ticket: SeatTicket, scheduler: () => RunObject, collector: Collector): Promise<void> {
  const work = await scheduler().openTrace(ticket.nonce);
  if (work) await new Push(ticket, scheduler, collector, work).all();
}

class Push {
  readonly #nonce: string;
  readonly #scheduler: () => RunObject;
  readonly #collector: Collector;
  readonly #work: TraceWork;
  readonly #trace: OtlpTrace;
  readonly #endsAt = Date.now() + tracePushMs;
  /** Texts of spans that are not sent yet, and of which event the last one is. */
  #batch: string[] = [];
  #chars = 0;
  #seq: number;
  #endSeq: number;
  /** As it was last reported. */
  #from: { readonly seq: number; readonly endSeq: number };
  #dropsAll = false;

  constructor({ run, nonce }: SeatTicket, scheduler: () => RunObject, collector: Collector, work: TraceWork) {
    const { name, format, seq, endSeq } = work;
    this.#nonce = nonce;
    this.#scheduler = scheduler;
    this.#collector = collector;
    this.#work = work;
    this.#seq = seq;
    this.#endSeq = endSeq;
    this.#from = { seq, endSeq };
    const taskId = (n: number) => ownerIdOf(run as RunId, n);
    this.#trace = new OtlpTrace({ run, name, format, version, taskId }, endSeq);
  }

  async all(): Promise<void> {
    let read = 0;
    for (let after = 0; ; ) {
      const page = await this.#scheduler().logPage(after);
      // It was deleted meanwhile.
      if (!page.ok) return;
      for (const { seq, at, events } of page.value.rows) {
        after = seq;
        read = seq - 1;
        for (const event of unpackEvents(events)) {
          read++;
          this.#trace.add({ ...event, seq: read, at });
          if (!this.#take(read)) continue;
          if (!(await this.#send(Date.now() >= this.#endsAt))) return;
        }
      }
      if (page.value.rows.length > 0 && read < page.value.last && read < traceEventsMax) continue;
      this.#end();
      await this.#send(true);
      return;
    }
  }

  /** The spans that an event told; whether they make a batch full. */
  #take(seq: number): boolean {
    const spans = this.#trace.take();
    if (seq <= this.#work.seq) return false;
    this.#seq = seq;
    for (const span of spans) {
      const text = JSON.stringify(span);
      this.#batch.push(text);
      this.#chars += text.length;
    }
    return this.#batch.length >= traceBatchSpans || this.#chars >= traceBatchChars;
  }

  /** The log's end: of a run that has ended its own span too. */
  #end(): void {
    const endedBy = this.#trace.endedBy;
    if (endedBy === undefined) return;
    this.#trace.finish(0);
    for (const span of this.#trace.take()) this.#batch.push(JSON.stringify(span));
    this.#endSeq = Math.max(this.#endSeq, endedBy);
  }

  /** Sends what there is and reports it; whether to go on. */
  async #send(over: boolean): Promise<boolean> {
    const spans = this.#batch.length;
    const answer: Answer =
      spans === 0
        ? { kind: "taken", rejected: 0 }
        : this.#dropsAll
          ? { kind: "refused", why: "the collector has taken nothing for too long" }
          : await this.#post();
    if (answer.kind === "later") {
      if (!this.#work.lastTry) {
        await this.#scheduler().reportTrace(this.#nonce, { ...answer, from: this.#from });
        return false;
      }
      this.#dropsAll = true;
      return this.#send(over);
    }
    this.#batch = [];
    this.#chars = 0;
    const dropped = answer.kind === "refused" ? spans : Math.min(answer.rejected, spans);
    const from = this.#from;
    this.#from = { seq: this.#seq, endSeq: this.#endSeq };
    return this.#scheduler().reportTrace(this.#nonce, {
      from,
      ...{ kind: "upTo", seq: this.#seq, endSeq: this.#endSeq, sent: spans - dropped, dropped },
      ...(answer.why !== undefined && { why: answer.why }),
      ...(over && { over: true }),
    });
  }

  async #post(): Promise<Answer> {
    const { url, headers } = this.#collector;
    const { head, tail } = this.#trace.frame;
    const secrets = Object.values(headers);
    try {
      const response = await fetch(url, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json", "user-agent": `heddle/${version}` },
        body: `${head}\n${this.#batch.join(",\n")}${tail}`,
        redirect: "manual",
        signal: AbortSignal.timeout(traceAnswerMs),
      });
      return meaningOf(response, await beginningOf(response, traceAnswerBytesMax), secrets);
    } catch (error) {
      return { kind: "later", why: safeText(unreachedText(error), secrets) };
    }
  }
}
