/** RunScheduler with counters of what the platform bills: rows, calls, alarms. Counts what happens and changes none of it. */

import { RunScheduler } from "../../src/objects/run-scheduler.ts";
import type { Counters } from "../lib/counters.ts";

/** Cursors are read to their end within their event; a cursor's counts are final then. */
const openCursorsMax = 64;

/** The object's own RPC methods, whoever calls them. */
const calls = Object.getOwnPropertyNames(RunScheduler.prototype).filter(
  (name) => name !== "constructor" && name !== "alarm" && !name.startsWith("_"),
);

export class CountedScheduler extends RunScheduler {
  #rowsWritten = 0;
  #rowsRead = 0;
  #statements = 0;
  #alarmsSet = 0;
  #alarmsRung = 0;
  readonly #calls: Record<string, number> = {};
  readonly #cursors: SqlStorageCursor<Record<string, SqlStorageValue>>[] = [];

  constructor(ctx: DurableObjectState, env: ConstructorParameters<typeof RunScheduler>[1]) {
    super(ctx, env);
    const { sql } = ctx.storage;
    const exec = sql.exec.bind(sql);
    const setAlarm = ctx.storage.setAlarm.bind(ctx.storage);
    Object.defineProperty(sql, "exec", {
      value: (query: string, ...bindings: unknown[]) => {
        const cursor = exec(query, ...bindings);
        this.#statements++;
        if (this.#cursors.push(cursor) > openCursorsMax) this.#tally();
        return cursor;
      },
    });
    Object.defineProperty(ctx.storage, "setAlarm", {
      value: (at: number) => {
        this.#alarmsSet++;
        return setAlarm(at);
      },
    });
  }

  override async alarm(info?: AlarmInvocationInfo): Promise<void> {
    this.#alarmsRung++;
    await super.alarm(info);
  }

  count(call: string): void {
    this.#calls[call] = (this.#calls[call] ?? 0) + 1;
  }

  async counters(): Promise<Counters> {
    this.#tally();
    return {
      rowsWritten: this.#rowsWritten,
      rowsRead: this.#rowsRead,
      statements: this.#statements,
      alarmsSet: this.#alarmsSet,
      alarmsRung: this.#alarmsRung,
      calls: { ...this.#calls },
      databaseBytes: this.ctx.storage.sql.databaseSize,
    };
  }

  #tally(): void {
    for (const cursor of this.#cursors) {
      this.#rowsWritten += cursor.rowsWritten;
      this.#rowsRead += cursor.rowsRead;
    }
    this.#cursors.length = 0;
  }
}

for (const name of calls) {
  const method = RunScheduler.prototype[name as "run"] as (...args: unknown[]) => unknown;
  Object.defineProperty(CountedScheduler.prototype, name, {
    value(this: CountedScheduler, ...args: unknown[]) {
      this.count(name);
      return method.apply(this, args);
    },
  });
}
