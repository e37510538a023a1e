/** The kinds of waits: how each is looked at, and let go of. A handle says all that it takes, so a wait can be made from one. */

import type { CallToolResult } from "@modelcontextprotocol/server";
import { RawJson, stringifyRaw } from "../context/json-text.ts";
import { assert, unreachable } from "../errors/assert.ts";
import type { Answered, Ask, McpCall } from "../http/mcp.ts";
import { mcpBusyMs, mcpLetGoTries, waitMsMax } from "../limits.ts";
import { outcomeResult, problemOf, problemResult, resultOf } from "./answers.ts";
import type { Handle, HandleOf } from "./handles.ts";
import { openQuestions } from "./questions.ts";
import { type Looked, sleep, type Wait } from "./waiting.ts";

const nothing = async () => {};

export function waitOf(call: McpCall, handle: Handle): Wait {
  switch (handle.of) {
    case "run":
      return {
        ...{ handle, look: (ms) => lookAtRun(call, handle, ms), letGo: nothing },
        asked: { run: handle.run, questions: () => openQuestions(call, handle.run) },
      };
    case "tasks":
      return {
        ...{ handle, look: (ms) => lookAtTasks(call, handle, ms), letGo: nothing },
        asked: { run: handle.run, questions: () => openQuestions(call, handle.run, tasksIn(handle.args)) },
      };
    case "session":
      return {
        ...{ handle, look: (ms) => lookAtSession(call, handle, ms), letGo: () => letGo(call, handle) },
        answered: (done) => (handle.holds && hasHold(done) ? nothing() : letGo(call, handle)),
      };
    case "lease":
      // The task waits, and goes on waiting: its worker may ask again.
      return { handle, look: (ms) => lookAtLease(call, handle, ms), letGo: nothing };
    default:
      return unreachable(handle);
  }
}

async function lookAtRun({ ask }: McpCall, { run, until }: HandleOf<"run">, ms: number): Promise<Looked> {
  const answered = await ask({
    ...{ method: "POST", path: "/v1/runs/:run/wait", params: { run } },
    body: JSON.stringify({ timeout_ms: within(ms, until) }),
  });
  const busy = busyIn(answered);
  if (busy) return busy;
  if (!answered.ok) return { done: problemResult(answered) };
  const state = JSON.parse(answered.text) as { done: boolean; counts: Readonly<Record<string, number>> };
  if (state.done || isPast(until)) return { done: resultOf(answered.text) };
  const sum = (states: readonly string[]) => states.reduce((all, one) => all + (state.counts[one] ?? 0), 0);
  const ended = sum(["succeeded", "failed", "cancelled", "skipped"]);
  const of = ended + sum(["waiting", "ready", "running", "parked"]);
  return { message: `${ended} of ${of} tasks have ended`, soFar: state };
}

/** Those that are awaited; undefined for what the tool will refuse. */
function tasksIn(args: string): readonly string[] | undefined {
  const { tasks } = JSON.parse(args) as { tasks?: unknown };
  return Array.isArray(tasks) && tasks.length > 0 ? tasks.map(String) : undefined;
}

async function lookAtTasks(call: McpCall, { run, args, until }: HandleOf<"tasks">, ms: number): Promise<Looked> {
  const answered = await call.ask(
    toolOfRun(run, "await_tasks", { args: leftOf(args, until), waitMs: within(ms, until) }),
  );
  return toolLooked(answered, "waiting for tasks");
}

/** Each look is a call of its own, for what is left of the time: the last is told that it is over, and how the tasks are then. */
const leftOf = (args: string, until: number | undefined): string =>
  until === undefined ? args : JSON.stringify({ ...JSON.parse(args), timeout_ms: Math.max(0, until - Date.now()) });

async function lookAtSession(call: McpCall, handle: HandleOf<"session">, waitMs: number): Promise<Looked> {
  const { run, tool, args, actor, call: callId, holds } = handle;
  const answered = await call.ask(toolOfRun(run, tool, { args, waitMs, callId, actor }));
  const looked = toolLooked(answered, `waiting in ${tool}`);
  return holds && looked.done && hasHold(looked.done) ? { done: outcomeResult(answered, { actor })! } : looked;
}

/** Whether the session is needed after this answer. */
const hasHold = ({ isError, structuredContent }: CallToolResult): boolean =>
  !isError && (structuredContent as { acquired?: boolean }).acquired !== false;

async function letGo({ ask }: McpCall, { run, actor, own }: HandleOf<"session">): Promise<void> {
  if (own) return;
  for (let tries = 1; tries <= mcpLetGoTries; tries++) {
    const answered = await ask({ method: "DELETE", path: "/v1/runs/:run/actors/:actor", params: { run, actor } });
    if (!busyIn(answered)) return;
    await sleep(mcpBusyMs);
  }
}

function toolLooked(answered: Answered, message: string): Looked {
  const busy = busyIn(answered);
  if (busy) return busy;
  const done = outcomeResult(answered);
  return done ? { done } : { message };
}

/** What passes says nothing about the wait. */
const busyIn = (answered: Answered): Looked | undefined =>
  !answered.ok && problemOf(answered).retryable ? { busy: problemResult(answered) } : undefined;

async function lookAtLease(
  call: McpCall,
  { tool, args, call: callId }: HandleOf<"lease">,
  waitMs: number,
): Promise<Looked> {
  const answered = await call.ask(toolOfLease(call, tool, { args, waitMs, callId }));
  return toolLooked(answered, `waiting in ${tool}`);
}

interface Sent {
  /** JSON text of the arguments. */
  readonly args: string;
  readonly waitMs: number;
  readonly callId?: string;
  readonly actor?: string;
}

const toolBody = ({ args, waitMs, callId, actor }: Sent): string =>
  stringifyRaw({
    arguments: new RawJson(args),
    wait_ms: waitMs,
    ...(callId !== undefined && { call_id: callId }),
    ...(actor !== undefined && { actor }),
  });

export const toolOfRun = (run: string, tool: string, sent: Sent): Ask => ({
  ...{ method: "POST", path: "/v1/runs/:run/tools/:tool", params: { run, tool } },
  body: toolBody(sent),
});

export function toolOfLease({ lease }: McpCall, tool: string, sent: Sent): Ask {
  assert(lease !== undefined, "a lease's call comes with the lease");
  return {
    ...{ method: "POST", path: "/v1/leases/:lease/tools/:tool", params: { lease: lease.id, tool } },
    body: toolBody(sent),
  };
}

/** No longer than to the end of the call's own time. */
const within = (ms: number, until: number | undefined): number =>
  Math.max(0, Math.min(ms, waitMsMax, until === undefined ? waitMsMax : until - Date.now()));
const isPast = (until: number | undefined): boolean => until !== undefined && until <= Date.now();
