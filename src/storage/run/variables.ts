/** The run's register of shared variables: which names are taken, as which kind. Their values are in objects of their own. */

import { variableBytesLeast, variableBytesStep } from "../../limits.ts";
import { dataKinds } from "../../variables/index.ts";
import type { VariableKind } from "../../variables/ops.ts";

export interface RegisteredVariable {
  readonly name: string;
  readonly kind: VariableKind;
}

export class Variables {
  readonly #sql: SqlStorage;
  /** Kinds of names that were asked for: a busy variable costs no query an op. */
  readonly #known = new Map<string, VariableKind>();
  #count: number | undefined;
  /** As noted, of those that were asked for; and of all together. */
  readonly #bytes = new Map<string, number>();
  #storedBytes: number | undefined;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  kindOf(name: string): VariableKind | undefined {
    const known = this.#known.get(name);
    if (known) return known;
    const kind = this.#sql
      .exec<{ kind: VariableKind }>("SELECT kind FROM variables WHERE name = ?", name)
      .toArray()[0]?.kind;
    if (kind) this.#known.set(name, kind);
    return kind;
  }

  get count(): number {
    this.#count ??= Number(this.#sql.exec("SELECT count(*) AS count FROM variables").one().count);
    return this.#count;
  }

  /**
   * What the objects of all variables have stored, about: each one that has an object counts as `variableBytesLeast` at least, and
   * what it has grown by since it was noted is less than `variableBytesStep`.
   */
  get storedBytes(): number {
    this.#storedBytes ??= Number(
      this.#sql
        .exec(
          `SELECT coalesce(sum(max(bytes, ?)), 0) AS sum FROM variables WHERE kind IN (${dataKinds.map(() => "?").join(", ")})`,
          ...[variableBytesLeast, ...dataKinds],
        )
        .one().sum,
    );
    return this.#storedBytes;
  }

  /** Its object has stored so much: noted where that is news, since a row costs more than a rough sum is worth. */
  noteBytes(name: string, bytes: number): void {
    const before = this.#noted(name);
    if (before === undefined || !(Math.abs(bytes - before) >= variableBytesStep)) return;
    const { storedBytes } = this;
    this.#sql.exec("UPDATE variables SET bytes = ? WHERE name = ?", bytes, name);
    this.#bytes.set(name, bytes);
    this.#storedBytes = storedBytes + Math.max(bytes, variableBytesLeast) - Math.max(before, variableBytesLeast);
  }

  #noted(name: string): number | undefined {
    const known = this.#bytes.get(name);
    if (known !== undefined) return known;
    const row = this.#sql.exec<{ bytes: number }>("SELECT bytes FROM variables WHERE name = ?", name).toArray()[0];
    if (row) this.#bytes.set(name, row.bytes);
    return row?.bytes;
  }

  /** Call in a transaction. */
  add({ name, kind }: RegisteredVariable, seq: number): void {
    this.#sql.exec("INSERT INTO variables(seq, name, kind) VALUES(?, ?, ?)", seq, name, kind);
    this.#known.set(name, kind);
    if (this.#count !== undefined) this.#count++;
    // A transaction that is rolled back leaves it: it is read again.
    this.#storedBytes = undefined;
  }

  /** In the order of their first use, from after the one that has number `after`. */
  page(after: number, limit: number): (RegisteredVariable & { readonly seq: number })[] {
    return this.#sql
      .exec<{ seq: number; name: string; kind: VariableKind }>(
        "SELECT seq, name, kind FROM variables WHERE seq > ? ORDER BY seq LIMIT ?",
        after,
        limit,
      )
      .toArray();
  }

  /** All of them, so many at a time; each page is read when it is come to. */
  *pages(size: number): Generator<(RegisteredVariable & { readonly seq: number })[]> {
    for (let page = this.page(0, size); page.length > 0; page = this.page(page.at(-1)!.seq, size)) yield page;
  }
}
