/** The queues that seats are sent through: at least once, in any order, and again when the consumer's isolate ended. */

import { SnapshotCache } from "../../../../src/agent/snapshot-cache.ts";
import type { SeatTicket } from "../../../../src/objects/seat-rpc.ts";
import type { Random } from "../../random.ts";
import type { Faults } from "./faults.ts";
import { type Network, PlatformError } from "./network.ts";
import { Process } from "./process.ts";
import type { Timeline } from "./timeline.ts";

const isolatesAtOnce = 3;
/** A message that nobody acknowledged is delivered again after this. */
const visibleAgainMs = 30_000;

/** A consumer's isolate. */
export class SeatIsolate extends Process {
  readonly cache = new SnapshotCache();
  /** What it has not acknowledged. */
  readonly tickets = new Set<SeatTicket>();
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
    for (const ticket of isolate.tickets) this.#deliver(ticket, visibleAgainMs);
  }

  #deliver(ticket: SeatTicket, inMs: number): void {
    this.#around.timeline.plan(inMs, `seat ${ticket.nonce}`, () => {
      const isolate = this.#isolate();
      isolate.tickets.add(ticket);
      const over = () => void isolate.tickets.delete(ticket);
      // Always acknowledged: the run opens those again that it still needs.
      isolate.run(() => this.serve(ticket, isolate)).then(over, over);
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
