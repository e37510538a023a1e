/** What a seat is given for an attempt that goes on where another one ended: a task whose fork, and what followed it, is in the log. */

import type { SeatWork } from "../../../src/objects/seat-rpc.ts";

/** `messages`: the whole transcript. */
export const seatWork = (messages: readonly string[], more: Partial<SeatWork> = {}): SeatWork => ({
  taskNumber: 1,
  fence: 2,
  taskId: "T1-aaaaaa",
  expiresAt: 0,
  generation: 1,
  attempt: 2,
  head: { format: "anthropic" },
  from: null,
  steps: [{ hash: "s", messages }],
  snapshot: "s",
  fork: [],
  messages: [],
  mark: undefined,
  baseCount: 0,
  turns: messages.length - 1,
  answers: {},
  maxTurns: 8,
  model: undefined,
  outputSchema: undefined,
  reserves: false,
  lineage: "l",
  remoteTools: [],
  warms: false,
  watched: false,
  ...more,
});
