/**
 * The queues that seats are sent through: at least once, in any order, and again when the consumer's isolate ended; what was delivered
 * too often goes to the queue of dead letters, whose consumer has it until it acknowledges it.
 */

import { SnapshotCache } from "../../../../src/agent/snapshot-cache.ts";
import { seatRetriesMax } from "../../../../src/limits.ts";
import type { SeatTicket } from "../../../../src/objects/seat-rpc.ts";
import type { Random } from "../../random.ts";
import type { Faults } from "./faults.ts";
import { type Network, PlatformError } from "./network.ts";
import { Process } from "./process.ts";
import type { Timeline } from "./timeline.ts";

const isolatesAtOnce = 3;
/** A message that nobody acknowledged is delivered again after this. */
const visibleAgainMs = 30_000;
/** As wrangler.toml has them for dead letters. */
const deadRetries = 10;
const deadRetryMs = 60_000;

/** A consumer's isolate. */
export class SeatIsolate extends Process {
  readonly cache = new SnapshotCache();
  /** What it has not acknowledged. */
  readonly tickets = new Set<Delivery>();
}

interface Delivery {
  readonly ticket: SeatTicket;
  readonly tries: number;
}

interface Around {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly faults: Faults;
  note(text: string): void;
}

export class SeatQueues {
  readonly #around: Around;
  readonly #network: Network;
  readonly #isolates: SeatIsolate[] = [];
  #count = 0;
  serve: (ticket: SeatTicket, isolate: SeatIsolate) => Promise<void> = async () => undefined;
  /** The consumer of dead letters. */
  bury: (batch: MessageBatch<unknown>) => Promise<void> = async (batch) => batch.ackAll();
  /** The seats of a run that were given up. */
  readonly dead = new Map<string, Set<string>>();

  constructor(around: Around, network: Network) {
    this.#around = around;
    this.#network = network;
  }

  /** Seats that are being served. */
  get served(): number {
    return this.#isolates.reduce((sum, { tickets }) => sum + tickets.size, 0);
  }

  get isolates(): readonly SeatIsolate[] {
    return this.#isolates;
  }

  send(shard: number, tickets: readonly SeatTicket[]): Promise<unknown> {
    const { random, faults } = this.#around;
    return this.#network.call(`queue ${shard}`, { method: "sendBatch", args: [tickets] }, (call, reply) => {
      if (faults.strikes("refusedBatch"))
        return reply.fail(new PlatformError("Queue sendBatch failed: Too Many Requests"));
      for (const ticket of call.args[0] as SeatTicket[]) {
        this.#deliver(ticket, faults.strikes("lateMessage") ? random.int(1000, 30_000) : random.int(5, 300));
        if (faults.strikes("doubleMessage")) this.#deliver(ticket, random.int(5, 60_000));
      }
      reply.answer(null);
    });
  }

  /** Ends an isolate, with all seats in it. */
  end(isolate: SeatIsolate): void {
    this.#around.note(`${isolate.name} ends, with ${isolate.tickets.size} seats`);
    isolate.isAlive = false;
    this.#isolates.splice(this.#isolates.indexOf(isolate), 1);
    for (const delivery of isolate.tickets) this.#again(delivery, visibleAgainMs);
  }

  #deliver(ticket: SeatTicket, inMs: number, tries = 1): void {
    const delivery: Delivery = { ticket, tries };
    this.#around.timeline.plan(inMs, `seat ${ticket.nonce}`, () => {
      if (this.#around.faults.strikes("brokenBatch")) return this.#again(delivery, this.#around.random.int(1, 2000));
      const isolate = this.#isolate();
      isolate.tickets.add(delivery);
      const over = () => void isolate.tickets.delete(delivery);
      // Always acknowledged: the run opens those again that it still needs.
      isolate.run(() => this.serve(ticket, isolate)).then(over, over);
    });
  }

  /** Its consumer has not acknowledged it. */
  #again({ ticket, tries }: Delivery, inMs: number): void {
    if (tries <= seatRetriesMax) {
      this.#deliver(ticket, inMs, tries + 1);
      return;
    }
    const { random, faults } = this.#around;
    const dead = this.dead.get(ticket.run) ?? new Set();
    this.dead.set(ticket.run, dead.add(ticket.nonce));
    this.#deliverDead(ticket, random.int(1, 2000));
    if (faults.strikes("doubleMessage")) this.#deliverDead(ticket, random.int(1, 60_000));
  }

  #deliverDead(body: SeatTicket, inMs: number, tries = 1): void {
    this.#around.timeline.plan(inMs, `dead letter of seat ${body.nonce}`, () => {
      let isAcked = false;
      const ack = () => {
        isAcked = true;
      };
      const message = { id: body.nonce, timestamp: new Date(), attempts: tries, body, ack, retry: () => undefined };
      const batch = { queue: "dead", messages: [message], ackAll: ack, retryAll: () => undefined };
      const over = () => {
        if (isAcked) return;
        if (tries <= deadRetries) this.#deliverDead(body, deadRetryMs, tries + 1);
        else this.#around.note(`the letter of seat ${body.nonce} is dropped`);
      };
      new Process("dead letters").run(() => this.bury(batch as unknown as MessageBatch<unknown>)).then(over, over);
    });
  }

  #isolate(): SeatIsolate {
    if (this.#isolates.length < isolatesAtOnce && this.#around.random.chance(0.3)) this.#add();
    return this.#around.random.pick(this.#isolates) ?? this.#add();
  }

  #add(): SeatIsolate {
    const isolate = new SeatIsolate(`seats ${++this.#count}`);
    if (this.#around.faults.strikes("clockStep")) isolate.clockAhead = this.#around.random.int(-60_000, 60_000);
    this.#isolates.push(isolate);
    return isolate;
  }
}
