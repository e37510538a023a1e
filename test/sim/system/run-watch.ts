/**
 * Watches one run's object by what it makes durable: the log as it grows, and a state of our own folded from it.
 *
 * L1. The log only grows: numbers without gaps, rows that never change.
 * L2. The rules of leases, ends and variables hold at each event (`History`, `VariableHistory`), those of states at each flush.
 * L3. The object's own checkpoint and tail give the same state as the whole log.
 */

import type { LeaseRef } from "../../../src/objects/rpc.ts";
import { apply } from "../../../src/scheduler/apply.ts";
import { leased } from "../../../src/scheduler/attempts.ts";
import { settleChains } from "../../../src/scheduler/chains.ts";
import type { SchedulerEvent, UsageDelta } from "../../../src/scheduler/events.ts";
import { leasedCall } from "../../../src/scheduler/remote-calls.ts";
import type { RunState } from "../../../src/scheduler/state.ts";
import { callersTransaction } from "../../../src/storage/migrations.ts";
import { type LoggedEvent, unpackEvents } from "../../../src/storage/run/event-codec.ts";
import { LogStore } from "../../../src/storage/run/log-store.ts";
import { RunStore } from "../../../src/storage/run/run-store.ts";
import { Texts } from "../../../src/storage/run/texts.ts";
import { webhookTypeOf } from "../../../src/webhooks/types.ts";
import { checkState, expectSame } from "../../scheduler/check.ts";
import { newState } from "../../scheduler/run.ts";
import { History } from "../history.ts";
import { VariableHistory } from "../variable-history.ts";
import { type Ledger, tokensIn } from "./ledger.ts";
import type { Host } from "./platform/objects.ts";
import { UseBooks } from "./use-books.ts";

interface Row {
  readonly seq: number;
  readonly at: number;
  readonly events: string;
  readonly bodies: string | null;
}

/** States are looked at once in so many flushes, for their cost. */
const checkEvery = 4;

export class RunWatch {
  readonly #host: Host;
  readonly #ledger: Ledger;
  readonly #history = new History();
  readonly #variables = new VariableHistory();
  readonly uses = new UseBooks();
  readonly state: RunState = newState();
  readonly #rows: Row[] = [];
  readonly #bodies = new Map<number, string>();
  /** As its findings have it. */
  deadSeatsTold = 0;
  readonly types: string[] = [];
  /** Events of which a webhook of all types tells, by their numbers. */
  readonly toTell: number[] = [];
  quotaPauses = 0;
  /** What a call's tokens cost in this run, in nanodollars each; the provider reads and writes no cache. */
  price: { readonly input: number; readonly output: number } | undefined;
  /** Leases that have logged a turn since the run was paused, or with what paused it. */
  readonly #turnsInPause = new Set<number>();
  readonly #turnsInCommit = new Set<number>();
  /** What was spent and reserved when the budget changed last. */
  #promised = 0;
  #flushes = 0;
  /** Its identity was taken away: what follows is its end. */
  isDeleted = false;

  constructor(host: Host, ledger: Ledger) {
    this.#host = host;
    this.#ledger = ledger;
    this.#variables.lost = (task, forget) => {
      if (this.#history.poolOf(task) !== "hosted") forget((wait) => wait.task === task);
    };
  }

  /** To be called after each flush; answers the events that have come. */
  flushed(note: (text: string) => void): void {
    const { storage } = this.#host;
    if (this.isDeleted || storage.rows("SELECT 1 FROM sqlite_master WHERE name = 'log'").length === 0) return;
    // Not the whole store: a deletion that became durable together with what was before it has taken the identity away.
    const log = new LogStore(storage.reader, new Texts(storage.reader));
    const last = this.#rows.at(-1)?.seq ?? 0;
    const rows = storage.rows("SELECT seq, at, events, bodies FROM log WHERE seq > ? ORDER BY seq", [last]);
    for (const row of rows as unknown as Row[]) {
      this.#rows.push(row);
      note(`  log ${row.seq} ${row.events}`);
      for (const [i, event] of unpackEvents(row.events).entries())
        this.#add(row.seq + i, row.at, event, log.body(row.seq + i));
      this.#turnsInCommit.clear();
    }
    this.isDeleted = RunStore.open(storage.reader, callersTransaction) === undefined;
    if (rows.length > 0 && ++this.#flushes % checkEvery === 0) this.#checkState();
  }

  #add(seq: number, at: number, { causes = [], ...logged }: LoggedEvent, body: unknown): void {
    const event = logged as SchedulerEvent;
    const { header } = this.state;
    const fence = "task" in event && event.task !== undefined ? this.#history.fenceOf(event.task) : undefined;
    this.#history.add({ seq, event, causes, body });
    this.#variables.add({ seq, event, causes, body });
    this.uses.add(this.state, seq, at, { ...event, ...(causes.length > 0 && { causes }) });
    this.types.push(event.type);
    if (webhookTypeOf(event)) this.toTell.push(seq);
    if (event.type === "run_paused" && event.quota) this.quotaPauses++;
    if (event.type === "finding" && event.kind === "dead_letter")
      this.deadSeatsTold += Number.parseInt(event.message, 10);
    if (event.type === "task_started" && (header.status !== "active" || this.state.working >= this.state.workers))
      throw new Error(`[O4] a lease too many, at event ${seq}`);
    if (event.type === "task_started" && event.hosted && header.share && this.state.hosted >= header.share.seats)
      throw new Error(`[K1] a seat more than the run's share, at event ${seq}`);
    if (event.type === "task_started") this.#checkRoom(seq, event.task);
    if (at < header.changedAt) throw new Error(`[L1] event ${seq} is older than the one before it`);
    apply(this.state, event, seq, at);
    settleChains(this.state);
    // A total that is lowered takes nothing from the calls that are under way.
    if (event.type === "limits_changed")
      this.#promised = header.inputTokens + header.outputTokens + header.reservedTokens;
    const tokens = header.limits.tokens && Math.max(header.limits.tokens, this.#promised);
    if (event.type === "turn" && tokens > 0 && header.inputTokens + header.outputTokens > tokens)
      throw new Error(`[B2] ${header.inputTokens + header.outputTokens} tokens are spent, of ${tokens}`);
    this.#checkPause(seq, event);
    if ("usage" in event && event.usage) this.#checkPrice(seq, event.usage);
    if (this.state.header.taskCount > this.state.header.limits.tasks) throw new Error("[C5] a task too many");
    for (const token of this.#effects(seq, event, body)) this.#ledger.tookEffect(token, fence);
  }

  /** A call that was under way ends with its turn; its seat begins no other, and none where it hears of the pause with the turn. */
  #checkPause(seq: number, event: SchedulerEvent): void {
    if (event.type === "run_resumed") this.#turnsInPause.clear();
    if (event.type === "run_paused") for (const fence of this.#turnsInCommit) this.#turnsInPause.add(fence);
    if (event.type !== "turn") return;
    const { phase } = this.state.task(event.task);
    if (phase.state !== "running" || !phase.hosted) return;
    if (this.#turnsInPause.has(event.fence)) throw new Error(`[N1] another turn in a paused run, at event ${seq}`);
    this.#turnsInCommit.add(event.fence);
    if (this.state.header.status === "paused") this.#turnsInPause.add(event.fence);
  }

  /** What nobody could price is as wrong as another's price. */
  #checkPrice(seq: number, { in: input, out: output, model, nanos }: UsageDelta): void {
    if (!this.price || model === undefined) return;
    const cost = input * this.price.input + output * this.price.output;
    if (nanos !== cost) throw new Error(`[B5] event ${seq} costs ${nanos} nanodollars, and not ${cost}`);
  }

  /** Before it starts. */
  #checkRoom(seq: number, n: number): void {
    const { book } = this.state;
    const task = this.state.task(n);
    if (book && (book.roomOf(book.labelsOf(task)) <= 0 || book.roomIn(task.pool) <= 0))
      throw new Error(`[F2] a worker too many for a label or a pool, at event ${seq}`);
  }

  /** The tokens of what this event makes true. */
  #effects(seq: number, event: SchedulerEvent, body: unknown): string[] {
    const text = body === undefined ? "" : JSON.stringify(body);
    switch (event.type) {
      case "task_created":
        return tokensIn(event.title ?? "");
      case "task_ended":
      case "task_parked":
      case "message_received":
      case "future_settled":
        return tokensIn(text);
      case "call_waiting":
        this.#bodies.set(seq, text);
        return [];
      case "messages_pushed":
        return tokensIn(event.from === undefined ? text : this.#bodies.get(event.from)!);
      default:
        return [];
    }
  }

  /** Leases that this run has granted to the request of this key, and that are open. */
  openOf(key: string): LeaseRef[] {
    const { storage } = this.#host;
    if (this.isDeleted || storage.rows("SELECT 1 FROM sqlite_master WHERE name = 'outcomes'").length === 0) return [];
    const [row] = storage.rows("SELECT value FROM outcomes WHERE name = ?", [key]);
    const answer = row ? (JSON.parse(row.value as string) as LeaseRef[] | { next?: LeaseRef }) : [];
    const leases = Array.isArray(answer) ? answer : [answer.next ?? []].flat();
    return leases.filter(({ taskNumber, call, fence }) =>
      call === undefined ? leased(this.state, taskNumber, fence) : leasedCall(this.state, call, fence),
    );
  }

  #checkState(): void {
    checkState(this.state, this.state.header.changedAt);
  }

  /** All that is stored, against what was seen as it came. */
  check(): void {
    if (this.isDeleted || this.#rows.length === 0) return;
    const { storage } = this.#host;
    const stored = storage.rows("SELECT seq, at, events, bodies FROM log ORDER BY seq") as unknown as Row[];
    if (stored.length < this.#rows.length) throw new Error(`[L1] ${this.#rows.length - stored.length} rows are gone`);
    for (const [i, row] of this.#rows.entries()) {
      const now = stored[i]!;
      if (now.seq !== row.seq || now.at !== row.at || now.events !== row.events || now.bodies !== row.bodies)
        throw new Error(`[L1] row ${row.seq} has changed`);
    }
    this.#checkState();
    this.uses.checkFold(this.state.header.changedAt);
    expectSame(this.state, RunStore.open(storage.reader, callersTransaction)!.load());
  }
}
