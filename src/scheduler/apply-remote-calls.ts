/** The part of `apply` that is about calls of remote tools. */

import { leaseMs } from "../limits.ts";
import type { EventOf } from "./events.ts";
import { isOpenCall, type OpenCall } from "./open-calls.ts";
import type { RunState } from "./state.ts";
import type { RemoteCall, Task } from "./task.ts";

/** A call as it begins: ready for whoever carries it out. */
export const newRemoteCall = (
  { tool, pool, retries }: NonNullable<EventOf<"call_waiting">["remote"]>,
  seq: number,
  at: number,
): RemoteCall => ({
  tool,
  pool,
  retryLimit: retries,
  attempts: 0,
  losses: 0,
  failures: 0,
  phase: { state: "ready", since: at, seq },
  progress: 0,
  progressAt: 0,
});

export function startCall(state: RunState, event: EventOf<"tool_call_started">): void {
  state.header.lastFence = event.fence;
  change(state, event, ({ remote }) => ({
    ...remote,
    attempts: event.attempt,
    phase: {
      state: "running",
      fence: event.fence,
      worker: event.worker,
      boot: event.boot ?? "",
      expiresAt: state.header.changedAt + leaseMs,
    },
  }));
}

export function endCallAttempt(state: RunState, event: EventOf<"tool_call_attempt_ended">): void {
  const { seq, changedAt: at } = state.header;
  const { why, until } = event;
  change(state, event, ({ remote }) => ({
    ...remote,
    losses: why === "lost" ? remote.losses + 1 : why === "transient" ? 0 : remote.losses,
    failures: remote.failures + (why === "transient" ? 1 : 0),
    phase: until !== undefined && until > at ? { state: "waiting", until } : { state: "ready", since: at, seq },
  }));
}

export function readyCall(state: RunState, event: EventOf<"tool_call_ready">): void {
  const { seq, changedAt: at } = state.header;
  change(state, event, ({ remote }) => ({ ...remote, phase: { state: "ready", since: at, seq } }));
}

export function noteProgress(state: RunState, event: EventOf<"tool_call_progress">): void {
  const { seq, changedAt: at } = state.header;
  change(state, event, ({ remote }) => ({ ...remote, progress: seq, progressAt: at }));
}

/** Each open call of the task has all of its time again. */
export function restartCalls(state: RunState, task: Task): void {
  const { changedAt: at } = state.header;
  if (!task.calls.some(isOpenCall)) return;
  state.setCalls(
    task,
    task.calls.map((call) => {
      if (!isOpenCall(call)) return call;
      const anew: OpenCall = { ...call, since: at, until: at + call.until - call.since };
      state.openCalls.put(task, anew);
      return anew;
    }),
  );
}

function change(
  state: RunState,
  { task: n, call: id }: { readonly task: number; readonly call: string },
  next: (call: OpenCall) => RemoteCall,
): void {
  const task: Task = state.task(n);
  state.setCalls(
    task,
    task.calls.map((call) => {
      if (call.id !== id || !isOpenCall(call)) return call;
      const changed: OpenCall = { ...call, remote: next(call) };
      state.openCalls.put(task, changed);
      return changed;
    }),
  );
  state.retime(task);
}
