/**
 * The seat ledger of a run: which openings are under way, and which idle seats linger for work. Volatile but for `lateness`: an object
 * that has lost it opens seats anew, and a seat that nobody needs closes at once.
 *
 * O1. Openings under way and seats about to ask for a task never exceed what ready tasks and the run's limit can use: a seat
 *     counts from its ticket until a command has decided what it gets.
 * O2. An opening that is not answered within `seatOpenMs` is sent again, on another shard, under a new nonce. When it was late on
 *     every shard, and none was answered meanwhile, each wait is twice as long: where nobody consumes, messages would pile up, and open
 *     seats for nobody when somebody does again. Waits that are longer than an object stays in memory outlive it.
 * O3. A nonce opens at most once while the ledger remembers it; what it forgets is refused by there being no ready task.
 * O4. A lingering seat gets its task in the very step that made the task ready, and hears of it when that is committed. One whose
 *     question was cut off and comes again while the first still lingers has one place, and one task for both: nobody hears the first.
 * O5. A seat that broke is given nothing any more, whatever of it still waits behind a commit or comes later: nobody would hear of it.
 */

import { lateShardStep, seatOpenMs, seatOpenMsMax, seatRememberedMs, seatShards, seatsPerBatch } from "../../limits.ts";
import type { NextTask, SeatJob, SeatTicket } from "../seat-rpc.ts";

/** An idle seat that waits for work. */
export interface Lingering {
  readonly next: NextTask;
  readonly deliver: (work: SeatJob) => void;
  readonly work: Promise<SeatJob | undefined>;
}

/** A task that was started for a lingering seat in a step that is not committed yet. */
export interface Handed {
  readonly seat: Lingering;
  readonly work: SeatJob;
}

/** That nobody has opened a seat for longer than every shard was tried (O2). */
export interface Lateness {
  readonly rounds: number;
  /** When the last of them was late. */
  readonly at: number;
}

export class Seats {
  readonly #openings = new Map<string, { readonly sentAt: number; readonly shard: number }>();
  /** Nonce → when it was opened. */
  readonly #opened = new Map<string, number>();
  /** Nonce → when it broke (O5). */
  readonly #broken = new Map<string, number>();
  /** Seats that the log does not know: they have taken nothing yet. */
  readonly #unlogged = new Set<string>();
  /** Seats whose question for a task is on its way: it may wait for a commit to end. */
  readonly #asking = new Set<string>();
  readonly #lingering = new Set<Lingering>();
  /** How often openings came late since one was answered, and when last. */
  #lateRounds = 0;
  #lateAt = Number.NEGATIVE_INFINITY;
  /** What an earlier life of the object has sent is not late before; 0: nothing that is known. */
  #earlierUntil = 0;
  /** Seats fill a batch on one shard and then go to the next: a run blocks few of them. Each run begins elsewhere. */
  #sent = seatsPerBatch * Math.floor(Math.random() * seatShards);

  get lingering(): number {
    return this.#lingering.size;
  }

  /** Asked for, and not opened yet. */
  get opening(): number {
    return this.#openings.size;
  }

  /** Openings that are to be sent again by now, those left out that a queue has lost. */
  late(now: number): number {
    let count = 0;
    for (const { sentAt } of this.#openings.values()) if (sentAt > 0 && sentAt + this.#openMs <= now) count++;
    return count;
  }

  /** What an opening may take (O2). */
  get #openMs(): number {
    return Math.min(seatOpenMs * 2 ** Math.max(0, this.#lateRounds - seatShards), seatOpenMsMax);
  }

  /** What has to outlive the object's memory. */
  get lateness(): Lateness | undefined {
    return this.#lateRounds < seatShards ? undefined : { rounds: this.#lateRounds, at: this.#lateAt };
  }

  /** As an earlier life of the object had it. */
  restore({ rounds, at }: Lateness): void {
    this.#lateRounds = rounds;
    this.#lateAt = at;
    this.#earlierUntil = at + this.#openMs;
  }

  /** The shards to open seats on now, for `ready` tasks that may start at once. */
  wanted(ready: number, now: number): number[] {
    if (now < this.#earlierUntil) return [];
    const again: number[] = [];
    const openMs = this.#openMs;
    for (const [nonce, { sentAt, shard }] of this.#openings) {
      if (sentAt + openMs > now) continue;
      this.#openings.delete(nonce);
      again.push((shard + lateShardStep) % seatShards);
    }
    // Those that were sent within one wait are late within one: that is one round.
    if ((again.length > 0 || this.#earlierUntil > 0) && this.#lateAt + openMs <= now) {
      this.#lateRounds++;
      this.#lateAt = now;
    }
    this.#earlierUntil = 0;
    const count = Math.max(0, ready - this.#asking.size - this.#openings.size);
    return Array.from({ length: count }, () => again.pop() ?? Math.floor(this.#sent++ / seatsPerBatch) % seatShards);
  }

  sent(ticket: SeatTicket, now: number): void {
    this.#openings.set(ticket.nonce, { sentAt: now, shard: ticket.shard });
  }

  /** The queue has lost it: it is late at once, until every shard has had it (O2). */
  lost(nonce: string): void {
    const opening = this.#openings.get(nonce);
    if (opening && this.#lateRounds < seatShards) this.#openings.set(nonce, { ...opening, sentAt: 0 });
  }

  /** False for a duplicate (O3), and for one that broke (O5). */
  open(nonce: string, now: number): boolean {
    if (this.#opened.has(nonce) || this.isBroken(nonce)) return false;
    for (const old of forgotten(this.#opened, now)) this.#unlogged.delete(old);
    this.#lateRounds = 0;
    this.#earlierUntil = 0;
    this.#openings.delete(nonce);
    this.#opened.set(nonce, now);
    this.#unlogged.add(nonce);
    return true;
  }

  /** It takes nothing any more, and what it has sent before may come yet. Its opening, if it is still under way, is late in its time (O2). */
  broke(nonce: string, now: number): void {
    for (const seat of this.#lingering) if (seat.next.nonce === nonce) this.#lingering.delete(seat);
    this.#asking.delete(nonce);
    forgotten(this.#broken, now);
    // The newest last, also where it says so again.
    this.#broken.delete(nonce);
    this.#broken.set(nonce, now);
  }

  isBroken(nonce: string): boolean {
    return this.#broken.has(nonce);
  }

  /** The seat is about to ask for a task. */
  asks(nonce: string): void {
    this.#asking.add(nonce);
  }

  /** What the seat gets is decided: from here on its task counts, or nothing. */
  answered(nonce: string): void {
    this.#asking.delete(nonce);
  }

  /** Whether the log is still to be told of it: its first task is about to be. */
  isUnlogged(nonce: string): boolean {
    return this.#unlogged.has(nonce);
  }

  logged(nonce: string): void {
    this.#unlogged.delete(nonce);
  }

  /** Whether the log knows it; so one that an earlier life of the object has opened. */
  close(nonce: string): boolean {
    this.#asking.delete(nonce);
    this.#opened.delete(nonce);
    return !this.#unlogged.delete(nonce);
  }

  /** Resolves with the task that was handed to the seat, or undefined after `waitMs`; at once for one that broke (O5). */
  linger(next: NextTask, waitMs: number): Promise<SeatJob | undefined> {
    if (this.isBroken(next.nonce)) return Promise.resolve(undefined);
    for (const seat of this.#lingering) if (seat.next.nonce === next.nonce) return seat.work;
    const { promise, resolve } = Promise.withResolvers<SeatJob | undefined>();
    const seat: Lingering = {
      next,
      work: promise,
      deliver: (work) => {
        clearTimeout(timer);
        resolve(work);
      },
    };
    const timer = setTimeout(() => {
      this.#lingering.delete(seat);
      resolve(undefined);
    }, waitMs);
    this.#lingering.add(seat);
    return promise;
  }

  /** Starts tasks for lingering seats, longest first, while `start` finds any; nothing is told before `deliver` (O4). */
  handOut(start: (next: NextTask) => SeatJob | undefined): Handed[] {
    const handed: Handed[] = [];
    for (const seat of this.#lingering) {
      const work = start(seat.next);
      if (!work) break;
      handed.push({ seat, work });
    }
    return handed;
  }

  /** Call once the step is committed. */
  deliver(handed: readonly Handed[]): void {
    for (const { seat, work } of handed) {
      this.#lingering.delete(seat);
      seat.deliver(work);
    }
  }

  /** When the oldest opening must be sent again; undefined when none is under way. */
  nextCheck(): number | undefined {
    if (this.#earlierUntil > 0) return this.#earlierUntil;
    for (const { sentAt } of this.#openings.values()) return sentAt + this.#openMs;
    return undefined;
  }
}

/** Drops what is older than it is remembered, oldest first, and answers what that was. */
function forgotten(times: Map<string, number>, now: number): string[] {
  const old: string[] = [];
  for (const [nonce, at] of times) {
    if (at + seatRememberedMs > now) break;
    times.delete(nonce);
    old.push(nonce);
  }
  return old;
}
