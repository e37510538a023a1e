/**
 * Incremental checkpoints: the header and the pages of tasks that changed. The log after `header.seq` is the tail.
 *
 * P1. A checkpoint is written in one transaction with nothing else: header and pages are of the same moment.
 * P2. A page is merged: tasks that have left memory stay as the page had them, to the letter (page-text.ts).
 * P3. A checkpoint is read by the version that wrote it, older or newer. Any other folds the whole log again, which gives what a
 *     checkpoint of its own would have, and its first checkpoint replaces all of this one.
 */

import { checkpointPageTasks } from "../../limits.ts";
import { Lru } from "../../lru.ts";
import type { Facts } from "../../scheduler/facts.ts";
import type { RunHeader, RunState } from "../../scheduler/state.ts";
import type { Task } from "../../scheduler/task.ts";
import { needsChunks } from "./chunks.ts";
import { pageText, tasksIn } from "./page-text.ts";
import { packTask, unpackTask } from "./task-codec.ts";
import type { Texts } from "./texts.ts";

const pageOf = (n: number): number => Math.floor((n - 1) / checkpointPageTasks);

/**
 * One more whenever what a checkpoint holds changes its form, or `apply` makes something else of events that there were before: a sum of
 * what they always said, say. Fields that only new events fill need none. Version 1 had no `v`.
 */
const checkpointVersion = 7;

type Packed = Record<string, unknown>;
/** Pages kept, taken apart: listing and paging-in walk through neighbours. */
const openPagesBytes = 2 * 1024 * 1024;
/** What a task's place in one takes beside its text. */
const placeBytes = 100;

export class Checkpoints {
  readonly #sql: SqlStorage;
  readonly #texts: Texts;
  readonly #open = new Lru<number, ReadonlyMap<number, string>>(openPagesBytes);

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
      for (const packed of JSON.parse(this.#read(page)) as Packed[]) yield unpackTask(packed);
    }
  }

  /** One task as of the last checkpoint, the caller's own. */
  task(n: number): Task | undefined {
    const page = pageOf(n);
    let tasks = this.#open.get(page);
    if (!tasks) {
      const text = this.#read(page);
      tasks = tasksIn(text);
      this.#open.set(page, tasks, text.length + tasks.size * placeBytes);
    }
    const found = tasks.get(n);
    return found === undefined ? undefined : unpackTask(JSON.parse(found) as Packed);
  }

  /** Writes what changed; the caller's transaction makes it one (P1). */
  write(state: RunState): void {
    const pages = Map.groupBy(state.dirty, pageOf);
    for (const [page, numbers] of pages) {
      const tasks = tasksIn(this.#read(page));
      for (const n of numbers) tasks.set(n, JSON.stringify(packTask(state.task(n))));
      const text = pageText(tasks);
      const inline = needsChunks(text) ? null : text;
      if (inline === null) this.#texts.put(`page:${page}`, text);
      this.#sql.exec("INSERT OR REPLACE INTO pages(page, tasks) VALUES(?, ?)", page, inline);
      this.#open.delete(page);
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

  #read(page: number): string {
    const row = this.#sql.exec<{ tasks: string | null }>("SELECT tasks FROM pages WHERE page = ?", page).toArray()[0];
    return row ? (row.tasks ?? this.#texts.get(`page:${page}`)) : "[]";
  }
}
