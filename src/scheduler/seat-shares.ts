/**
 * The run's share of its deployment's seats, as its tenant's gate tells it, and what the run tells the gate of its wishes.
 *
 * SH1. At most `share` hosted tasks work at once, whatever `limits.workers` and rules leave. A share that became smaller takes no task
 *     from its worker: seats find nothing more to take as tasks end.
 * SH2. A share is in the log where it binds, and when it no longer does. One that leaves all that the run's own limits do is not.
 * SH3. Before a run has been told anything it has `newRunSeatsMax`; while the gate is away, what it was told last, or one.
 */

import { newRunSeatsMax } from "../limits.ts";
import type { SchedulerEvent } from "./events.ts";
import type { RunState } from "./state.ts";
import { hostedPool } from "./task.ts";

/** Who leaves the run no more: other runs of its tenant, or other tenants. */
export type ShareFrom = "tenant" | "deployment";

export interface Share {
  readonly seats: number;
  readonly why: ShareFrom;
}

/** How many hosted tasks may work by its share (SH1, SH3). What it was told last holds before the log has it. */
export function shareOf({ header, told, isUntold }: RunState): number {
  return (told ?? header.share)?.seats ?? (isUntold ? newRunSeatsMax : Number.POSITIVE_INFINITY);
}

/** How many more hosted tasks may start by its share. */
export const roomInShare = (state: RunState): number => Math.max(0, shareOf(state) - state.hosted);

/** Seats that it could use now if its share were all: those at work, and one for each task that could start. */
export function seatsWanted(state: RunState): number {
  const queue = state.ready.get(hostedPool);
  if (!queue || state.header.status !== "active") return state.hosted;
  const ready = Math.min(queue.startable(state.roomAt(state.availability.now)), state.roomIn(hostedPool));
  return state.hosted + Math.max(0, Math.min(ready, state.workers - state.working));
}

/** What the log is to say of a share that the gate told; undefined: it says it already, or the share does not bind (SH2). */
export function shareTold({ header, workers }: RunState, { seats, why }: Share): SchedulerEvent | undefined {
  if (seats >= workers) return header.share && { type: "seat_target" };
  if (header.share?.seats === seats && header.share.why === why) return undefined;
  return { type: "seat_target", seats, why };
}

/** The gate is away: who was told to wait does not wait for ever (SH3). */
export function shareWithoutGate({ header, told = header.share }: RunState): Share | undefined {
  return told?.seats === 0 ? { seats: 1, why: told.why } : undefined;
}
