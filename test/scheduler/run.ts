/** A run for tests: the core with a clock of its own, one method a command, no I/O. */

import type { WaitMode } from "../../src/contract/shapes.ts";
import type { Groups, TaskSpec } from "../../src/contract/task-spec.ts";
import { failAttempt, leased, loseLease, nextToStart, openLease } from "../../src/scheduler/attempts.ts";
import { settleBudget } from "../../src/scheduler/budget.ts";
import { runClock } from "../../src/scheduler/clock.ts";
import { type BatchOutcome, createTasks } from "../../src/scheduler/create-tasks.ts";
import { completeTask, endTask } from "../../src/scheduler/end-task.ts";
import { settle } from "../../src/scheduler/ending.ts";
import type { Limits, SchedulerEvent } from "../../src/scheduler/events.ts";
import { finishStep } from "../../src/scheduler/finish-step.ts";
import type { NewTask } from "../../src/scheduler/new-task.ts";
import { retryTask } from "../../src/scheduler/retry.ts";
import type { Refusal } from "../../src/scheduler/run-commands.ts";
import { emptyHeader, type RunHeader, RunState } from "../../src/scheduler/state.ts";
import { Step } from "../../src/scheduler/step.ts";
import { isEnded, type Running, type Task } from "../../src/scheduler/task.ts";
import type { TurnPoint } from "../../src/scheduler/turns.ts";
import { type AwaitOutcome, beginAwait } from "../../src/scheduler/waits.ts";

export const usualLimits: Limits = {
  workers: 16,
  tasks: 100_000,
  depth: 5,
  children: 100,
  tokens: 0,
  timeoutMs: 24 * 3600_000,
  holdMs: 0,
  stallMs: 60_000,
  pools: [],
};

export const newHeader = (): RunHeader => ({ ...emptyHeader(), limits: usualLimits });

export const newState = (cold: (n: number) => Task | undefined = () => undefined): RunState =>
  new RunState(newHeader(), cold);

export type Leased = Task & { phase: Running };
export type Spec = Partial<TaskSpec>;
export const numberOf = (id: string): number | undefined => {
  const match = /^T(\d+)$/.exec(id);
  return match ? Number(match[1]) : undefined;
};

/** A task that forks the run's context, and what stands in for it with it. */
export const newTaskOf = (spec: TaskSpec): NewTask => ({
  spec,
  base: "s0",
  fork: "full",
  ...(spec.on_failure && { standIn: { spec: spec.on_failure.task, base: "s0", fork: "full" } }),
});

export class Run {
  state: RunState;
  now = 1_000_000;
  readonly log: { seq: number; at: number; event: SchedulerEvent; causes: readonly number[]; body: unknown }[] = [];

  constructor(
    limits: Partial<Limits> = {},
    cold?: (n: number) => Task | undefined,
    more: { readonly fail_fast?: true } = {},
  ) {
    this.state = newState(cold);
    const created = { limits: { ...usualLimits, ...limits }, snapshot: "s0", ...more };
    this.step((step) => step.emit({ type: "run_created", ...created }));
  }

  step<T>(decide: (step: Step) => T): T {
    const step = new Step(this.state, this.now);
    const answer = decide(step);
    finishStep(step);
    for (const one of step.decided) this.log.push({ ...one, at: this.now });
    return answer;
  }

  batch(
    creator: Task | undefined,
    specs: readonly Spec[],
    more: Partial<NewTask> = {},
    groups: Groups = {},
  ): BatchOutcome {
    const batch = specs.map((spec) => ({ ...newTaskOf({ instructions: "do it", ...spec }), ...more }));
    return this.step((step) => createTasks(step, creator, batch, numberOf, groups));
  }

  /** Creates tasks that must be accepted. */
  post(...specs: Spec[]): Task[] {
    return this.make(undefined, ...specs);
  }

  /** As `post`, with terms of groups. */
  group(groups: Groups, ...specs: Spec[]): Task[] {
    const made = this.batch(undefined, specs, {}, groups);
    if (!made.ok) throw new Error(`refused: ${JSON.stringify(made.refusal)}`);
    return [...made.tasks];
  }

  make(creator: Task | undefined, ...specs: Spec[]): Task[] {
    const made = this.batch(creator, specs);
    if (!made.ok) throw new Error(`refused: ${JSON.stringify(made.refusal)}`);
    return [...made.tasks];
  }

  root(spec: Spec = {}): Task {
    const made = this.batch(undefined, [spec], { root: true });
    if (!made.ok) throw new Error(`refused: ${JSON.stringify(made.refusal)}`);
    return made.tasks[0]!;
  }

  /** Leases the next ready task of the pool. */
  lease(pool = "hosted", boot = ""): Leased | undefined {
    return this.step((step) => {
      const task = nextToStart(step, pool);
      if (!task) return undefined;
      openLease(step, task, "w", boot);
      return task as Leased;
    });
  }

  /** Leases until this very task runs, giving nothing back: for runs with workers to spare. */
  start(task: Task): Leased {
    return this.step((step) => {
      if (task.phase.state !== "ready") throw new Error(`task ${task.n} is ${task.phase.state}`);
      openLease(step, task, "w", "");
      return task as Leased;
    });
  }

  complete(task: Task, usage?: { in: number; out: number }): void {
    this.step((step) => {
      const { phase } = task;
      if (phase.state !== "running") throw new Error(`task ${task.n} is ${phase.state}`);
      completeTask(step, task, phase.fence, "done", usage && { ...usage, read: 0, write: 0 });
      settle(step);
      settleBudget(step);
    });
  }

  /** Starts and completes. */
  succeed(...tasks: Task[]): void {
    for (const task of tasks) this.complete(this.start(task));
  }

  /** Starts when needed, and fails for good. */
  fail(task: Task): void {
    if (task.phase.state !== "running") this.start(task);
    this.step((step) => {
      failAttempt(step, task as Leased, { fault: "worker_failed", error: { code: "broken", message: "it broke" } });
      settle(step);
      settleBudget(step);
    });
  }

  failTransiently(task: Task, retryAfterMs?: number): void {
    this.step((step) => {
      const error = { code: "provider_error", message: "429" };
      failAttempt(step, task as Leased, {
        error,
        fault: "provider_unavailable",
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      });
      settle(step);
      settleBudget(step);
    });
  }

  lose(task: Task, why: "lost" | "restart" = "lost"): void {
    this.step((step) => {
      loseLease(step, task as Leased, why);
      settle(step);
    });
  }

  cancel(task: Task): void {
    this.step((step) => {
      endTask(step, task, { state: "cancelled", error: { code: "cancelled", message: "" } });
      settle(step);
      settleBudget(step);
    });
  }

  retry(task: Task, point?: TurnPoint): Refusal | undefined {
    return this.step((step) => retryTask(step, task, { point, pointsOf: () => new Map() }));
  }

  turn(task: Task, used = 0, callsLeft = false): void {
    this.step((step) => {
      const { fence } = (task as Leased).phase;
      const usage = { in: used, out: 0, read: 0, write: 0 };
      step.emit({
        type: "turn",
        task: task.n,
        fence,
        turn: task.turns + 1,
        snapshot: `s${step.state.header.seq}`,
        usage,
        ...(callsLeft && { calls_left: true as const }),
      });
      settleBudget(step);
    });
  }

  await(task: Task, targets: readonly Task[], mode: WaitMode = "all", until = 0, id = "call"): AwaitOutcome {
    return this.step((step) => beginAwait(step, task, { id, targets: targets.map((one) => one.n), mode, until }));
  }

  /** Gives the lease back as a seat does. */
  giveBack(task: Task): void {
    const { fence } = leased(this.state, task.n, (task as Leased).phase.fence)!.phase;
    this.step((step) => {
      if (task.calls.some((call) => call.state === "waiting")) {
        step.emit({ type: "task_parked", task: task.n, fence, on: "calls" });
      } else step.emit({ type: "task_ready", task: task.n, why: "given_back" });
    });
  }

  /** A started task awaits others and parks. */
  park(task: Task, targets: readonly Task[], mode: WaitMode = "all", until = 0): void {
    const outcome = this.await(task, targets, mode, until);
    if (outcome.kind !== "waiting") throw new Error(`the wait is ${outcome.kind}`);
    this.giveBack(task);
  }

  clock(ms: number): void {
    this.now += ms;
    this.step((step) => runClock(step));
  }

  events<Type extends SchedulerEvent["type"]>(type: Type): Extract<SchedulerEvent, { type: Type }>[] {
    return this.log.map(({ event }) => event).filter((event) => event.type === type) as never;
  }

  /** The end of a task in its newest generation. */
  endOf(task: Task): Extract<SchedulerEvent, { type: "task_ended" }> | undefined {
    return this.events("task_ended").findLast((event) => event.task === task.n);
  }
}

export const states = (...tasks: Task[]): string => tasks.map((task) => task.phase.state).join(" ");
export const why = (task: Task): number => (isEnded(task) ? task.phase.because : -1);
