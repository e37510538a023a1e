/** The run's register of shared variables: which names are taken, as which kind. Their values are in objects of their own. */

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

  /** Call in a transaction. */
  add({ name, kind }: RegisteredVariable, seq: number): void {
    this.#sql.exec("INSERT INTO variables(seq, name, kind) VALUES(?, ?, ?)", seq, name, kind);
    this.#known.set(name, kind);
    if (this.#count !== undefined) this.#count++;
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
}
