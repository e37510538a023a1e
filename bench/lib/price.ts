/** Cloudflare's list prices (2026-11), and what counted operations come to at them. Free allowances are left out. */

import { type Counters, callCount } from "./counters.ts";

const million = 1_000_000;
const usd = {
  rowWritten: 1 / million,
  rowRead: 0.001 / million,
  /** Of a Durable Object: a call, or an alarm that rings. */
  objectRequest: 0.15 / million,
  objectGbSecond: 12.5 / million,
  workerRequest: 0.3 / million,
  /** Written, read and deleted. */
  queueMessage: (3 * 0.4) / million,
};
/** An object is billed for this much memory while it works. */
const objectGb = 0.128;

export interface Bill {
  readonly rows: number;
  readonly requests: number;
  readonly queue: number;
  readonly duration: number;
  readonly total: number;
}

/** Dollars for a million tasks, from what `tasks` of them used. `httpRequests`: those that reached the Worker. */
export function pricePerMillion(
  counters: Counters,
  { tasks, busyMs, httpRequests }: { tasks: number; busyMs: number; httpRequests: number },
): Bill {
  const openings = counters.calls.openSeat ?? 0;
  const perMillion = million / tasks;
  const rows =
    ((counters.rowsWritten + counters.alarmsSet) * usd.rowWritten + counters.rowsRead * usd.rowRead) * perMillion;
  const requests =
    ((callCount(counters) + counters.alarmsRung) * usd.objectRequest + httpRequests * usd.workerRequest) * perMillion;
  const queue = openings * usd.queueMessage * perMillion;
  const duration = (busyMs / 1000) * objectGb * usd.objectGbSecond * perMillion;
  return { rows, requests, queue, duration, total: rows + requests + queue + duration };
}
