/** Questions of a run as the wire shows them, and answers from there. Which there are is the scheduler's to say. */

import type { AnsweredView, AnswerInput, QuestionView, QuestionWait } from "../../contract/question-shapes.ts";
import type { Page } from "../../contract/shapes.ts";
import { fieldFault } from "../../errors/fault.ts";
import { questionIdOf, questionNumber } from "../../ids.ts";
import { stallWaitsShown } from "../../limits.ts";
import { finishStep } from "../../scheduler/finish-step.ts";
import {
  type Answer,
  type AskedWait,
  answerQuestion,
  openAsk,
  openAsks,
  openStall,
  type Stall,
  waitedFor,
} from "../../scheduler/questions.ts";
import { isRunEnded, lifeEndOf, type RunState } from "../../scheduler/state.ts";
import type { Step } from "../../scheduler/step.ts";
import type { Reply } from "../rpc.ts";
import { createdEventOf } from "./bodies.ts";
import { numbersOf } from "./find-task.ts";
import type { LoadedRun } from "./loaded-run.ts";
import { badCursor, firstOf, ok, placeOf, type Refused, refuse } from "./replies.ts";
import { askOf, waitOpOf } from "./views.ts";

export interface QuestionsInput {
  readonly limit: number;
  readonly cursor?: string;
  readonly tasks?: readonly string[];
}

/** Those that are open as of now. A place in the list is an event's number, so pages fit together though some were answered in between. */
export function questionsOf(run: LoadedRun, { limit, cursor, tasks }: QuestionsInput): Reply<Page<QuestionView>> {
  const after = placeOf(cursor);
  if (after === undefined) return badCursor;
  const numbers = numbersOf(run, tasks ?? []);
  if (!numbers.ok) return numbers;
  const among = tasks && waitedFor(run.state, numbers.value);
  // Where nobody goes on, every task that has not ended is held up.
  const stall = among?.size === 0 ? undefined : openStall(run.state);
  const asks = openAsks(run.state).filter(({ task }) => !among || among.has(task.n));
  const found = [
    ...asks.map((wait) => ({ seq: wait.call.seq, view: () => askView(run, wait) })),
    ...(stall ? [{ seq: stall.seq, view: () => stallView(run, stall) }] : []),
  ];
  const rest = found.filter(({ seq }) => seq > after).sort((a, b) => a.seq - b.seq);
  const { rows, nextCursor } = firstOf(rest, limit, ({ seq }) => seq);
  return ok({ rows: rows.map(({ view }) => view()), nextCursor });
}

const askView = (run: LoadedRun, wait: AskedWait): QuestionView => ({ kind: "ask", ...waitView(run, wait) });

function waitView(run: LoadedRun, { task, call, names, offers }: AskedWait): QuestionWait {
  const { want } = call;
  return {
    id: questionIdOf(run.id, call.seq),
    task: run.taskId(task.n),
    key: task.key ?? null,
    title: createdEventOf(run, task).title ?? null,
    op: want ? waitOpOf(want) : "await_tasks",
    variables: [...(want?.names ?? [])],
    wanted: [...names],
    since: call.since,
    until: endsAt(call.until || Number.POSITIVE_INFINITY, lifeEndOf(task)),
    ask: askOf(run, call.seq) ?? null,
    actions: [...offers],
  };
}

/** Whichever is first: who asks for more than a day has to have the time, and who is asked should know how much there is. */
function endsAt(...times: number[]): number | null {
  const first = Math.min(...times);
  return Number.isFinite(first) ? first : null;
}

const stallView = (run: LoadedRun, { seq, since, until, waits }: Stall): QuestionView => ({
  ...{ kind: "stall", id: questionIdOf(run.id, seq), since, until },
  waits: waits.slice(0, stallWaitsShown).map((wait) => waitView(run, wait)),
  waits_total: waits.length,
  actions: ["extend"],
});

/** Carries out an answer, once (QU3 of scheduler/questions.ts). */
export function answerFromOutside(step: Step, run: LoadedRun, id: string, input: AnswerInput): Reply<AnsweredView> {
  const seq = questionNumber(run.id, id);
  if (seq === undefined || !wasAsked(run, seq)) return noQuestion;
  if (isRunEnded(step.state)) return refuse({ code: "run_ended" });
  run.state.outsideAt = step.now;
  const done = answerQuestion(step, seq, answerOf(input));
  switch (done.kind) {
    case "done":
      // Whom it helped goes on: that is a part of the answer.
      finishStep(step);
      return ok({ id, action: input.action, open: isOpen(step.state, seq) });
    case "late":
      return refuse({ code: "question_closed" });
    case "not_offered":
      return invalid("action", `this one takes ${done.offers.join(", ")}`);
    case "unnamed":
      return invalid("variable", `name one of ${done.names.map((name) => JSON.stringify(name)).join(", ")}`);
    default:
      return invalid("value", "the queues of this run have as many messages as a run may");
  }
}

function isOpen(state: RunState, seq: number): boolean {
  if (openAsk(state, seq)) return true;
  const stall = openStall(state);
  return stall?.seq === seq || stall?.waits.some(({ call }) => call.seq === seq) === true;
}

function answerOf(input: AnswerInput): Answer {
  const { action } = input;
  const name = "variable" in input && input.variable !== undefined ? { name: input.variable } : {};
  const reason = "reason" in input && input.reason !== undefined ? { reason: input.reason } : {};
  if (action === "answer") return { action, value: input.value, bytes: JSON.stringify(input.value).length, ...name };
  return action === "extend" ? { action } : { action, ...name, ...reason };
}

const invalid = (path: string, message: string): Refused => refuse(fieldFault(path, message));

const noQuestion = refuse({ code: "not_found", detail: "There never was such a question in this run." });

/** Whether that event may ever have been one. */
function wasAsked({ store, state }: LoadedRun, seq: number): boolean {
  if (seq > state.header.seq) return false;
  const event = store.log.event(seq);
  if (event?.type === "finding") return event.kind === "stall";
  return event?.type === "call_waiting" && event.task > 0;
}
