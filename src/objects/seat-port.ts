/**
 * Opening seats is a port with two implementations: Queues (deployments) and a direct call (local mode, where a queue runs
 * one batch at a time and forgets its messages on restart). What happens after the opening is the same code.
 */

import { seatShards } from "../limits.ts";
import type { SeatTicket } from "./seat-rpc.ts";

export type OpenSeats = (tickets: readonly SeatTicket[]) => Promise<void>;

export interface SeatQueues {
  /** Shard number → its queue. */
  readonly shards: readonly Queue<SeatTicket>[];
}

/** Spreads a run's seats over the shards by its nonce, so that one slow batch holds up few of them. */
export function openThroughQueues({ shards }: SeatQueues): OpenSeats {
  return async (tickets) => {
    const groups = Map.groupBy(tickets, (ticket) => shardOf(ticket.nonce) % shards.length);
    await Promise.all([...groups].map(([shard, group]) => shards[shard]!.sendBatch(group.map((body) => ({ body })))));
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

function shardOf(nonce: string): number {
  let hash = 0;
  for (let i = 0; i < nonce.length; i++) hash = (Math.imul(hash, 31) + nonce.charCodeAt(i)) | 0;
  return (hash >>> 0) % seatShards;
}
