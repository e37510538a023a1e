/**
 * Incremental checkpoints: the header and the pages of tasks that changed. The log after `header.seq` is the tail.
 *
 * P1. A checkpoint is written in one transaction with nothing else: header and pages are of the same moment.
 * P2. A page is merged: tasks that have left memory stay as the page had them.
 * P3. A checkpoint is read by the version that wrote it, older or newer. Any other folds the whole log again, which gives what a
 *     checkpoint of its own would have, and its first checkpoint replaces all of this one.
 */

import { checkpointPageTasks } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import type { Facts } from "../../scheduler/facts.ts";
import type { RunHeader, RunState } from "../../scheduler/state.ts";
import type { Task } from "../../scheduler/task.ts";
import { needsChunks } from "./chunks.ts";
import { packTask, unpackTask } from "./task-codec.ts";
import type { Texts } from "./texts.ts";

const pageOf = (n: number): number => Math.floor((n - 1) / checkpointPageTasks);

/**
 * One more whenever what a checkpoint holds changes its form, or `apply` makes something else of events that there were before: a sum of
 * what they always said, say. Fields that only new events fill need none. Version 1 had no `v`.
 */
const checkpointVersion = 7;

type Packed = Record<string, unknown> & { n: number };
/** Parsed pages kept: listing and paging-in walk through neighbours. */
const parsedPagesBytes = 2 * 1024 * 1024;

export class Checkpoints {
  readonly #sql: SqlStorage;
  readonly #texts: Texts;
  readonly #parsed = new Lru<number, Map<number, Packed>>(parsedPagesBytes);

  constructor(sql: SqlStorage, texts: Texts) {
    this.#sql = sql;
    this.#texts = texts;
  }

  /** Undefined when there is none that this version can read (P3). */
  header(): RunHeader | undefined {
    const row = this.#sql.exec<{ value: string }>("SELECT value FROM meta WHERE name = 'header'").toArray()[0];
    if (!row) return undefined;
    const { v = 1, ...header } = JSON.parse(row.value) as RunHeader & { v?: number };
    return v === checkpointVersion ? header : undefined;
  }

  /** All tasks of the checkpoint, page by page. */
  *tasks(): Generator<Task> {
    for (const { page } of this.#sql.exec<{ page: number }>("SELECT page FROM pages ORDER BY page").toArray()) {
      for (const packed of this.#read(page)) yield unpackTask(packed);
    }
  }

  /** One task as of the last checkpoint; `isToRead`: the caller changes nothing of it. */
  task(n: number, isToRead: boolean): Task | undefined {
    const page = pageOf(n);
    let parsed = this.#parsed.get(page);
    if (!parsed) {
      const packed = this.#read(page);
      parsed = new Map(packed.map((one) => [one.n, one]));
      this.#parsed.set(page, parsed, packed.length * 400);
    }
    const found = parsed.get(n);
    // A copy: what is paged in may change before it is written. It is most of what a look at a task costs.
    return found && unpackTask(isToRead ? found : structuredClone(found));
  }

  /** Writes what changed; the caller's transaction makes it one (P1). */
  write(state: RunState): void {
    const pages = Map.groupBy(state.dirty, pageOf);
    for (const [page, numbers] of pages) {
      const merged = new Map(this.#read(page).map((one) => [one.n, one]));
      for (const n of numbers) merged.set(n, packTask(state.task(n)) as Packed);
      const text = JSON.stringify([...merged.values()].sort((a, b) => a.n - b.n));
      const inline = needsChunks(text) ? null : text;
      if (inline === null) this.#texts.put(`page:${page}`, text);
      this.#sql.exec("INSERT OR REPLACE INTO pages(page, tasks) VALUES(?, ?)", page, inline);
      this.#parsed.delete(page);
    }
    for (const name of state.blocking.dirty) this.#writeFacts(name, state.blocking.facts.get(name)!);
    const header = JSON.stringify({ v: checkpointVersion, ...state.header });
    this.#sql.exec("INSERT OR REPLACE INTO meta(name, value) VALUES('header', ?)", header);
  }

  #writeFacts(name: string, facts: Facts): void {
    const text = JSON.stringify(facts);
    const inline = needsChunks(text) ? null : text;
    if (inline === null) this.#texts.put(`facts:${name}`, text);
    this.#sql.exec("INSERT OR REPLACE INTO facts(name, value) VALUES(?, ?)", name, inline);
  }

  /** What the variables that block had come to. */
  *facts(): Generator<readonly [name: string, facts: Facts]> {
    const rows = this.#sql.exec<{ name: string; value: string | null }>("SELECT name, value FROM facts").toArray();
    for (const { name, value } of rows) yield [name, JSON.parse(value ?? this.#texts.get(`facts:${name}`)) as Facts];
  }

  #read(page: number): Packed[] {
    const row = this.#sql.exec<{ tasks: string | null }>("SELECT tasks FROM pages WHERE page = ?", page).toArray()[0];
    if (!row) return [];
    return JSON.parse(row.tasks ?? this.#texts.get(`page:${page}`)) as Packed[];
  }
}
