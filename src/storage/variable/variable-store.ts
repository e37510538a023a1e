/**
 * What a shared variable stores, opened once per object in memory.
 *
 * meta      the schema's version, the variable's identity, its head, when old outcomes were dropped
 * entries   elements of a map or list by key; UTF-8 byte order is the order of keys
 * outcomes  first answers: a task's of its present turn, by slot, so that a later turn's overwrite them; outside calls' by name
 * fences    the newest token seen of each lock that guards writes
 * chunks    parts of texts over a row's size
 */

import { idempotencyMs } from "../../limits.ts";
import { initialHead } from "../../variables/index.ts";
import type { Answer, Decision, Entry, Json, Stored } from "../../variables/kind.ts";
import type { DataKind } from "../../variables/ops.ts";
import { callersTransaction, migrate, type Schema, storedVersion, type Transaction } from "../migrations.ts";
import { OldOutcomes } from "../old-outcomes.ts";
import { needsChunks } from "../run/chunks.ts";
import { Texts } from "../run/texts.ts";

export const variableSchema: Schema = {
  name: "variable",
  since1: "entries",
  steps: [
    `
      CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS entries(key TEXT PRIMARY KEY, value TEXT NOT NULL, version INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS outcomes(
        owner TEXT NOT NULL, slot INTEGER NOT NULL, at INTEGER NOT NULL, turn INTEGER NOT NULL, call TEXT NOT NULL,
        fingerprint TEXT NOT NULL, answer TEXT, PRIMARY KEY(owner, slot)
      ) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS fences(lock TEXT PRIMARY KEY, token INTEGER NOT NULL) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS chunks(owner TEXT NOT NULL, part INTEGER NOT NULL, text TEXT NOT NULL, PRIMARY KEY(owner, part)) WITHOUT ROWID;
    `,
  ],
};

export interface VariableIdentity {
  readonly tenant: string;
  readonly run: string;
  readonly name: string;
  readonly kind: DataKind;
  readonly createdAt: number;
  /** The run's; variables of before there was one, and imported ones, have none. */
  readonly life?: string;
}

/** The answer that an op got, as it is kept for its repeats. */
export interface Outcome {
  /** A task's turn; 0 for an outside call. */
  readonly turn: number;
  readonly call: string;
  readonly fingerprint: string;
  readonly answer: Answer;
}

const memory = "memory";
/** Where a text begins in the head's row instead of in chunks, it saves a row a write. */
const inline = (text: string) => !needsChunks(text);

export class VariableStore implements Stored {
  readonly identity: VariableIdentity;
  readonly #sql: SqlStorage;
  readonly #oldOutcomes: OldOutcomes;
  readonly #texts: Texts;
  #head: Json;

  private constructor(sql: SqlStorage, identity: VariableIdentity, head: Json) {
    this.#sql = sql;
    this.#oldOutcomes = new OldOutcomes(() => sql);
    this.#texts = new Texts(sql);
    this.identity = identity;
    this.#head = head;
  }

  /** Undefined when it was never created, or is deleted. @throws Newer */
  static open(sql: SqlStorage, transaction: Transaction): VariableStore | undefined {
    if (storedVersion(sql, variableSchema) === 0) return;
    migrate(sql, transaction, variableSchema);
    const meta = new Map(
      sql
        .exec<{ name: string; value: string }>("SELECT name, value FROM meta")
        .toArray()
        .map((row) => [row.name, row.value]),
    );
    const stored = meta.get("identity");
    if (stored === undefined) return;
    const identity = JSON.parse(stored) as VariableIdentity;
    const head = meta.get("head");
    // None of its ops has written one yet: the first was a read, or was refused.
    return new VariableStore(
      sql,
      identity,
      head === undefined ? initialHead(identity.kind) : (JSON.parse(head) as Json),
    );
  }

  /** Creates the tables. Call in a transaction. */
  static create(sql: SqlStorage, identity: VariableIdentity): VariableStore {
    migrate(sql, callersTransaction, variableSchema);
    const store = new VariableStore(sql, identity, initialHead(identity.kind));
    store.#put("identity", JSON.stringify(identity));
    return store;
  }

  get head(): Json {
    return this.#head;
  }

  entry(key: string): Entry | undefined {
    const row = this.#sql
      .exec<{ value: string; version: number }>("SELECT value, version FROM entries WHERE key = ?", key)
      .toArray()[0];
    return row && { value: JSON.parse(row.value) as Json, version: row.version };
  }

  *from(key: string): Generator<readonly [string, Entry]> {
    const rows = this.#sql.exec<{ key: string; value: string; version: number }>(
      "SELECT key, value, version FROM entries WHERE key >= ? ORDER BY key",
      key,
    );
    for (const row of rows) yield [row.key, { value: JSON.parse(row.value) as Json, version: row.version }];
  }

  text(): string {
    return this.#texts.get(memory);
  }

  /** Writes what was decided. Call in a transaction. */
  write({ head, put = [], remove = [], text }: Decision<Json>): void {
    for (const key of remove) this.#sql.exec("DELETE FROM entries WHERE key = ?", key);
    for (const [key, { value, version }] of put) {
      this.#sql.exec(
        "INSERT OR REPLACE INTO entries(key, value, version) VALUES(?, ?, ?)",
        key,
        JSON.stringify(value),
        version,
      );
    }
    if (text !== undefined) this.#texts.put(memory, text);
    if (head !== undefined) {
      this.#head = head;
      this.#put("head", JSON.stringify(head));
    }
  }

  /** Outcomes kept for an owner: a task's generation, or an outside call's name. */
  outcomes(owner: string): (Outcome & { slot: number })[] {
    const rows = this.#sql
      .exec<{ slot: number; turn: number; call: string; fingerprint: string; answer: string | null }>(
        "SELECT slot, turn, call, fingerprint, answer FROM outcomes WHERE owner = ? ORDER BY slot",
        owner,
      )
      .toArray();
    return rows.map(({ answer, ...row }) => ({
      ...row,
      answer: JSON.parse(answer ?? this.#texts.get(`outcome:${owner}:${row.slot}`)) as Answer,
    }));
  }

  putOutcome(owner: string, slot: number, at: number, { turn, call, fingerprint, answer }: Outcome): void {
    const text = JSON.stringify(answer);
    if (!inline(text)) this.#texts.put(`outcome:${owner}:${slot}`, text);
    this.#sql.exec(
      "INSERT OR REPLACE INTO outcomes(owner, slot, at, turn, call, fingerprint, answer) VALUES(?, ?, ?, ?, ?, ?, ?)",
      owner,
      slot,
      at,
      turn,
      call,
      fingerprint,
      inline(text) ? text : null,
    );
  }

  /** Answers to outside calls leave when their promise is over, once an hour. */
  dropOldOutcomes(now: number): void {
    this.#oldOutcomes.drop(now, () => {
      const before = now - idempotencyMs;
      const old = "turn = 0 AND at < ?";
      this.#sql.exec(
        `DELETE FROM chunks WHERE owner IN (SELECT 'outcome:' || owner || ':' || slot FROM outcomes WHERE ${old})`,
        before,
      );
      return this.#sql.exec(`DELETE FROM outcomes WHERE ${old}`, before).rowsRead;
    });
  }

  /** The newest token seen of a lock; 0: none. */
  fence(lock: string): number {
    return this.#sql.exec<{ token: number }>("SELECT token FROM fences WHERE lock = ?", lock).toArray()[0]?.token ?? 0;
  }

  putFence(lock: string, token: number): void {
    this.#sql.exec("INSERT OR REPLACE INTO fences(lock, token) VALUES(?, ?)", lock, token);
  }

  #put(name: string, value: string): void {
    this.#sql.exec("INSERT OR REPLACE INTO meta(name, value) VALUES(?, ?)", name, value);
  }
}
