/** Tasks: posting, waiting, cancelling, telling, retrying. */

import { waitMsMax } from "../../limits.ts";
import { everyRow } from "../every-row.ts";
import type { Answered, CreatedTasks, QuestionsPage, TasksPage, TaskView, TurnsPage, WaitView } from "../replies.ts";
import type { AnswerInput, Groups, PageQuery, QuestionsQuery, TaskSpec, TasksQuery, WaitRequest } from "../requests.ts";
import type { TasksWaitOptions } from "../run/pause.ts";
import { waitedFor } from "../run/waited-for.ts";
import type { CallOptions } from "../transport.ts";
import { at } from "./calls.ts";
import { ContextCalls } from "./context-calls.ts";

/** Tasks: posting, waiting, cancelling, telling, retrying. */
export class TaskCalls extends ContextCalls {
  /** Posts 1 to 1,000 tasks, all or nothing. */
  createTasks(
    run: string,
    body: { tasks: TaskSpec[]; groups?: Groups; from?: string },
    options: CallOptions = {},
  ): Promise<CreatedTasks> {
    return this.postJson(`${at(run)}/tasks`, body, options);
  }
  /** A page of tasks, oldest first. */
  listTasks(run: string, query: TasksQuery = {}, options: CallOptions = {}): Promise<TasksPage> {
    return this.getJson(`${at(run)}/tasks`, { ...query }, options);
  }
  /** Every task, or every one that is asked for, page by page. */
  tasks(run: string, query: TasksQuery = {}, options: CallOptions = {}): AsyncGenerator<TaskView> {
    const read = (at: { cursor?: string }) => this.listTasks(run, { ...query, ...at }, options);
    return everyRow(read, ({ tasks }) => tasks, query.cursor);
  }
  /** A task as it is now, by id or key. */
  task(run: string, task: string, options: CallOptions = {}): Promise<TaskView> {
    return this.getJson(at(run, task), {}, options);
  }
  /** What the run waits for from outside, the oldest first. */
  questions(run: string, { tasks, ...query }: QuestionsQuery = {}, options: CallOptions = {}): Promise<QuestionsPage> {
    return this.getJson(`${at(run)}/questions`, { ...query, ...(tasks && { tasks: tasks.join(",") }) }, options);
  }
  /** Answers a question, or one of a stall's waits, by its id; once. @throws HeddleProblem `question_closed` */
  answerQuestion(run: string, question: string, body: AnswerInput, options: CallOptions = {}): Promise<Answered> {
    return this.postJson(`${at(run)}/questions/${encodeURIComponent(question)}/answer`, body, options);
  }
  /** Cancels it and everything under it. */
  cancelTask(run: string, task: string, body: { reason?: string } = {}, options: CallOptions = {}): Promise<TaskView> {
    return this.postJson(`${at(run, task)}/cancel`, body, options);
  }
  /** A message that the task's next turn shows; `seq` is that of its event. @throws HeddleProblem `task_ended` */
  sendMessage(
    run: string,
    task: string,
    body: { content: string | object[] },
    options: CallOptions = {},
  ): Promise<{ seq: number }> {
    return this.postJson(`${at(run, task)}/messages`, body, options);
  }
  /**
   * Begins a new generation of an ended task, from its start or after one of its turns: what came later is void.
   * @throws HeddleProblem `task_not_ended`, `unknown_turn`, `final_turn`
   */
  retryTask(
    run: string,
    task: string,
    body: { from_turn?: number } = {},
    options: CallOptions = {},
  ): Promise<TaskView> {
    return this.postJson(`${at(run, task)}/retry`, body, options);
  }
  /** The turns of the task's present generation, oldest first. */
  turns(run: string, task: string, query: PageQuery = {}, options: CallOptions = {}): Promise<TurnsPage> {
    return this.getJson(`${at(run, task)}/turns`, { ...query }, options);
  }

  /** One long poll of at most 60 s. */
  wait(run: string, body: WaitRequest = {}, options: CallOptions = {}): Promise<WaitView> {
    return this.transport.json({
      ...options,
      method: "POST",
      path: `${at(run)}/wait`,
      body,
      waitMs: body.timeout_ms ?? waitMsMax,
      idempotent: false,
    });
  }

  /** Waits as long as it takes, poll after poll; pauses of the run are told to who wants to know. @throws RunPaused */
  async waitFor(
    run: string,
    body: Omit<WaitRequest, "timeout_ms"> = {},
    options: TasksWaitOptions = {},
  ): Promise<WaitView> {
    return waitedFor(this, run, body, options);
  }
}
