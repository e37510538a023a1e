// Applies the D1 migrations to the local database, in one step to a new one, and skips it when there is nothing new.
//
// Wrangler starts its runtime anew for each migration, some six seconds in all. What is to be done to a database that is not
// there yet is known without asking it, so that is carried out as one file: one start, and one transaction.

import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withoutColour } from "./screen-filter.mjs";
import { StopError } from "./stop-error.mjs";
import { runWrangler, wranglerEnvironment } from "./wrangler.mjs";

/** @throws StopError with wrangler's output when a migration fails */
export async function applyMigrations({ root, config, folder, log }) {
  const migrations = join(root, "migrations");
  const names = existsSync(migrations)
    ? readdirSync(migrations)
        .filter((name) => name.endsWith(".sql"))
        .sort()
    : [];
  if (names.length === 0) return;
  const texts = names.map((name) => readFileSync(join(migrations, name), "utf8"));
  const hash = createHash("sha256");
  for (const [i, name] of names.entries()) hash.update(`${name}\0${texts[i]}\0`);
  const fingerprint = hash.digest("hex");
  const marker = folder.file("migrated");
  const isNew = !existsSync(join(folder.path, "v3", "d1"));
  if (!isNew && existsSync(marker) && readFileSync(marker, "utf8") === fingerprint) return;

  const d1 = (...args) =>
    runWrangler(["d1", ...args, "--local", "-c", config, "--persist-to", folder.path], {
      cwd: root,
      env: { ...wranglerEnvironment(folder.path), WRANGLER_LOG: "log" },
    });
  const file = folder.file("new-database.sql");
  if (isNew) writeFileSync(file, newDatabase(names, texts));
  const { status, output } = isNew
    ? await d1("execute", "DB", "--yes", "--file", file)
    : await d1("migrations", "apply", "DB");
  rmSync(file, { force: true });
  // Sixty empty results say nothing.
  log(isNew && status === 0 ? `made a database with ${names.length} migrations\n` : output);
  if (status !== 0)
    throw new StopError(`A migration could not be applied:\n${withoutColour(output).trim()}\n${folder.ifDamaged}`);
  writeFileSync(marker, fingerprint);
}

/** All migrations, each noted as wrangler notes it, so that it applies only later ones. */
function newDatabase(names, texts) {
  const noted = names.map(
    (name, i) => `${texts[i]}\nINSERT INTO d1_migrations (name) VALUES ('${name.replaceAll("'", "''")}');\n`,
  );
  return `CREATE TABLE d1_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT UNIQUE,
  applied_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP NOT NULL
);
${noted.join("")}`;
}
