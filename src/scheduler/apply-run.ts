/** The part of `apply` about the run as a whole: its settings, its status, and what was found of it. */

import { cyclesRemembered } from "../limits.ts";
import { restartCalls } from "./apply-remote-calls.ts";
import type { EventOf } from "./events.ts";
import { cyclesOf, type RunHeader, type RunState } from "./state.ts";
import { isLive } from "./task.ts";

export function create({ header }: RunState, event: EventOf<"run_created">): void {
  header.limits = event.limits;
  if (event.named) header.named = event.named;
  header.snapshot = event.snapshot;
  header.name = event.name ?? "";
  if (event.fail_fast) header.failFast = true;
  if (event.fences_above !== undefined) header.lastFence = event.fences_above;
  header.createdAt = header.changedAt;
  if (event.credential) header.credential = event.credential;
  if (event.retention_days !== undefined) header.retentionDays = event.retention_days;
}

export function retain({ header }: RunState, { days }: EventOf<"run_retained">): void {
  header.retentionDays = days;
}

/** What passed between a run's export and its import was nobody's time. */
export function takeOver(state: RunState): void {
  const { header } = state;
  // Shares are of the deployment that it came from.
  delete header.share;
  for (const task of state.tasks.values()) {
    if (!isLive(task)) continue;
    if (task.clockAt > 0) task.clockAt = header.changedAt;
    restartCalls(state, task);
    state.dirty.add(task.n);
    state.retime(task);
  }
}

export function append({ header }: RunState, { snapshot }: EventOf<"context_appended">): void {
  header.snapshot = snapshot;
}

export function pause({ header }: RunState, { reason, quota }: EventOf<"run_paused">): void {
  header.status = "paused";
  header.reason = reason;
  if (quota) header.quota = quota;
  else delete header.quota;
}

export function resume({ header }: RunState): void {
  delete header.quota;
  header.status = "active";
  header.reason = "";
}

export function share({ header }: RunState, { seats, why = "deployment" }: EventOf<"seat_target">): void {
  if (seats === undefined) delete header.share;
  else header.share = { seats, why };
}

export function end({ header }: RunState, { status, reason = "" }: EventOf<"run_ended">): void {
  header.status = status;
  header.reason = reason;
  header.endedAt = header.changedAt;
  // It waits for nothing any more.
  delete header.quota;
}

export function reopen({ header }: RunState): void {
  if (header.endedAt > 0) {
    header.status = "active";
    header.reason = "";
    header.reopened = true;
  }
  header.endedAt = 0;
  delete header.failing;
}

export function fail({ header }: RunState, { task }: EventOf<"run_failing">): void {
  header.failing = task;
}

export function find({ header }: RunState, { kind, cycle }: EventOf<"finding">): void {
  header.findings++;
  if (kind === "stall") {
    header.stalledAt = header.changedAt;
    header.stallSeq = header.seq;
  }
  if (kind === "pool_exhausted") header.exhaustedAt = header.changedAt;
  if (cycle !== undefined) countCycle(header, cycle);
}

function countCycle(header: RunHeader, cycle: string): void {
  const count = cyclesOf(header, cycle);
  // The newest stand last; those that were not found again for long are forgotten.
  const kept = Object.entries(header.cycles ?? {}).filter(([name]) => name !== cycle);
  header.cycles = { ...Object.fromEntries(kept.slice(1 - cyclesRemembered)), [cycle]: count + 1 };
}

export function extendStall({ header }: RunState): void {
  header.stallExtendedAt = header.changedAt;
}
