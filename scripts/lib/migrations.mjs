// Applies the D1 migrations to the local database, and skips the three seconds that it takes when there is nothing new.

import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withoutColour } from "./screen-filter.mjs";
import { StopError } from "./stop-error.mjs";
import { toolchainNode, wranglerEnvironment, wranglerScript } from "./wrangler.mjs";

/** @throws StopError with wrangler's output when a migration fails */
export async function applyMigrations({ root, config, folder, log }) {
  const migrations = join(root, "migrations");
  const names = existsSync(migrations)
    ? readdirSync(migrations)
        .filter((name) => name.endsWith(".sql"))
        .sort()
    : [];
  if (names.length === 0) return;
  const hash = createHash("sha256");
  for (const name of names)
    hash
      .update(`${name}\0`)
      .update(readFileSync(join(migrations, name)))
      .update("\0");
  const fingerprint = hash.digest("hex");
  const marker = folder.file("migrated");
  const database = join(folder.path, "v3", "d1");
  if (existsSync(database) && existsSync(marker) && readFileSync(marker, "utf8") === fingerprint) return;

  const { status, output } = await run(
    [wranglerScript(), "d1", "migrations", "apply", "DB", "--local", "-c", config, "--persist-to", folder.path],
    { cwd: root, env: { ...wranglerEnvironment(folder.path), WRANGLER_LOG: "log" } },
  );
  log(output);
  if (status !== 0)
    throw new StopError(`A migration could not be applied:\n${withoutColour(output).trim()}\n${folder.ifDamaged}`);
  writeFileSync(marker, fingerprint);
}

function run(args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(toolchainNode(), args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (text) => (output += text));
    child.once("error", reject);
    child.once("close", (code) => resolve({ status: code ?? 1, output }));
  });
}
