/**
 * When an object last dropped the answers that it has kept for as long as was promised: a scan of all that it keeps. An object is loaded
 * again all the time, and would scan with each load if only memory knew; so a scan that costs more than a row is written down in `meta`.
 */

import { outcomesDropEveryMs, rowInRowsRead } from "../limits.ts";

const name = "outcomes_dropped_at";

export class OldOutcomes {
  readonly #sql: () => SqlStorage;
  #droppedAt: number | undefined;

  constructor(sql: () => SqlStorage) {
    this.#sql = sql;
  }

  /** `drop` is carried out at most once an hour, and answers how many rows it read. */
  drop(now: number, drop: () => number): void {
    this.#droppedAt ??= this.#stored();
    if (now - this.#droppedAt < outcomesDropEveryMs) return;
    this.#droppedAt = now;
    if (drop() < rowInRowsRead) return;
    this.#sql().exec("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)", name, String(now));
  }

  #stored(): number {
    const row = this.#sql().exec<{ value: string }>("SELECT value FROM meta WHERE name = ?", name).toArray()[0];
    return Number(row?.value ?? 0);
  }
}
