/** Large texts by owner: written once, read whole, cut in rows that production accepts. */

import { chunksOf } from "./chunks.ts";

export class Texts {
  readonly #sql: SqlStorage;
  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  put(owner: string, text: string): void {
    this.#sql.exec("DELETE FROM chunks WHERE owner = ?", owner);
    for (const [part, piece] of chunksOf(text).entries()) {
      this.#sql.exec("INSERT INTO chunks(owner, part, text) VALUES(?, ?, ?)", owner, part, piece);
    }
  }

  remove(owner: string): void {
    this.#sql.exec("DELETE FROM chunks WHERE owner = ?", owner);
  }

  get(owner: string): string {
    return this.#sql
      .exec<{ text: string }>("SELECT text FROM chunks WHERE owner = ? ORDER BY part", owner)
      .toArray()
      .map((row) => row.text)
      .join("");
  }
}
