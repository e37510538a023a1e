/** The tasks of a run: created in batches, and waited for together. */

import { firstBatchTasks, waitTasksMax } from "../../limits.ts";
import { batchesOf, inWhole } from "../batches.ts";
import { HeddleProblem } from "../errors.ts";
import type { Heddle } from "../heddle.ts";
import type { CreatedTasks, TaskView } from "../replies.ts";
import type { Groups, TaskSpec, TasksQuery } from "../requests.ts";
import { firstOf } from "../signals.ts";
import type { CallOptions } from "../transport.ts";
import { CreatedInPart, NoTaskSucceeded, TaskFailed } from "./errors.ts";
import { PauseWatch, type TasksWaitOptions } from "./pause.ts";
import { Task } from "./task.ts";
import { waitedFor, watchedFor } from "./waited-for.ts";

/** A task to create; what it comes after can be told by the objects that creating those answered. */
export type NewTask = Omit<TaskSpec, "after"> & {
  /** Tasks of this run, or their ids; of the same batch keys, and names of groups. */
  readonly after?: readonly TaskRef[];
};

/** How a batch is created. */
export interface CreateOptions extends CallOptions {
  /** Terms of the groups that the tasks name. */
  readonly groups?: Groups;
}

/** Tasks that were created together; `created` has what is known of them before a token is spent. */
export type Batch<Result> = Task<Result>[] & { readonly created: CreatedTasks };

/** A task, or the id or key of one. */
export type TaskRef = Task<unknown> | string;

/** What is known of a task's result. */
export type ResultOf<Ref> = Ref extends Task<infer Result> ? Result : unknown;

/** How a task ended. */
export type Settled<Result> =
  | { readonly state: "succeeded"; readonly result: Result; readonly task: TaskView }
  | { readonly state: "failed" | "cancelled" | "skipped"; readonly error: TaskFailed; readonly task: TaskView };

type Refs = readonly TaskRef[] | [];
// Of a batch, a mapped type would map `created` too.
type Results<Tasks extends Refs> =
  Tasks extends Batch<infer Result> ? Result[] : { -readonly [I in keyof Tasks]: ResultOf<Tasks[I]> };
type AllSettled<Tasks extends Refs> =
  Tasks extends Batch<infer Result> ? Settled<Result>[] : { -readonly [I in keyof Tasks]: Settled<ResultOf<Tasks[I]>> };

/** The tasks of a run, or those that are to fork one snapshot of it. */
export class Tasks {
  readonly #heddle: Heddle;
  readonly #run: string;
  readonly #from: string | undefined;

  /** `from`: the snapshot that new ones fork; the run's head if it is left out. */
  constructor(heddle: Heddle, run: string, from?: string) {
    this.#heddle = heddle;
    this.#run = run;
    this.#from = from;
  }

  /** Creates one task, or a batch of up to 1,000, all or nothing. `Result` is what you say that results are. */
  create<Result = unknown>(task: NewTask, options?: CreateOptions): Promise<Task<Result>>;
  create<Result = unknown>(tasks: readonly NewTask[], options?: CreateOptions): Promise<Batch<Result>>;
  /** One or many, where that is not known before. Of a slip the compiler speaks as of the last of these three: it names the field. */
  create<Result = unknown>(
    spec: NewTask | readonly NewTask[],
    options?: CreateOptions,
  ): Promise<Task<Result> | Batch<Result>>;
  async create<Result>(
    spec: NewTask | readonly NewTask[],
    { groups, ...options }: CreateOptions = {},
  ): Promise<Task<Result> | Batch<Result>> {
    const isMany = Array.isArray(spec);
    const specs = (isMany ? (spec as readonly NewTask[]) : [spec as NewTask]).map(onWire);
    const batch = await this.#create<Result>({ tasks: specs, ...(groups && { groups }) }, options);
    return isMany ? batch : batch[0]!;
  }

  async #create<Result>(
    { tasks, groups }: { readonly tasks: TaskSpec[]; readonly groups?: Groups },
    options: CallOptions,
    from = this.#from,
  ): Promise<Batch<Result>> {
    const body = { tasks, ...(groups && { groups }), ...(from !== undefined && { from }) };
    const created = await this.#heddle.createTasks(this.#run, body, options);
    const made = created.tasks.map(({ id, key }) => new Task<Result>(this.#heddle, this.#run, id, key));
    return Object.assign(made, { created });
  }

  /**
   * Creates any number of tasks, batch after batch: what others come after first, and the first batch small, so that work begins while the
   * rest is on its way. A batch is all or nothing, and the tasks of a group are in one; together they are not. All fork the same
   * snapshot: where none is said, the head that the run has at the first batch. Answers in argument order.
   * @throws HeddleProblem when the first batch is refused, CreatedInPart when a later one is; `errors` name positions in `specs`.
   * An abort throws its reason, also where batches are there by then: `run.cancel()` ends them
   */
  async createMany<Result = unknown>(
    specs: readonly NewTask[],
    { groups, idempotencyKey, ...options }: CreateOptions = {},
  ): Promise<Task<Result>[]> {
    const tasks: Task<Result>[] = [];
    let count = 0;
    let from: string | undefined;
    for (const batch of batchesOf(specs.map(onWire), groups, { first: firstBatchTasks })) {
      const key = idempotencyKey === undefined ? {} : { idempotencyKey: `${idempotencyKey}.${count}` };
      const created = await this.#create<Result>(batch, { ...options, ...key }, from).catch((error: unknown) => {
        options.signal?.throwIfAborted();
        const told = error instanceof HeddleProblem ? inWhole(error, batch) : error;
        throw count === 0 ? told : new CreatedInPart(tasks, count, told);
      });
      for (const [i, task] of created.entries()) tasks[batch.positions[i]!] = task;
      count += created.length;
      from ??= created.created.snapshot;
    }
    return tasks;
  }

  /** A task by its id, or by the key of one that was posted to the run. Asks nobody. */
  get<Result = unknown>(task: string): Task<Result> {
    return new Task(this.#heddle, this.#run, task);
  }

  /** Every task of the run, oldest first; or those of a `state`, `key`, `label`, `pool` or `parent`. */
  list(query: TasksQuery = {}, options: CallOptions = {}): AsyncGenerator<TaskView> {
    return this.#heddle.tasks(this.#run, query, options);
  }

  /** The results in argument order, once all have succeeded. @throws TaskFailed as soon as one ended otherwise; RunPaused */
  async all<const Tasks extends Refs>(tasks: Tasks, options: TasksWaitOptions = {}): Promise<Results<Tasks>> {
    const views = await this.#parts(tasks, options, async (names, call) => {
      const part = await this.#waited(names, "all", call);
      const failed = part.find(({ state }) => endings.includes(state) && state !== "succeeded");
      if (failed) throw new TaskFailed(failed);
      return part;
    });
    return views.map(({ result }) => result) as Results<Tasks>;
  }

  /** The first that succeeds, with its result. @throws NoTaskSucceeded when all ended otherwise; RunPaused */
  async any<const Tasks extends Refs>(
    tasks: Tasks,
    options: TasksWaitOptions = {},
  ): Promise<{ readonly result: ResultOf<Tasks[number]>; readonly task: TaskView }> {
    if (tasks.length > waitTasksMax) throw new RangeError(`any takes at most ${waitTasksMax} tasks`);
    const views = tasks.length === 0 ? [] : await this.#waited(tasks.map(nameOf), "any", options);
    const first = views
      .filter(({ state }) => state === "succeeded")
      .sort((a, b) => (a.timings.ended_at ?? 0) - (b.timings.ended_at ?? 0))[0];
    if (!first) throw new NoTaskSucceeded(views);
    return { result: first.result as ResultOf<Tasks[number]>, task: first };
  }

  /** How each ended, in argument order, once all have. @throws RunPaused */
  async settled<const Tasks extends Refs>(tasks: Tasks, options: TasksWaitOptions = {}): Promise<AllSettled<Tasks>> {
    const views = await this.#parts(tasks, options, (names, call) => this.#waited(names, "settled", call));
    return views.map((task) =>
      task.state === "succeeded"
        ? { state: task.state, result: task.result, task }
        : { state: task.state, error: new TaskFailed(task), task },
    ) as AllSettled<Tasks>;
  }

  async #waited(tasks: string[], mode: "all" | "any" | "settled", options: TasksWaitOptions): Promise<TaskView[]> {
    return (await waitedFor(this.#heddle, this.#run, { tasks, mode }, options)).tasks!;
  }

  /** As many at a time as one wait takes; the first that fails ends the others. */
  async #parts(
    tasks: Refs,
    { onPaused, whenPaused, ...options }: TasksWaitOptions,
    wait: (names: string[], options: TasksWaitOptions) => Promise<TaskView[]>,
  ): Promise<TaskView[]> {
    const pauses = { onPaused, whenPaused };
    const names = tasks.map(nameOf);
    const parts: string[][] = [];
    for (let at = 0; at < names.length; at += waitTasksMax) parts.push(names.slice(at, at + waitTasksMax));
    // One poll tells what it waits for and of pauses.
    if (parts.length === 1) return wait(parts[0]!, { ...options, ...pauses });
    const watch = new PauseWatch(this.#run, pauses);
    const enough = new AbortController();
    const { signal, clear } = firstOf(enough.signal, options.signal);
    try {
      const call = { ...options, signal };
      const waited = Promise.all(parts.map((part) => wait(part, call)));
      const watched = watchedFor(this.#heddle, this.#run, parts, watch, call);
      return (await Promise.race([waited, watched.then(() => waited)])).flat();
    } finally {
      // In this order: what is cleared hears of nothing any more, and would poll on.
      enough.abort();
      clear();
    }
  }
}

const onWire = ({ after, ...task }: NewTask): TaskSpec => ({ ...task, ...(after && { after: after.map(nameOf) }) });
const nameOf = (task: TaskRef): string => (typeof task === "string" ? task : task.id);
const endings: readonly string[] = ["succeeded", "failed", "cancelled", "skipped"];
