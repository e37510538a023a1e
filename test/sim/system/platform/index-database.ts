/** The run index: D1's surface on SQLite in memory. Each statement is a call, and durable when it is done. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import type { Faults } from "./faults.ts";
import type { Network } from "./network.ts";

const folder = join(import.meta.dirname, "../../../../migrations");
const migrations = readdirSync(folder)
  .sort()
  .map((name) => readFileSync(join(folder, name), "utf8"));

export class IndexDatabase {
  readonly #db = new DatabaseSync(":memory:");
  readonly #network: Network;
  readonly #faults: Faults;

  constructor(network: Network, faults: Faults) {
    this.#network = network;
    this.#faults = faults;
    for (const migration of migrations) this.#db.exec(migration);
  }

  /** Reads without faults: for checks. */
  rows(query: string): Record<string, unknown>[] {
    return this.#db.prepare(query).all();
  }

  close(): void {
    this.#db.close();
  }

  prepare(query: string) {
    const done = (method: string, bindings: readonly unknown[], work: () => unknown) =>
      this.#network.call("index", { method, args: [bindings] }, (_, reply) => {
        if (this.#faults.strikes("index")) return reply.fail(new Error("D1_ERROR: internal error"));
        reply.answer(work());
      });
    const bind = (...bindings: unknown[]) => {
      const values = bindings as SQLInputValue[];
      return {
        run: () =>
          done("run", bindings, () => ({ meta: { changes: Number(this.#db.prepare(query).run(...values).changes) } })),
        all: () =>
          done("all", bindings, () => ({
            results: this.#db
              .prepare(query)
              .all(...values)
              .map((row) => ({ ...row })),
          })),
      };
    };
    return { bind };
  }
}
