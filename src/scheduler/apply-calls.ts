/** The part of `apply` that is about tool calls: their waits, and what they have come to. */

import { actorCallsMax } from "../limits.ts";
import { newRemoteCall } from "./apply-remote-calls.ts";
import * as variables from "./apply-variables.ts";
import type { EventOf } from "./events.ts";
import { lowerEffective, raiseEffective } from "./inheritance.ts";
import { isOpenCall } from "./open-calls.ts";
import type { RunState } from "./state.ts";
import { appended, type Call, isActor, isLive, nothing, type Task, type WaitingCall, waitingCall } from "./task.ts";

/** The results of the calls are in the transcript, or void. */
export function dropCalls(state: RunState, task: Task): void {
  const { calls, effective } = task;
  state.setCalls(task, nothing);
  for (const call of calls) if (call.state === "waiting") stopWaiting(state, task, call, effective);
  state.retime(task);
}

export function waitInCall(state: RunState, event: EventOf<"call_waiting">): void {
  const { seq, changedAt: at } = state.header;
  const task = state.task(event.task);
  const call: Call = {
    id: event.call,
    state: "waiting",
    seq,
    targets: event.targets,
    mode: event.mode,
    until: event.until ?? 0,
    since: at,
    ...(event.want && { want: event.want }),
    ...(event.remote && { remote: newRemoteCall(event.remote, seq, at) }),
    ...(event.print && { print: event.print }),
  };
  state.setCalls(task, [...task.calls.filter((one) => one.id !== event.call), call]);
  for (const n of event.targets) {
    const target = state.task(n);
    target.awaiters = appended(target.awaiters, task.n);
    state.dirty.add(n);
    if (isLive(target)) raiseEffective(state, target, task.effective);
  }
  if (isOpenCall(call)) state.openCalls.put(task, call);
  else variables.enterLines(state, task, call);
  state.retime(task);
}

export function endCall(state: RunState, event: EventOf<"call_done">): void {
  const task = state.task(event.task);
  const waiting = waitingCall(task, event.call);
  const others = task.calls.filter((one) => one.id !== event.call);
  const print = event.print ?? waiting?.print;
  const done: Call = { id: event.call, state: "done", seq: state.header.seq, ...(print && { print }) };
  state.setCalls(task, [...(isActor(task) ? newest(others) : others), done]);
  if (waiting) stopWaiting(state, task, waiting, task.effective);
  state.retime(task);
}

export function dropWants(state: RunState, task: Task): void {
  const { effective } = task;
  const isWanting = (call: Call): call is WaitingCall => call.state === "waiting" && call.want !== undefined;
  const dropped = task.calls.filter(isWanting);
  if (dropped.length === 0) return;
  state.setCalls(
    task,
    task.calls.filter((call) => !isWanting(call)),
  );
  for (const call of dropped) stopWaiting(state, task, call, effective);
}

/** A session has no turns that would void its calls: the oldest answers are forgotten. */
function newest(calls: readonly Call[]): Call[] {
  let over = calls.length - actorCallsMax;
  return calls.filter((call) => call.state === "waiting" || --over < 0);
}

/** `level`: the task's before any of its waits was over. Whose level is higher has it from somebody else. */
function stopWaiting(state: RunState, task: Task, call: WaitingCall, level: number): void {
  state.openCalls.remove(call.seq);
  for (const n of call.targets) {
    const target = state.find(n);
    if (!target) continue;
    const place = target.awaiters.indexOf(task.n);
    if (place < 0) continue;
    target.awaiters.splice(place, 1);
    state.dirty.add(n);
    if (isLive(target) && target.effective <= level) lowerEffective(state, [target]);
  }
  variables.leaveLines(state, task, call, level);
}
