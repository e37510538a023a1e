/** A task of a run, as an object. */

import { everyRow } from "../every-row.ts";
import type { Heddle } from "../heddle.ts";
import type { ContextView, TaskView, TurnView } from "../replies.ts";
import type { CallOptions } from "../transport.ts";
import { TaskFailed } from "./errors.ts";
import type { TasksWaitOptions } from "./pause.ts";

/** A task by its id or key. `Result` is what you say that its result is; `output_schema` makes the server hold it to that. */
export class Task<Result = unknown> {
  readonly #heddle: Heddle;
  readonly #run: string;
  /** Its id, or the key by which it was asked for. */
  readonly id: string;
  /** The key that it was created with. */
  readonly key: string | null;

  constructor(heddle: Heddle, run: string, id: string, key: string | null = null) {
    this.#heddle = heddle;
    this.#run = run;
    this.id = id;
    this.key = key;
  }

  /** Its state, result, usage and what it waits for, now. */
  view(options: CallOptions = {}): Promise<TaskView> {
    return this.#heddle.task(this.#run, this.id, options);
  }

  /** Its result, as soon as it has succeeded. @throws TaskFailed when it ended otherwise; RunPaused where that is asked for */
  async result(options: TasksWaitOptions = {}): Promise<Result> {
    const task = await this.settled(options);
    if (task.state !== "succeeded") throw new TaskFailed(task);
    return task.result as Result;
  }

  /** The task once it has ended, however it ended. @throws RunPaused where that is asked for */
  async settled(options: TasksWaitOptions = {}): Promise<TaskView> {
    const { tasks } = await this.#heddle.waitFor(this.#run, { tasks: [this.id], mode: "settled" }, options);
    return tasks![0]!;
  }

  /** Cancels it and everything under it. */
  cancel(reason?: string, options: CallOptions = {}): Promise<TaskView> {
    return this.#heddle.cancelTask(this.#run, this.id, reason === undefined ? {} : { reason }, options);
  }

  /** Begins a new generation of it, from its start or after one of its turns. @throws HeddleProblem `task_not_ended` */
  retry(body: { from_turn?: number } = {}, options: CallOptions = {}): Promise<TaskView> {
    return this.#heddle.retryTask(this.#run, this.id, body, options);
  }

  /** Tells it something, which its next turn shows. @throws HeddleProblem `task_ended` */
  async send(content: string | object[], options: CallOptions = {}): Promise<void> {
    await this.#heddle.sendMessage(this.#run, this.id, { content }, options);
  }

  /** Its whole transcript. */
  context(options: CallOptions = {}): Promise<ContextView> {
    return this.#heddle.taskContext(this.#run, this.id, options);
  }

  /** The turns of its present generation, oldest first. */
  turns(options: CallOptions = {}): AsyncGenerator<TurnView, void, void> {
    return everyRow(
      (at) => this.#heddle.turns(this.#run, this.id, at, options),
      ({ turns }) => turns,
    );
  }
}
