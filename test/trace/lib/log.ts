/** Logs written by hand: what happens, and when. */

import type { SchedulerEvent, VariableUse } from "../../../src/scheduler/events.ts";
import type { TraceEvent } from "../../../src/trace/trace-event.ts";

type Created = Extract<SchedulerEvent, { type: "task_created" }>;

const limits = {
  ...{ workers: 16, tasks: 10_000, depth: 5, children: 100, tokens: 0, timeoutMs: 86_400_000 },
  ...{ holdMs: 0, stallMs: 60_000, pools: [] },
};

export class Log {
  readonly events: TraceEvent[] = [];
  at = 1000;
  #fence = 0;
  readonly #fences = new Map<number, number>();
  readonly #turns = new Map<number, number>();

  constructor(more: Partial<typeof limits> = {}) {
    this.add({ type: "run_created", limits: { ...limits, ...more }, snapshot: "s" });
  }

  add(event: SchedulerEvent, causes?: number[]): number {
    const seq = this.events.length + 1;
    this.events.push({ ...event, seq, at: this.at, ...(causes && { causes }) });
    return seq;
  }

  wait(ms: number): this {
    this.at += ms;
    return this;
  }

  create(task: number, more: Partial<Created> = {}): this {
    this.add({
      ...{ type: "task_created", task, parent: 0, depth: 1, pool: "hosted", priority: 5, timeout_ms: 86_400_000 },
      ...{ retry_limit: 2, backoff_ms: 1000, max_turns: 50, snapshot: "s", fork: "full" },
      ...more,
    } as SchedulerEvent);
    return this;
  }

  ready(task: number): this {
    this.add({ type: "task_ready", task, why: "dependencies" });
    return this;
  }

  start(task: number, attempt = 1): this {
    this.#fences.set(task, ++this.#fence);
    this.add({ type: "task_started", task, fence: this.#fence, attempt, worker: `w${task}`, hosted: true });
    return this;
  }

  fence(task: number): number {
    return this.#fences.get(task) ?? 0;
  }

  /** A model call that took `ms` and ends now. */
  turn(task: number, ms: number, usage: { in?: number; out?: number; read?: number; write?: number } = {}): this {
    const turn = (this.#turns.get(task) ?? 0) + 1;
    this.#turns.set(task, turn);
    const whole = { in: 10, out: 1, read: 0, write: 0, ...usage };
    this.add({ type: "turn", task, fence: this.fence(task), turn, snapshot: "s", usage: whole, model_ms: ms });
    return this;
  }

  /** Ops on variables that hold data, in one event. */
  uses(...uses: VariableUse[]): number {
    return this.add({ type: "variables_used", uses });
  }

  fail(task: number, code: string): this {
    const error = { code, message: code };
    this.add({ type: "attempt_ended", task, fence: this.fence(task), why: "transient", error, until: this.at + 100 });
    return this;
  }

  end(task: number, state: "succeeded" | "failed" = "succeeded"): this {
    this.add({ type: "task_ended", task, state, ...(state === "failed" && { error: { code: "x", message: "x" } }) });
    return this;
  }

  endRun(): this {
    this.add({ type: "run_ended", status: "succeeded" });
    return this;
  }
}
