/**
 * Heddle's tools, carried out in one step of the run: for hosted tasks, for leases of pull workers and for the agent
 * outside. Whatever an agent could be told is an error result; it never fails the request.
 */

import { valueAt } from "../../context/references.ts";
import { fullText } from "../../contract/full-text.ts";
import type { RemoteTool } from "../../contract/remote-tools.ts";
import {
  argumentsObject,
  isToolName,
  parseToolArguments,
  type ToolCallParsed,
  toolNames,
} from "../../contract/tools.ts";
import { fitsUtf8 } from "../../contract/utf8.ts";
import { assert, unreachable } from "../../errors/assert.ts";
import { type ProblemCode, problems, type ToolErrorCode, toolHints } from "../../errors/codes.ts";
import { inlineResultBytesMax, openToolCallsMax, priorityDefault, toolArgumentsBytesMax } from "../../limits.ts";
import { settleBudget } from "../../scheduler/budget.ts";
import { createTasks, findByKey } from "../../scheduler/create-tasks.ts";
import { cancelTask } from "../../scheduler/end-task.ts";
import { settle } from "../../scheduler/ending.ts";
import { redactedText } from "../../scheduler/redaction.ts";
import { beginRemoteCall, urlPool } from "../../scheduler/remote-calls.ts";
import { isRunEnded } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import { isLive, type Task } from "../../scheduler/task.ts";
import { beginAwait, observe, waitIsOver } from "../../scheduler/waits.ts";
import type { BlockingCall, VariableCall } from "../../variables/ops.ts";
import type { Reply } from "../rpc.ts";
import { answerOf } from "./answers.ts";
import { useBlocking } from "./blocking-calls.ts";
import { createdEventOf } from "./bodies.ts";
import { forkAll, openCallsOf } from "./forks.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { projectionOf } from "./projection.ts";
import { toolResultOf } from "./remote-calls.ts";
import { ok, type Refused, refuse } from "./replies.ts";
import { awaitedView, cutResult } from "./results.ts";
import { checkNames, register, useVariable } from "./variable-calls.ts";
import { budgetLeft, lookedAtTask, taskView } from "./views.ts";

export interface ToolError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly [more: string]: unknown;
}

export type ToolRun =
  | { readonly kind: "result"; readonly result: unknown }
  | { readonly kind: "error"; readonly error: ToolError }
  /** The call is recorded (a task's) or must be polled (outside): these tasks have not ended as asked. */
  | {
      readonly kind: "waiting";
      readonly targets: readonly number[];
      readonly mode: "all" | "any" | "settled";
      /** How long the agent outside would wait: nobody but its poll keeps that time. */
      readonly timeoutMs?: number;
    }
  /** To be carried out by the variable's object once this step is committed. */
  | VariableRun
  | { readonly kind: "look"; readonly variable: string }
  /** `finish`: the caller ends the task. */
  | { readonly kind: "finish"; readonly call: Extract<ToolCallParsed, { tool: "finish" }> };

export interface VariableRun {
  readonly kind: "variable";
  readonly call: VariableCall;
  /** It comes too late, and is answered with this: unless it is a repeat, which gets its first answer. */
  readonly refusal?: Reply<ToolRun>;
}

export interface Caller {
  /** Undefined: the agent outside. */
  readonly task: Task | undefined;
  readonly callId: string;
  /** The snapshot that a fork made by this call stands on. */
  readonly base: string;
  /** Whether `callId` names a call of that snapshot's last message. */
  readonly inTranscript: boolean;
}

/** Who calls on what `base` ends in. Refused: a call that is none of an unanswered reply can't fork it. */
export function callerAt(
  run: LoadedRun,
  base: string,
  { task, callId }: { readonly task: Task | undefined; readonly callId: string | undefined },
  tool: string,
): Reply<Caller> {
  const open = openCallsOf(run.store.tree, base);
  const inTranscript = open.some((call) => call.id === callId);
  if (tool === "create_task" && open.length > 0 && !inTranscript)
    return refuse({ code: "open_calls", detail: `They are ${open.map((call) => call.id).join(", ")}.` });
  return ok({ task, callId: callId ?? "", base, inTranscript });
}

export const toolError = (code: ToolErrorCode, message: string, more: object = {}): ToolRun => ({
  kind: "error",
  error: { code, message, hint: toolHints[code], ...more },
});

const refused = (code: ProblemCode, message: string): ToolRun => ({
  kind: "error",
  error: { code, message, hint: problems[code].hint },
});

/** Whether a call of this name means anything in the run. */
export const hasTool = (run: LoadedRun, name: string): boolean => isToolName(name) || run.tools.has(name);

/** The refusal of a name that is none, with those that there are. */
export function noTool(run: LoadedRun, name: string): Refused {
  const there = [...toolNames, ...run.tools.keys()].join(", ");
  const detail = `There is no tool ${JSON.stringify(name.slice(0, 64))} here; there are ${there}.`;
  return refuse({ code: "not_found", detail });
}

export function runTool(step: Step, run: LoadedRun, caller: Caller, name: string, argumentsText: string): ToolRun {
  const declared = run.tools.get(name);
  if (declared) return callRemote(step, run, caller, declared, argumentsText);
  const parsed = parseToolArguments(name, argumentsText);
  if (!parsed.ok) return toolError(parsed.code, parsed.message);
  const { call } = parsed;
  if ("variable" in call) return useVariable(step, run, call.variable);
  if ("blocking" in call) return block(step, run, caller, call.blocking);
  switch (call.tool) {
    case "create_task":
      if (run.state.full) return toolError("quota_exceeded", fullText(run.state.full));
      return createFromCall(step, run, caller, call);
    case "await_tasks":
      return awaitTasks(step, run, caller, call);
    case "inspect":
      return inspect(run, caller, call.target);
    case "cancel_task":
      return cancelFromCall(step, run, caller, call);
    case "finish":
      return caller.task ? { kind: "finish", call } : toolError("not_a_task", "No task is running here.");
    default:
      return unreachable(call);
  }
}

function block(step: Step, run: LoadedRun, caller: Caller, call: BlockingCall): ToolRun {
  const names = "names" in call.op ? call.op.names : [call.name];
  const refusal = checkNames(run, names, call.kind);
  if (refusal) return refusal;
  const members: number[] = [];
  for (const name of (call.kind === "barrier" && call.op.members) || []) {
    const member = named(run, caller, name);
    if (!member) return toolError("unknown_task", `There is no task "${name}" that you could name.`);
    members.push(member.n);
  }
  const { length } = step.decided;
  const done = useBlocking(step, run, { task: caller.task, call: caller.callId, members }, call);
  // Who is refused, or only looks, makes no variable.
  if (step.decided.length > length) register(step, run, names, call.kind);
  if (done === "waiting") return { kind: "waiting", targets: [], mode: "all" };
  if (done === "needs_actor") return toolError("needs_actor", needsActor(call));
  if (!("seq" in done)) return done;
  const { text, isError } = answerOf(run, done.seq);
  const value = JSON.parse(text) as { error: ToolError };
  return isError ? { kind: "error", error: value.error } : { kind: "result", result: value };
}

const needsActor = ({ op, name }: BlockingCall): string =>
  op.op === "push" || op.op === "pop" || op.op === "await"
    ? `"${name}" is not ready for it now, and only a task or a session can wait.`
    : `Only a task or a session can hold "${name}" or wait there.`;

/** The call waits, for whoever carries the tool out. */
function callRemote(step: Step, run: LoadedRun, caller: Caller, tool: RemoteTool, argumentsText: string): ToolRun {
  const { name, pool = urlPool, timeout_ms: timeoutMs, retries } = tool;
  const args = argumentsObject(argumentsText);
  if (!args.ok) return toolError("bad_arguments", `${name}: ${args.message}`);
  if (!fitsUtf8(args.text, toolArgumentsBytesMax))
    return toolError("bad_arguments", `${name}: the arguments are over ${toolArgumentsBytesMax} bytes`);
  if (!caller.task)
    return toolError("needs_actor", `"${name}" is carried out elsewhere: only a task or a session waits.`);
  if (run.state.openCalls.size >= openToolCallsMax)
    return toolError("too_many_calls", `The run has ${openToolCallsMax} calls of its tools that wait for a result.`);
  const call = { id: caller.callId, tool: name, pool, timeoutMs, retryLimit: retries.limit, arguments: args.text };
  const begun = beginRemoteCall(step, caller.task, call);
  assert(begun.kind === "waiting", "a call that has its answer is answered before");
  return { kind: "waiting", targets: [], mode: "all" };
}

function createFromCall(
  step: Step,
  run: LoadedRun,
  caller: Caller,
  { tasks: specs, groups }: Extract<ToolCallParsed, { tool: "create_task" }>,
): ToolRun {
  const { base } = caller;
  // Labels are inherited and can't be shed: rules go by them.
  const inherited = caller.task && createdEventOf(run, caller.task).labels;
  const labelled = inherited ? specs.map((spec) => ({ ...spec, labels: { ...spec.labels, ...inherited } })) : specs;
  const callId = caller.inTranscript ? caller.callId : undefined;
  const forked = forkAll(run, { base, callId, creator: caller.task }, labelled);
  if (!forked.ok) return refused(forked.fault.code, forked.fault.detail ?? "");
  const outcome = createTasks(step, caller.task, forked.tasks, run.numberOf, groups);
  if (!outcome.ok) {
    const { code, detail, errors } = outcome.refusal;
    const where = errors?.[0]?.path;
    return refused(code, where ? `${where}: ${detail}` : detail);
  }
  const tasks = outcome.tasks.map((task, i) => {
    const wanted = specs[i]?.priority ?? priorityDefault;
    return {
      id: run.taskId(task.n),
      key: task.key ?? null,
      ...(task.priority < wanted && { priority: task.priority }),
    };
  });
  const projection = projectionOf(run, forked.tasks, outcome.criticalPath);
  return { kind: "result", result: { tasks, projection, ...(forked.notes.length > 0 && { notes: forked.notes }) } };
}

/** A task named by key or id, as `caller` sees it. */
function named(run: LoadedRun, caller: Caller, name: string): Task | undefined {
  const n = run.numberOf(name) ?? findByKey(run.state, caller.task, name);
  return n === undefined ? undefined : run.state.find(n);
}

function awaitTasks(
  step: Step,
  run: LoadedRun,
  caller: Caller,
  call: Extract<ToolCallParsed, { tool: "await_tasks" }>,
): ToolRun {
  const targets: number[] = [];
  for (const name of call.tasks) {
    const target = named(run, caller, name);
    if (!target) return toolError("unknown_task", `There is no task "${name}" that you could name.`);
    targets.push(target.n);
  }
  const { mode } = call;
  if (!caller.task) {
    const tasks = targets.map((n) => run.state.task(n));
    const { timeoutMs } = call;
    if (!waitIsOver(tasks, mode))
      return { kind: "waiting", targets, mode, ...(timeoutMs !== undefined && { timeoutMs }) };
    sawFromOutside(step, targets);
    return { kind: "result", result: awaitedView(run, targets) };
  }
  const until = call.timeoutMs === undefined ? 0 : step.now + call.timeoutMs;
  const outcome = beginAwait(step, caller.task, { id: caller.callId, targets: [...new Set(targets)], mode, until });
  if (outcome.kind === "waiting") return { kind: "waiting", targets, mode };
  if (outcome.kind === "done") return { kind: "result", result: awaitedView(run, targets) };
  const cycle = outcome.cycle.map((n) => run.taskId(n));
  return toolError("would_deadlock", `This wait could never end: ${cycle.join(" → ")} wait for one another.`, {
    cycle,
  });
}

/** Who is told of a failure by `await_tasks` has seen it, as a task has. A run that has ended stays as it ended. */
export function sawFromOutside(step: Step, targets: readonly number[]): void {
  if (isRunEnded(step.state)) return;
  for (const n of targets) observe(step, step.state.task(n));
}

function inspect(
  run: LoadedRun,
  caller: Caller,
  target: Extract<ToolCallParsed, { tool: "inspect" }>["target"],
): ToolRun {
  if ("run" in target) {
    const { header } = run.state;
    const result = {
      run: run.id,
      status: header.status,
      counts: header.counts,
      budget_left: budgetLeft(run),
      ...(caller.task && { task: run.taskId(caller.task.n) }),
    };
    return { kind: "result", result };
  }
  if ("variable" in target) {
    if (run.store.variables.kindOf(target.variable)) return { kind: "look", variable: target.variable };
    return toolError("unknown_variable", `Nothing was ever done with a variable "${target.variable}".`);
  }
  if ("result" in target) {
    const whole = toolResultOf(run, target.result);
    if (!whole) return toolError("unknown_result", `This run has no result "${target.result}".`);
    return caller.task || !run.redact
      ? partOf(whole.result, { tool: whole.tool }, target)
      : { kind: "result", result: { tool: whole.tool, result: redactedText } };
  }
  const task = named(run, caller, target.task);
  if (!task) return toolError("unknown_task", `There is no task "${target.task}" that you could name.`);
  // A task of the run works with what it reads; whoever asks from outside only looks.
  if (run.redact && !caller.task) return { kind: "result", result: lookedAtTask(run, task) };
  const { result, ...view } = taskView(run, task);
  return partOf(result, view, target);
}

/** As much of a result as a context may carry, from where it is asked for; `view` is shown beside it. */
function partOf(result: unknown, view: object, target: { readonly path?: string; readonly offset?: number }): ToolRun {
  const part = target.path === undefined ? result : valueAt(result, target.path.split("."));
  if (part === undefined) return toolError("bad_arguments", `path: the result has no "${target.path}".`);
  const text = typeof part === "string" ? part : JSON.stringify(part);
  const offset = target.offset ?? 0;
  const cut = offset > 0 ? cutResult(text.slice(offset), inlineResultBytesMax) : cutResult(part, inlineResultBytesMax);
  // Only who puts the pieces together again has to know whether they are JSON.
  const isJson = typeof part !== "string" && { json: true };
  const next = cut.truncated ? { truncated: true, ...isJson, next_offset: offset + (cut.value as string).length } : {};
  return { kind: "result", result: { ...view, result: cut.value, ...next } };
}

function cancelFromCall(
  step: Step,
  run: LoadedRun,
  caller: Caller,
  call: Extract<ToolCallParsed, { tool: "cancel_task" }>,
): ToolRun {
  const task = named(run, caller, call.task);
  if (!task) return toolError("unknown_task", `There is no task "${call.task}" that you could name.`);
  if (caller.task && !isBelow(run, task, caller.task.n)) {
    return toolError("not_descendant", `${run.taskId(task.n)} is not yours.`);
  }
  if (isLive(task)) {
    cancelTask(step, task, call.reason ?? "Cancelled by the task that created it.");
    settle(step);
    settleBudget(step);
  }
  return { kind: "result", result: { id: run.taskId(task.n), state: task.phase.state } };
}

function isBelow(run: LoadedRun, task: Task, ancestor: number): boolean {
  for (let n = task.parent; n > 0; n = run.state.task(n).parent) if (n === ancestor) return true;
  return false;
}
