/** Keeps the queue's consumer from serving, so that a test opens seats itself. */

import { beforeAll, beforeEach, vi } from "vitest";
import worker from "../../../src/local/index.ts";
import type { SeatTicket } from "../../../src/objects/seat-rpc.ts";

/**
 * The tickets that were sent, in the order of their delivery; each test starts with none. They are held until the file's
 * runtime ends: a ticket that came after its last test would be served by a runtime that can load no module any more.
 */
export function heldSeats(): SeatTicket[] {
  const tickets: SeatTicket[] = [];
  beforeAll(() => {
    vi.spyOn(worker, "queue").mockImplementation(async (batch) => {
      for (const message of batch.messages) tickets.push(message.body as SeatTicket);
      batch.ackAll();
    });
  });
  beforeEach(() => {
    tickets.length = 0;
  });
  return tickets;
}

export const nextTask = (nonce: string) => ({ nonce, have: [] as string[] });
