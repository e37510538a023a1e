/** What a run waits for from outside, and the answers. */

import { everyRow } from "../every-row.ts";
import type { Heddle } from "../heddle.ts";
import type { Answered, QuestionView } from "../replies.ts";
import type { CallOptions } from "../transport.ts";

/** A question, one of a stall's waits, or its id. */
export type QuestionRef = string | { readonly id: string };

const idOf = (question: QuestionRef): string => (typeof question === "string" ? question : question.id);

/**
 * What a run waits for from outside: tasks that ask (`future.await` and `message_queue.pop` with `ask` or `external`), and a run
 * that stands still. Each answer counts once; a later one is the HeddleProblem `question_closed`, and nothing is done.
 */
export class Questions {
  readonly #heddle: Heddle;
  readonly #run: string;

  constructor(heddle: Heddle, run: string) {
    this.#heddle = heddle;
    this.#run = run;
  }

  /** Those that are open now, the oldest first; with `tasks` (ids or keys) those that hold one of them up. */
  open(
    { tasks }: { readonly tasks?: readonly string[] } = {},
    options: CallOptions = {},
  ): AsyncGenerator<QuestionView, void, void> {
    return everyRow(
      (at) => this.#heddle.questions(this.#run, { ...(tasks && { tasks: [...tasks] }), ...at }, options),
      ({ questions }) => questions,
    );
  }

  /** Gives the value, or the message; of several futures the one that `variable` names. @throws HeddleProblem `question_closed` */
  answer(
    question: QuestionRef,
    value: unknown,
    { variable, ...options }: CallOptions & { readonly variable?: string } = {},
  ): Promise<Answered> {
    const body = { action: "answer", value, ...(variable !== undefined && { variable }) } as const;
    return this.#heddle.answerQuestion(this.#run, idOf(question), body, options);
  }

  /** Says no: the future is rejected, or the wait for a message ends. @throws HeddleProblem `question_closed` */
  decline(
    question: QuestionRef,
    { variable, reason, ...options }: CallOptions & { readonly variable?: string; readonly reason?: string } = {},
  ): Promise<Answered> {
    const more = { ...(variable !== undefined && { variable }), ...(reason !== undefined && { reason }) };
    return this.#heddle.answerQuestion(this.#run, idOf(question), { action: "decline", ...more }, options);
  }

  /** Cancels the task that waits. @throws HeddleProblem `question_closed` */
  cancel(question: QuestionRef, reason?: string, options: CallOptions = {}): Promise<Answered> {
    const body = { action: "cancel", ...(reason !== undefined && { reason }) } as const;
    return this.#heddle.answerQuestion(this.#run, idOf(question), body, options);
  }

  /** Gives a stall `limits.stall_ms` once more before a wait of it is ended. @throws HeddleProblem `question_closed` */
  extend(stall: QuestionRef, options: CallOptions = {}): Promise<Answered> {
    return this.#heddle.answerQuestion(this.#run, idOf(stall), { action: "extend" }, options);
  }
}
