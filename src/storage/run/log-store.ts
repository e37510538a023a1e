/**
 * The run's append-only log as rows.
 *
 * L1. A row's key is the number of its first event; the events in it are consecutive.
 * L2. A command's events are appended in the caller's transaction: all or none.
 * L3. A row ends at `logRowBytes`, so reading one event's body costs little however large its batch was.
 */

import { rawElements } from "../../context/json-text.ts";
import { assert } from "../../errors/assert.ts";
import { logCacheBytes, logRowBytes, logRowsNearMax } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import type { Decided, SchedulerEvent } from "../../scheduler/events.ts";
import { needsChunks } from "./chunks.ts";
import { type LoggedEvent, packEvent, unpackEvents, wholeEvents } from "./event-codec.ts";
import type { Texts } from "./texts.ts";

export interface LoggedRow {
  readonly seq: number;
  readonly at: number;
  readonly events: readonly LoggedEvent[];
}

type Finding = Extract<SchedulerEvent, { type: "finding" }>;

interface ParsedRow {
  readonly seq: number;
  readonly events: readonly LoggedEvent[];
  /** Read when one is asked for. */
  bodies: readonly unknown[] | undefined;
}

/** Marks a body that lies in chunks. */
const elsewhere = { $chunks: true };

export class LogStore {
  readonly #sql: SqlStorage;
  readonly #texts: Texts;
  readonly #rows = new Lru<number, ParsedRow>(logCacheBytes);
  /** Rows that were read last, the last first: tasks of a batch stand side by side, and a graph goes to and fro between a few rows. */
  #near: readonly ParsedRow[] = [];
  /** Events of the command under way: decided, not appended yet, and readable as if they were. */
  #pending: readonly Decided[] = [];

  constructor(sql: SqlStorage, texts: Texts) {
    this.#sql = sql;
    this.#texts = texts;
  }

  /** Makes the events that a command decides readable before they are appended: a task's end and the next one's start share a row. */
  stage(decided: readonly Decided[]): void {
    this.#pending = decided;
  }

  #staged(seq: number): Decided | undefined {
    const first = this.#pending[0]?.seq;
    return first === undefined || seq < first ? undefined : this.#pending[seq - first];
  }

  /** Appends a command's events; answers rows and bytes written, for the checkpoint's rule. */
  append(decided: readonly Decided[], at: number): { rows: number; bytes: number } {
    let rows = 0;
    let bytes = 0;
    let first = 0;
    let events: string[] = [];
    let bodies: string[] = [];
    let size = 0;
    let withBody = false;
    const flush = () => {
      if (events.length === 0) return;
      const bodyText = withBody ? `[${bodies.join(",")}]` : null;
      this.#sql.exec(
        "INSERT INTO log(seq, at, events, bodies) VALUES(?, ?, ?, ?)",
        first,
        at,
        `[${events.join(",")}]`,
        bodyText,
      );
      rows++;
      bytes += size;
      events = [];
      bodies = [];
      size = 0;
      withBody = false;
    };
    for (const { seq, event, causes, body } of decided) {
      const eventText = packEvent(event, causes);
      let bodyText = body === undefined ? "0" : JSON.stringify(body);
      if (needsChunks(bodyText)) {
        this.#texts.put(`body:${seq}`, bodyText);
        bodyText = JSON.stringify(elsewhere);
      }
      if (size + eventText.length + bodyText.length > logRowBytes) flush();
      if (events.length === 0) first = seq;
      events.push(eventText);
      bodies.push(bodyText);
      withBody ||= body !== undefined;
      size += eventText.length + bodyText.length + 2;
    }
    flush();
    return { rows, bytes };
  }

  /** The body of event `seq`; undefined when it has none. */
  body(seq: number): unknown {
    const staged = this.#staged(seq);
    if (staged) return staged.body;
    const row = this.#row(seq);
    row.bodies ??= this.#readBodies(row.seq);
    const body = row.bodies[seq - row.seq];
    if (typeof body === "object" && body !== null && "$chunks" in body)
      return JSON.parse(this.#texts.get(`body:${seq}`));
    return body === 0 ? undefined : body;
  }

  event(seq: number): LoggedEvent | undefined {
    const staged = this.#staged(seq);
    if (staged) return staged.event;
    const row = this.#row(seq);
    return row.events[seq - row.seq];
  }

  /** The row that holds an event, parsed once while it is in use. */
  #row(seq: number): ParsedRow {
    const near = this.#near.find((row) => seq >= row.seq && seq < row.seq + row.events.length);
    if (near) return near;
    const row = this.#rowFromStorage(seq);
    this.#near = [row, ...this.#near.slice(0, logRowsNearMax - 1)];
    return row;
  }

  #rowFromStorage(seq: number): ParsedRow {
    const found = this.#sql
      .exec<{ seq: number }>("SELECT seq FROM log WHERE seq <= ? ORDER BY seq DESC LIMIT 1", seq)
      .toArray()[0];
    assert(found, `event ${seq} is in the log`);
    let row = this.#rows.get(found.seq);
    if (!row) {
      const { events, size } = this.#sql
        .exec<{ events: string; size: number }>(
          "SELECT events, length(events) + coalesce(length(bodies), 0) AS size FROM log WHERE seq = ?",
          found.seq,
        )
        .one();
      row = { seq: found.seq, events: unpackEvents(events), bodies: undefined };
      this.#rows.set(found.seq, row, size * 2);
    }
    return row;
  }

  #readBodies(seq: number): readonly unknown[] {
    const { text } = this.#sql.exec<{ text: string | null }>("SELECT bodies AS text FROM log WHERE seq = ?", seq).one();
    return JSON.parse(text ?? "[]") as unknown[];
  }

  /** Rows from the one that holds event `seq` on, in order; read lazily. */
  *rowsFrom(seq: number, limit: number): Generator<LoggedRow> {
    const start = this.#sql
      .exec<{ seq: number | null }>("SELECT max(seq) AS seq FROM log WHERE seq <= ?", Math.max(1, seq))
      .one().seq;
    const rows = this.#sql.exec<{ seq: number; at: number; events: string }>(
      "SELECT seq, at, events FROM log WHERE seq >= ? ORDER BY seq LIMIT ?",
      start ?? 0,
      limit,
    );
    for (const row of rows) yield { seq: row.seq, at: row.at, events: unpackEvents(row.events) };
  }

  /** Events about one of these tasks, from event `seq` on, in order; those of the command under way too. Read lazily. */
  *about(tasks: ReadonlySet<number>, seq: number): Generator<{ seq: number; at: number; event: LoggedEvent }> {
    // Storage looks through the texts, so that only rows that may tell of a single task are parsed.
    const [one] = tasks;
    const text = tasks.size === 1 ? `"task":${one}` : '"task":';
    const rows = this.#sql.exec<{ seq: number; at: number; events: string }>(
      `SELECT seq, at, events FROM log
       WHERE seq >= (SELECT coalesce(max(seq), 0) FROM log WHERE seq <= ?) AND instr(events, ?) > 0 ORDER BY seq`,
      seq,
      text,
    );
    let last = 0;
    for (const row of rows) {
      for (const [i, event] of unpackEvents(row.events).entries()) {
        last = row.seq + i;
        if ("task" in event && tasks.has(event.task as number)) yield { seq: last, at: row.at, event };
      }
    }
    for (const { seq: at, event } of this.#pending)
      if (at > last && "task" in event && tasks.has(event.task as number)) yield { seq: at, at: 0, event };
  }

  /** Rows whose first event is after `seq`, as they are stored; read lazily. */
  *textsAfter(seq: number, limit: number): Generator<{ seq: number; at: number; events: string }> {
    yield* this.#sql.exec<{ seq: number; at: number; events: string }>(
      "SELECT seq, at, events FROM log WHERE seq > ? ORDER BY seq LIMIT ?",
      seq,
      limit,
    );
  }

  /** The row after the one that begins at `seq`, as texts with every field and body in its place. */
  rowAfter(seq: number): { seq: number; at: number; events: string; bodies: string | null } | undefined {
    const stored = this.#sql
      .exec<{ seq: number; at: number; events: string; bodies: string | null }>(
        "SELECT seq, at, events, bodies FROM log WHERE seq > ? ORDER BY seq LIMIT 1",
        seq,
      )
      .toArray()[0];
    const row = stored && { ...stored, events: wholeEvents(stored.events) };
    const marked = JSON.stringify(elsewhere);
    if (!row?.bodies?.includes(marked)) return row;
    const bodies = rawElements(row.bodies).map((one, i) =>
      one === marked ? this.#texts.get(`body:${row.seq + i}`) : one,
    );
    return { ...row, bodies: `[${bodies.join(",")}]` };
  }

  /** Findings from after event `seq` on, in order; read lazily. Storage looks through the texts, so only rows with one are parsed. */
  *findings(seq: number): Generator<{ seq: number; at: number; event: Finding; causes: readonly number[] }> {
    const rows = this.#sql.exec<{ seq: number; at: number; events: string }>(
      `SELECT seq, at, events FROM log
       WHERE seq >= (SELECT coalesce(max(seq), 0) FROM log WHERE seq <= ?) AND instr(events, '"type":"finding"') > 0 ORDER BY seq`,
      seq,
    );
    for (const row of rows) {
      for (const [i, { causes = [], ...event }] of unpackEvents(row.events).entries()) {
        if (event.type === "finding" && row.seq + i > seq) yield { seq: row.seq + i, at: row.at, event, causes };
      }
    }
  }
}
