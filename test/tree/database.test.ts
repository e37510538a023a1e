/** What the sources may do with the database beside what their types say. */

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const textsOf = (folder: string, ending: RegExp): [string, string][] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => ending.test(name))
    .map((name) => [`${folder}/${name}`, readFileSync(join(root, folder, name), "utf8")]);

const naming = (pattern: RegExp, texts: [string, string][]) =>
  texts.filter(([, text]) => pattern.test(text)).map(([path]) => path);

test("the audit log is added to, and nothing of it is changed; two places take old entries away", () => {
  const sources = textsOf("src", /\.ts$/);
  expect(naming(/INSERT INTO audit\b/, sources)).toEqual(["src/storage/d1/audit.ts"]);
  expect(naming(/(UPDATE|REPLACE INTO|INSERT OR \w+ INTO)\s+audit\b/i, sources)).toEqual([]);
  expect(naming(/DELETE FROM audit\b/, sources).sort()).toEqual([
    "src/storage/d1/audit.ts",
    "src/storage/d1/tenants.ts",
  ]);
});

test("migrations have no trigger: a remote database gets them cut at each semicolon", () => {
  expect(naming(/CREATE\s+(TEMP\w*\s+)?TRIGGER/i, textsOf("migrations", /\.sql$/))).toEqual([]);
});

test("comments of migrations have no semicolon and no quote: where a remote database cuts them, both count", () => {
  expect(naming(/--[^\n]*[;'"`]/, textsOf("migrations", /\.sql$/))).toEqual([]);
});
