/** A run's tasks as CSV (RFC 4180): a row for each generation of each task, with what its time went to in milliseconds. */

import { csvCell } from "../csv.ts";
import { entryOf } from "./entry-of.ts";
import { type Kind, kinds } from "./kinds.ts";
import { Spans, type TaskSpan } from "./spans.ts";
import type { TraceEvent } from "./trace-event.ts";

const columns = [
  ...["task", "key", "title", "state", "error", "pool", "parent", "priority", "generation", "turns"],
  ...["created_at", "ended_at", "wall_ms"],
  ...["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd"],
  ...kinds.map((kind) => `${kind}_ms`),
];

export class TasksCsv {
  readonly #taskId: (n: number) => string;
  readonly #times = new Map<number, Partial<Record<Kind, number>>>();
  #rows: string[] = [];
  readonly #spans = new Spans({
    span: (span) => {
      if (span.what === "activity") {
        const times = entryOf(this.#times, span.facts.task, () => ({}));
        times[span.kind] = (times[span.kind] ?? 0) + span.to - span.from;
      } else if (span.what === "task") this.#rows.push(this.#row(span));
    },
  });

  constructor(taskId: (n: number) => string) {
    this.#taskId = taskId;
  }

  readonly head = `${columns.join(",")}\r\n`;

  add(event: TraceEvent): void {
    this.#spans.add(event);
  }

  finish(now: number): void {
    this.#spans.finish(now);
  }

  /** The same, a task at a step. */
  finishing(now: number): Iterable<void> {
    return this.#spans.finishing(now);
  }

  /** Rows of what has been told since the last call. */
  take(): string {
    const rows = this.#rows.join("");
    this.#rows = [];
    return rows;
  }

  #row({ facts, state, error, generation, turns, from, to, usage, unfinished }: TaskSpan): string {
    const times = this.#times.get(facts.task) ?? {};
    this.#times.delete(facts.task);
    const ended = unfinished ? "" : to;
    const usd = usage.nanos === undefined ? "" : usage.nanos / 1e9;
    const cells = [
      ...[
        this.#taskId(facts.task),
        facts.key ?? "",
        csvCell(facts.title ?? ""),
        state ?? "unfinished",
        error?.code ?? "",
      ],
      ...[facts.pool, facts.parent > 0 ? this.#taskId(facts.parent) : "", facts.priority, generation, turns],
      ...[from, ended, to - from],
      ...[usage.in, usage.out, usage.read, usage.write, usd],
      ...kinds.map((kind) => times[kind] ?? 0),
    ];
    return `${cells.join(",")}\r\n`;
  }
}
