/**
 * A variable's storage as an export reads it and an import writes it: part by part, each part written again without harm.
 *
 * Kept answers of tasks travel, since a task that goes on elsewhere makes the calls of its newest reply again. Answers to
 * Idempotency-Keys and call ids stay: they were given to somebody who is not there.
 */

import type { Entry, Json } from "../../variables/kind.ts";
import type { Contents } from "../../variables/restored.ts";
import type { Outcome, VariableStore } from "./variable-store.ts";

/** [key, value, version]. */
export type EntryRow = readonly [key: string, value: Json, version: number];
export type OutcomeRow = Outcome & { readonly owner: string; readonly slot: number };

export class VariableTransfer {
  readonly #sql: SqlStorage;
  readonly #store: VariableStore;

  constructor(sql: SqlStorage, store: VariableStore) {
    this.#sql = sql;
    this.#store = store;
  }

  /** Entries after `key`, until their values have `chars` UTF-16 units. */
  entries(after: string, chars: number): EntryRow[] {
    const rows: EntryRow[] = [];
    let size = 0;
    for (const row of this.#sql.exec<{ key: string; value: string; version: number }>(
      "SELECT key, value, version FROM entries WHERE key > ? ORDER BY key",
      after,
    )) {
      rows.push([row.key, JSON.parse(row.value) as Json, row.version]);
      size += row.key.length + row.value.length;
      if (size >= chars) break;
    }
    return rows;
  }

  /** Answers to tasks' calls after that of (`owner`, `slot`). */
  outcomes(owner: string, slot: number, chars: number): OutcomeRow[] {
    const rows: OutcomeRow[] = [];
    let size = 0;
    const keys = this.#sql.exec<{ owner: string; slot: number }>(
      "SELECT owner, slot FROM outcomes WHERE owner >= 'task ' AND owner < 'task!' AND (owner, slot) > (?, ?) ORDER BY owner, slot",
      owner,
      slot,
    );
    for (const key of keys) {
      const outcome = this.#store.outcomes(key.owner).find((one) => one.slot === key.slot)!;
      rows.push({ ...outcome, owner: key.owner });
      size += JSON.stringify(outcome.answer).length;
      if (size >= chars) break;
    }
    return rows;
  }

  fences(): (readonly [lock: string, token: number])[] {
    const rows = this.#sql.exec<{ lock: string; token: number }>("SELECT lock, token FROM fences ORDER BY lock");
    return Array.from(rows, ({ lock, token }) => [lock, token] as const);
  }

  putEntries(rows: readonly EntryRow[]): void {
    const put = rows.map(([key, value, version]): readonly [string, Entry] => [key, { value, version }]);
    this.#store.write({ answer: { result: null }, put });
  }

  putOutcomes(rows: readonly OutcomeRow[], at: number): void {
    for (const { owner, slot, ...outcome } of rows) this.#store.putOutcome(owner, slot, at, outcome);
  }

  contents(): Contents {
    const { entries, lastKey, newestVersion } = this.#sql
      .exec<{ entries: number; lastKey: string; newestVersion: number }>(
        "SELECT count(*) AS entries, coalesce(max(key), '') AS lastKey, coalesce(max(version), 0) AS newestVersion FROM entries",
      )
      .one();
    return { entries, lastKey, newestVersion, textLength: this.#store.text().length };
  }
}
