/** Calls of remote tools as the run's object tells of them: to a worker, to a seat, and to the model when they are over. */

import { RawJson, stringifyRaw } from "../../context/json-text.ts";
import type { ToolCallGrant } from "../../contract/shapes.ts";
import { assert } from "../../errors/assert.ts";
import { toolErrorOf } from "../../errors/codes.ts";
import { faults } from "../../errors/faults.ts";
import { resultIdOf, resultNumber, toolCallIdOf } from "../../ids.ts";
import { inlineResultBytesMax } from "../../limits.ts";
import { type Leased, nextCall, startCall, type ToolEnd, urlPool } from "../../scheduler/remote-calls.ts";
import type { Step } from "../../scheduler/step.ts";
import { isActor } from "../../scheduler/task.ts";
import type { UrlCall } from "../seat-rpc.ts";
import type { Recorded } from "./answers.ts";
import { createdEventOf } from "./bodies.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { cutResult } from "./results.ts";

const argumentsOf = (run: LoadedRun, { call }: Leased): string =>
  (run.store.log.body(call.seq) as { arguments: string }).arguments;

/** The next call of a pool for a worker of it, its lease opened. */
export function startToolCall(
  step: Step,
  run: LoadedRun,
  { pool, worker, tools }: { readonly pool: string; readonly worker: string; readonly tools?: readonly string[] },
): ToolCallGrant | undefined {
  const next = nextCall(step.state, pool, step.now, tools);
  if (!next) return undefined;
  startCall(step, next, worker, "");
  return toolCallGrant(run, afresh(step, next.task.n, next.call.seq));
}

/** The next call of a url for a seat, its lease opened. */
export function startUrlCall(
  step: Step,
  run: LoadedRun,
  { worker, boot }: { readonly worker: string; readonly boot: string },
): UrlCall | undefined {
  const next = nextCall(step.state, urlPool, step.now);
  if (!next) return undefined;
  startCall(step, next, worker, boot);
  const leased = afresh(step, next.task.n, next.call.seq);
  const { taskNumber, call, fence, toolCall, argumentsText } = toolCallGrant(run, leased);
  const { id, tool, task, idempotency_key: idempotencyKey, timeout_at: timeoutAt } = toolCall;
  const { url, mcp } = run.tools.get(tool)!;
  assert(url !== undefined, "a call without a pool has a url");
  const common = { taskNumber, call, fence, url, idempotencyKey, timeoutAt };
  if (mcp) return { ...common, mcp, payload: argumentsText };
  const payload = stringifyRaw({
    id,
    tool,
    arguments: new RawJson(argumentsText),
    run: run.id,
    task: { id: task.id, key: task.key },
  });
  return { ...common, payload };
}

/** The call as it stands after its lease was opened. */
function afresh(step: Step, n: number, seq: number): Leased {
  const task = step.state.task(n);
  return { task, call: task.calls.find((one) => one.seq === seq) } as Leased;
}

export function toolCallGrant(run: LoadedRun, leased: Leased): ToolCallGrant {
  const { task, call } = leased;
  const { phase, attempts, tool } = call.remote;
  const title = isActor(task) ? null : (createdEventOf(run, task).title ?? null);
  return {
    run: run.id,
    taskNumber: task.n,
    call: call.seq,
    fence: phase.fence,
    expires_at: phase.expiresAt,
    toolCall: {
      id: toolCallIdOf(run.id, call.seq),
      tool,
      // Of the call and not of its attempt: whoever has seen it has carried the call out.
      idempotency_key: `${run.id}_${call.seq}`,
      attempt: attempts,
      timeout_at: call.until,
      run: run.id,
      task: { id: run.taskId(task.n), key: task.key ?? null, title },
    },
    argumentsText: argumentsOf(run, leased),
  };
}

/** What the model reads about a call that is over, and what a program gets. */
export function toolAnswer(run: LoadedRun, seq: number, tool: string, end: ToolEnd): Recorded {
  if (end.kind === "result") return resultAnswer(run, seq, tool, end);
  const [code, message] =
    end.kind === "failed"
      ? ([faults.endpoint_refused.tool, `${tool}: ${end.error.message}`] as const)
      : ([faults.tool_timed_out.tool, timedOutText(tool, end)] as const);
  const cause = end.kind === "failed" ? { cause: end.error.code } : {};
  const error = { ...toolErrorOf(code, message), ...cause, attempts: end.attempts };
  return { text: JSON.stringify({ error }), isError: true, outcome: { error } };
}

const timedOutText = (tool: string, { afterMs, attempts }: Extract<ToolEnd, { kind: "timed_out" }>): string =>
  attempts === 0
    ? `${tool}: no worker took the call within ${afterMs} ms.`
    : `${tool}: there was no result within ${afterMs} ms.`;

function resultAnswer(
  run: LoadedRun,
  seq: number,
  tool: string,
  { result, isError }: Extract<ToolEnd, { kind: "result" }>,
): Recorded {
  const cut = cutResult(result, inlineResultBytesMax);
  const shown = cut.truncated
    ? {
        result: cut.value,
        truncated: true,
        read_on: { tool: "inspect", result: resultIdOf(run.id, seq), offset: (cut.value as string).length },
      }
    : cut.value;
  // Anthropic's format marks an error beside the result; OpenAI's has no place for it but the text.
  const { format } = run.store.tree.head(run.state.header.snapshot);
  const said = isError && format === "openai" ? { error: shown } : shown;
  const text = typeof said === "string" ? said : JSON.stringify(said ?? null);
  if (!isError) return { text, isError, outcome: { result: shown } };
  const message = `${tool} answered with an error.`;
  return {
    text,
    isError,
    outcome: { error: { ...toolErrorOf("tool_error", message), result: shown } },
  };
}

/** A tool's whole result, by the name that it was given where it was cut. */
export function toolResultOf(run: LoadedRun, id: string): { tool: string; result: unknown } | undefined {
  const seq = resultNumber(run.id, id);
  if (seq === undefined || seq > run.state.header.seq) return undefined;
  const event = run.store.log.event(seq);
  if (event?.type !== "call_done") return undefined;
  const body = run.store.log.body(seq) as { readonly tool?: ToolEnd };
  return body.tool?.kind === "result" ? { tool: event.tool, result: body.tool.result } : undefined;
}
