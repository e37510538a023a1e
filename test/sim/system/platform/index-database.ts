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

  #call(method: string, bindings: readonly unknown[], work: () => unknown): unknown {
    return this.#network.call("index", { method, args: [bindings] }, (_, reply) => {
      if (this.#faults.strikes("index")) return reply.fail(new Error("D1_ERROR: internal error"));
      reply.answer(work());
    });
  }

  prepare(query: string) {
    const bind = (...bindings: unknown[]): Statement => {
      const values = bindings as SQLInputValue[];
      const statement = () => this.#db.prepare(query);
      const rows = () =>
        statement()
          .all(...values)
          .map((row) => ({ ...row }));
      const change = () => ({ meta: { changes: Number(statement().run(...values).changes) } });
      return {
        // One that answers rows is asked for them: in a batch, what follows a write may be a read.
        done: () => (statement().columns().length > 0 ? { results: rows(), meta: { changes: 0 } } : change()),
        run: () => this.#call("run", bindings, change),
        all: () => this.#call("all", bindings, () => ({ results: rows() })),
        first: () => this.#call("first", bindings, () => rows()[0] ?? null),
      };
    };
    return { bind };
  }

  /** All or none of them. */
  batch(statements: readonly Statement[]): unknown {
    return this.#call("batch", [statements.length], () => {
      this.#db.exec("BEGIN");
      try {
        const done = statements.map(({ done }) => done());
        this.#db.exec("COMMIT");
        return done;
      } catch (error) {
        this.#db.exec("ROLLBACK");
        throw error;
      }
    });
  }
}

interface Statement {
  readonly done: () => { readonly results?: unknown[]; readonly meta: { readonly changes: number } };
  readonly run: () => unknown;
  readonly all: () => unknown;
  readonly first: () => unknown;
}
