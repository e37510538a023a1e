/** A database that lacks migrations is told from one that has them all, and which come first is named. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { missingMigrations } from "../../src/storage/d1/schema.ts";

const folder = join(import.meta.dirname, "../../migrations");
const files = readdirSync(folder).sort();
const names = files.map((file) => file.replace(/\.sql$/, ""));

/** As much of D1 as asks which there are. */
const d1 = (database: DatabaseSync) =>
  ({
    prepare: (query: string) => ({
      bind: (list: string) => ({ all: async () => ({ results: database.prepare(query).all(list) }) }),
    }),
  }) as unknown as D1Database;

it("names what follows, however many there are", async () => {
  const database = new DatabaseSync(":memory:");
  for (const [i, file] of files.entries()) {
    expect(await missingMigrations(d1(database))).toEqual(names.slice(i));
    database.exec(readFileSync(join(folder, file), "utf8"));
  }
  expect(await missingMigrations(d1(database))).toEqual([]);
});
