/** What must hold of the log as it grows: leases and ends, told from the events alone. */

import type { Decided } from "../../src/scheduler/events.ts";

export class History {
  readonly #open = new Map<number, number>();
  readonly #generation = new Map<number, number>();
  readonly #endedIn = new Map<number, number>();
  readonly #waiting = new Map<number, Set<string>>();
  /** The calls among them that waited for variables. */
  readonly #wants = new Map<number, Set<string>>();
  /** Tasks whose failure, in their present generation, somebody has seen. */
  readonly seen = new Set<number>();
  readonly #pools = new Map<number, string>();
  /** Messages to each task that nothing has become of. */
  readonly #inboxes = new Map<number, number[]>();
  readonly #fellBack = new Map<number, boolean>();
  #lastFence = 0;
  #lastSeq = 0;

  get lastSeq(): number {
    return this.#lastSeq;
  }

  /** Tasks with an open lease. */
  get open(): ReadonlySet<number> {
    return new Set(this.#open.keys());
  }

  /** The open lease of a task, by its fence. */
  fenceOf(task: number): number | undefined {
    return this.#open.get(task);
  }

  poolOf(task: number): string | undefined {
    return this.#pools.get(task);
  }

  /** Messages that tell of budgets, and how much was used when each was told. */
  readonly #notes = new Set<number>();
  readonly #told = new Map<string, number>();

  inboxOf(task: number): readonly number[] {
    return this.#inboxes.get(task) ?? [];
  }

  #take(task: number, shown: readonly number[]): boolean {
    const inbox = this.inboxOf(task);
    this.#inboxes.set(task, inbox.slice(shown.length));
    return shown.every((seq, i) => seq === inbox[i]);
  }

  /** Its worker may have seen the oldest without a turn that shows them. */
  #end(task: number, unread: readonly number[]): boolean {
    const inbox = this.inboxOf(task).filter((seq) => !this.#notes.has(seq));
    this.#inboxes.delete(task);
    return unread.every((seq, i) => seq === inbox[inbox.length - unread.length + i]);
  }

  add({ seq, event, causes }: Decided): void {
    const must = (fine: boolean, what: string) => {
      if (!fine) throw new Error(`does not hold: ${what}, at ${JSON.stringify({ seq, event })}`);
    };
    must(seq === this.#lastSeq + 1, "events are numbered without gaps");
    must(
      causes.every((cause) => cause < seq && cause > 0),
      "causes come first",
    );
    this.#lastSeq = seq;
    switch (event.type) {
      case "task_created":
        this.#pools.set(event.task, event.pool);
        return;
      case "task_started":
        must(event.fence > this.#lastFence, "[L1] fences rise");
        must(!this.#open.has(event.task), "[L1] one open lease a task");
        this.#lastFence = event.fence;
        this.#open.set(event.task, event.fence);
        return;
      case "call_waiting":
        if (event.want) this.#wants.set(event.task, (this.#wants.get(event.task) ?? new Set()).add(event.call));
        this.#waiting.set(event.task, (this.#waiting.get(event.task) ?? new Set()).add(event.call));
        return;
      case "call_done":
        this.#waiting.get(event.task)?.delete(event.call);
        return;
      case "budget_noted":
        this.#notes.add(seq);
        for (const { of, percent, limit } of event.notes) {
          const told = `${event.task} ${this.#generation.get(event.task) ?? 1} ${of} ${limit}`;
          must(percent > (this.#told.get(told) ?? 0), "[BN1] a task is told once for each threshold");
          this.#told.set(told, percent);
        }
        this.#inboxes.set(event.task, [...this.inboxOf(event.task), seq]);
        return;
      case "message_received":
        this.#inboxes.set(event.task, [...this.inboxOf(event.task), seq]);
        return;
      case "task_observed":
        this.seen.add(event.task);
        return;
      case "turn":
        must(this.#open.get(event.task) === event.fence, "[L2] only the open lease acts");
        must(this.#take(event.task, event.messages ?? []), "[I2] the oldest messages are shown first, each once");
        this.#waiting.delete(event.task);
        return;
      case "context_compacted":
      case "tokens_reserved":
      case "call_blocked":
        must(this.#open.get(event.task) === event.fence, "[L2] only the open lease acts");
        return;
      case "task_parked":
      case "attempt_ended":
        must(this.#open.get(event.task) === event.fence, "[L2] only the open lease ends");
        this.#open.delete(event.task);
        if (event.type === "task_parked" && event.on === "children") {
          this.#waiting.delete(event.task);
          must(this.#end(event.task, event.unread ?? []), "[I5] a task that is done names its unread messages");
        }
        // The waits of a pull worker for variables end with its attempt.
        if (event.type === "attempt_ended" && this.poolOf(event.task) !== "hosted") {
          for (const call of this.#wants.get(event.task) ?? []) this.#waiting.get(event.task)?.delete(call);
        }
        return;
      case "task_fell_back":
        must(!this.#fellBack.get(event.task), "[Z1] it falls back once in a generation");
        this.#fellBack.set(event.task, true);
        must(this.#end(event.task, event.unread ?? []), "[I5] a task that is done names its unread messages");
        this.#open.delete(event.task);
        this.#waiting.delete(event.task);
        return;
      case "task_ready":
        must(event.why !== "wake" || !this.#waiting.get(event.task)?.size, "[W2] it wakes when no call waits");
        this.#open.delete(event.task);
        return;
      case "task_ended": {
        const generation = this.#generation.get(event.task) ?? 1;
        must((this.#endedIn.get(event.task) ?? 0) < generation, "[G3] a task ends once in a generation");
        this.#endedIn.set(event.task, generation);
        must(this.#end(event.task, event.unread ?? []), "[I5] an ended task names its unread messages");
        this.#open.delete(event.task);
        this.#waiting.delete(event.task);
        return;
      }
      case "task_retried":
        must(event.generation === (this.#generation.get(event.task) ?? 1) + 1, "[R1] generations count up");
        must(this.#endedIn.get(event.task) === event.generation - 1, "[R1] only an ended task is retried");
        this.#generation.set(event.task, event.generation);
        this.#fellBack.delete(event.task);
        this.seen.delete(event.task);
        return;
      default:
    }
  }
}
