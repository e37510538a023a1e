/**
 * Opening seats is a port with two implementations: Queues (deployments) and a direct call (local mode, where a queue runs
 * one batch at a time and forgets its messages on restart). What happens after the opening is the same code.
 */

import { queueBatchMax } from "../limits.ts";
import type { SeatTicket } from "./seat-rpc.ts";

export type OpenSeats = (tickets: readonly SeatTicket[]) => Promise<void>;

export interface SeatQueues {
  /** Shard number → its queue. */
  readonly shards: readonly Queue<SeatTicket>[];
}

/** Sends each ticket through the queue of its shard, as many a batch as the platform takes. */
export function openThroughQueues({ shards }: SeatQueues): OpenSeats {
  return async (tickets) => {
    const sends: Promise<unknown>[] = [];
    for (const [shard, group] of Map.groupBy(tickets, (ticket) => ticket.shard % shards.length)) {
      for (let i = 0; i < group.length; i += queueBatchMax) {
        sends.push(shards[shard]!.sendBatch(group.slice(i, i + queueBatchMax).map((body) => ({ body }))));
      }
    }
    await Promise.all(sends);
  };
}

export function openDirectly(
  serve: (ticket: SeatTicket) => Promise<void>,
  waitUntil: (work: Promise<unknown>) => void,
): OpenSeats {
  return async (tickets) => {
    for (const ticket of tickets) {
      // A seat that breaks is opened again by the run (O2); its error is in the runtime's log already.
      waitUntil(serve(ticket).catch(() => undefined));
    }
  };
}
