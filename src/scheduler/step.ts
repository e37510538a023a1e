/**
 * One command's step: events are applied as they are decided, so that later rules see what earlier ones did. The object
 * appends `decided` in one transaction; when that fails it drops its memory and loads again.
 */

import { apply } from "./apply.ts";
import type { Decided, SchedulerEvent, UsageDelta } from "./events.ts";
import type { RunState } from "./state.ts";

export class Step {
  readonly state: RunState;
  readonly now: number;
  readonly decided: Decided[] = [];
  /** Tasks that ended in this step, for long polls and for the caller's effects. */
  readonly ended: number[] = [];
  /** Tasks that became ready in this step, for `finishStep`. */
  readonly readied = new Set<number>();
  /** What the turns took that were logged in this step, by their tasks. */
  readonly calls = new Map<number, UsageDelta>();
  /** The same, and those whose own work has failed (fallbacks.ts). */
  readonly #over: number[] = [];
  #settled = 0;
  readonly #endSeqs = new Map<number, number>();
  #before: (() => readonly SchedulerEvent[]) | undefined;
  #named: { readonly task: number; readonly call: string; readonly print: string } | undefined;

  /** `before`: what the log is still owed. It precedes the step's first event, and alone makes no step worth a row. */
  constructor(state: RunState, now: number, before?: () => readonly SchedulerEvent[]) {
    this.state = state;
    this.now = now;
    this.#before = before;
  }

  /** What the log is owed, although nothing else may happen. */
  emitOwed(): void {
    const owed = this.#before;
    this.#before = undefined;
    for (const event of owed?.() ?? []) this.emit(event);
  }

  /** What begins or ends the task's call of this id in `decide` tells by `print` which call that is; another's may have the same id. */
  naming<T>(task: number, call: string, print: string, decide: () => T): T {
    this.#named = { task, call, print };
    try {
      return decide();
    } finally {
      this.#named = undefined;
    }
  }

  #withPrint(event: SchedulerEvent): SchedulerEvent {
    const named = this.#named;
    const isCall = event.type === "call_waiting" || event.type === "call_done";
    return isCall && event.task === named?.task && event.call === named.call ? { ...event, print: named.print } : event;
  }

  /** Applies the event and records it; answers its sequence number. */
  emit(decided: SchedulerEvent, body?: unknown, causes: readonly number[] = []): number {
    if (this.#before) this.emitOwed();
    const event = this.#named ? this.#withPrint(decided) : decided;
    const seq = this.state.header.seq + 1;
    apply(this.state, event, seq, this.now);
    this.decided.push({ seq, event, causes, body });
    if (event.type === "task_ready" || event.type === "attempt_ended") this.readied.add(event.task);
    if (event.type === "turn") this.calls.set(event.task, event.usage);
    if (event.type === "task_ended") this.ended.push(event.task);
    if (event.type === "task_ended" || event.type === "task_fell_back") {
      this.#over.push(event.task);
      this.#endSeqs.set(event.task, seq);
    }
    return seq;
  }

  /** Each end of this step, or of a task's own work by a failure, once, for `settle`: a step may settle several times, and consequences must not repeat. */
  nextEnded(): number | undefined {
    return this.#settled < this.#over.length ? this.#over[this.#settled++] : undefined;
  }

  /** The event that ended the task in this step, as causes. */
  endSeqs(n: number): readonly number[] {
    const seq = this.#endSeqs.get(n);
    return seq === undefined ? [] : [seq];
  }
}
