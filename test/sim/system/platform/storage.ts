/**
 * An object's storage, on SQLite in memory.
 *
 * S1. What is written is durable with the next flush, all of it or nothing; until then a crash can take it back.
 * S2. What an object sends after a write leaves when that write is durable (the platform's output gate).
 * S3. Storage of a life that is over throws, whatever is done with it.
 */

import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";

type Row = Record<string, SqlStorageValue>;

export interface Watcher {
  /** Before each operation; throws for one that is refused, or that the object ends in. */
  before(isWrite: boolean): void;
  /** Something is there to be made durable. */
  written(): void;
}

export class Storage {
  readonly #db = new DatabaseSync(":memory:");
  readonly #statements = new Map<string, StatementSync>();
  #depth = 0;
  isDirty = false;
  /** As set, durable or not. */
  alarm: number | undefined;
  durableAlarm: number | undefined;

  constructor() {
    this.#db.exec("BEGIN");
  }

  /** Makes durable what was written. */
  flush(): void {
    this.#db.exec("COMMIT; BEGIN");
    this.durableAlarm = this.alarm;
    this.isDirty = false;
  }

  /** Takes back what was not durable. */
  takeBack(): void {
    this.#db.exec("ROLLBACK; BEGIN");
    this.alarm = this.durableAlarm;
    this.isDirty = false;
    this.#depth = 0;
  }

  close(): void {
    this.#db.close();
  }

  rows(query: string, bindings: readonly SqlStorageValue[] = []): Row[] {
    return this.#statement(query).all(...(bindings as SQLInputValue[])) as Row[];
  }

  /** Reads without a life, and without faults: for checks. */
  get reader(): SqlStorage {
    return this.sql({ before: () => undefined, written: () => undefined });
  }

  sql(watcher: Watcher): SqlStorage {
    const exec = (query: string, ...bindings: SqlStorageValue[]) => {
      const isWrite = !/^\s*select/i.test(query);
      watcher.before(isWrite);
      if (!isWrite) return cursor(this.rows(query, bindings));
      if (bindings.length === 0 && query.includes(";")) this.#db.exec(query);
      else this.#statement(query).run(...(bindings as SQLInputValue[]));
      this.#wrote(watcher);
      return cursor([]);
    };
    const size = () => this.rows("SELECT page_count * page_size AS size FROM pragma_page_count, pragma_page_size");
    return {
      exec,
      get databaseSize() {
        return size()[0]!.size as number;
      },
    } as unknown as SqlStorage;
  }

  transaction<T>(work: () => T): T {
    const name = `t${this.#depth++}`;
    this.#db.exec(`SAVEPOINT ${name}`);
    try {
      const done = work();
      this.#db.exec(`RELEASE ${name}`);
      return done;
    } catch (error) {
      this.#db.exec(`ROLLBACK TO ${name}; RELEASE ${name}`);
      throw error;
    } finally {
      this.#depth--;
    }
  }

  deleteAll(watcher: Watcher): void {
    watcher.before(true);
    for (const { name } of this.rows("SELECT name FROM sqlite_master WHERE type = 'table'"))
      this.#db.exec(`DROP TABLE "${name}"`);
    this.#statements.clear();
    this.#wrote(watcher);
  }

  setAlarm(at: number | undefined, watcher: Watcher): void {
    watcher.before(true);
    this.alarm = at;
    this.#wrote(watcher);
  }

  #wrote(watcher: Watcher): void {
    this.isDirty = true;
    watcher.written();
  }

  #statement(query: string): StatementSync {
    let statement = this.#statements.get(query);
    if (!statement) {
      statement = this.#db.prepare(query);
      this.#statements.set(query, statement);
    }
    return statement;
  }
}

/** Rows are read at once: none of ours is written to while it is read. */
function cursor(rows: readonly Row[]) {
  return {
    toArray: () => [...rows],
    one: () => {
      if (rows.length !== 1) throw new Error(`expected one row, not ${rows.length}`);
      return rows[0];
    },
    [Symbol.iterator]: () => rows[Symbol.iterator](),
    /** What a write went through nobody counts here. */
    rowsRead: rows.length,
  };
}
