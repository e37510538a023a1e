/**
 * A run's webhook: which messages are to be sent now, and what has become of them. The sending is done in a queue consumer
 * (webhook-push/push.ts), where waiting for a slow endpoint is free.
 *
 * WH1. What is to be sent is not kept: it is read from the log, from the cursor on. A message has a row from its first attempt on, so
 *      nothing is lost with memory, a ticket or a consumer; what was sent and not reported is sent again, under the same id.
 * WH2. One push at a time. One that has not reported for `webhookPushLeaseMs` is given up; what it reports later is noted all the
 *      same, and it is told to stop.
 * WH3. The run never waits for it: a ticket is sent after a commit, as seats' are, and lost ones are sent again. It goes on after the
 *      run's end until every message is delivered or has failed.
 * WH4. The object stays in memory while a push is under way: one that has forgotten it sends its messages anew beside it, and can't tell
 *      by it that the endpoint is away.
 * WH5. The address is in no event: it may hold a secret, and a file of the run, or a copy made of it, must not send anything anywhere.
 */

import {
  seatShards,
  webhookBatch,
  webhookEveryMs,
  webhookOpenMs,
  webhookPushLeaseMs,
  webhookPushMs,
  webhookScanEvents,
} from "../../limits.ts";
import type { Decided, SchedulerEvent } from "../../scheduler/events.ts";
import { type Away, attempted, endpointAfter, type Outcome, replayed } from "../../webhooks/delivery.ts";
import { typesChosen, type WebhookChoice, type WebhookType, webhookTypeOf } from "../../webhooks/types.ts";
import type { ReplayInput, WebhookInput } from "../rpc.ts";
import type { SeatTicket, WebhookWork } from "../seat-rpc.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { Stay } from "./stay.ts";
import { eventsToTell, messageOf } from "./webhook-messages.ts";

/** As it is stored. */
export interface Webhook {
  readonly url: string;
  readonly events: readonly WebhookChoice[];
  readonly setAt: number;
  /** Messages of events up to here have a row, or were not chosen. */
  readonly seq: number;
  readonly away?: Away;
  /** It is asked no more, until it is set again. */
  readonly off?: { readonly why: "gone" | "given_up"; readonly at: number };
}

interface Job {
  readonly nonce: string;
  until: number;
  /** From then on it gets no more. */
  readonly endsAt: number;
  /** Where its messages go. */
  url: string;
  /** Where the cursor is when these have been reported. */
  upTo: number;
  fresh: ReadonlyMap<number, WebhookType>;
}

interface Known {
  readonly run: LoadedRun;
  webhook: Webhook | undefined;
  types: ReadonlySet<WebhookType>;
  /** Whether there is something after the cursor to tell of; undefined: nobody has looked. */
  news: boolean | undefined;
  /** When the next one is to be tried again; undefined: nobody has looked. */
  retryAt: number | undefined;
}

const metaName = "webhook";
const never = Number.POSITIVE_INFINITY;
/** From 0 up to 1. */
const chance = () => crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32;

export class Webhooks {
  #known: Known | undefined;
  #job: Job | undefined;
  /** When the last push was over. */
  #lastAt = 0;
  readonly #stay = new Stay();

  /** The object has no run any more. */
  forget(): void {
    this.#known = undefined;
    this.#job = undefined;
    this.#lastAt = 0;
    this.#stay.end();
  }

  #of(run: LoadedRun): Known {
    if (this.#known?.run !== run) {
      const text = run.store.meta(metaName);
      const webhook = text === undefined ? undefined : (JSON.parse(text) as Webhook);
      this.#known = { run, webhook, types: typesChosen(webhook?.events ?? []), news: undefined, retryAt: undefined };
    }
    return this.#known;
  }

  get(run: LoadedRun): Webhook | undefined {
    return this.#of(run).webhook;
  }

  #put(run: LoadedRun, webhook: Webhook | undefined): void {
    if (webhook) run.store.setMeta(metaName, JSON.stringify(webhook));
    else run.store.removeMeta(metaName);
    // What is known is read again: this transaction may be rolled back.
    this.#known = undefined;
  }

  /** From event `seq` on, where there was none: one that is set in place of another goes on with what that one had not had. */
  set(run: LoadedRun, { url, events }: WebhookInput, now: number, seq: number): void {
    const before = this.get(run);
    this.#put(run, { url, events, setAt: now, seq: before?.seq ?? seq });
    run.store.deliveries.hasten(now);
  }

  remove(run: LoadedRun): void {
    this.#put(run, undefined);
    this.#job = undefined;
    this.#stay.end();
  }

  /** One message, or of all after an event those in this state, is to be sent again; answers how many. */
  replay(run: LoadedRun, what: ReplayInput, now: number): number {
    const { deliveries } = run.store;
    const { webhook } = this.#of(run);
    if (webhook?.away) {
      const { away: _, ...rest } = webhook;
      this.#put(run, rest);
    }
    // What is tried next has changed.
    this.#known = undefined;
    if (!("seq" in what)) return deliveries.replay(what.after, what.state, now);
    const delivery = deliveries.get(what.seq);
    if (!delivery) return 0;
    deliveries.put(replayed(delivery, now));
    return 1;
  }

  /** These are about to be committed. */
  saw(run: LoadedRun, decided: readonly Decided[]): void {
    const known = this.#of(run);
    const { webhook, types } = known;
    if (!webhook || known.news) return;
    if (decided.some(({ event }) => isToldOf(event, types))) {
      known.news = true;
      return;
    }
    // Else whoever loads the run anew would look through all of this again.
    const last = decided.at(-1)?.seq ?? 0;
    if (known.news === false && !this.#job && last - webhook.seq > webhookScanEvents)
      this.#put(run, { ...webhook, seq: last });
  }

  /** When there is something to do next. */
  dueAt(run: LoadedRun): number {
    const known = this.#of(run);
    const { webhook } = known;
    if (!webhook || webhook.off) return never;
    if (this.#job) return this.#job.until;
    known.news ??= this.#hasNews(run, webhook, known.types);
    known.retryAt ??= run.store.deliveries.nextAt ?? never;
    const due = Math.min(known.retryAt, known.news ? this.#lastAt + webhookEveryMs : never);
    return Math.max(due, webhook.away?.until ?? 0);
  }

  /** A log that is too long for one look counts as news: the push looks on. */
  #hasNews(run: LoadedRun, webhook: Webhook, types: ReadonlySet<WebhookType>): boolean {
    let looked = 0;
    for (const { type } of eventsToTell(run, webhook.seq, types))
      if (type || ++looked === webhookScanEvents) return true;
    return false;
  }

  /** The ticket of a push that is due now. */
  next(run: LoadedRun, now: number, nonce: () => string): SeatTicket | undefined {
    if (this.dueAt(run) > now) return undefined;
    const name = `webhook-${nonce()}`;
    const open = { nonce: name, until: now + webhookOpenMs, endsAt: now + webhookPushMs };
    this.#job = { ...open, url: "", upTo: 0, fresh: new Map() };
    this.#stay.until(open.until, now);
    const shard = crypto.getRandomValues(new Uint8Array(1))[0]! % seatShards;
    return { tenant: run.tenant, run: run.id, nonce: name, shard, webhook: true };
  }

  /** Undefined: another one does it, or nothing is left to do. Call in a transaction. */
  open(run: LoadedRun, nonce: string, now: number): WebhookWork | undefined {
    const { webhook, types } = this.#of(run);
    if (!webhook || webhook.off || this.#job?.nonce !== nonce) return undefined;
    return this.#work(run, { webhook, types, job: this.#job, now });
  }

  #work(
    run: LoadedRun,
    { webhook, types, job, now }: { webhook: Webhook; types: ReadonlySet<WebhookType>; job: Job; now: number },
  ): WebhookWork | undefined {
    // W2: of one that is away, a retry and a new message. Else what is tried again leaves room for what is new.
    const due = run.store.deliveries.due(now, webhook.away ? 1 : webhookBatch / 2);
    const fresh = this.#fresh(run, webhook, types, webhook.away ? 1 : webhookBatch - due.length);
    const seqs = [...due.map(({ seq }) => seq), ...fresh.types.keys()];
    const messages = seqs.map((seq) => messageOf(run, seq)).filter((message) => message !== undefined);
    if (messages.length === 0 || now >= job.endsAt) {
      // The look is noted, where it came to an end without a message.
      if (messages.length === 0 && fresh.upTo > webhook.seq) this.#put(run, { ...webhook, seq: fresh.upTo });
      this.#over(now);
      return undefined;
    }
    const { url } = webhook;
    Object.assign(job, { url, until: now + webhookPushLeaseMs, upTo: fresh.upTo, fresh: fresh.types });
    this.#stay.until(job.until, now);
    return { url, messages };
  }

  #over(now: number): void {
    this.#job = undefined;
    this.#stay.end();
    this.#lastAt = now;
    if (this.#known) Object.assign(this.#known, { news: undefined, retryAt: undefined });
  }

  /** The next events that have no attempt yet, and where the cursor is after them. */
  #fresh(run: LoadedRun, { seq: after }: Webhook, types: ReadonlySet<WebhookType>, limit: number) {
    const found = new Map<number, WebhookType>();
    let upTo = after;
    let looked = 0;
    if (limit > 0) {
      for (const { seq, type } of eventsToTell(run, after, types)) {
        if (type && !run.store.deliveries.has(seq)) {
          if (found.size === limit) break;
          found.set(seq, type);
        }
        upTo = seq;
        if (++looked === webhookScanEvents) break;
      }
    }
    return { types: found, upTo };
  }

  /** What came of a part. Answers the next one, and whether the webhook is off from now on. Call in a transaction. */
  report(
    run: LoadedRun,
    nonce: string,
    outcomes: readonly Outcome[],
    now: number,
  ): { readonly work?: WebhookWork; readonly off?: "gone" | "given_up" } {
    const { webhook, types } = this.#of(run);
    const job = this.#job?.nonce === nonce ? this.#job : undefined;
    for (const outcome of outcomes) {
      const before = run.store.deliveries.get(outcome.seq);
      const type = before?.type ?? messageOf(run, outcome.seq)?.type;
      if (type) run.store.deliveries.put(attempted(before, type, outcome, chance()));
    }
    if (!webhook || !job) return {};
    // What another address made of them says nothing of this one.
    const after = job.url === webhook.url ? endpointAfter(webhook.away, outcomes, now, chance()) : webhook.away;
    const { away: _, ...rest } = webhook;
    const told = outcomes.filter(({ seq }) => job.fresh.has(seq)).length === job.fresh.size;
    const next: Webhook = {
      ...rest,
      // A consumer that left some out is to have them again.
      seq: told ? job.upTo : webhook.seq,
      ...(typeof after === "object" && { away: after }),
      ...(typeof after === "string" && { off: { why: after, at: now } }),
    };
    this.#put(run, next);
    if (next.off || next.away) this.#over(now);
    if (next.off) return { off: next.off.why };
    if (next.away) return {};
    const work = this.#work(run, { webhook: next, types, job, now });
    return work ? { work } : {};
  }
}

function isToldOf(event: SchedulerEvent, types: ReadonlySet<WebhookType>): boolean {
  const type = webhookTypeOf(event);
  return type !== undefined && types.has(type);
}
