/**
 * A task's turns as the log tells of them: what a retry in the middle goes back to.
 *
 * P1. The list is of the present generation: a retry from a turn keeps those up to it, one from the start keeps none.
 * P2. A turn's point is right before the request of the next one: whatever that request showed has happened, all later has not.
 *     After the last turn it is as the task left it, with the answers that its calls had by then.
 */

import { sumOf } from "../context/compaction.ts";
import type { SchedulerEvent, UsageDelta } from "./events.ts";
import type { Window } from "./task.ts";

export interface LoggedTurn {
  readonly turn: number;
  readonly seq: number;
  readonly at: number;
  readonly generation: number;
  readonly snapshot: string;
  readonly usage: UsageDelta;
  readonly modelMs: number | undefined;
  /** Of the context that its request had, where that was compacted. */
  readonly window: Window | undefined;
}

/** A call of the newest turn, and the event with its answer. */
export interface Answered {
  readonly id: string;
  readonly seq: number;
}

/** Where a new generation goes on. */
export interface TurnPoint {
  readonly turn: number;
  readonly snapshot: string;
  /** What the task created from this event on is void. */
  readonly before: number;
  readonly window?: Window;
  /** After the last turn: in which generation its ops were begun, so that none is carried out twice. */
  readonly generation?: number;
  /** Answers that no transcript has yet. */
  readonly calls?: readonly Answered[];
}

export class TaskTurns {
  turns: LoggedTurn[] = [];
  calls: Answered[] = [];
  window: Window | undefined;
  /** What the next request follows; undefined: the fork. */
  head: string | undefined;
  #generation = 1;
  /** Of the newest turn's ops. */
  #opsGeneration = 1;

  /** Events of this task, in the order of the log. */
  add(event: SchedulerEvent, seq: number, at: number): void {
    switch (event.type) {
      case "turn":
        this.turns.push({
          turn: event.turn,
          seq,
          at,
          generation: this.#generation,
          snapshot: event.snapshot,
          usage: event.usage,
          modelMs: event.model_ms,
          window: this.window,
        });
        this.calls = [];
        this.#opsGeneration = this.#generation;
        this.head = event.snapshot;
        return;
      case "context_compacted":
        this.window = { last: event.last, own: event.own, ...sumOf(this.window, event) };
        this.head = event.to;
        return;
      case "call_done":
        this.calls = [...this.calls.filter(({ id }) => id !== event.call), { id: event.call, seq }];
        return;
      case "task_retried": {
        const { from } = event;
        this.#generation = event.generation;
        this.#opsGeneration = from?.generation ?? event.generation;
        this.turns = this.turns.slice(0, from?.turn ?? 0);
        this.calls = [...(from?.calls ?? [])];
        this.window = from?.window;
        this.head = from?.snapshot;
        return;
      }
      default:
    }
  }

  /**
   * The point after a turn (P2); undefined when there is no such turn, and for the start. `requestOf` names what the request of a turn showed,
   * `now` is the event that comes next.
   */
  pointAfter(turn: number, now: number, requestOf: (next: LoggedTurn) => string): TurnPoint | undefined {
    if (turn < 1) return undefined;
    const next = this.turns[turn];
    if (next) {
      const { window } = next;
      return { turn, snapshot: requestOf(next), before: next.seq, ...(window && { window }) };
    }
    if (turn !== this.turns.length || this.head === undefined) return undefined;
    const { window, calls, head } = this;
    return {
      turn,
      snapshot: head,
      before: now,
      generation: this.#opsGeneration,
      ...(window && { window }),
      ...(calls.length > 0 && { calls }),
    };
  }
}
