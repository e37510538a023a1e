/** The database of a local server: a new one, made in one step, is what wrangler's own migrating makes. */

import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, expect, it } from "vitest";
import { applyMigrations } from "../../../scripts/lib/migrations.mjs";
import { StateFolder } from "../../../scripts/lib/state-folder.mjs";

const projectRoot = join(import.meta.dirname, "../../..");
/** Each step starts the platform's own tool, and some its runtime several times. */
const startsMs = 90_000;
let root: string;
const all = readdirSync(join(projectRoot, "migrations")).sort();

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "heddle-migrations-"));
  copyFileSync(join(projectRoot, "wrangler.local.toml"), join(root, "wrangler.toml"));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** What was said while the database of `state` got these migrations. */
async function migrated(state: string, names: readonly string[], more?: { name: string; text: string }) {
  const migrations = join(root, "migrations");
  rmSync(migrations, { recursive: true, force: true });
  mkdirSync(migrations);
  for (const name of names) copyFileSync(join(projectRoot, "migrations", name), join(migrations, name));
  if (more) writeFileSync(join(migrations, more.name), more.text);
  let said = "";
  const folder = new StateFolder(join(root, state));
  const log = (text: string) => {
    said += text;
  };
  await applyMigrations({ root, config: join(root, "wrangler.toml"), folder, log });
  return said;
}

function tables(state: string): unknown[] {
  const databases = join(root, state, "v3/d1/miniflare-D1DatabaseObject");
  const [name] = readdirSync(databases).filter((one) => /^[0-9a-f]{64}\.sqlite$/.test(one));
  const database = new DatabaseSync(join(databases, name!));
  try {
    const schema = database.prepare("SELECT name, sql FROM sqlite_master WHERE name <> 'd1_migrations' ORDER BY name");
    return [...schema.all(), ...database.prepare("SELECT name FROM d1_migrations ORDER BY id").all()];
  } finally {
    database.close();
  }
}

it("is the same, whether all are applied at once or the later ones later; and with nothing new nothing is done", {
  timeout: startsMs,
}, async () => {
  expect(await migrated("grown", all.slice(0, -3))).toBe(`made a database with ${all.length - 3} migrations\n`);
  expect(await migrated("grown", all)).toContain(all.at(-1)!);
  expect(await migrated("new", all)).toBe(`made a database with ${all.length} migrations\n`);
  expect(tables("new")).toEqual(tables("grown"));
  expect(await migrated("new", all)).toBe("");
});

it("is not there where one fails, and what failed is said; the next start begins anew", {
  timeout: startsMs,
}, async () => {
  const some = all.slice(0, 2);
  const broken = { name: "9999_broken.sql", text: "CREATE TABLE beside (id);\nCREATE TABLE of nonsense;\n" };
  await expect(migrated("broken", some, broken)).rejects.toThrow(/could not be applied:.*near "nonsense"/s);
  await migrated("broken", some);
  await migrated("sound", some);
  expect(tables("broken")).toEqual(tables("sound"));
});
