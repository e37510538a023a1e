/** One turn of a hosted task, in one step: the reply is logged, its calls are carried out, an ending ends it. */

import type { ToolCall } from "../../context/types.ts";
import { isCarriedOutLater } from "../../contract/variable-tools.ts";
import { failAttempt } from "../../scheduler/attempts.ts";
import { settleBudget } from "../../scheduler/budget.ts";
import { completeTask } from "../../scheduler/end-task.ts";
import { settle } from "../../scheduler/ending.ts";
import type { UsageDelta } from "../../scheduler/events.ts";
import type { Step } from "../../scheduler/step.ts";
import { messagesTo, type Task } from "../../scheduler/task.ts";
import type { Answer, Ending, SeatTurn } from "../seat-rpc.ts";
import type { OpId } from "../variable-rpc.ts";
import { answerText } from "./answers.ts";
import type { LeasedTask } from "./dispatch.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { usageDelta } from "./money.ts";
import { shownMessages } from "./task-messages.ts";
import { runTool, toolError } from "./tool-calls.ts";
import { isLater, type LaterOp, type LaterRun } from "./variable-calls.ts";
import { usedByTask } from "./variable-uses.ts";

/** Logs a turn (H of seat-rpc): the reply is in the log before any of its calls has an effect. */
export function logTurn(step: Step, run: LoadedRun, task: LeasedTask, turn: SeatTurn): string {
  const snapshot = run.store.tree.append(task.head ?? task.base, turn.messages);
  step.emit({
    type: "turn",
    task: task.n,
    fence: task.phase.fence,
    turn: task.turns + 1,
    snapshot,
    usage: usageDelta(run, turn.usage, turn.model),
    ...(turn.took && { model_ms: turn.took.ms }),
    ...(turn.took?.firstMs !== undefined && { first_ms: turn.took.firstMs }),
    ...shownMessages(task, turn.shown ?? 0),
    ...(takesSteps(run, turn) && { calls_left: true as const }),
  });
  settleBudget(step);
  return snapshot;
}

/** Whether something of the reply may have to wait for a variable's object (`answerCalls`), its own end included. */
function takesSteps(run: LoadedRun, { calls, ending }: SeatTurn): boolean {
  const first = calls.findIndex(({ name }) => isOfData(run, name));
  return first >= 0 && (ending !== undefined || calls.slice(first).some(({ name }) => !isOfData(run, name)));
}

/** A call that is carried out by a variable's object, after the step's commit. */
export interface LaterCall {
  readonly call: string;
  readonly later: LaterRun;
  readonly op: LaterOp;
}

export interface Answered {
  readonly answers: Readonly<Record<string, Answer>>;
  /** To be carried out by variables' objects. */
  readonly laters: readonly LaterCall[];
  /** Calls that may come only after those. */
  readonly rest: readonly ToolCall[];
  /** What a call of `finish` with a result asks for. */
  readonly finish: Ending | undefined;
}

/**
 * Carries out calls of the newest reply, in its order; a call that has an answer already keeps it. What variables' objects carry out
 * comes after the step, and so does all that follows on it in the reply: whoever is let in by a release, or told by a
 * push, a new task or the end, must find what was written before.
 */
export function answerCalls(step: Step, run: LoadedRun, task: LeasedTask, calls: readonly ToolCall[]): Answered {
  const answers = new Map<string, Answer>();
  const laters: LaterCall[] = [];
  const snapshot = task.head ?? task.base;
  let finish: Ending | undefined;
  for (const [i, call] of calls.entries()) {
    if (task.calls.some((one) => one.id === call.id)) continue;
    if (laters.length > 0 && !isOfData(run, call.name))
      return { answers: Object.fromEntries(answers), laters, rest: calls.slice(i), finish };
    const caller = { task, callId: call.id, base: snapshot, inTranscript: true };
    const done = runTool(step, run, caller, call.name, call.arguments);
    if (isLater(done)) {
      laters.push({ call: call.id, later: done, op: { id: opIdOf(task, call.id), by: usedByTask(task) } });
      continue;
    }
    if (done.kind === "waiting") {
      answers.set(call.id, { waiting: true });
      continue;
    }
    // It comes here when the task had to go on instead, and when the attempt that logged it did not come to its end. An error
    // that may be tried again has ended an attempt before: then the model is asked again.
    if (done.kind === "finish" && "result" in done.call && messagesTo(task).length === 0) {
      finish = { kind: "result", result: done.call.result };
      continue;
    }
    const answer = answerText(done.kind === "finish" && messagesTo(task).length > 0 ? crossed : done);
    answers.set(call.id, answer);
    if (task.calls.some((one) => one.id === call.id)) continue;
    step.emit({ type: "call_done", task: task.n, call: call.id, tool: call.name, why: "answered" }, answer);
  }
  return { answers: Object.fromEntries(answers), laters, rest: [], finish };
}

const isOfData = (run: LoadedRun, name: string): boolean => !run.tools.has(name) && isCarriedOutLater(name);

const crossed = toolError("new_messages", "The task goes on: while you finished it, messages came for you.");

/** A task's op is named by its turn and call, so that every attempt of it is the same op. */
export const opIdOf = (
  { n, turnGeneration, generation, turns }: Task,
  call: string,
  named?: NonNullable<OpId["task"]>["named"],
): OpId => ({
  task: { number: n, generation: turnGeneration || generation, turn: turns, call, ...(named && { named }) },
  names: [],
});

/** Ends the attempt as the seat or the worker says. `seen`: messages to the task that its worker has, logged or not. */
export function endAttempt(
  step: Step,
  task: LeasedTask,
  ending: Ending & { readonly crowded?: boolean },
  usage?: UsageDelta,
  seen = 0,
): void {
  if (ending.kind === "result") {
    completeTask(step, task, task.phase.fence, ending.result, usage, seen);
  } else {
    failAttempt(step, task, { ...ending, ...(usage && { usage }) });
  }
  settle(step);
  settleBudget(step);
}
