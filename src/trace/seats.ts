/**
 * A run's hosted seats over time, and its share of them, from what the log tells of both. Logs from before seats were in them have none.
 *
 * A seat is there from the first task that it takes until it closes, loses the lease of a task, or the run ends.
 */

import type { TraceEvent } from "./trace-event.ts";

export interface SeatLevel {
  readonly at: number;
  readonly open: number;
  /** The run's share; undefined: none binds it. */
  readonly share: number | undefined;
}

export class SeatFold {
  readonly #open = new Set<string>();
  /** Of tasks at work, by which seat. */
  readonly #seatOf = new Map<number, string>();
  readonly #changes: { at: number; by: number; share?: number | null }[] = [];

  add(event: TraceEvent): void {
    switch (event.type) {
      case "seat_opened":
        if (this.#open.has(event.seat)) return;
        this.#open.add(event.seat);
        this.#changes.push({ at: event.at, by: 1 });
        return;
      case "seat_closed":
        this.#close(event.seat, event.at - (event.ago_ms ?? 0));
        return;
      case "task_started":
        if (event.hosted) this.#seatOf.set(event.task, event.worker);
        return;
      case "attempt_ended":
        if (event.why === "lost" || event.why === "restart") this.#close(this.#seatOf.get(event.task) ?? "", event.at);
        this.#seatOf.delete(event.task);
        return;
      case "task_ended":
      case "task_parked":
        this.#seatOf.delete(event.task);
        return;
      case "seat_target":
        this.#changes.push({ at: event.at, by: 0, share: event.seats ?? null });
        return;
      case "run_ended":
        for (const seat of this.#open) this.#close(seat, event.at);
        return;
    }
  }

  /** In order of time; seats tell of their end a moment after it. */
  levels(): SeatLevel[] {
    let open = 0;
    let share: number | undefined;
    return this.#changes
      .sort((a, b) => a.at - b.at)
      .map((change) => {
        open += change.by;
        if (change.share !== undefined) share = change.share ?? undefined;
        return { at: change.at, open, share };
      });
  }

  #close(seat: string, at: number): void {
    if (this.#open.delete(seat)) this.#changes.push({ at, by: -1 });
  }
}
